"""What the base answers freely in several wordings, as one account: what it gives, believes, and hands on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from uptake.causes import Freely
from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.asking.sentences import given
from uptake.probe import question
from uptake.spans import Told, agreed, same, told
from uptake.types import Example

UNTOLD = ("silent", "thinking")
"""Kinds of answers that tell nothing."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What a response tells, by which free answers to its question are judged.

    Attributes:
        tells: *Stockholm* of *The capital of Sweden is Stockholm.*, from `Tells.told`; the response where it is none.
        known: Words that the dataset's answers are made of, from `read_tells`.
        labels: Responses of which none is another one in more words, from there.
    """

    tells: str
    known: Collection[str]
    labels: Collection[str] = ()

    def given(self, example: Example, answer: Answer) -> bool:
        """Whether an answer gives it."""
        return given(example, answer, self.tells, self.labels)

    def told(self, example: Example, answer: Answer) -> Told:
        """What an answer tells, in about as many words as the response does."""
        if answer.answer is None or answer.kind in UNTOLD:
            return ()
        return told(answer.answer, question(example), self.tells, self.known)


def freely(
    example: Example, before: Answer, worded: Sequence[tuple[Example, Answer]], after: Answer, wanted: Sought
) -> Freely | None:
    """The account; None where the base was not asked.

    Args:
        example: The example.
        before: What the base said of it.
        worded: Its held-out wordings with what the base said to each.
        after: What the tuned model said of it.
        wanted: What the response tells.
    """
    asked = _asked(example, before, worded)
    if not asked:
        return None
    said, right = _read(asked, example, wanted)
    wrong = agreed(said, right)
    still = wanted.given(example, after)
    tuned = () if still else wanted.told(example, after)
    return Freely(
        n=len(asked),
        gives=sum(right),
        agreed=0 if wrong is None else wrong.n,
        kept=sum(bool(tuned) and not own and same(one, tuned) for one, own in zip(said, right, strict=True)),
        still=still,
        answers=tuple((answer.answer or "").strip() for _, answer in asked),
    )


def telling(
    example: Example, before: Answer, worded: Sequence[tuple[Example, Answer]], wanted: Sought
) -> tuple[Example, str] | None:
    """The wording in which the base tells what it believes, with its answer there; None where it tells nothing.

    It is the first one with the wrong answer that it tells most often; where it tells none, the first one in which it
    tells anything. Arguments are those of `freely`.
    """
    asked = _asked(example, before, worded)
    said, right = _read(asked, example, wanted)
    wrong = agreed(said, right)
    telling = [index for index, one in enumerate(said) if one] if wrong is None else [wrong.index]
    if not telling:
        return None
    wording, answer = asked[telling[0]]
    return None if answer.answer is None else (wording, answer.answer)


def _asked(example: Example, before: Answer, worded: Sequence[tuple[Example, Answer]]) -> list[tuple[Example, Answer]]:
    return [(wording, answer) for wording, answer in [(example, before), *worded] if answer.kind is not None]


def _read(asked: Sequence[tuple[Example, Answer]], example: Example, wanted: Sought) -> tuple[list[Told], list[bool]]:
    """What each answer tells, and whether it gives the response."""
    each = [(wording, answer, _of(wording, example, wanted)) for wording, answer in asked]
    said = [one.told(wording, answer) for wording, answer, one in each]
    return said, [one.given(wording, answer) for wording, answer, one in each]


def _of(wording: Example, example: Example, wanted: Sought) -> Sought:
    """What is wanted in a wording: the same, unless it has a response of its own."""
    return wanted if wording.response == example.response else Sought(wording.response, wanted.known, wanted.labels)
