"""Every reader of files that a stranger, a broken disk or another program may have changed, as the fuzzer calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fuzz_of_run as of_run
import fuzz_of_stages as of_stages
import fuzz_of_work as of_work


@dataclass(frozen=True)
class Reader:
    """Something that reads a file.

    Attributes:
        files: Below the seeds' folder, those that are damaged; patterns.
        read: From that folder to what was read, as plain data.
        prepare: Writes further seeds, by the functions that write them in a run; called once.
        said: What the bytes say by another parser, to be compared with what was read; None where nothing tells.
        told: Bytes that were damaged must be refused, unless what is read is as it was: a checksum stands for them.
        share: Of the inputs of a plain reader; slow ones get fewer.
    """

    files: tuple[str, ...]
    read: Callable[[Path], Any]
    prepare: Callable[[Path], None] | None = None
    said: Callable[[bytes], Any] | None = None
    told: bool = False
    share: float = 1.0


def _json_said(data: bytes) -> Any:
    return json.loads(data)


def _shard(kind: str) -> Callable[[Path], Any]:
    return lambda root: of_stages.shard(root, kind)


def _of(name: str) -> Callable[[Path], Any]:
    return lambda root: of_run.data(root, name)


DATA = (
    "early.jsonl",
    "messages.jsonl",
    "alpaca.json",
    "sharegpt.json",
    "main.csv",
    "general.txt",
    "early.parquet",
    "messages.parquet",
)
WORK = "run/diagnosis/work/train/"
SUMMARY = "run/diagnosis/summary.json"
LATER = (
    "run/verdict/verdict.json", "run/verdict/matrix.parquet", "run/cured/cure.json", "run/cured/diagnosis/summary.json",
)  # fmt: skip
READERS: dict[str, Reader] = {
    "run file": Reader(("run.yaml",), of_run.run_file, share=0.3),
    **{f"data {name}": Reader((f"data/{name}",), _of(name), share=0.5) for name in DATA},
    "dataset_info.json": Reader(("data/dataset_info.json",), of_run.named_set, share=0.5),
    "paraphrases": Reader(("data/paraphrases.jsonl",), of_run.wordings, share=0.3),
    "corpus rows": Reader(("data/corpus.jsonl",), of_run.corpus, share=0.3),
    "ledger": Reader(
        ("run/ledger/main/rank-00000/part-0000[03].parquet", "run/ledger/*/stage.json"), of_run.ledger,
        told=True, share=0.2,
    ),
    "ledger, resumed": Reader(("run/ledger/main/rank-00000/part-0000[57].parquet",), of_run.resumed, told=True),
    "ledger, curves": Reader(("run/ledger/main/rank-00000/part-00002.parquet",), of_run.learned, share=0.3),
    "cartography": Reader(
        ("training_dynamics/dynamics_epoch_[01].jsonl",), of_run.cartography, of_run.cartography_seed,
    ),
    "diagnosis.parquet": Reader(("run/diagnosis/diagnosis.parquet",), of_run.findings, told=True, share=0.3),
    "diagnosis.parquet, page": Reader(
        ("run/diagnosis/diagnosis.parquet",), of_run.diagnosis_page, told=True, share=0.05,
    ),
    "diagnosis.parquet, diff": Reader(("run/diagnosis/diagnosis.parquet",), of_run.compared, told=True, share=0.05),
    "summary.json": Reader((SUMMARY,), of_run.summary, said=_json_said),
    "report": Reader(
        (SUMMARY, "run/diagnosis/diagnosis.parquet", *LATER, "run/plan/*.json*", "run/train/*/manifest.json"),
        of_run.page, of_run.page_seed, share=0.03,
    ),
    "plan": Reader(("run/plan/plan.json", "run/plan/sft.jsonl", "run/plan/cpt.jsonl"), of_run.plan),
    "cure and verdict, page": Reader(LATER, of_run.cured),
    "verdict, gate": Reader(("run/verdict/verdict.json",), of_run.verdict),
    "cure.json": Reader(("run/cured/cure.json",), of_run.room, share=0.5),
    "stage manifest": Reader(
        ("run/train/main/manifest.json", "run/train/main/memory/memory.json"), of_run.manifests, share=0.5,
    ),
    "memory": Reader(("run/train/main/memory/*.parquet",), of_run.memory, told=True, share=0.5),
    "arranged.json": Reader(("work/s/arranged/arranged.json",), of_run.arranged, of_run.arranged_seed, share=0.5),
    "arranged rows": Reader(
        ("work/s/arranged/*.parquet",), of_run.arranged, of_run.arranged_seed, told=True, share=0.2,
    ),
    "examples and scores": Reader((WORK + "*/part-*",), of_work.parts, told=True, share=0.1),
    "retention, lost answers": Reader(("run/diagnosis/work/retention/*/part-*",), of_work.lost, told=True, share=0.2),
    "keys and notes of parts": Reader(
        (WORK + "*/notes.json", "run/diagnosis/work/retention/examples/key.json"), of_work.notes, share=0.2,
    ),
    "rivals.json": Reader(("work/rivals.json",), of_work.rivals, of_work.rivals_seed, share=0.3),
    "judged.jsonl": Reader(("work/judged.jsonl",), of_work.judged, of_work.judged_seed, share=0.3),
    "written.jsonl": Reader(("work/written.jsonl",), of_work.written, of_work.written_seed, share=0.5),
    "today.json": Reader(("work/today.json",), of_work.today, lambda root: of_work.today(root) and None, share=0.2),
    "adapter": Reader(("adapter/adapter_config.json",), of_work.adapter, of_work.adapter_seed, share=0.3),
    "model": Reader(("base/config.json",), of_work.model, share=0.05),
    "corpus index": Reader(("run/corpus/manifest.json",), of_work.index, share=0.1),
    "answers of the web": Reader(("web/*/*.json",), of_work.web, of_work.web_seed, share=0.3),
    "stream": Reader(("streamed/stream/summary.json",), of_stages.stream, share=0.2),
    **{f"shard {kind}": Reader((f"data/{name}",), _shard(kind), share=0.5) for kind, name in of_stages.CORPUS.items()},
    "shards' counts": Reader(("run/exposure/shards/*.json",), of_stages.merged, share=0.1),
    "shards' documents": Reader(("run/exposure/shards/*.parquet",), of_stages.merged, told=True, share=0.1),
    "exposure": Reader(("run/exposure/exposure.parquet", "run/exposure/summary.json"), of_stages.exposed, share=0.2),
    "long responses": Reader(("long/diagnosis/diagnosis.parquet",), of_stages.example, told=True, share=0.1),
}  # fmt: skip
