"""A model without the adapter that a stage put on it."""

from __future__ import annotations

from pathlib import Path

from uptake.errors import UptakeError
from uptake.models.places.directory import new_directory
from uptake.models.places.load import full_weights
from uptake.models.places.place import load_tokenizer, locate
from uptake.models.places.settings import LoadSettings


def without_adapter(name: str, settings: LoadSettings, out: Path) -> Path:
    """Write the base of an adapter: what the adapter taught is gone, all else is as it was, bit for bit.

    Args:
        name: Folder of the adapter.
        settings: How models are loaded.
        out: A new folder; gets the weights and the tokenizer.

    Raises:
        UptakeError: The model has no adapter, its base is not there, or the folder is.
    """
    place = locate(name, settings, None)
    if place.base is None:
        raise UptakeError(
            f"{name} has no adapter: all weights were trained, and what they were before is not in it",
            expected="a stage that trained an adapter (`peft` in the run file)",
            fix="take the model of the stage before it, or the base",
        )
    model, _ = full_weights(place, settings)
    with new_directory(out) as folder:
        model.save_pretrained(folder, safe_serialization=True)
        load_tokenizer(place, settings).save_pretrained(folder)
    return out
