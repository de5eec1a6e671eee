"""Where tokens end in their response, held against the text that they decode to."""

from __future__ import annotations

from uptake.data import Turn, encode
from uptake.data.offsets import character_ends
from uptake.models.small.tiny import CHATML, train_tokenizer
from uptake.types import Message

TEXTS = ["The house of Ada Brook is red.", "Größe 漢字 \U0001f600!", "user assistant system"] * 3


def test_ends_are_those_of_the_decoded_tokens() -> None:
    for template in (None, CHATML):
        tokenizer = train_tokenizer(TEXTS, 300, chat_template=template)
        prompt = "Where?" if template is None else (Message("user", "Where?"),)
        turns = [Turn(prompt, text) for text in (" The house is red.", "Größe 漢字 \U0001f600!", "x")]
        items = encode(turns, tokenizer)
        found = character_ends(turns, items, tokenizer)
        for turn, item, ends in zip(turns, items, found, strict=True):
            assert ends is not None and len(ends) == item.end - item.start
            assert list(ends) == sorted(ends)
            response = tokenizer.decode(item.ids[item.start : item.end])
            for index, end in enumerate(ends):
                said = tokenizer.decode(item.ids[item.start : item.start + index + 1])
                if "\ufffd" not in said:  # else a character of several tokens is not whole yet
                    assert response[:end] == said
            assert ends[-1] == len(turn.response if template is None else response)


def test_a_tokenizer_that_does_not_tell_places_nothing() -> None:
    class Slow:
        is_fast = False

    assert character_ends([Turn("a", "b")], [], Slow()) == [None]
    assert character_ends([], [], Slow()) == []
