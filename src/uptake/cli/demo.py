"""`uptake demo`: a small world with known faults, trained and diagnosed in a few minutes on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    output_dir: Annotated[Path, typer.Option("--output_dir", help="Folder of everything that is written.")] = Path(
        "runs/demo"
    ),
) -> None:
    """Plant the causes of incomplete learning in a small world, train its two stages, and find what was not learned.

    What is there already is kept: a second run goes on where the first one stopped.
    """
    from uptake.cli.progress import progress_bar
    from uptake.cli.summary import show
    from uptake.lab.demo import beside, run

    with progress_bar() as progress:
        diagnosis, key = run(output_dir, progress)
    typer.echo(show(diagnosis))
    typer.echo(f"\nWhat was planted, and what was found:\n\n{beside(key, diagnosis)}")
