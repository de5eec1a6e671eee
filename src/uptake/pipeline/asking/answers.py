"""What a model answers to a cohort: scores in all wordings, its own answer, samples; written in parts.

A part is keyed by everything that its numbers depend on (data, weights, settings), so nothing stale is ever mixed in,
and what is there already is not computed again: a killed run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from uptake.artifacts import Parts, digest, open_parts, versions, write_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.checked_tables import any_value
from uptake.artifacts.schemas.later import NOTES
from uptake.artifacts.tables import SCORES_FILE, candidates_from_data, score_data, score_from_data
from uptake.detect.saying import KINDS, TOLD, Kind, tells_all
from uptake.models import Loadable, Model, Several, each
from uptake.pipeline.asking.drawn import Draw, fitting
from uptake.pipeline.asking.kept import Kept
from uptake.pipeline.asking.own_answers import OwnAnswer, encoded, generated, own_answers
from uptake.pipeline.asking.parts import continuations, continued_in, other_prompts
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.probe import letter_probes, probes
from uptake.rivals.equal import compare
from uptake.score import score
from uptake.types import Candidate, Example, Score

SCORING_VERSION = 9
"""Part of every key: raised when the same data, weights and settings come to give other numbers."""


@dataclass(frozen=True)
class Answer:
    """What one model answered about one example.

    Attributes:
        candidates: All candidates, the response among them.
        scores: One a wording, the training wording first.
        answer: Its greedy answer; None when it was not asked for one.
        kind: What that answer is; None without one.
        successes: How many of its samples begin with the response, and how many are it; None when none were drawn.
        continued: By the first character of a span of a long response, what it writes from there on.
    """

    candidates: tuple[Candidate, ...]
    scores: tuple[Score, ...]
    answer: str | None
    kind: Kind | None
    successes: tuple[int, int] | None
    continued: Mapping[int, str] = field(default_factory=dict)

    def freely(self, response: str) -> bool:
        """Whether its own answer gives the whole response, in whatever words."""
        return tells_all(self.kind, self.answer, response)

    def alike(self, later: Answer) -> bool:
        """Whether a later model's own answer is this one: what both say, that one cannot have lost."""
        if self.kind not in TOLD or later.kind not in TOLD:
            return False
        return compare(self.answer or "", later.answer or "", same_prompt=True) == ("same", "equal")


@dataclass(frozen=True)
class Answers:
    """One model's answers to a cohort.

    Attributes:
        parts: Rows of `SCORES`.
        key: Identifies whatever they depend on.
        notes: What the reader of the numbers should know about how the model computed them.
        beyond: They are beyond the examples' own wordings (see `Role`): a row may have no scores.
    """

    parts: Parts
    key: str
    notes: tuple[str, ...] = ()
    beyond: bool = False

    def read(self, number: int) -> list[Answer]:
        """The answers to one part of the cohort, in its order."""
        return self.parts.records(number, _answer if self.beyond else _scored)

    def has_long(self) -> bool:
        """Whether a response was read token by token, which the parts tell without being read."""
        return any(any_value(self.parts.path(number), "tokens.ends") for number in self.parts.numbers())

    def __iter__(self) -> Iterator[Answer]:
        """All answers, a part in memory at a time."""
        for number in self.parts.numbers():
            yield from self.read(number)


def _answer(row: Mapping[str, Any]) -> Answer:
    """An answer from a row of `SCORES`."""
    kind, drawn = row["answer_kind"], row["successes"]
    if kind not in (None, *KINDS) or (kind is None) != (row["answer"] is None):
        raise ValueError(f"its own answer is {row['answer']!r}, of the kind {kind!r}")
    if drawn is not None and len(drawn) != 2:
        raise ValueError(f"its successes are {drawn!r}")
    scores = tuple(score_from_data(row["id"], data) for data in row["scores"])
    drawn = drawn and tuple(drawn)
    candidates, continued = candidates_from_data(row["candidates"]), continued_in(row) or {}
    return Answer(candidates, scores, row["answer"], kind, drawn, continued)


