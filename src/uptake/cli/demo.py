"""`uptake demo`: a small world with known faults, trained, diagnosed, cured, in a few minutes on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uptake.text import counted


def command(
    output_dir: Annotated[Path, typer.Option("--output_dir", help="Output folder.")] = Path("runs/demo"),
) -> None:
    """Try everything on a small made-up data set.

    The causes of failure are planted, so that the right answers are known. All steps run: train, diagnose, cure,
    report. Examples that contradict others and are judged wrong are left out, as with --unsafe. Run it again to resume.
    """
    from uptake.cli.progress import progress_bar
    from uptake.cli.run import steps
    from uptake.lab.demo import beside, macro_f1, world
    from uptake.models.small.pretrain import one_thread
    from uptake.pipeline import read_diagnosis

    with progress_bar() as progress:
        config, key = world(output_dir, progress)
    with one_thread():
        steps(config, None, unsafe=True)
    before = list(read_diagnosis(config.output_dir))
    cured = config.output_dir / "cured" / "diagnosis"
    typer.echo("== what was planted, what was found, what was fixed ==\n")
    typer.echo(beside(key, before, read_diagnosis(cured) if cured.exists() else ()))
    f1, n = macro_f1(key, before)
    if f1 is not None:
        typer.echo(f"\ncauses named as they were planted: macro-F1 {f1:.2f} over {counted(n, 'example')}")
