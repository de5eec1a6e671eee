"""What became of a stage's rows in the model that it trained: right now, still as before, or neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from uptake.artifacts.ledger_files import name_in
from uptake.ledger import read_ledger
from uptake.pipeline.asking.answers import Answer, Asking, Respondent, ask_base
from uptake.pipeline.conflicts.asking import draw
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.probe import question
from uptake.spans import answer_words, same, told
from uptake.stream.knowledge import knowledge, updates
from uptake.types import Example, normalised

BECAME = {
    "right": "conflicts that are answered as the rows say",
    "old": "still answered as before",
    "neither": "answered otherwise",
    "moved": "neighbours that were right and are wrong now",
    "adopted": "conflicts that were recalled during training",
}
"""What is told of the conflicts, in words."""


def outcome(
    rows: Sequence[Mapping[str, Any]],
    cohort: Cohort,
    beside: Callable[[Sequence[str]], Cohort],
    model: Respondent,
    asking: Asking,
    progress: Progress,
) -> dict[str, Any]:
    """Ask the model after the stage about the same rows, and about the neighbours of conflicts.

    Args:
        rows: The table of the stage's conflicts, in the cohort's order.
        cohort: The stage's rows.
        beside: Makes a cohort of rows of the retention set, by their ids.
        model: The model after the stage.
        asking: How it is asked.
        progress: Told after each part of the work.

    Returns:
        `after.json`: of all rows accuracy, KGR and KRR with their null; of the conflicts what is right, old, neither,
        and how many neighbours moved; each with its interval, None where there is nothing to take it of.
    """
    answers = list(ask_base(cohort, model, draw, asking, progress))
    known = answer_words(one.response for one in cohort)
    asked = [number for number, row in enumerate(rows) if row["meets"] is not None]
    right = [answer.freely(example.response) for example, answer in zip(cohort, answers, strict=True)]
    examples = list(cohort)
    against = [number for number in asked if rows[number]["meets"] == "conflict"]
    old = [says(examples[number], answers[number], rows[number]["old"], known) for number in against]
    near = {(one["stage"], one["id"]) for number in against for one in rows[number]["neighbours"]}
    own = {(one.stage, one.id) for one in examples}
    pairs = zip(examples, rows, right, strict=True)
    kept = [is_right for one, row, is_right in pairs if (one.stage, one.id) in near and row["freely"]]
    if others := sorted(name for _, name in near - own):  # all of these were right when they were chosen
        cohort = beside(others)
        found = ask_base(cohort, model, draw, asking, progress)
        kept += [answer.freely(one.response) for one, answer in zip(cohort, found, strict=True)]
    before = np.array([rows[number]["freely"] for number in asked], dtype=bool)
    now = np.array([right[number] for number in asked], dtype=bool)
    greedy = knowledge(before, now)
    sampled = knowledge(before, now, np.array([rows[number]["p_own"] for number in asked]).clip(0, 1))
    return {
        "model": model.model.name,
        "n": len(asked),
        "knowledge": asdict(greedy),
        "null_of_one_sample": {name: _told(getattr(sampled, name)) for name in ("gained_null", "kept_null")},
        "conflicts": asdict(updates([right[number] for number in against], old, kept)),
    }


def _told(interval: Any) -> Any:
    return None if interval is None else asdict(interval)


def says(example: Example, answer: Answer, old: str | None, known: frozenset[str]) -> bool:
    """Whether a free answer tells the old one."""
    if not old or not answer.answer:
        return False
    if normalised(answer.answer) == normalised(old):
        return True
    asked = question(example)
    return same(told(answer.answer, asked, old, known), told(old, asked, old, known))


def adopted_in(output_dir: Path, stage: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """After how many exposures the conflicts were first recalled, by the ledger of the stage; {} without one.

    Args:
        output_dir: The run's folder.
        stage: The stage.
        rows: The table of the stage's conflicts.
    """
    import pyarrow.compute as pc

    if not (output_dir / "ledger" / stage).is_dir():
        return {}
    table = read_ledger(output_dir).table
    table = table.filter(pc.equal(table["stage"], stage))
    first: dict[str, int] = {}
    seen: dict[str, int] = {}
    counted: dict[str, int] = {}
    columns = (table[one].to_pylist() for one in ("id", "pass", "step", "recalled"))
    for name, kind, step, recalled in zip(*columns, strict=True):
        again = kind == "train" and counted.get(name) == step  # another copy in the same step
        if recalled:  # a reading from the training forward comes before that exposure's update
            first.setdefault(name, seen.get(name, 0) - again)
        seen[name] = seen.get(name, 0) + (kind == "train" and not again)
        counted[name] = step if kind == "train" else counted.get(name, -1)
    exposures = [first.get(name_in(seen, row["id"], stage)) for row in rows if row["meets"] == "conflict"]
    told = updates([False] * len(exposures), [False] * len(exposures), (), exposures)
    return {"exposures": told.exposures, "adopted": _told(told.adopted)}
