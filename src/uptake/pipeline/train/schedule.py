"""The schedule of a stage in `uptake train`: what identifies it, and what is read while it is followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from uptake.artifacts import digest
from uptake.errors import UptakeError
from uptake.schedule import EpochRows, Layout, Schedule, arranged

if TYPE_CHECKING:
    import pyarrow as pa

READ = 200
"""Examples of a source that resampling asks about, at most: the accuracy's standard error is then 0.035 or less."""

_LONG = ("conflicts", "extra", "sources")


def identity(schedule: Schedule, validation: pa.Table | None) -> dict[str, Any]:
    """What the weights depend on; of what is long, how much there is and its digest.

    Args:
        schedule: The schedule.
        validation: What its end is judged by.
    """
    data = schedule.as_data()
    for name in _LONG:
        data[name] = {"n": len(data[name]), "digest": digest(data[name])} if data[name] else None
    told = None if validation is None else validation.select(["input_ids", "labels"]).to_pylist()
    data["validation"] = {"n": len(told), "digest": digest(told)} if told else None
    return data


def with_sources(schedule: Schedule | None, rows: pa.Table) -> Schedule | None:
    """The schedule with the source of each row: a strategy may have added rows after another one made it.

    Args:
        schedule: The schedule; one that does not resample stays as it is.
        rows: What is trained, with their sources.
    """
    if schedule is None or schedule.resampling is None or "source" not in rows.schema.names:
        return schedule
    found = zip(rows["id"].to_pylist(), rows["source"].to_pylist(), strict=True)
    return replace(schedule, sources={**{name: source or "" for name, source in found}, **schedule.sources})


def rows_of_an_epoch(
    schedule: Schedule, ids: Sequence[str], args: Any, validation: pa.Table | None, drawn: EpochRows | None = None
) -> int:
    """How many rows an epoch trains; refuses what does not fit before anything is trained.

    Args:
        schedule: The schedule.
        ids: The id of each row.
        args: The trainer's arguments.
        validation: What its end is judged by.
        drawn: Which rows each epoch has; None for all of them.

    Raises:
        UptakeError: The schedule does not fit the rows or the settings, or lacks what its end is judged by.
    """
    from uptake.models.training.order import require_steps_of_one_size

    require_steps_of_one_size(args)
    layout = Layout(args.train_batch_size * args.world_size, args.gradient_accumulation_steps)
    order = arranged(schedule, ids, layout, drawn)
    if schedule.stop is not None and validation is None:
        raise UptakeError(
            "the schedule has a stopping rule, but there is no validation set",
            fix="give examples that are not trained, such as other wordings of the trained ones",
        )
    return order.rows


def rows_to_read(schedule: Schedule, rows: pa.Table, drawn: EpochRows | None = None) -> pa.Table | None:
    """The rows that readings ask about: all that conflict, and for resampling some of each source; None for neither.

    Args:
        schedule: The schedule.
        rows: The training set.
        drawn: Which rows each epoch has; None for all of them.
    """
    wanted = {name for pair in schedule.conflicts for name in pair}
    if schedule.resampling is not None:
        of: dict[str, list[str]] = {}
        own = rows if drawn is None else rows.slice(0, drawn.always)
        for name in dict.fromkeys(own["id"].to_pylist()):
            of.setdefault(schedule.sources[name], []).append(name)
        for number, names in enumerate(of.values()):
            rng = np.random.default_rng([schedule.seed, number])
            wanted.update(names[k] for k in rng.permutation(len(names))[:READ])
    if not wanted:
        return None
    first: dict[str, int] = {}
    for number, name in enumerate(rows["id"].to_pylist()):
        if name in wanted:
            first.setdefault(name, number)
    return rows.take(list(first.values()))


def attach(
    trainer: Any, schedule: Schedule, rows: pa.Table, validation: pa.Table | None, drawn: EpochRows | None = None
) -> None:
    """Let a stage's trainer follow its schedule.

    Args:
        trainer: The trainer; the ids of its rows are read off its training set.
        schedule: The schedule.
        rows: The training set.
        validation: What the schedule's end is judged by.
        drawn: Which rows each epoch has; None for all of them.
    """
    from uptake.models.training.order import follow
    from uptake.models.training.readings import reading

    some = rows_to_read(schedule, rows, drawn)
    follow(
        trainer,
        schedule,
        ids=trainer.train_dataset.ids,
        drawn=drawn,
        read=None if some is None else reading(some),
        validate=None if validation is None else reading(validation),
    )