def _scored(row: Mapping[str, Any]) -> Answer:
    """An answer with scores."""
    if not row["scores"]:
        raise ValueError("it has no scores")
    return _answer(row)


@dataclass(frozen=True)
class Asking:
    """How models are asked.

    Attributes:
        n_distractors: Wrong answers to be drawn for an example without options.
        option_form: `letter` also asks for the user's options by letter, in every cyclic permutation.
        n_samples: Samples of the tuned model to compare with the response; 0 draws none.
        seed: Seed of the samples and of the pool of answers.
        max_length: Tokens that a model may be given, what it writes included; None for no limit.
    """

    n_distractors: int = 3
    option_form: Literal["text", "letter"] = "text"
    n_samples: int = 0
    seed: int = 0
    max_length: int | None = None


@dataclass(frozen=True)
class Role:
    """Which of the two models is asked, and about what.

    Attributes:
        model: The model.
        beyond: What it is asked beyond the examples' own wordings: what it says `elsewhere`, its free answers in the
            held-out `wordings` and to the `parts` of what asks for several things, lettered choices (`letters`),
            `controls`, which it knows, or its own words in responses of the `null`; None where it is asked about the
            examples themselves.
        after: The stage that gave the tuned model, where those of several stages are asked.
    """

    model: Literal["base", "tuned"]
    beyond: Literal["elsewhere", "wordings", "parts", "letters", "controls", "null"] | None = None
    after: str | None = None

    @property
    def folder(self) -> str:
        """Name of the folder of its parts."""
        own = self.model if self.after is None else f"after_{self.after}"
        return own if self.beyond is None else f"{own}_{self.beyond}"

    @property
    def step(self) -> str:
        """What the reader is told."""
        own = f"{self.model} model" if self.after is None else f"after {self.after}"
        return own if self.beyond is None else f"{own}, {self.beyond}"


@dataclass(frozen=True)
class Respondent:
    """A model that is asked.

    Attributes:
        model: The model, loaded when it is first needed.
        key: Identifies the model, how it computes, and what candidates are drawn from.
    """

    model: Loadable
    key: str


@runtime_checkable
class Tell(Protocol):
    """Told how many examples of a part are done, of scoring or of a step of its own before or after it."""

    def __call__(self, some: int, within: str = "") -> None:
        """Called whenever more is done."""
        ...


BY_SPANS = ("train", "heldout")
"""Cohorts whose long responses are read by their spans."""

CONTINUED = ("train",)
"""Those of them of which the tuned model is asked what it says instead."""

Work: TypeAlias = Callable[[int, list[Example], Tell], list[dict[str, Any]]]
"""From a part's number and examples to its rows of `SCORES`."""


def ask_base(cohort: Cohort, base: Respondent, draw: Draw, asking: Asking, progress: Progress) -> Answers:
    """Ask the base model: its own greedy answer first, which becomes a candidate, then the scores of all candidates."""
    asking = replace(asking, n_samples=0)  # only the tuned model is sampled
    role, how = Role("base"), digest(asdict(asking))
    kept = _kept(cohort, role, base, asking, how)

    def work(number: int, examples: list[Example], tell: Tell) -> list[dict[str, Any]]:
        model = base.model.load()
        answers = _own_answers(kept, number, examples, range(len(examples)), model, asking, tell)
        wrong = [one.text if one is not None and one.kind == "wrong" else None for one in answers]
        candidates = fitting(examples, draw(examples, wrong), model, asking.max_length)
        scores = _scores(examples, candidates, model, asking, tell)
        if cohort.name in BY_SPANS:
            _after_others(examples, scores, model, asking.max_length)
        return rows_of(examples, candidates, scores, answers, [None] * len(examples))

    return by_part(cohort, role, base, how, work, progress)


