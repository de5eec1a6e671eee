"""What a document says about a fact: it states it, states another answer, denies it, or only names what is asked about.

The unit is the sentence. A sentence speaks of the fact where it holds most names of the question, or where the title
or the sentence before it does, and says the words that the question turns on (those of any wording; inflections and
WordNet's relatives count). Of the answers of its kind in it, the one that stands nearest to those words is what it
states; whether that is the response is decided by the rules of `uptake.rivals.equal`. A word of denial in between takes
an answer out. A question states nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal, TypeAlias

from uptake.exposure.places import apart
from uptake.exposure.queries import FrameAnswers, Phrase, Queries, Query
from uptake.exposure.reading import DocumentReading, Sentence
from uptake.exposure.slots import slots
from uptake.exposure.words import places
from uptake.rivals.equal import compare, read_answer
from uptake.rivals.lexicon import linked

Says: TypeAlias = Literal["stated", "otherwise", "denied", "beside", "named"]
"""What a document says of a fact: it states it; it states another answer; it says that it is not so; it holds question
and answer in one sentence without the words that the question turns on; it holds what is asked about and no answer."""
SAYS: tuple[Says, ...] = ("stated", "otherwise", "denied", "beside", "named")

PASSAGE = 400
"""Characters of a passage that is kept."""
CLAUSE = 12
"""Words within which all stands that gives another answer: name, answer and the words that the question turns on."""
REACH = 3
"""Words before what is said, among which a word of denial denies it."""
_NOT = frozenset(b"not never no neither nor without cannot".split())
_SHORTENED = frozenset(b"isn wasn aren weren doesn didn don hasn haven hadn won wouldn couldn can shouldn".split())
_WRONG = frozenset(
    b"false untrue incorrect incorrectly wrongly mistakenly myth falsely misconception denied denies".split()
)
_STOPS = re.compile(r"[,;:()]")
_GOES_ON = frozenset(b"and or who which whose where".split())
_TURNS = frozenset(b"but rather instead however although though whereas while yet despite".split())


@dataclass(frozen=True, slots=True)
class Heard:
    """What one document says of one fact.

    Attributes:
        says: What it does.
        answer: The other answer, as it is written in the data or in the document; None unless it states one.
        passage: The sentence, or two, that say so; empty where the document only names what is asked about.
    """

    says: Says
    answer: str | None = None
    passage: str = ""


NAMED = Heard("named")


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer in a sentence: its text, whether it is the response, and at which words it begins and ends."""

    text: str
    right: bool
    at: int
    end: int


def judge(
    query: Query,
    queries: Queries,
    reading: DocumentReading,
    present: Mapping[int, Sequence[Phrase]],
    held: Sequence[int],
) -> Heard:
    """What a document says of a fact.

    Args:
        query: The fact.
        queries: All facts.
        reading: The document; it holds what is asked about.
        present: By the number of a sentence the answers of the fact's pool that it holds, as `pool_in` gives them; for
            dates and numbers nothing of it is read.
        held: Numbers of the names that the document holds.
    """
    names = [queries.names[number].line for number in query.names]
    same_asked = (n for n in held if n not in query.names and query.pool in queries.pools_of_name[n])
    others = [queries.names[number].line for number in same_asked]
    best = NAMED
    for number in _worth_reading(query, reading, present, names):
        sentence = reading.sentences[number]
        before = reading.sentences[number - 1] if number else None
        about = _about(names, query.fewest, sentence, before, reading.title)
        if about == "itself" and not all(map(partial(_as_name, sentence), names)):
            continue  # the word and not the name: *books* for *Books*
        if about is None or sentence.asks:
            continue
        if about != "itself" and any(sentence.holds(name) for name in others):
            continue  # it is about somebody else of whom the same is asked
        if query.kind == "phrase":
            answers = list(_phrases(query, present.get(number, ()), sentence, names))
        else:
            answers = list(_figures(query, sentence))
        if not answers and not query.proper:
            continue
        says, answer = _said(query, sentence, answers, names)
        if says == "beside" and (about != "itself" or not names):
            continue
        if SAYS.index(says) < SAYS.index(best.says):
            text = f"{before.text} {sentence.text}" if about == "former" and before is not None else sentence.text
            best = Heard(says, answer, _passage(text))
            if says == "stated":
                break
    return best


def _worth_reading(
    query: Query, reading: DocumentReading, present: Mapping[int, Sequence[Phrase]], names: Sequence[bytes]
) -> Sequence[int]:
    """The numbers of the sentences that may say something."""
    if query.kind != "phrase":
        return range(len(reading.sentences))
    if not query.proper or not names:
        return list(present)
    return sorted({*present, *(number for name in names for number in reading.holding(name))})


