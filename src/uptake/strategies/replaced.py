"""What a stage replaces: general text and rows of earlier stages that still tell it, which are then not trained."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Int
from torch import Tensor

from uptake.models.training.hooks import StageView
from uptake.models.training.memory import Memory
from uptake.models.training.notes import joined
from uptake.models.training.pools import Pool
from uptake.models.training.recall import answers, superseded
from uptake.models.training.rows import NOT_TRAINED, parts
from uptake.strategies.replay.replay import sample

RARE = 0.1
"""Share of the rows from which on a token of their prompts is no part of a name."""


def contradicted(texts: Tensor, rows: pa.Table, ends: Collection[int]) -> Tensor:
    """Which texts tell an old answer that the rows are to replace: to hold these would hold what must go.

    A text tells it where it has the answer's tokens in their order, and most of those of the prompt that few others of
    the rows have: its name.

    Args:
        texts: Token ids, a text a line.
        rows: Of a stage; `old_ids` where another strategy has noted them.
        ends: Tokens that end an answer, which no text needs to have behind it.

    Returns:
        One truth value a text.
    """
    found = torch.zeros(len(texts), dtype=torch.bool)
    if "old_ids" not in rows.schema.names:
        return found
    lines = rows.select(["input_ids", "labels", "old_ids"]).to_pylist()
    prompts = [
        {one for one, label in zip(row["input_ids"], row["labels"], strict=True) if label == NOT_TRAINED}
        for row in lines
    ]
    common = Counter(one for prompt in prompts for one in prompt)
    pairs = [
        (
            {one for one in prompt if common[one] <= max(1, RARE * len(lines))},
            row["old_ids"][:-1] if len(row["old_ids"]) > 1 and row["old_ids"][-1] in ends else row["old_ids"],
        )
        for prompt, row in zip(prompts, lines, strict=True)
        if row["old_ids"]
    ]
    for number, text in enumerate(texts.tolist()):
        has, line = set(text), f" {' '.join(map(str, text))} "
        found[number] = any(
            2 * len(name & has) > len(name) and f" {' '.join(map(str, old))} " in line for name, old in pairs
        )
    return found


def without_contradicted(pool: Pool, rows: pa.Table) -> Pool:
    """A pool that draws no row that one of the stage contradicts: the same prompt with another response.

    In its turn the next one comes that none contradicts.
    """
    asked = {prompt: response for prompt, response in _parts(rows) if prompt}
    stand = [
        number for number, (prompt, response) in enumerate(_parts(pool.rows)) if asked.get(prompt, response) == response
    ]
    if len(stand) == len(pool.rows):
        return pool

    def draw(epoch: int) -> list[int]:
        free: list[int] = []
        found = []
        for number in pool.draw(epoch) if stand else ():
            free = free or list(stand)
            found.append(free.pop(bisect_left(free, number) % len(free)))
        return found

    return Pool(pool.rows, draw)


def keep_sample(stage: StageView, memory: Memory, most: int) -> pa.Table:
    """At a stage's end: keep and give some of its rows; of all of them digests of what they answer are kept."""
    memory.keep(f"answers.{stage.number}", answers(sample(stage, len(stage.rows))))
    memory.keep(str(stage.number), rows := sample(stage, most))
    return rows


def holding(stage: StageView, memory: Memory) -> Int[np.ndarray, " left"]:
    """Places, in `earlier`'s tables one after the other, of rows that no later stage contradicts, nor this one."""
    kept = {number: one for number in range(stage.number) if (one := memory.table(str(number))) is not None}
    if not kept:
        return np.zeros(0, np.int64)
    said = {number: one for number in kept if (one := memory.table(f"answers.{number}")) is not None}
    said[stage.number] = answers(stage.rows)
    numbers = np.repeat([*kept], [*map(len, kept.values())])
    return np.flatnonzero(~superseded(joined([*kept.values()]), numbers, said))


def _parts(rows: pa.Table) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    return map(parts, rows["input_ids"].to_pylist(), rows["labels"].to_pylist())
