"""What the ledger costs: the same TRL trainer with and without `LedgerCallback`, in turns, in one process.

    python benchmarks/ledger.py [--device cuda] [--models 1m 4m] [--pairs 5] [--steps 60] [--out FILE.json]

The time is that of `trainer.train()`, start to end, the ledger's files included; each pair trains the same rows twice,
which of the two goes first alternating. The ratio is the median of the pairs' ratios; beside it that of processor time,
which suffers less from what else the machine does. Weights and losses of the two are compared to the bit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import datasets
import torch
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from uptake import LedgerCallback
from uptake.artifacts import versions
from uptake.ledger import read_ledger
from uptake.models.small.tiny import build_model, train_tokenizer

SIZES: dict[str, dict[str, int]] = {
    "1m": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512},
    "4m": {"hidden_size": 192, "num_hidden_layers": 8, "num_attention_heads": 4, "intermediate_size": 512},
    "1b": {"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "intermediate_size": 8192},
}
BATCH = 16
BAR = 1.05


def rows(n: int) -> list[dict[str, str]]:
    """The facts of the demo, as it trains them, repeated under new ids as often as need be."""
    folder = files("uptake.lab").joinpath("facts")
    lines = [line for name in ("train", "retention", "heldout") for line in _lines(folder / f"{name}.jsonl")]
    facts = [json.loads(lines[k % len(lines)]) for k in range(n)]
    return [{"id": f"{k}", "prompt": f["prompt"], "completion": f["completion"]} for k, f in enumerate(facts)]


def _lines(file: Any) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def train(model: Any, tokenizer: Any, data: datasets.Dataset, args: argparse.Namespace, folder: Path, ledger: bool):
    """Seconds on the clock and of all processors, final loss and a checksum of the weights of one training."""
    cuda = args.device == "cuda"
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(folder / "trainer"), per_device_train_batch_size=BATCH, max_steps=args.steps,
            use_cpu=not cuda, bf16=cuda, dataloader_pin_memory=cuda, activation_checkpointing=False,
            report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True, seed=0, learning_rate=1e-3,
        ),
        train_dataset=data,
        processing_class=tokenizer,
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    if ledger:
        trainer.add_callback(LedgerCallback(folder / "run", ids=trainer.train_dataset["id"]))
    if cuda:
        torch.cuda.synchronize()
    start, used = time.perf_counter(), time.process_time()
    loss = trainer.train().training_loss
    if cuda:
        torch.cuda.synchronize()
    seconds, used = time.perf_counter() - start, time.process_time() - used
    return seconds, used, loss, [float(value.double().sum()) for value in trainer.model.state_dict().values()]


def measure(size: str, vocabulary: int, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The pairs of one model."""
    table = rows(args.steps * BATCH)
    tokenizer = train_tokenizer([row["prompt"] + row["completion"] for row in table], 4096)
    data = datasets.Dataset.from_list(table)
    pairs: list[dict[bool, tuple[float, ...]]] = []
    same = True
    for pair in range(-1, args.pairs):  # the first warms up
        found = {}
        for ledger in (True, False) if pair % 2 else (False, True):
            torch.manual_seed(0)  # resizing draws new rows
            model = build_model("llama", tokenizer, 0, max_position_embeddings=512, **SIZES[size])
            model.resize_token_embeddings(max(vocabulary, len(tokenizer)), mean_resizing=False)
            found[ledger] = train(model, tokenizer, data, args, folder, ledger)
        same &= found[True][2:] == found[False][2:]
        if pair >= 0:
            pairs.append(found)
    ratios = [each[True][0] / each[False][0] for each in pairs]
    return {
        "model": size,
        "vocabulary": vocabulary,
        "steps": args.steps,
        "rows": len(read_ledger(folder / "run")),
        "seconds_without": statistics.median(each[False][0] for each in pairs),
        "seconds_with": statistics.median(each[True][0] for each in pairs),
        "ratios": ratios,
        "ratio": statistics.median(ratios),
        "processor_time_ratio": statistics.median(each[True][1] / each[False][1] for each in pairs),
        "same_loss_and_weights": same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--models", nargs="+", choices=SIZES, default=["1m", "4m"])
    parser.add_argument("--vocabulary", type=int, nargs="+", default=[4096])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ledger.json")
    args = parser.parse_args()
    datasets.disable_progress_bars()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for size in args.models:
            for vocabulary in args.vocabulary:
                results.append(measure(size, vocabulary, args, Path(folder)))
                found = results[-1]
                print(
                    f"{size} model, {vocabulary} tokens: {found['seconds_without']:.2f} s without, "
                    f"{found['seconds_with']:.2f} s with the ledger; ratio {found['ratio']:.3f}, of processor time "
                    f"{found['processor_time_ratio']:.3f}; same weights: {found['same_loss_and_weights']}"
                )
    device = torch.cuda.get_device_name() if args.device == "cuda" else f"{os.cpu_count()} cores, {platform.machine()}"
    report = {"device": device, "bar": BAR, "batch": BATCH, "results": results, "versions": versions()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"bar: {BAR}; written to {args.out}")


if __name__ == "__main__":
    main()
