"""`uptake exposure`: what a pre-training corpus says of the facts that are taught."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uptake.cli.run_options import overrides
from uptake.cli.terminal import printable
from uptake.cli.train import table
from uptake.errors import UptakeError
from uptake.text import counted, one_line

if TYPE_CHECKING:
    from uptake.exposure import Rates
    from uptake.pipeline.exposure.run import Exposure

SHOWN = 3
"""Facts that are shown of those that the corpus contradicts."""
NOTES = 10
"""Notes that are shown; all of them are in summary.json."""


def command(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run file.", metavar="RUN.YAML")],
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard", help="i/n: read the i-th of n parts of the shards, as a job of an array does.", metavar="I/N"
        ),
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Read nothing; make the table of the shards that were read.")
    ] = False,
) -> None:
    """Find which facts of the data a pre-training corpus states, lacks or contradicts.

    Reads the shards of exposure.corpus once. A shard that is done is not read again, so a killed run resumes. On many
    machines: run --shard 1/n to n/n, then --merge. No model is needed.
    """
    from uptake.cli.progress import progress_bar
    from uptake.config import load_run
    from uptake.pipeline.exposure.run import exposure_run

    part = part_of(shard)
    if part is not None and merge:
        raise UptakeError(
            "--shard reads and --merge does not", fix="run the parts with --shard first, then --merge alone"
        )
    config = load_run(run, overrides(ctx))
    with progress_bar() as progress:
        done = exposure_run(config, part=part, merge=merge, progress=progress)
    if done is None:
        typer.echo(f"part {shard} is done; once all parts are: uptake exposure {run} --merge")
        return
    typer.echo(printable("\n".join(show(done))))


def part_of(text: str | None) -> tuple[int, int] | None:
    """`3/96` as numbers.

    Raises:
        UptakeError: It is nothing like that.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UptakeError(
            f"--shard is {one_line(text, 40)!r}",
            expected="i/n with i from 1 to n, such as 3/96",
            fix="correct the value",
        )
    return int(found[1]), int(found[2])


def show(done: Exposure) -> Iterator[str]:
    """The verdicts in short sentences and a table, what speaks against facts, and how far it can be trusted."""
    yield (
        f"{counted(done.documents, 'document')} in {done.shards_read:,} of {counted(done.shards, 'shard')} were read: "
        f"{100 * done.scanned:.1f} % of the corpus, by bytes."
    )
    yield ""
    head = ("source", "facts", "stated", "disputed", "contradicted", "mentioned", "lacking", "not asked")
    rows = [_row(source, own) for source, own in done.sources.items()]
    yield from table(head, [*rows, _row("all", done.all)] if len(rows) != 1 else rows)
    yield ""
    yield "stated: documents state it. contradicted: documents state another answer, or deny it. disputed: both."
    yield "mentioned: a sentence holds question and answer, in other words than the question's. lacking: none of these."
    yield "In brackets: 95 % intervals of the shares."
    against = [one for one in done.results if one.verdict in ("contradicted", "disputed")]
    against.sort(key=lambda one: -(one.counts.get("otherwise", 0) + one.counts.get("denied", 0)))
    for one in against[:SHOWN]:
        yield ""
        n, other = one.counts.get("otherwise", 0), one.others[0][0] if one.others else None
        said = f"{counted(n, 'document says', 'documents say')} {one_line(other, 60)!r}" if other else "it is denied"
        stated = counted(one.counts.get("stated", 0), "document states", "documents state")
        yield f"{one_line(one.fact.question, 80, end=True)} {one_line(one.fact.answer, 60)!r}: {said}; {stated} it."
        passage = next((hit for hit, _ in one.passages if hit.says in ("otherwise", "denied")), None)
        if passage is not None:
            yield f"  {one_line(passage.passage, 110)} ({passage.shard}, row {passage.row:,})"
    if len(against) > SHOWN:
        yield f"and {len(against) - SHOWN:,} more"
    yield ""
    if done.scanned < 0.999:
        left = 100 * (1 - done.scanned)
        yield f"note: {left:.1f} % of the corpus was not read. A fact that is lacking may be stated there."
    yield from (f"note: {note}" for note in done.notes[:NOTES])
    if len(done.notes) > NOTES:
        yield f"and {len(done.notes) - NOTES:,} more notes in {done.folder / 'summary.json'}"
    yield str(done.folder)


def _row(source: str, own: Rates) -> tuple[str, ...]:
    shares: Mapping[str, str] = {
        name: "-" if one is None else f"{100 * one.estimate:.1f}% [{100 * one.low:.1f}, {100 * one.high:.1f}]"
        for name, one in own.verdicts.items()
    }
    return (one_line(source, 40), f"{own.n:,}", *shares.values(), f"{own.unasked:,}")
