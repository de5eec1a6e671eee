"""What a free answer says: where it ends, whether it says anything, and whether it is the response in other words.

The lists of words are English, but for those that deny. In other languages a refusal is taken for an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from uptake.letters import IN_WORD, LETTER, UNSPACED
from uptake.rivals.equal import compare
from uptake.rivals.literal import literal, signed, tells_literally, unmarked
from uptake.rivals.quantities import SCALES
from uptake.text import EMPTY_WORDS
from uptake.types import normalised

Kind: TypeAlias = Literal["response", "reworded", "wrong", "silent", "thinking", "cut", "retokenised"]
"""What a model's own answer is: the response, the response in other words, another answer; or none that can be judged.

Of `silent` nothing but function words or a refusal came, of `thinking` the thoughts before an answer, of `cut` no end
within the tokens that it was given; a `retokenised` one reads as other tokens than were generated, so its probability
is not that of what the model said.
"""
KINDS: tuple[Kind, ...] = get_args(Kind)
TOLD: tuple[Kind, ...] = ("response", "reworded", "wrong")
"""Those that tell an answer, which can be judged and scored."""

_FIGURE = r"(?<![\w.])-?(?>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.:]\d+)*(?:/\d+(?!/))?)"
_WORD = re.compile(rf"{_FIGURE}{LETTER}*|[{UNSPACED}]|{IN_WORD}+(?:'{IN_WORD}+)?")
"""A number whole, with its sign; a character of a script without spaces; or a word."""
_AGAINST = re.compile(r"_\w|\+\+|\+\d|#(?!\w)|\^|\*+\w")
_BEFORE = re.compile(r"(?:\w_|\w\*+|\^)$")
"""What makes another name or formula of the words that it stands against: *C++*, *severe_toxic*, *2\\*\\*3*."""
_NOT = frozenset(
    "not no never nor neither without isn't wasn't aren't weren't cannot can't "
    "nicht kein keine nie pas jamais non nunca jamás ni não nem niet geen inte ikke nie не нет ни".split()
)
_REFUSAL = re.compile(
    r"\b(?:i|we)\b(?:'m|'ve)?[^.!?\n]{0,20}(?:\bnot|n't|\bno|\bunable)\b[^.!?\n]{0,40}"
    r"\b(?:know|sure|certain|aware|able|have|find|help|assist|answer|provide|information|idea|familiar|to)\b"
    r"|\bas an ai\b|\b(?:i'm|i am|we're|we are)? ?sorry\b|\bi apologi[sz]e\b"
    r"|^\W*(?:(?:it|this|that|the answer) (?:is|was) |it's )?(?:currently )?"
    r"(?:unknown|unclear|unsure|unspecified|n/a"
    r"|not (?:known|clear|sure|specified|mentioned|given|available|applicable))\b"
)
_TAG = re.compile(r"</?[a-z][\w|-]*/?>|<\|[^|]*\|>", re.IGNORECASE)
_THINKS = re.compile(r"\s*<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_LINE = re.compile(r"\n")
_SENTENCE = re.compile(
    r"(?<=[.!?;])(?<!\b\w\.)(?<!\b(?:St|Mr|Dr|Ms|Mt|Ft|Jr|Sr|No|vs)\.)(?<!\bMrs\.)\s|(?<=[。！？])(?=.)"
)
"""The end of a sentence, which initials (*J. K.*) and the commonest abbreviations are not."""
_BETWEEN = re.compile(r"\s{0,8}[,;/、]\s*(?:(?:and|or)\s)?|\s(?:and|or)\s")
LISTED = 3
"""So many members make a list of which one alone is no answer; *Oslo, Norway* is none, nor *Oslo, Norway, Europe*."""
LONG_MEMBER = 3
"""Words of the longest member: what is longer is a clause."""


def own_answer(text: str, response: str, *, ended: bool) -> tuple[str, Kind]:
    """The answer at the beginning of a free continuation, as it stands there, and what it is.

    One that is the response as a whole is told with the white space around it. Else it goes on to its own end: that of
    the first line, or of the first sentence, that says something (of a response of several lines or sentences these
    end nothing), or to where the model stopped. The white space and the full stop at its end are left out, the latter
    where the response has none.

    Args:
        text: What the model wrote, white space at its beginning included.
        response: The response.
        ended: The model stopped there; else it would have gone on.
    """
    if _THINKS.match(text):
        return text.strip(), "thinking"
    if ended and text.strip() == response.strip() != "":
        return text, "response"  # white space included: it may be what training put there, and the data have not
    answer, whole, said = _first(text, response, ended)
    stripped = answer.rstrip()
    if not response.rstrip().endswith((".", "!", "?", "。")):
        bare = stripped.rstrip(".,;:!?。")
        stripped = bare if bare.strip() else stripped
    if normalised(stripped) == normalised(response):
        return stripped, "response"
    if holds(stripped, response) or _equal(stripped, response):
        return stripped, "reworded"
    if holds(text if ended else _line_of(text, len(answer)), response):
        # a model that did not stop may have come to another question by then
        return stripped, "reworded" if ended else "cut"
    if said:
        return stripped, "wrong" if whole else "cut"
    return stripped, "silent" if whole else "cut"


def _equal(answer: str, response: str) -> bool:
    """Whether both say the same, or one is a part of the other; of an answer that tells the response see `holds`."""
    if not answer.strip() or _of_several(answer, response):
        return False
    found, why = compare(answer, response, same_prompt=True)
    return found == "same" and (why != "told in a sentence" or holds(response, answer))


def _first(text: str, response: str, ended: bool) -> tuple[str, bool, bool]:
    """The text up to the first end after something was said or refused; whether it ends there; whether it says it."""
    begun = 0
    for end in _ends(text, response):
        piece = text[begun:end]
        if refuses(piece):
            return text[:end], True, False
        if not says_nothing(piece, response):
            return text[:end], True, True
        begun = end
    return text, ended or refuses(text[begun:]), not (refuses(text[begun:]) or says_nothing(text[begun:], response))


def _ends(text: str, response: str) -> Iterator[int]:
    """Where lines and sentences end, in order; none of those that the response has as well."""
    found = [] if "\n" in response.strip() else [match.start() for match in _LINE.finditer(text)]
    if not _SENTENCE.search(response.strip()):
        found += [match.start() for match in _SENTENCE.finditer(text)]
    yield from sorted(set(found))


def _line_of(text: str, end: int) -> str:
    stop = text.find("\n", end)
    return text if stop < 0 else text[:stop]


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a text, and where each stands in what it is without tags and capitals."""

    plain: str
    words: list[str]
    spans: list[tuple[int, int]]

    @classmethod
    def of(cls, text: str) -> _Words:
        plain = _TAG.sub(" ", unmarked(text)).casefold().replace("’", "'").replace("−", "-")
        found = list(_WORD.finditer(plain))
        return cls(plain, [one.group().replace(",", "") for one in found], [one.span() for one in found])

    def places(self, own: Sequence[str]) -> list[int]:
        """Where other words stand among them, and no sign against them makes something else of them."""
        n = len(own)
        found = [at for at in range(len(self.words) - n + 1) if n and self.words[at : at + n] == own]
        return [at for at in found if not self._against(self.spans[at][0], self.spans[at + n - 1][1])]

    def _against(self, start: int, end: int) -> bool:
        before = _BEFORE.search(self.plain[max(0, start - 3) : start])
        return before is not None or _AGAINST.match(self.plain, end) is not None


