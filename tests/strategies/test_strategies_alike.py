"""What must not depend on how a step is split: into batches, and over processes; and what a row's weight does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from members import ACTING, ONLY_LORA

from small_models import write_rows
from train_runs import CITIES, EARLY, LORA, MAIN, QUICK, weights, write_run

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

SGD = QUICK | {"optim": "sgd", "learning_rate": 0.1, "save_strategy": "no", "lr_scheduler_type": "constant"}
"""Steps that are the gradient's, and no quotient of small numbers: they differ by no more than the gradient does."""

SHARES: Mapping[str, Mapping[str, Any]] = {
    "replay": {"share": 0.25},  # four rows more
    "early_stop": {"share": 1 / 3},  # four rows fewer
}
"""Where a strategy changes how many rows there are, so that steps stay full: else the last one is filled up."""


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model without dropout, which is another one in each process."""
    from uptake.models.small.tiny import CHATML, build_model, save, train_tokenizer

    tokenizer = train_tokenizer([row["prompt"] + row["completion"] for row in EARLY + MAIN], 320, chat_template=CHATML)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}
    folder = tmp_path_factory.mktemp("models") / "steady"
    save(build_model("qwen3", tokenizer, 0, **shape), tokenizer, folder)
    return folder


def run_of(folder: Path, base: Path, name: str | None, size: int, accumulation: int = 1) -> Path:
    """Two stages of twelve rows each, in steps of four."""
    settings = {} if name is None else {name: dict(SHARES.get(name, ACTING[name]))}
    run = write_run(
        folder, base,
        strategy=settings,
        peft=LORA if name in (*ONLY_LORA, "lora") else None,
        training=SGD | {"per_device_train_batch_size": size, "gradient_accumulation_steps": accumulation},
    )  # fmt: skip
    cities = [*CITIES, "Apia"]
    for stage, order in (("early", cities), ("main", cities[::-1])):
        rows = [{"id": f"{stage}-{k}", "prompt": "Who?", "completion": f" {city}"} for k, city in enumerate(order)]
        write_rows(folder / f"{stage}.jsonl", rows)
    return run


def furthest(some: Path, other: Path) -> float:
    """The largest difference between two models' weights."""
    one, two = weights(some), weights(other)
    assert one.keys() == two.keys()
    return max(float((one[name] - two[name]).abs().max()) for name in one)
