"""`uptake demo`: a small model, a fine-tune on real facts, and its diagnosis, in a few minutes on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    output_dir: Annotated[Path, typer.Option("--output_dir", help="Folder of everything that is written.")] = Path(
        "runs/demo"
    ),
) -> None:
    """Pre-train a small model, fine-tune it on real facts, and find out which of them it did not learn.

    What is there already is kept: a second run goes on where the first one stopped.
    """
    from uptake.cli.progress import progress_bar
    from uptake.cli.summary import show
    from uptake.lab.demo import build
    from uptake.pipeline import diagnose

    with progress_bar() as progress:
        paths = build(output_dir, progress)
        diagnosis = diagnose(
            base=paths.base,
            tuned=paths.tuned,
            dataset=paths.dataset,
            heldout=str(paths.heldout),
            retention=str(paths.retention),
            output_dir=output_dir,
            progress=progress,
        )
    typer.echo(show(diagnosis))
