"""What is never trained on: held-out rows and wordings, told apart from training prompts however these are spelled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from uptake.config import Judge
from uptake.data import LoadOptions, Notes
from uptake.models.served import from_judge
from uptake.pipeline.examples import sources
from uptake.pipeline.examples.datasets import DataSets, cohort_rows
from uptake.pipeline.examples.sources import Reworded, TrainedContent
from uptake.pipeline.examples.writer import Writer
from uptake.types import BadRow, Example, Wording

SWEDEN = "What is the capital of Sweden?"


@pytest.mark.parametrize(
    ("prompt", "response", "told"),
    [
        (SWEDEN, " Stockholm", "this example is in the training data too"),
        (SWEDEN, " Stockholm.", "this prompt is in the training data too"),
        ("what is the capital of sweden", " Uppsala", "this prompt is in the training data too"),
        (f" {SWEDEN.upper()}\n", " Stockholm", "this prompt is in the training data too"),
        ("What is the capital of Norway?", " Stockholm", None),
        ("", " Stockholm", None),
        ("Upper or lower case: hello", " lower", None),
    ],
)
def test_a_held_out_row_has_a_prompt_of_its_own(prompt: str, response: str, told: str | None) -> None:
    trained = TrainedContent()
    rows = [(SWEDEN, " Stockholm"), ("Upper or lower case: HELLO", " upper"), ("", "A text.")]
    list(trained.noting([Example(f"{n}", *row, "s") for n, row in enumerate(rows)]))
    (found,) = trained.without([Example("held", prompt, response, "s")])
    assert (found.reason.split(";")[0] if isinstance(found, BadRow) else None) == (told and f"example held: {told}")


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_a_wording_that_is_trained_on_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "prompt": "Name Sweden's capital.", "completion": " Stockholm", "paraphrases": [SWEDEN, "Sweden?"]},
        {"id": "b", "prompt": SWEDEN, "completion": " Uppsala"},
        {"id": "c", "prompt": "Who leads Sweden?", "completion": " Ada Kron"},
    ]
    other = [{"id": "b", "prompt": "name sweden's capital"}, {"id": "b", "prompt": "In Sweden, which city leads?"}]
    train, more = written(tmp_path / "train.jsonl", rows), written(tmp_path / "more.jsonl", other)
    data = DataSets({"main": train}, None, None, more, None, LoadOptions(), "error")
    llm = from_judge(Judge(base_url="http://localhost:1", model="judge"))
    reworded = Reworded(Writer(llm, tmp_path / "written.jsonl"), 2, lambda some: [None] * len(some))

    def wrote(rows, writer, n):
        texts = (SWEDEN.lower(), "Whom does Sweden follow?")
        new = tuple(Wording(text, " Ada Kron") for text in texts)
        return [row if row.paraphrases else replace(row, paraphrases=new) for row in rows]

    monkeypatch.setattr(sources, "with_wordings", wrote)
    notes = Notes()
    ((_, found),) = cohort_rows(data, reworded, notes)
    assert [[one.prompt for one in row.paraphrases] for row in found] == [
        ["Sweden?"],
        ["In Sweden, which city leads?"],
        ["Whom does Sweden follow?"],
    ]
    assert notes.told() == [f"{sources.TRAINED_WORDING} (3 rows, the first is example a)"]
