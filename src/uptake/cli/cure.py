"""`uptake cure`: train what the plan says, and see what it did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from uptake.cli.processes import processes
from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import say_note, table
from uptake.errors import UptakeError

if TYPE_CHECKING:
    from uptake.compare import CureColumn
    from uptake.pipeline.cure.comparing import CureGroup
    from uptake.pipeline.cure.run import CuredModel


FAILED = 2
"""Exit code of a cure that loses more than it gains, or falls behind plain fine-tuning with as many tokens."""
WORSE = "the model before it, or the one in cured/plain/, may be the better one; docs/cure.md says what to try"

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

    The new model goes to cured/ and is diagnosed, and so is plain fine-tuning with as many tokens. Exit code 2: the
    cure loses more than it gains, or falls behind plain fine-tuning. Run `uptake diagnose` first; without a plan, one
    is written. Run the command again to resume. On several devices: accelerate launch -m uptake cure RUN.YAML
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run
    from uptake.pipeline.cure.run import cure_run

    config = load_run(run, overrides(ctx))
    with progress_bar() as progress:
        together = processes()
        done = cure_run(
            config, start=start_of(start), unsafe=unsafe, progress=progress, say=say_note, processes=together
        )
    if together.first:
        typer.echo(printable(NOTHING if done is None else show(done)))
        if done is not None and done.faults:
            raise typer.Exit(FAILED)


def start_of(given: str | None) -> Literal["base", "tuned"] | None:
    """What `--from` says.

    Raises:
        UptakeError: Neither base nor tuned.
    """
    if given not in (None, "base", "tuned"):
        raise UptakeError(f"--from is {given!r}", expected="base or tuned")
    return cast(Literal["base", "tuned"] | None, given)


def show(done: CuredModel) -> str:
    """The examples before and after by what they were before, all of them in three columns, and what it cost."""
    lines = [*_by_cause(done.groups), "", *_in_all(done.columns), "", *_judged(done), ""]
    cost = done.cost
    times = f", {cost.total / cost.plain:.2f} times the run's own" if cost.plain else ""
    tried = f"; the pilot on {done.pilot:,} more" * bool(done.pilot)
    lines.append(f"trained on {cost.total:,} tokens{times}{tried}")
    lines += [f"note: {note}" for note in done.notes]
    if done.aside is not None:
        lines.append(f"what another plan had made lies in {done.aside}")
    return "\n".join([*lines, f"{done.model}", f"{done.diagnosis.folder}"])


def _by_cause(groups: Sequence[CureGroup]) -> list[str]:
    """Of each group how many are learned, and the share of held-out wordings, of the models in their order."""
    plainly = any(one.plain is not None for one in groups)
    models = ["before", "cured", *["plain"] * plainly]
    head = ("before the cure", "examples", "learned: before", *models[1:], "held out: before", *models[1:], "")
    rows = []
    for one in groups:
        learned = [f"{n} ({n / one.n:.0%})" for n in (one.before, one.after, one.plain) if n is not None]
        shares = [one.heldout_before, one.heldout_after, *[one.heldout_plain] * plainly]
        rows.append((one.name, str(one.n), *learned, *map(_share, shares), ""))
    return table(head, rows)


def _in_all(columns: Sequence[CureColumn]) -> list[str]:
    """A row a model, and the three things that are measured as columns."""
    head = ("all examples" + " and the retention set" * any(one.name == "retention" for one in columns),)
    rows = [
        (name, *(_share(getattr(one, side)) for one in columns), "")
        for name, side in (("before", "before"), ("cured", "after"), ("plain, as many tokens", "plain"))
        if side != "plain" or any(one.plain is not None for one in columns)
    ]
    return table((*head, *(one.name for one in columns), ""), rows)


def _judged(done: CuredModel) -> list[str]:
    """Whether the cure is worth its tokens, in words."""
    if not done.faults:
        beside = any(one.plain is not None for one in done.columns)
        lower = any(one.name == "retention" and one.after < one.before for one in done.columns)
        than = "the model before it" + " (retention is lower, by as much as another seed moves it)" * lower
        return [f"no worse than {than}" + ", and not behind plain fine-tuning with as many tokens" * beside]
    return ["THE CURE IS NOT WORTH IT:", *(f"- {one}" for one in done.faults), WORSE]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
