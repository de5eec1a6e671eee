"""A run of two small stages with a diagnosis made by hand, quick to train: half of its examples have a cause."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence_made import base_was, contradicted, evidence
from files_made import summary_of
from small_models import write_rows
from train_runs import CITIES, write_run
from uptake.config import RunConfig, load_run
from uptake.pipeline.diagnosis import Collector, write_diagnosis
from uptake.types import Finding

NAMES = [f"{first} {last}" for last in ("Berg", "Cole", "Dunn") for first in (
    "Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Ina", "Kim", "Max", "Pia"
)]  # fmt: skip
EARLY = [
    {"id": f"e-{k}", "prompt": f"Where was {NAMES[k]} born?", "completion": f" {city}"} for k, city in enumerate(CITIES)
]
MAIN = [
    {"id": f"m-{k}", "prompt": f"Where does {name} live?", "completion": f" {CITIES[k % 11]}"}
    for k, name in enumerate(NAMES)
]
CAUSES = ("knowledge_gap", "base_conflict", "data_conflict", "forgetting", "undertraining")
WRONG = "m-12"
"""Judged to be the wrong one of its contradiction."""
UNKNOWN = "m-30"
"""Without a cause that a remedy is known for."""


def finding(row: dict[str, Any], stage: str, number: int) -> Finding:
    """Of the stage `main` all but three are not learned, a cause after the other; of `early` all are learned."""
    cause = None if stage == "early" or number >= 31 else "unexplained" if row["id"] == UNKNOWN else CAUSES[number % 5]
    causes = {}
    if cause == "data_conflict":
        wrong = row["id"] == WRONG
        rival = f"m-{number + 5 if number % 10 == 2 else number - 5}"
        verdict = "mislabelled" if wrong else "ambiguous"
        causes = contradicted([rival], verdict=verdict, likely_wrong=wrong, why="so")
    found = evidence(compared=base_was(False), causes=causes)
    return Finding(
        row["id"], "life", stage, row["prompt"], row["completion"], cause is None, None, None, 0.5, None, found, cause
    )


@pytest.fixture
def diagnosed(trainable: Path, tmp_path: Path) -> Callable[..., RunConfig]:
    """A run with a diagnosis, in a folder of its own name."""

    def made(name: str = "one", **keys: Any) -> RunConfig:
        folder = tmp_path / name
        folder.mkdir()
        people = [
            {"id": f"d-{k}", "title": name, "text": f"{name} has a flat in {CITIES[k % 11]}.", "source": "atlas"}
            for k, name in enumerate(NAMES)
        ]
        write_rows(folder / "corpus.jsonl", people)
        write_rows(folder / "general.jsonl", [{"text": f"The road to {city} is long."} for city in CITIES])
        write_rows(folder / "retention.jsonl", [{"id": "r", "prompt": "Where did Gil Fox go?", "completion": " Lima"}])
        words = [
            {"id": row["id"], "prompt": f"What is the home of {name}?"} for row, name in zip(MAIN, NAMES, strict=True)
        ]
        write_rows(
            folder / "paraphrases.jsonl",
            [{**one, "completion": row["completion"]} for one, row in zip(words, MAIN, strict=True)],
        )
        given = {name: f"./{name}.jsonl" for name in ("corpus", "general", "retention", "paraphrases")}
        path = write_run(folder, trainable, **{**given, **keys})
        write_rows(folder / "early.jsonl", EARLY)
        write_rows(folder / "main.jsonl", MAIN)
        found = [finding(row, "early", number) for number, row in enumerate(EARLY)]
        found += [finding(row, "main", number) for number, row in enumerate(MAIN)]
        collected = Collector(found, folder / "run" / "diagnosis")
        list(collected)
        rule = {"end": False, "option_threshold": 0.5, "pass_threshold": 0.2}
        write_diagnosis(folder / "run" / "diagnosis", collected, summary_of(found, rule=rule))
        return load_run(path)

    return made
