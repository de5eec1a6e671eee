"""What a pilot found about a plan's remedies, as records of the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Way: TypeAlias = Literal["remedy", "plain"]
"""What examples get: their remedy, or plain exposures: they are trained as often as all other rows."""


@dataclass(frozen=True, slots=True)
class PilotColumn:
    """One thing that is measured on both models of a pilot, as shares.

    Attributes:
        name: `training wording`, `held-out wordings` or `retention`.
        n: Examples, or answers of the retention set, that it is measured on.
        remedy: Share that the model with the remedies gives.
        plain: Share that the model of plain exposures gives.
        low: Lower end of the interval of remedy − plain.
        high: Its upper end.
    """

    name: Literal["training wording", "held-out wordings", "retention"]
    n: int
    remedy: float
    plain: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PilotChoice:
    """What a plan does for the examples of one cause and one treatment, and why.

    Attributes:
        cause: The cause.
        action: What the remedy does: an action of `uptake.types.Edit`.
        examples: How many the plan treats so.
        n: How many of them the pilot trained; 0 where it trained none.
        way: What the plan does for all of them.
        by: Whether the pilot decided that, or the default.
        columns: What was measured; empty without a pilot.
        why: One sentence.
    """

    cause: str
    action: str
    examples: int
    n: int
    way: Way
    by: Literal["pilot", "default"]
    columns: tuple[PilotColumn, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Pilot:
    """Two short trainings on a sample of what a plan treats: with its remedies, and plainly with as many tokens.

    Attributes:
        tokens: What both trained on; 0 where none was trained.
        choices: What follows from them.
        retention: The retention set under both models; None where it was not asked for.
    """

    tokens: int
    choices: tuple[PilotChoice, ...]
    retention: PilotColumn | None = None
