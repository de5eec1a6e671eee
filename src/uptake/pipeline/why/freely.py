"""What the base answers freely in several wordings, as one account: what it gives, believes, and hands on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from uptake.causes import Freely
from uptake.pipeline.asking.answers import Answer
from uptake.probe import question
from uptake.spans import Told, agreed, same, told
from uptake.types import Example

UNTOLD = ("silent", "thinking")
"""Kinds of answers that tell nothing."""


def freely(
    example: Example,
    before: Answer,
    worded: Sequence[tuple[Example, Answer]],
    after: Answer,
    known: Collection[str],
) -> Freely | None:
    """The account; None where the base was not asked.

    Args:
        example: The example.
        before: What the base said of it.
        worded: Its held-out wordings with what the base said to each.
        after: What the tuned model said of it.
        known: From `uptake.spans.answer_words`, of the training examples' responses.
    """
    asked = [(wording, answer) for wording, answer in [(example, before), *worded] if answer.kind is not None]
    if not asked:
        return None
    said = [_told(wording, answer, known) for wording, answer in asked]
    right = [answer.freely(wording.response) for wording, answer in asked]
    wrong = agreed(said, right)
    tuned = () if after.freely(example.response) else _told(example, after, known)
    return Freely(
        n=len(asked),
        gives=sum(right),
        belief=None if wrong is None else " ".join(said[wrong.index]),
        agreed=0 if wrong is None else wrong.n,
        kept=sum(bool(tuned) and not own and same(one, tuned) for one, own in zip(said, right, strict=True)),
    )


def _told(example: Example, answer: Answer, known: Collection[str]) -> Told:
    if answer.answer is None or answer.kind in UNTOLD:
        return ()
    return told(answer.answer, question(example), example.response, known)
