"""A model's own answers: generated from the ids that are scored, to their own end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from uptake.data import Encoded, Turn, encode
from uptake.detect.saying import TOLD, Kind, own_answer
from uptake.models import Model, where_it_is
from uptake.types import Example, normalised

ANSWER_TOKENS = 32
"""A model's own answer is asked for where the response is no longer than this."""
LOOKS = (4, 12, 24, 48)
"""Tokens beyond the response's at which it is looked whether an answer has come to its end; more it does not get."""


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
    return where_it_is(model, _own_answers, examples, max_length)


def _own_answers(examples: Sequence[Example], max_length: int | None, model: Model) -> list[OwnAnswer | None]:
    items = encoded(examples, model)
    wanted = [i for i, item in enumerate(items) if item.start > 0 and item.end - item.start <= ANSWER_TOKENS]
    asked = [_Awaited.of(examples[i], items[i], model.tokenizer, max_length) for i in wanted]

    def enough(index: int, ids: Sequence[int]) -> bool:
        return asked[index].enough(ids)

    rooms = [one.looks[-1] for one in asked]
    written = generated(model, [one.context for one in asked], rooms, max_length, enough=enough)
    found = [one.read(ids) for one, (ids,) in zip(asked, written, strict=True)]
    turns = [
        Turn(one.example.prompt, said.text, one.example.template) for one, (said, _) in zip(asked, found, strict=True)
    ]
    read = encode(turns, model.tokenizer)
    answers: list[OwnAnswer | None] = [None] * len(examples)
    for index, one, (said, own), again in zip(wanted, asked, found, read, strict=True):
        differs = said.kind in TOLD and not _as_written(again, [*one.context, *own])
        answers[index] = OwnAnswer(said.text, "retokenised") if differs else said
    return answers


@dataclass(frozen=True)
class _Awaited:
    """An answer that is being written.

    Attributes:
        example: The example.
        context: Token ids that it continues.
        looks: How many tokens it may have until it is looked at, the last one being all that it may have.
        merged: White space of the prompt that is written again.
        wanted: The response as a model can say it.
        special: Token ids after which nothing is an answer.
        tokenizer: The model's.
    """

    example: Example
    context: list[int]
    looks: tuple[int, ...]
    merged: str
    wanted: str
    special: frozenset[int]
    tokenizer: Any

    @classmethod
    def of(cls, example: Example, item: Encoded, tokenizer: Any, limit: int | None) -> _Awaited:
        """The answer to an example, within what the model takes."""
        context, response = item.ids[: item.start], item.end - item.start
        most = response + LOOKS[-1] if limit is None else min(response + LOOKS[-1], limit - len(context))
        looks = (*(response + more for more in LOOKS if response + more < most), most)
        wanted = _wanted(example, item, tokenizer)
        return cls(example, context, looks, item.merged, wanted, frozenset(tokenizer.all_special_ids), tokenizer)

    def enough(self, ids: Sequence[int]) -> bool:
        """Whether it needs no more tokens: it has come to an end that can be judged."""
        if ids[-1] in self.special:
            return True
        return len(ids) in self.looks and self._judged(list(ids), ended=False).kind != "cut"

    def read(self, ids: list[int]) -> tuple[OwnAnswer, list[int]]:
        """What it is when it is first looked at after its end, and its tokens until then."""
        own = ids[: next((at for at, token in enumerate(ids) if token in self.special), len(ids))]
        for most in self.looks:
            until = own[:most]
            answer = self._judged(until, ended=len(own) < most)
            if answer.kind != "cut" or len(own) < most:
                break
        return answer, until

    def _judged(self, ids: list[int], *, ended: bool) -> OwnAnswer:
        said = continuation(self.context, ids, self.tokenizer)
        return OwnAnswer(*own_answer(said.removeprefix(self.merged), self.wanted, ended=ended))


def _wanted(example: Example, item: Encoded, tokenizer: Any) -> str:
    """The response as a model can say it: what is scored, where the chat template does not write all of the response.

    So of tool calls, and where the template leaves out the thoughts before an answer.
    """
    if isinstance(example.prompt, str):
        return example.response
    scored = continuation(item.ids[: item.start], item.ids[item.start : item.end], tokenizer)
    whole = example.response.strip() and normalised(example.response) in normalised(scored)
    return example.response if whole or not scored.strip() else scored


def _as_written(again: Encoded, ids: list[int]) -> bool:
    """Whether what is scored is the beginning of what was generated: then each of its tokens is the arg-max."""
    return again.ids[: again.end] == ids[: again.end]


def continuation(context: list[int], ids: list[int], tokenizer: Any) -> str:
    """Generated tokens as text, white space at their beginning included, which some tokenizers drop in first place."""

    def text(tokens: list[int]) -> str:
        decoded: str = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return decoded

    before = context[-4:]
    whole, start = text([*before, *ids]), text(before)
    return whole[len(start) :] if whole.startswith(start) else text(ids)


def generated(
    model: Model, contexts: Sequence[list[int]], room: Sequence[int], limit: int | None, **how: Any
) -> list[list[list[int]]]:
    """Continuations, none beyond what the model takes.

    Args:
        model: The model.
        contexts: Token ids.
        room: Longest continuation of each.
        limit: Tokens that the model takes; None for no limit.
        **how: `samples`, `seed` and `enough`, as the model's `generate` takes them.
    """
    if limit is not None:
        room = [min(most, limit - len(context)) for most, context in zip(room, contexts, strict=True)]
    return model.generate(contexts, room, **how)


def encoded(examples: Sequence[Example], model: Model) -> list[Encoded]:
    """The examples' prompts and responses as the model's tokens."""
    return encode([Turn(e.prompt, e.response, e.template, e.response_extra) for e in examples], model.tokenizer)
