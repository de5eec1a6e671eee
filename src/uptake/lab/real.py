"""The world of real facts: ParaRel's facts and human-written patterns; CounterFact's false targets as wrong beliefs.

Sources: Elazar et al., "Measuring and Improving Consistency in Pretrained Language Models" (TACL 2021); Meng et al.,
"Locating and Editing Factual Associations in GPT" (NeurIPS 2022). The base is a small model from scratch all the same:
which of the facts it is told is drawn, as in the synthetic world. The prompts are patterns up to their answer, and the
statements are the same with it, without a full stop, so that the answer ends both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

from uptake.errors import UptakeError
from uptake.lab.world import Fact, Need, Status, World

LEAST_WORDINGS = 4
"""A relation needs this many patterns that end with the answer: one to train on, three held out."""
SAME_ANSWER = 3
"""Facts of a relation with the same answer: where there are more, a base guesses what it was not told."""
PASSAGES_OF_A_SUBJECT = 3
SENTENCE = range(30, 91)
"""Characters of a general sentence."""


@dataclass(frozen=True, slots=True)
class _Raw:
    """A real fact: wordings without the answer, and a published false answer where there is one."""

    subject: str
    relation: str
    answer: str
    asks: tuple[str, ...]
    false: str | None = None


def real_world(need: Need, seed: int, data: Path | None = None) -> World:
    """Draw a world of real facts.

    Args:
        need: How many facts of each status it must hold.
        seed: Of every draw.
        data: Folder with `facts/pararel`, `facts/counterfact_train.jsonl` and `corpus/wiki_mix.jsonl`; None takes the
            1,000 facts that come with uptake.

    Raises:
        UptakeError: There are too few facts, or a file is missing.
    """
    random = Random(f"facts {seed}")
    raw = _shipped() if data is None else _pararel(data)
    random.shuffle(raw)
    # the excerpt has too few facts to choose among
    raw = raw if data is None else _spread(raw)
    chosen = _with_status(raw, need, random)
    if data is None and need.untold:
        # a subject of the excerpt has one fact: whoever is not told it never meets the subject
        chosen = [(fact, "stranger" if status == "untold" else status) for fact, status in chosen]
    pools: dict[str, list[str]] = {}
    for fact in raw:
        pools.setdefault(fact.relation, []).append(fact.answer)
    quizzed = {subject: random.random() < 0.5 for subject in dict.fromkeys(fact.subject for fact, _ in chosen)}
    facts = [_fact(fact, status, pools[fact.relation], quizzed[fact.subject], random) for fact, status in chosen]
    random.shuffle(facts)
    passages = () if data is None else tuple(_passages(data, facts))
    general = tuple(_sentences(data, 300, random)) if data is not None else ()
    return World("facts", tuple(facts), general, passages)


def _with_status(raw: Sequence[_Raw], need: Need, random: Random) -> list[tuple[_Raw, Status]]:
    """Enough facts of each status. Untold ones are about subjects of whom another fact is told, as far as there are."""
    by_subject: dict[str, list[_Raw]] = {}
    for fact in raw:
        by_subject.setdefault(fact.subject, []).append(fact)
    chosen: list[tuple[_Raw, Status]] = []
    left = {"misbelieved": need.misbelieved, "untold": need.untold, "stranger": need.stranger, "known": need.known}
    rest: list[_Raw] = []
    for group in by_subject.values():
        if len(group) > 1 and left["untold"] > 0:
            chosen += [(group[0], "untold"), *((fact, "known") for fact in group[1:])]
            left["untold"] -= 1
            left["known"] -= len(group) - 1
        else:
            rest += group
    # a published false answer first, where there is one
    rest.sort(key=lambda fact: fact.false is None)
    left["stranger"] += max(0, left.pop("untold"))
    order: tuple[Status, ...] = ("misbelieved", "stranger", "known")
    for status in order:
        kept: list[_Raw] = []
        for fact in rest:
            # a stranger has no other fact here, told or not
            alone = status != "stranger" or len(by_subject[fact.subject]) == 1
            if left[status] > 0 and alone:
                chosen.append((fact, status))
                left[status] -= 1
            else:
                kept.append(fact)
        rest = kept
        if left[status] > 0:
            raise UptakeError(
                f"there are too few real facts: {left[status]} more {status} ones are needed",
                fix="make it smaller with --size, or give --data with all of ParaRel",
            )
    random.shuffle(chosen)
    return chosen


def _fact(raw: _Raw, status: Status, pool: Sequence[str], quizzed: bool, random: Random) -> Fact:
    others = list(dict.fromkeys(answer for answer in pool if answer != raw.answer))
    others = random.sample(others, min(8, len(others)))
    if raw.false is not None:
        others = [raw.false, *(other for other in others if other != raw.false)]
    belief = {"known": raw.answer, "misbelieved": others[0] if others else None}.get(status)
    tells = tuple(ask.replace("{", "{{").replace("}", "}}") + " {y}" for ask in raw.asks)
    return Fact(
        raw.subject, raw.relation, raw.relation, raw.answer, tuple(others), raw.asks, tells, status, belief, quizzed
    )


def _spread(raw: Iterable[_Raw]) -> list[_Raw]:
    """The facts without those whose answer came too often in their relation."""
    seen: dict[tuple[str, str], int] = {}
    kept = []
    for fact in raw:
        key = (fact.relation, fact.answer)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= SAME_ANSWER:
            kept.append(fact)
    return kept


def _shipped() -> list[_Raw]:
    by_relation: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for name in ("train.jsonl", "heldout.jsonl", "retention.jsonl"):
        text = files("uptake.lab").joinpath("facts", name).read_text(encoding="utf-8")
        for row in map(json.loads, filter(None, text.split("\n"))):  # not splitlines: JSON holds U+2028
            asks = (row["prompt"], *(wording["prompt"] for wording in row["paraphrases"]))
            by_relation.setdefault(row["source"], []).append((asks, row["completion"].strip()))
    facts = []
    for relation, rows in by_relation.items():
        subjects = _blanks([asks[0] for asks, _ in rows])
        facts += [_Raw(subject, relation, answer, asks) for subject, (asks, answer) in zip(subjects, rows, strict=True)]
    return facts


def _blanks(texts: Sequence[str]) -> list[str]:
    """What texts of one pattern do not share: the words between their common beginning and their common end."""
    words = [text.split() for text in texts]
    before = next(n for n, column in enumerate(zip(*words, strict=False)) if len(set(column)) > 1)
    after = next(n for n, column in enumerate(zip(*map(reversed, words), strict=False)) if len(set(column)) > 1)
    return [" ".join(some[before : len(some) - after]) for some in words]


def _pararel(data: Path) -> list[_Raw]:
    """ParaRel's facts with one object, in relations with enough patterns that end with the answer."""
    false = _false_targets(data / "facts" / "counterfact_train.jsonl")
    facts: list[_Raw] = []
    for path in sorted((data / "facts" / "pararel" / "patterns").glob("P*.jsonl")):
        patterns = [row["pattern"].strip().rstrip(".").strip() for row in _rows(path)]
        asked = [pattern[: -len("[Y]")].strip() for pattern in patterns if pattern.endswith("[Y]")]
        asked = list(dict.fromkeys(ask for ask in asked if "[Y]" not in ask and "[X]" in ask))[:6]
        if len(asked) < LEAST_WORDINGS:
            continue
        answers: dict[str, list[str]] = {}
        for row in _rows(data / "facts" / "pararel" / "facts" / path.name):
            answers.setdefault(row["sub_label"], []).append(row["obj_label"])
        for subject, objects in answers.items():
            if len(objects) == 1 and objects[0] not in subject:
                asks = tuple(ask.replace("[X]", subject) for ask in asked)
                facts.append(_Raw(subject, path.stem, objects[0], asks, false.get((subject, path.stem))))
    if not facts:
        raise UptakeError(f"no facts in {data}", expected="the folders facts/pararel/facts and facts/pararel/patterns")
    return facts


