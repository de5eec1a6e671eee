"""Many stages: what each left of the others, and that in two numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from uptake.report.learning import Learning
from uptake.text import told_of_stage
from uptake.types import Key

Matrix: TypeAlias = Mapping[str, Sequence[float | None]]
"""R[t, i] in [0, 1]: by stage t, in the order of training, the row over the stages i; None where nothing was read."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """The matrix of stages in two numbers: Lopez-Paz and Ranzato 2017, "Gradient Episodic Memory" (arXiv 1706.08840).

    With T stages ACC = 1/T sum over i of R[T, i], and BWT = 1/(T - 1) sum over i < T of (R[T, i] - R[i, i]). Their FWT
    needs readings of a stage before it is trained, which a ledger has none of.

    Attributes:
        acc: Average recall after the last stage, in [0, 1]; each stage counts alike, however many examples it has.
        bwt: Backward transfer in [-1, 1]: what became of an earlier stage's recall by the end; below 0 it was lost.
        reason: Why `acc` or `bwt` is None; "" when both are there.
    """

    acc: float | None
    bwt: float | None
    reason: str = ""


def transfer(matrix: Matrix) -> Transfer:
    """ACC and BWT of a matrix of stages.

    Args:
        matrix: As `stage_matrix` gives it, with one stage or more.
    """
    stages, rows = list(matrix), list(matrix.values())
    last = rows[-1]
    if all(share is None for share in last):
        return Transfer(None, None, f"no reading is of the model that {stages[-1]} gave")
    unread = [stage for stage, share in zip(stages, last, strict=True) if share is None]
    if unread:
        return Transfer(None, None, f"no example of {unread[0]} was read when {stages[-1]} ended")
    acc = float(np.mean(np.array(last, dtype=np.float64)))
    if len(rows) == 1:
        return Transfer(acc, None, "there is one stage, and none before it that it could have changed")
    changes = [(row[i], last[i]) for i, row in enumerate(rows[:-1])]
    known = [after - before for before, after in changes if before is not None and after is not None]
    if len(known) < len(changes):
        missing = next(stage for stage, (before, _) in zip(stages, changes, strict=False) if before is None)
        return Transfer(acc, None, f"no example of {missing} was read when it ended")
    return Transfer(acc, float(np.mean(known)))


def in_words(told: Transfer) -> str:
    """ACC and BWT with what they mean, in one or two sentences."""
    if told.acc is None:
        return f"ACC and BWT are not known: {told.reason}."
    acc = f"ACC {told.acc:.1%}: the recall of a stage's examples after the last stage, averaged over the stages."
    if told.bwt is None:
        return f"{acc} BWT is not known: {told.reason}."
    points = round(100 * told.bwt, 1) + 0.0  # not -0.0
    if points < 0:
        means = "on average so much of the recall that earlier stages ended with was lost by the end"
    elif points > 0:
        means = "on average the recall that earlier stages ended with has risen so much by the end"
    else:
        means = "on average later stages took nothing from the recall that earlier ones ended with, and added nothing"
    return f"{acc} BWT (backward transfer) {points:+.1f} points: {means}."


def then_and_now(matrix: Matrix) -> list[str]:
    """For each stage how much of it is recalled right after its training, and at the end; [] where there is one.

    Args:
        matrix: As `stage_matrix` gives it: R[i, i], and R[T, i] of the last stage T.
    """
    last = list(matrix.values())[-1]
    lines = [
        told_of_stage(stage, row[i], last[i], last=i == len(matrix) - 1)
        for i, (stage, row) in enumerate(matrix.items())
    ]
    return lines if len(matrix) > 1 else []


def stage_matrix(
    learning: Learning, examples: Iterable[Key], kept: Mapping[str, int | None] | None = None
) -> dict[str, list[float | None]] | None:
    """R[t, i]: the share of the examples of stage i that are recalled when stage t has ended.

    As Lopez-Paz and Ranzato 2017 (arXiv 1706.08840) lay it out; from the scoring passes at the ends of the stages, so
    None where the ledger has none.

    Args:
        learning: The ledger.
        examples: The ids and training stages of the examples.
        kept: By stage the step whose model it gave, counted from its own first one; None where that model is of no
            step (an average, say), so that no reading is of it. A stage that is left out gave its last step's.

    Returns:
        By stage t the row over the stages i; None where nothing of that stage was read then.
    """
    of_stage: dict[str, list[np.ndarray]] = {stage: [] for stage in learning.stages}
    for example_id, stage in examples:
        if stage in of_stage:
            of_stage[stage].append(learning.own(example_id, stage))
    scored = learning.readings["scored"]
    if not (scored & np.isin(learning.readings["epoch"], learning.epochs)).any():
        return None
    ended = _ended(learning, kept or {})
    at_end = scored & np.isin(learning.readings["epoch"], [epoch for epoch in ended if epoch is not None])
    columns: dict[str, list[float | None]] = {}
    for stage, own in of_stage.items():
        readings = np.concatenate(own) if own else np.zeros(0, dtype=np.int64)
        readings = readings[at_end[readings]]
        columns[stage] = [None if epoch is None else _mean(learning, readings, epoch) for epoch in ended]
    return {stage: [column[row] for column in columns.values()] for row, stage in enumerate(learning.stages)}


def _ended(learning: Learning, kept: Mapping[str, int | None]) -> list[int | None]:
    """For each stage the epoch whose scoring pass read the model that it gave; None where there is none such."""
    found: list[int | None] = []
    for number, (stage, last) in enumerate(zip(learning.stages, learning.epochs, strict=True)):
        step, before = kept.get(stage, -1), learning.ends[number - 1] if number else 0
        if step == -1 or (step is not None and before + step == learning.ends[number]):
            found.append(last)
            continue
        own = learning.readings["scored"] & (learning.readings["step"] == before + (step or -1))
        found.append(int(learning.readings["epoch"][own][0]) if step is not None and own.any() else None)
    return found


def _mean(learning: Learning, readings: Int[np.ndarray, " readings"], epoch: int) -> float | None:
    recalled: Float[np.ndarray, " n"] = learning.readings["recalled"][
        readings[learning.readings["epoch"][readings] == epoch]
    ].astype(np.float64)
    return float(recalled.mean()) if len(recalled) else None
