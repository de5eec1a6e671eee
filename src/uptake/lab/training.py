"""Train a world's stages one after the other, each from where the one before ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from uptake.lab.base import Tell
from uptake.lab.plants import LAST, Item
from uptake.types import Example

TRAINING: Mapping[str, Any] = {
    "learning_rate": 1.5e-3,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0.25,
    "per_device_train_batch_size": 16,
    "gradient_checkpointing": False,
    "disable_tqdm": True,
    "max_length": 96,
}
"""TRL's settings for every stage of a world; without the warm-up, the first steps of a stage lose some of what the base
knows for good."""
EPOCHS, EARLY_EPOCHS = 3, 1
"""Passes over the last stage's data, few enough that what the base never met is not all learned by heart; and over an
earlier one's, few enough that what it learned can be lost."""


def epochs(stage: str) -> int:
    """Passes over a stage's data."""
    return EPOCHS if stage == LAST else EARLY_EPOCHS


def train_stages(base: Path, stages: Mapping[str, Sequence[Item]], out: Path, seed: int, tell: Tell) -> dict[str, Path]:
    """Fine-tune through the stages.

    Args:
        base: Where the first stage starts.
        stages: What each stage trains, in order.
        out: Folder to create; each stage's model lies in it under the stage's name.
        seed: Of the rows' order in training.
        tell: Told of each stage.

    Returns:
        Each stage's model.
    """
    from uptake.models.pretrain import one_thread
    from uptake.models.train import fine_tune

    models: dict[str, Path] = {}
    start = base
    with one_thread():
        for number, (stage, items) in enumerate(stages.items()):
            tell(f"training {stage}", number, len(stages))
            settings = {**TRAINING, "num_train_epochs": epochs(stage), "seed": seed}
            start = models[stage] = fine_tune(start, [_example(item) for item in items], out / stage, settings)
    tell("training", len(stages), len(stages))
    return models


def _example(item: Item) -> Example:
    return Example(item.id, item.prompt, item.response, item.topic, item.stage)