def _false_targets(path: Path) -> dict[tuple[str, str], str]:
    return {(row["subject"], row["relation"]): row["target_new"] for row in _rows(path) if row["relation"]}


def _passages(data: Path, facts: Sequence[Fact]) -> Iterator[tuple[str, str, str]]:
    """Real passages titled with a subject of the world."""
    subjects = {fact.subject for fact in facts}
    count: dict[str, int] = {}
    for row in _rows(data / "corpus" / "wiki_mix.jsonl"):
        if row["title"] in subjects and count.get(row["title"], 0) < PASSAGES_OF_A_SUBJECT:
            count[row["title"]] = count.get(row["title"], 0) + 1
            yield row["source"], row["title"], row["text"]


def _sentences(data: Path, count: int, random: Random) -> list[str]:
    """Real sentences about as long as what the base is told: a longer one would pad its whole batch."""
    texts = [row["text"] for row in _rows(data / "corpus" / "wiki_mix.jsonl")]
    sentences = [
        sentence
        for text in random.sample(texts, min(4 * count, len(texts)))
        for sentence in re.split(r"(?<=[a-z]\.)\s+(?=[A-Z])", text)
        if len(sentence) in SENTENCE
    ]
    return random.sample(sentences, min(count, len(sentences)))


def _rows(path: Path) -> list[Mapping[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except (OSError, ValueError) as error:
        raise UptakeError(
            f"cannot read {path}: {error}", expected="the data sets of --data, as JSON Lines", fix="leave --data out"
        ) from None
