"""`uptake diagnose`: which training examples did the model not learn?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import table
from uptake.errors import UptakeError

TOLD = 10
"""Lost tests of a stream that are told one by one."""


def command(
    ctx: typer.Context,
    run: Annotated[Path | None, typer.Argument(help="The run file.", metavar="RUN.YAML")] = None,
    base: Annotated[str | None, typer.Option("--base", help="The model before fine-tuning: folder or hub id.")] = None,
    tuned: Annotated[
        str | None, typer.Option("--tuned", help="The model after fine-tuning, or its PEFT adapter.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="The data it was fine-tuned on: file, folder or hub id.")
    ] = None,
    thorough: Annotated[
        bool,
        typer.Option("--thorough", help="Train what was not learned a little, to see how many exposures it needs."),
    ] = False,
) -> None:
    """Find the training examples that were not learned.

    Give a run file, or give --tuned, --dataset, --output_dir and, if you have it, --base.
    """
    from uptake.cli.progress import progress_bar
    from uptake.cli.summary import show
    from uptake.config import load_run
    from uptake.pipeline.diagnose.run import diagnose_run

    keys: dict[str, object] = dict(overrides(ctx))
    _agree(keys, model_name_or_path=base, stages=dataset)
    if thorough:
        keys["thorough"] = True
    if base is not None:
        keys["model_name_or_path"] = base
    if dataset is not None:
        keys["stages"] = [{"name": "main", "dataset": dataset}]
    if run is None:
        _require(tuned=tuned, dataset=dataset, output_dir=keys.get("output_dir"))
        keys.setdefault("model_name_or_path", tuned)
    config = load_run(run, keys)
    if tuned is None:
        tuned = str(config.output_dir / "train" / config.stages[-1].name)
        if not Path(tuned).is_dir():
            begun = (config.output_dir / "train").is_dir()
            elsewhere = f"name the fine-tuned model: uptake diagnose {run} --tuned FOLDER"
            raise UptakeError(
                f"no trained model in {tuned}{': training is not finished' if begun else ''}",
                fix=f"train it first: uptake train {run}"
                + ("" if begun else f"; or, if it was trained elsewhere: {elsewhere}"),
            )
    has_base = run is not None or base is not None or "model_name_or_path" in overrides(ctx)
    with progress_bar() as progress:
        diagnosis = diagnose_run(config, tuned, has_base=has_base, progress=progress)
    typer.echo(show(diagnosis))
    if lost := lost_in_stream(config.output_dir):
        typer.echo(printable(lost))


def lost_in_stream(output_dir: Path) -> str | None:
    """What the stream of the same run says of earlier stages' tests; None without a finished one, and of one stage.

    Args:
        output_dir: The run's folder.
    """
    from uptake.pipeline.stream.lost import NAME, lost_lines, read_lost
    from uptake.pipeline.stream.markdown import fates_are, fates_table
    from uptake.pipeline.stream.result import read_stream

    found = read_stream(output_dir)
    if found is None or len((summary := found.summary())["stages"]) < 2:
        return None
    rows, lost = fates_table(summary, summary["stages"]), read_lost(found.folder)
    lines = ["", "tests of earlier stages, in the stream:", *table(rows[0], rows[1:]), f"({fates_are(summary)})"]
    return "\n".join([*lines, *lost_lines(lost, TOLD), *([f"all {len(lost)}: {found.folder / NAME}"] if lost else [])])


def _agree(keys: Mapping[str, object], **named: str | None) -> None:
    """Refuse an option that says by the run file's key what another one says by its own name."""
    own = {"model_name_or_path": "--base", "stages": "--dataset"}
    for key, value in named.items():
        for other in keys:
            if value is not None and other.split(".")[0] == key:
                raise UptakeError(f"--{other} contradicts {own[key]}", fix="give only one of them")


def _require(**options: object) -> None:
    missing = [f"--{name}" for name, value in options.items() if value is None]
    if missing:
        raise UptakeError(
            f"{', '.join(missing)} missing",
            expected="a run file, or --tuned, --dataset and --output_dir",
            fix="uptake diagnose --base BASE --tuned TUNED --dataset train.jsonl --output_dir runs/first",
        )
