"""The gate: how often does it pass a re-run with another seed, and fail a model that was made worse on purpose?

    python benchmarks/gate.py [--work runs/gate] [--seeds 21]

A small planted world is made, and its two stages are trained with many seeds. Re-run: each model is held against the
one of the seed before. Worse: the same models with noise on their weights, held against the unharmed model of the seed
before. Two gates are tried: limits (at the earlier model's rates, and at what the recipe gives on average), and the
earlier model as a baseline (`--against`). What is there is not trained again, so a killed run goes on where it stopped.
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
from uptake.lab.controls import Controls
from uptake.pipeline import Diagnosis, read_diagnosis
from uptake.pipeline.diagnose.run import diagnose_run
from uptake.pipeline.train.run import train_run
from uptake.stats import wilson
from uptake.types import Finding

OUT = Path(__file__).parent / "results" / "gate.json"

WORLD = Controls(seed=7, size=60)
NOISE = (0.3, 0.2)
"""Standard deviations of the noise, in those of the weights of each matrix."""


def train_all(args: argparse.Namespace) -> None:
    """The re-runs first: without them nothing can be judged."""
    world = args.work / "world"
    with progress_bar() as progress:
        make(world, WORLD, tell=progress)
    for seed in range(args.seeds):
        fresh(args.work, f"seed-{seed}", seed)
    for noise in NOISE:
        for seed in range(args.seeds):
            noisy(args.work, seed, noise)


def fresh(work: Path, name: str, seed: int) -> None:
    out = work / name
    if (out / "diagnosis" / "summary.json").exists():
        return
    keys = {"output_dir": str(out), "seed": str(seed), "attribution": "off", "ledger": "off"}
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


def limits_of(summaries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Limits at the mean of what some diagnoses measured, in all and by source."""
    found: dict[tuple[str | None, str], list[float]] = {}
    for summary in summaries:
        for source, part in ((None, summary), *summary["by_source"].items()):
            found.setdefault((source, "max_unlearned"), []).append(1 - part["learned"]["rate"]["estimate"])
            for name in ("forgotten", "shallow"):
                if part[name]["rate"] is not None:
                    found.setdefault((source, f"max_{name}"), []).append(part[name]["rate"]["estimate"])
    limits = {key: float(np.mean(rates)) for key, rates in found.items()}
    sources = sorted({source for source, _ in limits if source is not None})
    return {
        **{name: limit for (source, name), limit in limits.items() if source is None},
        "sources": {
            one: Limits(**{name: v for (source, name), v in limits.items() if source == one}) for one in sources
        },
    }


def gates(before: Read, after: Read, recipe: Mapping[str, Any]) -> dict[str, bool]:
    """Whether each kind of gate passes the later model; `recipe`: limits at what the recipe gives on average."""
    found = {}
    for kind, limits in (("the earlier model's rates", limits_of([before[1]])), ("the recipe's mean rates", recipe)):
        of_all = {name: limit for name, limit in limits.items() if name != "sources"}
        for what, asked in (("", of_all), (", also by source", limits)):
            for when in ("sure", "estimate"):
                checks = check_limits(after[1], Gate(fail_when=when, **asked))
                found[f"limits at {kind}{what}, {when}"] = all(one.passed for one in checks)
    pairs = match(before[0], after[0])
    for smallest in (0.0, 0.02, 0.05):
        checks = check_regressions(pairs, Gate(min_regression=smallest))
        found[f"against, from {smallest:.0%}"] = all(one.passed for one in checks)
    return found


def passed(pairs: Iterable[tuple[Read, Read]], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Of how many pairs each kind of gate passes the later model, with Wilson's interval."""
    found = [gates(before, after, recipe) for before, after in pairs]
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
    recipe = limits_of(one[1] for one in runs)
    told: dict[str, Any] = {
        "examples": runs[0][1]["n"],
        "unlearned": [one[1]["n"] - one[1]["learned"]["count"] for one in runs],
        "forgotten": [one[1]["forgotten"]["count"] for one in runs],
        "dispersion": dispersion(runs),
        "re-run": passed(zip(before, runs, strict=True), recipe),
        "re-run, all ordered pairs": passed(permutations(runs, 2), recipe),
    }
    for noise in NOISE:
        worse = [read(read_diagnosis(args.work / f"noise-{noise}-{seed}")) for seed in range(args.seeds)]
        told[f"noise {noise}"] = {
            "unlearned": [one[1]["n"] - one[1]["learned"]["count"] for one in worse],
            **passed(zip(before, worse, strict=True), recipe),
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
