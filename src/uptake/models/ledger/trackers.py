"""The ledger to trackers of experiments: trackio, Weights & Biases, MLflow, where `report_to` names them.

transformers' own callbacks open the run there, and send it loss, learning rate and gradient norm. Added to the same run
here: curves by source at each epoch's end, and at the end of training a table of the examples.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

log = logging.getLogger(__name__)

TABLE = "ledger/examples"
"""What the table is called."""

Curves = Mapping[str, float]
Table = tuple[Sequence[str], Sequence[Sequence[Any]]]


def _trackio(curves: Curves, table: Table | None, step: int) -> None:
    import trackio

    told: dict[str, Any] = {**curves, "train/global_step": step}
    if table is not None:
        columns, rows = table
        told[TABLE] = trackio.Table(dataframe=_Records(columns, rows))
    trackio.log(told)


class _Records:
    """Rows as `trackio.Table` takes them, without pandas."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self._rows = [dict(zip(columns, row, strict=True)) for row in rows]

    def to_dict(self, orient: str) -> list[dict[str, Any]]:
        return self._rows


def _wandb(curves: Curves, table: Table | None, step: int) -> None:
    import wandb

    told: dict[str, Any] = {**curves, "train/global_step": step}
    if table is not None:
        columns, rows = table
        told[TABLE] = wandb.Table(columns=list(columns), data=[list(row) for row in rows])
    wandb.log(told)


def _mlflow(curves: Curves, table: Table | None, step: int) -> None:
    import mlflow

    # its names hold letters, digits and few signs
    mlflow.log_metrics({re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII): one for name, one in curves.items()}, step)
    if table is not None:
        import pandas as pd

        columns, rows = table
        # of columns of text that are not plain objects pandas warns when MLflow looks for images in them
        mlflow.log_table(
            pd.DataFrame([list(row) for row in rows], columns=list(columns), dtype=object), f"{TABLE}.json"
        )


TRACKERS: Mapping[str, Callable[[Curves, Table | None, int], None]] = {
    "trackio": _trackio,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
"""By its name in `report_to`: how a tracker's open run is told curves, and a table at the end."""


class LedgerToTrackers(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Tells the ledger to those of `TRACKERS` that `report_to` names; to be added after `LedgerCallback`.

    A tracker that fails is told of in the log, and training goes on.

    Args:
        curves: Gives the numbers of the epoch that has just ended, by name.
        table: Gives the columns and rows of the examples.
    """

    def __init__(self, curves: Callable[[], Curves], table: Callable[[], Table]) -> None:
        self._curves = curves
        self._table = table

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Send the curves, and after the last step the table: a tracker's run may be closed when training ends."""
        named = [name for name in TRACKERS if name in args.report_to]
        if not named:
            return
        args.distributed_state.wait_for_everyone()  # each process has written its part
        if not state.is_world_process_zero:
            return
        curves = self._curves()
        table = self._table() if state.global_step >= state.max_steps or control.should_training_stop else None
        for name in named:
            try:
                TRACKERS[name](curves, table, state.global_step)
            except Exception as error:  # a tracker's own failures are of any kind
                log.warning("%s was not told the ledger: %s", name, str(error).split("\n")[0])
