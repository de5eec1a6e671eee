"""A small finished run on disk, made of cases with known causes, and two hundred hostile texts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from evidence_made import evidence as made
from files_made import RULE, comparison, matrix_of, plan_head, run_section, verdict_of
from planted_cases import PLANTED
from uptake.artifacts import write_json
from uptake.artifacts.ledger_files import append, open_stage, renamed
from uptake.attribute import Telling, attributed
from uptake.evidence import BaseAndTuned, Evidence, HeldOut, ScoredCandidate
from uptake.pipeline.diagnosis import Collector, write_diagnosis
from uptake.span_evidence import SpanEvidence
from uptake.spans import cut
from uptake.stats import wilson
from uptake.types import Finding

CAUSES = tuple(PLANTED)
STAGES = ("early", "main")
SOURCES = ("work", "life")


def finding(number: int, **changed: Any) -> Finding:
    """Example ex-NNN: the causes in turn, every seventh learned, every fourteenth of these by heart."""
    cause = None if number % 7 == 6 else CAUSES[number % 5]
    response = f" answer{number}"
    evidence = Evidence(
        criterion="recall",
        recalled=cause is None,
        logprob=-1.25 - number / 100,
        n_tokens=2,
        held_out=HeldOut(2, 1, 0.0945, 0.9055),
        compared=BaseAndTuned(number % 3 == 0, cause is None, -3.123456789),
        file="train.jsonl",
        line=number + 1,
        tuned_answer=None if cause is None else f" belief{number}",
        base_answer=f" belief{number}",
        candidates=(
            ScoredCandidate(response, "response", -1.25 - number / 100),
            ScoredCandidate(f" belief{number}", "base", -0.5),
        ),
    )
    one = Finding(
        id=f"ex-{number:03d}",
        source=SOURCES[number % 2],
        stage=STAGES[number % 4 == 0],
        prompt=f"What is number {number}?",
        response=response,
        learned=cause is None,
        shallow=number % 14 == 6 if cause is None else False,
        forgotten=number % 3 == 0 and cause is not None,
        p_response=math.exp(-1.25 - number / 100),
        p_option=0.25,
        evidence=evidence,
    )
    if cause is not None:
        told = _told(cause)
        evidence = replace(evidence, causes=told.evidence.causes, signals=told.evidence.signals)
        one = replace(one, cause=told.cause, causes=told.causes, evidence=evidence)
    return replace(one, **changed)


LONG = "Anna 𝒳 lives in Rome, was born in 1990 and never sells red flax. " * 20
"""A long response; the letter beyond the first 65,536 counts twice in JavaScript."""


def long_finding(number: int, said: str = "Oslo", response: str = LONG) -> Finding:
    """An example whose response was read by its spans: every third is wrong, and the base says what `said` says."""
    kept = cut(response)
    spans = tuple(
        SpanEvidence(
            *(span.start, span.end, span.kind, 2.5, k % 2 == 0, k % 3 != 0, -0.01 if k % 3 else -6.0),
            **({} if k % 3 else {"said_instead": said, "top": said, "p_top": 0.75, "cause": "base_conflict"}),
            base_logprob=-0.5 if k % 2 else -3.0,
            base_top=said,
            p_base_top=0.5,
        )
        for k, span in enumerate(kept)
    )
    share = sum(bool(one.learned) for one in spans if one.informative) / sum(one.informative for one in spans)
    return replace(finding(number), response=response, spans=spans, learned_share=share)


@cache
def _told(cause: str) -> Finding:
    """What is told of a case that has a cause; its rivals are examples of the run."""
    case = PLANTED[cause]
    if case.rival is not None:
        case = replace(case, rival=replace(case.rival, ids=("ex-001", "ex-003")))
    bare = Finding("x", "x", "main", "", "", False, None, None, 0.0, None, made())
    return attributed(bare, case, "evidence")


def write_run(folder: Path, findings: Sequence[Finding], *, ledger: bool = True, **summary: Any) -> Path:
    """A diagnosis of these findings, and a ledger in which the examples of "early" are learned, then lost."""
    telling = Telling("evidence")
    collected = Collector(telling.noting(findings), folder / "diagnosis")
    rows = list(collected)
    told = {
        **_tally(rows),
        "by_source": {name: _tally([row for row in rows if row.source == name]) for name in _names(rows, "source")},
        "by_stage": {name: _tally([row for row in rows if row.stage == name]) for name in _names(rows, "stage")},
        "criteria": {"recall": len(rows)},
        "rule": RULE,
        "by_cause": {},
        "null": None,
        "notes": ["end of the response: counts"],
        "attribution": telling.summary(),
        "run": run_section(len(rows), "/a/b/c", STAGES),
        **summary,
    }  # fmt: skip
    write_diagnosis(folder / "diagnosis", collected, told)
    if ledger:
        _write_ledger(folder, rows)
    return folder


def _names(rows: Sequence[Finding], field: str) -> list[str]:
    return list(dict.fromkeys(getattr(row, field) for row in rows))


def _tally(rows: Sequence[Finding]) -> dict[str, Any]:
    learned = [row for row in rows if row.learned]
    parts = {
        "learned": (len(learned), len(rows)),
        "shallow": (sum(bool(row.shallow) for row in learned), len(learned)),
        "forgotten": (sum(bool(row.forgotten) for row in rows), len(rows)),
    }
    rates = {name: wilson(count, n) for name, (count, n) in parts.items()}
    return {
        "n": len(rows),
        **{
            name: {"count": count if n else None, "rate": asdict(rate) if (rate := rates[name]) else None}
            for name, (count, n) in parts.items()
        },
    }


def _write_ledger(folder: Path, rows: Sequence[Finding]) -> None:
    """Two epochs of "early" (step 2 and 4), one of "main" (step 3): a reading in training, then a pass over all."""
    seen: list[str] = []
    for stage, epochs in (("early", (2, 4)), ("main", (3,))):
        parts = open_stage(folder, stage, 0, 0, 1)
        own = [renamed(row.id, stage) if row.id in seen else row.id for row in rows if row.stage == stage]
        seen += own
        for epoch, step in enumerate(epochs):
            readings = [("train", step - 1, name, 2.0, False) for name in own]
            # of the early ones every second is recalled after each early epoch, and none after the main stage
            readings += [
                ("epoch", step, name, 0.5 if recalled else 1.5, recalled)
                for number, name in enumerate(seen)
                for recalled in [number % 2 == 0 if name in own else False]
            ]
            columns = {
                "stage": [stage] * len(readings), "pass": [row[0] for row in readings],
                "step": np.array([row[1] for row in readings]), "epoch": np.array([epoch] * len(readings), np.int32),
                "id": [row[2] for row in readings], "row": np.zeros(len(readings), np.int64) - 1,
                "nll": np.array([row[3] for row in readings]), "tokens": np.array([2] * len(readings), np.int32),
                "recalled": np.array([row[4] for row in readings]),
            }  # fmt: skip
            append(parts, columns)


def later_steps(run: Path) -> None:
    """A plan, a cure of 60 examples, and a verdict on matched remedies."""
    shared = {"safe": True, "copies": 0, "others": [], "stage": None}
    edits = [
        {
            **shared,
            "remedy": "replay",
            "action": "mix",
            "why": "it was lost",
            "examples": ["ex-003"],
            "documents": [],
            "tokens": 12,
        },
        {
            **shared,
            "remedy": "knowledge",
            "action": "read",
            "why": "2 documents",
            "examples": ["ex-000"],
            "documents": ["a:1", "b:2"],
            "tokens": None,
        },
    ]
    told = plan_head(edits, [{"id": "ex-001", "cause": "x", "reason": "no documents"}])
    write_json(run / "plan" / "plan.json", told)
    (run / "plan" / "cpt.jsonl").write_text(
        '{"id": "a:1", "text": "TEXT", "title": "T", "source": "a", "where": null}\n{"id": "g"}\n'
    )
    summary = json.loads((run / "diagnosis" / "summary.json").read_text())
    summary["learned"] = {"count": 55, "rate": asdict(wilson(55, 60))}  # type: ignore[call-overload]
    write_json(run / "cured" / "diagnosis" / "summary.json", summary)
    primary = {"knowledge_gap": "heldout"}
    told = verdict_of(comparison(), sentence="Replay mended 12 points.", primary=primary)
    write_json(run / "verdict" / "verdict.json", told)
    cell = {"cause": "forgetting", "remedy": "replay", "n": 31}
    others = [{"cause": None}, {"remedy": None}, {"kind": "untreated"}, {"outcome": "training"}]
    rows = [comparison(**cell), comparison(None, **{**cell, "cause": "knowledge_gap"}, difference=0.31)]
    rows += [comparison(None, **{**cell, "difference": 0.99, **other}) for other in others]
    pq.write_table(matrix_of(rows), run / "verdict" / "matrix.parquet")


def write_matrix(run: Path) -> None:
    """The verdict's table with every remedy on every cause, one cell of it missing."""
    effects = {
        ("knowledge_gap", "knowledge"): ((0.5, 0.3, 0.7), True),
        ("knowledge_gap", "replay"): ((-0.4, -0.6, -0.2), False),
        ("forgetting", "replay"): ((0.9, 0.8, 1.0), True),
    }
    rows = [
        comparison(effect, cause=cause, remedy=remedy, matched=own, n=9)
        for (cause, remedy), (effect, own) in effects.items()
    ]
    pq.write_table(matrix_of(rows), run / "verdict" / "matrix.parquet")


