"""The gate: how often does it pass a re-run with another seed, and fail a model that was made worse on purpose?

    python benchmarks/gate.py [--work runs/gate] [--seeds 21] [--only make|judge]

A small planted world is made, and its two stages are trained with many seeds. Re-run: each model is held against the
one of the seed before, whose rates are also the limits. Worse: the same models with noise on their weights, or trained
for one epoch less, held against the unharmed model of the seed before. A model that is there is not trained again, so a
killed run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from uptake.cli.progress import progress_bar
from uptake.config import load_run
from uptake.lab.build import make
from uptake.lab.plants import Controls
from uptake.pipeline import diagnose_run
from uptake.pipeline.train import train_run

WORLD = Controls(seed=7, size=60)
NOISE = (0.1, 0.2)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/gate"))
    parser.add_argument("--seeds", type=int, default=21)
    args = parser.parse_args()
    train_all(args)


if __name__ == "__main__":
    main()
