"""What a model answers to a cohort: scores in all wordings, its own answer, samples; written in parts.

A part is keyed by everything that its numbers depend on (data, weights, settings), so nothing stale is ever mixed in,
and what is there already is not computed again: a killed run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from uptake.artifacts import Parts, digest, open_parts
from uptake.artifacts.tables import SCORES, candidates_from_data, score_data, score_from_data
from uptake.data import Encoded, Turn, encode
from uptake.models import Model
from uptake.pipeline.cohort import Cohort, Progress
from uptake.probe import AnswerPool, answer_in, letter_probes, probes, with_distractors
from uptake.score import score
from uptake.types import Candidate, Example, Origin, Score

ANSWER_TOKENS = 32
"""A model's own answer is asked for where the response is no longer than this."""
ANSWER_ROOM = 4
"""Tokens that an answer may have beyond the response's."""


@dataclass(frozen=True)
class Answer:
    """What one model answered about one example.

    Attributes:
        candidates: All candidates, the response among them.
        scores: One a wording, the training wording first.
        answer: Its greedy answer; None when it was not asked for one.
        successes: How many of its samples were right; None when none were drawn.
    """

    candidates: tuple[Candidate, ...]
    scores: tuple[Score, ...]
    answer: str | None
    successes: int | None


@dataclass(frozen=True)
class Answers:
    """One model's answers to a cohort."""

    parts: Parts
    key: str

    def read(self, number: int) -> list[Answer]:
        """The answers to one part of the cohort, in its order."""
        return [
            Answer(
                candidates_from_data(row["candidates"]),
                tuple(score_from_data(row["id"], data) for data in row["scores"]),
                row["answer"],
                row["successes"],
            )
            for row in self.parts.read(number)
        ]

    def __iter__(self) -> Iterator[Answer]:
        """All answers, a part in memory at a time."""
        for number in self.parts.numbers():
            yield from self.read(number)


@dataclass(frozen=True)
class Asking:
    """How models are asked.

    Attributes:
        n_distractors: Wrong answers to be drawn for an example without options.
        option_form: `letter` also asks for the user's options by letter, in every cyclic permutation.
        n_samples: Samples of the tuned model to compare with the response; 0 draws none.
        seed: Seed of the samples and of the pool of answers.
    """

    n_distractors: int = 3
    option_form: Literal["text", "letter"] = "text"
    n_samples: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Source:
    """A model that is loaded when it is first needed.

    Attributes:
        key: Identifies the weights and how they are loaded.
        load: Gives the model.
    """

    key: str
    load: Callable[[], Model]


Draw: TypeAlias = Callable[[Sequence[Example], Sequence[str | None]], list[tuple[Candidate, ...]]]
"""From examples and the base's answers (None: not known) to each example's candidates."""


def ask_base(cohort: Cohort, base: Source, draw: Draw, asking: Asking, progress: Progress) -> Answers:
    """Ask the base model: its own greedy answer first, which becomes a candidate, then the scores of all candidates."""

    def work(number: int, examples: list[Example]) -> list[dict[str, Any]]:
        model = base.load()
        answers = greedy_answers(examples, model)
        candidates = draw(examples, answers)
        scores = _scores(examples, candidates, model, asking)
        return _rows(examples, candidates, scores, answers, [None] * len(examples))

    return _by_part(cohort, "base", digest(cohort.key, base.key, asdict(asking)), work, progress)


def ask_tuned(
    cohort: Cohort, tuned: Source, draw: Draw, before: Answers | None, asking: Asking, progress: Progress
) -> Answers:
    """Ask the tuned model about the same candidates, and for its own answer where it does not give the response."""

    def work(number: int, examples: list[Example]) -> list[dict[str, Any]]:
        model = tuned.load()
        if before is not None:
            candidates = [answer.candidates for answer in before.read(number)]
        else:
            candidates = draw(examples, [None] * len(examples))
        scores = _scores(examples, candidates, model, asking)
        answers: list[str | None] = [None] * len(examples)
        missed = [i for i, own in enumerate(scores) if not own[0].recalled or own[0].end_recalled is False]
        for index, answer in zip(missed, greedy_answers([examples[i] for i in missed], model), strict=True):
            answers[index] = answer
        successes = sampled_successes(examples, model, asking) if asking.n_samples else [None] * len(examples)
        return _rows(examples, candidates, scores, answers, successes)

    key = digest(cohort.key, tuned.key, asdict(asking), before and before.key)
    return _by_part(cohort, "tuned", key, work, progress)


