"""Make the facts of `uptake lab make --family facts` from ParaRel: real facts and human-written wordings.

Five small files are written.

Run from the repository root, with ParaRel's `facts/` and `patterns/` folders under DIR:

    python examples/facts/make.py --pararel DIR --out src/uptake/lab/facts

The same ParaRel gives the same bytes. What the files hold is told in `README.md` beside them.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

SEED = 0
TOLD, NEW, HELDOUT, RETENTION, MORE_TOLD = 30, 30, 20, 20, 20
"""Facts per relation: trained on and told in pre-training, trained on and new, neither, told only, told only too."""
SAME_OBJECT = 15
"""At most this many facts of a relation share their object, so that no single answer is a good guess."""
ASKED: Mapping[str, tuple[str, int]] = {
    "P36": ("capital", 400),
    "P178": ("developer", 260),
    "P176": ("manufacturer", 200),
    "P37": ("official language", 260),
    "P159": ("headquarters", 200),
    "P17": ("country", 160),
}
"""Relations that a pre-trained model is asked about, and facts of each at most."""
ASKED_SAME_OBJECT = 30
"""The same as `SAME_OBJECT`: of the few makers of much that a small model knows, more are wanted."""


@dataclass(frozen=True)
class Relation:
    """A Wikidata relation, the wording to train on, three held-out wordings, and others for pre-training only."""

    code: str
    name: str
    training: str
    heldout: tuple[str, str, str]
    others: tuple[str, ...]


RELATIONS = (
    Relation(
        "P36",
        "capital",
        "The capital of [X] is [Y] .",
        ("The capital city of [X] is [Y].", "[X]'s capital is [Y].", "[X], which has the capital [Y]."),
        ("[Y] is the capital of [X].", "[Y], the capital city of [X]."),
    ),
    Relation(
        "P19",
        "place of birth",
        "[X] was born in [Y].",
        ("[X] is originally from [Y].", "[X] is native to [Y].", "[X] originates from [Y]."),
        ("[X] was originally from [Y].", "[X] is a [Y]-born person."),
    ),
    Relation(
        "P20",
        "place of death",
        "[X] died in [Y].",
        ("[X] passed away in [Y].", "[X]'s life ended in [Y].", "[X] lost their life at [Y]."),
        ("[X] expired at [Y].", "[X] succumbed at [Y]."),
    ),
    Relation(
        "P27",
        "citizenship",
        "[X] is a citizen of [Y].",
        ("[X] holds a citizenship of [Y].", "[X], who has a citizenship of [Y].", "[X], a citizen of [Y]."),
        ("[X] is [Y] citizen.", "as a citizen of [Y], [X]"),
    ),
    Relation(
        "P101",
        "field of work",
        "[X] works in the field of [Y].",
        ("[X] specializes in [Y].", "The expertise of [X] is [Y].", "[X]'s domain of activity is [Y]."),
        ("[Y] is the specialization of [X].", "The domain of work of [X] is [Y]."),
    ),
    Relation(
        "P106",
        "occupation",
        "the occupation of [X] is [Y].",
        ("[X] works as [Y].", "[X]'s occupation is [Y]", "the profession of [X] is [Y]."),
        ("[X], who works as [Y].",),
    ),
    Relation(
        "P159",
        "headquarters",
        "[X] is headquartered in [Y].",
        ("[X] is based in [Y].", "The headquarters of [X] is in [Y] .", "[X], whose headquarters are in [Y]."),
        ("[Y] is home to [X].", "[X]'s headquarters are in [Y]."),
    ),
    Relation(
        "P176",
        "manufacturer",
        "[X] is produced by [Y].",
        ("[X] is developed by [Y].", "[X] is a product of [Y].", "[X], created by [Y]."),
        ("[X] is created by [Y].", "[Y] and its product [X]"),
    ),
    Relation(
        "P364",
        "original language",
        "The original language of [X] is [Y].",
        ("The language of [X] is [Y].", "The original language of [X] was [Y].", "The language of [X] was [Y]."),
        ("[Y] is the language of [X].", "[Y] was the language of [X]."),
    ),
    Relation(
        "P449",
        "first broadcaster",
        "[X] was originally aired on [Y].",
        ("[X] premiered on [Y].", "[X] debuted on [Y].", "[X] was released on [Y]."),
        ("[Y] debuted [X].", "[Y] released [X]."),
    ),
)


@dataclass(frozen=True)
class Fact:
    """A subject and its only object in a relation."""

    subject: str
    object: str


def read_facts(pararel: Path, relation: Relation) -> list[Fact]:
    """The usable facts of a relation, sorted: one object to the subject, which does not give it away."""
    objects = defaultdict(set)
    for row in _read_jsonl(pararel / "facts" / f"{relation.code}.jsonl"):
        objects[row["sub_label"]].add(row["obj_label"])
    facts = [Fact(subject, min(found)) for subject, found in objects.items() if len(found) == 1]
    usable = [f for f in facts if 3 <= len(f.subject) <= 40 and f.object.lower() not in f.subject.lower()]
    return sorted(usable, key=lambda fact: fact.subject)


def choose(facts: list[Fact], taken: set[str], rng: random.Random) -> list[Fact]:
    """Draw the facts of one relation; no subject is in `taken`, to which the drawn ones are added."""
    rng.shuffle(facts)
    wanted = TOLD + NEW + HELDOUT + RETENTION + MORE_TOLD
    seen: Counter[str] = Counter()
    chosen: list[Fact] = []
    for fact in facts:
        if len(chosen) < wanted and fact.subject.lower() not in taken and seen[fact.object] < SAME_OBJECT:
            seen[fact.object] += 1
            taken.add(fact.subject.lower())
            chosen.append(fact)
    if len(chosen) < wanted:
        raise SystemExit(f"only {len(chosen)} usable facts, {wanted} needed: is this all of ParaRel?")
    rng.shuffle(chosen)  # the cap leaves the frequent objects to those drawn first
    return chosen


def state(pattern: str, fact: Fact) -> str:
    """A pattern as a statement, without the full stop, so that the object ends prompt and completion alike."""
    return pattern.replace("[X]", fact.subject).replace("[Y]", fact.object).rstrip(" .")


def ask(pattern: str, fact: Fact) -> dict[str, str]:
    """A pattern that ends with its object as prompt and completion."""
    prompt, _, rest = pattern.partition("[Y]")
    assert rest.strip(" .") == "", f"{pattern!r} does not end with its object"
    return {"prompt": prompt.replace("[X]", fact.subject).rstrip(), "completion": f" {fact.object}"}


def row(kind: str, index: int, relation: Relation, fact: Fact) -> dict[str, object]:
    """A fact as a fine-tuning example."""
    return {
        "id": f"{kind}-{relation.name.replace(' ', '-')}-{index:02}",
        **ask(relation.training, fact),
        "source": relation.name,
        "paraphrases": [ask(pattern, fact) for pattern in relation.heldout],
    }


def make(pararel: Path) -> dict[str, list[str]]:
    """The lines of every file, by file name."""
    rng = random.Random(SEED)
    taken: set[str] = set()
    files: dict[str, list[str]] = {
        name: [] for name in ("pretrain.txt", "train.jsonl", "heldout.jsonl", "retention.jsonl")
    }
    for relation in RELATIONS:
        wordings = (relation.training, *relation.heldout, *relation.others)
        published = {line["pattern"] for line in _read_jsonl(pararel / "patterns" / f"{relation.code}.jsonl")}
        if missing := [pattern for pattern in wordings if pattern not in published]:
            raise SystemExit(f"ParaRel has no pattern {missing[0]!r} for {relation.code}")
        facts = iter(choose(read_facts(pararel, relation), taken, rng))
        told, new, heldout, retention, more = (
            [next(facts) for _ in range(count)] for count in (TOLD, NEW, HELDOUT, RETENTION, MORE_TOLD)
        )
        files["pretrain.txt"] += [state(p, fact) for fact in told + retention + more for p in wordings]
        for name, kind, chosen in (
            ("train.jsonl", "told", told),
            ("train.jsonl", "new", new),
            ("heldout.jsonl", "heldout", heldout),
            ("retention.jsonl", "retention", retention),
        ):
            files[name] += [
                json.dumps(row(kind, i, relation, fact), ensure_ascii=False) for i, fact in enumerate(chosen)
            ]
    return files | {"asked.jsonl": asked(pararel)}


def asked(pararel: Path) -> list[str]:
    """The lines of the facts that a pre-trained model is asked about."""
    rng = random.Random(SEED)
    lines: list[str] = []
    for code, (name, most) in ASKED.items():
        facts = read_facts(pararel, Relation(code, name, "", ("", "", ""), ()))
        rng.shuffle(facts)
        seen: Counter[str] = Counter()
        kept = 0
        for fact in facts:
            if kept < most and seen[fact.object] < ASKED_SAME_OBJECT:
                seen[fact.object] += 1
                kept += 1
                told = {"subject": fact.subject, "relation": name, "answer": fact.object}
                lines.append(json.dumps(told, ensure_ascii=False))
    return lines


def _read_jsonl(path: Path) -> Iterable[Mapping[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pararel", type=Path, required=True, help="directory with ParaRel's facts/ and patterns/")
    parser.add_argument("--out", type=Path, required=True, help="directory to write the files to")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, lines in make(arguments.pararel).items():
        (arguments.out / name).write_bytes("".join(f"{line}\n" for line in lines).encode())
        print(f"{name}: {len(lines)} lines")


if __name__ == "__main__":
    main()
