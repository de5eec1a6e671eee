"""What training costs, in tokens of every kind brought to one unit."""

from __future__ import annotations

from dataclasses import dataclass, replace

FORWARD = 1 / 3
"""A token that goes forwards alone, against one that is trained: backwards takes twice the work of forwards
(Kaplan et al. 2020, arXiv 2001.08361, section 2.1: about 2N and 4N operations a token)."""


@dataclass(frozen=True)
class TokensSpent:
    """Tokens of a stage, or of several.

    Attributes:
        trained: Trained rows, those of earlier stages included.
        beside: Forwards and backwards beside them, in the steps: they grow with the length of training.
        ends: The same before and after the steps.
        forward: Forwards alone, scored or generated, before and after the steps.
        within: The same in the steps.
    """

    trained: float
    beside: float = 0.0
    ends: float = 0.0
    forward: float = 0.0
    within: float = 0.0

    @property
    def total(self) -> float:
        """All of it in trained tokens: trained + beside + ends + (forward + within) / 3."""
        return self.trained + self.beside + self.ends + FORWARD * (self.forward + self.within)

    def as_long(self, trained: float) -> TokensSpent:
        """The same for so many trained tokens: what is spent in the steps grows with them."""
        times = trained / self.trained
        return replace(self, trained=trained, beside=times * self.beside, within=times * self.within)


def length_within(budget: float, spent: TokensSpent) -> float:
    """By what the length of a training is multiplied, so that all that it costs is the budget.

    Trained tokens grow with the length, and what is spent in the steps; what is spent before and after them does not.

    Args:
        budget: In trained tokens.
        spent: What it costs at its own length.

    Raises:
        ValueError: What does not grow with the length costs more than the budget.
    """
    left = budget - spent.ends - FORWARD * spent.forward
    if left <= 0:
        raise ValueError(f"{budget - left:.0f} tokens are spent before and after the steps, of {budget:.0f}")
    return left / (spent.trained + spent.beside + FORWARD * spent.within)
