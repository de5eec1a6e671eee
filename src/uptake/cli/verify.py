"""`uptake verify`: did the remedies help?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uptake.cli.processes import processes
from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import table
from uptake.errors import UptakeError
from uptake.text import counted

if TYPE_CHECKING:
    from uptake.pipeline.verify.run import Prepared


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")],
    matrix: Annotated[bool, typer.Option("--matrix", help="Test every remedy on every cause, and no remedy.")] = False,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Number of trainings of each arm, each with another seed.")
    ] = 3,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget", help="Tokens of each arm, as a multiple of the run's own fine-tuning; as --plan.budget."
        ),
    ] = None,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Leave out examples that are judged wrong. Your files do not change.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what the experiment can show and what it costs.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Run even if the experiment is too small to show anything.")
    ] = False,
) -> None:
    """Test by a randomised experiment whether the remedies help.

    Some examples get their remedy, the others a placebo: other training at the same cost. Run `uptake diagnose` first.
    Run the command again to resume; run it on a second device at the same time to share the work.
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run
    from uptake.pipeline.verify.run import prepare

    keys = dict(overrides(ctx))
    if budget is not None:
        keys["plan.budget"] = str(budget)
    config = load_run(run, keys)
    with progress_bar() as progress:
        prepared = prepare(config, matrix=matrix, seeds=seeds, unsafe=unsafe, progress=progress, processes=processes())
    typer.echo(printable(show_prepared(prepared)))
    if dry_run:
        return
    if prepared.too_few and not yes:
        raise UptakeError(
            "too few examples or trainings to show any effect; nothing was trained",
            expected="an experiment that can show at least a remedy that fixes every example",
            fix="try more trainings (--seeds 5); --yes runs it anyway",
        )
    with progress_bar() as progress:
        told = prepared.run(progress)
    if told is None:
        typer.echo("other processes train the rest; the last one to finish writes the verdict")
        return
    typer.echo(printable(show(told)))
    typer.echo(printable(str(config.output_dir / "verdict")))


def show_prepared(prepared: Prepared) -> str:
    """The arms and their cost, and what they can show."""
    from uptake.pipeline.verify.arm_plans import NOTHING
    from uptake.pipeline.verify.cells import foretold_of

    experiment, plain = prepared.experiment, prepared.plain
    trained = len(experiment.arms) * len(experiment.seeds)
    rows = []
    total = 0
    for arm in experiment.arms:
        spent = prepared.cost.read + prepared.cost.tuned if arm.name != NOTHING else plain
        total += spent * len(experiment.seeds)
        own = prepared.own.get(arm.name)
        treated = [one for one in arm.treated.values() if one.remedy is not None]
        rows.append(
            (
                arm.name, str(len(treated)) if treated else "-", f"{own.read + own.tuned:,}" if own else "-",
                f"{spent:,}", f"{spent / plain:.2f}",
            )
        )  # fmt: skip
    lines = table(("arm", "treats", "tokens of its plan", "filled up to", "times the run's own"), rows)
    lines += [
        f"{counted(trained, 'training')}, {len(experiment.seeds)} of each arm, {total:,} tokens in all",
        "",
        "what this can show:",
        *(f"  {line}" for line in foretold_of(experiment)),
        *(f"note: {note}" for note in experiment.notes),
    ]
    return "\n".join(lines) + "\n"


def show(told: Mapping[str, Any]) -> str:
    """The verdict: every remedy on every cause, the arms as a whole, and the sentence."""
    from uptake.verify import from_data, grid
    from uptake.verify import table as as_table

    compared = [from_data(one) for one in told["comparisons"]]
    cells = grid(compared)
    lines: list[str] = []
    if cells:
        legend = "(* the remedy for the cause; cells: recall minus the placebo's, in percentage points)"
        lines += [*_aligned(cells), legend, ""]
    lines += [*_aligned(as_table(compared, cells=not cells)), "", told["sentence"]]
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    return table(rows[0], rows[1:])
