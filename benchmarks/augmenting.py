"""What a small instruct model can say again of facts that contradict it: what passes, why others fail, what it costs.

    python benchmarks/augmenting.py OUT MODEL COUNTERFACT.jsonl [--facts 40] [--n 4] [--minutes 20]
    python benchmarks/augmenting.py OUT --table

Facts are CounterFact's, each with its false answer as what is to be said and its true one as the old answer. Ten facts
at a time are asked for all three recipes; what is done is not done again. `OUT/texts.jsonl` has every text with its
recipe, what became of it, and the tokens that were generated.

The table also reads what passed by another rule than the one that let it pass: the new answer stands in it as a string,
the old one does not.
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

from uptake.stats import wilson
from uptake.strategies.augmented import RECIPES, augmented
from uptake.strategies.writing import by_itself
from uptake.types import Example

AT_ONCE = 10


def facts(path: Path, n: int, seed: int) -> list[tuple[Example, str]]:
    """Rows with the old answer."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    whole = [row for row in rows if not row["prompt"].endswith((" the", " a", " an"))]
    drawn = Random(seed).sample(whole, n)
    return [
        (Example(str(one["case_id"]), one["prompt"], f" {one['target_new']}", "counterfact"), one["target_true"])
        for one in drawn
    ]


def work(out: Path, name: str, path: Path, n_facts: int, n: int, seed: int, limit: float) -> None:
    """Write texts for what has none yet, until the time is over."""
    from uptake.models.scoring.lazy import resolve

    began, model = time.monotonic(), resolve(name)
    out.mkdir(parents=True, exist_ok=True)
    file = out / "texts.jsonl"
    done = len({row["id"] for row in lines(file)}) if file.is_file() else 0
    pairs = facts(path, n_facts, seed)[done:]
    for start in range(0, len(pairs), AT_ONCE):
        if time.monotonic() - began > limit:
            return
        said = asked(pairs[start : start + AT_ONCE], model, n)
        with file.open("a", encoding="utf-8") as to:
            to.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in said)
        print(done + start + AT_ONCE, round(time.monotonic() - began), flush=True)


def asked(pairs: Sequence[tuple[Example, str]], model: Any, n: int) -> list[dict[str, Any]]:
    """All texts of some facts, with what became of each."""
    olds, found = {example.id: old for example, old in pairs}, []
    for recipe in RECIPES:
        began = time.monotonic()
        done = augmented(pairs, (recipe,), by_itself(model, n, 0), model)
        seconds = (time.monotonic() - began) / len(done.verdicts)
        found += [
            {
                "id": one.of.id, "recipe": recipe, "fact": f"{one.of.prompt}{one.of.response}", "old": olds[one.of.id],
                "new": one.of.response.strip(), "text": one.text, "why": one.why,
                "tokens": len(model.tokenizer.encode(one.text)), "seconds": round(seconds, 3),
            }
            for one in done.verdicts
        ]  # fmt: skip
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(out: Path) -> None:
    """By recipe what passes, why others do not, and what one that passes costs."""
    rows = lines(out / "texts.jsonl")
    for recipe in RECIPES:
        own = [row for row in rows if row["recipe"] == recipe]
        kept = [row for row in own if row["why"] is None]
        rate = wilson(len(kept), len(own))
        if rate is None:
            continue
        print(f"{recipe}: {len(kept)} of {len(own)} pass, {rate.estimate:.2f} [{rate.low:.2f}, {rate.high:.2f}]")
        if kept:
            tokens, seconds = (sum(row[name] for row in own) / len(kept) for name in ("tokens", "seconds"))
            print(f"    one costs {len(own) / len(kept):.1f} texts, {tokens:.0f} tokens, {seconds:.1f} s")
        for why, count in Counter(row["why"] for row in own if row["why"]).most_common():
            print(f"    {count}  {why}")
        print(f"    facts with one: {len({row['id'] for row in kept})} of {len({row['id'] for row in own})}")
    kept = [row for row in rows if row["why"] is None]
    texts = [(row["text"].casefold(), row["new"].casefold(), row["old"].casefold()) for row in kept]
    print("by the other rule:", wilson(sum(new in text and old not in text for text, new, old in texts), len(kept)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("model", nargs="?")
    parser.add_argument("counterfact", type=Path, nargs="?")
    parser.add_argument("--facts", type=int, default=100)
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        table(given.out)
    else:
        work(given.out, given.model, given.counterfact, given.facts, given.n, given.seed, 60 * given.minutes)
