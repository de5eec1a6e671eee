"""The demo: a world in which it is known why an example fails, trained, diagnosed, and what was found beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uptake.artifacts.tables import CAUSES
from uptake.config import load_run
from uptake.lab.base import Tell
from uptake.lab.build import make
from uptake.lab.key import Entry, read_key
from uptake.lab.plants import Controls

if TYPE_CHECKING:
    from uptake.pipeline import Diagnosis
    from uptake.types import Finding

CONTROLS = Controls(size=80)
"""A smaller world than `uptake lab make`'s: each cause can be seen in it, none can be graded closely."""
NOTHING = "nothing"


def run(out: Path, tell: Tell) -> tuple[Diagnosis, list[Entry]]:
    """Make a planted world under `out`, train its stages, and diagnose them; what is there already is kept.

    Args:
        out: Folder, created if absent.
        tell: Told of the progress.

    Returns:
        The diagnosis, and the answer key.

    Raises:
        UptakeError: `out` holds another world, or cannot be written.
    """
    from uptake.models.pretrain import one_thread
    from uptake.pipeline import diagnose_run
    from uptake.pipeline.train import train_run

    world = out / "world"
    make(world, CONTROLS, tell=tell)
    config = load_run(world / "run.yaml", {"output_dir": str(out)})
    with one_thread():
        *_, last = train_run(config, lambda what, done, total: tell(what, done, total or 0))
        diagnosis = diagnose_run(
            config, str(last.folder), progress=lambda what, done, total: tell(what, done, total or 0)
        )
    return diagnosis, read_key(world / "key.jsonl")


def beside(key: Sequence[Entry], findings: Iterable[Finding]) -> str:
    """What was found beside what was planted, as a table with a row a cause.

    `so told` counts the examples whose planted cause is the one that the diagnosis names; of those in which nothing was
    planted, the ones that it names none for.
    """
    planted = {entry.id: entry.causes[0] if entry.causes else NOTHING for entry in key}
    found = {column: Counter[str]() for column in ("examples", "not learned", "so told", "shallow", "forgotten")}
    for finding in findings:
        cause = planted[finding.id]
        found["examples"][cause] += 1
        found["not learned"][cause] += not finding.learned
        found["so told"][cause] += (finding.cause if finding.cause in CAUSES else NOTHING) == cause
        found["shallow"][cause] += bool(finding.shallow)
        found["forgotten"][cause] += bool(finding.forgotten)
    lines = [f"{'planted':<16}" + "".join(f"{column:>13}" for column in found)]
    for cause in (*CAUSES, NOTHING):
        if found["examples"][cause]:
            lines.append(f"{cause:<16}" + "".join(f"{count[cause]:>13}" for count in found.values()))
    return "\n".join(lines)
