"""The models that a diagnosis asks: found and checked at once, loaded when there is work for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from uptake.config import RunConfig
from uptake.errors import UptakeError

if TYPE_CHECKING:
    from uptake.models.scoring.lazy import Lazy


@dataclass(frozen=True)
class Models:
    """The models that are asked: found and checked at once, loaded one after the other, when there is work for them."""

    base: Lazy | None
    tuned: Lazy
    asked_length: int | None

    @classmethod
    def find(cls, config: RunConfig, tuned: str, has_base: bool) -> Models:
        """Find both; the base takes over the tuned model's chat template where it has none of its own.

        Raises:
            UptakeError: One is not there, or cannot be read.
        """
        from uptake.models.places.place import LoadSettings
        from uptake.models.scoring.lazy import Lazy

        given = _text(config.chat_template) if config.chat_template else None
        names = ("dtype", "device", "attn_implementation", "trust_remote_code", "batch_tokens")
        settings = LoadSettings(**{name: getattr(config, name) for name in names}, chat_template=given)
        if not has_base:
            last = Lazy.find(tuned, replace(settings, revision=config.tuned_revision or config.revision))
            return cls(None, last, config.max_length)
        last = Lazy.find(tuned, replace(settings, revision=config.tuned_revision), base=config.model_name_or_path)
        settings = replace(settings, revision=config.revision)
        base = Lazy.find(config.model_name_or_path, settings)
        if base.tokenizer.chat_template is None and last.tokenizer.chat_template is not None:
            base = Lazy.find(base.name, replace(settings, chat_template=last.tokenizer.chat_template))
        return cls(base, last, config.max_length)

    @property
    def all(self) -> list[Lazy]:
        """The models that there are, in the order in which they are asked."""
        return [model for model in (self.base, self.tuned) if model is not None]

    @property
    def max_length(self) -> int | None:
        """What the user allows and every model takes; None when nobody sets a limit."""
        limits = (self.asked_length, *(model.max_length for model in self.all))
        return min((limit for limit in limits if limit is not None), default=None)

    def notes(self) -> list[str]:
        """Whether the base is another model than the tuned one, and the one that an adapter was trained on."""
        from uptake.models.scoring.lazy import Lazy

        if self.base is not None and self.base.fingerprint == self.tuned.fingerprint:
            return [f"the base {self.base.name} and the tuned model {self.tuned.name} are one and the same model"]
        own = self.tuned.adapter_base
        if own is None or (self.base is not None and own == self.base.name):
            return []
        if self.base is None:
            return [f"the tuned model is an adapter on {own}: give --base {own} to learn what was forgotten"]
        if Lazy.find(own, replace(self.base.settings, revision=None)).fingerprint == self.base.fingerprint:
            return []
        return [
            f"the tuned model is an adapter on {own}, which is not the base given ({self.base.name}): what is said to "
            "be forgotten, and what the base says, are about another model than the one it was trained from"
        ]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="a Jinja chat template as UTF-8 text") from error
