"""Models: load them, score with them, let them answer, make small ones. Importing this does not import torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float

from uptake.models.scoring.rows import Scored

T = TypeVar("T")
Unit = TypeVar("Unit")


@runtime_checkable
class Enough(Protocol):
    """Whether a continuation needs no more tokens."""

    def __call__(self, index: int, ids: Sequence[int]) -> bool:
        """Called after each token with the index of the context and what was written so far."""
        ...


@runtime_checkable
class Model(Protocol):
    """What the steps need of a model; `uptake.models.scoring.hf.LanguageModel` is one."""

    tokenizer: Any

    def score(self, groups: Sequence[Sequence[Scored]]) -> list[list[Float[np.ndarray, "4 _"]]]:
        """For each sequence of each group four numbers a scored token.

        Its log-probability (nats), 1.0 where it is the arg-max, the log-probability of the arg-max, and its id.
        """
        ...

    def generate(
        self,
        contexts: Sequence[Sequence[int]],
        max_new_tokens: Sequence[int],
        *,
        samples: int = 0,
        seed: int = 0,
        enough: Enough | None = None,
    ) -> list[list[list[int]]]:
        """For each context: the greedy continuation, or `samples` samples at temperature 1, as token ids.

        Where `enough` says so a continuation may stop; what one has beyond that is not read.
        """
        ...


@runtime_checkable
class Loadable(Protocol):
    """A model that is known at once and there when it is needed, which is all that the steps ask of one.

    `uptake.models.scoring.lazy.Lazy`, a folder or hub id that is loaded into this process, is one. An engine on other
    devices, a server that gives log-probabilities, or an actor on another machine can be one too.
    """

    @property
    def name(self) -> str:
        """What it is called in tables and messages: a path, a hub id, an address without keys."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identifies whatever its numbers depend on: weights, tokenizer, and how it computes.

        It is part of the key of all that is kept of what the model said, so it must change when any of these does.
        """
        ...

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer, as transformers has them: data are checked with it before the model is loaded."""
        ...

    @property
    def max_length(self) -> int | None:
        """Longest sequence it takes, in tokens; None when there is no limit."""
        ...

    @property
    def folder(self) -> Path | None:
        """The folder of its own files; None where it has none on this machine."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What the reader of its numbers should know; read after `load`."""
        ...

    def load(self) -> Model:
        """The model; the same one each time until `release`.

        Raises:
            UptakeError: It cannot be loaded or reached.
        """
        ...

    def release(self) -> None:
        """Make room for the next model; `load` gives it again."""
        ...


@runtime_checkable
class Heritable(Protocol):
    """A `Loadable` that may leave the model that is asked next what both are made of."""

    def release_to(self, following: Loadable) -> None:
        """As `release`; what `following` is made of as well stays in memory, for its `load`."""
        ...


def hand_over(model: Loadable, following: Loadable) -> None:
    """Make room for the model that is asked next: a base and the adapters on it are one set of weights, read once.

    Args:
        model: What was asked; whoever has it from `load` does not use it any more.
        following: What is asked next; it is released when nothing follows it, also where it was not loaded.
    """
    if isinstance(model, Heritable):
        model.release_to(following)
    else:
        model.release()


@runtime_checkable
class Several(Protocol):
    """A `Loadable` of which several copies are asked at once, each about a part of the work."""

    def at_once(self, units: Iterable[Unit], work: Callable[[Unit], T]) -> Iterator[tuple[Unit, T]]:
        """Do the work of all units in threads, in which `load` gives the model; each is given as it is done.

        What is done here is done by one thread at a time: only the waiting for copies goes on side by side.
        """
        ...


def each(model: Loadable, units: Iterable[Unit], work: Callable[[Unit], T]) -> Iterator[tuple[Unit, T]]:
    """The work of all units, one after the other; or in any order, where the model is there several times."""
    return model.at_once(units, work) if isinstance(model, Several) else ((unit, work(unit)) for unit in units)


@runtime_checkable
class Away(Protocol):
    """A `Model` in another process."""

    def run(self, work: Callable[..., T], *args: Any) -> T:
        """Do `work(*args, model)` where the model is; `work` is a function of a module."""
        ...


def where_it_is(model: Model, work: Callable[..., T], *args: Any) -> T:
    """`work(*args, model)`, done in the process that the model is in: so it reads its tokens there."""
    return model.run(work, *args) if isinstance(model, Away) else work(*args, model)
