"""`uptake stream`: many stages, and what each one left of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from uptake.cli.processes import processes
from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import say_note, table


def command(ctx: typer.Context, run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")]) -> None:
    """Train all stages, and test every stage after each of them.

    Each stage needs a test set (`test`), or `test_share` holds a share of its data out of training. Run the command
    again to resume. On several devices: accelerate launch -m uptake stream RUN.YAML

    `uptake stream compare` holds strategies against each other.
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run
    from uptake.pipeline.stream.run import stream_run

    config, together = load_run(run, overrides(ctx)), processes()
    with progress_bar() as progress:
        done = stream_run(config, progress, together, note=say_note)
    if done is not None:
        typer.echo(printable(show(done.summary(), done.folder)))


def show(summary: Mapping[str, Any], folder: Path) -> str:
    """The matrix, its metrics, what was lost and what it cost, as tables."""
    from uptake.pipeline.stream.markdown import (
        COSTS_ARE,
        costs_table,
        fates_are,
        fates_table,
        matrix_table,
        metrics_table,
    )

    stages: Sequence[str] = summary["stages"]

    def drawn(rows: Sequence[Sequence[str]]) -> list[str]:
        return table(rows[0], rows[1:])

    lines = [
        "right after each stage (rows), of each stage's tests (columns); in brackets in whatever words:",
        *drawn(matrix_table(summary, stages)),
        "",
        *drawn(metrics_table(summary)),
        "(in points of 100; intervals are over the test items)",
        "",
        *drawn(fates_table(summary, stages)),
        f"(then: after its own training; freely, held out, in letters: {fates_are(summary)})",
        "",
        *drawn(costs_table(summary, stages)),
        f"({COSTS_ARE})",
        *(f"note: {note}" for note in summary["notes"]),
        "",
        str(folder),
    ]
    return "\n".join(lines)
