"""`uptake report`: everything that was found, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.errors import UptakeError


def command(
    ctx: typer.Context,
    run: Annotated[Path | None, typer.Argument(help="The run file, or the output folder.", metavar="RUN")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    card: Annotated[
        bool, typer.Option("--card", help="Add the diagnosis to the README.md of the trained model.")
    ] = False,
) -> None:
    """Write the findings to one HTML page.

    Writes report.html, a self-contained page, and summary.md, for a pull request; of a stream, of conflicts, of
    an exposure and of a rewrite a page of its own. Give the run file, or the output folder of a diagnosis that was
    made without one.
    """
    from uptake.report import write_card, write_pages, write_report

    output_dir = run_folder(ctx, run, "uptake report runs/first")
    pages = write_pages(output_dir)
    page = next(iter(pages.values()), None)
    if page is None or (output_dir / "diagnosis" / "summary.json").exists():
        report = write_report(output_dir)
        page = report.page
        typer.echo(f"{'report':<10} {printable(str(report.page))}")
        typer.echo(f"{'summary':<10} {printable(str(report.summary))}")
    for name, one in pages.items():
        typer.echo(f"{name:<10} {printable(str(one))}")
    if card:
        typer.echo(f"{'card':<10} {printable(str(write_card(output_dir)))}")
    if open_:
        import webbrowser

        if not webbrowser.open(page.resolve().as_uri()):
            # the page is written, which is what was asked for: a server has no browser
            told = f"no browser could be started here; open this file in one: {page.resolve()}"
            typer.echo(printable(told), err=True)


def run_folder(ctx: typer.Context, run: Path | None, example: str) -> Path:
    """The folder of a run: by its file, by itself or its `diagnosis/`, or by `--output_dir` alone.

    Raises:
        UptakeError: Neither is given, both are, or the run file is wrong.
    """
    given = overrides(ctx)
    if run is not None and not run.is_dir():
        from uptake.config import load_run

        return load_run(run, given).output_dir
    others = [f"--{name}" for name in given if name != "output_dir" or run is not None]
    if others:
        raise UptakeError(f"{', '.join(others)} needs a run file", fix=f"give the folder alone: {example}")
    if run is None and "output_dir" not in given:
        raise UptakeError("no run is given", expected="a run file, or the folder of a diagnosis", fix=example)
    return of_diagnosis(run or Path(given["output_dir"]))


def of_diagnosis(folder: Path) -> Path:
    """The folder of a run, where it or its `diagnosis/` is named."""
    return folder.resolve().parent if (folder / "diagnosis.parquet").is_file() else folder
