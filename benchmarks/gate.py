"""The gate: how often does it pass a re-run with another seed, and fail a model that was made worse on purpose?

    python benchmarks/gate.py [--work runs/gate] [--seeds 21]

A small planted world is made, and its two stages are trained with many seeds. Re-run: each model is held against the
one of the seed before. Worse: the same models with noise on their weights, or trained for one epoch less, held against
the unharmed model of the seed before. Two gates are tried: limits at the earlier model's own rates (of all and of each
source, `--max_unlearned` and so on), and the earlier model as a baseline (`--against`). What is there is not trained
again, so a killed run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np

from uptake.artifacts import versions, write_json
from uptake.cli.progress import progress_bar
from uptake.compare import Pairs, check_limits, check_regressions, match
from uptake.config import Gate, Limits, load_run
from uptake.lab.build import make
from uptake.lab.plants import Controls
from uptake.pipeline import Diagnosis, diagnose_run, read_diagnosis
from uptake.pipeline.train import train_run
from uptake.stats import wilson
from uptake.types import Finding

OUT = Path(__file__).parent / "results" / "gate.json"

WORLD = Controls(seed=7, size=60)
NOISE = (0.2, 0.3)
"""Standard deviations of the noise, in those of the weights of each matrix."""
EPOCHS = 2
"""Epochs of the last stage where it is trained for one less."""


def train_all(args: argparse.Namespace) -> None:
    """The re-runs first: without them nothing can be judged."""
    world = args.work / "world"
    with progress_bar() as progress:
        make(world, WORLD, tell=progress)
    for seed in range(args.seeds):
        fresh(args.work, f"seed-{seed}", seed)
    for seed in range(args.seeds):
        for noise in NOISE:
            noisy(args.work, seed, noise)
    for seed in range(args.seeds):
        fresh(args.work, f"epochs-{seed}", seed, {"stages.1.num_train_epochs": str(EPOCHS)})


def fresh(work: Path, name: str, seed: int, given: dict[str, str] | None = None) -> None:
    out = work / name
    if (out / "diagnosis" / "summary.json").exists():
        return
    keys = {"output_dir": str(out), "seed": str(seed), "attribution": "off", "ledger": "off", **(given or {})}
    config = load_run(work / "world" / "run.yaml", keys)
    *_, last = train_run(config)
    diagnose_run(config, str(last.folder))
    print(name, flush=True)


def noisy(work: Path, seed: int, noise: float) -> None:
    """The model of a seed with noise on its weights, diagnosed."""
    import torch
    from safetensors.torch import load_file, save_file

    out = work / f"noise-{noise}-{seed}"
    if (out / "diagnosis" / "summary.json").exists():
        return
    model = out / "model"
    shutil.copytree(work / f"seed-{seed}" / "train" / "main", model, dirs_exist_ok=True)
    weights = load_file(model / "model.safetensors")
    generator = torch.Generator().manual_seed(seed)
    for name in sorted(weights):
        if weights[name].dim() > 1:
            drawn = torch.randn(weights[name].shape, generator=generator)
            weights[name] += noise * weights[name].std() * drawn
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    keys = {"output_dir": str(out), "seed": str(seed), "attribution": "off"}
    diagnose_run(load_run(work / "world" / "run.yaml", keys), str(model))
    print(out.name, flush=True)


Read = tuple[list[Finding], dict[str, Any]]


def read(diagnosis: Diagnosis) -> Read:
    return list(diagnosis), diagnosis.summary()


def limits_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Limits at what a diagnosis measured."""

    def rates(part: Mapping[str, Any]) -> dict[str, float]:
        found = {"max_unlearned": 1 - part["learned"]["rate"]["estimate"]}
        for name in ("forgotten", "shallow"):
            if part[name]["rate"] is not None:
                found[f"max_{name}"] = part[name]["rate"]["estimate"]
        return found

    return {**rates(summary), "sources": {name: Limits(**rates(part)) for name, part in summary["by_source"].items()}}


def gates(before: Read, after: Read) -> dict[str, bool]:
    """Whether each kind of gate passes the later model."""
    limits = limits_of(before[1])
    found = {
        f"limits, {when}": all(one.passed for one in check_limits(after[1], Gate(fail_when=when, **limits)))
        for when in ("sure", "estimate")
    }
    pairs = match(before[0], after[0])
    for smallest in (0.0, 0.02, 0.05):
        checks = check_regressions(pairs, Gate(min_regression=smallest))
        found[f"against, from {smallest:.0%}"] = all(one.passed for one in checks)
    return found


def passed(pairs: Iterable[tuple[Read, Read]]) -> dict[str, Any]:
    """Of how many pairs each kind of gate passes the later model, with Wilson's interval."""
    found = [gates(before, after) for before, after in pairs]
    told = {}
    for name in found[0]:
        rate = wilson(sum(one[name] for one in found), len(found))
        told[name] = None if rate is None else {"passed": sum(one[name] for one in found), **asdict(rate)}
    return told


def dispersion(runs: list[Read]) -> dict[str, Any]:
    """How much more two trainings differ than McNemar's test expects: the mean of (gained − lost)²/(gained + lost)."""
    squares: dict[str, list[float]] = {"learned": [], "forgotten": []}
    net: list[float] = []
    for one, other in combinations(runs, 2):
        pairs: Pairs = match(one[0], other[0])
        for name in squares:
            changes = [bool(getattr(new, name)) - bool(getattr(old, name)) for old, new in pairs.both]
            changed = sum(map(abs, changes))
            squares[name].append(sum(changes) ** 2 / changed if changed else 0.0)
            if name == "learned":
                net.append(abs(sum(changes)) / len(changes))
    return {
        **{f"{name}: mean square of McNemar's z": float(np.mean(values)) for name, values in squares.items()},
        "learned: mean net change": float(np.mean(net)),
        "learned: largest net change": max(net),
    }


def judge_all(args: argparse.Namespace) -> dict[str, Any]:
    runs = [read(read_diagnosis(args.work / f"seed-{seed}")) for seed in range(args.seeds)]
    before = [runs[seed - 1] for seed in range(args.seeds)]
    told: dict[str, Any] = {
        "examples": runs[0][1]["n"],
        "unlearned": [one[1]["n"] - one[1]["learned"]["count"] for one in runs],
        "forgotten": [one[1]["forgotten"]["count"] for one in runs],
        "dispersion": dispersion(runs),
        "re-run": passed(zip(before, runs, strict=True)),
        "re-run, all ordered pairs": passed(permutations(runs, 2)),
    }
    kinds = {**{f"noise {noise}": f"noise-{noise}" for noise in NOISE}, f"{EPOCHS} epochs instead of 3": "epochs"}
    for name, prefix in kinds.items():
        worse = [read(read_diagnosis(args.work / f"{prefix}-{seed}")) for seed in range(args.seeds)]
        told[name] = {
            "unlearned": [one[1]["n"] - one[1]["learned"]["count"] for one in worse],
            **passed(zip(before, worse, strict=True)),
        }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/gate"))
    parser.add_argument("--seeds", type=int, default=21)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    train_all(args)
    write_json(args.out, {"world": asdict(WORLD), **judge_all(args), "versions": versions()})
    print(args.out)


if __name__ == "__main__":
    main()
