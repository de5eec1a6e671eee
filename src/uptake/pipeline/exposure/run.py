"""`uptake exposure`: what a pre-training corpus says of each fact of a run's data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uptake.artifacts import chunks, digest, refuse_links, write_json, write_lines, write_table
from uptake.artifacts.schemas.exposure import EXPOSURE, EXPOSURE_TABLE, SAYS, ShardData
from uptake.artifacts.tables import to_json
from uptake.config import RunConfig
from uptake.data import bad_rows_error
from uptake.errors import UptakeError
from uptake.exposure import Exposed, Rates, TaughtFact, exposed, facts_of, merged, queries_of, rates
from uptake.exposure.ranking import Hit, kept_of_each
from uptake.models.served import from_judge
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.exposure.kept import ShardFiles
from uptake.pipeline.exposure.readers import Fields
from uptake.pipeline.exposure.shards import find_shards
from uptake.pipeline.exposure.work import Readers, scan_shards
from uptake.pipeline.progress import Progress
from uptake.pipeline.run_file import actors_of, datasets_of
from uptake.pipeline.why.contradictions import Comparers
from uptake.probe import question
from uptake.spans import sentence, within_question
from uptake.text import counted
from uptake.types import BadRow, Example

VERSION = 3
"""Part of the key of a shard's files: raised when the same shard comes to give other ones."""
AT_ONCE = 1024


@dataclass(frozen=True)
class Exposure:
    """What `uptake exposure` wrote.

    Attributes:
        folder: Where it lies.
        results: The verdict on each fact.
        all: Rates of all facts.
        sources: Rates by source of the examples.
        scanned: Share of the corpus that was read, by bytes, in [0, 1].
        shards: How many shards the corpus has.
        shards_read: How many of them were read.
        documents: How many documents they have.
        notes: What the reader should know.
    """

    folder: Path
    results: tuple[Exposed, ...]
    all: Rates
    sources: Mapping[str, Rates]
    scanned: float
    shards: int
    shards_read: int
    documents: int
    notes: tuple[str, ...]


def exposure_run(
    config: RunConfig,
    *,
    part: tuple[int, int] | None = None,
    merge: bool = False,
    progress: Progress = lambda step, done, total: None,
) -> Exposure | None:
    """Read a corpus once, shard by shard, and judge what it says of each fact of the run's data.

    Args:
        config: The run.
        part: (i, n) reads the i-th of n parts of the shards, from 1, and nothing more; None reads all of them.
        merge: Read no shard; make the table of those that were read.
        progress: Told after each part of the work.

    Returns:
        The verdicts; None with `part`.

    Raises:
        UptakeError: There is no corpus, or the input cannot be used. What is wrong with a shard is a note.
    """
    if config.exposure is None:
        raise UptakeError(
            f"{config.where('exposure')}exposure is null",
            expected="the corpus to be read: exposure: {corpus: [shards/*.jsonl.gz]}",
            fix="add the key to the run file, or give --exposure.corpus",
        )
    refuse_links(config.output_dir)
    section, folder = config.exposure, config.output_dir / "exposure"
    shards = find_shards(section.corpus)
    facts = read_facts(datasets_of(config), progress)
    fields = Fields(section.text, section.title, section.id, section.source)
    known = digest(VERSION, [asdict(fact) for fact in facts], asdict(fields))
    files = [ShardFiles(folder / "shards", one, digest(known, one.name, one.mark())) for one in shards]
    if not merge:
        own = files if part is None else files[part[0] - 1 :: part[1]]
        waiting = [one for one in own if one.data() is None]
        with actors_of(config.spread) as actors:
            scan_shards(waiting, facts, fields, Readers(section.workers, actors), progress)
        if part is not None:
            return None
    llm = None if config.judge is None else from_judge(config.judge, config.seed)
    comparers = Comparers(config.nli_model_name_or_path, config.device, llm, config.seed)
    done = _merged(files, facts, comparers, section.passages, progress)
    _write(done)
    return done


def read_facts(data: DataSets, progress: Progress) -> list[TaughtFact]:
    """The facts of all that a run trains, in the order of the data.

    Raises:
        UptakeError: The data cannot be used.
    """
    examples: list[Example] = []
    bad: list[BadRow] = []
    progress("facts", 0, None)
    for some in chunks(data.worded(), AT_ONCE):
        examples += [row for row in some if isinstance(row, Example)]
        bad += [row for row in some if isinstance(row, BadRow)]
        progress("facts", len(examples), None)
    if bad and (data.on_bad_row == "error" or not examples):
        raise bad_rows_error(bad, usable=len(examples))
    facts = facts_of(examples, _told(examples))
    progress("facts", len(examples), len(examples))
    return facts