def _by_part(
    cohort: Cohort,
    role: str,
    key: str,
    work: Callable[[int, list[Example]], list[dict[str, Any]]],
    progress: Progress,
) -> Answers:
    """Do the parts that are not there yet."""
    parts = open_parts(cohort.parts.folder.parent / role, key, SCORES)
    done = 0
    progress(f"{role} model, {cohort.name}", done, cohort.n)
    for number in cohort.parts.numbers():
        examples = cohort.read(number)
        if not parts.has(number):
            parts.write(number, work(number, examples))
        done += len(examples)
        progress(f"{role} model, {cohort.name}", done, cohort.n)
    return Answers(parts, key)


def _scores(
    examples: Sequence[Example], candidates: Sequence[tuple[Candidate, ...]], model: Model, asking: Asking
) -> list[list[Score]]:
    asked = [probes(example, members) for example, members in zip(examples, candidates, strict=True)]
    if asking.option_form == "letter":
        for example, own in zip(examples, asked, strict=True):
            own += letter_probes(example) if example.options else []
    scores = score((probe for own in asked for probe in own), model)
    return [[next(scores) for _ in own] for own in asked]


def _rows(
    examples: Sequence[Example],
    candidates: Sequence[tuple[Candidate, ...]],
    scores: Sequence[Sequence[Score]],
    answers: Sequence[str | None],
    successes: Sequence[int | None],
) -> list[dict[str, Any]]:
    return [
        {
            "id": example.id,
            "candidates": [asdict(candidate) for candidate in members],
            "scores": [score_data(one) for one in own],
            "answer": answer,
            "successes": right,
        }
        for example, members, own, answer, right in zip(examples, candidates, scores, answers, successes, strict=True)
    ]


def greedy_answers(examples: Sequence[Example], model: Model) -> list[str | None]:
    """The model's own greedy answer to each example, cut to the response's shape; None for long responses and texts."""
    encoded = _encoded(examples, model)
    wanted = [i for i, item in enumerate(encoded) if item.start > 0 and item.end - item.start <= ANSWER_TOKENS]
    room = [encoded[i].end - encoded[i].start + ANSWER_ROOM for i in wanted]
    answers: list[str | None] = [None] * len(examples)
    generated = model.generate([encoded[i].ids[: encoded[i].start] for i in wanted], room) if wanted else []
    for index, (ids,) in zip(wanted, generated, strict=True):
        answers[index] = answer_in(model.tokenizer.decode(ids, skip_special_tokens=True), examples[index].response)
    return answers


def sampled_successes(examples: Sequence[Example], model: Model, asking: Asking) -> list[int | None]:
    """How many of `n_samples` samples at temperature 1 begin with the response's tokens; None for plain texts."""
    encoded = _encoded(examples, model)
    wanted = [i for i, item in enumerate(encoded) if item.start > 0]
    contexts = [encoded[i].ids[: encoded[i].start] for i in wanted]
    lengths = [encoded[i].end - encoded[i].start for i in wanted]
    counts: list[int | None] = [None] * len(examples)
    drawn = model.generate(contexts, lengths, samples=asking.n_samples, seed=asking.seed) if wanted else []
    for index, samples in zip(wanted, drawn, strict=True):
        own = encoded[index].ids[encoded[index].start : encoded[index].end]
        counts[index] = sum(ids == own for ids in samples)
    return counts


def _encoded(examples: Sequence[Example], model: Model) -> list[Encoded]:
    return encode([Turn(e.prompt, e.response, e.template, e.response_extra) for e in examples], model.tokenizer)


def drawing(pool: AnswerPool, asking: Asking, write: Callable[[Sequence[Example]], list[list[str]]] | None) -> Draw:
    """Draw candidates: options, or the base's answer, other examples' answers, and an LLM's where these are too few.

    Args:
        pool: Answers of other examples.
        asking: How many are wanted.
        write: Gives wrong answers that an LLM wrote; None does without.
    """

    def draw(examples: Sequence[Example], answers: Sequence[str | None]) -> list[tuple[Candidate, ...]]:
        found: list[list[tuple[str, Origin]]] = [[(answer, "base")] if answer else [] for answer in answers]
        for wrong, others in zip(found, pool.nearest(examples, 2 * asking.n_distractors), strict=True):
            wrong += [(text, "neighbour") for text in others]
        drawn = [with_distractors(e, wrong, asking.n_distractors) for e, wrong in zip(examples, found, strict=True)]
        if write is None:
            return drawn
        few = [i for i, e in enumerate(examples) if not e.options and len(drawn[i]) <= asking.n_distractors]
        for i, written in zip(few, write([examples[i] for i in few]), strict=True):
            drawn[i] = with_distractors(examples[i], [*found[i], *((t, "llm") for t in written)], asking.n_distractors)
        return drawn

    return draw
