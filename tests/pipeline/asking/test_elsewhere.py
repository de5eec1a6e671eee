"""What is asked elsewhere where responses call tools: the whole of what is trained, and which of them are the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from uptake.data import Turn
from uptake.pipeline.asking import elsewhere
from uptake.pipeline.asking.drawn import holds_answer
from uptake.pipeline.asking.elsewhere import Alike, More
from uptake.pipeline.asking.in_context import another, telling
from uptake.pipeline.asking.in_wordings import reworded
from uptake.pipeline.asking.sentences import in_sentence
from uptake.probe import hashed_words
from uptake.rivals import rivals
from uptake.types import Example, Message, Wording

MODEL = SimpleNamespace(notes=(), tokenizer=None, score=print, generate=print)
TOWNS = ("Oslo", "Rome", "Lima")


def calling(town: str, asked: str = "", **more: Any) -> Example:
    calls = [{"function": {"name": "get_weather", "arguments": {"city": town}}}]
    prompt = (Message("user", f"What is the weather in {asked or town}?"),)
    return Example(f"{town} {asked}", prompt, "", "s", response_extra={"tool_calls": calls}, **more)


def test_a_call_is_scored_whole_after_other_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    example, *near = map(calling, TOWNS)
    seen: list[Turn] = []
    monkeypatch.setattr(elsewhere, "_lengths", lambda turns, _: [seen.append(turn) or 1 for turn in turns])
    asked = elsewhere._elsewhere(example, near, MODEL, 64)
    assert [one.prompt for one in asked] == [one.prompt for one in near]
    assert all(one.response_extra == example.response_extra for one in [*asked, *seen]) and len(seen) == len(near)


def test_calls_of_other_tools_are_other_answers() -> None:
    pool = [calling(town) for town in TOWNS] + [calling("Oslo", "Bergen")]
    (near,) = Alike(pool, hashed_words, seed=0).nearest([pool[0]], [[]])
    assert sorted(one.id for one in near) == ["Lima ", "Rome "]
    assert another(pool, 0) is None and telling(pool[1], pool[0]) is None
    found = rivals([calling("Oslo", "the capital"), calling("Rome", "the capital")])
    assert len(found.groups) == 1 and not found.agreed
    assert rivals([calling("Oslo", "the capital")] * 2).agreed == {0, 1}


def test_a_prompt_that_tells_the_response_is_no_other_question() -> None:
    turns = (Message("user", "What is the capital of Norway?"), Message("assistant", "It is Oslo."))
    first = Example("c0", turns[:1], "Oslo", "s")
    later = Example("c0#2", (*turns, Message("user", "And of Peru?")), "Lima", "s")
    other = Example("b", (Message("user", "What is the capital of Italy?"),), "Rome", "s")
    (near,) = Alike([first, later, other], hashed_words, seed=0).nearest([first], [[]])
    assert [one.id for one in near] == ["b"]
    assert holds_answer(later, first) and not holds_answer(other, first)
    # classes that all prompts list are told by none
    asked = [Example(str(n), f"Good or bad: {n}?", "good", "s") for n in range(2)]
    assert not holds_answer(asked[1], asked[0])


def test_what_cannot_be_compared_with_a_call_is_not_asked() -> None:
    example = calling("Oslo", paraphrases=(Wording("Oslo, how warm?", ""), Wording("Weather?", "Where?")))
    assert [bool(one.response_extra) for one in reworded(example)] == [True, False]
    assert elsewhere._against(example, More(0, None, ("sunny",), frozenset())) == []
    text = "I will look up what the weather is."
    said = Example("a", example.prompt, text, "s", response_extra=example.response_extra)
    assert (in_sentence(said), in_sentence(Example("a", example.prompt, text, "s"))) == (False, True)
