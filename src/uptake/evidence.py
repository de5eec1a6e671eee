"""What a finding rests on: the column `evidence` of a diagnosis, as a record.

Units are those of `uptake.types`. What does not apply or is not known is None. The names in the files, and what is
written where nothing is known, stand in `uptake.artifacts.evidence` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from uptake.span_evidence import SpanShare

CriterionName: TypeAlias = Literal["recall", "option", "spans", "paper"]
CRITERIA: tuple[CriterionName, ...] = get_args(CriterionName)
"""What can judge an example; see `uptake.detect.criteria`."""

Origin: TypeAlias = Literal["response", "option", "base", "neighbour", "llm"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)
"""Where a candidate came from."""

Number: TypeAlias = float | int | str | bool | list[str] | list[float] | None
"""What stands under a name among the numbers of a cause."""

Treatment: TypeAlias = Literal["control", "more_steps", "without_rivals", "replay"]
TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)
"""What is trained, all from the tuned model and for as many steps: see `uptake.pipeline.why.interventions`."""


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """A candidate and its log-probability under the tuned model, in nats."""

    text: str
    origin: Origin
    logprob: float


@dataclass(frozen=True, slots=True)
class AmongOptions:
    """How the response does among the candidates.

    Attributes:
        n: How many candidates there are.
        preferred: The response is the likeliest.
        normalisation: What divides their log-probabilities; `letters` where they were asked for by letter.
    """

    n: int
    preferred: bool
    normalisation: Literal["sum", "token", "byte", "letters"]


@dataclass(frozen=True, slots=True)
class OptionThreshold:
    """What `p_option` is held against, where an example is judged by its options.

    Attributes:
        least: What it has to reach.
        null: What 5 % of the held-out examples reach; None where no null can tell.
    """

    least: float
    null: float | None


@dataclass(frozen=True, slots=True)
class PaperOdds:
    """What the paper's rule reads, or would read off samples.

    Attributes:
        p_sample: Probability that one sample is right.
        p_flag: Probability that n samples flag the example.
        best_of_n: Probability that the most confident of n samples is right; None with a single candidate.
        successes: How many of n real samples are right; None where none were drawn.
    """

    p_sample: float
    p_flag: float
    best_of_n: float | None = None
    successes: int | None = None


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How an example does in its held-out wordings.

    Attributes:
        n: Wordings that its criterion can judge, 1 or more.
        failed: Those in which the criterion fails.
        fail_low: Lower end of the 95 % interval of the share that fails.
        fail_high: Its upper end.
    """

    n: int
    failed: int
    fail_low: float
    fail_high: float

    @property
    def passed(self) -> float:
        """Share of the wordings in which the criterion holds."""
        return 1 - self.failed / self.n


