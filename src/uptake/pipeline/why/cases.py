"""The cases of the examples that were not learned: everything that is known about each, put together in one pass.

What the models are asked beyond a diagnosis's own scores is written in parts like these, so that a killed run goes on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from statistics import fmean
from typing import Any

from uptake.causes import Case, InFrame, Rival, Said, Source
from uptake.detect.reading import Normalisation
from uptake.detect.saying import TOLD, holds
from uptake.pipeline.asking.answers import Answer, Answers
from uptake.pipeline.asking.elicited import in_frame
from uptake.pipeline.asking.elsewhere import More
from uptake.pipeline.asking.in_wordings import Forms, taken
from uptake.pipeline.asking.sentences import Tells, said_in_sentence
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.why.alone import alone
from uptake.pipeline.why.beliefs import NO_ROOM, apart, belief, comparable, held, held_out, options, own_scores, unknown
from uptake.pipeline.why.contradictions import Contradictions
from uptake.pipeline.why.cut import CUT, cut_by_ledger, cut_by_length
from uptake.pipeline.why.freely import freely, telling
from uptake.pipeline.why.learning import Curves
from uptake.pipeline.why.scale import Scale
from uptake.probe import Embed, question
from uptake.types import Example, Finding, normalised

NO_BASE = "the base model is not given (--base, or model_name_or_path in a run file)"
NO_WORDINGS = "it has no held-out wordings (--paraphrases, or a judge that writes them)"
OTHER_RESPONSES = "its held-out wordings have other responses, and probabilities of different texts cannot be compared"
NOBODY_ALIKE = "no other example asks a similar question and wants another answer, so there is nothing to compare with"
NO_PROMPT = "it has no prompt"

FEW_CLASSES = 20
"""Classes of which each is looked for in sentences, too: by chance few are hit where there are more."""
SOME_PARTS = 20
"""Parts of the data, spread over it, that tell how often each class is given: no share needs to be surer."""


@dataclass(frozen=True)
class Beyond:
    """What the models said of the unlearned examples beyond the examples' own wordings and scores.

    Attributes:
        tuned: What the tuned model said elsewhere.
        base: What the base said elsewhere; None without a base.
        worded: What the base answered freely in the held-out wordings; None without a base.
        parts: What it answered to each of several things that are asked at once; None without a base.
        controls: What the base makes of what it answers rightly, from `uptake.pipeline.asking.controls`.
    """

    tuned: Answers
    base: Answers | None = None
    worded: Answers | None = None
    parts: Answers | None = None
    controls: tuple[InFrame, ...] = ()


@dataclass(frozen=True)
class Known:
    """What cases are made of.

    Attributes:
        train: The training examples.
        flags: A byte for each of them, as `flags` gives them.
        before: The base's answers; None without a base.
        after: The tuned model's.
        contradictions: Who contradicts whom.
        curves: What the ledger tells of the unlearned examples.
        tells: What the examples' responses tell.
        normalisation: What divides the log-probabilities of options.
        wordings: The held-out wordings in which the base is asked.
        tokenizer: The tuned model's.
        settings: By stage the trainer's, as far as they say what of a row is trained.
    """

    train: Cohort
    flags: bytes
    before: Answers | None
    after: Answers
    contradictions: Contradictions
    curves: Curves
    tells: Tells
    normalisation: Normalisation
    wordings: Forms
    tokenizer: Any
    settings: Mapping[str, Mapping[str, Any]]

    def unlearned(self, number: int, examples: list[Example]) -> list[Example]:
        """The unlearned examples of a part that have a prompt."""
        start = self.train.start(number)
        return [one for index, one in enumerate(examples) if self.flags[start + index] and one.prompt]

    def wanted(self, number: int, examples: list[Example]) -> list[More]:
        """What is asked beyond its own wordings about each unlearned example of a part."""
        start = self.train.start(number)
        before = repeat(None) if self.before is None else self.before.read(number)
        asked = []
        for index, (example, answer) in enumerate(zip(examples, before, strict=self.before is not None)):
            flag = self.flags[start + index]
            if not flag or not example.prompt:
                continue
            own = None if answer is None else apart(answer, _by_option(flag, example), self.normalisation)
            rival = self.contradictions.rival(start + index)
            answers = () if rival is None else tuple(_spaced(text, example) for text in rival.answers)
            asked.append(More(index, own, answers, self.contradictions.apart(start + index)))
        return asked

    def telling(self, number: int, examples: list[Example], worded: Answers | None) -> list[tuple[Example, str] | None]:
        """For each unlearned example of a part the wording in which the base tells what it believes, and its answer."""
        start = self.train.start(number)
        if self.before is None or worded is None:
            return [None] * len(self.unlearned(number, examples))
        answers = iter(worded.read(number))
        return [
            telling(example, answer, taken(example, answers, self.wordings), self.tells)
            for index, (example, answer) in enumerate(zip(examples, self.before.read(number), strict=True))
            if self.flags[start + index] and example.prompt
        ]

    def cases(self, more: Beyond, embed: Embed | None) -> Iterator[Case | None]:
        """A case for each example that was not learned, None for the others, in order; a part in memory at a time.

        Args:
            more: What the models said beyond the examples' own wordings.
            embed: Measures how similar rivals' questions are; None does without.
        """
        position = 0
        scale = Scale.of(more.controls)
        chance = self._chance()
        for number in self.train.parts.numbers():
            examples, after = self.train.read(number), self.after.read(number)
            before = repeat(None) if self.before is None else self.before.read(number)
            tuned = iter(more.tuned.read(number))
            base = repeat(None) if more.base is None else iter(more.base.read(number))
            worded = iter(()) if more.worded is None else iter(more.worded.read(number))
            parts = iter(()) if more.parts is None else iter(more.parts.read(number))
            rivals = self._rivals(position, examples, embed)
            cut = iter(self._cut(position, examples, after))
            for example, earlier, answer in zip(examples, before, after, strict=False):
                flag = self.flags[position]
                if flag:
                    first, second = (next(base), next(tuned)) if example.prompt else (None, None)
                    by_option = _by_option(flag, example)
                    told = _Told(example, earlier, answer, first, second, by_option, self.normalisation)
                    case = replace(_with_scores(told), agreed=position in self.contradictions.agreed)
                    if earlier is not None and example.prompt:
                        reworded = taken(example, worded, self.wordings)
                        said = freely(example, earlier, reworded, answer, self.tells)
                        if said is not None:
                            said = replace(said, chance=chance.get(normalised(example.response), 0.0))
                        case = replace(case, freely=said, parts=alone(example, parts, self.tells))
                    case = replace(case, in_frame=scale.on(case.in_frame))
                    case = self._with_rest(case, example, rivals.get(position), second)
                    yield _of_a_part(case) if next(cut) else case
                else:
                    yield None
                position += 1

    def _chance(self) -> dict[str, float]:
        """How often the base gives each class, whatever is asked: of two classes it hits half by chance."""
        counts: Counter[str] = Counter()
        asked, labels = 0, self.tells.labels
        if self.before is not None and labels:
            numbers = list(self.train.parts.numbers())
            for number in numbers[:: 1 + len(numbers) // SOME_PARTS]:
                for text in (one.answer for one in self.before.read(number) if one.answer is not None):
                    asked += 1
                    if (said := normalised(text)) in labels:
                        counts[said] += 1
                    elif len(labels) <= FEW_CLASSES:
                        counts.update(label for label in sorted(labels) if label in said and holds(text, label))
        return {label: n / asked for label, n in counts.items()}

    def _with_rest(self, case: Case, example: Example, rival: Rival | None, more: Answer | None) -> Case:
        curve, why = self.curves.of(example.id, example.stage)
        missing = dict(case.missing)
        if why is not None:
            missing["ledger"] = why
        if rival is not None and more is not None:
            against = [score for score in more.scores if score.wording.kind == "rivals"]
            rival = replace(rival, tuned=against[0].logprobs[1:] if against else ())
        return replace(case, curve=curve, rival=rival, missing=missing)

    def _cut(self, start: int, examples: list[Example], after: Sequence[Answer]) -> list[bool]:
        """Whether training cut each unlearned example of a part.

        The ledger knows where it has the example and holds its response alone; else the trainer's settings do.
        """
        places = [index for index in range(len(examples)) if self.flags[start + index]]
        some, scores = [examples[index] for index in places], [after[index].scores[0] for index in places]
        curves = [self.curves.of(one.id, one.stage)[0] for one in some]
        return [
            by_length
            if curve is None or self.settings[one.stage].get("completion_only_loss") is False
            else cut_by_ledger(curve, score)
            for one, score, curve, by_length in zip(
                some, scores, curves, cut_by_length(some, scores, self.tokenizer, self.settings), strict=True
            )
        ]

    def _rivals(self, start: int, examples: list[Example], embed: Embed | None) -> dict[int, Rival]:
        """What contradicts the unlearned examples of a part, by position; their questions are embedded at once."""
        places = [start + index for index in range(len(examples)) if self.flags[start + index]]
        found = {place: rival for place in places if (rival := self.contradictions.rival(place)) is not None}
        if embed is None or not found:
            return found
        asked = {place: [question(examples[place - start]), *self.contradictions.questions(place)] for place in found}
        texts = list(dict.fromkeys(text for each in asked.values() for text in each))
        vectors = dict(zip(texts, embed(texts), strict=True))
        for place, (own, *others) in asked.items():
            similarity = max(float(vectors[own] @ vectors[other]) for other in others)
            found[place] = replace(found[place], similarity=similarity)
        return found


def _of_a_part(case: Case) -> Case:
    """A case of which training saw a part: what it learned and what is left to learn say nothing of the whole."""
    return replace(case, curve=None, missing={**case.missing, "ledger": CUT, "elsewhere": CUT})


def said_freely(answer: Answer | None) -> str | None:
    """The base's own answer where it can be judged."""
    return None if answer is None or answer.kind not in TOLD else answer.answer


