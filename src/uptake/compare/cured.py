"""A cured model held against the model that it was to mend, and against plain fine-tuning with as many tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from uptake.compare.gate import Check

ColumnName: TypeAlias = Literal["training wording", "held-out wordings", "retention"]

LEEWAY = 0.02
"""A share may be so much lower without being called lower: another seed alone moves it as far. Of few examples one may
be lost."""


@dataclass(frozen=True, slots=True)
class CureColumn:
    """One thing that is measured on all three models, as shares.

    Attributes:
        name: `training wording`: examples that are learned. `held-out wordings`: the mean share of an example's other
            wordings in which it is learned. `retention`: answers of the retention set that are right.
        n: Examples, or answers, that it is measured on.
        before: Of the model that was to be mended.
        after: Of the cured one.
        plain: Of the run's own fine-tuning with as many tokens as the cure; None where that was not trained.
        lost: Examples that were learned before and are not now; None where they are not counted.
        gained: The other way round.
    """

    name: ColumnName
    n: int
    before: float
    after: float
    plain: float | None = None
    lost: int | None = None
    gained: int | None = None

    @property
    def leeway(self) -> float:
        """How much lower a share may be without being called lower."""
        return max(LEEWAY, 1 / self.n)


def faults(columns: Sequence[CureColumn]) -> tuple[str, ...]:
    """In what a cure loses more than it gains, or falls behind plain fine-tuning; a sentence each, none for a good one.

    Of the training wording any net loss is one; of held-out wordings and of retention one beyond `LEEWAY`. A cure falls
    behind plain fine-tuning where that knows more in the training wording, beyond `LEEWAY`, or where it is as good or
    better in all that is measured beside it, and better in something.

    Args:
        columns: What was measured.
    """
    return tuple(check.told for check in check_cure(columns) if not check.passed and check.told is not None)


def check_cure(columns: Sequence[CureColumn]) -> list[Check]:
    """The same as checks of a gate: each column against the model before the cure, and the cure against the plain one.

    Args:
        columns: What was measured.
    """
    checks = [_kept(column) for column in columns]
    compared = [(column, column.plain) for column in columns if column.plain is not None]
    for column, plain in compared:
        if column.name == "training wording":
            told = f"{column.name}: {_pair(column.after, plain, 'by plain fine-tuning with as many tokens')}"
            kept = plain - column.after <= column.leeway
            checks.append(Check("cure against plain", None, column.leeway, None, kept, told=told))
    beside = [(column, plain) for column, plain in compared if column.name != "training wording"]
    if beside:
        better = any(column.after > plain for column, plain in beside)
        worse = any(column.after < plain for column, plain in beside)
        shown = ", ".join(f"{column.name} {column.after:.1%} and {plain:.1%}" for column, plain in beside)
        told = f"by the cure and by plain fine-tuning with as many tokens: {shown}"
        checks.append(Check("cure against plain", None, 0.0, None, better or not worse, told=told))
    return checks


def _kept(column: CureColumn) -> Check:
    told = f"{column.name}: {_pair(column.after, column.before, 'before it')}"
    limit = column.leeway
    if column.lost is not None and column.gained is not None:
        limit = 0.0
        told += f"; {column.lost} examples were lost, {column.gained} gained"
    kept = column.before - column.after <= limit + 1e-9
    return Check("cure", None, limit, None, kept, told=told)


def _pair(after: float, other: float, whose: str) -> str:
    return f"{after:.1%} after the cure, {other:.1%} {whose}"
