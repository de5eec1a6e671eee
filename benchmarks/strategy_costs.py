"""What a stage costs with a strategy, beside a plain one: processor time, memory, tokens that go through a model more.

    python benchmarks/strategy_costs.py [--work DIR] [--rounds 3]

A model of 4M parameters with random weights trains two stages of 128 rows of 24 words. The second one is measured,
each time in a process of its own, all strategies one after the other in each round. `seconds` are of the processor,
one thread, from the arranging of rows to the written model, without the check of the run that comes before; the median
over rounds, and the median of the ratios to the plain stage of the same round. `peak_mb` is the peak of the process, of
which the libraries are the most. `tokens` are trained ones, over those of the plain stage; `steps`, `ends` and
`forward` are tokens beside them, over the same: forwards and backwards in the steps, before and after them, and
forwards alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import yaml

OUT = Path(__file__).parent / "results" / "strategy_costs.json"
LORA = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}
ARMS: dict[str, tuple[dict[str, Any], bool]] = {
    "plain": ({}, False),
    "replay": ({"replay": {"share": 0.1}}, False),
    "lost_replay": ({"lost_replay": {"share": 0.1}}, False),
    "mend": ({"mend": {"share": 0.1}}, False),
    "ewc": ({"ewc": {}}, False),
    "lwf": ({"lwf": {}}, False),
    "agem": ({"agem": {"rows": 16}}, False),
    "osf": ({"osf": {}}, False),
    "ema": ({"ema": {}}, False),
    "plain, LoRA": ({}, True),
    "olora": ({"olora": {}}, True),
    "mixture": ({"mixture": {"ranks": 2}}, True),
    "routed": ({"routed": {}}, True),
}
"""Strategies, and whether an adapter is trained; those are held against plain training of one."""
ROWS, WORDS, EPOCHS = 128, 48, 4
SHAPE = {"hidden_size": 256, "num_hidden_layers": 4, "max_position_embeddings": 128, "tie_word_embeddings": True}


def base(folder: Path) -> Path:
    from uptake.models.small.tiny import build_model, save, train_tokenizer

    if not folder.exists():
        rng = random.Random(0)
        words = ["".join(rng.choice("abcdefghijklmnop") for _ in range(4)) for _ in range(1500)]
        tokenizer = train_tokenizer([" " + word for word in words] * 3, 2048)
        save(build_model("llama", tokenizer, 0, **SHAPE), tokenizer, folder)
        (folder / "words.json").write_text(json.dumps(words))
    return folder


def run_file(folder: Path, model: Path, strategy: dict[str, Any], stages: int, *, lora: bool) -> Path:
    words, rng = json.loads((model / "words.json").read_text()), random.Random(1)
    folder.mkdir(parents=True, exist_ok=True)
    for stage in ("first", "second"):
        rows = [[rng.choice(words) for _ in range(WORDS // 2)] for _ in range(ROWS)]
        lines = [
            {"id": f"{stage}-{n}", "prompt": " ".join(one[:12]), "completion": " " + " ".join(one[12:])}
            for n, one in enumerate(rows)
        ]
        (folder / f"{stage}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = {
        "model_name_or_path": str(model),
        "stages": [
            {"name": name, "dataset": f"./{name}.jsonl", "num_train_epochs": epochs}
            for name, epochs in (("first", 1), ("second", EPOCHS))
        ][:stages],
        "training": {
            "learning_rate": 1e-3, "per_device_train_batch_size": 16, "gradient_checkpointing": False,
            "save_strategy": "no",
        },
        "strategy": strategy, "peft": LORA if lora else None,
        "output_dir": "./run", "device": "cpu", "ledger": "off",
    }  # fmt: skip
    (folder / f"{stages}.yaml").write_text(yaml.safe_dump(run))
    return folder / f"{stages}.yaml"


def one(name: str, work: Path) -> dict[str, Any]:
    """Measure the second stage of an arm, in this process."""
    from uptake.artifacts import read_json
    from uptake.config import load_run
    from uptake.models.small.pretrain import one_thread
    from uptake.pipeline.train import run as training

    strategy, lora = ARMS[name]
    folder = work / name
    shutil.rmtree(folder, ignore_errors=True)
    model = base(work / "model")
    with one_thread():
        training.train_run(load_run(run_file(folder, model, strategy, 1, lora=lora)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        config = load_run(run_file(folder, model, strategy, 2, lora=lora))
        check, checked = training.planned, 0.0

        def timed(*given: Any) -> Any:
            nonlocal checked
            began = time.process_time()
            try:
                return check(*given)
            finally:
                checked += time.process_time() - began

        training.planned = timed
        start = time.process_time()
        training.train_run(config)
        seconds = time.process_time() - start - checked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent: dict[str, int] = {"steps": 0, "ends": 0, "forward": 0}
    tokens = 0.0
    for part in sorted((config.output_dir / "train").glob("second*/manifest.json")):
        manifest = read_json(part)
        tokens += manifest["passes"] * manifest["tokens"]
        for key in spent:
            spent[key] += (manifest["spent"] or {}).get(key, 0)
    shutil.rmtree(folder)
    return {"seconds": seconds, "peak_mb": peak / 1024, "more_mb": (peak - before) / 1024, "tokens": tokens, **spent}


def summary(found: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    arms = {}
    for name, (strategy, lora) in ARMS.items():
        plain = "plain, LoRA" if lora else "plain"
        ratios = [of[name]["seconds"] / of[plain]["seconds"] for of in found]
        last = found[-1][name]
        arms[name] = {
            "strategy": strategy,
            "seconds": round(median(of[name]["seconds"] for of in found), 2),
            "ratio": round(median(ratios), 2),
            "ratios": [round(one, 2) for one in ratios],
            "peak_mb": round(median(of[name]["peak_mb"] for of in found)),
            "tokens": round(last["tokens"] / found[-1][plain]["tokens"], 3),
            **{key: round(last[key] / found[-1][plain]["tokens"], 3) for key in ("steps", "ends", "forward")},
        }
    return arms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/strategy_costs"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=ARMS)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.one:
        print(json.dumps(one(args.one, args.work.resolve())))
        return
    from uptake.artifacts import versions, write_json

    base(args.work / "model")
    found: list[dict[str, dict[str, Any]]] = []
    for number in range(args.rounds):
        found.append({})
        for name in ARMS:
            kept = args.work / f"{name}-{number}.json"
            if not kept.exists():
                command = [sys.executable, __file__, "--work", str(args.work), "--one", name]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                kept.write_text(done.stdout.splitlines()[-1])
            found[-1][name] = json.loads(kept.read_text())
            print(number, name, found[-1][name], flush=True)
    write_json(
        OUT, {"arms": summary(found), "rounds": args.rounds, "platform": platform.platform(), "versions": versions()}
    )


if __name__ == "__main__":
    main()
