"""What the fuzzer calls of streams, of the shards of a corpus and what was found in them, and of long responses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

CORPUS = {
    "jsonl": "corpus.jsonl", "packed": "corpus.jsonl.gz", "parquet": "corpus.parquet", "text": "corpus.txt",
    "web": "corpus.wet",
}  # fmt: skip


def stream(root: Path) -> Any:
    """A finished stream: its summary, in the terminal, as Markdown, as a page."""
    from uptake.cli.stream import show
    from uptake.pipeline.stream.markdown import stream_markdown
    from uptake.pipeline.stream.result import matrix_rows, read_stream
    from uptake.report.stream import write_stream_page

    found = read_stream(root / "streamed")
    assert found is not None
    summary = found.summary()
    show(summary, found.folder)
    stream_markdown(summary)
    matrix_rows(summary)
    write_stream_page(root / "streamed")
    return summary


def shard(root: Path, kind: str) -> Any:
    """One shard of a corpus, whole or not."""
    from uptake.pipeline.exposure.readers import Fields, ShardReport, read_shard, told_of
    from uptake.pipeline.exposure.shards import find_shards

    report = ShardReport()
    shards = find_shards([str(root / "data" / CORPUS[kind])])
    shards[0].mark()
    texts = [text for one in shards for text in read_shard(one, Fields(), report, lambda n: None)]
    for text in texts:
        str(text).encode("utf-8")  # a lone surrogate cannot be written later
    return texts, report.bad, told_of(report)


def merged(root: Path) -> Any:
    """What shards gave, merged; where it is damaged they are read anew, which `--merge` does not."""
    from uptake.config import load_run
    from uptake.pipeline.exposure.run import exposure_run
    from uptake.report.exposure import write_exposure_page

    again = root / "exposed"
    shutil.rmtree(again, ignore_errors=True)
    shutil.copytree(root / "run" / "exposure" / "shards", again / "exposure" / "shards")
    config = load_run(root / "run.yaml").model_copy(update={"output_dir": again})
    done = exposure_run(config, merge=True)
    assert done is not None
    write_exposure_page(again)
    return [(one.fact.id, one.verdict, one.counts) for one in done.results]


def example(root: Path) -> Any:
    """`uptake show` of a long response, part by part."""
    from rich.console import Console, Group

    from uptake.cli.show import _case
    from uptake.pipeline import read_diagnosis

    folder = root / "long"
    diagnosis = read_diagnosis(folder)
    found = list(diagnosis)
    console = Console(markup=False, emoji=False, highlight=False, width=100, record=False, quiet=True)
    for one in found[:3]:
        console.print(Group(*_case(diagnosis, one, folder)))
    return found


def exposed(root: Path) -> Any:
    """The table of an exposure and its summary, as a page and as documents of a plan."""
    from uptake.artifacts.schemas.exposure import EXPOSURE_TABLE
    from uptake.corpus import DocumentNeed
    from uptake.pipeline.prescribe.gathering import _stating
    from uptake.report.exposure import write_exposure_page

    write_exposure_page(root / "run")
    return _stating(root / "run" / EXPOSURE_TABLE, [DocumentNeed(f"m-{k}", (), f"fact {k}") for k in range(3)])
