"""`uptake train`: the stages of a run, one after the other."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uptake.cli.processes import processes
from uptake.cli.run_options import as_typed, overrides
from uptake.cli.terminal import printable
from uptake.text import told_of_stage

if TYPE_CHECKING:
    from uptake.pipeline.train.run import Trained
    from uptake.pipeline.train.stage_plan import StagePlan


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print what would be trained.")
    ] = False,
) -> None:
    """Fine-tune the stages of a run, one after the other.

    The learning curve of every example is recorded. Run the command again to resume a killed run. On several devices:
    accelerate launch -m uptake train RUN.YAML
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run
    from uptake.pipeline.train.run import one_talks, planned, train, training_run

    together = processes()
    first = together.first
    with one_talks(together):
        wanted = training_run(load_run(run, overrides(ctx)), together)
    if dry_run:
        with progress_bar() as progress:
            _, plans = planned(wanted, progress)
        if first:
            typer.echo(printable(show_plan(plans)))
        return
    try:
        with progress_bar() as progress:
            done = train(wanted, progress, note=say_note)
    except KeyboardInterrupt as stopped:
        if first:
            typer.echo(printable(str(stopped)), err=True)
        raise
    if first:
        typer.echo(printable(show_trained(done)))
        command_line = " ".join(["uptake diagnose", shlex.quote(str(run)), *as_typed(ctx)])
        typer.echo(printable(f"\nnext, to see what was not learned: {command_line}"))


def show_plan(plans: Sequence[StagePlan]) -> str:
    """What would be done, as a table with a row a stage."""
    from uptake.pipeline.train.run import notes_of

    head = ("stage", "examples", "left out", "tokens", "learned", "epochs", "steps", "batch", "from", "state")
    rows = [
        (
            one.stage, str(one.examples), str(len(one.bad_rows)), str(one.tokens), str(one.trained_tokens),
            "-" if one.epochs is None else f"{one.epochs:.3g}", "-" if one.steps is None else str(one.steps),
            _batch(one.batch), one.start, _state(one),
        )
        for one in plans
    ]  # fmt: skip
    lines = table(head, rows)
    lines += [
        "(tokens: of one pass; learned: those with a loss; batch: rows a step = device x accumulation x processes)"
    ]
    return "\n".join([*lines, *(f"note: {note}" for note in notes_of(plans))])


def say_note(text: str) -> None:
    """Print a note on the terminal, above the progress bar."""
    typer.echo(f"note: {printable(text)}")


def show_trained(done: Sequence[Trained]) -> str:
    """What became of the stages, as a table with a row a stage; strategies have a column where there are some."""
    head: Sequence[str] = (
        "stage", "examples", "steps", "processes", "loss at start", "at end", "recalled after", "strategy", "",
    )  # fmt: skip
    rows: Sequence[Sequence[str]] = [
        (
            one.stage, str(one.examples), str(one.steps), str(one.processes),
            _number(one.loss_start), _number(one.loss_end),
            _recalled(one), ", ".join(one.strategies),
            "trained before" if one.found else "",
        )
        for one in done
    ]  # fmt: skip
    if not any(one.strategies for one in done):
        head, rows = (*head[:-2], head[-1]), [(*row[:-2], row[-1]) for row in rows]
    lines = [*table(head, rows), ""]
    if len(done) > 1 and any(one.recalled_at_end is not None for one in done):
        lines += [told_of_stage(one.stage, one.recalled, one.recalled_at_end, last=one is done[-1]) for one in done] + [
            "(examples of each stage that are recalled: by the model after it, and after all stages)",
            "",
        ]
    return "\n".join([*lines, *(f"{one.stage}  {one.folder}" for one in done)])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned lines: the first column and the last to the left, numbers to the right."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    left = {0, *(place for place in range(len(head)) if head[place] in ("from", "state", "strategy", ""))}
    aligned = [
        [
            f"{cell:<{w}}" if place in left else f"{cell:>{w}}"
            for place, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        for row in (head, *rows)
    ]
    return ["  ".join(cells).rstrip() for cells in aligned]


def _batch(parts: tuple[int, int, int]) -> str:
    device, accumulation, processes = parts
    return f"{device * accumulation * processes} = {device} x {accumulation} x {processes}"


def _state(one: StagePlan) -> str:
    if one.finished:
        return "done"
    return f"resumes at step {one.done_steps}" if one.done_steps else "to do"


def _recalled(one: Trained) -> str:
    """The share that is recalled; cut examples are counted by what is left of them, and so they are named."""
    if one.recalled is None:
        return "-"
    return f"{one.recalled:.1%}" + (f" ({one.cut} cut)" if one.cut else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
