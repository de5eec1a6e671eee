"""A progress bar on stderr: what is done, how many a second, how long still; lines where stderr is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uptake.cli.terminal import printable

if TYPE_CHECKING:
    from rich.progress import TaskID

    from uptake.pipeline import Progress


QUIET = 30.0
"""Seconds after which a log hears of a step that is still at work."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a step goes, by what was done since it began: what a killed run had finished took no time.

    Attributes:
        began: When the step began, in seconds of some clock.
        found: How many were done already.
    """

    began: float
    found: int

    def in_words(self, done: int, total: int | None, now: float) -> str:
        """Rate and remaining time as text; empty while there is nothing to go by."""
        elapsed = now - self.began
        if done <= self.found or elapsed <= 0:
            return ""
        rate = (done - self.found) / elapsed
        told = f"{rate:.0f}/s" if rate >= 10 else f"{rate:.2g}/s"
        if total is None or done >= total:
            return told
        return f"{told}, {duration((total - done) / rate)} left"


def duration(seconds: float) -> str:
    """Seconds in the two units that matter: `40 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@contextmanager
def progress_bar(clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """Yield a `Progress` that draws one line a step.

    Where stderr is no terminal it prints plain lines: one when a step is done, and one every `QUIET` seconds before.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}", markup=False),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, tuple[TaskID, Pace]] = {}
        finished: set[str] = set()
        spoken: dict[str, float] = {}

        def tell(step: str, done: int, total: int | None) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(printable(step), total=total, pace=""), Pace(clock(), done)
                spoken[step] = clock()
            task, pace = tasks[step]
            if not console.is_terminal and total and done >= total and step not in finished:
                finished.add(step)
                took = f", {duration(clock() - pace.began)}" if done > pace.found else ""
                print(f"{printable(step)}: {done} done{took}", file=sys.stderr, flush=True)
            elif not console.is_terminal and step not in finished and clock() - spoken[step] >= QUIET:
                spoken[step] = clock()
                of = f" of {total}" if total else ""
                rate = pace.in_words(done, total, clock())
                print(f"{printable(step)}: {done}{of}{', ' * bool(rate)}{rate}", file=sys.stderr, flush=True)
            bar.update(task, completed=done, total=total, pace=pace.in_words(done, total, clock()))

        yield tell