def pool_in(pool: FrameAnswers, found: frozenset[bytes], text: bytes) -> list[Phrase]:
    """The answers of a pool that a document holds.

    Args:
        pool: The pool.
        found: The words of the document that are looked for.
        text: All its words in one line.
    """
    if found.isdisjoint(pool.first_words):
        return []
    numbers = sorted(number for word in found & pool.first_words for number in pool.by_word[word])
    some = (pool.answers[number] for number in numbers)
    return [one for one in some if one.words <= found and one.line in text]


def by_sentence(present: Sequence[Phrase], reading: DocumentReading) -> dict[int, list[Phrase]]:
    """By the number of a sentence the answers that it holds; those without any are left out."""
    found: dict[int, list[Phrase]] = {}
    for one in present:
        for number in reading.holding(one.line):
            found.setdefault(number, []).append(one)
    return dict(sorted(found.items()))


def _about(
    names: Sequence[bytes], fewest: int, sentence: Sentence, before: Sentence | None, title: bytes
) -> Literal["itself", "title", "former"] | None:
    """By what a sentence may be about what is asked about: it names it, or the title or the sentence before does.

    What the sentence before names, it may go on about in pronouns; a title names what all of a document is about.
    """
    if fewest == 1 == len(names):
        (name,) = names
        if sentence.holds(name):
            return "itself"
        return "title" if name in title else "former" if before is not None and before.holds(name) else None
    if sum(sentence.holds(name) for name in names) >= fewest:
        return "itself"
    if sum(sentence.holds(name) or name in title for name in names) >= fewest:
        return "title"
    if before is not None and sum(sentence.holds(name) or before.holds(name) for name in names) >= fewest:
        return "former"
    return None


def _as_name(sentence: Sentence, name: bytes) -> bool:
    """Whether a name of one word is written as one where it stands; in a sentence without capitals that is not told."""
    capitals = sentence.capitals
    if name.count(b" ") > 2 or not sentence.holds(name) or not any(capitals) or len(capitals) != len(sentence.tokens):
        return True
    if not _cased(name):
        return True
    return any(at == 0 or capitals[at] for at in places(sentence.line, name))


@lru_cache(maxsize=1 << 12)
def _cased(name: bytes) -> bool:
    """Whether a folded name has letters that there are capitals of."""
    told = name.decode("utf-8", "replace")
    return name.isascii() or told != told.upper()


def _phrases(query: Query, present: Sequence[Phrase], sentence: Sentence, names: Sequence[bytes]) -> Iterator[_Answer]:
    """The answers of the pool in a sentence, but for those inside of a name or of a longer answer."""
    found: list[_Answer] = []
    for one in present:
        size = one.line.count(b" ") - 1
        right = same(query.wanted.text, one.text)
        found += [_Answer(one.text, right, at, at + size) for at in places(sentence.line, one.line)]
    taken = _taken(names, sentence)
    for here in found:
        wider = [(other.at, other.end) for other in found if other.end - other.at > here.end - here.at]
        if not any(start <= here.at and here.end <= end for start, end in (*taken, *wider)):
            yield here


def _figures(query: Query, sentence: Sentence) -> Iterator[_Answer]:
    """The dates or numbers in a sentence that are of the kind of the answer."""
    dated = query.kind == "date" or _is_year(query.wanted.text)
    for text, at in sentence.figures(dated):
        for written in (text, text.rsplit(maxsplit=1)[0]):  # the word after a number may be its unit, or not
            if read_answer(written).kind in ("date", "number"):
                yield _Answer(written, same(query.wanted.text, written), at, at + len(written.split()))
                break


def _is_year(text: str) -> bool:
    return len(text.strip()) == 4 and text.strip().isdigit() and text.strip()[0] in "12"


@lru_cache(maxsize=1 << 16)
def same(wanted: str, other: str) -> bool:
    """Whether two answers say the same."""
    return compare(wanted, other)[0] == "same"


def _said(
    query: Query, sentence: Sentence, answers: Sequence[_Answer], names: Sequence[bytes]
) -> tuple[Says, str | None]:
    """What a sentence says by the answers in it."""
    anchors = _anchors(query, sentence)
    if not answers:
        return _in_a_slot(query, sentence, anchors or [], names)
    named = _taken(names, sentence)
    if not anchors:
        own = [one for one in answers if one.right]
        if not own or len(own) < len(answers) or any(_not_so(sentence, one, one.at, named) for one in own):
            return "named", None
        return "beside", None
    denied = False
    for one in sorted(answers, key=lambda one: (_apart(one, _nearest(one, anchors)), one.at)):
        nearest = _nearest(one, anchors)
        if _not_so(sentence, one, nearest, named):
            denied |= one.right
        elif one.right:
            return "stated", None
        elif _excluded(query, one.text) and not _of_another(sentence, one, nearest, named):
            return "otherwise", one.text
        else:
            break
    return ("denied", None) if denied else ("named", None)


def _excluded(query: Query, other: str) -> bool:
    """Whether another answer cannot be right beside the fact's own."""
    return query.exclusive or (query.lies and apart(query.wanted.text, other))


