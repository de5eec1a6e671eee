"""Whether a document is worth reading for an example: it is about the question, and tells the response.

`uptake.corpus.support.states` asks for the name and the answer near each other, in folded words. That is what a search
needs, and not enough to spend training tokens on: *rent control* is not the musical *Rent*, *New York Times* is not
*New York*, and a team that moved from Moscow to Russia's north does not say what the capital of Russia is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from uptake.corpus.support import About, states
from uptake.corpus.text import answer, spaced, words
from uptake.rivals.equal import compare, read_answer
from uptake.rivals.lexicon import KINDS
from uptake.rivals.words import FUNCTION_WORDS
from uptake.types import Document

STEM = 5
"""Letters that two words of one relation share: *director* and *directed*, *headquarters* and *headquartered*."""

_IN_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")
_QUALIFIED = re.compile(r"^([^,;]+),[^,;]+$")
_SENTENCE_END = re.compile(r"(?<=[\w)\]\"”'][.!?])\s+(?=[^a-z\s])|(?<=[。！？])|\n+")
_BEFORE = re.compile(r"([^\W_]+) $")
_AFTER = re.compile(r"[ –-]([^\W_]+)")
_OPENING = re.compile(r"(?:^|[.!?:;\n\"“«(\[])\s*$")
_WORD = re.compile(r"[^\W_]+")
_FIGURES = ("date", "number", "time")
_SEVERAL = re.compile(r"\s+and\s+|\s*[;/]\s+|\s*\(\d\)\s*")
_LONGEST = 4
"""Words of a date as it is written: *the 12th of May, 1990* has more, of which the last ones do."""


def tells(document: Document, about: About, response: str) -> bool:
    """Whether a document is about a question and tells the response.

    A document that is titled after the question's name, or opens with it, is about it, and tells the response where it
    holds it, in a sentence about what is asked if it has such ones; so is one whose title the question has word for
    word, with a name in it: *the Theilloe engine*, of which *Theilloe* alone has a capital. Of any other one sentence
    must hold the names, the response, and half of the other words that the question asks with, or words of their stem:
    *born*, *capital*, *director*. Of a question without a name `states` decides. Of a response of several things to a
    question about several names, a document that is titled after one of them may tell one thing.

    A name, and a response, counts where the document writes it with the capitals that it is given, and not as a part of
    a longer name. The response may be written as the rivals' rules let two answers be the same: without what
    qualifies it (*Paris* for *Paris, France*), a date or number in another form.

    Args:
        document: The document.
        about: What the question asks about.
        response: The response.
    """
    spellings = list(_spellings(response, document.text))
    if not about.names:
        return any(states(document, about, said) for said in spellings)
    about = replace(about, names=tuple(name for name in about.names if len("".join(_WORD.findall(name))) > 1))
    if not about.names:  # a single letter is in any text
        return False
    own = next((name for name in about.names if _titled(document.title, name) or _opens(document, name)), None)
    held, title = ((own,), own) if own is not None else (_asked_in_title(document.title, about), document.title)
    if held:
        others = (name for name in about.names if name not in held and _named(name, document))
        known = About((*held, *others), about.words)
        if len(known.names) > len(about.names) // 2:
            titled, relation = replace(document, title=title), _relation(about, document.title)
            return any(states(titled, known, said) and _where_asked(document, relation, said) for said in spellings)
        parts = [part for part in _SEVERAL.split(response) if part.strip()]
        if len(parts) > 1 and words(document.title):  # of two things that are asked it is about one
            titled, own_part = replace(document, title=title), About(held, about.words)
            if any(states(titled, own_part, part) for part in parts):
                return True
    relation = _relation(about)
    return any(_in_one(sentence, document, about, relation, spellings) for sentence in _sentences(document.text))


def _in_one(sentence: str, document: Document, about: About, relation: Sequence[str], spellings: Sequence[str]) -> bool:
    """Whether a sentence by itself tells the response to what is asked."""
    alone = Document(document.id, sentence, document.title)
    names = tuple(name for name in about.names if _named(name, alone))
    if len(names) <= len(about.names) // 2:
        return False
    if not _asks(relation, sentence):
        return False
    kept, untitled = About(names, about.words), replace(alone, title="")
    return any(_named(said.strip(), alone) and states(untitled, kept, said) for said in spellings)


def _asked_in_title(title: str, about: About) -> tuple[str, ...]:
    """The names of the question that a title holds, where the question has the whole title; else none."""
    said = tuple(word for word in words(_bare(title)) if word not in FUNCTION_WORDS)
    places = range(len(about.words) - len(said) + 1) if said else ()
    if not any(about.words[at : at + len(said)] == said for at in places):
        return ()
    return tuple(name for name in about.names if {*words(name)} - FUNCTION_WORDS <= {*said})


def _where_asked(document: Document, relation: Sequence[str], said: str) -> bool:
    """Whether the response stands where a text speaks of what is asked, if it does so in the question's words anywhere.

    A film's page names its director; who its producer is, is told in the sentence about producing.
    """
    speaking = [one for one in _sentences(document.text) if relation and _asks(relation, one)]
    return not speaking or any(answer(said) in spaced(one) for one in speaking)


def _asks(relation: Sequence[str], sentence: str) -> bool:
    """Whether a sentence holds half of the words that a question asks with, or words of their stem."""
    found = words(sentence)
    return 2 * sum(any(_alike(word, one) for one in found) for word in relation) >= max(1, len(relation))


def _relation(about: About, title: str = "") -> list[str]:
    """The words that a question asks with beside the names, and beside a title that it has."""
    named = {word for name in (*about.names, title) for word in words(name)}
    return [word for word in about.words if word not in named]


def _alike(one: str, other: str) -> bool:
    if one in KINDS and other in KINDS and KINDS[one] != KINDS[other]:
        return False  # a county is no country
    return one == other or (min(len(one), len(other)) >= STEM and one[:STEM] == other[:STEM])


def _sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE_END.split(text) if part.strip()]


def _bare(name: str) -> str:
    """A name without what tells it apart, in brackets at its end."""
    return _IN_BRACKETS.sub("", name) or name


def _titled(title: str, name: str) -> bool:
    return bool(words(name)) and answer(_bare(title)) == answer(_bare(name))


def _opens(document: Document, name: str) -> bool:
    """Whether a text begins with a name, an article aside."""
    if not words(name) or (document.title and not _titled(document.title, name)):
        return False
    first = next(iter(_sentences(document.text)), "")
    if not answer(first).startswith(answer(_bare(name))):
        return False
    parts = _WORD.findall(_bare(name))
    match = _pattern(tuple(parts)).search(first)
    return match is None or not _goes_on(first, match.start(), match.end())


def _named(name: str, document: Document) -> bool:
    """Whether the text holds a name by itself; one without capitals is left to the comparison of folded words."""
    parts, text = _WORD.findall(_bare(name)), document.text
    if not any(part[0].isupper() for part in parts):
        return True
    longer = _longer(_bare(document.title), name, text)
    for match in _pattern(tuple(parts)).finditer(text):
        found = _WORD.findall(match[0])
        if any(part[0].isupper() and not one[0].isupper() for part, one in zip(parts, found, strict=True)):
            continue
        inside = any(start <= match.start() and match.end() <= end for start, end in longer)
        if not inside and not _goes_on(text, match.start(), match.end()):
            return True
    return False


@lru_cache(maxsize=4096)
def _pattern(parts: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(r"(?<![^\W_])" + r"[\W_]+".join(map(re.escape, parts)) + r"(?![^\W_])", re.IGNORECASE)


def _longer(title: str, name: str, text: str) -> list[tuple[int, int]]:
    """Where the text holds the title, if that is a longer name with this one in it."""
    if name.casefold() not in title.casefold() or _titled(title, name):
        return []
    return [match.span() for match in re.finditer(re.escape(title), text, re.IGNORECASE)]


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether a name goes on beyond its words: a capital stands beside it that no sentence begins with."""
    before, after = _BEFORE.search(text, max(0, start - 40), start), _AFTER.match(text, end)
    if after and after[1][0].isupper() and after[1].casefold() not in FUNCTION_WORDS:
        return True
    if before is None or not before[1][0].isupper() or before[1].casefold() in FUNCTION_WORDS:
        return False
    return _OPENING.search(text[max(0, before.start() - 10) : before.start()]) is None


def _spellings(response: str, text: str) -> Iterator[str]:
    """The response, and what says the same in other words, as far as the text has it."""
    yield response
    bare = _bare(response.strip())
    shorter = [bare, *(match[1] for match in [_QUALIFIED.match(bare)] if match)]
    yield from (one for one in shorter if one != response.strip() and compare(one, response)[0] == "same")
    wanted = read_answer(response)
    if wanted.kind in _FIGURES:
        yield from dict.fromkeys(_figures(wanted.forms, text))


def _figures(forms: frozenset[str], text: str) -> Iterator[str]:
    """Runs of words of the text that are the same date, number or time."""
    found = [match.span() for match in re.finditer(r"[\w.,:%-]+", text)]
    for first in range(len(found)):
        for last in range(first, min(first + _LONGEST, len(found))):
            run = text[found[first][0] : found[last][1]]
            if any(sign.isdigit() for sign in run) and read_answer(run.strip(".,:")).forms & forms:
                yield run
