"""A model that is found and checked at once, and loaded when it is first needed."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from uptake.errors import UptakeError
from uptake.models import Loadable
from uptake.models.places.leftover import FullWeights, adapted, key_of, read, taken_off
from uptake.models.places.place import Place, device_of, fingerprint, load_config, load_tokenizer, locate
from uptake.models.places.settings import LoadSettings
from uptake.models.scoring.abilities import Abilities
from uptake.models.scoring.hf import LanguageModel
from uptake.models.scoring.live import around


@dataclass
class Lazy:
    """A model that is found and checked at once, and loaded when it is first needed.

    Attributes:
        name: The path or hub id.
        settings: How it is loaded.
        tokenizer: Its tokenizer.
        fingerprint: Identifies the bytes of weights, configuration and tokenizer, and how they are loaded.
        max_length: Longest sequence it takes, in tokens; None when its config sets no limit.
        adapter_base: Path or hub id of the base that an adapter is put on; None for full weights.
        notes: What was learned about it, in finding it and then in loading it.
        asked_base: What `find` was given for a base.
    """

    name: str
    settings: LoadSettings
    tokenizer: Any
    fingerprint: str
    max_length: int | None
    adapter_base: str | None
    notes: tuple[str, ...]
    _place: Place
    asked_base: str | None = None
    _loaded: LanguageModel | None = None
    _full: FullWeights | None = None
    _abilities: Abilities | None = None  # what the same weights could do when they were loaded before

    @classmethod
    def find(cls, name: str, settings: LoadSettings, *, base: str | None = None) -> Lazy:
        """Find a model.

        Args:
            name: A folder, or a hub id: full weights, or a PEFT adapter whose `adapter_config.json` names its base.
            settings: How it will be loaded.
            base: Takes the place of an adapter's base where the one that it names is not there; a note tells so.

        Raises:
            UptakeError: There is no such model, its weights are not safetensors, its tokenizer cannot be read, or there
                is no such device or dtype.
        """
        _require_dtype(settings.dtype)
        device_of(settings.device)
        place = locate(name, settings, base)
        limit = getattr(load_config(place.weights, settings).get_text_config(), "max_position_embeddings", None)
        return cls(
            name=name,
            settings=settings,
            tokenizer=load_tokenizer(place, settings),
            fingerprint=fingerprint(place, settings),
            max_length=limit,
            adapter_base=place.base,
            notes=place.notes,
            _place=place,
            asked_base=base,
        )

    def on(self, today: str) -> Lazy:
        """The same model, whose chat template is told this date (2026-01-31)."""
        settings = replace(self.settings, today=today)
        tokenizer, own = load_tokenizer(self._place, settings), fingerprint(self._place, settings)
        return replace(self, settings=settings, tokenizer=tokenizer, fingerprint=own, _loaded=None, _full=None)

    @property
    def place(self) -> Place:
        """Where it lies."""
        return self._place

    @property
    def folder(self) -> Path:
        """The folder of its own files: an adapter's, not its base's."""
        return self._place.folder

    def load(self) -> LanguageModel:
        """The loaded model; raises as `resolve`."""
        if self._loaded is None:
            place, settings = self._place, self.settings
            left = self._full is not None
            self._loaded, self._full = _made(place, settings, self._full or read(place, settings), self._abilities)
            if left and self._full is None:  # the adapter changes what it is put on, which another model was made of
                self.release()
                self._loaded, self._full = _made(place, settings, read(place, settings), self._abilities)
            self._abilities = self._loaded.abilities
            self.notes = self._loaded.notes
        return self._loaded

    def release(self) -> None:
        """Make room for the next model."""
        self._loaded = self._full = None
        gc.collect()
        _give_back()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def release_to(self, following: Loadable) -> None:
        """Make room for the model that is asked next, and leave it the full weights where it is made of the same."""
        full, loaded = self._full, self._loaded
        self._loaded = self._full = None
        if full is not None and isinstance(following, Lazy) and following._full is None:
            if full.key == key_of(following._place, following.settings):
                following._full = full if loaded is None else taken_off(loaded.model, full)
        del full, loaded
        self.release()


def _give_back() -> None:
    """Hand the heap's free pages back to the system, where the C library is glibc: it keeps those that a model had."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def resolve(name: str | Path, settings: LoadSettings | None = None, *, base: str | None = None) -> LanguageModel:
    """Load a causal language model and its tokenizer, and find out what the scoring engine may do with it.

    Args:
        name: A folder, or a hub id: full weights, or a PEFT adapter whose `adapter_config.json` names its base.
        settings: How.
        base: Takes the place of an adapter's base where the one that it names is not there; a note tells so.

    Raises:
        UptakeError: There is no such model, its weights are not safetensors or do not fit its configuration, or it
            cannot be run as asked.
    """
    settings = settings or LoadSettings()
    _require_dtype(settings.dtype)
    device_of(settings.device)
    place = locate(str(name), settings, base)
    return _made(place, settings, read(place, settings))[0]


def _made(
    place: Place, settings: LoadSettings, full: FullWeights, abilities: Abilities | None = None
) -> tuple[LanguageModel, FullWeights | None]:
    """The model, and its full weights where the next one may be made of them."""
    tokenizer = load_tokenizer(place, settings)
    model, kept = full.model, None if place.base else full
    of_adapter: tuple[str, ...] = ()
    if place.base is not None:
        model, of_adapter, kept = adapted(full, place, settings, len(tokenizer))
    remarks = (*place.notes, *full.remarks, *of_adapter)
    budget = settings.batch_tokens
    return around(place.name, model, tokenizer, batch_tokens=budget, remarks=remarks, abilities=abilities), kept


def _require_dtype(name: str) -> None:
    dtype = getattr(torch, name, None)
    if name != "auto" and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise UptakeError(
            f"cannot use dtype {name!r}",
            expected="auto, or a floating-point dtype of torch: float32, bfloat16, float16",
        )
