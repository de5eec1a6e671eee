"""The schedule of a stage in `uptake train`: what identifies it, and what is read while it is followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from uptake.artifacts import digest
from uptake.artifacts.tables import prompt_as_data
from uptake.errors import UptakeError
from uptake.schedule import Layout, Schedule, arranged
from uptake.types import Example

if TYPE_CHECKING:
    import pyarrow as pa

READ = 200
"""Examples of a source that resampling asks about, at most: the accuracy's standard error is then 0.035 or less."""

_LONG = ("conflicts", "extra", "sources")


@dataclass(frozen=True)
class Scheduled:
    """A stage's schedule, what it trains, and what its end is judged by.

    Attributes:
        schedule: How its rows come, and when it ends.
        validation: What `schedule.stop` measures the loss on; none of it is trained.
        examples: What is trained; an example may come several times. None reads the stage's data set.
    """

    schedule: Schedule
    validation: Sequence[Example] = ()
    examples: Sequence[Example] | None = None

    def identity(self) -> dict[str, Any]:
        """What the weights depend on; of what is long, how much there is and its digest."""
        data = self.schedule.as_data()
        for name in _LONG:
            data[name] = {"n": len(data[name]), "digest": digest(data[name])} if data[name] else None
        told = [[prompt_as_data(one.prompt), one.response] for one in self.validation]
        data["validation"] = {"n": len(told), "digest": digest(told)} if told else None
        return data

    def rows_of_an_epoch(self, ids: Sequence[str], args: Any) -> int:
        """How many rows an epoch trains; refuses what does not fit before anything is trained.

        Args:
            ids: The id of each row.
            args: The trainer's arguments.

        Raises:
            UptakeError: The schedule does not fit the rows or the settings, or lacks what its end is judged by.
        """
        from uptake.models.training.order import require_steps_of_one_size

        require_steps_of_one_size(args)
        layout = Layout(args.train_batch_size * args.world_size, args.gradient_accumulation_steps)
        order = arranged(self.schedule, ids, layout)
        if self.schedule.stop is not None and not self.validation:
            raise UptakeError(
                "the schedule has a rule when to stop, and there is no validation set",
                fix="give examples that are not trained, such as other wordings of what is",
            )
        return order.rows


def rows_to_read(schedule: Schedule, rows: pa.Table) -> pa.Table | None:
    """The rows that readings ask about: all that conflict, and for resampling some of each source; None for neither.

    Args:
        schedule: The schedule.
        rows: The training set.
    """
    wanted = {name for pair in schedule.conflicts for name in pair}
    if schedule.resampling is not None:
        of: dict[str, list[str]] = {}
        for name in dict.fromkeys(rows["id"].to_pylist()):
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


def attach(trainer: Any, scheduled: Scheduled, rows: pa.Table, ids: Sequence[str]) -> None:
    """Let a stage's trainer follow its schedule.

    Args:
        trainer: The trainer.
        scheduled: The schedule.
        rows: The training set.
        ids: The ids of its rows, in the order in which the trainer has them.
    """
    from uptake.ledger import rescoring
    from uptake.models.training.order import follow
    from uptake.models.training.readings import reading

    some = rows_to_read(scheduled.schedule, rows)
    read = None if some is None else reading(some)
    validate = rescoring(scheduled.validation) if scheduled.validation else None
    follow(trainer, scheduled.schedule, ids=ids, read=read, validate=validate)
