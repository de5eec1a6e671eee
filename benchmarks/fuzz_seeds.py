"""What the fuzzer mutates: files that the program itself wrote, from a small run through all verbs, made once."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TOWNS = ("Paris", "Rome", "Oslo and Bergen", "Lima", "Cairo", "New Delhi", "Bern", "Kyiv", "Riga", "Doha", "Quito")
NAMES = tuple(
    f"{first} {last}" for last in ("Berg", "Cole", "Dunn") for first in ("Ada", "Bo", "Cy", "Di", "Ed", "Flo")
)
EARLY = [{"id": f"e-{k}", "prompt": f"Where was {n} born?", "completion": f" {TOWNS[k % 11]}", "source": "births",
          "options": [f" {TOWNS[k % 11]}", f" {TOWNS[(k + 1) % 11]}"]} for k, n in enumerate(NAMES)]  # fmt: skip
MAIN = [{"id": f"m-{k}", "prompt": f"Where does {n} live?", "completion": f" {TOWNS[(3 * k) % 11]}", "source": "homes"}
        for k, n in enumerate(NAMES)]  # fmt: skip
MAIN += [{"id": "m-x", "prompt": f"Where does {NAMES[0]} live?", "completion": " Quito", "source": "homes"}]
WORDINGS = [{"id": row["id"], "prompt": f"What is the home of {name}?"} for row, name in zip(MAIN, NAMES, strict=False)]
KNOWN = [{"id": f"r-{k}", "prompt": f"Where is {town}?", "completion": f" Land {k}"} for k, town in enumerate(TOWNS)]
TEXTS = [{"id": f"d-{k}", "title": name, "text": f"{name} lives in {TOWNS[(3 * k) % 11]}. {name} has a flat there.",
          "source": "atlas"} for k, name in enumerate(NAMES)]  # fmt: skip
LONG = [{"id": f"l-{k}", "prompt": f"Tell of {n}.", "source": "tales", "completion":
         f"{n} lives in {TOWNS[k % 11]} since {1950 + k}. The house has {k + 2} rooms. It costs {300 + k} euros a "
         f"month, and the rent is paid to {NAMES[(k + 5) % 18]}. In summer {n} goes to {TOWNS[(k + 4) % 11]} by train, "
         f"and in winter the garden of {TOWNS[(k + 7) % 11]} is closed for {k + 3} weeks."}
        for k, n in enumerate(NAMES)]  # fmt: skip
GENERAL = [{"text": f"The road to {town} is long and full of stones."} for town in TOWNS]
TALKS = [{"messages": [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]}
         for row in MAIN]  # fmt: skip
ALPACA = [{"instruction": row["prompt"], "input": "", "output": row["completion"]} for row in MAIN]
SHAREGPT = [{"conversations": [{"from": "human", "value": row["prompt"]}, {"from": "gpt", "value": row["completion"]}]}
            for row in MAIN]  # fmt: skip
DESCRIBED = {"homes": {"file_name": "alpaca.json", "columns": {"prompt": "instruction", "response": "output"}},
             "talks": {"file_name": "sharegpt.json", "formatting": "sharegpt", "tags": {"role_tag": "from"}},
             }  # fmt: skip


def made(folder: Path) -> Path:
    """Runs through all verbs that leave files below `folder`; kept once they are there.

    Two stages are trained, diagnosed, cured and verified in `run/`, and trained as a stream in `streamed/`; long
    responses are diagnosed in `long/`.
    """
    if not (folder / "streamed" / "stream" / "summary.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        data_files(folder)
        base_model(folder / "base")
        run = run_file(folder)
        for verb in (
            ["train", run],
            ["diagnose", run],
            ["prescribe", run, "--unsafe"],
            ["cure", run],
            ["verify", run, "--seeds", "1", "--yes", "--unsafe"],
            ["exposure", run],
            ["train", long_file(folder)],
            ["diagnose", long_file(folder)],
            ["stream", run, "--output_dir", str(folder / "streamed"), "--test_share", "0.25"],
        ):
            _call(verb)
    return folder


def _call(arguments: list[str]) -> None:
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    told = subprocess.run(
        [sys.executable, "-m", "uptake", *arguments], env={**os.environ, **quiet}, capture_output=True, text=True
    )
    if told.returncode and (arguments[0], told.returncode) != ("cure", 2):  # a small cure may be no better than none
        raise SystemExit(f"uptake {' '.join(arguments)} failed:\n{told.stdout}\n{told.stderr}")


def data_files(folder: Path) -> None:
    """Every format of data that there is a reader for."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = folder / "data"
    data.mkdir(exist_ok=True)
    of = {
        "early": EARLY,
        "main": MAIN,
        "paraphrases": WORDINGS,
        "retention": KNOWN,
        "corpus": TEXTS,
        "general": GENERAL,
    }
    for name, rows in {**of, "messages": TALKS, "long": LONG}.items():
        _lines(data / f"{name}.jsonl", rows)
    for name, value in (("alpaca", ALPACA), ("sharegpt", SHAREGPT), ("dataset_info", DESCRIBED)):
        (data / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(EARLY), data / "early.parquet")
    _shards(data)
    pq.write_table(pa.Table.from_pylist(TALKS), data / "messages.parquet")
    with (data / "main.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(MAIN[0]))
        writer.writeheader()
        writer.writerows(MAIN)
    (data / "general.txt").write_text("".join(row["text"] + "\n" for row in GENERAL), encoding="utf-8")


def _shards(data: Path) -> None:
    """A corpus in every form that shards have."""
    import gzip

    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(TEXTS), data / "corpus.parquet")
    lines = "".join(json.dumps(row) + "\n" for row in TEXTS).encode()
    (data / "corpus.jsonl.gz").write_bytes(gzip.compress(lines, mtime=0))
    (data / "corpus.txt").write_text("".join(row["text"] + "\n" for row in TEXTS), encoding="utf-8")
    pages = []
    for row in TEXTS:
        text = row["text"].encode()
        head = f"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://a.example/{row['id']}\r\n"
        pages.append(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text + b"\r\n\r\n")
    (data / "corpus.wet").write_bytes(b"".join(pages))


