"""What the models say elsewhere: the response after other prompts that ask alike, the base's own answer here.

Only examples that were not learned are asked about. What a model says after every such prompt says nothing about the
one that is asked about; what it says more after its own prompt is what it knows of it (see `uptake.causes.Said.pmi`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from uptake.artifacts import chunks
from uptake.data import Turn, encode
from uptake.data.shown import calls_tools, response_text
from uptake.models import Model
from uptake.pipeline.asking.answers import Answers, Respondent, Role, Tell, by_part, rows_of
from uptake.pipeline.asking.drawn import holds_answer, room_taken
from uptake.pipeline.asking.elicited import Elicited, elicited, frame_probes
from uptake.pipeline.asking.own_answers import OwnAnswer
from uptake.pipeline.asking.sentences import Tells, sentence_probes
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.probe import Embed, question, reservoir
from uptake.rivals.blocks import name_questions
from uptake.rivals.words import LONGEST, read_questions, words_of
from uptake.score import score
from uptake.types import Candidate, Example, Probe, WordingName, normalised

PROMPTS = 6
"""Other prompts that an example's response is asked after."""
POOL = 20_000
"""Examples that these are drawn from: a seeded sample of them all."""
COMPARED = 128
"""Of the nearest prompts so many are looked at for those about something else that get other answers."""
AT_ONCE = 128
"""Prompts without names whose similarities with the pool are held at a time."""
ROOM = 1024
"""Tokens, prompts and responses together, that an example is asked with after other prompts, but for the first one."""


class Alike:
    """Prompts to put an example's response after: they ask alike, about something else, and get other answers.

    Prompts are compared without the names of what they ask about (see `uptake.rivals`): with them, those that ask
    something else about the same would come first, and what a model says after these is no measure of what it says to
    everybody.

    Args:
        examples: All training examples; a seeded sample of them is kept.
        embed: Texts to unit vectors.
        seed: Of the sample.
    """

    def __init__(self, examples: Iterable[Example], embed: Embed, *, seed: int) -> None:
        self._pool = reservoir((example for example in examples if example.prompt), POOL, Random(seed))
        self._known, self._naming = _naming(self._pool)
        self._about = [self._names(example) for example in self._pool]
        self._embed = embed
        frames = [self._frame(example) for example in self._pool]
        distinct = {frame: number for number, frame in enumerate(dict.fromkeys(frames))}
        # each is embedded once, however many examples have it
        self._vectors = embed(list(distinct))[[distinct[frame] for frame in frames]] if frames else None

    @property
    def pool(self) -> Sequence[Example]:
        """The sample."""
        return self._pool

    def nearest(self, examples: Sequence[Example], apart: Sequence[Collection[str]]) -> list[list[Example]]:
        """For each example up to `PROMPTS` others, the nearest first.

        Args:
            examples: The examples.
            apart: For each the ids of examples that ask the very same; they are left out.
        """
        if self._vectors is None:
            return [[] for _ in examples]
        frames = [self._frame(example) for example in examples]
        near: dict[str, list[int]] = {}  # what differs in its names alone has the same neighbours
        for some in chunks(dict.fromkeys(frames), AT_ONCE):
            near.update(zip(some, self._ranked(self._embed(some)), strict=True))
        return [
            self._chosen(example, ids, near[frame]) for example, ids, frame in zip(examples, apart, frames, strict=True)
        ]

    def _names(self, example: Example) -> frozenset[str]:
        """The words that say what it asks about; one that the sample does not have is such a word."""
        words = {word for word, _ in words_of(question(example)[-LONGEST:])}
        return frozenset((words & self._naming) | (words - self._known))

    def _frame(self, example: Example) -> str:
        """The other words."""
        names = self._names(example)
        return " ".join(word for word, _ in words_of(question(example)[-LONGEST:]) if word not in names)

    def _ranked(self, vectors: Float[np.ndarray, "some dims"]) -> list[list[int]]:
        assert self._vectors is not None
        return [largest(row, COMPARED) for row in np.round(vectors @ self._vectors.T, 6)]

    def _chosen(self, example: Example, apart: Collection[str], near: Sequence[int]) -> list[Example]:
        own, names = normalised(response_text(example)), self._names(example)
        chosen: list[Example] = []
        for other, about in ((self._pool[index], self._about[index]) for index in near):
            clash = other.id in apart or normalised(response_text(other)) == own or names & about
            alike = isinstance(other.prompt, str) == isinstance(example.prompt, str)
            if (
                alike
                and not clash
                and not holds_answer(other, example)
                and all(other.prompt != one.prompt for one in chosen)
            ):
                chosen.append(other)
                if len(chosen) == PROMPTS:
                    break
        return chosen


