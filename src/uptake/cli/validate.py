"""`uptake validate`: is everything there and readable, before any work starts?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uptake.cli.processes import processes
from uptake.cli.run_options import overrides
from uptake.cli.terminal import complain, printable
from uptake.errors import UptakeError
from uptake.text import counted

if TYPE_CHECKING:
    from uptake.pipeline.train.training_run import TrainingRun


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")],
) -> None:
    """Check a run file and all of its data.

    Reads no weights and asks no hub. Where the trainer is installed, `training`, `peft` and `strategy` are checked as
    `uptake train` checks them, against the files of a base model that lies in a folder.
    """
    from uptake.cli.datasets import count, datasets
    from uptake.config import load_run
    from uptake.data import describe_bad_row
    from uptake.pipeline.run_file import datasets_of

    config = load_run(run, overrides(ctx))
    if config.judge is not None:
        from uptake.models.served import from_judge

        from_judge(config.judge)  # raises when its key is not there
    training = {f"stages.{number}.training": stage.training for number, stage in enumerate(config.stages)}
    # what is wrong with one setting is told by its key, and then what is wrong with all of them together
    sections = {
        "training": any((config.training, *training.values())),
        "peft": bool(config.peft),
        "strategy": any((config.strategy, *(stage.strategy for stage in config.stages))),
        "device": config.device not in ("auto", "cpu"),
    }

    def wanted() -> TrainingRun:
        from uptake.pipeline.train.run import training_run

        return training_run(config, processes())

    known = [_is_a_model(config.model_name_or_path), _settings_are_known({"training": config.training, **training})]
    failed = not (all(known) and _is_trainable(sections, wanted))
    for dataset in datasets(datasets_of(config), config.corpus):
        try:
            found = count(dataset.rows)
        except UptakeError as error:
            complain(f"{dataset.key}: {error}")
            failed = True
            continue
        tally = counted(found.good, "example") + (f", {counted(found.bad, 'bad row')}" if found.bad else "")
        typer.echo(f"{dataset.key}: {printable(dataset.name)}: {tally}")
        for row in found.first_bad:
            typer.echo(f"  {printable(describe_bad_row(row))}")
        if found.bad > len(found.first_bad):
            typer.echo(f"  ... and {found.bad - len(found.first_bad)} more")
        for note in dataset.notes.told():
            typer.echo(f"  note: {printable(note)}")
        failed = failed or found.good == 0 or (found.bad > 0 and config.on_bad_row == "error")
    if failed:
        raise UptakeError(f"{run} cannot be run", fix="fix the problems above; `--on_bad_row skip` leaves bad rows out")
    typer.echo("all good")


def _is_a_model(name: str) -> bool:
    """Whether a folder that is named holds a model; of what is not there nothing is known."""
    from uptake.models.places.files import require_folder

    if not (folder := Path(name).expanduser()).exists():
        return True
    try:
        require_folder(folder, name)
    except UptakeError as error:
        complain(f"model_name_or_path: {error}")
        return False
    return True


def _settings_are_known(parts: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the trainer takes the settings, by their keys in the run file; what it does not take is told."""
    from importlib.util import find_spec

    if not any(parts.values()):
        return True  # torch takes seconds to import
    if find_spec("torch") is None or find_spec("transformers") is None:
        typer.echo('training: not checked, which needs the trainer: pip install "uptake[train]"')
        return True
    from uptake.models.training.settings import checked

    return all([_takes(checked, key, settings) for key, settings in parts.items()])


def _takes(checked: Callable[[Mapping[str, Any]], object], key: str, settings: Mapping[str, Any]) -> bool:
    """Whether the settings are taken, each by itself and then all together."""
    taken = True
    for told, some in [*((f"{key}.{name}", {name: value}) for name, value in settings.items()), (key, settings)]:
        if told == key and not taken:
            break
        try:
            checked(some)
        except UptakeError as error:
            complain(f"{told}: {error}")
            taken = False
    return taken


def _is_trainable(sections: Mapping[str, bool], wanted: Callable[[], TrainingRun]) -> bool:
    """Whether `uptake train` would take the settings and strategies, as far as that is known without a model.

    Args:
        sections: Parts of the run file that only the trainer can check, and whether anything is said there.
        wanted: Makes what is to be trained of the run file.
    """
    from importlib.util import find_spec

    if not any(sections.values()):
        return True  # torch takes seconds to import
    if any(find_spec(name) is None for name in ("torch", "transformers", "trl", "peft")):
        for key in (key for key, said in sections.items() if said and key != "training"):  # of that it is told already
            typer.echo(f'{key}: not checked, which needs the trainer: pip install "uptake[train]"')
        return True
    from uptake.pipeline.train.ready import require_model, require_without_a_model
    from uptake.pipeline.train.settings import without_effect

    try:
        run = wanted()
        require_without_a_model(run)
        if Path(run.start.name).expanduser().is_dir():
            require_model(run)
    except UptakeError as error:
        complain(str(error))
        return False
    for spec in run.stages:
        for note in without_effect(run, spec):
            typer.echo(f"note: {printable(spec.name)}: {note}")
    return True
