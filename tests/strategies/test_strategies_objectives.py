"""Losses of tokens, against TRL's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from train_runs import QUICK, weights
from uptake.config import RunConfig
from uptake.pipeline.train.run import train_run

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def test_dft_trains_as_trls_own_loss_does(run_config: Callable[..., RunConfig], tmp_path: Path) -> None:
    """TRL's `loss_type: dft` with the same rows, seed and dropout; batches of unequal lengths, accumulated."""
    stage = {"name": "early", "dataset": "./early.jsonl", "num_train_epochs": 1}
    quick = {**QUICK, "optim": "sgd", "learning_rate": 0.5, "gradient_accumulation_steps": 2, "save_strategy": "no"}
    found = {}
    for name, training, strategy in (
        ("ours", quick, [{"dft": {}}]),
        ("trls", {**quick, "loss_type": "dft"}, []),
        ("plain", quick, []),
    ):
        config = run_config(
            stages=[stage], training=training, strategy=strategy, ledger="off", output_dir=str(tmp_path / name)
        )
        [done] = train_run(config)
        found[name] = weights(done.folder)
    apart = {
        name: max(float((found[name][key] - found["trls"][key]).abs().max()) for key in found["trls"])
        for name in ("ours", "plain")
    }
    assert apart["ours"] < 1e-5 < 1e-3 < apart["plain"]
    assert all(torch.isfinite(one).all() for one in found["ours"].values())
