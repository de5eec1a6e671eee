"""`uptake stream compare`: strategies side by side, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uptake.cli.progress import progress_bar
from uptake.cli.train import table


def compare(run: str, tuning: Path | None, given: Mapping[str, str], strategies: str, plan: Mapping[str, Any]) -> str:
    """Compare them, and show what came out.

    Args:
        run: The run file of the stream.
        tuning: That of the stream that they are tuned on.
        given: Keys of the run file from the command line.
        strategies: As `--strategies` has them.
        plan: Further fields of `ComparePlan`.
    """
    from uptake.config import load_run
    from uptake.pipeline.leaderboard.arms import arms_of
    from uptake.pipeline.leaderboard.run import ComparePlan, compare_streams

    what = ComparePlan(tuple(arms_of(strategies)), **plan)
    config, tuned = load_run(run, given), None if tuning is None else load_run(tuning, _of_both(given))
    with progress_bar() as progress:
        done = compare_streams(config, tuned, what, progress)
    return show(done.summary(), done.folder)


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
