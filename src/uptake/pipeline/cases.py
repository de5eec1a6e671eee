"""The cases of the examples that were not learned: everything that is known about each, put together in one pass.

What the models are asked beyond a diagnosis's own scores is written in parts like these, so that a killed run goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from statistics import fmean

import numpy as np

from uptake.causes import Belief, Case, Curve, Said, Source
from uptake.pipeline.answers import Answer, Answers
from uptake.pipeline.cohort import Cohort
from uptake.pipeline.contradictions import Contradictions
from uptake.pipeline.elsewhere import OWN, RIVALS, More, belief_index, own_answer
from uptake.probe import Embed, question
from uptake.types import Example, Score

NO_BASE = "the base model is not given (--base, or model_name_or_path in a run file)"
NO_WORDINGS = "it has no held-out wordings (--paraphrases, or a judge that writes them)"
NO_ANSWER = "the base was not asked for an answer of its own: it has no prompt, or its response is too long"
NOBODY_ALIKE = "no other example asks alike and gets another answer, so nothing tells what is said to everybody"
NO_READINGS = "the ledger has no reading of it: was it trained under another id, or in a stage without a ledger?"


@dataclass(frozen=True)
class Known:
    """What cases are made of.

    Attributes:
        train: The training examples.
        unlearned: A byte for each of them, 1 where it was not learned.
        before: The base's answers; None without a base.
        after: The tuned model's.
        contradictions: Who contradicts whom.
        curves: Of the unlearned examples, by id.
        no_curves: Why there are none; None where the ledger was read.
    """

    train: Cohort
    unlearned: bytes
    before: Answers | None
    after: Answers
    contradictions: Contradictions
    curves: dict[str, Curve]
    no_curves: str | None

    def wanted(self, number: int, examples: list[Example]) -> list[More]:
        """What is asked beyond its own wordings about each unlearned example of a part."""
        start = sum(self.train.parts.length(n) for n in range(number))
        before = repeat(None) if self.before is None else self.before.read(number)
        asked = []
        for index, (example, answer) in enumerate(zip(examples, before, strict=self.before is not None)):
            if not self.unlearned[start + index] or not example.prompt:
                continue
            believed = None if answer is None else belief_index(answer)
            text = None if answer is None or believed is None else answer.candidates[believed].text
            own = None if answer is None else own_answer(answer)
            rival = self.contradictions.rival(start + index)
            answers = () if rival is None else tuple(_spaced(text, example) for text in rival.answers)
            asked.append(More(index, text, own, answers, self.contradictions.apart(start + index)))
        return asked

    def cases(self, base_more: Answers | None, tuned_more: Answers, embed: Embed | None) -> Iterator[Case | None]:
        """A case for each example that was not learned, None for the others, in order; a part in memory at a time.

        Args:
            base_more: What the base said elsewhere.
            tuned_more: What the tuned model did.
            embed: Measures how similar rivals' questions are; None does without.
        """
        position = 0
        for number in self.train.parts.numbers():
            examples, after = self.train.read(number), self.after.read(number)
            before = repeat(None) if self.before is None else self.before.read(number)
            tuned = iter(tuned_more.read(number))
            base = repeat(None) if base_more is None else iter(base_more.read(number))
            for example, earlier, answer in zip(examples, before, after, strict=False):
                if self.unlearned[position]:
                    asked = bool(example.prompt)
                    more = (next(base), next(tuned)) if asked else (None, None)
                    case = _with_scores(example, earlier, answer, *more)
                    yield self._with_rest(case, position, more[1], example, embed)
                else:
                    yield None
                position += 1

    def _with_rest(self, case: Case, position: int, more: Answer | None, example: Example, embed: Embed | None) -> Case:
        curve = self.curves.get(example.id)
        missing = dict(case.missing)
        if curve is None:
            missing["ledger"] = self.no_curves or NO_READINGS
        rival = self.contradictions.rival(position)
        if rival is not None and more is not None:
            against = [score for score in more.scores if score.wording == RIVALS]
            rival = replace(rival, tuned=against[0].logprobs[1:] if against else ())
        if rival is not None and embed is not None:
            theirs = self.contradictions.questions(position)
            own, *others = embed([question(example), *theirs])
            rival = replace(rival, similarity=float(np.max(np.array(others) @ own)))
        return replace(case, curve=curve, rival=rival, missing=missing)


def _spaced(text: str, example: Example) -> str:
    lead = example.response[: len(example.response) - len(example.response.lstrip())]
    return lead + text.strip()


def _with_scores(
    example: Example, before: Answer | None, after: Answer, base_more: Answer | None, tuned_more: Answer | None
) -> Case:
    """The case as far as scores tell."""
    missing: dict[Source, str] = {}
    right = after.scores[0].right
    tuned = _said(example, after, tuned_more, right, 0)
    if not tuned.elsewhere:
        missing["elsewhere"] = NOBODY_ALIKE
    if not tuned.held_out:
        missing["held_out"] = NO_WORDINGS
    case = Case(
        id=example.id,
        stage=example.stage,
        response=example.response,
        n_tokens=after.scores[0].n_tokens[right],
        tuned=tuned,
        tuned_options=_options(after.scores[0]),
        right=right,
        missing=missing,
    )
    if before is None:
        return replace(case, missing={**missing, "base": NO_BASE, "belief": NO_BASE})
    index = belief_index(before)
    belief = None
    if index is not None:
        said = (_said(example, before, base_more, index, 1), _said(example, after, tuned_more, index, 1))
        belief = Belief(before.candidates[index].text, *said)
    elif before.answer is None and not example.options:
        missing["belief"] = NO_ANSWER
    return replace(
        case,
        base=_said(example, before, base_more, right, 0),
        base_recalled=fmean(score.recalled for score in (before.scores[0], *_held_out(before))),
        belief=belief,
        sure=_sure(before, base_more, belief),
        base_options=_options(before.scores[0]),
    )


def _sure(before: Answer, more: Answer | None, belief: Belief | None) -> tuple[float, ...]:
    """Log-probability a token of the base's own answer in each wording that can be asked; () when it is not known."""
    if belief is not None:
        return tuple(one / belief.base.n_tokens for one in (belief.base.own, *belief.base.held_out))
    if before.scores[0].recalled:
        asked = [before.scores[0], *_held_out(before)]
    else:
        asked = [score for score in (more.scores if more is not None else ()) if score.wording.split(":")[0] == OWN]
    return tuple(score.logprob / max(1, score.n_tokens[score.right]) for score in asked)


def _said(example: Example, answer: Answer, more: Answer | None, index: int, elsewhere: int) -> Said:
    """What a model makes of one candidate; `elsewhere` is its place among those that were asked about elsewhere."""
    # a wording with a response of its own asks for another text: its log-probability cannot be compared
    same = [
        score
        for wording, score in zip(example.paraphrases, _held_out(answer), strict=True)
        if wording.response == example.response
    ]
    others = [score for score in more.scores if score.wording.startswith("elsewhere:")] if more is not None else []
    return Said(
        answer.scores[0].logprobs[index],
        tuple(score.logprobs[index] for score in same),
        tuple(score.logprobs[elsewhere] for score in others),
        max(1, answer.scores[0].n_tokens[index]),
    )


def _held_out(answer: Answer) -> list[Score]:
    return [score for score in answer.scores if score.wording.startswith("held_out:")]


def _options(score: Score) -> tuple[float, ...]:
    weights = np.exp(np.array(score.logprobs) - max(score.logprobs))
    return tuple((weights / weights.sum()).tolist())


def flags(learned: Iterable[bool]) -> bytes:
    """A byte for each example, 1 where it was not learned."""
    return bytes(not one for one in learned)
