"""`summary.json` of a diagnosis; the keys are explained in docs/details/detection.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from uptake.artifacts.schemas.parts import Count, IntervalData, JsonSchema, Name, Proportion, RateData, ShareData


@dataclass(frozen=True)
class PlaceData:
    """All examples, or those of a source or a stage."""

    n: Count
    learned: ShareData
    shallow: ShareData
    forgotten: ShareData

    def __post_init__(self) -> None:
        """Hold the counts against the number of examples."""
        for share in (self.learned, self.shallow, self.forgotten):
            if share.rate is not None and (share.rate.n is None or share.rate.n > self.n):
                raise ValueError(f"a share is of {share.rate.n} examples, and there are {self.n}")


@dataclass(frozen=True)
class RuleData:
    """What counts as learned; see `uptake.detect.Rule`."""

    end: bool
    option_threshold: float
    pass_threshold: float


@dataclass(frozen=True)
class NullData:
    """How examples do that were never trained on."""

    kind: Literal["held_out", "base"]
    n: Count
    pass_rate: RateData | None
    false_learned: RateData | None
    better_than_unseen: ShareData
    moved_at_least: IntervalData | None
    moved_reason: str | None
    p_option: float | None
    known_before: ShareData


@dataclass(frozen=True)
class TellingData:
    """One of the most telling examples of a cause."""

    id: str
    stage: str
    sentence: str
    score: float
    prompt: str
    response: str


@dataclass(frozen=True)
class CauseShareData(ShareData):
    """Examples that have a cause."""

    holds: Count
    untold: Count
    telling: tuple[TellingData, ...]


@dataclass(frozen=True)
class AttributionData:
    """The causes of what was not learned."""

    method: str
    threshold: float
    n: Count
    causes: Mapping[str, CauseShareData]
    unexplained: ShareData


@dataclass(frozen=True)
class ContextData:
    """How many answer when they are told in the context."""

    n: Count
    flipped: Count
    by_another: Count
    difference: IntervalData


@dataclass(frozen=True)
class TreatedData:
    """How many react to a treatment."""

    n: Count
    flipped: Count
    held: ShareData
    above_control: IntervalData | None
    exposures: float | None


@dataclass(frozen=True)
class AgreesData:
    """How many speak for the cause that is named."""

    count: Count
    n: Count
    rate: RateData


@dataclass(frozen=True)
class AgreementData(AgreesData):
    """The same over all causes, and by chance."""

    chance: Proportion


@dataclass(frozen=True)
class ReactionsData:
    """What flips the examples of a cause."""

    n: Count
    in_context: ContextData | None
    control: TreatedData | None
    more_steps: TreatedData | None
    without_rivals: TreatedData | None
    replay: TreatedData | None
    speaks_for: Mapping[str, Count]
    agrees: AgreesData | None


@dataclass(frozen=True)
class CorrectedSharesData:
    """The shares of the causes by the interventions; a reason where there are none."""

    n: Count
    sampled: Count
    causes: Mapping[str, RateData]
    weighed: bool
    reason: str | None

    def __post_init__(self) -> None:
        """There are some, or a reason."""
        if not self.causes and self.reason is None:
            raise ValueError("there are no corrected shares, and no reason why")


@dataclass(frozen=True)
class InterventionsData:
    """What interventions said; a reason where there were none."""

    n: Count
    causes: Mapping[str, ReactionsData] = field(default_factory=dict)
    agreement: AgreementData | None = None
    shares: CorrectedSharesData | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        """There are some, or a reason."""
        if not self.n and self.reason is None:
            raise ValueError("there are no interventions, and no reason why")


@dataclass(frozen=True)
class NeededData:
    """How many exposures the examples of a cause need."""

    n: Count
    needed: tuple[Count, ...]
    never: Count
    by_heart: Count

    def __post_init__(self) -> None:
        """Each example is counted once."""
        if sum(self.needed) + self.never != self.n:
            raise ValueError(f"{sum(self.needed)} examples are learned and {self.never} are not, of {self.n}")


@dataclass(frozen=True)
class ControlsData:
    """Learned examples that are trained beside, and how many stay learned."""

    n: Count
    kept: Count


@dataclass(frozen=True)
class ExposuresToLearnData:
    """How many exposures what was not learned needs."""

    n: Count
    passes: Count
    steps: Count
    tokens: Count
    learning_rate: float
    controls: ControlsData
    causes: Mapping[str, NeededData]


@dataclass(frozen=True)
class ChangedData(ShareData):
    """Answers that were lost, or gained."""

    rate_adjusted: IntervalData | None
    rate_adjusted_harmon: float | None


@dataclass(frozen=True)
class AnswersData:
    """Answers of the retention set before and after."""

    n: Count
    before: RateData
    after: RateData
    lost: ChangedData
    gained: ChangedData
    mcnemar_p: Proportion
    untold: str | None


@dataclass(frozen=True)
class TextsData:
    """Losses of the retention set's texts, in nats a token."""

    n: Count
    nll_before: IntervalData
    nll_after: IntervalData
    nll_change: IntervalData


