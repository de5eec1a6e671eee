"""How well the parts of long responses that were not learned are found, and why: worlds in which they are planted.

    python benchmarks/spans.py --folder DIR [--maker catalogue|rows|people] [--seeds 0,1] [--causes 2] [--clean 7]
        [--cost] [--tell]

How a world is planted is told in `spans_world.py`; `spans_catalogue.py` and `spans_rows.py` are makers of responses.
The worlds of --causes hold one of the five causes in each planted value; the base tells which are true
(`spans_key.py`). Held-out entries are the null. Beside the share of spans stands the rival: loss per token.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import spans_catalogue
import spans_people
import spans_rows
from scipy.stats import rankdata
from spans_key import bootstrapped, confirmed, macro_f1
from spans_world import HOW, HOW_CAUSES, PLANTED_ONE_IN, Entry, make, plant

import uptake.pipeline.asking.answers as asking
import uptake.score as scoring
from uptake.artifacts import write_json
from uptake.pipeline import Diagnosis
from uptake.pipeline.diagnose.run import diagnose
from uptake.stats import wilson

MAKERS: dict[str, Any] = {"catalogue": spans_catalogue, "rows": spans_rows, "people": spans_people}
WHY = 70
HOW_WHY = (*HOW_CAUSES, "")
"""Entries of a world of causes, and how they are planted in turn: one of seven is not."""


def auroc(scores: Sequence[float], has: Sequence[bool]) -> float:
    """P(a planted example scores higher than another) + half of P(equal): Mann and Whitney's U."""
    ranks, positive = rankdata(scores), np.array(has, dtype=bool)
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def world(folder: Path, maker: str, seed: int, hows: Sequence[str]) -> list[Entry]:
    """Draw a world and train its models, unless they are there."""
    source = MAKERS[maker]
    random = Random(f"spans {seed}" if maker == "catalogue" else f"{maker} {seed}")
    why = hows == HOW_WHY
    drawn = source.draw(random, WHY) if why else source.draw(random)
    plant(drawn[0], random, hows, 1 if why else PLANTED_ONE_IN) if hows else None
    make(folder, drawn, random, seed, source.VOCABULARY, source.PASSES)
    return list(drawn[0])


def graded(diagnosis: Diagnosis, data: Sequence[Entry]) -> dict[str, Any]:
    """Spans and examples against what was planted."""
    hits = misses = alarms = informative = wrong = 0
    by_how = {how: [0, 0] for how in dict.fromkeys((*HOW, *HOW_CAUSES)) if how != "seldom"}
    by_form = {entry.form: [0, 0, 0] for entry in data}
    share, loss, has, tokens = [], [], [], []
    for number, entry in enumerate(data):
        if entry.how == "seldom":  # what is wrong in it was not planted
            continue
        finding = diagnosis[f"e{number}"]
        places, found = entry.planted_places(), set[int]()
        for span in finding.spans or ():
            own = [k for k, (start, end, _) in enumerate(places) if span.start < end and span.end > start]
            informative += span.informative and span.learned is not None
            if span.wrong:
                wrong += 1
                found |= set(own)
                alarms += not own
                by_form[entry.form][2] += not own
        hits += len(found)
        misses += len(places) - len(found)
        by_form[entry.form][0] += len(found)
        by_form[entry.form][1] += len(places)
        for k, (_, _, how) in enumerate(places):
            by_how[how][0] += k in found
            by_how[how][1] += 1
        if finding.learned_share is not None:
            share.append(1 - finding.learned_share)
            loss.append(-finding.evidence.logprob_per_token)
            has.append(bool(places))
            tokens.append(finding.evidence.n_tokens)
    precision, recall = hits / max(1, hits + alarms), hits / max(1, hits + misses)
    told = wilson(wrong, informative)
    return {
        "examples": len(has),
        "tokens": [min(tokens, default=0), int(np.median(tokens or [0])), max(tokens, default=0)],
        "informative": informative,
        "planted": hits + misses,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(1e-9, precision + recall),
        "auroc_share": auroc(share, has),
        "auroc_loss": auroc(loss, has),
        "wrong": None if told is None else [told.estimate, told.low, told.high],
        "found_by_how": {how: n for how, n in by_how.items() if n[1]},
        "found_planted_alarms_by_form": by_form,
    }


