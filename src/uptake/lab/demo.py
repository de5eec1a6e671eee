"""The demo: a world in which it is known why an example fails, and what was found and mended beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from uptake.artifacts.tables import CAUSES
from uptake.config import RunConfig, load_run
from uptake.config.load import wrong_path
from uptake.errors import UptakeError
from uptake.lab.base import Tell
from uptake.lab.build import make
from uptake.lab.controls import Controls
from uptake.lab.grade import grade
from uptake.lab.key import DiagnosedItem, Entry, matched, read_key
from uptake.types import Finding

CONTROLS = Controls(size=80)
"""A smaller world than `uptake lab make`'s: each cause can be seen in it, none can be graded closely."""
NOTHING = "nothing"


def world(out: Path, tell: Tell) -> tuple[RunConfig, list[Entry]]:
    """Make a planted world under `out`, to be run there; what is there already is kept.

    Args:
        out: Folder, created if absent.
        tell: Told of the progress.

    Returns:
        The run, and the answer key.

    Raises:
        UptakeError: `out` holds another world, or cannot be written.
    """
    if (wrong := wrong_path(out.absolute(), written=True)) is not None:
        raise UptakeError(f"output_dir: {wrong}")  # before the world is made, which takes minutes
    folder = out / "world"
    make(folder, CONTROLS, tell=tell)
    return load_run(folder / "run.yaml", {"output_dir": str(out)}), read_key(folder / "key.jsonl")


def beside(key: Sequence[Entry], before: Iterable[Finding], after: Iterable[Finding]) -> str:
    """What was found and mended beside what was planted, as a table with a row a cause.

    `named right` counts the examples whose planted cause is named; of those in which nothing was planted, the ones for
    which none is named. `cured` counts those not learned before that are learned after the cure.
    """
    planted = {entry.id: entry.causes[0] if entry.causes else NOTHING for entry in key}
    now = {finding.id: finding.learned for finding in after}
    columns = ("examples", "not learned", "named right", "shallow", "forgotten", "cured")
    found = {column: Counter[str]() for column in columns}
    for finding in before:
        cause = planted[finding.id]
        found["examples"][cause] += 1
        found["not learned"][cause] += not finding.learned
        found["named right"][cause] += (finding.cause if finding.cause in CAUSES else NOTHING) == cause
        found["shallow"][cause] += bool(finding.shallow)
        found["forgotten"][cause] += bool(finding.forgotten)
        found["cured"][cause] += not finding.learned and now.get(finding.id, False)
    lines = [f"{'planted':<16}" + "".join(f"{column:>13}" for column in found)]
    for cause in (*CAUSES, NOTHING):
        if found["examples"][cause]:
            lines.append(f"{cause:<16}" + "".join(f"{count[cause]:>13}" for count in found.values()))
    return "\n".join(lines)


def macro_f1(key: Sequence[Entry], findings: Iterable[Finding]) -> tuple[float | None, int]:
    """How well the planted causes are named, and over how many examples: the plants that are not learned, and the rest.

    The plants of a demo are not confirmed, so some are not learned for another reason than was planted.
    """
    table = [DiagnosedItem(one.id, one.learned, one.cause) for one in findings]
    items = matched(key, table, confirmed_only=False)
    found = grade([items]).macro_f1
    return None if found is None else found.estimate, len(items)
