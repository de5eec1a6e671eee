"""What a strategy is, and how one is chosen: a continual-learning method with its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uptake.config.schema import Section
from uptake.models.training.hooks import Hooks


@dataclass(frozen=True, slots=True)
class Strategy:
    """A method of continual learning.

    Attributes:
        name: As in the run file.
        does: What it does.
        helps: Why that helps.
        costs: What it costs: tokens trained, generated, scored; memory.
        example: How it stands in a run file.
        references: Where it comes from; `catalogue N` is a row of the survey that the catalogue is made of.
        settings: What can be set; each field has a docstring and a default.
        hooks: From settings to what the method does. Settings with which it does nothing give no hooks.
        revision: Raised when the same settings come to train otherwise.
        second: From settings and the stage's epochs to a second part of each stage, which follows its training; None
            where there is none.
    """

    name: str
    does: str
    helps: str
    costs: str
    example: str
    references: tuple[str, ...]
    settings: type[Section]
    hooks: Callable[[Any], Hooks]
    revision: int = 1
    second: Callable[[Any, float], Second | None] = lambda settings, epochs: None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A strategy with its settings.

    Attributes:
        strategy: The strategy.
        settings: An instance of its `settings`.
    """

    strategy: Strategy
    settings: Section

    def hooks(self) -> Hooks:
        """What it does."""
        return self.strategy.hooks(self.settings)

    def identity(self) -> dict[str, Any]:
        """What the weights depend on, as JSON has it."""
        return {
            "name": self.strategy.name,
            "revision": self.strategy.revision,
            "settings": self.settings.model_dump(mode="json"),
        }


@dataclass(frozen=True, slots=True)
class Second:
    """A second part of a stage: one epoch over what it arranges, from the model that the first part gave.

    Attributes:
        chosen: What arranges and trains it, under the name of the method, whose memory it reads.
        rate: What the stage's learning rate is multiplied by.
    """

    chosen: Chosen
    rate: float
