"""What the models say elsewhere: the response and the base's belief after other prompts that ask alike.

Only examples that were not learned are asked about. What a model says after every such prompt says nothing about the
one that is asked about; what it says more after its own prompt is what it knows of it (see `uptake.causes.Said.pmi`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from jaxtyping import Float

from uptake.artifacts import chunks
from uptake.data import Turn, encode
from uptake.models import Model
from uptake.pipeline.answers import Answer, Answers, Source, Tell, by_part, room_taken, rows_of
from uptake.pipeline.cohort import Cohort, Progress
from uptake.probe import Embed, question, reservoir
from uptake.rivals.blocks import name_questions
from uptake.rivals.equal import compare
from uptake.rivals.words import LONGEST, read_questions, words_of
from uptake.score import score
from uptake.types import Candidate, Example, Probe, normalised

PROMPTS = 6
"""Other prompts that an example's response is asked after."""
POOL = 20_000
"""Examples that these are drawn from: a seeded sample of them all."""
COMPARED = 128
"""Of the nearest prompts so many are looked at for those about something else that get other answers."""
AT_ONCE = 128
"""Examples whose similarities with the pool are held at a time."""
OWN = "own"
"""The wordings under which the base's own answer is asked where it is no candidate: it begins as the response does."""
RIVALS = "rivals"
"""The wording under which the response and its rivals' answers are asked after the example's own prompt."""


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
        self._vectors = self._embedded(self._pool) if self._pool else None

    def nearest(self, examples: Sequence[Example], apart: Sequence[Collection[str]]) -> list[list[Example]]:
        """For each example up to `PROMPTS` others, the nearest first.

        Args:
            examples: The examples.
            apart: For each the ids of examples that ask the very same; they are left out.
        """
        found: list[list[Example]] = []
        for some in chunks(zip(examples, apart, strict=True), AT_ONCE):
            if self._vectors is None:
                return [[] for _ in examples]
            near = self._ranked(self._embedded([example for example, _ in some]))
            found += [self._chosen(example, ids, row) for (example, ids), row in zip(some, near, strict=True)]
        return found

    def _names(self, example: Example) -> frozenset[str]:
        """The words that say what it asks about; one that the sample does not have is such a word."""
        words = {word for word, _ in words_of(question(example)[-LONGEST:])}
        return frozenset((words & self._naming) | (words - self._known))

    def _frame(self, example: Example) -> str:
        """The other words."""
        names = self._names(example)
        return " ".join(word for word, _ in words_of(question(example)[-LONGEST:]) if word not in names)

    def _embedded(self, examples: Sequence[Example]) -> Float[np.ndarray, "some dims"]:
        """Vectors of the frames; each is embedded once, however many examples have it."""
        frames = [self._frame(example) for example in examples]
        place = {frame: number for number, frame in enumerate(dict.fromkeys(frames))}
        return self._embed(list(place))[[place[frame] for frame in frames]]

    def _ranked(self, vectors: Float[np.ndarray, "some dims"]) -> list[list[int]]:
        assert self._vectors is not None
        similarity = np.round(vectors @ self._vectors.T, 6)
        k = min(COMPARED, similarity.shape[1])
        # of equals the first in the pool: partition alone would leave open which of them are taken
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        ranked: list[list[int]] = order.tolist()
        return ranked

    def _chosen(self, example: Example, apart: Collection[str], near: Sequence[int]) -> list[Example]:
        own, names = normalised(example.response), self._names(example)
        chosen: list[Example] = []
        for other, about in ((self._pool[index], self._about[index]) for index in near):
            clash = other.id in apart or normalised(other.response) == own or names & about
            alike = isinstance(other.prompt, str) == isinstance(example.prompt, str)
            if alike and not clash and all(other.prompt != one.prompt for one in chosen):
                chosen.append(other)
                if len(chosen) == PROMPTS:
                    break
        return chosen


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
        belief: The base's wrong answer; None when there is none.
        own: The base's own answer where it is no candidate; None otherwise.
        rivals: Answers of examples that contradict it.
        apart: Ids of examples that ask the very same.
    """

    index: int
    belief: str | None
    own: str | None
    rivals: tuple[str, ...]
    apart: frozenset[str]


@dataclass(frozen=True)
class Elsewhere:
    """What is asked about the unlearned examples of a cohort.

    Attributes:
        wanted: From a part's number and examples to what is asked about which of them.
        alike: Gives the prompts; called when a part is to be done.
        how: Identifies both.
        max_length: Tokens that a model may be given; None for no limit.
    """

    wanted: Callable[[int, list[Example]], list[More]]
    alike: Callable[[], Alike]
    how: str
    max_length: int | None

    def ask(self, cohort: Cohort, role: str, source: Source, progress: Progress) -> Answers:
        """Ask one model, `base` or `tuned`: a row for each example that is asked about, in order."""

        def work(number: int, examples: list[Example], tell: Tell) -> list[dict[str, Any]]:
            asked = self.wanted(number, examples)
            if not asked:
                return []
            own = [examples[more.index] for more in asked]
            others = self.alike().nearest(own, [more.apart for more in asked])
            model = source.load()
            candidates = [_candidates(example, more) for example, more in zip(own, asked, strict=True)]
            probes = [
                _elsewhere(example, members, near, model, self.max_length)
                + (_against(example, more) if role == "tuned" else _own(example, more))
                for example, members, near, more in zip(own, candidates, others, asked, strict=True)
            ]
            scores = score((probe for each in probes for probe in each), model)
            found = []
            for more, each in zip(asked, probes, strict=True):
                tell(more.index)
                found.append([next(scores) for _ in each])
            return rows_of(own, candidates, found, [None] * len(own), [None] * len(own))

        return by_part(cohort, f"{role}_elsewhere", source, self.how, work, progress)


def _candidates(example: Example, more: More) -> tuple[Candidate, ...]:
    own = Candidate(example.response, "response")
    return (own,) if more.belief is None else (own, Candidate(more.belief, "base"))


def _elsewhere(
    example: Example, candidates: tuple[Candidate, ...], near: Sequence[Example], model: Model, max_length: int | None
) -> list[Probe]:
    room = max(len(candidate.text.encode()) for candidate in candidates)
    fitting = [
        other
        for other in near
        if max_length is None
        or room_taken(other.prompt) + room <= max_length  # a token is a byte at least
        or all(len(one.ids) <= max_length for one in _turns(other, candidates, model))
    ]
    return [
        Probe(example.id, f"elsewhere:{number}", other.prompt, candidates, 0, other.template)
        for number, other in enumerate(fitting)
    ]


def _turns(other: Example, candidates: tuple[Candidate, ...], model: Model) -> Any:
    return encode([Turn(other.prompt, one.text, other.template) for one in candidates], model.tokenizer)


def _own(example: Example, more: More) -> list[Probe]:
    """The base's own answer in the training wording and in the held-out ones that have the same response."""
    if more.own is None:
        return []
    asked = [(example.prompt, OWN)]
    asked += [(w.prompt, f"{OWN}:{n}") for n, w in enumerate(example.paraphrases) if w.response == example.response]
    members = (Candidate(more.own, "base"),)
    return [Probe(example.id, name, prompt, members, 0, example.template) for prompt, name in asked]


