"""How the texts of a run become tokens, for a plan: its tokenizer, its longest row, its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptake.artifacts import chunks
from uptake.models.places.settings import LoadSettings
from uptake.pipeline.train.rows import encoded_or_why, fit
from uptake.types import Example

_WITHOUT_LIMIT = 1024
"""Tokens of a row where neither the settings nor the model say."""


@dataclass(frozen=True)
class Encoding:
    """How a run's texts become tokens.

    Attributes:
        tokenizer: The base's, with the run's chat template.
        max_length: Tokens that a row of a plan may have: as many as any stage's.
        settings: The trainer's settings of each stage, in the order of the stages.
    """

    tokenizer: Any
    max_length: int
    settings: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, base: str, load: LoadSettings, settings: Mapping[str, Mapping[str, Any]]) -> Encoding:
        """Read the tokenizer of a run.

        Args:
            base: The run's base.
            load: How it is loaded.
            settings: The trainer's settings of each stage, in the order of the stages.

        Raises:
            UptakeError: There is no such model.
        """
        from uptake.models.training.start import Start, model_config, tokenizer_of

        last = list(settings.values())[-1]
        longest = _longest([one["max_length"] for one in settings.values()])
        place = Start(base, load).place()
        positions = getattr(model_config(place, load), "max_position_embeddings", None)
        limits = [limit for limit in (longest, positions) if limit]
        return cls(tokenizer_of(place, load, last.get("eos_token")), min(limits, default=_WITHOUT_LIMIT), settings)

    @property
    def last(self) -> Mapping[str, Any]:
        """The settings of the last stage."""
        return list(self.settings.values())[-1]

    @property
    def training(self) -> Mapping[str, Any]:
        """The settings that a plan is trained with: the last stage's, and room for the longest rows of any stage."""
        return {**self.last, "max_length": _longest([one["max_length"] for one in self.settings.values()])}

    def limit(self, stage: str) -> int:
        """Tokens of a row of a stage, as it was trained."""
        return min(self.settings[stage]["max_length"] or self.max_length, self.max_length)

    def notes(self) -> list[str]:
        """What a plan's settings change for the last stage."""
        own, longest = self.last["max_length"], self.training["max_length"]
        if own == longest:
            return []
        room = "without a max_length" if longest is None else f"with max_length {longest}"
        return [f"all rows are trained {room}, as the stage with the longest rows was; the last stage had {own}"]

    def trained(self, examples: Sequence[Example]) -> list[int | str]:
        """Tokens of each as a plan trains it, the end after it included; or why nothing of it can be learned."""
        own = {name: self.last.get(name) for name in ("truncation_mode", "completion_only_loss")}
        settings = {**own, "max_length": self.max_length}
        found: list[int | str] = []
        for some in chunks(examples, AT_ONCE):
            for one in encoded_or_why(some, self.tokenizer):
                fitted = one if isinstance(one, str) else fit(one, settings)
                found.append(fitted if isinstance(fitted, str) else len(fitted[0]))
        return found

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by itself, with the one that ends it where the tokenizer has one."""
        end = bool(self.tokenizer.eos_token)
        return [
            len(ids) + end
            for some in chunks(texts, AT_ONCE)
            for ids in self.tokenizer(some, return_attention_mask=False, verbose=False)["input_ids"]
        ]


AT_ONCE = 4096
"""Texts that are tokenised at once."""


def _longest(limits: Sequence[int | None]) -> int | None:
    """The longest of several limits; None and 0 are none."""
    return None if not all(limits) else max(limit for limit in limits if limit)
