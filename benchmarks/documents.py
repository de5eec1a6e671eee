"""What the documents of a plan tell: those that would be read for questions of other people, from a real corpus.

    python benchmarks/documents.py --data ../shared/data --work DIR [--verdicts FILE.json]

Questions of PopQA, facts of ParaRel as questions (`plans.py`), HotpotQA, MuSiQue and QASC; `wiki_mix` as corpus. Of
each question those documents that a plan reads: found by the search and passed by `uptake.remedies.tells`. Of all of
them 200 are drawn, sets taking turns, and judged by a rule that shares nothing with that code: the document, title and
text, holds the response and half of the question's words with a capital, all as they are written. Fifty of these, drawn
again, are written to `DIR/eye.json` to be read; verdicts that somebody gave them come back in as `--verdicts`, by their
numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

from plans import told

os.environ.setdefault("HF_HUB_OFFLINE", "1")
OUT = Path(__file__).parent / "results" / "documents.json"
BY_RULE, BY_EYE = 200, 50
MOST = 20
"""Documents of a question at most: a plan's default."""
QUESTIONS = {"popqa": 2000, "pararel": 1000, "hotpotqa": 100, "musique": 100, "qasc": 400}


def questions(data: Path) -> dict[str, list[tuple[str, str]]]:
    """Questions with their responses, by set."""
    found: dict[str, list[tuple[str, str]]] = {}
    rows = json.loads((data / "qa" / "popqa_2k.json").read_text(encoding="utf-8"))
    found["popqa"] = [(one["input"], json.loads(one["output"])[0]) for part in ("dev", "test") for one in rows[part]]
    found["pararel"] = [(one["prompt"], one["completion"].strip()) for one in told(data, QUESTIONS["pararel"], 0)]
    for name in ("hotpotqa", "musique"):
        rows = json.loads((data / "retrieval" / f"{name}_train.json").read_text(encoding="utf-8"))
        found[name] = [(one["question"], one["answer"]) for one in rows]
    rows = json.loads((data / "qa" / "task041_qasc_answer_generation.json").read_text(encoding="utf-8"))["Instances"]
    found["qasc"] = [(one["input"].rpartition("Question:")[2].strip(), one["output"][0].strip(". ")) for one in rows]
    return {name: rows[: QUESTIONS[name]] for name, rows in found.items()}


def read(data: Path, work: Path) -> tuple[list[dict[str, Any]], dict[str, dict[str, int]]]:
    """Every document that would be read, and how many questions have one, by set."""
    from uptake.corpus import guard
    from uptake.pipeline.prescribe.gathering import Library, Wanted, from_library
    from uptake.remedies import asked_about, tells
    from uptake.rivals.entities import entities
    from uptake.types import Example

    library = Library(str(data / "corpus" / "wiki_mix.jsonl"), work / "none", (), work / "index", MOST, "skip", 0)
    documents, counts = [], {}
    for name, rows in questions(data).items():
        mark = work / f"{name}.json"
        if not mark.exists():
            examples = [Example(f"q{k:04}", text, said, name, stage="main") for k, (text, said) in enumerate(rows)]
            about = entities(examples, {one.id for one in examples})
            wanted = [Wanted(one.id, about[one.id], str(one.prompt), one.response) for one in examples]
            search = from_library(library, lambda: guard([]), {one.id: (one.id, one.stage) for one in examples})
            assert search is not None
            gathered = search(wanted)
            own = [
                {
                    "set": name,
                    "question": one.question,
                    "response": one.response,
                    "title": each.title,
                    "text": each.text,
                }
                for one in wanted
                for each in gathered.documents.get(one.id, ())
                if tells(each, asked_about(one.question, one.entities), one.response)
            ]
            found = sum(map(len, gathered.documents.values()))
            work.mkdir(parents=True, exist_ok=True)
            mark.write_text(json.dumps({"n": len(rows), "found": found, "read": own}), encoding="utf-8")
        done = json.loads(mark.read_text(encoding="utf-8"))
        told_of = len({one["question"] for one in done["read"]})
        counts[name] = {"questions": done["n"], "found": done["found"], "read": len(done["read"]), "told": told_of}
        print(name, counts[name], flush=True)
        documents += done["read"]
    return documents, counts


def drawn(documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """So many, sets and questions by turns: no name fills the sample while there are others."""
    draw = Random(0)
    asked: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in draw.sample(list(documents), len(documents)):
        asked.setdefault((one["set"], one["question"]), []).append(one)
    of: dict[str, list[dict[str, Any]]] = {}
    for turn in range(MOST):
        for (name, _), some in asked.items():
            of.setdefault(name, []).extend(some[turn : turn + 1])
    chosen = [one for turn in zip_longest(*of.values()) for one in turn if one is not None]
    return chosen[:BY_RULE]


def by_rule(one: dict[str, Any]) -> bool:
    """The response, and half of the question's words with a capital, as they are written, in the title or the text."""
    text = f"{one['title']}\n{one['text']}"
    names = [word for word in re.findall(r"\w+", one["question"])[1:] if word[0].isupper()]
    held = sum(re.search(rf"\b{re.escape(word)}\b", text) is not None for word in names)
    return re.search(rf"(?<!\w){re.escape(one['response'])}(?!\w)", text, re.I) is not None and 2 * held >= len(names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="keeps the index and what was found")
    parser.add_argument("--verdicts", type=Path, help="what was read by eye: {number: [right, reason]}")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    documents, counts = read(args.data.absolute(), args.work.absolute())
    sample = drawn(documents)
    ruled = [by_rule(one) for one in sample]
    eye = sorted(Random(1).sample(range(len(sample)), min(BY_EYE, len(sample))))
    shown = {str(k): sample[k] for k in eye}
    (args.work / "eye.json").write_text(json.dumps(shown, indent=1, ensure_ascii=False), encoding="utf-8")
    verdicts = json.loads(args.verdicts.read_text(encoding="utf-8")) if args.verdicts else {}
    seen = [
        {"number": int(k), **{name: one[name] for name in ("set", "question", "response", "title")},
         "rule": ruled[int(k)], "right": verdicts[k][0], "reason": verdicts[k][1]}
        for k, one in shown.items() if k in verdicts
    ]  # fmt: skip
    told_of = {"sets": counts, "by_rule": {"n": len(ruled), "right": sum(ruled)}, "eye": seen}
    told_of["by_eye"] = {"n": len(seen), "right": sum(one["right"] for one in seen)}
    print(told_of["by_rule"], told_of["by_eye"])
    args.out.write_text(json.dumps(told_of, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
