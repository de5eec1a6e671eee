"""Stages that pack their rows, as plans train them: row by row, with as many rows a step as packed steps have."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from uptake.pipeline.train.rows import StageReading
from uptake.pipeline.train.training_run import StageSpec, TrainingRun

PACKING = ("packing", "packing_strategy", "padding_free")
"""Settings that say which rows share a sequence."""


def rows_of_a_bin(settings: Mapping[str, Any], lengths: Sequence[int], limit: int) -> int:
    """Rows that a sequence of the trainer holds on average, rounded; 1 where rows are not packed.

    Bins are counted as TRL fills them: `wrapped` to the brim, else by best fit, the longest rows first.

    Args:
        settings: The trainer's.
        lengths: Tokens of each row.
        limit: Tokens of a sequence.
    """
    if not settings.get("packing") or not lengths:
        return 1
    wrapped = settings.get("packing_strategy") == "wrapped"
    bins = -(-sum(lengths) // limit) if wrapped else _best_fit([min(n, limit) for n in lengths], limit)
    return max(1, round(len(lengths) / bins))


def _best_fit(lengths: Sequence[int], limit: int) -> int:
    """How many bins rows take, each put into the fullest that has room for it, the longest first."""
    rooms: list[int] = []  # of bins that are not full, in rising order
    bins = 0
    for n in sorted(lengths, reverse=True):
        place = bisect_left(rooms, n)
        if place == len(rooms):
            bins += 1
            room = limit - n
        else:
            room = rooms.pop(place) - n
        if room:
            insort(rooms, room)
    return bins


def unpacked(settings: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """The settings without packing, with as many rows a step as the packed bins of a step held.

    Args:
        settings: The trainer's.
        rows: As from `rows_of_a_bin`.
    """
    own = {name: value for name, value in settings.items() if name not in PACKING}
    if rows > 1:
        own["gradient_accumulation_steps"] = int(own.get("gradient_accumulation_steps", 1)) * rows
    return own


def row_by_row(run: TrainingRun) -> TrainingRun:
    """The run with no stage packed; its data are read to see how many rows a bin has, if one is.

    Raises:
        UptakeError: There is no such base, or data cannot be used.
    """
    if not any(spec.settings.get("packing") for spec in run.stages):
        return run
    return replace(run, stages=tuple(_row_by_row(run, spec) for spec in run.stages))


def _row_by_row(run: TrainingRun, spec: StageSpec) -> StageSpec:
    if not spec.settings.get("packing"):
        return spec
    import pyarrow.compute as pc

    from uptake.models.training.start import model_config, tokenizer_of

    place, load = run.start.place(), run.start.settings
    positions = getattr(model_config(place, load), "max_position_embeddings", None)
    limits = [limit for limit in (spec.settings["max_length"], positions) if limit]
    limit = min(limits, default=None)
    if limit is None:
        return replace(spec, settings=unpacked(spec.settings, 1))
    tokenizer = tokenizer_of(place, load, spec.settings.get("eos_token"))
    reading = StageReading(spec, run.options, tokenizer, {**spec.settings, "max_length": limit}, {})
    table = reading.table(lambda step, done, total: None, skip_bad_rows=run.skip_bad_rows)
    lengths = pc.list_value_length(table["input_ids"]).to_pylist()
    return replace(spec, settings=unpacked(spec.settings, rows_of_a_bin(spec.settings, lengths, limit)))