def _by_option(flag: int, example: Example) -> bool:
    return flag == BY_OPTION and bool(example.options)


def _spaced(text: str, example: Example) -> str:
    lead = example.response[: len(example.response) - len(example.response.lstrip())]
    return lead + text.strip()


@dataclass(frozen=True)
class _Told:
    """One example and what was said of it: in its own wordings, and beyond them.

    Attributes:
        example: The example.
        before: What the base said; None without a base.
        after: What the tuned model said.
        base_more: What the base said beyond its wordings.
        tuned_more: What the tuned model did.
        by_option: It has options and is judged by them.
        normalisation: What divides their log-probabilities.
    """

    example: Example
    before: Answer | None
    after: Answer
    base_more: Answer | None
    tuned_more: Answer | None
    by_option: bool
    normalisation: Normalisation


def _with_scores(told: _Told) -> Case:
    """The case as far as scores tell."""
    example, after = told.example, told.after
    missing: dict[Source, str] = {}
    right = after.scores[0].right
    tuned = _said(example, after, told.tuned_more)
    if not tuned.elsewhere:
        missing["elsewhere"] = NOBODY_ALIKE if example.prompt else NO_PROMPT
    if not tuned.held_out:
        missing["held_out"] = OTHER_RESPONSES if example.paraphrases else NO_WORDINGS
    case = Case(
        id=example.id,
        stage=example.stage,
        response=example.response,
        n_tokens=after.scores[0].n_tokens[right],
        tuned=tuned,
        tuned_tells=_tells(told.tuned_more),
        tuned_options=options(after, told.normalisation),
        right=right,
        missing=missing,
    )
    if told.before is None:
        return replace(case, missing={**missing, "base": NO_BASE, "belief": NO_BASE})
    return _with_base(case, told, told.before)


