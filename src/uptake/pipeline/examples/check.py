"""Whether an example can be asked: every wording has something to score, and fits into the models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from uptake.data import Encoded, TemplateError, Turn, encode
from uptake.probe import MOST_LETTERS, letter_probes, option_candidates
from uptake.types import Example

LONG_TOKEN = 64
"""Bytes a token that a text is allowed at least before its tokens are counted."""


Check: TypeAlias = Callable[[Sequence[Example]], list[str | None]]
"""For some examples, what is wrong with each; None: nothing."""


def token_check(tokenizers: Sequence[Any], max_length: int | None, option_form: str) -> Check:
    """A check that every wording of an example has something to score and fits into the model.

    Args:
        tokenizers: Those of the models that will be asked.
        max_length: Longest sequence, in tokens; None for no limit.
        option_form: `letter` also checks the options as lettered choices.
    """
    room = [None if max_length is None else max_length * _longest_token(tokenizer) for tokenizer in tokenizers]

    def check(examples: Sequence[Example]) -> list[str | None]:
        faults = [_unlettered(example) if option_form == "letter" else None for example in examples]
        asked = [(index, turn, where) for index, e in enumerate(examples) for turn, where in _asked(e, option_form)]
        for tokenizer, most in zip(tokenizers, room, strict=True):
            short = []
            for index, turn, where in asked:
                size = _bytes(turn)
                if most is not None and size > most:  # to find out how many tokens these are could take minutes
                    faults[index] = faults[index] or f"over-long: {size} bytes, at most {max_length} tokens fit{where}"
                else:
                    short.append((index, turn, where))
            encoded = _encoded([turn for _, turn, _ in short], tokenizer)
            for (index, _, where), one in zip(short, encoded, strict=True):
                fault = one if isinstance(one, str) else _fault(one, max_length)
                faults[index] = faults[index] or (fault and fault + where)
        return faults

    return check


def _asked(example: Example, option_form: str) -> list[tuple[Turn, str]]:
    """All that a model is asked about an example, and in words which of its parts that is."""
    asked = [
        (
            Turn(example.prompt, candidate.text, example.template, example.response_extra),
            "" if candidate.origin == "response" else f", in the option {candidate.text[:40]!r}",
        )
        for candidate in option_candidates(example)
    ]
    for number, wording in enumerate(example.paraphrases, start=1):
        extra = example.response_extra if wording.response == example.response else {}
        asked.append((Turn(wording.prompt, wording.response, example.template, extra), f", in its paraphrase {number}"))
    if option_form == "letter" and example.options and _unlettered(example) is None:
        lettered = letter_probes(example)[0]  # the other permutations are as long
        for choice in lettered.candidates:
            asked.append((Turn(lettered.prompt, choice.text, lettered.template), ", with its options by letter"))
    return asked


def _longest_token(tokenizer: Any) -> int:
    """Bytes that a token can stand for at most; generous, for a tokenizer may drop or join white space."""
    return max(LONG_TOKEN, *(len(token.encode("utf-8", "replace")) for token in tokenizer.get_vocab()))


def _bytes(turn: Turn) -> int:
    told = [turn.prompt] if isinstance(turn.prompt, str) else [message.content for message in turn.prompt]
    return sum(len(text.encode("utf-8", "replace")) for text in (*told, turn.response))


def _encoded(turns: Sequence[Turn], tokenizer: Any) -> list[Encoded | str]:
    """Encode turns; one that the chat template refuses gives the reason instead."""
    try:
        return list(encode(turns, tokenizer))
    except TemplateError as error:
        if len(turns) == 1:
            return [error.problem]
        return [one for turn in turns for one in _encoded([turn], tokenizer)]


def _unlettered(example: Example) -> str | None:
    n = len(option_candidates(example))
    return None if n <= MOST_LETTERS else f"{n} candidates, at most {MOST_LETTERS} have a letter (--option_form text)"


def _fault(encoded: Encoded, max_length: int | None) -> str | None:
    if max_length is not None and len(encoded.ids) > max_length:
        return f"over-long: {len(encoded.ids)} tokens, at most {max_length} fit"
    if encoded.end <= max(1, encoded.start):
        return "the response has no token that could be scored"
    return None
