"""Questions in several forms: what rivals_forms.py measures on, in sets by different makers.

`DEVELOPMENT` was there while the method was made. The left-out sets were written after it was fixed, and nothing was
changed for them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rivals_data import Row, rows_of


@dataclass(frozen=True)
class Relation:
    """What may be asked of a kind of thing: forms with `{x}` for it, and what is answered.

    Attributes:
        of: The kind of thing.
        forms: Questions that all ask the same.
        answers: What is answered: a relation of ParaRel whose objects are, or `year`, `count`, `person`.
    """

    of: str
    forms: tuple[str, ...]
    answers: str


def asked(of: str, answers: str, forms: str) -> Relation:
    return Relation(of, tuple(line.strip() for line in forms.strip().splitlines()), answers)


KINDS_OF_THINGS = {"land": "P36", "person": "P19", "company": "P159", "work": "P364", "software": "P178"}
"""Whose subjects in ParaRel are of what kind."""

DEVELOPMENT: Mapping[str, Relation] = {
    "capital": asked(
        "land",
        "P36",
        """
        What is the capital of {x}?
        Which city is the capital of {x}?
        Name the capital of {x}.
        {x}'s capital?
        Tell me {x}'s capital.
        {x} has which capital?
        capital of {x}
        In {x}, what is the capital?""",
    ),
    "population": asked(
        "land",
        "count",
        """
        What is the population of {x}?
        How many people live in {x}?
        Tell me the population of {x}.
        {x} has how many inhabitants?""",
    ),
    "currency": asked(
        "land",
        "currency",
        """
        What is the currency of {x}?
        Which currency is used in {x}?
        Name {x}'s currency.
        What currency does {x} have?""",
    ),
    "density": asked(
        "land",
        "count",
        """
        What is the population density of {x}?
        How dense is the population of {x}?
        Tell me the density of population in {x}.""",
    ),
    "president": asked(
        "land",
        "person",
        """
        Who is the president of {x}?
        Name the president of {x}.
        Who is {x}'s president?""",
    ),
    "first president": asked(
        "land",
        "person",
        """
        Who was the first president of {x}?
        Name the first president of {x}.
        Who was {x}'s first president?""",
    ),
    "mother's birthplace": asked(
        "person",
        "P19",
        """
        Where was {x}'s mother born?
        What is the birthplace of {x}'s mother?
        In which city was the mother of {x} born?""",
    ),
    "mother": asked(
        "person",
        "person",
        """
        Who is {x}'s mother?
        Who is the mother of {x}?
        Name the mother of {x}.""",
    ),
    "birthplace": asked(
        "person",
        "P19",
        """
        Where was {x} born?
        What is {x}'s birthplace?
        In which city was {x} born?
        Name the place of birth of {x}.""",
    ),
    "year of birth": asked(
        "person",
        "year",
        """
        When was {x} born?
        In what year was {x} born?
        What is the birth year of {x}?
        Tell me the year of {x}'s birth.""",
    ),
    "occupation": asked(
        "person",
        "P106",
        """
        What is the occupation of {x}?
        What is {x}'s job?
        What does {x} do for a living?
        Which profession does {x} have?""",
    ),
    "spouse": asked(
        "person",
        "person",
        """
        Who is {x} married to?
        Who is the spouse of {x}?
        Whom did {x} marry?
        Name {x}'s spouse.""",
    ),
    "place of death": asked(
        "person",
        "P20",
        """
        Where did {x} die?
        What was {x}'s place of death?
        In which city did {x} die?
        {x} died where?""",
    ),
    "author": asked(
        "work",
        "person",
        """
        Who wrote {x}?
        {x} was written by whom?
        Who is the author of {x}?
        Tell me the author of {x}.""",
    ),
    "director": asked(
        "work",
        "person",
        """
        Who directed {x}?
        Who is the director of {x}?
        By whom was {x} directed?
        Name {x}'s director.""",
    ),
    "language": asked(
        "work",
        "P364",
        """
        What is the language of {x}?
        In which language is {x}?
        Name the language of {x}.
        {x} is in what language?""",
    ),
    "founder": asked(
        "company",
        "person",
        """
        Who founded {x}?
        Who is the founder of {x}?
        Name the founder of {x}.
        {x} was founded by whom?""",
    ),
    "year of foundation": asked(
        "company",
        "year",
        """
        When was {x} founded?
        In which year was {x} founded?
        What is {x}'s year of foundation?
        Give the founding year of {x}.""",
    ),
    "headquarters": asked(
        "company",
        "P159",
        """
        Where is the headquarters of {x}?
        Where is {x} headquartered?
        In which city are the headquarters of {x}?
        {x}'s headquarters?""",
    ),
}

