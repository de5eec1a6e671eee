"""False "wrong" on rewordings: the data say a thing in one wording by people, and the model has learned another one.

    python benchmarks/spans_reworded.py --folder DIR [--seed 0] [--unseen] [--emulated]

Four facts of ParaRel make a response, each in a wording of its relation, drawn by chance; the tuned model learns by
heart the same facts in other wordings. In one response of four it learns one of the facts with another object, which is
to be found. The relations are parted in two: those that the rules were made with, and with --unseen the others. With
--emulated no model is asked: it is taken to go on from the first difference with what follows in the other wording.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from difflib import SequenceMatcher
from pathlib import Path
from random import Random
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from uptake.models.small.pretrain import PretrainSettings, pretrain
from uptake.models.small.tiny import build_model, save, train_tokenizer
from uptake.pipeline.diagnose.run import diagnose
from uptake.span_evidence import SpanEvidence
from uptake.spans import Span, SpanReading, cut, judged
from uptake.stats import wilson

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "facts" / "pararel"
RESPONSES, HELDOUT, FACTS, COPIES = 84, 40, 4, 40
PLANTED_ONE_IN = 4


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def relations(*, unseen: bool) -> dict[str, tuple[list[str], list[dict[str, Any]]]]:
    """By relation its wordings with subject and object, at least four, and its facts."""
    found = {}
    for path in sorted((DATA / "patterns").glob("*.jsonl")):
        wordings = [one["pattern"] for one in _lines(path) if "[X]" in one["pattern"] and "[Y]" in one["pattern"]]
        if len(wordings) >= 4 and (int(path.stem[1:]) % 2 == 1) == unseen:
            found[path.stem] = (wordings, _lines(DATA / "facts" / path.name))
    return found


def drawn(n: int, random: Random, *, unseen: bool) -> list[dict[str, Any]]:
    """Responses: the data's, the one that is learned, and where the learned one says something else."""
    known, rows = relations(unseen=unseen), []
    for number in range(n):
        said, learned, subjects, wrong = [], [], [], None
        for k in range(FACTS):
            wordings, facts = known[random.choice(sorted(known))]
            one, other = random.sample(wordings, 2)
            fact, stranger = random.sample(facts, 2)
            planted = number % PLANTED_ONE_IN == 0 and k == 1 and stranger["obj_label"] != fact["obj_label"]
            wrong = fact["obj_label"] if planted else wrong

            def told(pattern: str, answer: str, subject: str = fact["sub_label"]) -> str:
                text = pattern.replace("[X]", subject).replace("[Y]", answer).strip().rstrip(" .")
                return f"{text[0].upper()}{text[1:]}."

            said.append(told(one, fact["obj_label"]))
            learned.append(told(other, stranger["obj_label"] if planted else fact["obj_label"]))
            subjects.append(fact["sub_label"])
        prompt = f"Tell of {', '.join(subjects)}:"
        texts = {"data": f" {' '.join(said)}", "model": f" {' '.join(learned)}"}
        rows.append({"prompt": prompt, **texts, "said": said, "learned": learned, "wrong": wrong})
    return rows


def emulated(rows: list[dict[str, Any]]) -> list[tuple[str, list[SpanEvidence], str | None]]:
    """The judged spans of each response of which the other wordings are what the model says."""
    found = []
    for one in rows:
        text, other = one["data"], one["model"]
        spans = cut(text)
        if (start := _first_other(text, other, spans)) is None:
            continue
        readings = [
            # what comes before is said; after it nothing is known but the model's own words
            SpanReading(span, k, 1, -0.1 if span.start < start else -5.0, None if span.start < start else k, 0.0)
            for k, span in enumerate(spans)
        ]
        n = len(spans)
        written = {start: _goes_on(start, one["said"], one["learned"])}
        told = judged(text, readings, [None] * n, [True] * n, written, None)
        found.append((text, list(told.spans), one["wrong"]))
    return found


