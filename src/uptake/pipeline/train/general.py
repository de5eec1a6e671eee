"""General text of a run, as rows for strategies that train it or hold the model to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from uptake.data import LoadOptions, bad_rows_error, stream
from uptake.errors import UptakeError
from uptake.pipeline.train.rows import StageReading, file_digests
from uptake.pipeline.train.training_run import TrainingRun
from uptake.types import BadRow, Example

if TYPE_CHECKING:
    import pyarrow as pa

    from uptake.pipeline.train.plan import ReadStage


def general_rows(run: TrainingRun, stage: ReadStage, most: int) -> pa.Table:
    """Rows of general text, cut to the length that the stage's rows may have; the same ones in each stage of a run.

    Args:
        run: The run.
        stage: The stage that trains them.
        most: How many there are at most; drawn by the run's seed.

    Raises:
        UptakeError: There is no general text, or some of it cannot be used.
    """
    from uptake.models.training.notes import noted

    texts = list(_texts(run))
    if not texts:
        raise UptakeError(f"general is {run.general!r}, and there is no text in it", expected="texts")
    chosen = np.sort(np.random.default_rng(run.seed).permutation(len(texts))[:most])
    spec = replace(stage.spec, dataset=str(run.general), examples=[texts[number] for number in chosen], columns=None)
    settings = {**stage.spec.settings, "max_length": stage.limit}
    reading = StageReading(spec, run.options, stage.tokenizer, settings, {})
    rows = reading.table(lambda step, done, total: None, skip_bad_rows=True)
    return noted(rows, source=reading.sources)


def require_general(run: TrainingRun) -> None:
    """Refuse general text that cannot be read, where a strategy needs it.

    Raises:
        UptakeError: It cannot.
    """
    if needs_general(run):
        next(_texts(run), None)


def needs_general(run: TrainingRun) -> bool:
    """Whether a strategy of the run reads general text."""
    return any(one.hooks().needs.general for spec in run.stages for one in spec.strategies)


def identity(run: TrainingRun) -> dict[str, Any]:
    """What general text it is: the digests of its files, or the name of a data set on the hub."""
    files = file_digests(str(run.general))
    return {"files": files} if files else {"name": run.general}


def _texts(run: TrainingRun) -> Iterator[Example]:
    if run.general is None:
        raise UptakeError("the run has no general text", fix="give --general FILE")
    for one in stream(run.general, LoadOptions(split=run.options.split, documents=True)):
        if isinstance(one, Example):
            prompt = (
                one.prompt if isinstance(one.prompt, str) else "".join(f"{turn.content}\n\n" for turn in one.prompt)
            )
            # a name of its own: the ledger must not take it for an example that is trained
            yield Example(f"general text {one.id}", "", prompt + one.response, "general")
        elif isinstance(one, BadRow) and not run.skip_bad_rows:
            raise bad_rows_error([one], usable=0)
