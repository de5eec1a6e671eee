"""Rows of earlier stages with what the model recalled of each when its own stage ended, and recalls of it now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from uptake.errors import UptakeError
from uptake.models.training.hooks import StageView
from uptake.models.training.memory import Memory
from uptake.models.training.notes import joined
from uptake.models.training.recall import recalled_before, recalled_in_training
from uptake.models.training.rows import NOT_TRAINED
from uptake.strategies.replay.replay import earlier, sample


@dataclass(frozen=True)
class Recalled:
    """Kept rows, and what became of them.

    Attributes:
        rows: The rows, of all stages, those left out that a later stage contradicts.
        stage: The number of each row's stage.
        then: It was recalled when its own stage ended.
        asked: The model was asked about it now; of others nothing is known.
        now: It is recalled by the model that the stage starts from.
        rise: By how many nats a token it is less probable now than then.
    """

    rows: pa.Table
    stage: Any
    then: Bool[np.ndarray, " rows"]
    asked: Bool[np.ndarray, " rows"]
    now: Bool[np.ndarray, " rows"]
    rise: Float[np.ndarray, " rows"]

    @property
    def lost(self) -> Bool[np.ndarray, " rows"]:
        """Recalled then, and not now."""
        return self.asked & self.then & ~self.now

    @property
    def urgency(self) -> Float[np.ndarray, " rows"]:
        """How much a row has to come again: 1 and more for a lost one, less for one that is nearly lost, 0 for none.

        What was never recalled has none: it may be too hard, or wrong.
        """
        near = np.clip(self.rise, 0.0, 1.0)
        return np.where(self.asked & self.then, self.lost + near, 0.0)


def keep_recalled(model: Any, stage: StageView, memory: Memory, most: int) -> None:
    """At a stage's end: keep some of its rows, and what the model recalls of them."""
    rows = sample(stage, most)
    nll, right = recalled_in_training(model, rows)
    memory.keep(str(stage.number), rows)
    memory.keep(f"then.{stage.number}", pa.table({"nll": nll, "right": right}))


def recalled(stage: StageView, memory: Memory, most: int) -> Recalled | None:
    """Before a stage: what the model recalls of what is kept; None where nothing is.

    Args:
        stage: The stage.
        memory: What `keep_recalled` kept in.
        most: How many rows it is asked about, drawn alike from all.
    """
    numbers = [number for number in range(stage.number) if memory.table(str(number)) is not None]
    tables = [one for one in earlier(stage, memory)]
    if not any(len(one) for one in tables):
        return None
    if stage.model is None:
        raise UptakeError(f"the stage {stage.name!r} has no model that it starts from")
    then = pa.concat_tables([memory.table(f"then.{number}") for number in numbers])
    places = np.repeat(numbers, [len(one) for one in tables])
    rows = joined(tables)
    left = np.flatnonzero(~superseded(rows, places))
    rows, places = rows.take(left), places[left]
    drawn = np.random.default_rng([stage.seed, stage.number, 2]).permutation(len(left))[:most]
    nll, right = recalled_before(stage.model(), rows.take(drawn))
    nll_then, right_then = (then[name].to_numpy()[left] for name in ("nll", "right"))
    asked, now, rise = np.zeros(len(left), bool), np.zeros(len(left), bool), np.zeros(len(left))
    asked[drawn], now[drawn], rise[drawn] = True, right, nll - nll_then[drawn]
    return Recalled(rows, places, right_then.astype(bool), asked, now, rise)


def superseded(rows: pa.Table, stage: Any) -> Bool[np.ndarray, " rows"]:
    """Which rows a later stage contradicts: it asks the same and gives another response.

    Args:
        rows: A table of `uptake.models.training.rows.ROWS`.
        stage: The number of each row's stage.
    """
    asked: dict[tuple[int, ...], tuple[int, set[tuple[int, ...]]]] = {}
    parts = []
    for ids, labels, number in zip(rows["input_ids"].to_pylist(), rows["labels"].to_pylist(), stage, strict=True):
        start = next((place for place, label in enumerate(labels) if place and label != NOT_TRAINED), len(ids))
        prompt, response = tuple(ids[:start]), tuple(ids[start:])
        parts.append((prompt, response, number))
        last, said = asked.get(prompt, (-1, set()))
        if number >= last:
            asked[prompt] = (number, {response} if number > last else said | {response})
    return np.array([number < asked[p][0] and r not in asked[p][1] for p, r, number in parts], bool)
