"""Which of contradicting answers is likely wrong, or that several may be right.

In the order of METHODS: the majority, the base's belief, the sources. The belief is one more vote: it decides a tie and
opens a lead of one, but a base that believes wrongly does not outvote the data.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from uptake.rivals.equal import compare
from uptake.rivals.groups import BOTH, MOST_ANSWERS, OPEN, Beliefs, Rivalry, Side, Tells, Verdict
from uptake.text import counted

SEVERAL, MANY_VALUED = 3, 0.2
"""A relation may have several right answers if at least so many of its contradictions have so many answers, and if they
are at least this share of them."""
ASKED_THE_SAME = 0.6
"""Probability that the prompts ask the same below which no answer is called wrong."""
BELIEVED, DOUBTED = math.log(0.5), math.log(0.1)
"""The base believes an answer that has at least the one log-probability where every other has at most the other. What a
base gives more to of two answers that it hardly gives at all is chance."""
SPOKEN = 0.5
"""The base believes what it says in its own words in more than this share of the questions."""
RECORDS, BLAMED, LESS_BLAMED = 10, 0.1, 3
"""A source has a record after so many votes; it is blamed from this share outvoted on, and where another is so many
times less."""

_TIME = re.compile(
    r"(?:\b(?:since|from|until|till|before|after|in|as of)\s+|\([^()]*)((?:1\d|20)\d\d)(?!\d)", re.IGNORECASE
)


@dataclass(frozen=True)
class Told:
    """What is known of each example besides its answer.

    Attributes:
        relations: What its prompt asks, whomever it is about: equal numbers for wordings that ask the same.
        sources: Its source.
        stages: The stage that trains it.
    """

    relations: Sequence[int]
    sources: Sequence[str]
    stages: Sequence[str]


def judged(groups: Sequence[Rivalry], told: Told, beliefs: Beliefs | None, tells: Tells | None = None) -> list[Rivalry]:
    """The groups with their verdicts.

    Args:
        groups: Examples that contradict each other.
        told: What is known of the examples.
        beliefs: The base's log-probabilities, where they are known.
        tells: What the base says in its own words, where it is known.
    """
    opened = [
        _may_all_be_right(group, several, told.stages)
        for group, several in zip(groups, _many_valued(groups, told.relations), strict=True)
    ]
    blame = _blame([group for group, why in zip(groups, opened, strict=True) if why is None], told.sources)
    found = []
    for group, open_because in zip(groups, opened, strict=True):
        if open_because is not None:
            found.append(replace(group, verdict="ambiguous", why=open_because))
            continue
        verdict, wrong, why = judge_sides(group.sides, _base(group.sides, beliefs, tells), told.sources, blame)
        found.append(replace(group, verdict=verdict, wrong=wrong, why=why))
    return found


def _may_all_be_right(group: Rivalry, several: bool, stages: Sequence[str]) -> str | None:
    """Why no answer of a group has to be wrong; None when one has."""
    if group.difference == BOTH:
        return "the judge calls no answer wrong"
    if several:
        return "questions of this kind often have several answers"
    if len(group.sides) > MOST_ANSWERS // 2:
        return f"{len(group.sides)} different answers to one question: such a question has no single answer"
    if group.probability < ASKED_THE_SAME:
        return f"the prompts may not ask the same: probability {group.probability:.2f}"
    times = [frozenset(_TIME.findall(side.answer)) for side in group.sides]
    if group.difference in OPEN and all(times) and len(set(times)) == len(times):
        return "each answer names another time"
    of_side = [{stages[position] for position in side.positions} for side in group.sides]
    if sum(map(len, of_side)) == len(set[str]().union(*of_side)):
        return "each answer comes from another stage: a later one may have replaced an earlier one"
    return None


def _many_valued(groups: Sequence[Rivalry], relations: Sequence[int]) -> list[bool]:
    """For each group whether its relation often has three answers or more, as `is a twin city of` has."""
    of = [relations[group.sides[0].positions[0]] for group in groups]
    contradicted = Counter(of)
    several = Counter(relation for relation, group in zip(of, groups, strict=True) if len(group.sides) >= SEVERAL)
    return [several[r] >= SEVERAL and several[r] >= MANY_VALUED * contradicted[r] for r in of]


def _blame(groups: Sequence[Rivalry], sources: Sequence[str]) -> dict[str, float]:
    """For each source with a record the share of its votes against which there is a majority."""
    outvoted: dict[str, list[bool]] = {}
    for group in groups:
        if len(group.sides[0].positions) > len(group.sides[1].positions):
            for number, side in enumerate(group.sides):
                for position in side.positions:
                    outvoted.setdefault(sources[position], []).append(number > 0)
    return {source: sum(marks) / len(marks) for source, marks in outvoted.items() if len(marks) >= RECORDS}


@dataclass(frozen=True)
class _Base:
    """What the base thinks: the side that it believes, if it believes one, and how that was seen."""

    side: int | None
    held: str = ""


def judge_sides(
    sides: Sequence[Side], thinks: _Base | None, sources: Sequence[str], blame: Mapping[str, float]
) -> tuple[Verdict | None, tuple[int, ...], str]:
    """Which side is likely wrong: the majority decides, with the base's belief as one more vote, then the sources.

    Args:
        sides: The contradicting answers, the largest first.
        thinks: What the base thinks; None where it is not known.
        sources: The source of each example.
        blame: For each source, the share of its examples in other groups that a majority contradicts.

    Returns:
        The verdict, the examples that are likely wrong, and what it rests on.
    """
    votes = [len(side.positions) for side in sides]
    held = "" if thinks is None else thinks.held
    heard = [n + (thinks is not None and k == thinks.side) for k, n in enumerate(votes)]
    first = max(range(len(sides)), key=lambda k: (heard[k], -k))
    if heard[first] > max(n for k, n in enumerate(heard) if k != first):
        if max(n for k, n in enumerate(votes) if k != first) == votes[first]:
            return _against(sides, first, f"equally many examples give each answer, and {held}")
        answer = counted(votes[first], "example answers", "examples answer")
        counts = f"{answer} {_named(sides[first])}, {sum(votes) - votes[first]} something else"
        return _against(sides, first, counts + (f"; {held}" if held else ""))
    if (best := _least_blamed(sides, sources, blame)) is not None:
        return _against(sides, best, f"{_named(sides[best])} comes from a source that others contradict less often")
    if held:
        return (
            "ambiguous",
            (),
            f"{counted(votes[0], 'example answers', 'examples answer')} {_named(sides[0])}, but {held}",
        )
    if thinks is not None:
        return "ambiguous", (), "equally many examples give each answer, and the base model does not clearly prefer one"
    return None, (), "equally many examples give each answer, and the base model's answer is not known"


def _least_blamed(sides: Sequence[Side], sources: Sequence[str], blame: Mapping[str, float]) -> int | None:
    """The side whose sources are outvoted far less often than those of all others; None where one has no record."""
    if any(sources[position] not in blame for side in sides for position in side.positions):
        return None
    records = [max(blame[sources[position]] for position in side.positions) for side in sides]
    best = min(range(len(sides)), key=lambda k: (records[k], k))
    least = min(record for k, record in enumerate(records) if k != best)
    return best if least >= BLAMED and least >= LESS_BLAMED * records[best] else None


def _against(sides: Sequence[Side], right: int, why: str) -> tuple[Verdict, tuple[int, ...], str]:
    wrong = sorted(position for k, side in enumerate(sides) if k != right for position in side.positions)
    return "mislabelled", tuple(wrong), why


def _named(side: Side) -> str:
    return f"*{side.answer.strip()}*"


def _base(sides: Sequence[Side], beliefs: Beliefs | None, tells: Tells | None) -> _Base | None:
    """What the base thinks of the sides: by what it says in its own words, else by the probabilities that it gives.

    A base that answers in sentences gives little to any answer that is a word.
    """
    said = [_said(position, sides, tells) for side in sides for position in side.positions] if tells else []
    asked = [one for one in said if one is not None]
    for number, side in enumerate(sides):
        times = sum(one == {number} for one in asked)
        if times > SPOKEN * len(asked):
            of = f"in {times} of {counted(len(asked), 'question')}"
            return _Base(number, f"{of} the base model answers {_named(side)} in its own words")
    means = None if beliefs is None else _belief(sides, beliefs)
    if means is None:
        return _Base(None) if asked else None
    believed = _believed(means)
    if believed is None:
        return _Base(None)
    return _Base(believed, f"the base model answers {_named(sides[believed])} (p = {math.exp(means[believed]):.2f})")


def _said(position: int, sides: Sequence[Side], tells: Tells) -> frozenset[int] | None:
    """The sides whose answer the base tells; None where it tells nothing."""
    found = [tells(position, side.answer) for side in sides]
    return None if None in found else frozenset(number for number, one in enumerate(found) if one)


def _believed(means: Sequence[float]) -> int | None:
    """The side that the base believes; None when it is sure of none, or leaves room for another."""
    first = max(range(len(means)), key=lambda k: means[k])
    others = [mean for k, mean in enumerate(means) if k != first]
    return first if means[first] >= BELIEVED and max(others) <= DOUBTED else None


def _belief(sides: Sequence[Side], beliefs: Beliefs) -> list[float] | None:
    """Mean log-probability of each side's answer, over the examples for which all of them are known.

    Where there is no such example, over those for which it is known: they ask the same in other words.
    """
    rows = []
    for position in sorted(position for side in sides for position in side.positions):
        known = beliefs.get(position, {})
        rows.append(
            [
                max((value for text, value in known.items() if compare(text, side.answer)[0] == "same"), default=None)
                for side in sides
            ]
        )
    rows = [row for row in rows if None not in row] or rows
    means = [np.mean([row[k] for row in rows if row[k] is not None] or [np.nan]) for k in range(len(sides))]
    return None if np.isnan(means).any() else [float(mean) for mean in means]
