"""English words of questions: which say nothing, which say what kind of answer is wanted, which stand for each other.

The closed lists stand here; what may stand for each other is WordNet's (`families.txt`, `irregular.txt`, written by
`benchmarks/rivals_words.py`). Words of other languages are in no list: they stand for themselves alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

ASKS = frozenset("who whom whose which what where when why how whats whos wheres".split())
"""Question words."""
AUXILIARIES = frozenset(
    "is are was were be been being am do does did has have had having can could will would shall should may might must "
    "isn't aren't wasn't weren't".split()
)
REQUESTS = frozenset(
    "name tell give state say list identify provide specify answer question please kindly know wonder wondering like "
    "want need find out let help quick remind show write complete fill blank following here ask asking sure hey hello "
    "hi thanks thank quickly briefly exactly just now curious wanted".split()
)
"""Words that ask for an answer, where they stand before everything that a question is about."""
EMPTY = frozenset(
    "a an the this that these those there it its his her hers he him she they them their theirs we us our you your i "
    "me my mine and or but so of in on at to by for from with as into onto upon about concerning regarding whether if "
    "then also ever exactly actually currently current present presently really called known any own itself himself "
    "herself themselves located situated q s used use".split()
)
"""Words that a question is never about."""
KINDS: Mapping[str, tuple[str, str]] = {
    word: (kind, group)
    for kind, group, words in (
        ("agent", "", "person man woman people individual human someone somebody guy"),
        ("agent", "body", "company organisation organization firm institution corporation"),
        ("agent", "band", "band group"),
        ("agent", "team", "team club"),
        ("place", "", "place location spot site whereabouts"),
        ("place", "city", "city town village municipality settlement"),
        ("place", "country", "country nation land"),
        ("place", "continent", "continent"),
        ("place", "part", "county province region district"),
        ("time", "", "time date moment"),
        ("time", "year", "year"),
        ("time", "day", "day"),
        ("time", "month", "month"),
        ("time", "century", "century"),
        ("time", "decade", "decade"),
        ("number", "", "number amount quantity total count"),
        ("", "", "name thing item object answer word term"),
    )
    for word in words.split()
}
"""Nouns that say of what kind the answer is: its kind, and the group within it. Other groups ask for other things."""
SPLIT: Mapping[str, tuple[str, ...]] = {
    "birthplace": ("birth", "place"),
    "birthday": ("birth", "date"),
    "birthdate": ("birth", "date"),
    "birthyear": ("birth", "year"),
    "hometown": ("home", "town"),
    "homeland": ("home", "country"),
}
"""Words that hold the kind of their answer within them."""
SINGULAR = frozenset("headquarters species series news means lens basis living goods".split())
"""Words that look inflected and are not."""
SYMMETRIC = frozenset("marry wed border meet neighbour neighbor".split())
"""Verbs whose subject and object may change places."""

_ENDINGS = (
    ("ies", "y"),
    ("ied", "y"),
    ("es", ""),
    ("es", "e"),
    ("s", ""),
    ("ed", ""),
    ("ed", "e"),
    ("ing", ""),
    ("ing", "e"),
)
_DERIVED = (
    "ation ition sion tion ment ance ence ness ship ist ism ity ive ous ful ion ory ary age ing ier or er al ed es y e "
    "s"
).split()


def _lines(name: str) -> list[str]:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


@cache
def families() -> Mapping[str, frozenset[int]]:
    """For each word the numbers of the families that it belongs to."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(_lines("families.txt")):
        for word in line.split():
            found.setdefault(word, []).append(number)
    return {word: frozenset(numbers) for word, numbers in found.items()}


@cache
def _irregular() -> Mapping[str, str]:
    return dict(line.split(" ", 1) for line in _lines("irregular.txt"))


def bases(word: str) -> list[str]:
    """What a word may be an inflected form of by rule, itself first."""
    found = [word]
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) + len(instead) >= 3 and not word.endswith("ss"):
            stem = word[: len(word) - len(ending)]
            found.append(stem + instead)
            if ending in ("ed", "ing") and len(stem) > 3 and stem[-1] == stem[-2]:
                found.append(stem[:-1])
    return found


@lru_cache(maxsize=200_000)
def base(word: str) -> str:
    """The word without its inflection, where what is left is known; an unknown word loses the `s` of a plural."""
    known = families()
    if word in _irregular():
        return _irregular()[word]
    if word in SINGULAR:
        return word
    for form in bases(word)[1:]:
        if form in known or form in KINDS:
            return form
    plural = (
        word not in known
        and word.isascii()
        and word.isalpha()
        and len(word) > 4
        and word.endswith("s")
        and not word.endswith("ss")
    )
    return word[:-1] if plural else word


@lru_cache(maxsize=200_000)
def linked(one: str, other: str) -> bool:
    """Whether two words may stand for each other: they share a family, or a root of five letters at least."""
    return not _readings(one).isdisjoint(_readings(other)) or _root(one) == _root(other)


@lru_cache(maxsize=200_000)
def _readings(word: str) -> frozenset[int]:
    """The families of all that a word may be a form of."""
    forms = [*bases(word), _irregular().get(word, word)]
    return frozenset().union(*(families().get(form, frozenset()) for form in forms))


@lru_cache(maxsize=200_000)
def _root(word: str) -> str:
    if not (word.isascii() and word.isalpha()):
        return word
    for ending in _DERIVED:
        if word.endswith(ending) and len(word) - len(ending) >= 5:
            return word[: len(word) - len(ending)]
    return word
