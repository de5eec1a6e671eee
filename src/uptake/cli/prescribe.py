"""`uptake prescribe`: what to do about the examples that were not learned."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uptake.cli.cure import NOTHING, start_of
from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import say_note, table
from uptake.text import counted

if TYPE_CHECKING:
    from uptake.pipeline.prescribe.run import Prescribed
    from uptake.types import Plan


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")],
    start: Annotated[
        str, typer.Option("--from", help="base: train everything again. tuned: repair the tuned model.")
    ] = "base",
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Leave out examples that are judged wrong. Your files do not change.")
    ] = False,
    world_size: Annotated[
        int | None,
        typer.Option(
            "--world_size", min=1, help="Number of processes that will train; default: as many as trained the run."
        ),
    ] = None,
) -> None:
    """Write a training plan that fixes what was not learned.

    The plan is ordered training data with settings for TRL, LLaMA-Factory and Axolotl. Run `uptake diagnose` first.
    A pilot tries the remedies on a sample first. Your files do not change.
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run
    from uptake.pipeline import read_diagnosis
    from uptake.pipeline.prescribe.run import prescribe_run

    config, where = load_run(run, overrides(ctx)), start_of(start)
    if read_diagnosis(config.output_dir).all_learned():
        typer.echo(NOTHING)
        return
    with progress_bar() as progress:
        done = prescribe_run(
            config,
            start=where or "base",
            unsafe=unsafe,
            world_size=world_size,
            progress=progress,
            say=say_note,
        )
    typer.echo(printable(show(done)))


def show(done: Prescribed) -> str:
    """What the plan does, as a table with a row a remedy, and what it costs."""
    plan = done.plan
    head = ("remedy", "edits", "examples", "tokens", "")
    rows = []
    for name, some in groupby(plan.edits, key=lambda edit: edit.remedy):
        edits = list(some)
        examples = len({one for edit in edits for one in edit.examples})
        tokens = sum(edit.tokens or 0 for edit in edits)
        risky = {edit.action for edit in edits if not edit.safe}
        warnings = ["examples are removed"] * ("drop" in risky) + ["labels are possibly wrong"] * bool(risky - {"drop"})
        unsafe = f"NOT SAFE: {', '.join(warnings)}" if warnings else ""
        rows.append((name, str(len(edits)), str(examples), f"{tokens:+,}", unsafe))
    lines = table(head, rows) if rows else ["Nothing is changed."]
    if unmended := len({one.id for one in plan.unmended}):
        lines += ["", f"{counted(unmended, 'example is', 'examples are')} not fixed by the plan; plan.md says why."]
    lines += [f"note: {note}" for note in plan.notes]
    return "\n".join([*lines, "", _cost(plan), f"{done.folder}{'  (was there)' if done.found else ''}"])


def _cost(plan: Plan) -> str:
    cost = plan.cost
    times = f", {cost.total / cost.plain:.2f} times the run's own" if cost.plain else ""
    return (
        f"{cost.total:,} tokens{times} (at most {cost.limit:,}): {cost.sft:,} of fine-tuning in {len(plan.sft):,} "
        f"rows, {cost.documents:,} of documents, {cost.general:,} of general text"
    )
