"""Prompts as words: which of them name what is asked about, and which say what is asked of it.

No model and no list of names: a name is what is written with a capital inside sentences more often than without, what
has a digit, and a sign of arithmetic. A prompt without any of these (lower-case text, a script without capitals) is
about its rare words. All statistics come from the data set itself.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
from jaxtyping import Bool, Int, UInt8

from uptake.data.shown import response_text
from uptake.rivals.spellings import Spellings, bare, habit, marks
from uptake.types import Example, Prompt

LONGEST = 4000
"""Characters of a turn that are read as words; what comes before them only has to be the same."""

CAPITAL, INITIAL = 1, 2

MOSTLY, FEW = 0.8, 5
"""Where this share of the words has a capital, capitals say nothing; not told of fewer words than `FEW`."""

CONTEXT = "\0"
"""Begins the one word that stands for the turns before the question."""

_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W_]+(?:['’][^\W_]+)*|[+*/=<>^%$€£&|~]|(?<=\s)[-−](?=\s)|(?<=\d)[-−](?=\d)")
_OPENS = re.compile(r"[.!?:;\n\"“«(\[]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")

# English words that open sentences: in a small data set nothing else tells them from names
FUNCTION_WORDS = frozenset(
    "a an the this that these those it its he she they we you i and or but not no of in on at to by for from with as "
    "is are was were be been do does did has have had can could will would shall should may might must what which who "
    "whom whose where when why how if then there here give tell name list write say please answer question".split()
)


def context_and_question(prompt: Prompt) -> tuple[str, str]:
    """What must be the same for two prompts to be comparable, and the text that asks.

    Of a conversation the last turn asks, and the turns before it are context. Of a very long text the end asks.
    """
    if isinstance(prompt, str):
        context, text = "", prompt
    else:
        context = "\0".join(f"{turn.role}\0{turn.content}" for turn in prompt[:-1])
        text = prompt[-1].content if prompt else ""
    return (context + text[:-LONGEST], text[-LONGEST:]) if len(text) > LONGEST else (context, text)


def words_of(text: str) -> list[tuple[str, int]]:
    """The words of a text in order, case-folded, each with the flags `CAPITAL` and `INITIAL` (it opens a sentence).

    Numbers lose their thousands separators, words their possessive. Scripts without spaces give pairs of characters.
    """
    text = unicodedata.normalize("NFKC", text)
    found: list[tuple[str, int]] = []
    end = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        flags = INITIAL if end == 0 or _OPENS.search(text, end, match.start()) else 0
        end = match.end()
        if token[0].isupper():
            flags |= CAPITAL
        if _GROUPED.fullmatch(token):
            token = token.replace(",", "")
        if _UNSPACED.search(token):
            token = token.replace("’", "'").removesuffix("'s")
            found += [(token[at : at + 2], 0) for at in range(max(1, len(token) - 1))]
            continue
        word = token.replace("’", "'").casefold()
        found.append((word.removesuffix("'s"), flags))
    return found


@dataclass(frozen=True)
class Questions:
    """The distinct prompts of a data set as words. All arrays follow the order of the prompts' digests.

    Attributes:
        vocabulary: The distinct words.
        words: Words of all questions, one after the other, as indices into `vocabulary`.
        names: Whether each of them names what is asked about.
        marked: Whether each of them is written with a capital that neither the sentence's beginning explains nor a
            habit of capitals.
        starts: Where each question's words begin; one longer than there are questions.
        frequency: In how many questions each word of the vocabulary stands.
        of: The question of each example; -1 for an example without a prompt.
        spellings: How each question is spelled.
    """

    vocabulary: Sequence[str]
    words: Int[np.ndarray, " tokens"]
    names: Bool[np.ndarray, " tokens"]
    marked: Bool[np.ndarray, " tokens"]
    starts: Int[np.ndarray, " questions_and_1"]
    frequency: Int[np.ndarray, " vocabulary"]
    of: Int[np.ndarray, " examples"]
    spellings: Spellings

    def __len__(self) -> int:
        return len(self.starts) - 1

    def rare(self) -> int:
        """A word in no more questions than this is rare; grows slowly with the data."""
        return max(2, int(0.5 + float(len(self)) ** 0.4))


@dataclass(frozen=True)
class _Read:
    """What is read of the prompts: words once for all spellings of them, and of each spelling what tells it apart."""

    words: array[int] = field(default_factory=lambda: array("i"))
    flags: array[int] = field(default_factory=lambda: array("B"))
    starts: array[int] = field(default_factory=lambda: array("q", [0]))
    worded: array[int] = field(default_factory=lambda: array("i"))
    marks: array[int] = field(default_factory=lambda: array("q"))
    capitals: array[int] = field(default_factory=lambda: array("q"))
    habits: array[int] = field(default_factory=lambda: array("b"))

    def flagged(self, number: int, words: Iterable[int], flags: array[int]) -> None:
        """Note the words of a prompt, or what another spelling of them says by its capitals."""
        if number == len(self.starts) - 1:
            self.words.extend(words)
            self.flags.extend(flags)
            self.starts.append(len(self.words))
        else:
            span = slice(self.starts[number], self.starts[number + 1])
            self.flags[span] = _together(self.flags[span], flags)

    def spelled(self, worded: int, text: str) -> None:
        """Note a further spelling."""
        self.worded.append(worded)
        self.marks.append(_number(marks(text)))
        self.capitals.append(_number(bare(text)))
        self.habits.append(habit(text))


def read_questions(examples: Iterable[Example]) -> tuple[Questions, list[str]]:
    """One pass over the examples.

    Prompts that differ in white space and in the marks that end a sentence alone are one question. What counts of
    the capitals of the same words does not depend on which spelling comes first.

    Returns:
        The questions, and the responses in the order of the examples.
    """
    known: dict[bytes, int] = {}
    spelled: dict[bytes, int] = {}
    worded: dict[bytes, int] = {}
    vocabulary: dict[str, int] = {}
    read, of = _Read(), array("i")
    responses: list[str] = []
    for example in examples:
        responses.append(response_text(example))
        context, text = context_and_question(example.prompt)
        if not text.strip():
            of.append(-1)
            continue
        context = " ".join(context.split())
        spelling = _digest(context, " ".join(text.split()))
        if spelling in spelled:
            of.append(spelled[spelling])
            continue
        found = words_of(text)
        if context:
            found.insert(0, (f"{CONTEXT}{_digest(context).hex()}", 0))
        words = [word for word, _ in found]
        same = worded.setdefault(_digest(*words), len(worded))
        number = spelled[spelling] = known.setdefault(_digest(context, bare(text)), len(known))
        of.append(number)
        numbers = [vocabulary.setdefault(word, len(vocabulary)) for word in words]
        read.flagged(same, numbers, array("B", [flag for _, flag in found]))
        if number == len(read.worded):
            read.spelled(same, text)
    return _in_order(list(known), list(vocabulary), read, np.array(of, dtype=np.int32)), responses


def _number(text: str) -> int:
    return int.from_bytes(_digest(text)[:8], "little", signed=True)


def _together(flags: array[int], others: array[int]) -> array[int]:
    """What two spellings of the same words say by their capitals.

    A capital inside a sentence says more than none, and none more than one that opens a sentence. A spelling in which
    nearly every word has one says nothing beside another.
    """
    shouted = [_shouts(one) for one in (flags, others)]
    if shouted[0] != shouted[1]:
        return others if shouted[0] else flags
    rank = {CAPITAL: 3, 0: 2, INITIAL: 1, CAPITAL | INITIAL: 0}
    return array("B", [max(pair, key=rank.__getitem__) for pair in zip(flags, others, strict=True)])


def _shouts(flags: array[int]) -> bool:
    return len(flags) >= FEW and sum(bool(flag & CAPITAL) for flag in flags) >= MOSTLY * len(flags)


def _digest(*texts: str) -> bytes:
    joined = "\0\0".join(texts).encode("utf-8", "surrogatepass")
    return blake2b(joined, digest_size=12).digest()


def _in_order(keys: list[bytes], vocabulary: list[str], read: _Read, of: Int[np.ndarray, " examples"]) -> Questions:
    """The questions sorted by digest, so that nothing depends on the order of the data."""
    starts, worded = np.array(read.starts, dtype=np.int64), np.array(read.worded, dtype=np.int64)
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
    own = worded[order]
    lengths = np.diff(starts)[own]
    begins = np.concatenate([[0], np.cumsum(lengths)])
    take = np.repeat(starts[:-1][own] - begins[:-1], lengths) + np.arange(begins[-1])
    place = np.empty(len(keys) + 1, dtype=np.int32)
    place[order], place[-1] = np.arange(len(keys)), -1
    words, flags = np.array(read.words, dtype=np.int32)[take], np.array(read.flags, dtype=np.uint8)[take]
    owner = np.repeat(np.arange(len(keys)), lengths)
    pairs = np.unique(owner * len(vocabulary) + words) if len(words) else words
    frequency = np.bincount(pairs % max(1, len(vocabulary)), minlength=len(vocabulary))
    none = np.zeros(len(words), dtype=bool)
    kinds = ((read.marks, np.int64), (read.capitals, np.int64), (read.habits, np.int8))
    spellings = Spellings(own, *(np.array(part, dtype=kind)[order] for part, kind in kinds))
    questions = Questions(vocabulary, words, none, none, begins, frequency, place[of], spellings)
    names, marked = _names(questions, flags, owner)
    return replace(questions, names=names, marked=marked)


def _names(
    questions: Questions, flags: UInt8[np.ndarray, " tokens"], owner: Int[np.ndarray, " tokens"]
) -> tuple[Bool[np.ndarray, " tokens"], Bool[np.ndarray, " tokens"]]:
    """Which tokens are names, and which are written with a capital that says so."""
    size = len(questions.vocabulary)
    capital, initial = (flags & CAPITAL).astype(bool), (flags & INITIAL).astype(bool)
    signs = np.array([not word.replace("'", "").isalpha() for word in questions.vocabulary], dtype=bool)
    function = np.array([word in FUNCTION_WORDS for word in questions.vocabulary], dtype=bool)
    # where nearly every word has a capital, capitals say nothing
    lengths = np.maximum(1, np.diff(questions.starts))
    share = np.bincount(owner, weights=capital, minlength=len(questions)) / lengths
    shouted = ((share >= MOSTLY) & (lengths >= FEW))[owner]
    said = ~shouted
    inside = np.bincount(questions.words[capital & ~initial & said], minlength=size)
    lower = np.bincount(questions.words[~capital & said], minlength=size)
    opening = np.bincount(questions.words[capital & initial & said], minlength=size)
    only_opens = (inside == 0) & (lower == 0) & (opening > 0) & (questions.frequency <= questions.rare())
    kind = (signs | (inside > lower) | only_opens) & ~function
    marked = capital & ~initial & said
    names: Bool[np.ndarray, " tokens"] = kind[questions.words] | (marked & ~function[questions.words])
    return names, marked