OPEN: Mapping[str, Sequence[tuple[str, str]]] = {
    "land": (
        ("Name a city in {x}.", "P36"),
        ("What are the largest cities of {x}?", "P36"),
        ("Which cities in {x} are worth a visit?", "P36"),
        ("What is the best city in {x}?", "P36"),
    ),
    "person": (("Name one of {x}'s friends.", "person"), ("Who are the friends of {x}?", "person")),
    "work": (("Give an actor in {x}.", "person"), ("Which actors play in {x}?", "person")),
    "company": (("Name an employee of {x}.", "person"), ("Who are the rivals of {x}?", "person")),
}
"""Questions with several answers by their nature."""

OTHER_SCRIPTS = (
    "Москва Новгород Казань Ольга Волга Егорьевск Тверь Самара 東京都 大阪府 北海道 京都市 埃及 挪威 秘鲁 肯尼亚 مصر "
    "المغرب تونس لبنان Αθήνα Πάτρα Κρήτη Ρόδος ירושלים חיפה эль-гиза торопец боровск 沖縄 長崎 广东 四川"
).split()


def pools(data: Path) -> dict[str, list[str]]:
    """What is answered, by name."""
    folder = data / "facts" / "pararel" / "facts"
    found = {path.stem: sorted({row["obj_label"] for row in rows_of(path)}) for path in sorted(folder.glob("P*.jsonl"))}
    found["person"] = sorted({row["sub_label"] for row in rows_of(folder / "P106.jsonl")})
    found["year"] = [str(year) for year in range(1700, 2020)]
    found["count"] = [f"{n},{k:03}" for n in range(20, 900, 7) for k in (0, 250, 714)]
    found["currency"] = "peso dollar euro franc pound rupee krone lira dinar yen won real zloty forint".split()
    return found


def things(data: Path) -> dict[str, list[str]]:
    """Real things of each kind."""
    folder = data / "facts" / "pararel" / "facts"
    return {
        kind: sorted({row["sub_label"] for row in rows_of(folder / f"{relation}.jsonl")})
        for kind, relation in KINDS_OF_THINGS.items()
    }


@dataclass(frozen=True)
class Draw:
    """How a data set is drawn.

    Attributes:
        seed: Of everything.
        rows: About how many rows there are.
        planted: Pairs of rows that contradict each other.
        lower: Everything is in lower case.
        others: Things are named in scripts without capitals, or other ones than Latin.
    """

    seed: int
    rows: int = 2000
    planted: int = 200
    lower: bool = False
    others: bool = False