def _with_base(case: Case, told: _Told, before: Answer) -> Case:
    """What the base says of it, and believes."""
    why = unknown(before, told.by_option)
    found = held(before, told.by_option, told.normalisation)
    wrong = None
    if found is not None:
        models = ((before, told.base_more), (told.after, told.tuned_more))
        wrong = belief(found, told.example, models, told.normalisation)
        why = NO_ROOM if wrong is None else None
    if wrong is not None:
        sure: float | None = wrong.base.own / wrong.base.n_tokens
    else:
        own = before.scores[:1] if before.scores[0].recalled else own_scores(told.base_more)[:1]
        sure = next((one.logprob / max(1, one.n_tokens[one.right]) for one in own), None)
    return replace(
        case,
        base=_said(told.example, before, told.base_more),
        base_tells=_tells(told.base_more),
        base_recalled=fmean(score.recalled for score in (before.scores[0], *held_out(before))),
        belief=wrong,
        in_frame=_in_frame(told.base_more),
        reworded=before.answer if before.kind == "reworded" and not before.scores[0].recalled else None,
        sure=sure,
        base_options=options(before, told.normalisation),
        missing=case.missing if why is None else {**case.missing, "belief": why},
    )


def _in_frame(more: Answer | None) -> InFrame | None:
    if more is None or more.answer is None:
        return None
    return in_frame([score for score in more.scores if score.wording.kind == "frame"], more.answer)


def _tells(more: Answer | None) -> Said | None:
    return None if more is None else said_in_sentence(more.scores)


def _said(example: Example, answer: Answer, more: Answer | None) -> Said:
    """What a model makes of the response."""
    others = [score for score in more.scores if score.wording.kind == "elsewhere"] if more is not None else []
    return Said(
        answer.scores[0].logprob,
        tuple(score.logprob for score in comparable(example, answer)),
        tuple(score.logprob for score in others if math.isfinite(score.logprob)),
        max(1, answer.scores[0].n_tokens[answer.scores[0].right]),
    )


LEARNED, NOT_LEARNED, BY_OPTION = range(3)
"""Of an example: it was learned; it was not; it was not by the criterion `option`."""


def flags(findings: Iterable[Finding]) -> bytes:
    """A byte for each finding: `LEARNED`, `NOT_LEARNED` or `BY_OPTION`."""
    return bytes(
        LEARNED if one.learned else BY_OPTION if one.evidence.criterion == "option" else NOT_LEARNED for one in findings
    )
