"""`uptake conflicts`: what the rows of a stage meet in the model, before it is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    after: Annotated[
        bool, typer.Option("--after", help="Once the stage is trained: what became of these rows in its model.")
    ] = False,
    undo: Annotated[
        Path | None,
        typer.Option("--undo", help="Write the stage's model without its adapter into this new folder.", metavar="DIR"),
    ] = None,
) -> None:
    """Find which rows of a stage contradict what the model says now.

    Each row is known, new or a conflict. Of a conflict the model's own answer is shown, what must not change with it,
    and which answer a corpus makes likelier. Nothing is trained. Once the stage is trained, --after tells what became
    of the same rows.
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run
    from uptake.pipeline.conflicts.run import after_run, conflicts_run, undo_run

    config = load_run(run, overrides(ctx))
    if undo is not None:
        typer.echo(printable(f"the model without the adapter: {undo_run(config, undo, stage)}"))
        return
    if after:
        with progress_bar() as progress:
            found = after_run(config, stage, progress)
        typer.echo(printable("\n".join(show_after(found))))
        return
    with progress_bar() as progress:
        done = conflicts_run(config, stage, progress)
    typer.echo(printable("\n".join(show(done))))


def show_after(found: Mapping[str, Any]) -> Iterator[str]:
    """What became of the rows: of the conflicts, and of all of them, with what identical models would show."""
    from uptake.pipeline.conflicts.after import BECAME

    yield f"asked of {found['model']}"
    yield ""
    conflicts, knowledge, null = found["conflicts"], found["knowledge"], found["null_of_one_sample"]
    rows = [(title, _rate(conflicts.get(name)), "") for name, title in BECAME.items()]
    if conflicts.get("exposures") is not None:
        rows.append(("median exposures until then", f"{conflicts['exposures']:g}", ""))
    rows.append((f"ACC: right of all {found['n']:,} rows", _rate(knowledge["accuracy"]), ""))
    rows.append(("KGR: gained of what was wrong", _rate(knowledge["gained"]), _rate(null["gained_null"])))
    rows.append(("KRR: kept of what was right", _rate(knowledge["kept"]), _rate(null["kept_null"])))
    yield from table(("", "share [95 %]", "two identical models, one sample each"), rows)


def _rate(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "-"
    return f"{one['estimate']:.1%} [{100 * one['low']:.1f}, {100 * one['high']:.1f}]"


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