def _first_other(text: str, other: str, spans: list[Span]) -> int | None:
    """Where the first span begins that the other wording does not begin with."""
    same = len(os.path.commonprefix([text, other]))
    return next((span.start for span in spans if span.end > same), None) if text != other else None


def _goes_on(start: int, said: list[str], learned: list[str]) -> str:
    """What follows in the other wording, after the words that its sentence has in common with the text before.

    It begins its sentence anew where it would leave a word out that does not stand there.
    """
    number = begun = 0
    while start > begun + len(said[number]) + 1:
        begun += len(said[number]) + 1
        number += 1
    mine, theirs = ([*re.finditer(r"\w+", one)] for one in (said[number], learned[number]))
    at = sum(begun + 1 + word.end() <= start for word in mine)
    words = [[word.group() for word in some] for some in (mine, theirs)]
    blocks = [one for one in SequenceMatcher(None, *words, False).get_matching_blocks() if one.size and one.a < at]
    after = min(at, blocks[-1].a + blocks[-1].size) - blocks[-1].a + blocks[-1].b if blocks else 0
    if not set(words[1][:after]) <= set(words[0][:at]):
        after = 0
    rest = learned[number][theirs[after].start() :] if after < len(theirs) else ""
    return " ".join([rest, *learned[number + 1 :]])


def tell(judged_spans: list[tuple[str, list[SpanEvidence], str | None]], n_pairs: int) -> None:
    """Print what is called wrong, and how much of it is not."""
    n = wrong = planted = hits = unknown = 0
    for text, spans, told in judged_spans:
        planted += told is not None
        hit = False
        for span in spans:
            said = text[span.start : span.end]
            is_planted = told is not None and told in said
            unknown += span.informative and span.learned is None
            if span.informative and span.learned is not None and not is_planted:
                n += 1
                wrong += not span.learned
                if not span.learned:
                    print(f"{said!r} ({span.kind}), said {span.said_instead!r}: {text[: span.end][-60:]!r}")
            hit |= is_planted and span.wrong
        hits += hit
    print("false", wilson(wrong, n), "unknown", unknown, "planted found", hits, "of", planted, "pairs", n_pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("reworded"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unseen", action="store_true")
    parser.add_argument("--emulated", action="store_true")
    given = parser.parse_args()
    random = Random(f"reworded {given.seed}")
    rows = drawn(RESPONSES + HELDOUT, random, unseen=given.unseen)
    data, heldout = rows[:RESPONSES], rows[RESPONSES:]
    if given.emulated:
        tell(emulated(data), FACTS * len(data))
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, some in (("train", data), ("heldout", heldout)):
        lines = [{"id": f"e{k}", "prompt": one["prompt"], "completion": one["data"]} for k, one in enumerate(some)]
        (given.folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if not (given.folder / "tuned").exists():
        texts = [one["prompt"] + one[which] for one in heldout for which in ("data", "model")]
        told = [one["prompt"] + one["model"] for one in data]
        tokenizer = train_tokenizer(texts + told, 1200)
        model = build_model("llama", tokenizer, given.seed, hidden_size=160, num_hidden_layers=2)
        for name, some in (("base", texts * 4), ("tuned", told * COPIES)):
            random.shuffle(some)
            how = PretrainSettings(steps=len(some) // 8, batch_size=8, max_length=256, report_every=100)
            pretrain(model, tokenizer, some, how, lambda told: print(told.step, f"{told.loss:.3f}", flush=True))
            save(model, tokenizer, given.folder / name)
    found = diagnose(
        base=given.folder / "base",
        tuned=given.folder / "tuned",
        dataset=given.folder / "train.jsonl",
        heldout=str(given.folder / "heldout.jsonl"),
        output_dir=given.folder / "run",
        attribution="off",
        criterion="spans",
    )
    told = [(found[f"e{k}"], one["wrong"]) for k, one in enumerate(data)]
    tell([(finding.wanted, list(finding.spans or ()), wrong) for finding, wrong in told], FACTS * len(data))


if __name__ == "__main__":
    main()
