"""The order of fine-tuning: every row of every pass, with shuffling done."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from uptake.schedule import conflict_free, exposures
from uptake.types import Edit


@dataclass(frozen=True)
class Changes:
    """What remedies change about the order; rows are places of examples.

    Attributes:
        out: Rows that are not trained.
        mixed: Stages that are shuffled into the last one.
        extra: Further exposures of rows.
        apart: Pairs of rows that never share a step.
        once: Rows that are trained once, however often their stage trains the others.
        times: So many times as often all rows are trained that have no further exposures. Those that have are trained
            at least as often: their further exposures are as many (`uptake.prescribe.doses`).
    """

    out: frozenset[int] = frozenset()
    mixed: frozenset[str] = frozenset()
    extra: Mapping[int, int] = field(default_factory=dict)
    apart: tuple[tuple[int, int], ...] = ()
    once: frozenset[int] = frozenset()
    times: float = 1.0


def kept_apart(edits: Iterable[Edit], number: Mapping[str, int]) -> list[tuple[int, int]]:
    """The pairs of rows that never share a step, each once, the lower number first.

    Args:
        edits: Those of a plan; what is not about steps is passed over.
        number: The row of each example that is trained.
    """
    pairs = (
        (number[one], number[other])
        for edit in edits
        if edit.action == "apart"
        for one in edit.examples
        for other in edit.others
        if one in number and other in number
    )
    return list(dict.fromkeys((min(pair), max(pair)) for pair in pairs))


def passes_of(stages: Sequence[str], passes: Mapping[str, float], changes: Changes) -> list[float]:
    """How often each row is trained, without further exposures.

    Args:
        stages: The stage of each row.
        passes: By stage, in the order of the stages. A stage that is mixed into the last one is trained as often,
            or as often as it was, if that is more.
        changes: What remedies change.
    """
    *_, last = passes
    often = {stage: max(count, passes[last]) if stage in changes.mixed else count for stage, count in passes.items()}
    once = {stage: min(1.0, count) for stage, count in often.items()}
    more = {stage: changes.times * count for stage, count in often.items()}
    own = {stage: max(1.0, count) for stage, count in often.items()}  # a row that is not drawn would have no copies
    return [
        0.0
        if row in changes.out
        else (
            once if row in changes.once else own if changes.extra.get(row) else often if row in changes.extra else more
        )[stage]
        for row, stage in enumerate(stages)
    ]


def fine_tuning_order(
    stages: Sequence[str], passes: Mapping[str, float], changes: Changes, step: int, seed: int
) -> list[int]:
    """The rows in the order in which they are trained.

    Stages follow each other, but for those that are mixed into the last one. Each pass is shuffled by itself, so that a
    row comes back evenly; what a fraction of a pass trains is drawn. No step holds rows that are to be apart, or one
    row twice, where that is possible at all.

    Args:
        stages: The stage of each row.
        passes: How often each stage trains its rows, in the order of the stages.
        changes: What remedies change.
        step: Rows of an optimisation step.
        seed: Of the shuffling.
    """
    often = passes_of(stages, passes, changes)
    *_, last = passes
    segment = {stage: last if stage in changes.mixed else stage for stage in passes}
    rows: dict[str, list[int]] = {stage: [] for stage in passes}
    for row, stage in enumerate(stages):
        if often[row] > 0:
            rows[segment[stage]].append(row)
    order: list[int] = []
    draw = random.Random(seed)
    for stage in passes:
        own = spread(rows[stage], often, draw)
        order += _exposed(own, changes.extra, step, seed)
    return conflict_free(order, changes.apart, step, seed)


def _exposed(order: Sequence[int], extra: Mapping[int, int], step: int, seed: int) -> list[int]:
    """The order with further copies of some rows, spread evenly from the place on at which each first comes."""
    first: dict[int, int] = {}
    for place, row in enumerate(order):
        if row in extra:
            first.setdefault(row, place)
    copies = {place: extra[row] for row, place in first.items()}
    return [order[place] for place in exposures(range(len(order)), copies, step, seed)] if copies else list(order)


def spread(rows: Sequence[int], often: Sequence[float], draw: random.Random) -> list[int]:
    """Pass after pass, each in an order of its own; rows that come oftener than others are spread over all of it.

    Args:
        rows: What comes.
        often: How often each row comes; of a fraction, so many of the rows that come as often do.
        draw: Draws the order.

    A row of n passes comes once in each n-th of the order: were passes laid end to end, the last ones would hold only
    the rows that come oftest.
    """
    placed: list[tuple[float, int]] = []
    for count in sorted({often[row] for row in rows}):
        own = [row for row in rows if often[row] == count]
        whole = int(count)
        placed += [((number + draw.random()) / count, row) for number in range(whole) for row in own]
        some = draw.sample(own, round((count - whole) * len(own)))
        placed += [((whole + draw.random() * (count - whole)) / count, row) for row in some]
    return [row for _, row in sorted(placed)]
