"""`uptake conflicts`: what the rows of a stage meet in the model, before it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import table
from uptake.text import counted, one_line

if TYPE_CHECKING:
    from uptake.pipeline.conflicts.run import Conflicts

SHOWN = 10
"""Conflicts that are shown, those of which the model is surest first; all of them are in the table."""


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")],
    stage: Annotated[
        str | None, typer.Option("--stage", help="The stage; else the first one that is not trained yet.")
    ] = None,
) -> None:
    """Find which rows of a stage contradict what the model says now.

    Each row is known, new or a conflict. Of a conflict the model's own answer is shown, what must not change with it,
    and which answer a corpus makes likelier. Nothing is trained.
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run
    from uptake.pipeline.conflicts.run import conflicts_run

    config = load_run(run, overrides(ctx))
    with progress_bar() as progress:
        done = conflicts_run(config, stage, progress)
    typer.echo(printable("\n".join(show(done))))


def show(done: Conflicts) -> Iterator[str]:
    """Counts, the surest conflicts side by side, and notes."""
    summary, rows = done.summary(), done.rows()
    yield f"{counted(summary['n'], 'row')} of the stage {summary['stage']}, asked of {summary['model']}"
    yield ""
    means = {
        "known": "the model gives the row's answer",
        "new": "it has no answer of its own that it is sure of",
        "conflict": "it believes another answer",
    }
    told = [
        (what, f"{one['count']:,}", f"{one['rate']['estimate']:.1%}", means[what])
        for what, one in summary["meets"].items()
    ]
    yield from table(("", "rows", "share", "meaning"), told)
    against = sorted((row for row in rows if row["meets"] == "conflict"), key=lambda row: -(row["p_old"] or 0.0))
    if against:
        yield ""
        head = ("asked", "new", "p", "the model says", "p", "likelier", "beside it")
        yield from table(head, [_shown(row) for row in against[:SHOWN]])
        yield "(p: mean probability over the row's wordings; beside it: rows that the model answers rightly and that "
        yield " must not change: about the same name, and about others that are asked the same)"
        if len(against) > SHOWN:
            yield f"and {len(against) - SHOWN:,} more"
    yield ""
    yield from (f"note: {note}" for note in summary["notes"])
    yield str(done.folder)


def _shown(row: dict[str, object]) -> tuple[str, ...]:
    beside = row["neighbours"]
    assert isinstance(beside, list)
    kinds = [one["kind"] for one in beside]
    return (
        one_line(str(row["prompt"]), 48, end=True),
        one_line(str(row["response"]).strip(), 24),
        f"{row['p_new']:.2f}",
        one_line(str(row["old"]), 24),
        "-" if row["p_old"] is None else f"{row['p_old']:.2f}",
        str(row["likelier"] or "-"),
        f"{kinds.count('entity')} + {kinds.count('relation')}",
    )