def _against(example: Example, more: More) -> list[Probe]:
    if not more.rivals:
        return []
    members = (
        Candidate(example.response, "response"),
        *(Candidate(answer, "neighbour") for answer in more.rivals),
    )
    return [Probe(example.id, RIVALS, example.prompt, members, 0, example.template, example.response_extra)]


def own_answer(answer: Answer) -> str | None:
    """The base's own answer where it is neither the response nor a candidate; None otherwise."""
    if not answer.answer or answer.scores[0].recalled or belief_index(answer) is not None:
        return None
    return answer.answer


def belief_index(answer: Answer) -> int | None:
    """Which candidate is the base's wrong answer: its greedy one, or of the options the one that it prefers.

    A part of the response is no wrong answer, nor is the response in other words.
    """
    first = answer.scores[0]
    if first.recalled:
        return None
    greedy = [k for k, candidate in enumerate(answer.candidates) if candidate.origin == "base"]
    if greedy:
        said, wanted = answer.candidates[greedy[0]].text, answer.candidates[first.right].text
        return None if compare(said, wanted, same_prompt=True)[0] == "same" else greedy[0]
    if any(candidate.origin == "option" for candidate in answer.candidates):
        best = max(range(len(first.logprobs)), key=first.logprobs.__getitem__)
        return None if best == first.right else best
    return None
