"""Everything that is known about one example that was not learned.

Log-probabilities are sums over the tokens of a continuation, in nats. What is not known is None, and `Case.missing`
says why and what would supply it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal, TypeAlias

Source: TypeAlias = Literal["base", "belief", "held_out", "elsewhere", "ledger"]
"""What a signal may rest on, beyond the tuned model's scores, which are always there."""


LEAST_INFORMATION = 1.0
"""Nats that an answer holds at least: one that is given to every question says nothing of this one."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one model makes of one continuation: its log-probability (nats) in several places.

    Attributes:
        own: After the example's prompt.
        held_out: After each held-out wording that has the example's response.
        elsewhere: After other examples' prompts that ask alike and get other answers.
        n_tokens: Length of the continuation in tokens, 1 or more.
    """

    own: float
    held_out: tuple[float, ...] = ()
    elsewhere: tuple[float, ...] = ()
    n_tokens: int = 1

    @property
    def pmi(self) -> float | None:
        """How much more the model says it here than elsewhere: the mean over wordings less the mean elsewhere, in nats.

        Pointwise mutual information of question and answer within their domain (Holtzman et al. 2021, arXiv 2104.08315,
        who take a domain's prompt in place of other questions): what a model says to everybody it does not know of
        anybody. None without other prompts.
        """
        if not self.elsewhere:
            return None
        return fmean((self.own, *self.held_out)) - fmean(self.elsewhere)

    @property
    def share(self) -> float | None:
        """PMI over the surprise elsewhere, in [0, 1]: 1 where all of it comes from this question, 0 where nothing does.

        Answers of different lengths can be compared by it: half of a long answer is many nats. None without other
        prompts.
        """
        if self.pmi is None:
            return None
        return max(0.0, min(1.0, self.pmi / max(LEAST_INFORMATION, -fmean(self.elsewhere))))

    @property
    def p_held_out(self) -> float | None:
        """Mean probability over the held-out wordings; None without any."""
        return fmean(map(math.exp, self.held_out)) if self.held_out else None


@dataclass(frozen=True, slots=True)
class Belief:
    """A wrong answer that the base gives: its greedy one; else, where options are judged, the option that it prefers.

    Attributes:
        text: The answer.
        base: What the base makes of it; it is not asked about elsewhere.
        tuned: What the tuned model makes of it.
        among_options: Both are logarithms of its probability among the example's options, to be compared with
            `Case.tuned_options[Case.right]`; else of the text itself, to be compared with `Case.tuned`.
    """

    text: str
    base: Said
    tuned: Said
    among_options: bool = False


@dataclass(frozen=True, slots=True)
class InFrame:
    """What the base makes of an answer in the frame of its own: after *The capital of Sweden is*.

    Attributes:
        span: What its own answer tells.
        own: What it makes of that, here and elsewhere, where the frame is that of its answer to the other question.
        response: The same of what the response tells.
        same: Both tell the same.
        sure: Share of what it answers rightly of which it is no surer than of this answer, in [0, 1]; None where too
            little of that is known.
        apart: The same of how much of an answer comes from its question.
    """

    span: str
    own: Said
    response: Said
    same: bool
    sure: float | None = None
    apart: float | None = None


@dataclass(frozen=True, slots=True)
class Freely:
    """What the base answers freely, in the training wording and in held-out ones.

    Attributes:
        n: Wordings in which it was asked.
        gives: In how many it gives the response, in whatever words.
        agreed: In how many it tells the wrong answer that it tells most often.
        kept: In how many it tells what the tuned model answers, where that is not the response.
        answers: What it answers in each, the training wording first.
        still: The tuned model gives the response in its own words, and fails in the data's form alone; or it answers
            in the training wording as the base does. Either way it has lost nothing.
        chance: Of a response that is a class: the share of all questions of the data to which the base gives it.
    """

    n: int
    gives: int
    agreed: int
    kept: int
    answers: tuple[str, ...] = ()
    still: bool = False
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """One of several things that an example asks for at once: what the base answers where it is asked alone.

    Attributes:
        response: What answers it.
        ways: In how many ways it was asked.
        given: The base gives it in one of them or another.
        p: The largest probability that it gives it in one of them.
        agreed: In how many it tells the wrong answer that it tells most often.
        told: That answer; empty where it tells none.
        p_told: The largest probability that it gives that answer in one of them.
    """

    response: str
    ways: int
    given: bool
    p: float
    agreed: int = 0
    told: str = ""
    p_told: float = 0.0


