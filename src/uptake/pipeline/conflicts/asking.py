"""What a model says of the rows that a stage is about to teach it: asked as a diagnosis asks its base."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import fmean

from uptake.artifacts import digest
from uptake.causes import Case, Said, value
from uptake.data.shown import response_text
from uptake.detect.conflicts import KNOWN, Meeting, Stance, meets, rank
from uptake.models import Loadable
from uptake.pipeline.asking.answers import Answer, Answers, Asking, Respondent, ask_base
from uptake.pipeline.asking.controls import ask_controls, chosen
from uptake.pipeline.asking.elicited import Elicited, in_frame
from uptake.pipeline.asking.elsewhere import Alike, Elsewhere, More
from uptake.pipeline.asking.in_wordings import WORDINGS, ask_otherwise, taken
from uptake.pipeline.asking.sentences import Tells, read_tells
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.pipeline.why.cases import said_freely
from uptake.pipeline.why.freely import freely, telling
from uptake.pipeline.why.scale import Scale
from uptake.probe import Embed, question, with_distractors
from uptake.rivals.entities import entities
from uptake.types import Candidate, Example, Score, normalised

VERSION = 3
"""Part of the key of what is asked beyond the rows' own wordings."""


@dataclass(frozen=True)
class Eliciting:
    """How a model is asked.

    Attributes:
        embed: Texts to unit vectors: finds rows that ask alike.
        encoder: What that is known by; None where it compares words.
        seed: Of what is drawn.
        max_length: Tokens that the model may be given; None for no limit.
    """

    embed: Embed
    encoder: object = None
    seed: int = 0
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class AskedRow:
    """What the model says of one row.

    Attributes:
        example: The row.
        answer: Its scores and its own greedy answer.
        case: The same as a diagnosis puts it together, with what it answers in other wordings and in its own frame.
        told: In how many wordings it tells anything: a refusal, or thoughts alone, contradict no answer.
    """

    example: Example
    answer: Answer
    case: Case
    told: int = 0

    @property
    def agreed(self) -> float | None:
        """Share of the other wordings in which something is told that get the same wrong answer; None without any.

        With one other wording a bad answer there would else decide alone.
        """
        freely = self.case.freely
        return None if freely is None or self.told < 2 else max(0, freely.agreed - 1) / (self.told - 1)


def ask(cohort: Cohort, model: Loadable, how: Eliciting, progress: Progress) -> list[AskedRow]:
    """Ask a model about all rows; what was asked before is read.

    It answers each row freely. Where its answer is another than the row's, it is also asked in the held-out wordings,
    and both answers are scored in its own frame, there and after rows that ask alike about something else. On a sample
    of what it answers rightly the same is done, as the scale of how sure it is of what it knows.

    Args:
        cohort: The rows.
        model: The model.
        how: How it is asked.
        progress: Told after each part of the work.
    """
    respondent = Respondent(model, model.fingerprint)
    before = ask_base(cohort, respondent, draw, asking_of(how), progress)
    responses = read_tells(cohort)
    asked_on = [_goes_on(example, answer) for example, answer in zip(cohort, before, strict=True)]
    key = digest(VERSION, before.key, how.encoder, how.seed, how.max_length)

    def wanted(number: int, examples: list[Example]) -> list[Example]:
        start = cohort.start(number)
        return [one for index, one in enumerate(examples) if asked_on[start + index]]

    worded = ask_otherwise(cohort, wanted, WORDINGS, respondent, key, how.max_length, progress)
    alike = cache(lambda: Alike(cohort, how.embed, seed=how.seed))

    def tells(number: int, examples: list[Example]) -> list[tuple[Example, str] | None]:
        answers, start = iter(worded.read(number)), cohort.start(number)
        return [
            telling(example, answer, taken(example, answers), responses)
            for index, (example, answer) in enumerate(zip(examples, before.read(number), strict=True))
            if asked_on[start + index]
        ]

    more = Elsewhere(
        wanted=lambda number, examples: [
            More(index, None, (), frozenset())
            for index in range(len(examples))
            if asked_on[cohort.start(number) + index]
        ],
        near=lambda number, examples, apart: alike().nearest(examples, apart),
        telling=tells,
        said=_said_by(cohort, before, alike),
        tells=responses,
        how=key,
        max_length=how.max_length,
    )
    elsewhere = more.ask(cohort, "base", respondent, progress)

    def cut(example: Example, said: str) -> Elicited | None:
        return more.elicited(example, said, alike().nearest([example], [()])[0])

    controls = ask_controls(cohort, before, chosen(cohort, before, how.seed, responses), cut, respondent, key, progress)
    return list(_put_together(cohort, asked_on, before, (worded, elsewhere), Scale.of(controls), responses))


def _goes_on(example: Example, answer: Answer) -> bool:
    """Whether more is asked about a row: it has a prompt, and the model does not give its whole answer at once."""
    return bool(example.prompt) and not (answer.scores[0].recalled or answer.freely(example.response))


def asking_of(how: Eliciting) -> Asking:
    """The same of one pass over rows: no wrong answers beside the model's own."""
    return Asking(n_distractors=0, seed=how.seed, max_length=how.max_length)


def draw(examples: Sequence[Example], answers: Sequence[str | None]) -> list[tuple[Candidate, ...]]:
    """The row's answer, and the model's own where it is another."""
    return [
        with_distractors(example, [] if one is None else [(one, "base")], 0)
        for example, one in zip(examples, answers, strict=True)
    ]