def ask_tuned(
    cohort: Cohort,
    tuned: Respondent,
    draw: Draw,
    before: Answers | None,
    asking: Asking,
    progress: Progress,
    role: Role = Role("tuned"),
) -> Answers:
    """Ask the tuned model about the same candidates, and for its own answer where it does not give the response."""
    how = digest(asdict(asking), before and before.key)
    kept = _kept(cohort, role, tuned, asking, how)

    def work(number: int, examples: list[Example], tell: Tell) -> list[dict[str, Any]]:
        model = tuned.model.load()

        def scored() -> list[dict[str, Any]]:
            if before is not None:
                candidates = [answer.candidates for answer in before.read(number)]
            else:
                candidates = fitting(examples, draw(examples, [None] * len(examples)), model, asking.max_length)
            scores = _scores(examples, candidates, model, asking, tell)
            if cohort.name in BY_SPANS and before is None:
                _after_others(examples, scores, model, asking.max_length)
            return rows_of(examples, candidates, scores, [None] * len(examples), [None] * len(examples))

        rows = kept.scored(number, scored)
        own = [row["scores"][0] for row in rows]  # the training wording
        missed = [i for i, one in enumerate(own) if not one["recalled"] or one["end_recalled"] is False]
        answers = _own_answers(kept, number, examples, missed, model, asking, tell)
        goes_on: Sequence[list[dict[str, Any]] | None] = [None] * len(examples)
        if cohort.name in CONTINUED and any(one["tokens"] for one in own):
            scored_by = [_answer(row).scores for row in rows]
            earlier = None if before is None else [answer.scores for answer in before.read(number)]
            goes_on = continuations(examples, scored_by, earlier, model, asking.max_length)
        successes: list[tuple[int, int] | None] = [None] * len(examples)
        if asking.n_samples:
            seed = (asking.seed * 1_000_003 + number) % 2**32  # parts draw independently of each other
            successes = sampled_successes(examples, model, replace(asking, seed=seed))
            tell(len(examples), "samples")
        return [
            row | {"answer": one and one.text, "answer_kind": one and one.kind, "successes": right, "continued": more}
            for row, one, right, more in zip(rows, answers, successes, goes_on, strict=True)
        ]

    answers = by_part(cohort, role, tuned, how, work, progress)
    kept.done()
    return answers


def _key(cohort: Cohort, respondent: str, how: object) -> str:
    """Identifies rows: the cohort, who is asked, and how, beside the versions of the libraries."""
    return digest(SCORING_VERSION, cohort.key, respondent, how, versions())


def _kept(cohort: Cohort, role: Role, respondent: Respondent, asking: Asking, how: str) -> Kept:
    """What is kept of a model's answers; its own ones depend on the model and on their room alone."""
    answers = _key(cohort, respondent.model.fingerprint, asking.max_length)
    return Kept.open(cohort, role.folder, answers, _key(cohort, respondent.key, how))


def by_part(cohort: Cohort, role: Role, respondent: Respondent, how: str, work: Work, progress: Progress) -> Answers:
    """One model's answers to a cohort; the parts that are there already are not done again.

    Args:
        cohort: The examples.
        role: Which model it is, and what about.
        respondent: The model.
        how: Identifies what the rows depend on beyond the cohort, the model and the versions of the libraries.
        work: Gives a part's rows.
        progress: Told after each part.
    """
    key = _key(cohort, respondent.key, how)
    parts = open_parts(cohort.parts.folder.parent / role.folder, key, SCORES_FILE)
    notes = parts.folder / "notes.json"
    sizes = {number: cohort.parts.length(number) for number in cohort.parts.numbers()}
    waiting = [number for number in sizes if not parts.has(number)]
    done = sum(sizes.values()) - sum(sizes[number] for number in waiting)
    step = f"{role.step}, {cohort.name}"
    progress(step, done, cohort.n)

    def tell(some: int, within: str = "") -> None:
        if not isinstance(respondent.model, Several):  # of which parts are under way at once
            progress(f"{step}: {within}" if within else step, done + some, cohort.n)

    for number, rows in each(respondent.model, waiting, lambda number: work(number, cohort.read(number), tell)):
        if not notes.exists():  # before the part: a run that finds all parts done does not load the model
            write_json(notes, list(respondent.model.notes))
        parts.write(number, rows)
        done += sizes[number]
        progress(step, done, cohort.n)
    told = read_record(notes, NOTES, parts.anew) if notes.exists() else ()
    return Answers(parts, key, told, beyond=role.beyond is not None)