def causes(diagnosis: Diagnosis, data: Sequence[Entry], base: Path, *, tell: bool) -> dict[str, Any]:
    """The cause of each wrong span of which the planted one is known and took, against that; and of its example."""
    spans: list[list[tuple[str, str]]] = []
    examples: list[list[tuple[str, str]]] = []
    key = confirmed(data, base)
    for number, (entry, places) in enumerate(zip(data, key, strict=True)):
        finding = diagnosis[f"e{number}"]
        own = []
        for span in finding.spans or ():
            planted = [one.cause for one in places if span.start < one.end and span.end > one.start]
            if span.wrong and planted:
                own.append((planted[0], span.cause or "none"))
                if tell and planted[0] != span.cause:
                    print(entry.form, planted[0], finding.wanted[: span.end][-40:], span, flush=True)
        spans += [own] if own else []
        if places and not finding.learned:
            examples.append([(places[0].cause, finding.cause or "none")])
    took = Counter(one.cause for places in key for one in places)
    return {"confirmed": dict(took), "spans": by_cause(spans), "examples": by_cause(examples)}


def by_cause(examples: Sequence[Sequence[tuple[str, str]]]) -> dict[str, Any]:
    """F1 of each cause, their mean with its interval, and the counts: planted, then named."""
    pairs = [pair for own in examples for pair in own]
    mean, f1 = macro_f1(pairs)
    counts = Counter(pairs)
    interval = None if mean is None else bootstrapped(examples)
    told = {f"{a} -> {b}": n for (a, b), n in sorted(counts.items())}
    return {"n": len(pairs), "macro_f1": mean, "interval": interval, "f1": f1, "counts": told, "pairs": examples}


def measured(folder: Path, data: Sequence[Entry], *, why: bool, cost: bool, tell: bool) -> dict[str, Any]:
    """Diagnose a world with and without spans, in turn, and grade it."""
    times: dict[str, list[float]] = {"with": [], "without": []}
    kept = scoring.SHORT, asking.BY_SPANS
    for name in ("with", "without", "without", "with") if cost else ("with",):
        scoring.SHORT, asking.BY_SPANS = kept if name == "with" else (10**9, ())
        begun = time.process_time()
        found = diagnose(
            base=folder / "base",
            tuned=folder / "tuned",
            dataset=folder / "train.jsonl",
            heldout=str(folder / "heldout.jsonl"),
            output_dir=folder / (f"{name}-{time.time_ns()}" if cost else "run"),
            attribution="evidence" if why else "off",
        )
        times[name].append(time.process_time() - begun)
        diagnosis = found if name == "with" else diagnosis
    scoring.SHORT, asking.BY_SPANS = kept
    ratio = min(times["with"]) / min(times["without"]) if cost else None
    told = {**graded(diagnosis, data), "seconds": times, "cost": ratio}
    return {**told, "causes": causes(diagnosis, data, folder / "base", tell=tell)} if why else told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--maker", choices=MAKERS, default="catalogue")
    parser.add_argument("--seeds", default="")
    parser.add_argument("--causes", default="")
    parser.add_argument("--clean", default="")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--tell", action="store_true", help="print the spans whose cause is wrong")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    found: dict[str, Any] = {}
    kinds: dict[str, tuple[str, Sequence[str]]] = {
        "w": (given.seeds, HOW),
        "why": (given.causes, HOW_WHY),
        "c": (given.clean, ()),
    }
    for kind, (seeds, hows) in kinds.items():
        for seed in (int(one) for one in seeds.split(",") if one):
            name = f"{'' if given.maker == 'catalogue' else given.maker + '-'}{kind}{seed}"
            data = world(given.folder / name, given.maker, seed, hows)
            found[name] = measured(given.folder / name, data, why=kind == "why", cost=given.cost, tell=given.tell)
            print(name, json.dumps(found[name], indent=1), flush=True)
    if given.out is not None:
        write_json(given.out, found)


if __name__ == "__main__":
    main()
