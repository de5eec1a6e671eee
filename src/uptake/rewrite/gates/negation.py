"""Whether what is denied stays denied, and nothing is turned round."""

from __future__ import annotations

import re

from uptake.rewrite.said import Rewriting, folded, words

_DENIES = frozenset(
    "no not never none nothing nobody neither nor nowhere cannot without untrue false incorrect wrong "
    "nicht nie niemals kein keine keinen keiner niet geen nooit jamais aucun aucune sans nunca ningun ninguna sin non "
    "mai nao nem sem inte aldrig nie не нет никогда değil tidak bukan không".split()
)
_ALSO = frozenset(
    "unable impossible unlikely lack lacks lacked lacking fail fails failed absent refuse refused avoid avoids prevent "
    "prevents hardly rarely seldom barely little few except unless unnecessary different unknown invalid dis".split()
)
"""Words that may stand for a negation, and need not."""
_UNSPACED = re.compile(r"不|没|沒|無|无|非|未|ない|ません|안|못|아니")
_OPPOSITES = (
    ("yes true correct", "no false incorrect"),
    ("more greater higher larger bigger above over exceeds", "less fewer lower smaller below under"),
    ("before earlier", "after later"),
    ("increase increases increased increasing rises rise", "decrease decreases decreased decreasing falls fall"),
    ("always", "never"),
    ("most maximum largest highest best", "least minimum smallest lowest worst"),
    ("all every", "none no"),
    ("with", "without"),
    ("hot warm", "cold cool"),
    ("north northern", "south southern"),
    ("east eastern", "west western"),
)
_PAIRS = tuple((frozenset(one.split()), frozenset(other.split())) for one, other in _OPPOSITES)


def negation(rewriting: Rewriting) -> str | None:
    """As much is denied as in the original, and no word stands in the place of its opposite."""
    original, text = words(rewriting.original), words(rewriting.text)
    before, after = _denials(rewriting.original), _denials(rewriting.text)
    loose = [sum(word in _ALSO for word in said) for said in (original, text)]
    if after > before + loose[0] or (after and not before and not loose[0]):
        return "it denies what the original does not"
    if before > after + loose[1] or (before and not after and not loose[1]):
        return "it does not deny what the original does"
    own, said = frozenset(original), frozenset(text)
    if original[:1] == ("yes",) and "yes" not in said:
        return "it does not say 'yes'"
    for one, other in _PAIRS:
        for here, there in ((one, other), (other, one)):
            if own & here and said & there and not own & there and not said & here:
                return f"{sorted(said & there)[0]!r} stands where the original has {sorted(own & here)[0]!r}"
    return None


def _denials(text: str) -> int:
    said = words(text)
    return sum(word in _DENIES or word.endswith("n't") for word in said) + len(_UNSPACED.findall(folded(text)))