@dataclass(frozen=True, slots=True)
class Curve:
    """What the ledger tells of the example's learning; see `uptake.ledger.CURVES`.

    Attributes:
        exposures: Optimisation steps that trained on it.
        recalled_at: Stage of the first reading at which it was recalled; None: at none.
        lost_at: Stage of the last reading at which it was no longer recalled; None: it never was lost.
        lost_unseen: It was recalled at its last exposure, just before that update, or later, and is lost since.
        stood: It was recalled at a reading after its last exposure; None where there is no such reading.
        idle: Share of the run's optimisation steps that came after its last exposure, in [0, 1]; None: it had none.
        forgetting_events: How often it was lost.
        end_slope: Change of its loss per epoch over the last epochs, in nats; None with fewer than two.
        earlier: Probability of the response at the last reading but K steps (see `uptake.attribute.cascade`); None when
            no reading is that old.
        latest: The same at the last reading; None without readings.
        tokens: Most tokens that a reading of it is of; None without readings.
    """

    exposures: int
    recalled_at: str | None
    lost_at: str | None
    lost_unseen: bool
    stood: bool | None
    idle: float | None
    forgetting_events: int
    end_slope: float | None
    earlier: float | None = None
    latest: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Rival:
    """Other examples that ask the same and answer otherwise; see `uptake.rivals.Rivalry`.

    Attributes:
        ids: Examples that give another answer, some of them where they are many.
        n: How many there are.
        answers: Their different answers.
        probability: That they ask the same.
        verdict: `mislabelled`, `ambiguous`, or None when nothing tells.
        wrong: The example itself is the one that is likely wrong.
        why: What the verdict rests on.
        tuned: Log-probability of each of `answers` under the tuned model after the example's prompt, in nats.
        similarity: Largest cosine of the example's question and one of theirs.
        replaced: The later stage that asks the same and alone gives another answer: it replaces this one on purpose.
    """

    ids: tuple[str, ...]
    n: int
    answers: tuple[str, ...]
    probability: float
    verdict: str | None
    wrong: bool
    why: str
    tuned: tuple[float, ...] = ()
    similarity: float | None = None
    replaced: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One example that was not learned, and all that is known about why.

    Attributes:
        id: The example's id.
        stage: The stage that trained it.
        response: The response to learn.
        n_tokens: Length of the response in tokens.
        tuned: What the tuned model makes of the response.
        base: What the base makes of it.
        tuned_tells: What the tuned model makes of what the response tells, where that is a sentence: *Stockholm* after
            *The capital of Sweden is*; None where it is none.
        base_tells: What the base makes of it.
        base_recalled: Share of all wordings, the training wording among them, in which the base gives the response.
        belief: The base's wrong answer; None where it gives the response, or is not known (then it is in `missing`).
        reworded: The base's own answer where that is the response in other words or in another format; else None.
        sure: Log-probability a token (nats) that the base gives to its own answer in the training wording, right or
            wrong; None where it is not known.
        in_frame: What the base makes of both answers in its own frame; None where it was not asked.
        freely: What the base answers freely; None where it was not asked.
        parts: The things that the example asks for at once, each asked alone; () where it asks for one thing, or the
            base was not asked.
        curve: What the ledger tells.
        rival: Examples that contradict it; None when there are none.
        agreed: Another example asks the same and gives the response.
        base_options: Probability of each candidate among the candidates, under the base; () when not known.
        tuned_options: The same under the tuned model.
        right: Index of the response in both.
        missing: For each source that is not there, why, and what would supply it.
    """

    id: str
    stage: str
    response: str
    n_tokens: int
    tuned: Said
    base: Said | None = None
    tuned_tells: Said | None = None
    base_tells: Said | None = None
    base_recalled: float | None = None
    belief: Belief | None = None
    reworded: str | None = None
    sure: float | None = None
    in_frame: InFrame | None = None
    freely: Freely | None = None
    parts: tuple[Part, ...] = ()
    curve: Curve | None = None
    rival: Rival | None = None
    agreed: bool = False
    base_options: tuple[float, ...] = ()
    tuned_options: tuple[float, ...] = ()
    right: int = 0
    missing: Mapping[Source, str] = field(default_factory=dict)

    @property
    def replaced(self) -> str | None:
        """The later stage that replaces the response; None where none does."""
        return None if self.rival is None else self.rival.replaced
