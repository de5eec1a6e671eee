"""`uptake stream compare`: strategies side by side, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from uptake.cli.progress import progress_bar
from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import table
from uptake.errors import UptakeError


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file of the stream.", metavar="RUN.YAML")],
    strategies: Annotated[
        str | None,
        typer.Option("--strategies", help="Which, as names or YAML (several values of a setting are tried)."),
    ] = None,
    tuning: Annotated[
        Path | None, typer.Option("--tuning", help="Run file of the stream that they are tuned on.")
    ] = None,
    orders: Annotated[int, typer.Option("--orders", help="Orders of the stages.", min=1)] = 3,
    seeds: Annotated[int, typer.Option("--seeds", help="Seeds of each order.", min=1)] = 3,
    trials: Annotated[int, typer.Option("--trials", help="Settings tried of each strategy.", min=1)] = 3,
    reference: Annotated[str, typer.Option("--reference", help="The strategy that the others are held against.")] = (
        "replay"
    ),
    jobs: Annotated[int, typer.Option("--jobs", help="Runs side by side.", min=1)] = 1,
) -> None:
    """Hold strategies against each other on one stream: at equal cost, with as many trials, over orders and seeds.

    Stages and tests are those of `uptake stream`. Run the command again to resume.
    """
    from uptake.config import load_run
    from uptake.pipeline.leaderboard.arms import arms_of
    from uptake.pipeline.leaderboard.run import ComparePlan, compare_streams

    if strategies is None:
        raise UptakeError(
            "no strategies to compare", fix="name them: --strategies sequential,replay,lwf, or as a YAML file"
        )
    what = ComparePlan(tuple(arms_of(strategies)), orders, seeds, trials, jobs, reference)
    given = overrides(ctx)
    config, tuned = load_run(run, given), None if tuning is None else load_run(tuning, _of_both(given))
    with progress_bar() as progress:
        done = compare_streams(config, tuned, what, progress)
    typer.echo(printable(show(done.summary(), done.folder)))


def _of_both(given: Mapping[str, str]) -> dict[str, str]:
    """Options that are meant for the tuning stream too: how it trains, not what, nor where to."""
    own = ("stages", "output_dir", "retention", "general", "seed")
    return {key: value for key, value in given.items() if key.split(".")[0] not in own}


def show(summary: Mapping[str, Any], folder: Path) -> str:
    """The leaderboard and what was chosen, as tables."""
    from uptake.pipeline.leaderboard.markdown import LEGEND, base_of, chosen_table, headline, leaderboard_table, points

    board, chosen = leaderboard_table(summary), chosen_table(summary)
    n = len(summary["orders"]) * summary["seeds"]
    lines = [
        headline(summary),
        f"{len(summary['orders'])} orders x {summary['seeds']} seeds = {n} runs of each strategy",
        *([f"the untouched base: {points(base)} points of accuracy"] if (base := base_of(summary)) else []),
        "",
        *table(board[0], board[1:]),
        f"({LEGEND})",
        "",
        *table(chosen[0], chosen[1:]),
        *(f"note: {note}" for note in summary["notes"]),
        "",
        str(folder),
    ]
    return "\n".join(lines)
