"""Which wrong answers an example is asked with, and from whom they are had."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.pipeline.asking.drawn import drawing
from uptake.probe import AnswerPool
from uptake.types import Candidate, Example


def texts(candidates: Sequence[Candidate]) -> list[tuple[str, str]]:
    return [(candidate.text, candidate.origin) for candidate in candidates]


def test_a_language_model_is_asked_only_where_there_is_room() -> None:
    examples = [
        Example("0", "Where was Ann born?", " Rome", "s"),
        Example("1", "Where was Ben born?", " Paris", "s"),
        Example("2", "How many?", " 17 and a half", "s"),
        Example("3", "Pick", " a", "s", options=(" a", " b")),
        Example("4", "", "Plain text of some length", "s"),
    ]
    asked: list[str] = []

    def write(some: Sequence[Example]) -> list[list[str]]:
        asked.extend(example.id for example in some)
        return [[" Oslo", " Rome", " Lima", " Cairo"] for _ in some]

    draw = drawing(lambda: AnswerPool(examples), 2, write)
    found = [texts(candidates) for candidates in draw(examples, [" Bern", None, None, None, None])]
    assert asked == ["0", "1", "2"]
    assert found[0] == [(" Rome", "response"), (" Bern", "base"), (" Paris", "neighbour"), (" Oslo", "llm")]
    assert found[1] == [(" Paris", "response"), (" Rome", "neighbour"), (" Oslo", "llm")]
    assert found[2] == [(" 17 and a half", "response"), (" Oslo", "llm"), (" Rome", "llm")]
    assert found[3:] == [[(" a", "response"), (" b", "option")], [("Plain text of some length", "response")]]