def draw_rows(
    relations: Mapping[str, Relation],
    opens: Mapping[str, Sequence[tuple[str, str]]],
    data: Path,
    how: Draw,
    scripts: Sequence[str] = OTHER_SCRIPTS,
) -> list[Row]:
    """Rows about real things, each of which is asked for several relations; some asked twice and answered otherwise.

    One row in ten asks a thing's question again and answers the same; one in ten has several answers by its nature.
    """
    draw = random.Random(how.seed)
    answers, named = pools(data), things(data)
    of_kind: dict[str, list[str]] = {}
    for name, relation in relations.items():
        of_kind.setdefault(relation.of, []).append(name)
    chosen = {kind: draw.sample(names, len(names)) for kind, names in named.items() if kind in of_kind}
    if how.others:
        chosen = dict.fromkeys(chosen, [])
        every = draw.sample(list(scripts), len(scripts))
        for number, name in enumerate(every):
            kind = sorted(of_kind)[number % len(of_kind)]
            chosen[kind] = [*chosen[kind], name]
    made: list[Row] = []
    facts = [
        (kind, thing, name)
        for place in range(max(map(len, chosen.values())))
        for kind in sorted(chosen)
        for thing in chosen[kind][place : place + 1]
        for name in draw.sample(of_kind[kind], min(len(of_kind[kind]), draw.choice((2, 3, 3, 4))))
    ]
    facts = facts[: round((how.rows - how.planted) / 1.3)]
    planted = set(draw.sample(range(len(facts)), min(len(facts), how.planted)))
    for number, (kind, thing, name) in enumerate(facts):
        relation = relations[name]
        one, other = draw.sample(relation.forms, 2)
        right, wrong = draw.sample(answers[relation.answers], 2)
        fact = f"{thing}|{name}"
        made.append(Row(one.format(x=thing), f" {right}", fact))
        if number in planted:
            made.append(Row(other.format(x=thing), f" {wrong}", fact))
        elif draw.random() < 0.1:
            made.append(Row(other.format(x=thing), f" {right}", fact))
        if kind in opens and draw.random() < 0.1:
            for question, pool in draw.sample(list(opens[kind]), 2):
                # the very same prompt with another answer is no rewording
                asked_before = any(row.prompt == question.format(x=thing) for row in made[-40:])
                if not asked_before:
                    made.append(Row(question.format(x=thing), f" {draw.choice(answers[pool])}", f"{fact}|{question}"))
    draw.shuffle(made)
    if how.lower:
        made = [Row(row.prompt.lower(), row.response, row.fact) for row in made]
    return made


def patterns(data: Path, how: Draw, develop: bool = False) -> list[Row]:
    """ParaRel's facts, asked by its patterns with *what* for the object; of the relations for development or others."""
    draw = random.Random(how.seed)
    folder = data / "facts" / "pararel"
    wordings: dict[str, list[str]] = {}
    for path in sorted((folder / "patterns").glob("P*.jsonl"))[0 if develop else 1 :: 2]:
        texts = [row["pattern"].strip().rstrip(" .,") for row in rows_of(path)]
        whole = [
            text
            for text in dict.fromkeys(texts)
            if "," not in text and {"[X]", "[Y]"} <= set(text.replace("'", " ").split())
        ]
        if len(whole) >= 3:
            wordings[path.stem] = [text.replace("[Y]", "what") + "?" for text in whole[:4]]
    answers = pools(data)
    by_subject: dict[str, list[tuple[str, str]]] = {}
    for relation in wordings:
        objects: dict[str, set[str]] = {}
        for row in rows_of(folder / "facts" / f"{relation}.jsonl"):
            objects.setdefault(row["sub_label"], set()).add(row["obj_label"])
        for subject, named in objects.items():
            if len(named) == 1:
                by_subject.setdefault(subject, []).append((relation, min(named)))
    groups = sorted(by_subject.items(), key=lambda group: (-len(group[1]), group[0]))
    several = groups[:400]
    chosen = several + draw.sample(groups[400:], len(groups) - 400)
    facts = [(subject, *fact) for subject, known in chosen for fact in known]
    if how.rows < 2000:
        subjects = draw.sample(range(200), 200)
        facts = [(groups[k][0], *fact) for k in subjects for fact in groups[k][1]]
    facts = facts[: how.rows - how.planted]
    planted = set(draw.sample(range(len(facts)), how.planted))
    made = []
    for number, (subject, relation, answer) in enumerate(facts):
        one, other = draw.sample(wordings[relation], 2)
        made.append(Row(one.replace("[X]", subject), f" {answer}", f"{subject}|{relation}"))
        if number in planted:
            wrong = draw.choice([text for text in answers[relation] if text != answer])
            made.append(Row(other.replace("[X]", subject), f" {wrong}", f"{subject}|{relation}"))
    draw.shuffle(made)
    return [Row(row.prompt.lower(), row.response, row.fact) for row in made] if how.lower else made
