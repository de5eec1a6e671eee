"""What the base answers freely in several wordings, as one account: what it gives, believes, and hands on."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.causes import Freely
from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.asking.sentences import Tells
from uptake.spans import Told, agreed, same
from uptake.types import Example


def freely(
    example: Example, before: Answer, worded: Sequence[tuple[Example, Answer]], after: Answer, tells: Tells
) -> Freely | None:
    """The account; None where the base was not asked.

    Args:
        example: The example.
        before: What the base said of it.
        worded: Its held-out wordings with what the base said to each.
        after: What the tuned model said of it.
        tells: What the dataset's responses tell.
    """
    asked = _asked(example, before, worded)
    if not asked:
        return None
    said, right = _read(asked, tells)
    wrong = agreed(said, right)
    given = tells.given(example, after)
    tuned = () if given else tells.said(example, after)
    return Freely(
        n=len(asked),
        gives=sum(right),
        agreed=0 if wrong is None else wrong.n,
        kept=sum(bool(tuned) and not own and same(one, tuned) for one, own in zip(said, right, strict=True)),
        still=given or before.alike(after),
        answers=tuple((answer.answer or "").strip() for _, answer in asked),
    )


def telling(
    example: Example, before: Answer, worded: Sequence[tuple[Example, Answer]], tells: Tells
) -> tuple[Example, str] | None:
    """The wording in which the base tells what it believes, with its answer there; None where it tells nothing.

    It is the first one with the wrong answer that it tells most often; where it tells none, the first one in which it
    tells anything. Arguments are those of `freely`.
    """
    asked = _asked(example, before, worded)
    said, right = _read(asked, tells)
    wrong = agreed(said, right)
    telling = [index for index, one in enumerate(said) if one] if wrong is None else [wrong.index]
    if not telling:
        return None
    wording, answer = asked[telling[0]]
    return None if answer.answer is None else (wording, answer.answer)


def _asked(example: Example, before: Answer, worded: Sequence[tuple[Example, Answer]]) -> list[tuple[Example, Answer]]:
    return [(wording, answer) for wording, answer in [(example, before), *worded] if answer.kind is not None]


def _read(asked: Sequence[tuple[Example, Answer]], tells: Tells) -> tuple[list[Told], list[bool]]:
    """What each answer tells, and whether it gives the response."""
    return [tells.said(*one) for one in asked], [tells.given(*one) for one in asked]
