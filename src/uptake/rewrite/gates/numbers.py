"""Whether numbers stay, each with its unit, and none comes that was not there."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.rewrite.said import Quantity, Rewriting, quantities, seldom_meant


def numbers(rewriting: Rewriting) -> str | None:
    """Every number of the original stands in the rewrite with its unit, and no other number does."""
    own, said = quantities(rewriting.original), quantities(rewriting.text)
    asked = quantities(rewriting.question)
    for one in own:
        if seldom_meant(one):
            continue
        if not any(one.value == other.value or one.as_large(other) for other in (*said, *asked)):
            return f"the number {_told(one)!r} is missing"
        if _otherwise(one, said):
            return f"{_told(one)!r} has another unit"
    for one in said:
        if seldom_meant(one):
            continue
        if not any(one.value == other.value or one.as_large(other) for other in (*own, *asked)):
            return f"the number {_told(one)!r} is new"
        if _otherwise(one, (*own, *asked)):
            return f"{_told(one)!r} has another unit"
    return None


def _otherwise(one: Quantity, others: Sequence[Quantity]) -> bool:
    """Whether a number has a unit, and the same number has units elsewhere of which none is as large."""
    measured = [other for other in others if other.measures]
    return (
        one.measures
        and not any(one.as_large(other) for other in measured)
        and any(one.value == other.value for other in measured)
    )


def _told(one: Quantity) -> str:
    return f"{one.value} {one.unit}" if one.measures else one.value
