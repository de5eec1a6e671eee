"""Who says a row again: the model before the stage, or one on an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from uptake.data import Turn, encode
from uptake.models import Model
from uptake.models.served import DATA_ONLY, LLM, NoAnswer, Passages, complete_json
from uptake.models.training.notes import noted
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.strategies.augmented import ASKED, Recipe, Rewritten, Write

ROOM = 64
"""Tokens that a text may have."""


def by_itself(model: Model, n: int, seed: int) -> Write:
    """A model writes its own texts, in a chat where it has a template.

    Of each fact a greedy one for each way to ask; only what is wanted beyond these is sampled: a small model that
    samples seldom says the fact.
    """

    def write(recipe: Recipe, facts: Sequence[str]) -> list[list[str]]:
        texts: list[list[str]] = [[] for _ in facts]
        ways = ASKED[recipe][:n]
        for place, way in enumerate(ways):
            contexts = [_context(model.tokenizer, f"{way} {fact}") for fact in facts]
            rooms = [ROOM] * len(contexts)
            found = model.generate(contexts, rooms)
            if more := (n - 1 - place) // len(ways):
                drawn = model.generate(contexts, rooms, samples=more, seed=seed + place)
                found = [[*first, *others] for first, others in zip(found, drawn, strict=True)]
            for of, each in zip(texts, found, strict=True):
                of += [str(model.tokenizer.decode(ids, skip_special_tokens=True)) for ids in each]
        return texts

    return write


def _context(tokenizer: Any, text: str) -> list[int]:
    if tokenizer.chat_template is None:
        ids: list[int] = tokenizer.encode(f"{text}\n", add_special_tokens=False)
        return ids
    asked = [{"role": "user", "content": text}]
    rendered = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    chat: list[int] = tokenizer.encode(rendered, add_special_tokens=False)
    return chat


def by_server(llm: LLM, n: int) -> Write:
    """A model on a server writes up to n texts of each; where it does not answer as asked there are none."""

    def one(recipe: Recipe, fact: str) -> list[str]:
        try:
            asked = f"{DATA_ONLY} Write `n` different texts. {ASKED[recipe][0]} `fact`."
            return complete_json(llm, asked, {"fact": fact, "n": n}, Passages).passages[:n]
        except NoAnswer:
            return []

    return lambda recipe, facts: [one(recipe, fact) for fact in facts]


def as_rows(kept: Sequence[Rewritten], tokenizer: Any) -> pa.Table:
    """Texts as training rows, of kind `rewritten`; ids name the row, the recipe and the text's number."""
    turns = encode([Turn(one.prompt, one.response) for one in kept], tokenizer)
    names = [f"{one.of.id}: {one.recipe} {number}" for number, one in enumerate(kept)]
    rows = [
        Row(name, turn.ids, [NOT_TRAINED] * turn.start + turn.ids[turn.start :])
        for name, turn in zip(names, turns, strict=True)
    ]
    return noted(table(rows), kind=["rewritten"] * len(rows), source=[one.of.source for one in kept])
