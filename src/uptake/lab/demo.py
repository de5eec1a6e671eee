"""The demo's material: a small base model that was told some real facts, and a fine-tune on those and on new ones.

What comes of it, as recall in the training wording: the base knows all it was told (1.00) and a tenth of the rest, by
the odds of the answers. The fine-tune is short and hot on purpose: it keeps the told facts that it repeats (0.99),
learns most of the new ones (0.74; 0.63 in held-out wordings), and loses a quarter of the told ones that it does not
repeat (0.74).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from uptake.artifacts import write_bytes
from uptake.types import Example

MODEL: Mapping[str, Any] = {"hidden_size": 128, "num_hidden_layers": 2, "max_position_embeddings": 256}
VOCAB_SIZE = 2048
PRETRAINING: Mapping[str, Any] = {"steps": 700, "batch_size": 64, "learning_rate": 3e-3, "seed": 0}
FINE_TUNING: Mapping[str, Any] = {
    "num_train_epochs": 2,
    "per_device_train_batch_size": 16,
    "learning_rate": 2e-3,
    "gradient_checkpointing": False,
    "disable_tqdm": True,
    "seed": 0,
}


@dataclass(frozen=True, slots=True)
class DemoPaths:
    """Where the demo's material lies.

    Attributes:
        base: Model directory before fine-tuning.
        tuned: Model directory after it.
        dataset: The examples it was fine-tuned on; ids that begin with `told-` are of facts the base was told.
        heldout: Examples of facts that neither model was told.
        retention: Examples of facts that the base was told and the fine-tune did not repeat.
    """

    base: Path
    tuned: Path
    dataset: Path
    heldout: Path
    retention: Path


def build(out: Path, progress: Callable[[str, int, int], None] | None = None) -> DemoPaths:
    """Make the demo's models and data under `out`; what is there already is kept.

    Args:
        out: Directory, created if absent.
        progress: Called with what is being done, the steps done and the steps in all.

    Raises:
        UptakeError: `out` cannot be written.
    """
    # torch and its family take seconds to import
    from uptake.models.pretrain import PretrainSettings, one_thread
    from uptake.models.tiny import pretrain_file
    from uptake.models.train import fine_tune

    tell = progress or (lambda what, done, total: None)
    for name in ("pretrain.txt", "train.jsonl", "heldout.jsonl", "retention.jsonl"):
        write_bytes(out / name, files("uptake.lab").joinpath("facts", name).read_bytes())
    paths = DemoPaths(out / "base", out / "tuned", out / "train.jsonl", out / "heldout.jsonl", out / "retention.jsonl")
    with one_thread():
        if not paths.base.exists():
            pretrain_file(
                out / "pretrain.txt",
                paths.base,
                vocab_size=VOCAB_SIZE,
                settings=PretrainSettings(**PRETRAINING),
                progress=lambda report: tell("pre-training the base", report.step, report.steps),
                config=MODEL,
            )
        if not paths.tuned.exists():
            tell("fine-tuning", 0, 1)
            fine_tune(paths.base, _examples(paths.dataset), paths.tuned, FINE_TUNING)
            tell("fine-tuning", 1, 1)
    return paths


def _examples(path: Path) -> list[Example]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Example(row["id"], row["prompt"], row["completion"], row["source"]) for row in rows]
