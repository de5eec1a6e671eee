"""`uptake stream compare`: strategies side by side, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uptake.cli.progress import progress_bar
from uptake.cli.train import table
from uptake.config import RunConfig


def compare(config: RunConfig, tuning: RunConfig | None, strategies: str, plan: Mapping[str, Any]) -> str:
    """Compare them, and show what came out.

    Args:
        config: The stream.
        tuning: The stream that they are tuned on.
        strategies: As `--strategies` has them.
        plan: Further fields of `Comparison`.
    """
    from uptake.pipeline.leaderboard.arms import arms_of
    from uptake.pipeline.leaderboard.run import Comparison, compare_streams

    what = Comparison(tuple(arms_of(strategies)), **plan)
    with progress_bar() as progress:
        done = compare_streams(config, tuning, what, progress)
    return show(done.summary(), done.folder)


def show(summary: Mapping[str, Any], folder: Path) -> str:
    """The leaderboard and what was chosen, as tables."""
    from uptake.pipeline.leaderboard.markdown import LEGEND, chosen_table, headline, leaderboard_table

    board, chosen = leaderboard_table(summary), chosen_table(summary)
    n = len(summary["orders"]) * summary["seeds"]
    lines = [
        headline(summary),
        f"{len(summary['orders'])} orders x {summary['seeds']} seeds = {n} runs of each strategy",
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
