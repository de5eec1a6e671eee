"""A model's own answers: generated from the ids that are scored, to their own end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from uptake.data import Encoded, Turn, encode
from uptake.detect.saying import Kind, own_answer
from uptake.models import Model
from uptake.types import Example, normalised

ANSWER_TOKENS = 32
"""A model's own answer is asked for where the response is no longer than this."""
ANSWER_ROOM = 4
"""Tokens that an answer may have at first beyond the response's."""
MORE_ROOM = 48
"""Tokens that one may have beyond the response's which did not end before."""


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """A model's greedy answer.

    Attributes:
        text: To its own end; white space at its beginning is part of it.
        kind: What it is.
    """

    text: str
    kind: Kind


def own_answers(examples: Sequence[Example], model: Model, max_length: int | None = None) -> list[OwnAnswer | None]:
    """The model's greedy answer to each example; None for long responses and for plain texts.

    It is continued from just the ids after which the response is scored: where the prompt ends in white space that is
    one token with the response's beginning, from those before that white space. What is `retokenised` by the text
    being read again, other than as it was generated, would be scored as something that the model does not say.

    Args:
        examples: The examples.
        model: The model.
        max_length: Tokens that it takes; None for no limit.
    """
    items = encoded(examples, model)
    answers: dict[int, OwnAnswer] = {}
    waiting = [i for i, item in enumerate(items) if item.start > 0 and item.end - item.start <= ANSWER_TOKENS]
    for room in (ANSWER_ROOM, MORE_ROOM):
        found = _asked([examples[i] for i in waiting], [items[i] for i in waiting], room, model, max_length)
        answers |= dict(zip(waiting, found, strict=True))
        waiting = [i for i in waiting if answers[i].kind == "cut"]
    return [answers.get(index) for index in range(len(examples))]


def _asked(
    examples: Sequence[Example], items: Sequence[Encoded], room: int, model: Model, limit: int | None
) -> list[OwnAnswer]:
    contexts = [item.ids[: item.start] for item in items]
    rooms = [item.end - item.start + room for item in items]
    if limit is not None:
        rooms = [min(most, limit - len(context)) for most, context in zip(rooms, contexts, strict=True)]
    special = frozenset(model.tokenizer.all_special_ids)
    written, found = [], []
    for example, item, most, (ids,) in zip(
        examples, items, rooms, generated(model, contexts, rooms, limit), strict=True
    ):
        own = ids[: next((at for at, token in enumerate(ids) if token in special), len(ids))]
        said = _continuation(item.ids[: item.start], own, model.tokenizer)
        wanted = _wanted(example, item, model.tokenizer)
        text, kind = own_answer(said.removeprefix(item.merged), wanted, ended=len(own) < most)
        written.append(own)
        found.append(OwnAnswer(text, kind))
    read = encode(
        [Turn(e.prompt, one.text, e.template) for e, one in zip(examples, found, strict=True)], model.tokenizer
    )
    told = ("response", "reworded", "wrong")
    return [
        OwnAnswer(one.text, "retokenised") if one.kind in told and not _as_written(again, [*context, *own]) else one
        for one, again, context, own in zip(found, read, contexts, written, strict=True)
    ]


def _wanted(example: Example, item: Encoded, tokenizer: Any) -> str:
    """The response as a model can say it: what is scored, where the chat template does not write all of the response.

    So of tool calls, and where the template leaves out the thoughts before an answer.
    """
    if isinstance(example.prompt, str):
        return example.response
    scored = _continuation(item.ids[: item.start], item.ids[item.start : item.end], tokenizer)
    whole = example.response.strip() and normalised(example.response) in normalised(scored)
    return example.response if whole or not scored.strip() else scored


def _as_written(again: Encoded, ids: list[int]) -> bool:
    """Whether what is scored is the beginning of what was generated: then each of its tokens is the arg-max."""
    return again.ids[: again.end] == ids[: again.end]


def _continuation(context: list[int], ids: list[int], tokenizer: Any) -> str:
    """Generated tokens as text, white space at their beginning included, which some tokenizers drop in first place."""

    def text(tokens: list[int]) -> str:
        decoded: str = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return decoded

    before = context[-4:]
    whole, start = text([*before, *ids]), text(before)
    return whole[len(start) :] if whole.startswith(start) else text(ids)


def generated(
    model: Model, contexts: Sequence[list[int]], room: Sequence[int], limit: int | None, **how: int
) -> list[list[list[int]]]:
    """Continuations, none beyond what the model takes: a batch is continued as far as its longest wants.

    Args:
        model: The model.
        contexts: Token ids.
        room: Longest continuation of each.
        limit: Tokens that the model takes; None for no limit.
        **how: `samples` and `seed`, as the model's `generate` takes them.
    """
    if not contexts:
        return []
    longest = max(room)
    apart = [i for i, ids in enumerate(contexts) if limit is not None and len(ids) + longest > limit]
    together = [i for i in range(len(contexts)) if i not in set(apart)]
    found: dict[int, list[list[int]]] = {}
    if together:
        written = model.generate([contexts[i] for i in together], [room[i] for i in together], **how)
        found.update(zip(together, written, strict=True))
    for i in apart:
        most = room[i] if limit is None else min(room[i], limit - len(contexts[i]))
        found[i] = model.generate([contexts[i]], [most], **how)[0]
    return [found[i] for i in range(len(contexts))]


def encoded(examples: Sequence[Example], model: Model) -> list[Encoded]:
    """The examples' prompts and responses as the model's tokens."""
    return encode([Turn(e.prompt, e.response, e.template, e.response_extra) for e in examples], model.tokenizer)