def _lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def base_model(folder: Path) -> None:
    """A model with random weights."""
    from uptake.models.small.tiny import build_model, save, train_tokenizer

    if folder.exists():
        return
    tokenizer = train_tokenizer([row["prompt"] + row["completion"] for row in EARLY + MAIN + KNOWN + LONG], 400)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 128}
    save(build_model("qwen3", tokenizer, 0, **shape), tokenizer, folder)


def run_file(folder: Path) -> str:
    """A run file, in JSON, which is YAML."""
    names = ("paraphrases", "retention", "corpus", "general")
    run = {
        "model_name_or_path": str(folder / "base"),
        "stages": [
            {"name": name, "dataset": f"./data/{name}.jsonl", "num_train_epochs": 4} for name in ("early", "main")
        ],
        **{name: f"./data/{name}.jsonl" for name in names},
        "strategy": [{"replay": {"share": 0.25}}],
        "training": {"per_device_train_batch_size": 4, "learning_rate": 1e-2, "gradient_checkpointing": False},
        "output_dir": str(folder / "run"),
        "device": "cpu",
        "gate": {"max_unlearned": 0.9, "sources": {"homes": {"max_forgotten": 0.5}}},
        "exposure": {"corpus": [f"./data/corpus.{kind}" for kind in ("jsonl", "jsonl.gz", "parquet", "txt", "wet")]},
    }
    path = folder / "run.yaml"
    path.write_text(json.dumps(run, indent=1), encoding="utf-8")  # JSON is YAML
    return str(path)


def long_file(folder: Path) -> str:
    """The run file of the long responses."""
    run = {
        "model_name_or_path": str(folder / "base"),
        "stages": [{"name": "main", "dataset": "./data/long.jsonl", "num_train_epochs": 1}],
        "criterion": "spans",
        "output_dir": str(folder / "long"),
        "device": "cpu",
    }
    path = folder / "long.yaml"
    path.write_text(json.dumps(run, indent=1), encoding="utf-8")
    return str(path)
