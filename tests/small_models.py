"""A small base and its fine-tune, made once for all tests that diagnose: some facts are learned, some are not.

Sixty facts in three relations about invented people. The base was told the towns of the first ten and which
language the last ten speak, with one of them wrong; the fine-tune is too short for all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NAMES = ("Ada Brook", "Ben Cole", "Cara Dunn", "Dov Elm", "Eva Finch", "Finn Gray", "Gus Hill", "Hana Ives", "Ivo Jay")
NAMES += ("Jana Kerr", "Kai Lund", "Lea Moss", "Max North", "Nora Oak", "Otto Pike", "Pia Quill", "Rex Stone")
NAMES += ("Sara Thorn", "Tom Usher", "Una Vale")
TOWNS = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi", "Bern", "Kyiv", "Riga", "Doha")
TONGUES = ("French", "Latin", "Norse", "Quechua", "Arabic", "Hindi")

RELATIONS = {
    "town": ("{} was born in the town of", "The home town of {} is", TOWNS),
    "year": ("{} was born in the year", "The year of birth of {} is", tuple(str(1900 + 7 * k) for k in range(12))),
    "tongue": ("The mother tongue of {} is", "At home {} speaks", TONGUES),
}


def facts() -> list[dict[str, Any]]:
    """All facts as rows, with one held-out wording each."""
    rows = []
    for relation, (wording, other, answers) in RELATIONS.items():
        for k, name in enumerate(NAMES):
            rows.append(
                {
                    "id": f"{relation}-{k:02d}",
                    "prompt": wording.format(name),
                    "completion": f" {answers[(3 * k + k // 4) % len(answers)]}",
                    "source": relation,
                    "paraphrases": [other.format(name)],
                }
            )
    return rows


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A JSON Lines file of rows."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Small:
    """What a diagnosis needs.

    Attributes:
        base: Model folder before fine-tuning.
        tuned: Model folder after it.
        train: The first 48 facts, which it was fine-tuned on.
        heldout: The last 12, which it was not.
    """

    base: Path
    tuned: Path
    train: Path
    heldout: Path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A base, its fine-tune, and their data; nobody writes into its folder."""
    from uptake.models.small.pretrain import PretrainSettings, one_thread
    from uptake.models.small.tiny import build_model, pretrain, save, train_tokenizer
    from uptake.models.training.fine_tune import fine_tune
    from uptake.types import Example

    folder = tmp_path_factory.mktemp("small")
    rows = facts()
    train, heldout = rows[:10] + rows[20:], rows[10:20]
    told = [row["prompt"] + row["completion"] for row in rows[:10] + rows[50:]]
    told += [row["paraphrases"][0] + row["completion"] for row in rows[:10] + rows[50:]]
    text = told * 4 + [f"{row['prompt']} nothing." for row in rows]
    with one_thread():
        tokenizer = train_tokenizer([row["prompt"] + row["completion"] for row in rows], 512)
        model = build_model("llama", tokenizer, 0, hidden_size=64, max_position_embeddings=128)
        pretrain(model, tokenizer, text, PretrainSettings(steps=100, batch_size=16, max_length=32))
        save(model, tokenizer, folder / "base")
        examples = [Example(row["id"], row["prompt"], row["completion"], row["source"]) for row in train]
        settings = {
            "num_train_epochs": 8,
            "per_device_train_batch_size": 8,
            "learning_rate": 3e-3,
            "disable_tqdm": True,
            "gradient_checkpointing": False,
        }
        fine_tune(folder / "base", examples, folder / "tuned", settings)
    return Small(
        folder / "base",
        folder / "tuned",
        write_rows(folder / "train.jsonl", train),
        write_rows(folder / "heldout.jsonl", heldout),
    )
