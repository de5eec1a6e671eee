"""What documents say about a fact: counted by text alone, so that a remedy can prefer what most sources say."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from uptake.corpus.text import answer, spaced
from uptake.types import Document

NEAR = 60
"""A document that is not titled after the entity states a fact where entity and answer stand within so many words."""
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")


@dataclass(frozen=True, slots=True)
class Support:
    """How many documents state a fact, and how many a wrong belief instead.

    Attributes:
        for_response: Documents that state the response and not the belief.
        for_belief: Documents that state the belief and not the response.
        both: Documents that state both.
        sources_for: Sources with more documents for the response than for the belief, sorted.
        sources_against: Sources with more documents for the belief, sorted.
    """

    for_response: int
    for_belief: int
    both: int
    sources_for: tuple[str, ...]
    sources_against: tuple[str, ...]

    @property
    def majority(self) -> bool | None:
        """Whether more sources stand for the response than for the belief; None when as many do, or none speaks."""
        difference = len(self.sources_for) - len(self.sources_against)
        return None if difference == 0 else difference > 0


def states(document: Document, entity: str, said: str) -> bool:
    """Whether a document states an answer about an entity: both are named, and together.

    Together is: the title names the entity and the text the answer, or both stand in the text within `NEAR` words.
    Words are compared, folded, whole and in order: other inflections, translations and spellings are not found, and a
    negation is not understood.

    Args:
        document: The document.
        entity: The entity's name; a qualifier in brackets at its end may be missing in the document.
        said: The answer; an article before it does not count.
    """
    name, wanted = spaced(_IN_BRACKETS.sub("", entity) or entity), answer(said)
    if not name.strip() or not wanted.strip():
        return False
    text = spaced(document.text)
    if wanted not in text:
        return False
    if name in spaced(document.title):
        return True
    names, answers = _places(text, name), _places(text, wanted)
    return any(abs(one - other) <= NEAR for one in names for other in answers)


def _places(text: str, phrase: str) -> list[int]:
    """The number of the word at which each occurrence begins."""
    found: list[int] = []
    at, seen, n = text.find(phrase), 0, 0
    while at >= 0:
        n += text.count(" ", seen, at)
        seen = at
        found.append(n)
        at = text.find(phrase, at + 1)
    return found


def support(documents: Iterable[Document], entity: str, response: str, belief: str | None = None) -> Support:
    """Counts what documents say about one fact; see `states`.

    Args:
        documents: Any documents.
        entity: What the fact is about.
        response: What should be learned.
        belief: What the base believes instead; None, or the response itself, counts nothing against.
    """
    against = belief if belief is not None and answer(belief) != answer(response) else None
    counts = {True: 0, False: 0, None: 0}
    sources: defaultdict[str, int] = defaultdict(int)
    for document in documents:
        right = states(document, entity, response)
        wrong = against is not None and states(document, entity, against)
        if not right and not wrong:
            continue
        counts[None if right and wrong else right] += 1
        sources[document.source] += right - wrong
    return Support(
        counts[True],
        counts[False],
        counts[None],
        tuple(sorted(name for name, votes in sources.items() if votes > 0)),
        tuple(sorted(name for name, votes in sources.items() if votes < 0)),
    )
