"""`uptake gate`: does a diagnosis keep its limits? For continuous integration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uptake.cli.out import write_out
from uptake.cli.run_options import RunCommand, overrides
from uptake.cli.terminal import printable
from uptake.errors import UptakeError
from uptake.text import counted

if TYPE_CHECKING:
    from uptake.compare import Check, CureColumn
    from uptake.config import RunConfig
    from uptake.pipeline.diagnosis import Diagnosis
    from uptake.stats import Interval

FAILED = 2
"""Exit code of a gate that does not open; what cannot be judged, a wrong command line included, exits with 1."""


class GateCommand(RunCommand):
    """A verb whose exit code 2 says one thing alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses; a mistake in the command line exits with 1."""
        usage_error: Any = typer.BadParameter.__bases__[0]  # of click, or of the copy of it that came with typer
        try:
            return super().parse_args(ctx, args)
        except usage_error as error:
            error.exit_code = 1
            raise


def command(
    ctx: typer.Context,
    run: Annotated[Path | None, typer.Argument(help="The run file.", metavar="RUN.YAML")] = None,
    diagnosis: Annotated[
        Path | None, typer.Option("--diagnosis", help="Folder of the diagnosis, or of its run.")
    ] = None,
    max_unlearned: Annotated[
        list[str] | None,
        typer.Option("--max_unlearned", help="Largest share that is not learned: 0.1, or SOURCE=0.05."),
    ] = None,
    max_forgotten: Annotated[
        list[str] | None, typer.Option("--max_forgotten", help="Largest share that is forgotten: 0.02, or SOURCE=0.05.")
    ] = None,
    max_shallow: Annotated[
        list[str] | None,
        typer.Option(
            "--max_shallow", help="Largest share of the learned that fails in other words: 0.2, or SOURCE=0.1."
        ),
    ] = None,
    min_effect: Annotated[
        float | None,
        typer.Option("--min_effect", help="Smallest effect in the verdict of `uptake verify`: 0.1 is 10 points."),
    ] = None,
    cure: Annotated[
        bool,
        typer.Option("--cure", help="Fail if the cure lost more than it gained, or is behind plain fine-tuning."),
    ] = False,
    against: Annotated[
        Path | None, typer.Option("--against", help="Folder of a baseline diagnosis: fail on significant regressions.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML to this file.")] = None,
    summary: Annotated[Path | None, typer.Option("--summary", help="Append a Markdown summary to this file.")] = None,
) -> None:
    """Fail if a diagnosis exceeds limits or got worse.

    Exit code 0: all checks passed. 2: a check failed, or a limit is on something that was not measured. 1: the gate
    cannot judge. Limits of the command line override those of the run file.
    """
    from uptake.cli.compared import opened
    from uptake.compare import check_cure, check_effect, check_limits, check_regressions, left_out, match, unlike
    from uptake.compare import junit as as_junit
    from uptake.compare import markdown as as_markdown

    config = _config(ctx, run, diagnosis, _limits(max_unlearned, max_forgotten, max_shallow, min_effect))
    found, measured = opened(diagnosis or config.output_dir)
    checks = check_limits(measured, config.gate)
    if config.gate.min_effect is not None:
        checks += check_effect(_effect(found), config.gate)
    if cure or config.gate.cure:
        checks += check_cure(_columns(found))
    notes: list[str] = []
    if against is not None:
        baseline, earlier = opened(against)
        pairs = match(baseline, found)
        checks += check_regressions(pairs, config.gate)
        notes = [*unlike(earlier, measured), *left_out(pairs)]
    if not checks:
        raise _nothing()
    if junit is not None:
        write_out("--junit", junit, as_junit(checks))
    if summary is not None:  # appended to, as $GITHUB_STEP_SUMMARY is meant to be
        write_out("--summary", summary, as_markdown(checks, notes).encode(), append=True)
    typer.echo(printable(show(checks, notes)))
    if not all(check.passed for check in checks):
        raise typer.Exit(FAILED)


def show(checks: Sequence[Check], notes: Sequence[str]) -> str:
    """The checks as lines, those that failed last, where a log ends; comparisons by source only if they failed."""
    from uptake.compare.written import outcome, where

    failed = [check for check in checks if not check.passed]
    kept = [check for check in checks if check.passed]
    shown = [check for check in kept if check.counts is None or check.source is None]
    lines = [f"{'pass' if one.passed else 'FAIL'}  {where(one)}: {outcome(one)}" for one in (*shown, *failed)]
    if len(kept) > len(shown):
        lines.insert(len(shown), f"pass  {counted(len(kept) - len(shown), 'comparison')} by source")
    lines += [f"note: {note}" for note in notes]
    n = counted(len(checks), "check")
    lines.append(f"{len(failed)} of {n} failed" if failed else f"{'all ' * (len(checks) > 1)}{n} passed")
    return "\n".join(lines)


def _nothing() -> UptakeError:
    return UptakeError(
        "the gate has nothing to check",
        expected="a limit, a cure, or a baseline",
        fix="give a limit such as --max_unlearned 0.1, --cure, or --against DIR, or a section `gate:` in the run file",
    )


def _config(ctx: typer.Context, run: Path | None, diagnosis: Path | None, limits: Mapping[str, Any]) -> RunConfig:
    from uptake.config import load_run

    if run is None and diagnosis is None:
        raise UptakeError(
            "no diagnosis is given", expected="a run file, or --diagnosis DIR", fix="uptake gate run.yaml"
        )
    keys: dict[str, Any] = dict(overrides(ctx))
    sources = limits.get("sources", {})
    if any("gate.sources" in key for key in keys):
        raise UptakeError("a limit of a source is written --max_unlearned SOURCE=0.05")
    keys |= {f"gate.{name}": value for name, value in limits.items() if name != "sources"}
    if sources:  # names of sources may hold dots, so they cannot be dotted keys
        keys["gate.sources"] = sources
    if run is None:  # nothing is trained or loaded here
        keys |= {"model_name_or_path": "unused", "stages": [{"name": "main", "dataset": "unused"}]}
    return load_run(run, keys)


def _limits(
    unlearned: Sequence[str] | None,
    forgotten: Sequence[str] | None,
    shallow: Sequence[str] | None,
    effect: float | None,
) -> dict[str, Any]:
    """The limits of the command line as they stand in the run file's section `gate`."""
    found: dict[str, Any] = {} if effect is None else {"min_effect": effect}
    sources: dict[str, dict[str, float]] = {}
    for name, given in (("max_unlearned", unlearned), ("max_forgotten", forgotten), ("max_shallow", shallow)):
        for text in given or ():
            source, equals, number = text.rpartition("=")  # a source's name may hold a =, a number does not
            try:
                limit = float(number)
            except ValueError:
                raise UptakeError(
                    f"--{name} {text!r}: {number!r} is not a number",
                    expected="a share, or SOURCE=share",
                    fix=f"--{name} 0.1, or --{name} support=0.05",
                ) from None
            (sources.setdefault(source, {}) if equals else found)[name] = limit
    return {**found, "sources": sources} if sources else found