def _own_answers(
    kept: Kept,
    number: int,
    examples: Sequence[Example],
    wanted: Sequence[int],
    model: Model,
    asking: Asking,
    tell: Tell,
) -> list[OwnAnswer | None]:
    """The model's own answers to the wanted examples, None to the others; told as a step of its own."""
    step = "own answers"
    tell(0, step)
    answers = kept.own_answers(
        number,
        examples,
        wanted,
        lambda some: own_answers(some, model, asking.max_length),
        lambda done: tell(done, step),
    )
    tell(len(examples), step)
    return answers


def _scores(
    examples: Sequence[Example], candidates: Sequence[tuple[Candidate, ...]], model: Model, asking: Asking, tell: Tell
) -> list[list[Score]]:
    asked = [probes(example, members) for example, members in zip(examples, candidates, strict=True)]
    if asking.option_form == "letter":
        for example, own in zip(examples, asked, strict=True):
            own += letter_probes(example) if example.options else []
    scores = score((probe for own in asked for probe in own), model)
    found = []
    for done, own in enumerate(asked):
        tell(done)
        found.append([next(scores) for _ in own])
    return found


def _after_others(
    examples: Sequence[Example], scores: Sequence[list[Score]], model: Model, max_length: int | None
) -> None:
    """Add to the scores of each long response that of it after another example's prompt."""
    long = [index for index, own in enumerate(scores) if own[0].tokens is not None]
    asked = [
        (index, probe)
        for index, probe in zip(long, other_prompts(examples, long, max_length), strict=True)
        if probe is not None
    ]
    for (index, _), one in zip(asked, score((probe for _, probe in asked), model), strict=True):
        scores[index].append(one)


def rows_of(
    examples: Sequence[Example],
    candidates: Sequence[tuple[Candidate, ...]],
    scores: Sequence[Sequence[Score]],
    answers: Sequence[OwnAnswer | None],
    successes: Sequence[tuple[int, int] | None],
) -> list[dict[str, Any]]:
    """Rows of `SCORES`, one an example; all arguments are parallel to `examples`."""
    return [
        {
            "id": example.id,
            "candidates": [asdict(candidate) for candidate in members],
            "scores": [score_data(one) for one in own],
            "answer": None if answer is None else answer.text,
            "answer_kind": None if answer is None else answer.kind,
            "successes": right,
            "continued": None,
        }
        for example, members, own, answer, right in zip(examples, candidates, scores, answers, successes, strict=True)
    ]


def sampled_successes(examples: Sequence[Example], model: Model, asking: Asking) -> list[tuple[int, int] | None]:
    """How many of `n_samples` samples at temperature 1 begin with the response's tokens, and how many then end.

    None for plain texts, which have no prompt to be sampled from.
    """
    items = encoded(examples, model)
    wanted = [i for i, item in enumerate(items) if item.start > 0]
    contexts = [items[i].ids[: items[i].start] for i in wanted]
    room = [items[i].end - items[i].start + 1 for i in wanted]  # one token more shows whether it goes on
    counts: list[tuple[int, int] | None] = [None] * len(examples)
    drawn = generated(model, contexts, room, asking.max_length, samples=asking.n_samples, seed=asking.seed)
    for index, samples in zip(wanted, drawn, strict=True):
        own = items[index].ids[items[index].start : items[index].end]
        counts[index] = (sum(ids[: len(own)] == own for ids in samples), sum(ids == own for ids in samples))
    return counts
