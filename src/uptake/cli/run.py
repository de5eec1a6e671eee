"""`uptake run`: all steps of a run, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uptake.cli.cure import FAILED, NOTHING, start_of
from uptake.cli.cure import show as show_cure
from uptake.cli.processes import processes
from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import say_note, show_trained

if TYPE_CHECKING:
    from uptake.config import RunConfig


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")],
    start: Annotated[
        str | None,
        typer.Option("--from", help="base: train everything again. tuned: repair the tuned model.  [default: base]"),
    ] = None,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Leave out examples that are judged wrong. Your files do not change.")
    ] = False,
) -> None:
    """Run all steps: train, diagnose, prescribe, cure, report.

    Steps that are already done are not repeated. Exit code 2, as of `uptake cure`: the cure is not worth it. On several
    devices: accelerate launch -m uptake run RUN.YAML
    """
    from uptake.config import load_run

    if not steps(load_run(run, overrides(ctx)), start, unsafe):
        raise typer.Exit(FAILED)


def steps(config: RunConfig, start: str | None, unsafe: bool) -> bool:
    """Take all steps, and print what each found.

    Args:
        config: The run.
        start: What the cure starts from, as `--from` says it.
        unsafe: Whether examples may go out.

    Returns:
        Whether the cure is worth its tokens; True where nothing was cured.

    Raises:
        UptakeError: Something about the input is wrong.
    """
    from uptake.cli.prescribe import show as show_plan
    from uptake.cli.progress import progress_bar
    from uptake.cli.summary import show as show_diagnosis
    from uptake.pipeline.cure.run import cure_run
    from uptake.pipeline.diagnose.run import diagnose_run
    from uptake.pipeline.prescribe.run import plan_to_apply
    from uptake.pipeline.train.run import train_run
    from uptake.report import write_report

    where = start_of(start)
    together = processes()
    first = together.first  # of several processes, one diagnoses and talks
    with progress_bar() as progress:
        trained = train_run(config, progress, together, note=say_note)
    if first:
        _say("train", show_trained(trained))
        with progress_bar() as progress:
            diagnosis = diagnose_run(config, str(trained[-1].folder), progress=progress)
        _say("diagnose", show_diagnosis(diagnosis))
        if not diagnosis.all_learned():
            with progress_bar() as progress:
                planned = plan_to_apply(
                    config, start=where, unsafe=unsafe, progress=progress, say=say_note, processes=together
                )
            _say("prescribe", show_plan(planned))
    with progress_bar() as progress:
        cured = cure_run(config, start=where, unsafe=unsafe, progress=progress, processes=together)
    if not first:
        return True
    _say("cure", NOTHING if cured is None else show_cure(cured))
    report = write_report(config.output_dir)
    _say("report", f"{report.page}\n{report.summary}")
    return cured is None or not cured.faults


def _say(step: str, text: str) -> None:
    typer.echo(f"== {step} ==\n\n{printable(text)}\n")
