"""The data that rivals.py and rivals_speed.py measure on: real facts in real wordings, and the lab's worlds."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass
from pathlib import Path

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
    from uptake.lab.controls import Controls
    from uptake.lab.plants import need, plant
    from uptake.lab.world import synthetic

    controls = Controls(seed=seed, noise=noise)
    items = plant(synthetic(need(controls), seed), controls).items
    facts = ["|".join(f"{fact.subject} {fact.relation}" for fact in item.facts) for item in items]
    prompts = [item.prompt.lower() if lower else item.prompt for item in items]
    return [Row(prompt, item.response, fact) for prompt, item, fact in zip(prompts, items, facts, strict=True)]


def several(data: Path, seed: int = 5) -> list[tuple[str, str, str]]:
    """ParaRel's facts as (prompt, answer, kind), each answer in another wording, wrong ones drawn from the relation's.

    `both`: every subject with several objects, all true, of every other one the first said twice. `outvoted`: two right
    answers and a wrong one. `tie`: a right and a wrong one. `one`: a single answer.
    """
    draw, patterns = random.Random(seed), wordings(data)
    true: dict[tuple[str, str], list[str]] = {}
    for relation in sorted(relation for relation in patterns if len(patterns[relation]) >= 3):
        for row in rows_of(data / "facts" / "pararel" / "facts" / f"{relation}.jsonl"):
            true.setdefault((row["sub_label"], relation), []).append(row["obj_label"])
    pools: dict[str, list[str]] = {}
    for (_, relation), objects in true.items():
        pools.setdefault(relation, []).extend(objects)
    facts = [(*key, list(dict.fromkeys(objects))) for key, objects in true.items()]
    single = draw.sample([fact for fact in facts if len(fact[2]) == 1], 3000)
    made = []
    both = [fact for fact in facts if len(fact[2]) > 1]
    for kind, chosen in (
        ("both", both[::2]),
        ("both, one twice", both[1::2]),
        ("outvoted", single[:300]),
        ("tie", single[300:600]),
        ("one", single[600:]),
    ):
        for subject, relation, objects in chosen:
            wrong = draw.choice([other for other in pools[relation] if other not in objects])
            answers = {
                "both, one twice": [objects[0], *objects],
                "outvoted": [*objects * 2, wrong],
                "tie": [*objects, wrong],
            }.get(kind, objects)
            asks = itertools.cycle(draw.sample(patterns[relation], len(patterns[relation])))
            made += [
                (ask.replace("[X]", subject), f" {answer}", kind) for answer, ask in zip(answers, asks, strict=False)
            ]
    draw.shuffle(made)
    return made


def other_relations(data: Path, part: slice, others: int = 1500, seed: int = 7) -> tuple[list[Row], int]:
    """True facts only: subjects with several relations, each asked once, among others; and how many pairs could clash.

    Args:
        data: Where the data sets lie.
        part: The relations that are asked, of all in order.
        others: Facts about subjects with one relation.
        seed: Of the wordings.
    """
    draw, patterns = random.Random(seed), wordings(data)
    by_subject: dict[str, list[tuple[str, str]]] = {}
    for relation in sorted(relation for relation in patterns if patterns[relation])[part]:
        objects: dict[str, set[str]] = {}
        for row in rows_of(data / "facts" / "pararel" / "facts" / f"{relation}.jsonl"):
            objects.setdefault(row["sub_label"], set()).add(row["obj_label"])
        for subject, answers in objects.items():
            if len(answers) == 1:
                by_subject.setdefault(subject, []).append((relation, min(answers)))
    groups = list(by_subject.items())
    single = draw.sample([group for group in groups if len(group[1]) == 1], others)
    chosen = [(subject, *fact) for subject, facts in groups if len(facts) > 1 for fact in facts]
    chosen += [(subject, *facts[0]) for subject, facts in single]
    draw.shuffle(chosen)
    made = [
        Row(draw.choice(patterns[relation]).replace("[X]", subject), f" {answer}", f"{subject}|{relation}")
        for subject, relation, answer in chosen
    ]
    pairs = sum(one[1] != other[1] for _, facts in groups for one, other in itertools.combinations(facts, 2))
    return made, pairs