def _columns(diagnosis: Diagnosis) -> list[CureColumn]:
    """What the cure of a diagnosis did; that of another one judges nothing."""
    from dataclasses import asdict

    from uptake.artifacts.checked import read_record
    from uptake.artifacts.schemas.later import CURE
    from uptake.compare import CureColumn

    path = diagnosis.folder.parent / "cured" / "cure.json"
    again = "run `uptake cure run.yaml` again"
    if not path.exists():
        raise UptakeError(f"the cure cannot be judged: there is no {path}", fix="run `uptake cure run.yaml` first")
    found = read_record(path, CURE, again)
    if found.diagnosis != diagnosis.digest() or not found.columns:
        raise UptakeError(
            f"{path} belongs to another diagnosis than {diagnosis.folder}, or the cure is not finished",
            expected="the cure of this diagnosis",
            fix=again,
        )
    return [CureColumn(**asdict(one)) for one in found.columns]


def _effect(diagnosis: Diagnosis) -> Interval | None:
    """The effect in the verdict about a diagnosis; a verdict about another one judges nothing."""
    from uptake.artifacts.checked import read_record
    from uptake.artifacts.schemas.later import VERDICT
    from uptake.compare import effect_of

    path = diagnosis.folder.parent / "verdict" / "verdict.json"
    if not path.exists():
        raise UptakeError(f"min_effect needs {path}, which does not exist", fix="run `uptake verify run.yaml` first")
    again = "run `uptake verify run.yaml` again"
    found = read_record(path, VERDICT, again)
    if found.diagnosis != diagnosis.digest():
        raise UptakeError(
            f"{path} belongs to another diagnosis than {diagnosis.folder}",
            expected="the verdict about this diagnosis",
            fix=again,
        )
    return effect_of(found)
