"""Whether all that a response tells is told by the rewrite too: its answer, its names, its claims."""

from __future__ import annotations

import re

from uptake.letters import UNSPACED
from uptake.rewrite.said import (
    FINAL,
    Rewriting,
    clauses,
    content,
    folded,
    is_short,
    names,
    quantities,
    spans_of,
    supported,
    words,
)
from uptake.rivals.equal import compare, read_answer
from uptake.rivals.lexicon import base, families

_UNSPACED = re.compile(rf"[{UNSPACED}]")
_EXACT = ("code", "math", "key")
MORE, SHARE = 3, 0.15
"""Words with content that one of two texts may have beyond the other, for those that this has beyond it: so many, and
this share of the original's."""
CHARACTERS = 10
"""Characters that a response to a question has at most which is an answer, in scripts without spaces."""
UNMET = 0.25
"""A clause is not told whose words with content are less than this share among those of the other text."""


def facts(rewriting: Rewriting) -> str | None:
    """The answer, every name, quotation and formula, and every clause of the original is told."""
    original, text = rewriting.original, rewriting.text
    if (why := _answer(rewriting)) is not None:
        return why
    said, asked = frozenset(words(text)), frozenset(words(rewriting.question))
    for name in names(original):
        there = sum(word in said or (word in families() and supported(word, content(text))) for word in name)
        if 2 * there < len(name) and not (asked.issuperset(name) and not is_short(rewriting)):
            return f"the name {' '.join(name)!r} is missing"
    plain = folded(text)
    for span in spans_of(original):
        exact = folded(original[span.start : span.end])
        if span.kind in _EXACT and exact not in plain and any(char.isalnum() for char in exact):
            return f"{exact[:60]!r} is missing"
        if span.kind == "quote" and not all(supported(word, content(text)) for word in content(exact)):
            return f"the quotation {exact[:60]!r} is missing"
    lost, new = untold(original, text), untold(text, f"{rewriting.question} {original}")
    if len(lost) > len(new) and len(clauses(original)) > 1:
        return f"what it says of {' '.join(lost[0][:6])!r} is missing"
    gone = words_beyond(original, text) - words_beyond(text, f"{rewriting.question} {original}")
    if gone > MORE + SHARE * len(content(original)) and not is_short(rewriting):
        return f"{gone} more of its words are missing than others stand in their place"
    return None


def words_beyond(text: str, other: str) -> int:
    """How many different words with content a text has that the other has not."""
    known = content(other)
    return sum(not supported(word, known) for word in dict.fromkeys(content(text)))


def untold(text: str, other: str) -> list[tuple[str, ...]]:
    """The clauses of a text that the other does not tell: hardly a word of them stands there."""
    known = content(other)
    return [clause for clause in clauses(text) if sum(supported(word, known) for word in clause) < UNMET * len(clause)]


def _answer(rewriting: Rewriting) -> str | None:
    """Of a short response every word is told, and nothing in its place."""
    original, text = rewriting.original.strip(), rewriting.text.strip()
    missing = f"the answer {original[:60]!r} is missing"
    unspaced = not original.isascii() and _UNSPACED.search(original) is not None
    bare = folded(original).strip("。．. ")
    if unspaced and not is_short(rewriting) and rewriting.question.strip() and len(bare) <= CHARACTERS:
        return None if bare.removesuffix("です") in folded(text) else missing
    if not is_short(rewriting):
        final = FINAL.search(original)
        return None if final is None or _ends_in(text, final[1]) else f"the final answer {final[1]!r} is missing"
    read, told = read_answer(original), read_answer(text)
    if read.kind == "choice":
        return None if told.forms == read.forms or _chosen(text) == set(read.forms) else missing
    if read.kind == "polar":
        return None if told.kind == "polar" and told.forms == read.forms else missing
    if read.kind in ("date", "number", "time") and (same := compare(original, text)[0]) != "undecided":
        return None if same == "same" or _figure_told(original, text) else missing
    said = words(text)
    wanted = content(original) or words(original)
    if unspaced:  # characters stand for words, and say little alone
        return None if folded(original).strip("。．. ") in folded(text) else missing
    if not all(word in said or any(base(word) == base(other) for other in said) for word in wanted):
        return missing
    return None


def _figure_told(original: str, text: str) -> bool:
    said = quantities(text)
    return all(
        any(one.as_large(other) or (not one.measures and one.value == other.value) for other in said)
        for one in quantities(original)
    )


def _ends_in(text: str, final: str) -> bool:
    """Whether a text comes to the same."""
    found = FINAL.search(text)
    told = quantities(found[1]) if found else quantities(text)[-1:]
    return bool(told) and told[0].value == quantities(final)[0].value


def _chosen(text: str) -> set[str]:
    """The letters of choices that a text names."""
    return {word for word in words(text) if len(word) == 1 and word in "abcdefgh"} - {"a"} or (
        {"a"} if "A" in text.replace(".", " ").replace(")", " ").split() else set()
    )
