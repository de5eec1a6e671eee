"""A stage that is ready to be trained: the record that planning makes and training takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.schedule import Schedule
from uptake.types import BadRow

if TYPE_CHECKING:
    import pyarrow as pa

    from uptake.models.training.job import Job


@dataclass(frozen=True)
class StagePlan:
    """One stage, ready to be trained.

    Attributes:
        stage: Its name.
        dataset: Its data set, as named in the run.
        files: The digest of each of its files.
        folder: Where the trained model will lie.
        examples: How many an epoch trains.
        bad_rows: Rows that are left out.
        job: What the trainer gets; its tokenizer and rows are those of the plan.
        identity: What the weights depend on, as it turned out here; a finished or a killed stage must have the same.
        cut: How many examples are longer than `max_length` and lose their end (or, as set, their beginning).
        tokens: Tokens of one pass; of the first one, where each draws rows of its own.
        trained_tokens: How many of them are learned.
        steps: Optimisation steps; None when the rows are packed, which is done later.
        epochs: Passes over the rows; None as `steps`.
        batch: Rows of a step per device, batches of a step, processes.
        start: What it starts from, in words.
        done_steps: Steps that a killed run has behind it.
        finished: It is trained already.
        own: Its own examples as rows, whatever its strategies make of them; the ledger's pass an epoch scores these.
        sources: The source of each of these.
        notes: What the reader should know about it.
        schedule: How its rows come and when it ends; None takes them as the settings say.
        validation: What the schedule's end is judged by.
        ids: The names of its own examples that it trains.
    """

    stage: str
    dataset: str
    files: Mapping[str, str]
    folder: Path
    examples: int
    bad_rows: Sequence[BadRow]
    job: Job
    identity: Mapping[str, Any]
    cut: int
    tokens: int
    trained_tokens: int
    steps: int | None
    epochs: float | None
    batch: tuple[int, int, int]
    start: str
    done_steps: int
    finished: bool
    own: pa.Table
    sources: Sequence[str]
    notes: tuple[str, ...] = ()
    schedule: Schedule | None = None
    validation: pa.Table | None = None
    ids: Sequence[str] = ()
