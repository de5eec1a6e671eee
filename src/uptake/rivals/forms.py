"""What one question asks, read by itself: the words it turns on, the kind of answer it wants, and who does what.

Statistics need many questions; a wording that a data set holds once or twice is read by its grammar. "Which city is the
capital of _?", "Name the capital of _." and "_ has which capital?" turn on *capital*; "Who wrote _?" and "_'s author"
on words that may stand for each other; "Who is _ the author of?" asks the other way round. English only: a question of
another language turns on all its words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from uptake.rivals.lexicon import (
    ASKS,
    AUXILIARIES,
    EMPTY,
    KINDS,
    REQUESTS,
    SINGULAR,
    SPLIT,
    SYMMETRIC,
    base,
    families,
    linked,
)

NAME = ""
"""Stands for what is named, where that is known."""
LONGEST_FORM = 30
"""Words beyond which a prompt is more than a question."""
LONGEST_OF_TWO = 16
"""The same where it has two question words: "What is the name of the person who ..."."""

Likeness: TypeAlias = Literal["equal", "linked", "partly", "apart", "unsaid", "clash"]
"""Of two questions: they turn on the same words; on words that may stand for each other; on some that do; on none;
neither says on what; they ask for different things about the same."""

_DO = frozenset("do does did".split())
_ADVICE = frozenset(
    "opinion recommend suggest recommendation recommendations suggestion suggestions example examples some another "
    "idea ideas advice tip tips".split()
)
_YOURS = frozenset("you your yours".split())
_TASTE = frozenset("favourite favorite prefer think feel like love best should".split())
_PRAISE = frozenset("best worst greatest nicest finest".split())
_INDEFINITE = frozenset("a an one any some two three four five six ten several few other another examples all".split())
_WANTS = {
    "who": "agent",
    "whom": "agent",
    "whos": "agent",
    "where": "place",
    "wheres": "place",
    "when": "time",
    "why": "why",
}


@dataclass(frozen=True, slots=True)
class ReadQuestion:
    """A question, read.

    Attributes:
        turns_on: The base forms of the words that it turns on, in order.
        asked: The nouns after *which* and *what*, and those that say what kind of answer is wanted.
        kind: What it wants: `agent`, `place`, `time`, `number`, `why`, `how`; "" where that is open.
        group: Which of that kind: `city`, `country`, `year`, ...; "" where that is open.
        named: What is named in it is the `agent` or the `patient` of what is asked; "" where grammar does not tell.
        inverse: It asks whose or of what the named thing is something: "Which country is _ the capital of?".
        asks: It is a question or a request, not a text that its answer goes on with.
        several: It may well have several answers: "Name a city in _", "What are ...", an opinion.
    """

    turns_on: tuple[str, ...]
    asked: tuple[str, ...]
    kind: str
    group: str
    named: str
    inverse: bool
    asks: bool
    several: bool


def read_form(words: Sequence[str]) -> ReadQuestion | None:
    """Read a question; None where it is too long to be one alone.

    Args:
        words: Its words in order, case-folded, without possessives; `NAME` for what is named.
    """
    words = _without_relative(words)
    asks = sum(word in ASKS for word in words)
    if len(words) > LONGEST_FORM or asks > 2 or (asks == 2 and len(words) > LONGEST_OF_TWO):
        return None
    words = [part for word in words for part in SPLIT.get(word, (word,))]
    start = _opening(words)
    asked_at = _nouns_asked_for(words)
    kind, group = _wanted(words, start, asked_at)
    content: list[str] = []
    asked: list[str] = []
    for at in range(start, len(words)):
        word = words[at]
        if word == NAME or word in ASKS or word in AUXILIARIES or word in EMPTY or _counted(words, at):
            continue
        if at in asked_at or (word in KINDS or base(word) in KINDS) and not _part_of_a_name(words, at):
            asked.append(base(word))
        else:
            as_what = word.startswith("work") and words[at + 1 : at + 2] == ["as"]
            content.append("occupation" if as_what else base(word))
    named = "" if SYMMETRIC.intersection(content) else _role(words, start, asked_at)
    several = _several(words, start, asked_at)
    asks = bool(asks) or not REQUESTS.isdisjoint(words[:start])
    return ReadQuestion(tuple(content), tuple(asked), kind, group, named, _stranded(words, "of"), asks, several)


def _without_relative(words: Sequence[str]) -> Sequence[str]:
    """The *who* of "Ada, who works for" asks nothing."""
    named = next((at for at, word in enumerate(words) if word not in (NAME, "the", "a", "an")), len(words))
    if (
        NAME in words[:named]
        and words[named : named + 1]
        and words[named] in ("who", "which", "whose", "where", "that")
    ):
        return [*words[:named], *words[named + 1 :]]
    return words


def _opening(words: Sequence[str]) -> int:
    """Where what is asked begins: after "please tell me", "I would like to know", "name"."""
    for at, word in enumerate(words):
        if word in ASKS or (word != NAME and word not in REQUESTS and word not in EMPTY and word not in AUXILIARIES):
            return at
    return len(words)


def _nouns_asked_for(words: Sequence[str]) -> frozenset[int]:
    """Places of the nouns after *which*, *what*, *how many*: "which official language does", "which author wrote"."""
    found: list[int] = []
    for at, word in enumerate(words):
        if word == "how" and words[at + 1 : at + 2] in (["large"], ["big"], ["great"], ["high"]):
            found.append(at + 1)  # how large is the population
        if word not in ("which", "what", "whose") and not _counted(words, at):
            continue
        end = at + 1
        while end < len(words) and _says_something(words[end]):
            end += 1
        run = list(range(at + 1, end))
        before_verb = end == len(words) or words[end] in AUXILIARIES
        # before a name or a preposition the last word is the verb
        found += run if before_verb or len(run) < 2 else run[:-1]
    return frozenset(found)


def _counted(words: Sequence[str], at: int) -> bool:
    return words[at] in ("many", "much") and at > 0 and words[at - 1] == "how"


def _says_something(word: str) -> bool:
    return word != NAME and word not in EMPTY and word not in AUXILIARIES and word not in ASKS


def _wanted(words: Sequence[str], start: int, asked_at: frozenset[int]) -> tuple[str, str]:
    """What kind of answer is wanted."""
    for at, word in enumerate(words):
        if word in _WANTS:
            return _WANTS[word], ""
        if word == "how":
            after = words[at + 1] if at + 1 < len(words) else ""
            return ("number", "") if after in ("many", "much") else ("how", "") if after in AUXILIARIES else ("", "")
    if asked_at:
        return next(
            (KINDS[base(words[at])] for at in sorted(asked_at, reverse=True) if base(words[at]) in KINDS), ("", "")
        )
    # "the date of birth", "the city where", "birth date"
    told = [
        KINDS[base(words[at])]
        for at in range(start, len(words))
        if base(words[at]) in KINDS and not _part_of_a_name(words, at)
    ]
    return next((found for found in told if found[0]), ("", ""))


def _part_of_a_name(words: Sequence[str], at: int) -> bool:
    """Whether a noun such as *city* follows another word as in "mexico city"."""
    if not at or not _says_something(words[at - 1]) or words[at - 1] in ("capital", "home", "birth", "native"):
        return False
    return KINDS[base(words[at])][0] == "place" and (
        at + 1 == len(words) or words[at + 1] not in ("of", "where", "that", "in")
    )


def _role(words: Sequence[str], start: int, asked_at: frozenset[int]) -> str:
    """Who the named is in what is asked."""
    if _stranded(words, "by"):
        return "patient"
    if "by" in words:
        return "agent"
    for at in range(start, len(words)):
        if words[at] not in ("who", "whom", "what", "which"):
            continue
        end = at + 1
        while end in asked_at:
            end += 1
        if any(word in _DO for word in words[end:]):
            return "agent"
        if end < len(words) and _says_something(words[end]) and (words[at] == "who" or end > at + 1):
            return "patient"
    return ""


def _stranded(words: Sequence[str], preposition: str) -> bool:
    """Whether nothing stands after a preposition but what is asked for."""
    for at, word in enumerate(words):
        # a twin city of somewhere is no other way round
        if word == preposition and (preposition == "by" or "the" in words[max(0, at - 3) : at]):
            rest = [other for other in words[at + 1 :] if other not in ("the", "a", "an")]
            if not rest or rest[0] in ASKS or rest[0] in AUXILIARIES:
                return True
    return False


def _several(words: Sequence[str], start: int, asked_at: frozenset[int]) -> bool:
    if _ADVICE.intersection(words) or "list" in words[:start]:
        return True
    if _YOURS.intersection(words[start:]) and _TASTE.intersection(words[start:]):
        return True
    if any(
        a in ("the", "which", "what") and b in _PRAISE and c not in ("known", "selling")
        for a, b, c in zip(words, words[1:], words[2:], strict=False)
    ):
        return True
    if any(_plural(words[at]) for at in asked_at if words[at - 1] not in ("many", "much")):
        return True
    for at, word in enumerate(words[:-1]):
        after = words[at + 1]
        if word in ("what", "who", "which") and after in ("are", "were") and not SINGULAR.intersection(words):
            return True
        if (
            word in ("is", "was")
            and after in ("a", "an", "one")
            and at == start + 1
            and words[start] in ("what", "who")
        ):
            return True
        if word == "one" and after == "of":
            return True
        if (
            at < start
            and word in ("name", "give", "tell", "me", "us", "provide", "state", "list", "identify")
            and after in _INDEFINITE
        ):
            return True
    return False


def _plural(word: str) -> bool:
    return (
        word.endswith("s")
        and word not in SINGULAR
        and base(word) != word
        and (base(word) in families() or base(word) in KINDS)
    )


@lru_cache(maxsize=100_000)
def likeness(one: ReadQuestion, other: ReadQuestion, *, whole: bool = False) -> Likeness:
    """How what two questions turn on compares.

    Args:
        one: A question.
        other: Another.
        whole: They were read with the names in them: then the nouns that they ask for count too.
    """
    if _clash(one, other):
        return "clash"
    ours, theirs = _turned_on(one, whole), _turned_on(other, whole)
    if not ours or not theirs:
        if ours or theirs:
            return "apart"
        return "equal" if set(one.asked) == set(other.asked) != set() else "unsaid"
    offered = one.turns_on + one.asked, other.turns_on + other.asked
    exact = set(ours) <= set(offered[1]) and set(theirs) <= set(offered[0])
    if exact and one.inverse != other.inverse:
        return "clash"
    missing = _missing(ours, offered[1]), _missing(theirs, offered[0])
    if missing == (0, 0):
        others = _missing(_nouns(one), offered[1]) and _missing(_nouns(other), offered[0])
        return "apart" if others else "equal" if exact else "linked"
    # what each asks and the other does not are two things, unless both say what kind of thing they ask for
    nouns = any(word in offered[1] for word in _nouns(one)) or any(word in offered[0] for word in _nouns(other))
    return "apart" if all(missing) and not nouns else "partly"


def _missing(words: Sequence[str], offered: Sequence[str]) -> int:
    return sum(word not in offered and not any(linked(word, near) for near in offered) for word in words)


def _nouns(form: ReadQuestion) -> tuple[str, ...]:
    """The nouns asked for that are more than a kind of answer."""
    return tuple(word for word in form.asked if word not in KINDS)


def _turned_on(form: ReadQuestion, whole: bool) -> tuple[str, ...]:
    """The words that must be matched: those asked for where there are no others, kinds of answers never."""
    return form.turns_on + _nouns(form) if whole else form.turns_on or _nouns(form)


def _clash(one: ReadQuestion, other: ReadQuestion) -> bool:
    """Whether they want different kinds of answer, or the named does in one what is done to it in the other."""
    if one.kind and other.kind and one.kind != other.kind:
        return True
    if one.group and other.group and one.group != other.group:
        return True
    if {one.named or _of_whom(one), other.named or _of_whom(other)} != {"agent", "patient"}:
        return False
    # of two verbs, such as work and employ, one may say the other the other way round
    return any(a[:3] == b[:3] for a in one.turns_on for b in other.turns_on)


def _of_whom(form: ReadQuestion) -> str:
    """The founder of what is named founded it."""
    return "patient" if any(word.endswith(("er", "or", "ist")) and len(word) > 4 for word in form.turns_on) else ""
