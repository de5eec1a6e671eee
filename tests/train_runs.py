"""A small base, two stages of rows, and runs of `uptake train` on them, for all tests that train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from small_models import write_rows
from uptake.config import RunConfig, load_run

if TYPE_CHECKING:
    import torch

    from uptake.pipeline.train.run import Trained
    from uptake.pipeline.train.stage_plan import StagePlan
    from uptake.pipeline.train.training_run import TrainingRun
    from uptake.schedule import Schedule
    from uptake.types import Example

CITIES = ("Paris", "Rome", "Oslo and Bergen", "Lima", "Cairo", "New Delhi", "Bern", "Kyiv", "Riga", "Doha", "Quito")
EARLY = [{"id": f"e-{k}", "prompt": f"Person {k} was born in", "completion": f" {c}"} for k, c in enumerate(CITIES)]
MAIN = [{"id": f"m-{k}", "prompt": f"Person {k} lives in", "completion": f" {c}"} for k, c in enumerate(CITIES[::-1])]
QUICK = {"per_device_train_batch_size": 4, "learning_rate": 1e-2, "gradient_checkpointing": False}
LORA = {"r": 2, "target_modules": ["q_proj", "v_proj"]}


@pytest.fixture(scope="session")
def trainable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Qwen3-shaped model with dropout, so that random numbers matter to its training."""
    from uptake.models.small.tiny import CHATML, build_model, save, train_tokenizer

    texts = [row["prompt"] + row["completion"] for row in EARLY + MAIN]
    tokenizer = train_tokenizer(texts, 320, chat_template=CHATML)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}
    folder = tmp_path_factory.mktemp("models") / "base"
    save(build_model("qwen3", tokenizer, 0, attention_dropout=0.1, **shape), tokenizer, folder)
    return folder


def write_run(folder: Path, base: Path, **keys: Any) -> Path:
    """A run file and its data: two stages, quick to train, and other keys over that."""
    folder.mkdir(exist_ok=True, parents=True)
    write_rows(folder / "early.jsonl", EARLY)
    write_rows(folder / "main.jsonl", MAIN)
    run = {
        "model_name_or_path": str(base),
        "stages": [
            {"name": "early", "dataset": "./early.jsonl", "num_train_epochs": 2},
            {"name": "main", "dataset": "./main.jsonl", "num_train_epochs": 2},
        ],
        "training": QUICK,
        "output_dir": "./run",
        "device": "cpu",
        "plan": {"pilot": False},  # every cause gets its remedy, however few examples it has
        **keys,
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(run))
    return folder / "run.yaml"


@pytest.fixture
def run_config(trainable: Path, tmp_path: Path) -> Callable[..., RunConfig]:
    """The run's configuration, with keys of its own."""
    return lambda **keys: load_run(write_run(tmp_path, trainable, **keys))


def planned(config: RunConfig) -> list[StagePlan]:
    """The stages of a run as they would be trained."""
    from uptake.pipeline.train.run import planned, training_run

    return planned(training_run(config))[1]


def scheduled(
    config: RunConfig, schedule: Schedule, validation: Sequence[Example] = (), stage: str = "main"
) -> TrainingRun:
    """A run of which a stage follows a schedule."""
    from uptake.pipeline.train.run import training_run

    run = training_run(config)
    stages = [
        replace(spec, schedule=schedule, validation=validation) if spec.name == stage else spec for spec in run.stages
    ]
    return replace(run, stages=tuple(stages))


def one(**keys: Any) -> list[dict[str, Any]]:
    """A single stage of one pass."""
    return [{"name": "main", "dataset": "./main.jsonl", "num_train_epochs": 1, **keys}]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights or the adapter in a folder."""
    from safetensors.torch import load_file

    [file] = folder.glob("*.safetensors")
    return load_file(file)


def same(some: Path, other: Path) -> bool:
    """Whether two folders hold the same weights, bit for bit."""
    import torch

    one, two = weights(some), weights(other)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def files(folder: Path) -> set[str]:
    """All files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def trained(trainable: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, list[Trained]]:
    """Both stages trained, never killed; nobody writes into its folder."""
    from uptake.pipeline.train.run import train_run

    config = load_run(write_run(tmp_path_factory.mktemp("trained"), trainable))
    return config, train_run(config)
