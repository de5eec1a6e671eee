"""Tokens a second of `uptake train` against TRL's own trainer on the same job, in turns, in one process.

    python benchmarks/train.py [--quick] [--models 1m 4m] [--pairs 5] [--rows 960] [--epochs 2] [--out FILE.json]

A job is a file of prompts and completions, a base, and settings; the time is from the file to the saved model, the same
settings on either side, no checkpoints in between. TRL is used as its documentation does: `load_dataset`, `SFTTrainer`,
`train`, `save_model`. `uptake train` reads the file, trains and saves as the command does, without its ledger (`off`:
the bar is that it is not slower), with the learning ledger (`training`), and with a scoring pass an epoch (`epochs`,
which does more work and has no bar). Each pair is trained by all of them, the order alternating; a ratio is the median
of the pairs' ratios of time, below 1 where uptake is faster. Weights are compared to the bit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import datasets
import torch
from safetensors.torch import load_file
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer

from uptake.artifacts import versions, write_json
from uptake.config import load_run
from uptake.models.small.tiny import build_model, save, train_tokenizer
from uptake.pipeline.train.run import train_run

SIZES: dict[str, dict[str, int]] = {
    "1m": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512},
    "4m": {"hidden_size": 192, "num_hidden_layers": 8, "num_attention_heads": 4, "intermediate_size": 512},
}
BARS = {"off": 1.0, "training": 1.05}
SETTINGS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "per_device_train_batch_size": 16,
    "gradient_checkpointing": False,
    "save_strategy": "no",
    "max_length": 256,
}


def write_job(folder: Path, size: str, n: int) -> None:
    """A data file of the demo's facts, repeated under new ids as often as need be, and a fresh base."""
    facts = files("uptake.lab").joinpath("facts")
    names = ("train", "retention", "heldout")
    lines = [line for name in names for line in facts.joinpath(f"{name}.jsonl").read_text("utf-8").splitlines()]
    rows = [json.loads(lines[k % len(lines)]) for k in range(n)]
    rows = [{"id": str(k), "prompt": row["prompt"], "completion": row["completion"]} for k, row in enumerate(rows)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tokenizer = train_tokenizer([row["prompt"] + row["completion"] for row in rows], 4096)
    save(build_model("llama", tokenizer, 0, max_position_embeddings=512, **SIZES[size]), tokenizer, folder / "base")


def by_trl(job: Path, out: Path, epochs: float) -> Path:
    """What a script of TRL's documentation does."""
    cpu = not torch.cuda.is_available()
    args = SFTConfig(
        output_dir=str(out), num_train_epochs=epochs, seed=0, report_to="none", disable_tqdm=True,
        activation_checkpointing=False, use_cpu=cpu, bf16=not cpu, dataloader_pin_memory=not cpu, **SETTINGS,
    )  # fmt: skip
    # its cache is of this job alone, so that every run prepares the rows
    data = datasets.load_dataset(
        "json", data_files=str(job / "train.jsonl"), split="train", cache_dir=str(out / "cache")
    )
    trainer = SFTTrainer(model=str(job / "base"), args=args, train_dataset=data)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(out / "model"))
    return out / "model"


def by_uptake(job: Path, out: Path, epochs: float, ledger: str) -> Path:
    """What the command does."""
    keys = {
        "model_name_or_path": str(job / "base"),
        "stages": [{"name": "main", "dataset": str(job / "train.jsonl"), "num_train_epochs": epochs}],
        "training": SETTINGS,
        "ledger": ledger,
        "output_dir": str(out),
    }
    train_run(load_run(None, keys))
    return out / "train" / "main"


def measure(size: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The pairs of one model."""
    write_job(folder, size, args.rows)
    ways: dict[str, Callable[[Path], Path]] = {"trl": lambda out: by_trl(folder, out, args.epochs)}
    for ledger in ("off", "training", "epochs"):
        ways[ledger] = lambda out, ledger=ledger: by_uptake(folder, out, args.epochs, ledger)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    same, tokens = True, 0
    for pair in range(-1, args.pairs):  # the first warms up
        weights = {}
        for way in list(ways)[:: 1 if pair % 2 else -1]:
            out = folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            start = time.perf_counter()
            model = ways[way](out)
            if pair >= 0:
                seconds[way].append(time.perf_counter() - start)
            weights[way] = load_file(model / "model.safetensors")
            if way != "trl":
                tokens = json.loads((model / "manifest.json").read_text())["tokens"] * args.epochs
        first = weights["trl"]
        same &= all(torch.equal(first[name], other[name]) for other in weights.values() for name in first)
    ratios = {
        way: [one / trl for one, trl in zip(seconds[way], seconds["trl"], strict=True)] for way in ways if way != "trl"
    }
    return {
        "model": size,
        "rows": args.rows,
        "epochs": args.epochs,
        "tokens": tokens,
        "tokens_per_second": {way: tokens / statistics.median(times) for way, times in seconds.items()},
        "seconds": seconds,
        "ratios": ratios,
        "ratio": {way: statistics.median(each) for way, each in ratios.items()},
        "same_weights": same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small pair, to see that it runs")
    parser.add_argument("--models", nargs="+", choices=SIZES, default=["1m", "4m"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=960)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "train.json")
    args = parser.parse_args()
    if args.quick:
        args.models, args.pairs, args.rows, args.epochs = ["1m"], 1, 96, 1
    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    device = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} cores, {platform.machine()}"
    )
    report: dict[str, Any] = {"device": device, "threads": torch.get_num_threads(), "bars": BARS, "settings": SETTINGS}
    report |= {"results": [], "versions": versions()}
    print(
        f"{'model':<6} {'TRL':>9}" + "".join(f" {way:>16}" for way in ("off", "training", "epochs")) + "  same weights"
    )
    for size in args.models:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(size, args, Path(folder))
        report["results"].append(found)
        write_json(args.out, report)  # after each model: what was measured is kept
        speed = found["tokens_per_second"]
        cells = "".join(f" {speed[way]:>7.0f}/s {ratio:>6.3f}" for way, ratio in found["ratio"].items())
        print(f"{size:<6} {speed['trl']:>7.0f}/s{cells}  {found['same_weights']}", flush=True)
    print(f"ratio of time to TRL's, bars: {BARS}; written to {args.out}")


if __name__ == "__main__":
    main()