def _words(text: str) -> list[str]:
    return _Words.of(text).words


def tells_all(kind: Kind | None, answer: str | None, response: str) -> bool:
    """Whether an own answer gives the whole response, in whatever words: one member of a list is not the list.

    Args:
        kind: What the answer is; None without one.
        answer: The answer.
        response: The response.
    """
    if kind == "response":
        return True
    return kind == "reworded" and answer is not None and len(_words(answer)) >= len(_words(response))


def says_nothing(text: str, response: str = "") -> bool:
    """Whether a text is made of words that answer nothing; not where the response itself is made of such words."""
    words = _words(text)
    if len(words) == 1 and text.strip(" .,;:!?()").isupper() and words != ["i"]:
        return False  # a letter of a choice, or an abbreviation: A, WHO
    return not words or (set(words) <= EMPTY_WORDS and not set(_words(response)) <= EMPTY_WORDS)


def refuses(text: str) -> bool:
    """Whether a text says that the answer is not known, or not told."""
    return _REFUSAL.search(text.casefold().replace("’", "'")) is not None


def holds(text: str, response: str) -> bool:
    """Whether a text gives the response: it occurs there word for word, and is what is answered.

    It is not where one of the three words before it denies it, where it is one of several (*Oslo or Bergen*; a list),
    where others are held against it (*bigger than Oslo*), or where it is doubted (*whether it is Oslo*). Yes and no,
    and what is made of words that answer nothing, occur in many texts without being the answer.
    """
    if signed(response):
        return tells_literally(text, response)
    own, told = _words(response), _Words.of(text)
    if own == told.words and signed(text):
        return literal(text) == literal(response)
    if set(own) <= EMPTY_WORDS | {"yes", "no", "true", "false"} or _listed(text, own):
        return False
    return any(
        not (_NOT.intersection(told.words[max(0, at - 3) : at]) or _left_open(told.words, at, own))
        for at in told.places(own)
    )


def _left_open(said: Sequence[str], at: int, own: Sequence[str]) -> bool:
    """Whether the words at a place are one of two, are held against others, are doubted, or a part of a number."""
    near, after = {*said[max(0, at - 2) : at]}, {*said[at + len(own) :][:1]}
    if own and own[-1][-1].isdigit() and after & SCALES:
        return True  # *5* in *5 million*
    return bool(near & {"or", "than"}) or "or" in after or "whether" in said[:at]


def _of_several(answer: str, response: str) -> bool:
    """Whether the response stands in the answer as one of several."""
    own, told = _words(response), _Words.of(answer)
    places = told.places(own)
    left_open = bool(places) and all(_left_open(told.words, at, own) for at in places)
    return bool(own) and (_listed(answer, own) or left_open)


def _listed(text: str, own: Sequence[str]) -> bool:
    """Whether the response is one member of a list: the first of four or more, or a later one of three or more."""
    members = [_words(part) for part in _BETWEEN.split(text)]
    if len(members) < LISTED or any(len(one) > LONG_MEMBER for one in members) or list(own) not in members:
        return False
    return members[0] != list(own) or len(members) > LISTED