def _said_by(cohort: Cohort, before: Answers, alike: Callable[[], Alike]) -> Callable[[Example], str | None]:
    """What the model answers a row of the pool that others are put after."""

    @cache
    def said() -> dict[str, str]:
        wanted = {one.id for one in alike().pool}
        pairs = ((one.id, said_freely(answer)) for one, answer in zip(cohort, before, strict=True) if one.id in wanted)
        return {name: text for name, text in pairs if text is not None}

    return lambda example: said().get(example.id)


def _put_together(
    cohort: Cohort,
    asked_on: Sequence[bool],
    before: Answers,
    beyond: tuple[Answers, Answers],
    scale: Scale,
    responses: Tells,
) -> Iterator[AskedRow]:
    position = 0
    for number in cohort.parts.numbers():
        worded, elsewhere = (iter(one.read(number)) for one in beyond)
        for example, answer in zip(cohort.read(number), before.read(number), strict=True):
            first, framed, said, n_told = answer.scores[0], None, None, 0
            if asked_on[position]:
                more = next(elsewhere)
                others = taken(example, worded)
                said = freely(example, answer, others, answer, responses)
                every = [(example, answer), *others]
                n_told = sum(responses.given(*one) or bool(responses.said(*one)) for one in every)
                if more.answer is not None:
                    scores = [score for score in more.scores if score.wording.kind == "frame"]
                    framed = scale.on(in_frame(scores, more.answer))
            case = Case(
                id=example.id,
                stage=example.stage,
                response=example.response,
                n_tokens=first.n_tokens[first.right],
                tuned=Said(first.logprob, n_tokens=max(1, first.n_tokens[first.right])),
                base_recalled=fmean(score.recalled for score in own_wordings(answer)),
                in_frame=framed,
                freely=said,
            )
            yield AskedRow(example, answer, case, n_told)
            position += 1


def met(asked: Sequence[AskedRow]) -> list[tuple[Stance, Meeting | None]]:
    """What the model makes of each row, and what that meets: one rule for whoever asks. None without a prompt."""
    return [
        (stance, meets(stance) if one.example.prompt else None)
        for one, stance in zip(asked, stances(asked), strict=True)
    ]


def stances(asked: Sequence[AskedRow]) -> list[Stance]:
    """What the model makes of each row, on the scale of what it gives rightly among them."""
    known = sorted(
        fmean(score.p_response for score in own_wordings(one.answer)) for one in asked if _gives(one) >= KNOWN
    )
    return [
        replace(_stance(one, known), familiar=share)
        for one, share in zip(asked, familiar([(one.example, _gives(one) >= KNOWN) for one in asked]), strict=True)
    ]


def familiar(given: Sequence[tuple[Example, bool]]) -> list[float | None]:
    """For each row the share of the other questions about the same name that the model answers rightly.

    Args:
        given: Rows, and whether it answers them rightly. Rows that ask the same (of which the answers are the same, or
            the questions) are no other questions.

    Returns:
        None where a row names nothing, or no other row asks something else about its name.
    """
    rows = [replace(one, id=str(number)) for number, (one, _) in enumerate(given)]
    named = entities(rows, frozenset(one.id for one in rows))
    names = [frozenset(map(normalised, named[one.id])) for one in rows]
    answers = [normalised(response_text(one)) for one in rows]
    asks = [normalised(question(one)) for one in rows]
    # counts, for very many rows may be about one name: of all, of those with an answer, with a question, with both
    n, right = Counter[tuple[object, ...]](), Counter[tuple[object, ...]]()
    keys = [
        ((of,), (of, answer, None), (of, None, ask), (of, answer, ask))
        for of, answer, ask in zip(names, answers, asks, strict=True)
    ]
    for own, (_, gives) in zip(keys, given, strict=True):
        n.update(own)
        right.update(own if gives else ())
    found: list[float | None] = []
    for of, (all_, answer, ask, both) in zip(names, keys, strict=True):
        others, known = (count[all_] - count[answer] - count[ask] + count[both] for count in (n, right))
        found.append(known / others if of and others else None)
    return found


def own_wordings(answer: Answer) -> list[Score]:
    """The scores in the row's own wordings, the training wording first."""
    return [score for score in answer.scores if score.wording.kind in ("training", "held_out")]


def _gives(one: AskedRow) -> float:
    told = value("base_gives", one.case)
    return 1.0 if one.answer.freely(one.example.response) else told or 0.0


def _stance(one: AskedRow, known: Sequence[float]) -> Stance:
    likely, framed = _likely(one.answer), one.case.in_frame
    sure = None if likely is None else rank(likely, known)
    if framed is not None and not framed.same and (likely is None or framed.span != (one.answer.answer or "").strip()):
        # in a sentence the answer as a whole is rare, whatever it tells
        likely, sure = math.exp(min(0.0, framed.own.own)), framed.sure
    return Stance(
        gives=_gives(one),
        agreed=one.agreed,
        likely=likely,
        sure=sure,
        apart=None if framed is None else framed.own.share,
    )


def _likely(answer: Answer) -> float | None:
    """The mean probability of the model's own wrong answer over the wordings in which it was scored."""
    place = next((at for at, one in enumerate(answer.candidates) if one.origin == "base"), None)
    if place is None:
        return None
    return fmean(math.exp(score.logprobs[place]) for score in own_wordings(answer) if place < len(score.logprobs))
