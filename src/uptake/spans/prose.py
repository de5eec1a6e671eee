"""Prose -> spans: names, numbers, dates, words that carry the claim, and the phrases between them.

Members of a list are spans of their own, as commas and *and* stand between them. Phrases end at punctuation and at
words without content, so that each tells one thing: *the cat sat on the red sofa* is *cat sat* and *red sofa*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from uptake.spans.span import Span, SpanKind
from uptake.spans.telling import CLAIMS, CONNECTIVES, JOINS, LINKS, NUMBERS, TITLES
from uptake.spans.unspaced import unspaced
from uptake.spans.words import ProseToken, tokens
from uptake.text import EMPTY_WORDS

LONGEST, LONGEST_UNCASED = 6, 4
"""Words of a phrase; of a script without capitals, where no name ends a phrase, fewer."""
_MOST_LINKS = 2
_EMPTY = (EMPTY_WORDS - {"answer", "answers", "question", "response", "correct", "certainly"}) | JOINS
_CODE_WORD = re.compile(r"[a-z]{2,}[A-Z]\w*")
_AFTER_A_NAME = frozenset("is was has had and or".split())


def prose(text: str, start: int, end: int) -> Iterator[Span]:
    """The spans of a stretch of prose, in order.

    Args:
        text: The whole text.
        start: First character of the stretch.
        end: The character after its last one.
    """
    waiting: list[ProseToken] = []
    for token in tokens(text, start, end):
        if waiting and not _joined(text, waiting[-1], token):
            yield from _words(text, waiting, end)
            waiting = []
        if token.kind == "word":
            waiting.append(token)
            continue
        yield from _words(text, waiting, end)
        waiting = []
        if token.kind == "unspaced":
            yield from unspaced(text, token.start, token.end)
        elif token.kind == "sign":
            yield Span(token.start, token.end, "claim")
        elif token.kind != "marker":
            yield Span(token.start, token.end, token.kind)
    yield from _words(text, waiting, end)


def _joined(text: str, one: ProseToken, other: ProseToken) -> bool:
    """Whether nothing but a space stands between two tokens, or the full stop of an abbreviation."""
    between = text[one.end : other.start].strip(" \t\u00a0\u200e\u200f")
    if between == "." and text[other.start].isupper():
        word = text[one.start : one.end]
        return word.casefold() in TITLES or (len(word) == 1 and word.isupper())
    return between in ("", "&")


def _words(text: str, run: list[ProseToken], end: int) -> Iterator[Span]:
    """The spans of words that no punctuation parts."""
    at, begun = 0, 0  # index of the first word of the phrase that is being gathered
    while at < len(run):
        word = text[run[at].start : run[at].end]
        kind, after = _kind(text, run, at, end)
        if kind != "phrase":
            yield from _phrase(run, begun, at)
            if kind is not None:
                yield Span(run[at].start, run[after - 1].end, kind)
            begun = after
        elif at - begun >= (LONGEST if _cased(word) else LONGEST_UNCASED) or _begins_anew(word):
            yield from _phrase(run, begun, at)
            begun = at
        at = after
    yield from _phrase(run, begun, at)


def _phrase(run: list[ProseToken], begun: int, until: int) -> Iterator[Span]:
    if until > begun:
        yield Span(run[begun].start, run[until - 1].end, "phrase")


def _kind(text: str, run: list[ProseToken], at: int, end: int) -> tuple[SpanKind | None, int]:
    """What begins with a word, None where it tells nothing, and the index of the word after it."""
    word = text[run[at].start : run[at].end]
    folded = word.casefold().replace("’", "'")
    first = _begins_sentence(text, run[at].start)
    if folded == "i" or folded.startswith("i'") or (first and folded in CONNECTIVES):
        return None, at + 1
    if _named(word) and not ((first and folded in _EMPTY) or ((first or word.isupper()) and folded in CLAIMS)):
        last = _name(text, run, at)
        # the first word of a sentence is a name where another one follows, or nothing that it could be a part of
        if not first or last > at + 1 or not word[1:].islower() or _alone(text, run, at, end):
            return "name", last
    if folded == "after" and at and _word(text, run, at - 1) in ("named", "called"):
        return None, at + 1
    if folded.endswith("n't") or folded in CLAIMS or (folded.endswith("er") and _word(text, run, at + 1) == "than"):
        return "claim", at + 1
    if folded in _EMPTY or folded == "than":
        return None, at + 1
    if folded.isdigit():
        return "number", at + 1
    if all(part in NUMBERS for part in folded.split("-")):
        after = at + 1
        while all(part in NUMBERS for part in _word(text, run, after).split("-")):
            after += 1
        return "number", after
    if _CODE_WORD.fullmatch(word):
        return "code", at + 1
    return "phrase", at + 1


def _word(text: str, run: list[ProseToken], at: int) -> str:
    """A word, folded; "" after the last one."""
    return text[run[at].start : run[at].end].casefold() if at < len(run) else ""


def _name(text: str, run: list[ProseToken], at: int) -> int:
    """Index of the word after the name that begins at a word."""
    after = at + 1
    while after < len(run):
        ahead = after
        while ahead < len(run) and ahead - after < _MOST_LINKS and _word(text, run, ahead) in LINKS:
            if ahead == after and _word(text, run, ahead) == "the":
                return after  # it is a part of a name in *of the* alone
            ahead += 1
        if ahead == len(run) or not _named(text[run[ahead].start : run[ahead].end]):
            break
        if _word(text, run, ahead) in CLAIMS | JOINS and ahead > after:
            break
        after = ahead + 1
    return after


def _named(word: str) -> bool:
    """Whether a word may be a part of a name: it has a capital, or digits among its letters."""
    return word[0].isupper() or word[0].istitle() or (word[0].isdigit() and any(one.isupper() for one in word))


def _cased(word: str) -> bool:
    return word.upper() != word.lower()


def _begins_anew(word: str) -> bool:
    """Whether a word begins with the Arabic *and*, which is written as a part of it."""
    return word[0] == "و" and len(word) > 3


def _begins_sentence(text: str, at: int) -> bool:
    """Whether nothing but space, quotation marks and bullets stand between a word and the end of a sentence."""
    while at > 0 and text[at - 1] in " \t\u00a0\"'“‘«(*_#•¿¡-":
        at -= 1
    return at == 0 or text[at - 1] in ".!?:;。！？\n|…>"


def _alone(text: str, run: list[ProseToken], at: int, end: int) -> bool:
    """Whether a word stands alone: what ends a part of a sentence comes after it, or what comes after names."""
    if at + 1 < len(run):
        return _word(text, run, at + 1) in _AFTER_A_NAME
    after = run[at].end
    while after < end and text[after] in " \t":
        after += 1
    return after >= end or text[after] in ".,;:!?)\n\r|*"