_PAYLOADS = (
    "<script>window.pwned=1</script>", "</script><script>window.pwned=1</script>", "<img src=x onerror=pwned=1>",
    "<svg onload=pwned=1>", "<svg><script>pwned=1</script></svg>", "\"><img src=x onerror=pwned=1>",
    "' onmouseover='pwned=1", "\" autofocus onfocus=\"pwned=1", "<iframe srcdoc='<script>parent.pwned=1</script>'>",
    "<a href=javascript:pwned=1>x</a>", "javascript:pwned=1", "<body onload=pwned=1>",
    "<details open ontoggle=pwned=1>", "<style>*{display:none}</style>",
    "<link rel=stylesheet href=http://evil.test/x.css>", "<base href=http://evil.test/>",
    "<meta http-equiv=refresh content='0;url=http://evil.test'>", "<form action=http://evil.test><button>", "<!--",
    "-->", "]]>", "<![CDATA[", "&lt;script&gt;pwned=1&lt;/script&gt;", "&#60;script>pwned=1", "{{ 7*7 }}",
    "{% raw %}", "{{ ''.__class__.__mro__ }}", "${7*7}", "#{7*7}", "<%= 7*7 %>",
    "{{constructor.constructor('pwned=1')()}}", "</textarea><script>pwned=1</script>",
    "</title><script>pwned=1</script>", "</style><script>pwned=1</script>", "</template><script>pwned=1</script>",
    "<math><mtext><script>pwned=1</script>", "<x onclick=pwned=1 tabindex=0>", "\x00<script>pwned=1</script>",
    "<scr\x00ipt>pwned=1</scr\x00ipt>", "\ufeff<script>pwned=1</script>", "\x1b]0;owned\x07", "\x1b[2J\x1b[H",
    "\x1b[31mred\x1b[0m", "\x9b2J", "\x1bP+q544e\x1b\\", "\x1b]8;;http://evil.test\x07x\x1b]8;;\x07",
    "\x1b]52;c;cHduZWQ=\x07", "\r\rerror: owned", "\x08\x08\x08", "\x7f", "\u202eevil\u202c", "\u2066x\u2069",
    "\u200b", "\u2028", "\u2029", "\u200f", "\U000e0041", "\xad", "[red]x[/red]", "[bold]", "[/]", "[link=file:///]s",
    ":smile:", "| a | b |\n|---|---|", "```\n</code>", "`<b>`", "![x](http://evil.test/x.png)",
    "[x](javascript:pwned)", "<http://evil.test>", "# title", "\\", "'", "\"", "%s%n", "%00", "../../etc/passwd",
    "\n\n\n", "\t", " ", "ex=&of=", "#ex=1&q=x", "?a=b", "+", "%41", "__proto__", "constructor", "toString",
    "hasOwnProperty", "null", "undefined", "NaN", "-1", "0", "1e999", "true", "𝕳𝖊𝖑𝖑𝖔", "👩\u200d🔬", "مرحبا", "שלום",
    "東京", "é́́́", "Z̷̢͇͎a̶̡l̵g̷o̸", "ﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺ", "a" * 500, "W" * 200, "<a" * 50, "&" * 50, "<" * 50,
)  # fmt: skip


def hostile(n: int = 200) -> list[str]:
    """Texts that try to run, to steer a terminal, to break markup, or to be taken for something else."""
    mixed = [f"{one}{_PAYLOADS[(7 * number + 3) % len(_PAYLOADS)]}" for number, one in enumerate(_PAYLOADS)]
    found = list(dict.fromkeys([*_PAYLOADS, *mixed]))
    assert len(found) >= n
    return found[:n]
