"""`uptake validate`: is everything there and readable, before any work starts?"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uptake.cli.run_options import overrides
from uptake.cli.terminal import complain, printable
from uptake.errors import UptakeError

if TYPE_CHECKING:
    from uptake.config import RunConfig


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")],
) -> None:
    """Check a run file and all of its data.

    Needs no model, and torch only to check the settings of strategies.
    """
    from uptake.cli.datasets import count, datasets
    from uptake.config import load_run
    from uptake.data import describe_bad_row

    config = load_run(run, overrides(ctx))
    if config.judge is not None:
        from uptake.models.served import from_judge

        from_judge(config.judge)  # raises when its key is not there
    _check_strategies(config)
    failed = False
    for dataset in datasets(config):
        try:
            counted = count(dataset.rows)
        except UptakeError as error:
            complain(f"{dataset.key}: {error}")
            failed = True
            continue
        tally = _plural(counted.good, "example") + (f", {_plural(counted.bad, 'bad row')}" if counted.bad else "")
        typer.echo(f"{dataset.key}: {printable(dataset.name)}: {tally}")
        for row in counted.first_bad:
            typer.echo(f"  {printable(describe_bad_row(row))}")
        if counted.bad > len(counted.first_bad):
            typer.echo(f"  ... and {counted.bad - len(counted.first_bad)} more")
        failed = failed or counted.good == 0 or (counted.bad > 0 and config.on_bad_row == "error")
    if failed:
        raise UptakeError(
            f"{run} cannot be run as it is", fix="mend what is told above; `--on_bad_row skip` leaves bad rows out"
        )
    typer.echo("all good")


def _check_strategies(config: RunConfig) -> None:
    """Refuse strategies that there are not, and settings that they do not have.

    Raises:
        UptakeError: There are such.
    """
    given = [config.strategy, *(stage.strategy for stage in config.stages if stage.strategy is not None)]
    if not any(given):
        return
    if importlib.util.find_spec("torch") is None:
        typer.echo('strategy: not checked; that needs torch: pip install "uptake[train]"')
        return
    from uptake.strategies.choose import choose

    for one in given:
        choose(one)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
