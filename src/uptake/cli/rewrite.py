"""`uptake rewrite`: the responses of the data in the base's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import table
from uptake.errors import UptakeError
from uptake.text import counted, one_line

if TYPE_CHECKING:
    from uptake.pipeline.rungs.run import RewriteComparison

SHOWN = 5
"""Rewrites that are shown; all of them are in rewrites.jsonl."""


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")],
    compare: Annotated[
        bool, typer.Option("--compare", help="Train each rung, and read its gain against what is forgotten.")
    ] = False,
    rungs: Annotated[
        str, typer.Option("--rungs", help="--compare: which, with commas between them.")
    ] = "original,template,guided,best_of_k,dft",
    rates: Annotated[str, typer.Option("--rates", help="--compare: multiples of the run's learning rate.")] = "0.5,1,2",
    seeds: Annotated[int, typer.Option("--seeds", help="--compare: seeds of each.", min=1)] = 3,
    jobs: Annotated[int, typer.Option("--jobs", help="--compare: trainings side by side.", min=1)] = 1,
) -> None:
    """Say the responses of the data in the base model's own words, so that training on them changes it less.

    A rewrite is taken only where it keeps every fact, name and number and adds nothing; else the original stays. Run
    the command again to resume.

    With --compare each way to rewrite is then trained over learning rates and seeds, at equal tokens trained.
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run
    from uptake.pipeline.rewrite.run import rewrite_run
    from uptake.pipeline.rungs.run import compare_rungs

    config = load_run(run, overrides(ctx))
    if compare:
        what = _comparison(rungs, rates, {"seeds": seeds, "jobs": jobs})
        with progress_bar() as progress:
            compared = compare_rungs(config, what, progress)
        typer.echo(printable("\n".join([*show_compared(compared.summary()), str(compared.folder)])))
        return
    with progress_bar() as progress:
        done = rewrite_run(config, progress)
    typer.echo(printable("\n".join([*show(done.summary(), done.rows()), str(done.folder)])))


def _comparison(rungs: str, rates: str, plan: Mapping[str, int]) -> RewriteComparison:
    from uptake.pipeline.rungs.run import RewriteComparison

    try:
        multiples = tuple(float(one) for one in rates.split(","))
    except ValueError:
        raise UptakeError(f"--rates is {rates}", expected="numbers with commas between them: 0.5,1,2") from None
    names: Any = tuple(one.strip() for one in rungs.split(","))
    return RewriteComparison(names, multiples, **plan)


def show_compared(summary: Mapping[str, Any]) -> Iterator[str]:
    """The curves, forgetting at equal gain, and what making the data took, as tables."""
    from uptake.pipeline.rungs.markdown import (
        EQUAL_LEGEND,
        LEGEND,
        curve_table,
        data_table,
        equal_table,
        headline,
        of_paper,
    )

    yield headline(summary)
    told = (LEGEND, f"{EQUAL_LEGEND}. {of_paper(summary)}", None)
    for rows, legend in zip((curve_table(summary), equal_table(summary), data_table(summary)), told, strict=True):
        yield ""
        yield from table(rows[0], rows[1:])
        if legend is not None:
            yield f"({legend})"
    yield from (f"note: {note}" for note in summary["notes"])
    yield ""


def show(summary: Mapping[str, Any], rows: list[dict[str, Any]]) -> Iterator[str]:
    """Counts, likelihoods, why originals stay, and some rewrites."""
    n = summary["n"]
    yield f"{summary['rewritten']:,} of {counted(n, 'response')} were rewritten, by {summary['rung']}."
    yield ""
    if summary["nll_before"] is not None:
        head = ("nats a token under the base", "before", "after", "change")
        before, after = summary["nll_before"], summary["nll_after"]
        lines: list[tuple[str, ...]] = [("all rows", _number(before), _number(after), _share(summary["change"]))]
        if summary["of_rewritten"] is not None:
            taken = [row for row in rows if row["how"] is not None]
            means = [sum(row[f"nll_{when}"] for row in taken) / len(taken) for when in ("before", "after")]
            lines.append(("rewritten rows", *(f"{mean:.2f}" for mean in means), _share(summary["of_rewritten"])))
        yield from table(head, lines)
        yield ""
    for title, name in (("made by", "how"), ("the original stays", "why"), ("drafts refused by gate", "gates")):
        if summary[name]:
            yield f"{title}: " + "; ".join(f"{what} {count:,}" for what, count in summary[name].items())
    yield (
        f"words a response: {summary['words_before']:.1f} before, {summary['words_after']:.1f} after; "
        f"tokens generated {summary['generated']:,}, scored {summary['scored']:,}"
    )
    for row in [row for row in rows if row["how"] is not None][:SHOWN]:
        yield ""
        yield one_line(row["question"], 100, end=True)
        yield f"  - {one_line(row['original'], 110)}"
        yield f"  + {one_line(row['text'], 110)}  ({row['nll_before']:.2f} to {row['nll_after']:.2f})"
    yield ""
    yield from (f"note: {note}" for note in summary["notes"])


def _number(one: Mapping[str, Any]) -> str:
    return f"{one['estimate']:.2f} [{one['low']:.2f}, {one['high']:.2f}]"


def _share(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "-"
    return f"{100 * one['estimate']:+.0f}% [{100 * one['low']:+.0f}, {100 * one['high']:+.0f}]"