def largest(values: Float[np.ndarray, " n"], k: int) -> list[int]:
    """Indices of the `k` largest values, the largest first; of equals the first come first, and are taken first."""
    if k < len(values):
        least = np.partition(values, len(values) - k)[len(values) - k]
        above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
        kept = np.sort(np.concatenate([above, equal[: k - len(above)]]))
    else:
        kept = np.arange(len(values))
    indices: list[int] = kept[np.argsort(-values[kept], kind="stable")].tolist()
    return indices


def _naming(examples: Sequence[Example]) -> tuple[frozenset[str], frozenset[str]]:
    """All words of some examples' questions, and those that mostly say what is asked about."""
    questions, _ = read_questions(examples)
    anchors = name_questions(questions).anchors
    size = len(questions.vocabulary)
    naming = 2 * np.bincount(questions.words[anchors], minlength=size) > np.bincount(questions.words, minlength=size)
    known = frozenset(questions.vocabulary)
    return known, frozenset(word for word, names in zip(questions.vocabulary, naming.tolist(), strict=True) if names)


@dataclass(frozen=True)
class More:
    """What is asked about one example beyond its own wordings.

    Attributes:
        index: Its place in its part.
        own: The base's own answer where it is no candidate; None otherwise.
        rivals: Answers of examples that contradict it.
        apart: Ids of examples that ask the very same.
    """

    index: int
    own: str | None
    rivals: tuple[str, ...]
    apart: frozenset[str]


@dataclass(frozen=True)
class Elsewhere:
    """What is asked about the unlearned examples of a cohort.

    Attributes:
        wanted: From a part's number and examples to what is asked about which of them.
        near: From a part's number, those examples and the ids that are to be left out to the other prompts of each.
        telling: From a part's number and examples to the wording in which the base tells what it believes of each
            example that is asked about, and its answer there; None where it tells nothing.
        said: What the base answers another example; None where that is not known.
        tells: What the cohort's responses tell.
        how: Identifies all of these.
        max_length: Tokens that a model may be given; None for no limit.
    """

    wanted: Callable[[int, list[Example]], list[More]]
    near: Callable[[int, Sequence[Example], Sequence[Collection[str]]], list[list[Example]]]
    telling: Callable[[int, list[Example]], Sequence[tuple[Example, str] | None]]
    said: Callable[[Example], str | None]
    tells: Tells
    how: str
    max_length: int | None

    def ask(
        self, cohort: Cohort, whose: Literal["base", "tuned"], respondent: Respondent, progress: Progress
    ) -> Answers:
        """Ask one model: a row for each example that is asked about, in order."""

        def work(number: int, examples: list[Example], tell: Tell) -> list[dict[str, Any]]:
            asked = self.wanted(number, examples)
            if not asked:
                return []
            own = [examples[more.index] for more in asked]
            others = self.near(number, own, [more.apart for more in asked])
            model = respondent.model.load()
            told = self.telling(number, examples) if whose == "base" else [None] * len(own)
            framed = [
                None if one is None else self.elicited(*one, near) for one, near in zip(told, others, strict=True)
            ]
            probes = [
                _elsewhere(example, near, model, self.max_length)
                + _own(example, more, model, self.max_length)
                + (_against(example, more) if whose == "tuned" else [])
                + ([] if what is None or one is None else frame_probes(one[0], what))
                + sentence_probes(example, near, self.tells, self.max_length)
                for example, near, more, one, what in zip(own, others, asked, told, framed, strict=True)
            ]
            scores = score((probe for each in probes for probe in each), model)
            found = []
            for more, each in zip(asked, probes, strict=True):
                tell(more.index)
                found.append([next(scores) for _ in each])
            candidates = [(Candidate(example.response, "response"),) for example in own]
            spans = [None if what is None else OwnAnswer(what.own.span, "wrong") for what in framed]
            return rows_of(own, candidates, found, spans, [None] * len(own))

        return by_part(cohort, Role(whose, "elsewhere"), respondent, self.how, work, progress)

    def elicited(self, example: Example, said: str, near: Sequence[Example]) -> Elicited | None:
        """The parts of the base's answer, where the model takes them in every place; a call of tools has none."""
        if calls_tools(example):
            return None
        what = elicited(example, said, [(other, self.said(other)) for other in near], self.tells.words)
        if what is None or self.max_length is None:
            return what
        longest = max(len(text.encode()) for text in (what.own.span, what.wanted))
        places = [(example, what.own.frame), *what.others]
        room = max(room_taken(place.prompt) + len(frame.encode()) for place, frame in places) + longest
        return what if room <= self.max_length else None


