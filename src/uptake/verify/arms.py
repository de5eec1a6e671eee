"""Which flagged item goes into which arm: at random, evenly in every cause and source, rivals together.

Without randomisation an arm may get the easier items, and what is easier recovers by itself. Items that contradict each
other are one unit: mending one of them changes what is asked of the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from uptake.errors import UptakeError
from uptake.types import Finding, Key


@dataclass(frozen=True, slots=True)
class Assigned:
    """A flagged item and its arm.

    Attributes:
        id: The example's id.
        stage: The stage that trains it.
        source: The example's source.
        cause: Why it was not learned.
        unit: Name of its unit: the first of the items that are assigned together.
        arm: Name of the arm.
    """

    id: str
    stage: str
    source: str
    cause: str
    unit: str
    arm: str


def assign(findings: Iterable[Finding], arms: Sequence[str], seed: int) -> tuple[Assigned, ...]:
    """Randomise the flagged items into arms, stratified by cause and source.

    Units are taken in random order, the larger ones first, and each goes to the arm that has fewest items of its cause
    and source so far; among equals, fewest of its cause, then fewest in all, then by lot. The arms are treated alike
    throughout, so each unit is as likely to come into one as into any other, and within a stratum of single items their
    numbers differ by one at most.

    Args:
        findings: A diagnosis; what is learned, or has no cause, is left out.
        arms: Names of the arms.
        seed: Of the draw.

    Returns:
        The assignments in the order of id and stage; the same for the same findings in any order.

    Raises:
        UptakeError: Fewer than two arms, or two of one name.
    """
    if len(set(arms)) < max(2, len(arms)):
        raise UptakeError(f"the arms are {list(arms)}", expected="two arms or more, each with a name of its own")
    flagged = {(one.id, one.stage): one for one in findings if not one.learned and one.cause is not None}
    units = _units(flagged)
    strata: dict[tuple[str, str], list[list[Key]]] = defaultdict(list)
    for members in units:
        causes = Counter(flagged[key].cause or "" for key in members)
        cause = min(causes, key=lambda name: (-causes[name], name))
        sources = Counter(flagged[key].source for key in members)
        strata[cause, min(sources, key=lambda name: (-sources[name], name))].append(members)
    rng = np.random.default_rng(seed)
    counts: Counter[tuple[str, str, int]] = Counter()
    place: dict[Key, tuple[str, str]] = {}
    for cause, source in sorted(strata):
        shuffled = [strata[cause, source][number] for number in rng.permutation(len(strata[cause, source]))]
        for members in sorted(shuffled, key=len, reverse=True):
            lots = rng.permutation(len(arms))
            arm = min(
                range(len(arms)),
                key=lambda a: (counts[cause, source, a], counts[cause, "", a], counts["", "", a], lots[a]),
            )
            for stratum in ((cause, source), (cause, ""), ("", "")):
                counts[*stratum, arm] += len(members)
            place |= {key: (_name(members[0]), arms[arm]) for key in members}
    return tuple(
        Assigned(one.id, one.stage, one.source, one.cause or "", *place[key]) for key, one in sorted(flagged.items())
    )


def assign_to_remedies(findings: Iterable[Finding], matched: Mapping[str, str], seed: int) -> tuple[Assigned, ...]:
    """Randomise the flagged items to remedies: half of each cause to its own, the others evenly to the other remedies.

    The claims are about the remedy of each cause, so these cells get as many items as they would without the others.

    Args:
        findings: As for `assign`; each cause has a remedy.
        matched: The remedy of each cause.
        seed: Of the draws.

    Returns:
        As `assign`; arms are named as remedies. A unit of several causes counts as of its most frequent one where the
        other remedies are dealt, so that it stays together; where its own are, each of its items gets its own.
    """
    flagged = {(one.id, one.stage): one for one in findings if not one.learned and one.cause is not None}
    halves = assign(flagged.values(), ("own", "other"), seed)
    units: dict[str, list[Assigned]] = defaultdict(list)
    for one in halves:
        if one.arm == "other":
            units[one.unit].append(one)
    of_cause: dict[str, list[Finding]] = defaultdict(list)
    for members in units.values():
        causes = Counter(one.cause for one in members)
        cause = min(causes, key=lambda name: (-causes[name], name))
        of_cause[cause] += [flagged[one.id, one.stage] for one in members]
    dealt = [replace(one, arm=matched[one.cause]) for one in halves if one.arm == "own"]
    remedies = list(dict.fromkeys(matched.values()))
    for number, cause in enumerate(sorted(of_cause)):
        others = [name for name in remedies if name != matched[cause]]
        dealt += assign(of_cause[cause], others, seed + number + 1)
    return tuple(sorted(dealt, key=lambda one: (one.id, one.stage)))


def _name(key: Key) -> str:
    return f"{key[0]} ({key[1]})"


def _units(flagged: Mapping[Key, Finding]) -> list[list[Key]]:
    """The flagged items in groups that are linked by rivals, flagged themselves or not; all in the order of keys."""
    parent: dict[str | Key, str | Key] = {}

    def root(node: str | Key) -> str | Key:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = above
        return node

    for key in sorted(flagged):
        # rivals are known by their ids: an id stands for the examples of all stages that have it
        for other in (key[0], *_rivals(flagged[key])):
            one, two = root(key), root(other)
            parent[two] = one
    groups: dict[str | Key, list[Key]] = defaultdict(list)
    for key in sorted(flagged):
        groups[root(key)].append(key)
    return list(groups.values())


def _rivals(finding: Finding) -> Sequence[str]:
    known = finding.evidence.contradiction
    return () if known is None else known.rivals