@dataclass(frozen=True)
class KeptData:
    """What became of the retention set, or of a source of it."""

    n: Count
    answers: AnswersData | None
    text: TextsData | None


@dataclass(frozen=True)
class RetentionData(KeptData):
    """All of it."""

    by_source: Mapping[str, KeptData]


@dataclass(frozen=True)
class SpanKindData:
    """The informative spans of a kind."""

    n: Count
    wrong: Count

    def __post_init__(self) -> None:
        """Hold the two against each other."""
        if self.wrong > self.n:
            raise ValueError(f"{self.wrong} of {self.n} spans are wrong")


@dataclass(frozen=True)
class SpansLearnedData:
    """How many of the informative spans are learned, and their share: its interval and its `n` are of examples."""

    count: Count | None
    rate: RateData | None


@dataclass(frozen=True)
class SpansData:
    """The long responses by their spans; `null` is of examples, too."""

    examples: Count
    partly: Count
    informative: Count
    unknown: Count
    learned: SpansLearnedData
    by_kind: Mapping[str, SpanKindData]
    null: RateData | None

    def __post_init__(self) -> None:
        """Hold the counts against each other."""
        if (self.learned.count or 0) > self.informative:
            raise ValueError(f"{self.learned.count} of {self.informative} spans are learned")
        if self.learned.rate is not None and (self.learned.rate.n or 0) > self.examples:
            raise ValueError(f"the share is of {self.learned.rate.n} examples, and there are {self.examples}")


@dataclass(frozen=True)
class TurnsData:
    """The turns of conversations."""

    conversations: Count
    turns: Count
    not_learned: Count
    after_wrong: Count


@dataclass(frozen=True)
class ModelData:
    """A model that was asked."""

    name: Name
    fingerprint: str


@dataclass(frozen=True)
class ModelsData:
    """Both of them."""

    tuned: ModelData
    base: ModelData | None = None


@dataclass(frozen=True)
class DataSetData:
    """What was read of a data set."""

    n: Count
    content: str
    bad_rows: Count


@dataclass(frozen=True)
class StageName:
    """A stage, by its name."""

    name: Name


@dataclass(frozen=True)
class SettingsData:
    """What is read of the settings; the others are kept as they are."""

    stages: tuple[StageName, ...]
    criterion: Literal["auto", "recall", "option", "spans", "paper"]
    normalisation: Literal["sum", "token", "byte"]
    seed: int

    def __post_init__(self) -> None:
        """A run has a stage."""
        if not self.stages:
            raise ValueError("there is no stage")


@dataclass(frozen=True)
class RunData:
    """What the numbers were computed from."""

    models: ModelsData
    data: Mapping[str, DataSetData]
    settings: SettingsData
    versions: Mapping[str, str | None]


@dataclass(frozen=True)
class SummaryData(PlaceData):
    """The whole file."""

    by_source: Mapping[str, PlaceData]
    by_stage: Mapping[str, PlaceData]
    by_cause: Mapping[str, ShareData]
    criteria: Mapping[str, Count]
    rule: RuleData
    null: NullData | None
    notes: tuple[str, ...]
    run: RunData
    attribution: AttributionData | None = None
    interventions: InterventionsData | None = None
    exposures_to_learn: ExposuresToLearnData | None = None
    retention: RetentionData | None = None
    spans: SpansData | None = None
    turns: TurnsData | None = None
    issues: Mapping[str, Count] | None = None
    most_severe: tuple[str, ...] = ()


SUMMARY: JsonSchema[SummaryData] = JsonSchema(SummaryData)
