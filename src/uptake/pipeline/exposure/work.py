"""Shards are tasks: each is read by one process and leaves its files; a process that is killed leaves nothing."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import Any

from uptake.artifacts import digest
from uptake.errors import UptakeError
from uptake.exposure import Queries, Scanned, TaughtFact, queries_of, scan
from uptake.pipeline.exposure.kept import ShardFiles
from uptake.pipeline.exposure.readers import Fields, ShardReport, read_shard
from uptake.pipeline.exposure.shards import Shard
from uptake.pipeline.progress import Progress
from uptake.spread import Actors, Holding

MB = 1_000_000
POLL = 0.5
"""Seconds between two looks at how far the workers are."""
STEP = "scanning, MB"


def scan_shard(files: ShardFiles, queries: Queries, fields: Fields, tell: Callable[[int], None]) -> None:
    """Read a shard and write what it gave.

    Args:
        files: Where that goes.
        queries: What is looked for.
        fields: What the fields of rows are called.
        tell: Told how many further bytes were read.
    """
    files.write(*_found(files.shard, queries, fields, tell))


def _found(shard: Shard, queries: Queries, fields: Fields, tell: Callable[[int], None]) -> tuple[Scanned, ShardReport]:
    report = ShardReport()
    collecting = gc.isenabled()
    gc.disable()  # no cycles are made, and looking for them takes a seventh of the time
    try:
        return scan(read_shard(shard, fields, report, tell), queries, shard.name), report
    finally:
        if collecting:
            gc.enable()


@dataclass(frozen=True)
class Readers:
    """Who reads shards.

    Attributes:
        workers: Processes on this machine; 1 reads in this one.
        actors: Of Ray; they read in place of these.
    """

    workers: int = 1
    actors: Actors | None = None


def scan_shards(
    waiting: Sequence[ShardFiles],
    facts: Sequence[TaughtFact],
    fields: Fields,
    readers: Readers,
    progress: Progress,
) -> None:
    """Read shards, the largest first, in one process or in several; the files are the same.

    Args:
        waiting: The shards that are to be read, with where their files go.
        facts: What is looked for.
        fields: What the fields of rows are called.
        readers: Who reads.
        progress: Told of the megabytes that were read.

    Raises:
        UptakeError: A process was killed, or the files cannot be written.
    """
    total = sum(one.shard.size for one in waiting)
    progress(STEP, 0, -(-total // MB))
    order = sorted(waiting, key=lambda one: (-one.shard.size, one.shard.name))
    if readers.actors is not None and order:
        _far(order, facts, fields, readers.actors, progress)
    elif readers.workers <= 1 or len(order) <= 1:
        queries, done = queries_of(facts), 0

        def tell(n: int) -> None:
            nonlocal done
            done += n
            progress(STEP, min(done, total) // MB, -(-total // MB))

        for one in order:
            scan_shard(one, queries, fields, tell)
    elif order:
        _together(order, facts, fields, min(readers.workers, len(order)), progress)
    progress(STEP, -(-total // MB), -(-total // MB))


def _far(
    order: Sequence[ShardFiles], facts: Sequence[TaughtFact], fields: Fields, actors: Actors, progress: Progress
) -> None:
    """By actors, which give back what they found: it is written here, so that no folder has to be shared."""
    held = Holding(digest([asdict(fact) for fact in facts]), _queries, (tuple(facts),))
    total, done = sum(one.shard.size for one in order), 0

    def read(one: ShardFiles) -> None:
        one.write(*actors.run(held, _found_there, one.shard, one.shard.mark(), fields))

    for one, _ in actors.each(order, read):
        done += one.shard.size
        progress(STEP, done // MB, -(-total // MB))


def _queries(facts: tuple[TaughtFact, ...]) -> tuple[Queries, None]:
    return queries_of(facts), None


def _found_there(shard: Shard, mark: str, fields: Fields, queries: Queries) -> tuple[Scanned, ShardReport]:
    if shard.mark() != mark:
        raise UptakeError(
            f"the shard {shard.name} is not the same on a machine of the cluster as it is here",
            expected="the same file under the same path or address",
            fix="give a folder that all machines share, or an address: s3://, hf://, https://",
        )
    return _found(shard, queries, fields, lambda n: None)


def _together(
    order: Sequence[ShardFiles], facts: Sequence[TaughtFact], fields: Fields, workers: int, progress: Progress
) -> None:
    # started anew and not forked: pyarrow has threads
    context = get_context("spawn")
    done = context.Value("q", 0)
    total = sum(one.shard.size for one in order)
    pool = ProcessPoolExecutor(workers, context, _begin, (tuple(facts), fields, done))
    try:
        left: set[Future[None]] = {pool.submit(_scan, one) for one in order}
        while left:
            finished, left = wait(left, POLL, FIRST_EXCEPTION)
            for future in finished:
                future.result()
            progress(STEP, min(done.value, total) // MB, -(-total // MB))
    except BrokenProcessPool:
        raise UptakeError(
            "a process that was reading a shard was killed, perhaps because the memory ran out",
            expected="about 200 MB for each process, and more for many facts",
            fix="run the same command again with a smaller exposure.workers: shards that were finished are kept",
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_worker: dict[str, Any] = {}
"""What a worker process was started with."""


def _begin(facts: Sequence[TaughtFact], fields: Fields, done: Any) -> None:
    _worker.update(queries=queries_of(facts), fields=fields, done=done)


def _scan(files: ShardFiles) -> None:
    def tell(n: int) -> None:
        with _worker["done"].get_lock():
            _worker["done"].value += n

    scan_shard(files, _worker["queries"], _worker["fields"], tell)
