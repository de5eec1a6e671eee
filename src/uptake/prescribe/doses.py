"""How often the rows of a plan are trained: further exposures, and what is left of the budget for all rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from uptake.remedies.exposures import AS_PLAIN
from uptake.types import Edit

_NEARLY = 1e-9


def wants_plain(edit: Edit) -> bool:
    """Whether an edit asks for as many exposures as plain fine-tuning gives, before it is known how many that is."""
    return edit.action == "expose" and edit.copies == AS_PLAIN


def copies_plainly(often: float, passes: float, cost: float) -> int:
    """The further exposures with which a row is trained as often as plain fine-tuning trains it, and no oftener.

    Args:
        often: How often the plan trains it.
        passes: How often the run did.
        cost: Of the plan, in times the run's own fine-tuning.
    """
    return max(0, int(passes * cost - often + _NEARLY))


def steps_free(
    stages: Sequence[str], often: Sequence[float], trained: Sequence[float], together: frozenset[str], step: int
) -> Callable[[int], int]:
    """In how many steps more a row can be trained once.

    Args:
        stages: The stage of each row.
        often: How often each row is trained without further exposures.
        trained: How often in all, as far as that is known.
        together: Stages that are trained as one.
        step: Rows of an optimisation step.
    """
    of: dict[str, float] = dict.fromkeys(stages, 0.0)
    for n, stage in zip(trained, stages, strict=True):
        of[stage] += n
    joined = sum(n for stage, n in of.items() if stage in together)

    def free(row: int) -> int:
        own = joined if stages[row] in together else of[stages[row]]
        return max(0, int(own) // step - math.ceil(often[row]))

    return free


def times_within(
    lengths: Sequence[int], often: Sequence[float], extra: Mapping[int, int], room: float, most: float
) -> float:
    """How many times as often rows can be trained for so many tokens.

    Rows with further exposures are trained at least as often as they would be without, so that they take part where all
    others come as often.

    Args:
        lengths: Tokens of each row.
        often: How often each is trained without further exposures.
        extra: Further exposures of rows.
        room: Tokens that all of it may cost.
        most: At most so many times as often.
    """
    tokens, count, more = np.array(lengths, dtype=float), np.array(often), np.full(len(lengths), -1.0)
    for row, n in extra.items():
        more[row] = n

    def cost(times: float) -> float:
        exposed = count + np.maximum(more, np.ceil(count * (times - 1) - _NEARLY))
        return float((tokens * np.where(more < 0, count * times, exposed)).sum())

    low, high = 1.0, most
    if not (tokens * count)[more < 0].any() or cost(low) > room:
        return low
    if cost(high) <= room:
        return high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if cost(middle) <= room else (low, middle)
    return low


def at_least(
    edits: Sequence[Edit],
    row: Mapping[str, int],
    often: Sequence[float],
    times: float,
    plainly: Collection[tuple[str, ...]],
) -> list[Edit]:
    """Edits whose rows come as often as all others, so many times as often as without them.

    An edit after which a row would come less often is raised: more exposures are never fewer. One that wants no more
    than plain fine-tuning gives is left out then.

    Args:
        edits: Those of a plan; what is no further exposure stays as it is. The examples of one edit are trained alike.
        row: The row of each example.
        often: How often each row is trained without further exposures.
        times: How many times as often all others are.
        plainly: The examples of each edit that wants no more than plain fine-tuning gives.
    """
    kept = []
    for edit in edits:
        missing = math.ceil(often[row[edit.examples[0]]] * (times - 1) - _NEARLY)
        if edit.action != "expose" or edit.copies >= missing:
            kept.append(edit)
        elif edit.examples not in plainly:
            kept.append(replace(edit, copies=missing))
    return kept
