"""Who is trained on a little, and beside whom: positions among the training examples, no model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from random import Random

from uptake.evidence import Treatment
from uptake.pipeline.why.contradictions import Contradictions

PASSES = 6
"""Times that a treatment goes through its rows: exposures of each sampled example."""
RIVALS = 4
"""Rivals of a sampled example that are trained beside it."""
AT_ONCE = 256
"""Unlearned examples that are taught together: a killed run loses one such training, and a crowd teaches little."""
LEAST_CONTROLS = 20
"""Learned examples that are trained beside them, where there are so many."""


@dataclass(frozen=True)
class Diagnosed:
    """What is known of each training example, by its position.

    Attributes:
        learned: Whether it is.
        causes: The cause that is named; None where it is learned.
        stages: The stage that trained it.
        contradictions: Who contradicts whom.
    """

    learned: Sequence[bool]
    causes: Sequence[str | None]
    stages: Sequence[str]
    contradictions: Contradictions


@dataclass(frozen=True)
class TreatmentPlan:
    """Positions of examples.

    Attributes:
        sample: The sampled ones.
        rows: What each treatment trains in a pass; one that nothing can be learned from is left out.
        asked: Of each treatment, the sampled examples whose course it tells.
    """

    sample: tuple[int, ...]
    rows: Mapping[Treatment, tuple[int, ...]] = field(default_factory=dict)
    asked: Mapping[Treatment, tuple[int, ...]] = field(default_factory=dict)

    def positions(self) -> set[int]:
        """All examples that are needed."""
        return {*self.sample, *(position for rows in self.rows.values() for position in rows)}


def sampled(found: Diagnosed, n: int, seed: int) -> tuple[int, ...]:
    """Up to `n` unlearned examples, as evenly as can be from each cause; no two of them contradict each other.

    Args:
        found: The examples.
        n: How many are wanted.
        seed: Of the draw.

    Returns:
        Their positions, in order.
    """
    by_cause: dict[str, list[int]] = {}
    for position, cause in enumerate(found.causes):
        if cause is not None and not found.learned[position]:
            by_cause.setdefault(cause, []).append(position)
    queues = []
    for cause in sorted(by_cause):
        Random(f"intervene {seed} {cause}").shuffle(by_cause[cause])
        queues.append(iter(by_cause[cause]))
    of = found.contradictions.of
    chosen: list[int] = []
    groups: set[int] = set()
    while queues and len(chosen) < n:
        for queue in list(queues):
            left = next((p for p in queue if of.get(p) not in groups), None)
            if left is None:
                queues.remove(queue)
            elif len(chosen) < n:
                chosen.append(left)
                groups |= {of[left]} if left in of else set()
    return tuple(sorted(chosen))


def planned(found: Diagnosed, n: int, seed: int) -> TreatmentPlan:
    """The sample and the rows of each treatment, all of them equally many.

    `control` trains learned examples alone; `more_steps` the sampled ones, their rivals and as many learned ones as
    sampled; `without_rivals` more learned ones in the rivals' place; `replay` what else the stages of the sampled
    examples trained, once, and learned ones. Learned examples on either side of a contradiction with a sampled one are
    in none. A sampled example of the last stage has no part in `replay`, one without rivals none in `without_rivals`.
    """
    sample = sampled(found, n, seed)
    of, rng = found.contradictions.of, Random(f"treatments {seed}")
    groups = {of[p] for p in sample if p in of}
    free = [p for p in range(len(found.learned)) if of.get(p) not in groups]
    pool = [p for p in free if found.learned[p]]
    if not sample or not pool:
        return TreatmentPlan(sample)
    rng.shuffle(pool)
    rivals = {p: _rivals(found, p, rng) for p in sample if p in of}
    beside = sorted({p for some in rivals.values() for p in some})
    size = 2 * len(sample) + len(beside)
    rows: dict[Treatment, tuple[int, ...]] = {
        "control": _filled((), pool, size),
        "more_steps": _filled((*sample, *beside), pool, size),
    }
    asked: dict[Treatment, tuple[int, ...]] = {"control": sample, "more_steps": sample}
    if contradicted := tuple(p for p, some in rivals.items() if some):
        rows["without_rivals"], asked["without_rivals"] = _filled(sample, pool, size), contradicted
    if earlier := tuple(p for p in sample if found.stages[p] != found.stages[-1]):
        again = {found.stages[p] for p in earlier}
        others = [p for p in free if found.stages[p] in again and p not in set(sample)]
        rng.shuffle(others)
        if others:
            whole = PASSES * size
            rows["replay"], asked["replay"] = _filled(others[: whole // 2], pool, whole), earlier
    return TreatmentPlan(sample, rows, asked)


@dataclass(frozen=True)
class Lesson:
    """Positions of examples that are taught together.

    Attributes:
        taught: Unlearned ones.
        beside: Those of their rivals that are not among them.
        controls: Learned ones that contradict none of these.
    """

    taught: tuple[int, ...]
    beside: tuple[int, ...]
    controls: tuple[int, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """What is trained in a pass."""
        return (*self.taught, *self.beside, *self.controls)

    @property
    def asked(self) -> tuple[int, ...]:
        """Whose course is read."""
        return (*self.taught, *self.controls)


def lessons(found: Diagnosed, seed: int) -> tuple[Lesson, ...]:
    """All that was not learned, `AT_ONCE` at a time as the seed draws them, each with rivals and controls.

    Without the other side of a contradiction beside it any answer could be learned: up to `RIVALS` of each example's
    rivals are trained too, learned or not. There are as many controls as unlearned ones, `LEAST_CONTROLS` at least,
    as far as there are so many.
    """
    of, rng = found.contradictions.of, Random(f"exposures {seed}")
    unlearned = [p for p, learned in enumerate(found.learned) if not learned]
    rng.shuffle(unlearned)
    pool = [p for p, learned in enumerate(found.learned) if learned]
    rng.shuffle(pool)
    planned = []
    for start in range(0, len(unlearned), AT_ONCE):
        taught = sorted(unlearned[start : start + AT_ONCE])
        rivals = {p for one in taught if one in of for p in _rivals(found, one, rng)}
        groups = {of[p] for p in taught if p in of}
        turn = start % max(1, len(pool))
        free = [p for p in (*pool[turn:], *pool[:turn]) if of.get(p) not in groups]
        controls = free[: max(LEAST_CONTROLS, len(taught))]
        planned.append(Lesson(tuple(taught), tuple(sorted(rivals - {*taught})), tuple(sorted(controls))))
    return tuple(planned)


def _rivals(found: Diagnosed, position: int, rng: Random) -> list[int]:
    sides = found.contradictions.groups[found.contradictions.of[position]].sides
    others = sorted(p for side in sides if position not in side.positions for p in side.positions)
    return sorted(rng.sample(others, min(RIVALS, len(others))))


def _filled(first: Iterable[int], pool: Sequence[int], size: int) -> tuple[int, ...]:
    """As many as `size`: some, then learned ones, again from the start where they are too few."""
    given = tuple(first)
    return (*given, *islice(cycle(pool), size - len(given)))