@dataclass(frozen=True, slots=True)
class BaseAndTuned:
    """The base beside the tuned model, by the rule that compares checkpoints.

    Attributes:
        base_right: The base is right.
        tuned_right: The tuned model is.
        base_logprob: The base's log-probability of the response.
        base_p_option: Its `p_option`; None with a single candidate.
    """

    base_right: bool
    tuned_right: bool
    base_logprob: float
    base_p_option: float | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Who contradicts an example: what the cause `data_conflict` rests on; see `uptake.causes.Rival`.

    Attributes:
        rivals: Ids of examples that answer otherwise, some of them where they are many.
        n: How many there are.
        answers: Their different answers.
        verdict: `mislabelled`, `ambiguous`, or None when nothing tells.
        likely_wrong: The example itself is the one that is likely wrong.
        why: What the verdict rests on.
        logprobs: Log-probability of each of `answers` under the tuned model after the example's prompt.
        replaced_by: The later stage that replaces the response on purpose.
    """

    rivals: tuple[str, ...]
    n: int
    answers: tuple[str, ...] = ()
    verdict: str | None = None
    likely_wrong: bool = False
    why: str = ""
    logprobs: tuple[float, ...] = ()
    replaced_by: str | None = None

    @property
    def names_the_wrong_one(self) -> bool:
        """One of them is judged to be wrong."""
        return self.verdict == "mislabelled"


@dataclass(frozen=True, slots=True)
class WrongBelief:
    """What the base says instead: what the cause `base_conflict` rests on; see `uptake.causes.Belief`.

    Attributes:
        text: The answer.
        wordings: Its probability under the base in each wording, the training wording first, to six places.
        tuned: Its probability under the tuned model.
        response: That of the response, to be compared with it.
        possibly_wrong_label: The base surely says so (see `surely_otherwise` in `uptake.causes.base_conflict`), and no
            other example gives the response.
    """

    text: str
    wordings: tuple[float, ...] = ()
    tuned: float | None = None
    response: float | None = None
    possibly_wrong_label: bool = False


@dataclass(frozen=True, slots=True)
class CauseEvidence:
    """How an example looks to a cause.

    Attributes:
        score: Probability that the example has the cause, in [0, 1]; None where it cannot be told.
        sentence: One sentence with its numbers; where there is no score, what is missing and what would supply it.
        numbers: The signals that it was judged by, and what else the sentence rests on, under the cause's own names:
            they are shown, and nothing but `contradiction` and `belief` is read.
        missing: Signals that were not there, and for each why; None where no signal is asked for.
        contradiction: Of `data_conflict`: who contradicts the example; None when nobody does.
        belief: Of `base_conflict`: the base's wrong answer; None without one.
    """

    score: float | None
    sentence: str
    numbers: Mapping[str, Number]
    missing: Mapping[str, str] | None = None
    contradiction: Contradiction | None = None
    belief: WrongBelief | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """How one example did under one treatment.

    Attributes:
        learned: After each pass, whether it passes as learned in the training wording, as the diagnosis judges it.
        shallow: After each pass, whether it fails in most held-out wordings although it is learned; None where it has
            no held-out wordings.
    """

    learned: tuple[bool, ...]
    shallow: tuple[bool | None, ...]

    @property
    def flipped(self) -> bool:
        """It is learned at the end, in the training wording at least."""
        return self.learned[-1]

    @property
    def held(self) -> bool:
        """It is learned at the end, and not in the training wording alone as far as can be told."""
        return self._held(-1)

    @property
    def exposures(self) -> int | None:
        """The pass from which on it is held to the end; None where it is not held at the end."""
        passes = range(len(self.learned))
        first = next((k for k in reversed(passes) if not self._held(k)), -1) + 1
        return first + 1 if first < len(passes) else None

    def _held(self, k: int) -> bool:
        return self.learned[k] and not self.shallow[k]


@dataclass(frozen=True, slots=True)
class Reaction:
    """How a sampled example reacts to interventions, and what that says of its causes.

    Attributes:
        speaks_for: Causes that it speaks for; () where it tells nothing.
        sentence: Why.
        agrees: The named cause is one of them; None where none is named, or none spoken for.
        told: It passes when it is told in its context; None where that could not be asked.
        told_other: It passes when another example is told there instead; None as before.
        courses: By treatment, in the order of `TREATMENTS`; those that it had no part in are left out.
    """

    speaks_for: tuple[str, ...]
    sentence: str
    agrees: bool | None
    told: bool | None
    told_other: bool | None
    courses: Mapping[Treatment, Course]


@dataclass(frozen=True, slots=True)
class Pull:
    """A text that holds what the tuned model wrongly says, near what was asked; see `uptake.corpus.pulls`.

    Attributes:
        kind: Another training row, or a document of the corpus.
        name: The row's id; where the document was read.
        stage: The row's stage; None of a document.
        said: The wrong answer.
        matched: The longest run of its words that stands there, folded.
        near: The question's words there, those first that count most.
        excerpt: The words around it.
        score: What pulls are ordered by.
    """

    kind: Literal["row", "document"]
    name: str
    stage: str | None
    said: str
    matched: str
    near: tuple[str, ...]
    excerpt: str
    score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The numbers and words behind a finding.

    Attributes:
        criterion: What judged it: `recall`, `option`, `spans` or `paper`.
        recalled: Greedy decoding gives the response.
        logprob: Log-probability of the response.
        n_tokens: Length of the response.
        criterion_reason: Why it is not the criterion that was asked for; None where it is.
        end_recalled: Greedy decoding then ends the response; None when nothing ends it.
        end_logprob: Log-probability of what ends it; None when nothing does.
        p_value_unseen: How often a never-trained example of like length scores as high; None without a null.
        options: How the response does among the candidates; None with a single one.
        threshold: What it had to reach there; None where another criterion judged.
        paper: What the paper's rule reads; None where another criterion judged.
        held_out: Its held-out wordings; None when the criterion can judge none.
        compared: The base beside the tuned model; None without a base.
        spans: How much of a long response is learned; None where it was not read by its spans, or none is informative.
        candidates: All candidates, under the tuned model; () before the models' answers are added.
        file: Where the example was read; None where it was not read from a file.
        line: Its place there.
        tuned_answer: The tuned model's own answer; of a long response how it begins. None where it was not asked for
            one, and where it is the response.
        base_answer: The base's; None as before, or without a base.
        base_answer_kind: What that answer is; see `uptake.detect.saying.Kind`.
        causes: By name of the cause; empty where no cause was looked for.
        signals: By name, as `causes`; None for a signal that is not known.
        interventions: How it reacts to being trained on a little; None where it was not sampled.
        exposures_to_learn: How it does when all that was not learned is trained a little; None where not tried.
        pulls: Texts that pull it the other way, the strongest first; () where none does, or none was looked for.
        after_wrong: The first turn of its conversation that was not learned, if that comes before it: its id.
    """

    criterion: CriterionName
    recalled: bool
    logprob: float
    n_tokens: int
    criterion_reason: str | None = None
    end_recalled: bool | None = None
    end_logprob: float | None = None
    p_value_unseen: float | None = None
    options: AmongOptions | None = None
    threshold: OptionThreshold | None = None
    paper: PaperOdds | None = None
    held_out: HeldOut | None = None
    compared: BaseAndTuned | None = None
    spans: SpanShare | None = None
    candidates: tuple[ScoredCandidate, ...] = ()
    file: str | None = None
    line: int | None = None
    tuned_answer: str | None = None
    base_answer: str | None = None
    base_answer_kind: str | None = None
    causes: Mapping[str, CauseEvidence] = field(default_factory=dict)
    signals: Mapping[str, float | None] = field(default_factory=dict)
    interventions: Reaction | None = None
    exposures_to_learn: Course | None = None
    pulls: tuple[Pull, ...] = ()
    after_wrong: str | None = None

    @property
    def logprob_per_token(self) -> float:
        """Mean log-probability of the response's tokens."""
        return self.logprob / self.n_tokens

    @property
    def contradiction(self) -> Contradiction | None:
        """Who contradicts the example; None where nobody is known to."""
        told = self.causes.get("data_conflict")
        return None if told is None else told.contradiction

    @property
    def possibly_wrong_label(self) -> bool:
        """The base surely says otherwise, and no other example gives the response, whatever it was not learned for."""
        return self.belief is not None and self.belief.possibly_wrong_label

    @property
    def belief(self) -> WrongBelief | None:
        """The base's wrong answer; None where none is known."""
        told = self.causes.get("base_conflict")
        return None if told is None else told.belief
