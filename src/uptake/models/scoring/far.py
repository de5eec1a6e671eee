"""A model of which several copies are asked at once: each in an actor of Ray, here or on other machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from uptake.artifacts import versions
from uptake.errors import UptakeError
from uptake.models import Enough, Model
from uptake.models.places.settings import LoadSettings
from uptake.models.scoring.engine import Engine, EngineModel
from uptake.models.scoring.hf import LanguageModel
from uptake.models.scoring.lazy import Lazy
from uptake.models.scoring.rows import Scored
from uptake.spread import Actors, Holding

T = TypeVar("T")
Unit = TypeVar("Unit")


class Far:
    """A `Loadable` whose copies are loaded by actors; everything else is read from the model as it is found here.

    Its numbers are those of one copy in this process, to the bit: a copy is asked for just what one model would be
    asked for at a time. An actor refuses weights, tokenizers and versions that are not those that are here.

    Args:
        near: The model as it is found here; it is not loaded.
        actors: Hold its copies, one model at a time.
    """

    def __init__(self, near: Lazy | Engine, actors: Actors) -> None:
        self.near, self._actors = near, actors
        self.name, self.fingerprint, self.tokenizer = near.name, near.fingerprint, near.tokenizer
        self.max_length: int | None = near.max_length
        self.notes: Sequence[str] = near.notes
        self._asked = False

    @property
    def folder(self) -> Path | None:
        """The folder of its own files, on this machine."""
        return self.near.folder

    def load(self) -> FarModel:
        """The copies, as one model: what is asked of it is asked of whichever is free.

        Raises:
            UptakeError: No actor can load it.
        """
        held = self._held()
        if not self._asked:
            self.notes, self._asked = self._actors.told(held), True
        return FarModel(self.tokenizer, self._actors, held)

    def release(self) -> None:
        """Make room for the next model."""
        self._actors.drop()

    def at_once(self, units: Iterable[Unit], work: Callable[[Unit], T]) -> Iterator[tuple[Unit, T]]:
        """As in `uptake.models.Several`."""
        return self._actors.each(units, work)

    def _held(self) -> Holding:
        near = self.near.near if isinstance(self.near, Engine) else self.near
        by_vllm = isinstance(self.near, Engine)
        args = (near.name, near.settings, near.asked_base, self.fingerprint, versions(), by_vllm)
        return Holding(self.fingerprint, loaded_there, args)


class FarModel:
    """The copies of one model.

    Args:
        tokenizer: The same as theirs.
        actors: Hold them.
        held: Which of what they hold.
    """

    def __init__(self, tokenizer: Any, actors: Actors, held: Holding) -> None:
        self.tokenizer, self._actors, self._held = tokenizer, actors, held

    def run(self, work: Callable[..., T], *args: Any) -> T:
        """Do `work(*args, model)` where a copy is."""
        return self._actors.run(self._held, work, *args)

    def score(self, groups: Sequence[Sequence[Scored]]) -> list[list[Float[np.ndarray, "4 _"]]]:
        """As `uptake.models.Model` has it."""
        return self.run(_score, groups)

    def generate(
        self,
        contexts: Sequence[Sequence[int]],
        max_new_tokens: Sequence[int],
        *,
        samples: int = 0,
        seed: int = 0,
        enough: Enough | None = None,
    ) -> list[list[list[int]]]:
        """As `uptake.models.Model` has it."""
        return self.run(_generate, contexts, max_new_tokens, samples, seed, enough)


def _score(groups: Sequence[Sequence[Scored]], model: Model) -> list[list[Float[np.ndarray, "4 _"]]]:
    return model.score(groups)


def _generate(
    contexts: Sequence[Sequence[int]],
    max_new_tokens: Sequence[int],
    samples: int,
    seed: int,
    enough: Enough | None,
    model: Model,
) -> list[list[list[int]]]:
    return model.generate(contexts, max_new_tokens, samples=samples, seed=seed, enough=enough)


def loaded_there(
    name: str, settings: LoadSettings, base: str | None, fingerprint: str, here: Any, by_vllm: bool = False
) -> tuple[LanguageModel | EngineModel, tuple[str, ...]]:
    """The model, loaded by an actor, and its notes.

    Raises:
        UptakeError: It is not there, or is not the same there.
    """
    if versions() != here:
        apart = [f"{name} {there}" for name, there in versions().items() if here.get(name) != there]
        raise UptakeError(
            f"a machine of the cluster has other versions: {', '.join(apart) or 'of fewer packages'}",
            expected=f"those that are here: {', '.join(f'{name} {one}' for name, one in here.items())}",
            fix="install the same versions on every machine: others give other numbers",
        )
    near = Lazy.find(name, settings, base=base)
    found = Engine(near) if by_vllm else near
    if found.fingerprint != fingerprint:
        raise UptakeError(
            f"{name} is not the same on a machine of the cluster as it is here",
            expected="the same files under the same path, and the same kind of device",
            fix="give a folder that all machines share, or a revision on the hub; start the command on a machine with "
            "the device of the actors",
        )
    near.load()  # what is to be noted of it is known then
    return found.load(), tuple(found.notes)
