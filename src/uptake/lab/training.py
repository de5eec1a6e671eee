"""Train a world's stages one after the other, each from where the one before ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from uptake.lab.base import Tell
from uptake.lab.controls import LAST, Controls
from uptake.lab.plants import Item
from uptake.lab.recipe import Recipe
from uptake.pipeline.train.run import train
from uptake.pipeline.train.training_run import StageSpec, TrainingRun
from uptake.types import Example

TRAINING: Mapping[str, Any] = {
    "lr_scheduler_type": "linear",
    "warmup_steps": 0.25,
    "per_device_train_batch_size": 16,
    "gradient_checkpointing": False,
    "disable_tqdm": True,
    "max_length": 96,
}
"""TRL's settings for every stage of a world, beside the learning rate; without the warm-up, the first steps of a stage
lose some of what the base knows for good."""
CHAT_LENGTH = 192
"""Tokens a row in a chat, whose template writes turns of its own."""
EPOCHS, EARLY_EPOCHS = 3, 1
"""Passes over the last stage's data, few enough that what the base never met is not all learned by heart; and over an
earlier one's, few enough that what it learned can be lost."""


def epochs(stage: str, recipe: Recipe) -> int:
    """Passes over a stage's data."""
    return recipe.epochs or EPOCHS if stage == LAST else recipe.early_epochs or EARLY_EPOCHS


def training_of(controls: Controls, recipe: Recipe) -> dict[str, Any]:
    """TRL's settings for every stage of a world."""
    longest = CHAT_LENGTH if controls.form == "chat" else recipe.max_length
    length = {} if longest is None else {"max_length": longest}
    return {"learning_rate": controls.learning_rate, **TRAINING, **length}


def peft_of(controls: Controls) -> dict[str, Any] | None:
    """LoRA settings of a world: adapters on all its linear layers; None where all weights train."""
    if not controls.lora_r:
        return None
    return {"r": controls.lora_r, "lora_alpha": 2 * controls.lora_r, "target_modules": "all-linear"}


def train_stages(
    base: str, stages: Mapping[str, Sequence[Item]], out: Path, controls: Controls, recipe: Recipe, tell: Tell
) -> dict[str, Path]:
    """Fine-tune through the stages.

    Args:
        base: Where the first stage starts.
        stages: What each stage trains, in order.
        out: Folder to create; each stage's model lies in it under the stage's name.
        controls: Of the world: how it trains, and the seed of the rows' order.
        recipe: Of the world: how its family trains.
        tell: Told of each stage.

    Returns:
        Each stage's model.
    """
    from uptake.models.places.settings import LoadSettings
    from uptake.models.small.pretrain import one_thread
    from uptake.models.training.start import Start

    common = {**training_of(controls, recipe), "seed": controls.seed, "save_strategy": "no"}
    run = TrainingRun(
        start=Start(base, LoadSettings(), peft_of(controls)),
        stages=tuple(
            StageSpec(
                stage, stage, {**common, "num_train_epochs": epochs(stage, recipe)}, [_example(item) for item in items]
            )
            for stage, items in stages.items()
        ),
        folder=out,
        seed=controls.seed,
        ledger="off",
    )
    with one_thread():
        return {one.stage: one.folder for one in train(run, lambda step, done, total: tell(step, done, total or 0))}


def _example(item: Item) -> Example:
    return Example(item.id, item.posed(item.prompt), item.response, item.topic, item.stage)
