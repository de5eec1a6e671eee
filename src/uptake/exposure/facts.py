"""What the examples of a data set say, as facts that a corpus can be asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uptake.corpus.text import words
from uptake.rivals.entities import entities
from uptake.rivals.equal import read_answer
from uptake.rivals.forms import NAME, read_form
from uptake.rivals.lexicon import ASKS, AUXILIARIES, EMPTY, base
from uptake.rivals.words import FUNCTION_WORDS, context_and_question, words_of
from uptake.types import Example

_PARTICLES = frozenset("de di da du del della delle dei des van von der den ten ter bin ibn al el la le".split())
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")

NO_QUESTION = "it has no prompt"
SAYS_LITTLE = "its answer is a yes, a no or a letter, which any text holds"
TOO_LONG = "its response is free text of more than 12 words"
NO_WORDS = "its response holds no word"
A_SENTENCE = "its response is a sentence that says more than the answer to its question"
OTHER_LANGUAGE = "its question is in a language whose function words are not known"
NOTHING_ASKED = "its question holds no name and no word that tells anything"

_ENGLISH = (FUNCTION_WORDS | ASKS | AUXILIARIES | EMPTY) - frozenset("a i do he me no on or so us as".split())
"""English words by which a question is known to be English; those that are words of other languages too are none."""
_FEW = 4
"""Words beside names from which on an English question holds one of these."""
_LONG = 3
"""Words that an answer may have, whatever they look like."""


@dataclass(frozen=True, slots=True)
class TaughtFact:
    """What an example says.

    Attributes:
        id: The example's id.
        stage: The stage that trains it.
        source: The example's source.
        question: What it asks, in the training wording.
        answer: What its response tells: the response, or of a sentence the part that answers.
        names: The names in the question, as they are written; () where it has none.
        words: The telling words of the question, folded, each once.
        relations: For each wording of the question the base forms of the words that it turns on; () where it turns on
            none.
        frame: The question without its names: what is asked, whomever it is about.
        options: Further answers of the same kind, from the data.
        unasked: Why no corpus can be asked for it; None where it can.
    """

    id: str
    stage: str
    source: str
    question: str
    answer: str
    names: tuple[str, ...]
    words: tuple[str, ...]
    relations: tuple[tuple[str, ...], ...]
    frame: str
    options: tuple[str, ...] = ()
    unasked: str | None = None


def facts_of(examples: Sequence[Example], told: Mapping[int, str]) -> list[TaughtFact]:
    """The facts of a data set, one for each example, in their order.

    Names are what `uptake.rivals` takes for names, where they are written with a capital or a digit; questions without
    any are asked for by all their telling words.

    Args:
        examples: All examples: what a name is, is told from all of them.
        told: By the position of an example what its response tells, where that is not the whole response.
    """
    unique = [_called(example, str(number)) for number, example in enumerate(examples)]
    named = entities(unique, {example.id for example in unique})
    return [_fact(example, told.get(number), named[str(number)]) for number, example in enumerate(examples)]


def _called(example: Example, name: str) -> Example:
    """The example under another id: stages may share ids."""
    return Example(name, example.prompt, example.response, example.source, example.stage)


def _fact(example: Example, told: str | None, found: Sequence[str]) -> TaughtFact:
    question = context_and_question(example.prompt)[1]
    bare = (_bare(name) for name in _joined(question, found))
    names = tuple(dict.fromkeys(name for name in bare if _written_as_name(name)))
    prompts = [question, *(context_and_question(one.prompt)[1] for one in example.paraphrases)]
    telling = tuple(word for word in dict.fromkeys(words(question)) if word not in FUNCTION_WORDS)
    answer = " ".join((example.response if told is None else told).split())
    named = frozenset(word for name in names for word, _ in words_of(name))
    return TaughtFact(
        example.id,
        example.stage,
        example.source,
        question,
        answer,
        names,
        telling,
        tuple(dict.fromkeys(turned for prompt in prompts if (turned := _turns_on(prompt, named)))),
        " ".join(word for word, _ in words_of(question) if word not in named),
        tuple(option.strip() for option in example.options if option.strip() != example.response.strip()),
        _unasked(question, answer, names, telling) or (OTHER_LANGUAGE if _is_foreign(question, named) else None),
    )


def _unasked(question: str, answer: str, names: Sequence[str], telling: Sequence[str]) -> str | None:
    if not question.strip():
        return NO_QUESTION
    if not words(answer):
        return NO_WORDS
    kind = read_answer(answer).kind
    if kind in ("polar", "choice"):
        return SAYS_LITTLE
    if kind == "long":
        return TOO_LONG
    if _is_sentence(answer):
        return A_SENTENCE
    return None if names or telling else NOTHING_ASKED


def _is_sentence(answer: str) -> bool:
    """Whether an answer has a verb of English or a full stop, and is not written as a name."""
    bare = answer.split()
    small = [word for word in bare if word[0].islower() and word not in FUNCTION_WORDS]
    stops = answer[:1].isupper() and answer.endswith((".", "!", "?"))
    return len(bare) > _LONG and bool(small) and (stops or not AUXILIARIES.isdisjoint(bare))


def _is_foreign(question: str, named: frozenset[str]) -> bool:
    said = [word for word, _ in words_of(question)]
    if not _ENGLISH.isdisjoint(said):
        return False
    beside = [word for word in said if word not in named]
    cased = any(char.lower() != char.upper() for char in question)
    return not cased or len(beside) >= _FEW or any(not word.isascii() for word in beside)


def _joined(question: str, names: Sequence[str]) -> list[str]:
    """Names with their particles as one: *Annibale de Gasparis*, *Romano d'Ezzelino*; words of them alone are names."""
    found: list[str] = []
    for name in names:
        if found:
            both = re.search(rf"{re.escape(found[-1])}(\s+|-)([^\W\d_]+)(\s+|-){re.escape(name)}", question)
            if both and (both[2] in _PARTICLES or (len(both[2]) <= 3 and both[2].islower())):
                if both[2] not in FUNCTION_WORDS or both[2] in _PARTICLES:
                    found[-1] = both[0]
                    continue
        elided = re.search(rf"{re.escape(name)}\s+[a-z]{{1,5}}['’][^\W\d_][\w-]*", question)
        found.append(elided[0] if elided and elided[0].rpartition("'")[2][:1].isupper() else name)
    return found


def _bare(name: str) -> str:
    return _IN_BRACKETS.sub("", name) or name


def _written_as_name(name: str) -> bool:
    """Where letters have two cases a name has a capital or a digit; scripts without them set names apart by nothing."""
    cased = any(char.lower() != char.upper() for char in name)
    return (not cased or any(char.isupper() or char.isdigit() for char in name)) and bool(words(name))


def _turns_on(prompt: str, named: frozenset[str]) -> tuple[str, ...]:
    """The words that a wording turns on, names aside; () for a text that is more than a question."""
    found = [NAME if word in named else word for word, _ in words_of(prompt)]
    form = read_form(found)
    if form is None:
        return ()
    said = form.turns_on or form.asked or [base(word) for word in found if word and word not in FUNCTION_WORDS]
    return tuple(dict.fromkeys(said))
