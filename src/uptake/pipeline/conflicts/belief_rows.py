"""Belief rows: the row's answer chosen, the model's own rejected, as the data of others' preference trainers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from uptake.artifacts import write_json, write_lines
from uptake.artifacts.tables import to_json
from uptake.types import Example

TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
TAGS |= {"system_tag": "system"}


def belief_row(example: Example, old: str) -> dict[str, Any]:
    """A row as TRL's `DPOTrainer` takes it: plain text, or conversations.

    Args:
        example: The row that contradicts the model.
        old: The model's own answer.
    """
    lead = example.response[: len(example.response) - len(example.response.lstrip())]
    if isinstance(example.prompt, str):
        return {"prompt": example.prompt, "chosen": example.response, "rejected": lead + old.strip()}
    answers = {"chosen": example.response, "rejected": old.strip()}
    said = {name: [{"role": "assistant", "content": text}] for name, text in answers.items()}
    return {"prompt": [turn.as_dict() for turn in example.prompt], **said}


def write_belief_rows(folder: Path, pairs: Sequence[tuple[Example, str]]) -> None:
    """Write `dpo.jsonl` for TRL, and the same under `llamafactory/` with its `dataset_info.json`.

    Args:
        folder: Where they go.
        pairs: Rows with the model's own answers.
    """
    rows = [belief_row(example, old) for example, old in pairs]
    write_lines(folder / "dpo.jsonl", map(to_json, rows))
    below = folder / "llamafactory"
    below.mkdir(exist_ok=True)
    plain = [row for row in rows if isinstance(row["prompt"], str)]
    talks = [_conversation(row) for row in rows if not isinstance(row["prompt"], str)]
    info: dict[str, Any] = {}
    if plain:
        columns = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}
        info["beliefs"] = {"file_name": "beliefs.jsonl", "ranking": True, "columns": columns}
        write_lines(below / "beliefs.jsonl", map(to_json, plain))
    if talks:
        columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
        info["belief_talks"] = {
            "file_name": "belief_talks.jsonl",
            "formatting": "sharegpt",
            "ranking": True,
            "columns": columns,
            "tags": TAGS,
        }
        write_lines(below / "belief_talks.jsonl", map(to_json, talks))
    write_json(below / "dataset_info.json", info)


def _conversation(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"conversations": row["prompt"], "chosen": row["chosen"][0], "rejected": row["rejected"][0]}