def _in_a_slot(
    query: Query, sentence: Sentence, anchors: Sequence[int], names: Sequence[bytes]
) -> tuple[Says, str | None]:
    """What a sentence says by a name that nobody in the data answers."""
    taken = _taken(names, sentence)
    for text, at, end in slots(sentence, anchors, taken) if anchors and taken else ():
        one = _Answer(text, same(query.wanted.text, text), at, end)
        nearest = _nearest(one, anchors)
        if _not_so(sentence, one, nearest, taken):
            continue
        if one.right:
            return "stated", None
        other = _excluded(query, text) and query.wanted.words.isdisjoint(sentence.tokens[at:end])
        if other and not _of_another(sentence, one, nearest, taken):
            return "otherwise", text
    return "named", None


def _taken(names: Sequence[bytes], sentence: Sentence) -> list[tuple[int, int]]:
    """Where what is asked about is named in a sentence: from which word to before which."""
    found = (name for name in names if sentence.holds(name))
    return [(at, at + name.count(b" ") - 1) for name in found for at in places(sentence.line, name)]


def _of_another(sentence: Sentence, one: _Answer, anchor: int, named: Sequence[tuple[int, int]]) -> bool:
    """Whether an answer may be about somebody else: a further name stands in the clause that gives it.

    Of a sentence that does not name what is asked about, the clause reaches back to its beginning.
    """
    low, high = min(anchor, one.at), max(anchor, one.end)
    if named:
        near = min(named, key=lambda place: min(abs(place[0] - anchor), abs(place[0] - one.at)))
        low, high = min(low, near[0]), max(high, near[0])
    else:
        low = 0
    if high - low > CLAUSE:
        return True
    inside = [range(one.at, one.end), *(range(*place) for place in named)]
    capitals = sentence.capitals
    return any(
        capitals[at] and not any(at in place for place in inside) for at in range(low, min(high + 1, len(capitals)))
    )


def _anchors(query: Query, sentence: Sentence) -> list[int] | None:
    """Where the words stand that the question turns on; None where it turns on none, or the sentence lacks them."""
    bases = sentence.bases
    for relation in query.relations:
        found = [[at for at, word in enumerate(bases) if word == turned or linked(word, turned)] for turned in relation]
        if not all(found):
            continue
        if query.names:
            return sorted(at for some in found for at in some)
        # without a name the words alone say what it is about: they must stand together
        near = [at for at in found[0] if all(min(abs(at - other) for other in some) <= CLAUSE for some in found)]
        if near:
            return near
    return None


def _apart(one: _Answer, at: int) -> int:
    """Words between an answer and a place."""
    return one.at - at if at < one.at else max(0, at - one.end + 1)


def _nearest(one: _Answer, anchors: Sequence[int]) -> int:
    return min(anchors, key=lambda at: (_apart(one, at), at))


def _not_so(sentence: Sentence, one: _Answer, anchor: int, named: Sequence[tuple[int, int]]) -> bool:
    """Whether an answer is said not to be one: near what is asked, or in the clause between it and the name."""
    words = sentence.tokens
    if _denied(words, one, anchor):
        return True
    if not named or len(sentence.spans) != len(words):
        return False
    name = min((at for at, _ in named), key=lambda at: abs(at - one.at))
    for at in range(*sorted((name, one.at))):
        if _denies(words, at):
            low, high = (at, one.at) if at < one.at else (one.end, at)
            inside = words[low:high]
            text = sentence.text[sentence.spans[low - 1 if low else 0][1] : sentence.spans[high][0]]
            if _TURNS.isdisjoint(inside) and _GOES_ON.isdisjoint(inside) and not _STOPS.search(text):
                return True
    return False


def _denied(words: Sequence[bytes], one: _Answer, anchor: int) -> bool:
    """Whether an answer is said not to be one: by a denial between it and what is asked, or shortly before both."""
    low, high = sorted((anchor, one.at))
    for at in range(max(0, low - REACH), min(high, len(words))):
        if not _denies(words, at):
            continue
        between = words[at : one.at] if at < one.at else words[one.end : at]
        if _TURNS.isdisjoint(between):
            return True
    turned = max((at for at in range(min(one.at, len(words))) if words[at] in _TURNS), default=0)
    return not _WRONG.isdisjoint(words[turned : one.at])


def _denies(words: Sequence[bytes], at: int) -> bool:
    if words[at] == b"t":
        return at > 0 and words[at - 1] in _SHORTENED
    return words[at] in _NOT and words[at + 1 : at + 2] not in ([b"only"], [b"just"], [b"least"])


def _passage(text: str) -> str:
    flat = " ".join(text.encode("utf-8", "replace").decode().split())
    return flat if len(flat) <= PASSAGE else f"{flat[: PASSAGE - 1]}…"
