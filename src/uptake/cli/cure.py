"""`uptake cure`: train what the plan says, and see what it did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from uptake.cli.processes import processes
from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import table
from uptake.errors import UptakeError

if TYPE_CHECKING:
    from uptake.pipeline.cure.run import CuredModel


NOTHING = "every example was learned: there is nothing to cure"


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")],
    start: Annotated[
        str | None,
        typer.Option("--from", help="base: train everything again. tuned: repair the tuned model.  [default: base]"),
    ] = None,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Leave out examples that are judged wrong. Your files do not change.")
    ] = False,
) -> None:
    """Train the plan and compare before and after.

    The new model goes to cured/ and is diagnosed. Run `uptake diagnose` first; without a plan, one is written. Run the
    command again to resume. On several devices: accelerate launch -m uptake cure RUN.YAML
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run
    from uptake.pipeline.cure.run import cure_run

    config = load_run(run, overrides(ctx))
    with progress_bar() as progress:
        done = cure_run(config, start=start_of(start), unsafe=unsafe, progress=progress, processes=processes())
    if processes().first:
        typer.echo(printable(NOTHING if done is None else show(done)))


def start_of(given: str | None) -> Literal["base", "tuned"] | None:
    """What `--from` says.

    Raises:
        UptakeError: Neither base nor tuned.
    """
    if given not in (None, "base", "tuned"):
        raise UptakeError(f"--from is {given!r}", expected="base or tuned")
    return cast(Literal["base", "tuned"] | None, given)


def show(done: CuredModel) -> str:
    """The examples before and after, by what they were before, and what it cost."""
    head = ("before the cure", "examples", "learned before", "after", "held-out wordings before", "after", "")
    rows = [
        (
            one.name, str(one.n), str(one.before), f"{one.after} ({one.after / one.n:.0%})",
            _share(one.heldout_before), _share(one.heldout_after), "",
        )
        for one in done.groups
    ]  # fmt: skip
    lines = [*table(head, rows), ""]
    if done.retention is not None:
        lines.append(f"retention: {_share(done.retention['before'])} before, {_share(done.retention['after'])} after")
    cost = done.cost
    times = f", {cost.total / cost.plain:.2f} times the run's own" if cost.plain else ""
    lines.append(f"trained on {cost.total:,} tokens{times}")
    if done.aside is not None:
        lines.append(f"what another plan had made lies in {done.aside}")
    return "\n".join([*lines, f"{done.model}", f"{done.diagnosis.folder}"])


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
