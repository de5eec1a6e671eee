"""The models that a diagnosis asks: found and checked at once, loaded when there is work for them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.training import BEGUN
from uptake.errors import UptakeError
from uptake.models import Loadable
from uptake.models.places.settings import LoadSettings
from uptake.pipeline.examples.today import asks_for_the_date, told
from uptake.spread import Actors

if TYPE_CHECKING:
    from uptake.models.scoring.lazy import Lazy

Backend: TypeAlias = Literal["hf", "vllm"]
"""What writes a model's answers: transformers, or vLLM."""


@dataclass(frozen=True)
class Models:
    """The models that are asked: found and checked at once, loaded one after the other, when there is work for them.

    Attributes:
        base: The model before fine-tuning; None where it is not given.
        tuned: The model after it.
        asked_length: Tokens that the user allows; None for no limit.
        notes: What the reader should know about the two of them together.
        today: The date that chat templates are told, where one asks for it; None where none does.
    """

    base: Loadable | None
    tuned: Loadable
    asked_length: int | None
    notes: tuple[str, ...] = ()
    today: str | None = None

    @property
    def adapts(self) -> bool:
        """Whether the tuned model is an adapter."""
        folder = self.tuned.folder
        return folder is not None and (folder / "adapter_config.json").is_file()

    @classmethod
    def find(
        cls,
        tuned: str,
        load: LoadSettings,
        *,
        base: str | None = None,
        base_revision: str | None = None,
        asked_length: int | None = None,
    ) -> Models:
        """Find both; the base takes over the tuned model's chat template where it has none of its own.

        Args:
            tuned: The tuned model: a folder or a hub id.
            load: How it is loaded, and but for the revision how the base is.
            base: The base; None where it is not given.
            base_revision: The base's branch, tag or commit.
            asked_length: Tokens that the user allows; None for no limit.

        Raises:
            UptakeError: One is not there, or cannot be read.
        """
        from uptake.models.scoring.lazy import Lazy

        last = Lazy.find(tuned, replace(load, base_revision=base_revision), base=base)
        if base is None:
            return cls(None, last, asked_length, _without_base(last))
        settings = replace(load, revision=base_revision)
        first = Lazy.find(base, settings)
        if first.tokenizer.chat_template is None and last.tokenizer.chat_template is not None:
            first = Lazy.find(base, replace(settings, chat_template=last.tokenizer.chat_template))
        return cls(first, last, asked_length, _of_both(first, last))

    def on(self, today: str) -> Models:
        """The same models, whose chat templates are told this date (2026-01-31)."""
        base = None if self.base is None else told(self.base, today)
        return replace(self, base=base, tuned=told(self.tuned, today), today=today)

    def run_by(self, backend: Backend, actors: Actors | None) -> Models:
        """The same models as they are asked: by which engine, and by actors that hold copies, where there are any."""
        base = None if self.base is None else run_by(self.base, backend, actors)
        return replace(self, base=base, tuned=run_by(self.tuned, backend, actors))

    @property
    def tell_the_date(self) -> bool:
        """Whether a chat template may write the date into a prompt."""
        return any(asks_for_the_date(model.tokenizer) for model in self.all)

    @property
    def trained_on(self) -> str | None:
        """The date that the chat template was told when the tuned model was trained; None where it is not known."""
        folder = self.tuned.folder
        path = None if folder is None else folder / "manifest.json"
        if path is None or not path.is_file():
            return None
        with suppress(UptakeError):  # what is wrong with it is told where more of it is read
            return read_record(path, BEGUN).today
        return None

    @property
    def one_and_the_same(self) -> bool:
        """Whether base and tuned model are the same weights, loaded in the same way."""
        return self.base is not None and self.base.fingerprint == self.tuned.fingerprint

    @property
    def all(self) -> list[Loadable]:
        """The models that there are, in the order in which they are asked."""
        return [model for model in (self.base, self.tuned) if model is not None]

    @property
    def max_length(self) -> int | None:
        """What the user allows and every model takes; None when nobody sets a limit."""
        limits = (self.asked_length, *(model.max_length for model in self.all))
        return min((limit for limit in limits if limit is not None), default=None)


def run_by(model: Loadable, backend: Backend, actors: Actors | None) -> Loadable:
    """A model as it is asked; one that is not of this process stays as it is.

    Args:
        model: As it was found.
        backend: What writes.
        actors: Hold copies that are asked at once; None asks the one in this process.

    Raises:
        UptakeError: The backend is not installed.
    """
    from uptake.models.scoring.lazy import Lazy

    if not isinstance(model, Lazy) or (backend == "hf" and actors is None):
        return model
    from uptake.models.scoring.engine import Engine
    from uptake.models.scoring.far import Far

    own = Engine(model) if backend == "vllm" else model
    return own if actors is None else Far(own, actors)


def _without_base(tuned: Lazy) -> tuple[str, ...]:
    own = tuned.adapter_base
    if own is None:
        return ()
    return (f"the tuned model is an adapter on {own}: give --base {own} to learn what was forgotten",)


def _of_both(base: Lazy, tuned: Lazy) -> tuple[str, ...]:
    """Whether the base is another model than the tuned one, and the one that an adapter was trained on."""
    from uptake.models.scoring.lazy import Lazy

    if base.fingerprint == tuned.fingerprint:
        return (f"the base {base.name} and the tuned model {tuned.name} are the same model",)
    own = tuned.adapter_base
    if own is None or own == base.name:
        return ()
    if Lazy.find(own, replace(base.settings, revision=None)).fingerprint == base.fingerprint:
        return ()
    return (
        f"the tuned model is an adapter on {own}, which is not the base given ({base.name}): what is said to "
        "be forgotten, and what the base model says, are about another model than the one it was trained from",
    )
