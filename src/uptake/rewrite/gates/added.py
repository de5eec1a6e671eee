"""Whether a rewrite claims something that neither the original nor the question says."""

from __future__ import annotations

from uptake.rewrite.gates.facts import MORE, SHARE, untold, words_beyond
from uptake.rewrite.said import Rewriting, content, is_short, names, supported, words

_OF_REWRITING = frozenset("rewritten rephrased rephrase reworded paraphrase paraphrased rewrite".split())

OF_AN_ANSWER = 2
"""The same where the original is an answer and nothing else: the question has the other words."""


def added(rewriting: Rewriting) -> str | None:
    """No name, and no clause, that neither the original nor the question has."""
    before = f"{rewriting.question} {rewriting.original}"
    known, told = frozenset(words(before)), content(before)
    for name in names(rewriting.text):
        strange = [word for word in name if word not in known and not supported(word, told)]
        if strange and 2 * len(strange) >= len(name):
            return f"the name {' '.join(name)!r} is new"
        if strange and strange[0] in content(rewriting.text):
            return f"{strange[0]!r} in a name is new"
    if (of := _OF_REWRITING.intersection(words(rewriting.text)) - known) != frozenset():
        return f"it speaks of the rewriting: {sorted(of)[0]!r}"
    new, lost = untold(rewriting.text, before), untold(rewriting.original, rewriting.text)
    if len(new) > len(lost) and any(len(clause) >= MORE for clause in new):
        return f"what it says of {' '.join(new[0][:6])!r} is new"
    more = words_beyond(rewriting.text, before) - words_beyond(rewriting.original, rewriting.text)
    if more > (OF_AN_ANSWER if is_short(rewriting) else MORE + SHARE * len(content(rewriting.original))):
        return f"{more} more of its words are new than of the original's are missing"
    return None