def _elsewhere(example: Example, near: Sequence[Example], model: Model, max_length: int | None) -> list[Probe]:
    own = (Candidate(example.response, "response"),)
    return [
        Probe(
            example.id, WordingName("elsewhere", number), other.prompt, own, 0, other.template, example.response_extra
        )
        for number, other in enumerate(_affordable(example, near, model, max_length))
    ]


def _affordable(example: Example, near: Sequence[Example], model: Model, max_length: int | None) -> list[Example]:
    """The other prompts that the model takes with the response; of these the first, and more as far as `ROOM` goes."""
    response = len(example.response.encode())
    lengths = [room_taken(other.prompt) + response for other in near]  # a token is a byte at least
    extra = example.response_extra
    if extra or sum(lengths) > ROOM or (max_length is not None and max(lengths, default=0) > max_length):
        lengths = _lengths([Turn(other.prompt, example.response, other.template, extra) for other in near], model)
    fitting = [(other, n) for other, n in zip(near, lengths, strict=True) if max_length is None or n <= max_length]
    totals = accumulate(n for _, n in fitting)
    return [other for k, ((other, _), total) in enumerate(zip(fitting, totals, strict=True)) if not k or total <= ROOM]


def _lengths(turns: Sequence[Turn], model: Model) -> list[int]:
    return [len(one.ids) for one in encode(turns, model.tokenizer)] if turns else []


def _own(example: Example, more: More, model: Model, max_length: int | None) -> list[Probe]:
    """The base's own answer in the training wording and in the held-out ones that have the same response."""
    if more.own is None:
        return []
    asked = [(example.prompt, WordingName("own"))]
    asked += [
        (one.prompt, WordingName("own", number))
        for number, one in enumerate(example.paraphrases)
        if one.response == example.response
    ]
    lengths = [room_taken(prompt) + len(more.own.encode()) for prompt, _ in asked]
    if max_length is not None and max(lengths) > max_length:
        lengths = _lengths([Turn(prompt, more.own, example.template) for prompt, _ in asked], model)
    return [
        Probe(example.id, name, prompt, (Candidate(more.own, "base"),), 0, example.template)
        for (prompt, name), n in zip(asked, lengths, strict=True)
        if max_length is None or n <= max_length
    ]


def _against(example: Example, more: More) -> list[Probe]:
    if not more.rivals or calls_tools(example):
        return []
    members = (
        Candidate(example.response, "response"),
        *(Candidate(answer, "neighbour") for answer in more.rivals),
    )
    return [
        Probe(example.id, WordingName("rivals"), example.prompt, members, 0, example.template, example.response_extra)
    ]
