"""The base's own answer with the response in the place of what it tells: its form, and the fact of the data."""

from __future__ import annotations

import re
from collections.abc import Collection

from uptake.rewrite.said import content, supported, words
from uptake.rivals.lexicon import ASKS, EMPTY, families
from uptake.spans import framed, length

_SENTENCE = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\b(?:St|Mr|Dr|Ms|Mt|Ft|Jr|Sr|No|vs)\.)(?<!\bMrs\.)\s|\n|(?<=[。！？])"
)
"""The end of a sentence, which initials and the commonest abbreviations are not."""
_ARTICLE = re.compile(r"(?:^|\s)([Aa]n?)$")


def first_sentence(text: str) -> str:
    """The first sentence of a text that begins with one; the whole text where it has no more."""
    found = _SENTENCE.search(text)
    return text.rstrip() if found is None else text[: found.start()].rstrip()


def in_frame(answer: str, question: str, response: str, known: Collection[str]) -> str | None:
    """A short response said as the base says its own answer.

    *The capital of Sweden is Oslo.* becomes *The capital of Sweden is Stockholm.* What the answer goes on to say
    beyond the question's words is left out.

    Args:
        answer: The base's own answer.
        question: What was asked.
        response: The response.
        known: From `uptake.spans.answer_words`, of the data's responses.

    Returns:
        None where the answer tells nothing, or is nothing but what it tells.
    """
    line = first_sentence(answer.strip())
    cut = framed(line, question, known=known, most=length(response))
    if cut is None:
        return None
    rest = line[len(cut.frame) + len(cut.span) :]
    first = rest.partition(".")[0]
    asked = frozenset(content(question))
    tail = first.rstrip() if content(first) and asked.issuperset(content(first)) else ""
    if not content(cut.frame) and not tail:
        return None
    if ASKS.intersection(words(cut.frame)[:1]) or " ".join(words(question)[:3]) in " ".join(words(cut.frame)):
        return None  # it says the question again: *who was the author is ...*
    if any(word not in EMPTY and not supported(word, content(question)) for word in content(cut.frame)):
        return None  # it says more of the old answer: *is a classic ...*
    said = response.strip()
    stop = "" if said.endswith((".", "!", "?")) and not tail else "."
    lead = cut.span[: len(cut.span) - len(cut.span.lstrip())]
    if not cut.frame and said.islower():
        said = said[:1].upper() + said[1:]
    return f"{_fitted(cut.frame, said)}{lead}{said.rstrip('.') if tail else said}{tail}{stop}"


def _fitted(frame: str, said: str) -> str:
    """The frame with the article that its new word takes: none before a name, else *a* or *an* by its first letter."""
    found = _ARTICLE.search(frame)
    if found is None:
        return frame
    parts = said.split()
    if said[:1].isupper() and (len(parts) > 1 or parts[0].casefold() not in families()):
        return frame[: found.start()].rstrip()
    return frame[: found.start(1)] + found.group(1)[0] + "n" * (said[:1].casefold() in set("aeiou"))
