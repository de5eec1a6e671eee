"""The column `evidence` of a diagnosis as JSON; the keys are explained in docs/details/detection.md.

Where a log-probability is null, it is that of something impossible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from uptake.artifacts.schemas.parts import Count, JsonSchema, Positive, Proportion
from uptake.evidence import CriterionName, Origin


@dataclass(frozen=True)
class CandidateData:
    """A candidate under the tuned model."""

    text: str
    origin: Origin
    logprob: float | None


@dataclass(frozen=True)
class NumbersData:
    """What is read of the numbers of a cause: who contradicts, and what the base believes."""

    rivals: tuple[str, ...] | None = None
    n_rivals: Count | None = None
    rival_answers: tuple[str, ...] | None = None
    verdict: str | None = None
    likely_wrong: bool | None = None
    why: str | None = None
    rival_logprobs: tuple[float | None, ...] | None = None
    replaced_by: str | None = None
    belief_text: str | None = None
    belief_wordings: tuple[float, ...] | None = None
    tuned_belief: float | None = None
    tuned_response: float | None = None
    possibly_wrong_label: bool | None = None

    def __post_init__(self) -> None:
        """Who contradicts is told in full."""
        if self.rivals is None:
            return
        if self.rival_answers is None or self.rival_logprobs is None or None in (
            self.n_rivals, self.likely_wrong, self.why,
        ):  # fmt: skip
            raise ValueError("rivals are named, and not all about them is told")
        if self.rival_logprobs and len(self.rival_logprobs) != len(self.rival_answers):
            raise ValueError(f"{len(self.rival_answers)} answers have {len(self.rival_logprobs)} log-probabilities")


@dataclass(frozen=True)
class CauseData:
    """How an example looks to a cause."""

    score: Proportion | None
    sentence: str
    numbers: NumbersData
    missing: Mapping[str, str] | None = None


@dataclass(frozen=True)
class CourseData:
    """How an example did under a treatment."""

    learned: tuple[bool, ...]
    shallow: tuple[bool | None, ...]
    exposures: Count | None

    def __post_init__(self) -> None:
        """A pass for a pass."""
        if not self.learned or len(self.learned) != len(self.shallow):
            raise ValueError(f"learned is told of {len(self.learned)} passes, shallow of {len(self.shallow)}")


@dataclass(frozen=True)
class ReactionData:
    """How an example reacts to interventions."""

    speaks_for: tuple[str, ...]
    sentence: str
    agrees: bool | None
    told_in_context: bool | None
    told_another: bool | None
    control: CourseData | None = None
    more_steps: CourseData | None = None
    without_rivals: CourseData | None = None
    replay: CourseData | None = None


@dataclass(frozen=True)
class PullData:
    """A text that pulls an example the other way."""

    kind: Literal["row", "document"]
    name: str
    stage: str | None
    said: str
    matched: str
    near: tuple[str, ...]
    excerpt: str
    score: float


@dataclass(frozen=True)
class EvidenceData:
    """All of it; keys that do not apply are left out."""

    criterion: CriterionName
    recalled: bool
    end_recalled: bool | None
    logprob: float | None
    end_logprob: float | None
    n_tokens: Positive
    p_value_unseen: Proportion | None
    criterion_reason: str | None = None
    n_candidates: Positive | None = None
    preferred: bool | None = None
    normalisation: Literal["sum", "token", "byte", "letters"] | None = None
    p_option_threshold: float | None = None
    p_option_null: float | None = None
    p_sample: float | None = None
    p_flag: float | None = None
    best_of_n: float | None = None
    successes: Count | None = None
    held_out_n: Positive | None = None
    held_out_failed: Count | None = None
    held_out_fail_low: Proportion | None = None
    held_out_fail_high: Proportion | None = None
    base_right: bool | None = None
    tuned_right: bool | None = None
    base_logprob: float | None = None
    base_p_option: float | None = None
    spans_n: Positive | None = None
    spans_learned: Count | None = None
    spans_low: Proportion | None = None
    spans_high: Proportion | None = None
    file: str | None = None
    line: int | None = None
    tuned_answer: str | None = None
    base_answer: str | None = None
    base_answer_kind: str | None = None
    candidates: tuple[CandidateData, ...] = ()
    causes: Mapping[str, CauseData] = field(default_factory=dict)
    signals: Mapping[str, float | None] = field(default_factory=dict)
    interventions: ReactionData | None = None
    exposures_to_learn: CourseData | None = None
    pulls: tuple[PullData, ...] = ()
    after_wrong: str | None = None

    def __post_init__(self) -> None:
        """Of what is told together, all is there."""
        for group in (
            ("n_candidates", "preferred", "normalisation"),
            ("p_sample", "p_flag"),
            ("held_out_n", "held_out_failed", "held_out_fail_low", "held_out_fail_high"),
            ("base_right", "tuned_right"),
            ("spans_n", "spans_learned", "spans_low", "spans_high"),
        ):
            known = [name for name in group if getattr(self, name) is not None]
            if known and len(known) < len(group):
                raise ValueError(f"{known[0]} is told, and not all of {', '.join(group)}")
        answers = ("file", "line", "tuned_answer", "base_answer", "base_answer_kind")
        if not self.candidates and any(getattr(self, name) is not None for name in answers):
            raise ValueError(f"of {', '.join(answers)} something is told, and no candidates")
        if self.held_out_n is not None and self.held_out_failed is not None and self.held_out_failed > self.held_out_n:
            raise ValueError(f"{self.held_out_failed} of {self.held_out_n} held-out wordings fail")
        if self.spans_n is not None and self.spans_learned is not None and self.spans_learned > self.spans_n:
            raise ValueError(f"{self.spans_learned} of {self.spans_n} spans are learned")


EVIDENCE: JsonSchema[EvidenceData] = JsonSchema(EvidenceData)
