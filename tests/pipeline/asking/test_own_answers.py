"""A model's own answers are generated from the ids that are scored: what greedy decoding gives is its arg-max."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sharp import tokenizer_of
from small_models import Small, facts
from uptake.data import Turn, encode
from uptake.models import Enough
from uptake.models.scoring.lazy import resolve
from uptake.models.small.tiny import CHATML
from uptake.pipeline.asking.own_answers import LOOKS, OwnAnswer, own_answers
from uptake.score import score
from uptake.types import Candidate, Example, Message, Probe, WordingName


class Scripted:
    """Writes what it is told to, whatever it is asked, and then ends; or stops where it is told that it is enough."""

    def __init__(self, tokenizer: Any, text: str, *, heeds: bool = True) -> None:
        self.tokenizer, self.heeds = tokenizer, heeds
        self.ids = tokenizer(text)["input_ids"]
        self.written: list[int] = []
        self.contexts: list[list[int]] = []

    def generate(
        self, contexts: Sequence[list[int]], max_new_tokens: Sequence[int], *, enough: Enough
    ) -> list[list[list[int]]]:
        self.contexts += contexts
        answers = []
        for index, room in enumerate(max_new_tokens):
            ids = self.ids[:room]
            ends = (n for n in range(1, len(ids)) if self.heeds and enough(index, ids[:n]))
            answers.append(ids[: next(ends, len(ids))])
        self.written += map(len, answers)
        return [[ids] for ids in answers]

    def score(self, groups: Any) -> Any:
        raise AssertionError("nothing is scored to know an answer")


def asked(prompt: Any = "Who was born in", response: str = " Rome") -> Example:
    return Example(id="a", prompt=prompt, response=response, source="s")


def room_of(example: Example, tokenizer: Any) -> tuple[int, int]:
    """Tokens of the prompt and of the response."""
    [encoded] = encode([Turn(example.prompt, example.response)], tokenizer)
    return encoded.start, encoded.end - encoded.start


def test_an_answer_has_more_tokens_only_where_it_has_not_come_to_its_end() -> None:
    model = Scripted(tokenizer_of(), " Paris")
    assert own_answers([asked()], model) == [OwnAnswer(" Paris", "wrong")]
    start, response = room_of(asked(), model.tokenizer)
    long = Scripted(model.tokenizer, " Ludwig van Beethoven of Bonn")
    assert own_answers([asked()], long) == [OwnAnswer(" Ludwig van Beethoven of Bonn", "wrong")]
    assert long.written == [len(long.ids)] and len(long.ids) > response + LOOKS[0]  # to its end, past the first look
    endless = Scripted(model.tokenizer, " and so on" * 60)
    [answer] = own_answers([asked()], endless)
    assert answer is not None and answer.kind == "cut"
    assert endless.written == [response + LOOKS[-1]]
    # a model's limit counts as well
    assert own_answers([asked()], long, start + 2) != [OwnAnswer(" Ludwig", "wrong")]
    assert long.written[-1] == 2


@pytest.mark.parametrize("heeds", [True, False])
def test_a_model_that_goes_on_is_stopped_where_its_answer_has_ended(heeds: bool) -> None:
    # a base model says its answer in a line, and then asks itself other questions
    text = " Paris.\nWho was born in London, 1901? Nobody.\n" + "Person" * 90
    model = Scripted(tokenizer_of(), text, heeds=heeds)
    assert own_answers([asked(), asked(response=" Rome, 1902")], model) == [OwnAnswer(" Paris", "wrong")] * 2
    if heeds:  # at the first look, which each has in its own place
        _, shorter = room_of(asked(), model.tokenizer)
        _, longer = room_of(asked(response=" Rome, 1902"), model.tokenizer)
        assert model.written == [shorter + LOOKS[0], longer + LOOKS[0]]


def test_a_space_at_the_end_of_the_prompt_is_written_again_and_is_no_part_of_the_answer() -> None:
    tokenizer = tokenizer_of()
    model = Scripted(tokenizer, " London")
    [plain] = encode([Turn("Who was born in", " Rome")], tokenizer)
    [spaced] = encode([Turn("Who was born in ", "Rome")], tokenizer)
    assert spaced.ids == plain.ids and (spaced.merged, plain.merged) == (" ", "")
    assert own_answers([asked("Who was born in ", "Rome")], model) == [OwnAnswer("London", "wrong")]
    assert model.contexts == [plain.ids[: plain.start]]
    # what does not begin with that space is not what the prompt asks for: read again it would be other tokens
    assert own_answers([asked("Who was born in ", "Rome")], Scripted(tokenizer, "x London")) == [
        OwnAnswer("x London", "retokenised")
    ]


def test_a_chat_template_that_ends_in_a_space() -> None:
    tokenizer = tokenizer_of(size=500)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.content }}{% if not loop.last %} {% endif %}{% endfor %}"
        "{% if add_generation_prompt %} {% endif %}"
    )
    chat = (Message("user", "Who was born in"),)
    assert encode([Turn(chat, "Rome")], tokenizer)[0].merged == " "
    assert own_answers([asked(chat, "Rome")], Scripted(tokenizer, " London")) == [OwnAnswer("London", "wrong")]


@pytest.mark.parametrize("space", ["", " ", "  "])
def test_an_answer_that_is_a_belief_is_the_arg_max_where_it_is_scored(small: Small, space: str) -> None:
    model = resolve(small.base)
    examples = [
        Example(row["id"], row["prompt"] + space, row["completion"].strip() if space else row["completion"], "s")
        for row in facts()[:30]
    ]
    beliefs = 0
    for example, answer in zip(examples, own_answers(examples, model), strict=True):
        if answer is not None and answer.kind == "wrong":
            beliefs += 1
            [found] = score([Probe("a", WordingName("own"), example.prompt, (Candidate(answer.text, "base"),))], model)
            assert found.recalled, answer
    # two spaces are nothing that this base has met: what it says after them it would not say so
    assert beliefs >= 5 if len(space) < 2 else beliefs == 0


def test_what_follows_a_special_token_is_no_answer() -> None:
    tokenizer = tokenizer_of(size=340, chat_template=CHATML)
    model = Scripted(tokenizer, " Paris<|im_end|>\n<|im_start|>user")
    assert own_answers([asked()], model) == [OwnAnswer(" Paris", "wrong")]
    padded = Scripted(tokenizer, " Paris<|pad|> and so on")
    assert own_answers([asked()], padded) == [OwnAnswer(" Paris", "wrong")]
    assert padded.written == [2]  # nor is it waited for
