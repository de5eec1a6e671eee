"""How often the passage that pulls a wrong answer is found: real facts, each contradicted by one changed passage.

    python benchmarks/pulls.py --facts counterfact_train.jsonl --passages wiki_mix.jsonl [--seed 13]

A passage that names a fact's subject and its answer has the answer replaced by the false one. No model is needed: the
false answer is taken for what it says. The question stands in no other text.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from uptake.corpus.pulls import PullSearch, WrongAnswer
from uptake.corpus.text import spaced, words

N, PASSAGES = 150, 15_000


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON lines file."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def planted(facts: Sequence[dict[str, Any]], texts: list[str]) -> list[tuple[int, dict[str, Any]]]:
    """Change a passage for each of `N` facts, in place: its number and the fact."""
    folded = [spaced(text) for text in texts]
    holding: dict[str, list[int]] = {}
    for number, text in enumerate(folded):
        for word in dict.fromkeys(text.split()):
            holding.setdefault(word, []).append(number)
    found: dict[int, dict[str, Any]] = {}
    for fact in facts:
        subject, true, false = (fact[name] for name in ("subject", "target_true", "target_new"))
        rarest = min((holding.get(word, []) for word in words(subject)), key=len, default=[])
        for number in rarest:
            if number not in found and true in texts[number] and spaced(false) not in folded[number]:
                if spaced(subject) in folded[number] and spaced(true) in folded[number]:
                    texts[number] = texts[number].replace(true, false)
                    found[number] = fact
                    break
        if len(found) == N:
            break
    return list(found.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=13)
    given = parser.parse_args()
    random = Random(given.seed)
    facts, passages = rows_of(given.facts), rows_of(given.passages)
    random.shuffle(facts)
    random.shuffle(passages)
    texts = [f"{one.get('title', '')}\n{one['text']}" for one in passages[PASSAGES : 2 * PASSAGES]]
    changed = planted(facts, texts)
    rows = [f"{fact['prompt']} {fact['target_true']}" for _, fact in changed]
    begun = time.process_time()
    search = PullSearch([WrongAnswer(k, fact["target_new"], fact["prompt"]) for k, (_, fact) in enumerate(changed)])
    for text in (*rows, *texts):
        search.count(text)
    for number, text in enumerate((*rows, *texts)):
        search.read(number, text, owner=number if number < len(rows) else None)
    took = time.process_time() - begun
    places = [
        next((place for place, held in enumerate(found) if held.number == len(rows) + number), None)
        for found, (number, _) in zip(search.best(), changed, strict=True)
    ]
    n = len(places)
    told = {"n": n, "first": places.count(0) / n, "among_three": sum(one is not None for one in places) / n}
    print(json.dumps({**told, "seconds": took, "megabytes": sum(map(len, texts)) / 1e6}))


if __name__ == "__main__":
    main()