def _told(examples: Sequence[Example]) -> dict[int, str]:
    """What is told by responses that are sentences: *Stockholm* by *The capital of Sweden is Stockholm*.

    *Stockholm is the capital of Sweden* tells it too.
    """
    found: dict[int, str] = {}
    for number, example in enumerate(examples):
        if not example.prompt:
            continue
        asked = question(example)
        if (cut := sentence(example.response, asked)) is not None:
            found[number] = cut.span.strip()
        elif (told := within_question(example.response, asked)) is not None:
            found[number] = told
    return found


def _merged(
    files: Sequence[ShardFiles], facts: Sequence[TaughtFact], comparers: Comparers, passages: int, progress: Progress
) -> Exposure:
    """The verdicts, from the files of the shards that were read."""
    progress("merging shards", 0, len(files))
    there = [(one, data) for one in files if (data := one.data()) is not None]
    if not there:
        raise UptakeError(
            "none of the corpus' shards was read yet", fix="run `uptake exposure run.yaml`, or its parts with --shard"
        )
    queries = queries_of(facts)
    words = {query.number: len(query.words) for query in queries.queries}

    def documents() -> Iterator[Iterator[Hit]]:
        for number, (one, _) in enumerate(there, start=1):
            yield one.documents(words)
            progress("merging shards", number, len(there))

    counted = (one.counted(data, words) for one, data in there)
    found = merged(counted, documents(), queries, kept_of_each(len(queries.queries)))
    folder = files[0].folder.parent
    results = exposed(facts, queries, found, comparers.judge(folder / "judged.jsonl"), passages)
    sources = {
        source: rates([one for one in results if one.fact.source == source])
        for source in sorted(dict.fromkeys(fact.source for fact in facts))
    }
    total = sum(one.shard.size for one in files)
    scanned = sum(data.read for _, data in there) / total if total else 0.0
    return Exposure(
        folder,
        tuple(results),
        rates(results),
        sources,
        scanned,
        len(files),
        len(there),
        found.documents,
        tuple(_notes(files, [data for _, data in there])),
    )


def _notes(files: Sequence[ShardFiles], there: Sequence[ShardData]) -> Iterator[str]:
    missing = len(files) - len(there)
    if missing:
        yield f"{counted(missing, 'shard was', 'shards were')} not read: what only they state is told to be lacking."
    if not sum(data.documents for data in there):
        yield "the corpus holds no document."
    for data in there:
        yield from data.notes


def _write(done: Exposure) -> None:
    """The table, the same as JSON Lines, and last the summary."""
    import pyarrow as pa

    rows = [_row(one, done.scanned) for one in done.results]
    with suppress(OSError):  # where it is, the tables beside it are of the same scan
        (done.folder / "summary.json").unlink()
    write_table(done.folder / EXPOSURE_TABLE.name, pa.Table.from_pylist(rows, schema=EXPOSURE))
    write_lines(done.folder / "exposure.jsonl", map(to_json, rows))
    write_json(
        done.folder / "summary.json",
        {
            "shards": done.shards,
            "shards_read": done.shards_read,
            "documents": done.documents,
            "scanned": done.scanned,
            "all": _rates(done.all),
            "sources": {source: _rates(own) for source, own in done.sources.items()},
            "notes": list(done.notes),
        },
    )


def _rates(own: Rates) -> Mapping[str, Any]:
    shares = {name: None if one is None else asdict(one) for name, one in own.verdicts.items()}
    return {"n": own.n, "unasked": own.unasked, "rates": shares}


def _row(one: Exposed, scanned: float) -> dict[str, Any]:
    """A verdict as a row of `EXPOSURE`."""
    return {
        "id": one.fact.id,
        "stage": one.fact.stage,
        "source": one.fact.source,
        "question": one.fact.question,
        "answer": one.fact.answer,
        "verdict": one.verdict,
        "unasked": one.fact.unasked,
        **{name: one.counts.get(name, 0) for name in SAYS},  # type: ignore[call-overload]
        "others": [{"answer": answer, "n": n} for answer, n in one.others],
        "passages": [
            {
                **{name: getattr(hit, name) for name in ("says", "answer", "passage", "shard", "row", "id", "source")},
                "bm25": score,
            }
            for hit, score in one.passages
        ],
        "scanned": scanned,
    }
