"""The data sets of a run as rows: what is trained, what never was, what must not get worse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from uptake.config import RunConfig
from uptake.data import Notes, with_paraphrases
from uptake.pipeline.examples.sources import Reworded, Trained, read_rows
from uptake.types import BadRow, Example

if TYPE_CHECKING:
    pass


def datasets(
    config: RunConfig, reworded: Reworded | None, notes: Notes | None = None
) -> Iterator[tuple[str, Iterable[Example | BadRow]]]:
    """The cohorts' rows: all stages as one, then what was never trained on, then what must not get worse."""
    trained = Trained()
    train: Iterator[Example | BadRow] = chain.from_iterable(
        read_rows(config, stage.dataset, stage.name, notes) for stage in config.stages
    )
    if config.paraphrases is not None:
        train = with_paraphrases(train, config.paraphrases)
    train = trained.noting(train)
    yield "train", train if reworded is None else reworded(train)
    if config.heldout is not None:
        yield "heldout", trained.without(read_rows(config, config.heldout, "heldout", notes))
    if config.retention is not None:
        yield "retention", read_rows(config, config.retention, "retention", notes)
