"""Who says a row again: the model before the stage, or one on an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from uptake.data import Turn, encode
from uptake.models import Model
from uptake.models.served import DATA_ONLY, LLM, NoAnswer, Passages, complete_json
from uptake.models.training.notes import noted
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.strategies.augmented import Recipe, Rewritten, Write

ASKED: Mapping[Recipe, str] = {
    "paraphrase": "Say this in other words, in one sentence. Keep the names, and end with the same words:",
    "background": "Write two sentences of an encyclopaedia that say this, and what goes with it:",
    "logic": "Write one sentence that follows from this, and that names what it is about and its last words:",
}
"""What a model is asked; the fact follows."""
ROOM = 64
"""Tokens that a text may have."""


def by_itself(model: Model, n: int, seed: int) -> Write:
    """A model writes its own texts: a greedy one and n - 1 samples of each; in a chat where it has a template."""

    def write(recipe: Recipe, facts: Sequence[str]) -> list[list[str]]:
        contexts = [_context(model.tokenizer, f"{ASKED[recipe]} {fact}") for fact in facts]
        rooms = [ROOM] * len(contexts)
        found = model.generate(contexts, rooms)
        more = model.generate(contexts, rooms, samples=n - 1, seed=seed) if n > 1 else [[] for _ in contexts]
        texts = [[*first, *others] for first, others in zip(found, more, strict=True)]
        return [[model.tokenizer.decode(ids, skip_special_tokens=True) for ids in each] for each in texts]

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
            asked = f"{DATA_ONLY} Write `n` different texts. {ASKED[recipe]} `fact`."
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
