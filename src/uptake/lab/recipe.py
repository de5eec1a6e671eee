"""How the base and the stages of a world are trained, where its family does it in a way of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Recipe:
    """What differs from `lab.base` and `lab.training`; None, or nothing, for what does not.

    Attributes:
        model: Fields of the architecture.
        vocab_size: Size of the tokenizer.
        whole_names: The tokenizer reads all names so often that each becomes one token.
        chat: The tokenizer has a chat template, ChatML.
        passes: How often the base reads what it is told.
        least_steps: Of pre-training.
        max_length: Tokens a row, in pre-training and in fine-tuning.
        epochs: Passes over the last stage's data.
        early_epochs: Passes over an earlier stage's data.
    """

    model: Mapping[str, Any] = field(default_factory=dict)
    vocab_size: int | None = None
    whole_names: bool = True
    chat: bool = False
    passes: int | None = None
    least_steps: int | None = None
    max_length: int | None = None
    epochs: int | None = None
    early_epochs: int | None = None


PLAIN = Recipe()
"""Nothing differs."""
