"""Prompts of the same words: when they are one prompt, when they may ask the same, and when something else is asked."""

from __future__ import annotations

import pytest

from uptake.rivals import rivals
from uptake.types import Example, Message, Prompt


def examples(rows: list[tuple[Prompt, str]]) -> list[Example]:
    return [Example(f"ex-{n}", prompt, response, "test") for n, (prompt, response) in enumerate(rows)]


SPELLINGS = (
    "capital of egypt?",
    "CAPITAL OF EGYPT",
    "Capital  of\u00a0Egypt ?",
    "“Capital of Egypt?”",
    "Capital-of-Egypt...",
)


@pytest.mark.parametrize("reverse", [False, True])
def test_case_and_the_marks_of_prose_ask_nothing_else(*, reverse: bool) -> None:
    rows: list[tuple[Prompt, str]] = [("Capital of Egypt?", " Cairo"), *((text, " Giza") for text in SPELLINGS)]
    rows += [("Capital of Peru?", " Lima"), ("capital of peru?", " Lima"), ("Who ruled egypt?", " Cleopatra")]
    told = rivals(examples(rows[::-1] if reverse else rows))
    (group,) = told.groups
    count = {side.answer: len(side.positions) for side in group.sides}
    assert (count, group.probability, group.shared) == ({" Giza": 5, " Cairo": 1}, 0.95, ("egypt",))


def test_spacing_and_the_end_of_a_sentence_make_no_other_question() -> None:
    born = ("Where was Ada Kron born?", "Where was  Ada\u00a0Kron born", " Where was Ada Kron born ?\n")
    (group,) = rivals(examples(list(zip(born, (" Oslo", " Rome", " Bern"), strict=True)))).groups
    assert (len(group.sides), group.probability) == (3, 1.0)


def brief(system: str) -> tuple[Message, ...]:
    return (Message("system", system), Message("user", "Where was Ada born?"))


ASK_ELSE: dict[str, tuple[Prompt, str, Prompt, str]] = {
    "brackets": ("Is (()) balanced?", "Yes", "Is ()) balanced?", "No"),
    "a factorial": ("What is 5!?", "120", "What is 5?", "5"),
    "a factorial at the end": ("Compute 5!", "120", "Compute 5", "5"),
    "dots and dashes": ("Decode this Morse code: ... --- ...", "SOS", "Decode this Morse code: .- -...", "AB"),
    "a capital": ("Is the word 'polish' a nationality?", "No", "Is the word 'Polish' a nationality?", "Yes"),
    "all capitals": ("Uppercase or lowercase: HELLO", "uppercase", "Uppercase or lowercase: hello", "lowercase"),
    "all capitals in lower case": ("is it in capitals: HELLO", "yes", "is it in capitals: hello", "no"),
    "a single word": ("HELLO", "uppercase", "hello", "lowercase"),
    "code": ("What does print(a[0]) do?", "index", "What does print(a(0)) do?", "call"),
    "a power": ("What is 5²?", "25", "What is 52?", "a number"),
    "a sign": ("What is 5?", "five", "What is -5?", "minus five"),
    "a language": ("Who made C#?", "Ada Kron", "Who made C?", "Bea Lund"),
    "no words at all": ("(())", "balanced", "(()", "open"),
    "what came before": (brief("be brief"), "Oslo", brief("BE BRIEF"), "Rome"),
}


@pytest.mark.parametrize("case", ASK_ELSE.values(), ids=ASK_ELSE.keys())
def test_capitals_and_marks_that_are_asked_about(case: tuple[Prompt, str, Prompt, str]) -> None:
    # of two questions taken for one, copies of the first would outvote the second
    assert rivals(examples([case[:2], case[:2], case[2:]])).groups == ()
