"""`uptake stream`: many stages, and what each one left of the others; `compare`: the same under several strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from uptake.cli.processes import processes
from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import say_note, table
from uptake.errors import UptakeError

COMPARE = "compare"


def command(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(help="The run file.", metavar="[compare] RUN.YAML")],
    strategies: Annotated[
        str | None,
        typer.Option("--strategies", help="compare: which, as names or YAML (several values of a setting are tried)."),
    ] = None,
    tuning: Annotated[
        Path | None, typer.Option("--tuning", help="compare: run file of the stream that they are tuned on.")
    ] = None,
    orders: Annotated[int, typer.Option("--orders", help="compare: orders of the stages.", min=1)] = 3,
    seeds: Annotated[int, typer.Option("--seeds", help="compare: seeds of each order.", min=1)] = 3,
    trials: Annotated[int, typer.Option("--trials", help="compare: settings tried of each strategy.", min=1)] = 3,
    reference: Annotated[
        str, typer.Option("--reference", help="compare: the strategy that the others are held against.")
    ] = "replay",
    jobs: Annotated[int, typer.Option("--jobs", help="compare: runs side by side.", min=1)] = 1,
) -> None:
    """Train all stages and test every stage after each of them; or compare strategies that do so.

    Each stage needs a test set (`test`), or `test_share` holds a share of its data out of training. Run the command
    again to resume. On several devices: accelerate launch -m uptake stream RUN.YAML

    `uptake stream compare RUN.YAML --strategies sequential,replay,lwf --tuning TUNING.YAML` holds strategies against
    each other: at equal cost, each with as many trials, over orders of the stages and seeds.
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run

    if words[0] == COMPARE and len(words) == 2:
        from uptake.cli.stream_compare import compare

        if strategies is None:
            raise UptakeError(
                "no strategies to compare", fix="name them: --strategies sequential,replay,lwf, or as a YAML file"
            )
        plan = {"orders": orders, "seeds": seeds, "trials": trials, "reference": reference, "jobs": jobs}
        typer.echo(printable(compare(words[1], tuning, overrides(ctx), strategies, plan)))
        return
    if len(words) != 1:
        raise typer.BadParameter(f"{' '.join(words)}: write RUN.YAML, or compare RUN.YAML")
    if strategies is not None:
        raise UptakeError("--strategies compares strategies", fix=f"uptake stream compare {words[0]} --strategies ...")
    from uptake.pipeline.stream.run import stream_run

    config, together = load_run(words[0], overrides(ctx)), processes()
    with progress_bar() as progress:
        done = stream_run(config, progress, together, note=say_note)
    if done is not None:
        typer.echo(printable(show(done.summary(), done.folder)))


def show(summary: Mapping[str, Any], folder: Path) -> str:
    """The matrix, its metrics, what was lost and what it cost, as tables."""
    from uptake.pipeline.stream.markdown import (
        COSTS_ARE,
        FORMS_ARE,
        costs_table,
        fates_table,
        matrix_table,
        metrics_table,
    )

    stages: Sequence[str] = summary["stages"]

    def drawn(rows: Sequence[Sequence[str]]) -> list[str]:
        return table(rows[0], rows[1:])

    lines = [
        "right after each stage (rows), of each stage's tests (columns):",
        *drawn(matrix_table(summary, stages)),
        "",
        *drawn(metrics_table(summary)),
        "(in points of 100; intervals are over the test items)",
        "",
        *drawn(fates_table(summary, stages)),
        f"(then: after its own training; freely, held out, in letters: {FORMS_ARE})",
        "",
        *drawn(costs_table(summary, stages)),
        f"({COSTS_ARE})",
        *(f"note: {note}" for note in summary["notes"]),
        "",
        str(folder),
    ]
    return "\n".join(lines)
