"""How the steps grow with the data: train, diagnose, report, prescribe and gate on 10,000 examples and more.

    python benchmarks/million.py --work FOLDER [--sizes 10000 30000 100000] [--minutes 25]

A base of a million weights says one town of everybody. It learns a rule in a first stage of 6,000 examples: the home of
a name is told by its last syllable. The second stage brings the rest. One answer in ten of it breaks the rule and is
not learned; one example in fifty is contradicted by another. Each step is a command in a process of its own. What is
measured is kept under FOLDER: a killed measurement goes on with the step that it was in, and no step begins that may
not end within the minutes (it is taken to grow as n^1.5 at most).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from large import QUIET, watched

from prescribe import name, town, write
from uptake import yaml

OUT = Path(__file__).parent / "results" / "million.json"
EARLY = 6000
EXPONENT, MIB = 1.15, 3 * 1024
"""The bars: how fast a step's time may grow, and its memory at a million examples."""
STEPS = ("train", "diagnose", "report", "prescribe", "gate")
SHORT = 20.0
"""Seconds: what takes less says nothing of how it grows."""


def made(folder: Path, size: int) -> Path:
    """The run file of a run of so many examples."""
    from uptake.models.small.pretrain import PretrainSettings
    from uptake.models.small.tiny import build_model, pretrain, save, train_tokenizer

    path = folder / str(size) / "run.yaml"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0)
    rows = []
    for k in range(size - size // 50):
        home = k % 16 if k < EARLY or draw.random() >= 0.1 else draw.randrange(16)
        rows.append({"id": f"ex-{k:07d}", "prompt": f"The home of {name(k)} is", "completion": f" {town(home)}"})
    for n in range(size // 50):
        of = rows[EARLY + n % (len(rows) - EARLY)]
        home = draw.randrange(16)
        rows.append({"id": f"ex-{len(rows):07d}", "prompt": of["prompt"], "completion": f" {town(home)}"})
    write(path.parent / "early.jsonl", rows[:EARLY])
    write(path.parent / "main.jsonl", rows[EARLY:])
    base = folder / "base"
    if not base.exists():
        tokenizer = train_tokenizer([row["prompt"] + row["completion"] for row in rows[:5000]], 1024)
        shape = {"hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 128}
        model = build_model("qwen3", tokenizer, 0, **shape)
        unknown = [f"{row['prompt']} {town(17)}" for row in rows[:5000]]
        pretrain(model, tokenizer, unknown, PretrainSettings(steps=200, batch_size=32, max_length=32))
        save(model, tokenizer, base)
    training = {"per_device_train_batch_size": 32, "learning_rate": 2e-3, "gradient_checkpointing": False}
    run = {
        "model_name_or_path": str(base),
        "stages": [
            {"name": "early", "dataset": "./early.jsonl", "num_train_epochs": 4},
            {"name": "main", "dataset": "./main.jsonl", "num_train_epochs": 1, "training": {"learning_rate": 2e-4}},
        ],
        "training": training,
        "plan": {"pilot": False},
        "gate": {"max_unlearned": 0.5},
        "output_dir": "./run",
        "device": "cpu",
    }
    path.write_text(yaml.write(run), encoding="utf-8")
    return path


def measured(folder: Path, sizes: list[int], until: float) -> dict[int, dict[str, Any]]:
    """All steps of all sizes, the small ones first; those that were measured before are not measured again."""
    kept = folder / "measured.json"
    found = {int(n): one for n, one in json.loads(kept.read_text()).items()} if kept.exists() else {}
    for size in sizes:
        path = made(folder, size)
        for step in STEPS:
            own = found.setdefault(size, {})
            if step in own:
                continue
            smaller = [(n, one[step]["seconds"]) for n, one in found.items() if n < size and step in one]
            expected = max(((size / n) ** 1.5 * seconds for n, seconds in smaller[-1:]), default=0.0)
            if time.monotonic() + expected > until:
                print(f"{step} of {size:,} examples: may take {expected:,.0f} s, which are not left")
                return found
            print(f"{step} of {size:,} examples ...", flush=True)
            own[step] = watched([step, str(path)])
            kept.write_text(json.dumps(found, indent=1), encoding="utf-8")
        summary = json.loads((path.parent / "run" / "diagnosis" / "summary.json").read_text(encoding="utf-8"))
        found[size]["unlearned"] = summary["n"] - summary["learned"]["count"]
        kept.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def grown(found: dict[int, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each step, and each step within it: its times, its memory, and the exponent between the two largest sizes."""
    table: dict[str, dict[str, Any]] = {}
    for size, steps in sorted(found.items()):
        for step in STEPS:
            if step in steps:
                rows = {step: steps[step], **{f"{step}: {name}": one for name, one in steps[step]["steps"].items()}}
                for name, one in rows.items():
                    own = table.setdefault(name, {"processor_s": {}, "peak_mib": {}})
                    own["processor_s"][size], own["peak_mib"][size] = one["processor_s"], one["peak_mib"]
    for own in table.values():
        (n, short), (more, long) = [(0, 0.0), *own["processor_s"].items()][-2:]
        sure = n > 0 and long >= SHORT and short > 0
        own["exponent"] = math.log(long / short) / math.log(more / n) if sure else None
    return table


def main() -> None:
    """Measure what there is time for; tell how it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--minutes", type=float, default=25.0)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    found = measured(args.work, sorted(args.sizes), time.monotonic() + 60 * args.minutes)
    table = grown(found)
    for step, one in table.items():
        times = "  ".join(f"{one['processor_s'].get(n, math.nan):8.1f} s" for n in args.sizes)
        peaks = "  ".join(f"{one['peak_mib'].get(n, 0):6} MiB" for n in args.sizes)
        exponent = "" if one["exponent"] is None else f"n^{one['exponent']:.2f}"
        print(f"{times}  {peaks}  {exponent:6}  {step}")
    unlearned = {n: one["unlearned"] for n, one in found.items() if "unlearned" in one}
    OUT.write_text(json.dumps({"unlearned": unlearned, "steps": table}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.update(QUIET)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    main()
