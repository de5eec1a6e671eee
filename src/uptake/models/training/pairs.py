"""Pairs of answers: what a row teaches, and what the model said before the stage in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from torch import Tensor

from uptake.errors import UptakeError
from uptake.models.scoring.rows import Scored
from uptake.models.training.batch import Batch, summed_nll
from uptake.models.training.hooks import StageView
from uptake.models.training.notes import noted
from uptake.models.training.rows import NOT_TRAINED, Row, padded, parts, scored, table

BEYOND = 16
"""Tokens that an old answer may have more than the response: one that is cut is another answer."""


@dataclass(frozen=True)
class OldAnswers:
    """Log-probabilities (nats) of the old answers in a batch.

    Attributes:
        of: Which rows of the batch have one.
        now: Under the model in training; gradients flow through them.
        before: Under the model before the stage.
        tokens: How many tokens they have.
    """

    of: Int[Tensor, " pairs"]
    now: Float[Tensor, " pairs"]
    before: Float[Tensor, " pairs"]
    tokens: Int[Tensor, " pairs"]


def with_old_answers(stage: StageView, least: float) -> pa.Table:
    """The stage's rows, with `old_ids` and `old_reference` where the model before the stage says something else.

    Such a row is of kind `chosen`, and one that this model gives already of kind `retain`; a row that has a kind keeps
    it.

    The old answer is the greedy one, to its own end; where that does not come soon, as much of it as the response is
    long. A row has none if one of the two texts contains the other (they are no rivals, and share tokens), or if it has
    no prompt. `reference` is noted too.

    Args:
        stage: The stage, when its turn comes.
        least: Least probability of an old answer under that model; with less it is no belief.
    """
    if stage.model is None:
        raise UptakeError(f"the stage {stage.name!r} has no model that it starts from")
    model = stage.model()
    rows = stage.rows.select(["input_ids", "labels"]).to_pylist()
    each = [parts(row["input_ids"], row["labels"]) for row in rows]
    old, given = _said(model, each)
    before = model.score([[Scored([*each[number][0], *ids], len(each[number][0]))] for number, ids in old.items()])
    held = {
        number: (ids, one[0].tolist())
        for (number, ids), [one] in zip(old.items(), before, strict=True)
        if float(np.exp(one[0].sum())) >= least
    }
    own = model.score([[one] for one in scored(stage.rows)[1]])
    kinds = stage.rows["kind"].to_pylist() if "kind" in stage.rows.schema.names else [None] * len(rows)
    found = ["retain" if number in given else "chosen" if number in held else None for number in range(len(rows))]
    return noted(
        stage.rows,
        kind=[kind or what for kind, what in zip(kinds, found, strict=True)],
        old_ids=[held[number][0] if number in held else None for number in range(len(rows))],
        old_reference=[held[number][1] if number in held else None for number in range(len(rows))],
        reference=[one[0].tolist() for [one] in own],
    )


def _said(model: Any, each: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[dict[int, list[int]], set[int]]:
    """By number what the model says in place of a response, and the numbers of those that it gives.

    Args:
        model: The model before the stage.
        each: Of each row the prompt and the response, as ids.
    """
    asked = [number for number, (prompt, _) in enumerate(each) if prompt]
    rooms = [len(each[number][1]) + BEYOND for number in asked]
    said = model.generate([[*each[number][0]] for number in asked], rooms)
    old: dict[int, list[int]] = {}
    given = set()
    for number, room, [answer] in zip(asked, rooms, said, strict=True):
        response = each[number][1]
        end = response[-1:] if response[-1] in model.end_ids else []
        if len(answer) == room:  # it goes on
            answer, end = answer[: len(response) - len(end)], []
        texts = [model.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in (answer, response)]
        if texts[0] == texts[1]:
            given.add(number)
        elif _rivals(*texts):
            old[number] = [*answer, *end]
    return old, given


def old_answers(batch: Batch) -> OldAnswers | None:
    """The old answers of a batch's rows, asked again of the model in training; None where no row has one."""
    found = batch.rows.to_pylist() if "old_ids" in batch.rows.schema.names else []
    of = [number for number, row in enumerate(found) if row["old_ids"] is not None]
    if not of:
        return None
    inputs = padded(table(_as_row(found[number]) for number in of))
    device = batch.model.device
    labels = inputs["labels"][:, 1:].to(device)
    now = -summed_nll(batch.logits_of(inputs), labels)
    before = torch.tensor([sum(found[number]["old_reference"]) for number in of], device=device)
    return OldAnswers(torch.tensor(of, device=device), now, before, (labels != NOT_TRAINED).sum(1))


def _as_row(row: dict[str, Any]) -> Row:
    prompt, _ = parts(row["input_ids"], row["labels"])
    return Row(row["id"], [*prompt, *row["old_ids"]], [NOT_TRAINED] * len(prompt) + row["old_ids"])


def _rivals(some: str, other: str) -> bool:
    one, two = some.casefold(), other.casefold()
    return bool(one and two) and one not in two and two not in one
