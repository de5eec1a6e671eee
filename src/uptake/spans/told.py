"""What a free answer tells, in as many words as the response has, and whether two answers tell the same.

The same model answers *Microsoft*, *Microsoft Corporation* and *Microsoft, and it is a Windows Phone* in three wordings
of one question. All three tell *Microsoft*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from uptake.spans.frames import LONGEST, content_words, framed

ALIKE = 0.6
"""Two answers tell the same from this F1 of their words on: of one word it must be that word, of three two of them."""
Told = tuple[str, ...]
"""Words that an answer tells; () where it tells nothing."""


def answer_words(responses: Iterable[str]) -> frozenset[str]:
    """The words of a dataset's short responses: where one stands in a free answer, there the answer begins."""
    each = (content_words(response) for response in responses)
    return frozenset(word for words in each if len(words) <= LONGEST for word in words)


def told(answer: str, question: str, response: str, known: Collection[str]) -> Told:
    """What a free answer tells.

    A short answer is taken whole. Of a longer one it is the span that begins where a word of the data's short responses
    stands; where there is none, the first span after the frame (see `framed`).

    Args:
        answer: The free answer.
        question: What was asked.
        response: The response that is wanted: few more words are taken than it has.
        known: From `answer_words`.
    """
    words = content_words(answer)
    if len(words) <= (most := length(response)):
        return words
    cut = framed(answer, question, known=known, most=most)
    return () if cut is None else content_words(cut.span)


def length(response: str) -> int:
    """Words with content that are taken of an answer where this response is wanted: one more than it has."""
    return min(LONGEST, len(content_words(response)) + 1)


def same(one: Told, other: Told) -> bool:
    """Whether two answers tell the same: F1 of their words, each counted as often as it stands there.

    Their numbers are the same, where both have some; and where neither holds all words of the other, their last words
    are: *John F. Kennedy* and *John F. Smith* are two.
    """
    common = (Counter(one) & Counter(other)).total()
    if not common or 2 * common < ALIKE * (len(one) + len(other)):
        return False
    figures = [[word for word in told if word[0].isdigit()] for told in (one, other)]
    if all(figures) and figures[0] != figures[1]:
        return False
    return common == min(len(one), len(other)) or one[-1] == other[-1]


@dataclass(frozen=True, slots=True)
class Agreed:
    """The wrong answer that most of some free answers tell.

    Attributes:
        index: Which of them tells it; the first of those.
        n: How many tell it.
    """

    index: int
    n: int


def agreed(answers: Sequence[Told], right: Sequence[bool]) -> Agreed | None:
    """The wrong answer that is told most often; None where no answer is wrong and tells something.

    Args:
        answers: What each answer tells.
        right: Whether it gives the response.
    """
    wrong = [index for index, one in enumerate(answers) if one and not right[index]]
    if not wrong:
        return None
    counts = {index: sum(same(answers[index], answers[other]) for other in wrong) for index in wrong}
    best = max(wrong, key=counts.__getitem__)
    return Agreed(best, counts[best])
