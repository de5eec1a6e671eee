"""Files of the steps after a diagnosis: `verdict.json`, `cure.json`, `rivals.json` and what is kept between runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from uptake.artifacts.schemas.parts import Count, JsonSchema, Positive, Proportion


@dataclass(frozen=True)
class EffectData:
    """A difference of shares with its interval."""

    estimate: float
    low: float
    high: float
    n: Count

    def __post_init__(self) -> None:
        """Differences of shares lie between -1 and 1, and an estimate in its interval."""
        if not -1 <= self.low <= self.estimate <= self.high <= 1:
            raise ValueError(f"the effect of {self.estimate} is not within {self.low} and {self.high}, or -1 and 1")


@dataclass(frozen=True)
class ComparisonData:
    """A comparison of an arm with the control; see `uptake.verify.analysis.Comparison`."""

    arm: str
    remedy: str | None
    cause: str | None
    kind: Literal["treated", "untreated", "retention", "earlier", "learned", "taken out"]
    outcome: str
    matched: bool
    n: Count
    units: Count
    seeds: Count
    arm_rate: Proportion
    control_rate: Proportion
    difference: float
    effect: EffectData | None
    p: float | None
    gained: Count
    lost: Count
    mcnemar_p: float
    tokens: float | None
    per_million: float | None
    p_holm: float | None = None


@dataclass(frozen=True)
class VerdictData:
    """What is read of `verdict.json`; the keys are explained in docs/details/verify.md."""

    primary: Mapping[str, Literal["training", "heldout"]]
    overall: ComparisonData | None
    comparisons: tuple[ComparisonData, ...]
    sentence: str
    diagnosis: str | None = None


VERDICT: JsonSchema[VerdictData] = JsonSchema(VerdictData)


@dataclass(frozen=True)
class CureColumnData:
    """One thing that is measured on the models; see `uptake.compare.cured.CureColumn`."""

    name: Literal["training wording", "held-out wordings", "retention"]
    n: Positive
    before: Proportion
    after: Proportion
    plain: Proportion | None = None
    lost: Count | None = None
    gained: Count | None = None


@dataclass(frozen=True)
class CureData:
    """What is read of `cure.json`: of which plan the cure is; once finished, of which diagnosis, and what it did."""

    plan: str
    diagnosis: str | None = None
    columns: tuple[CureColumnData, ...] = ()
    notes: tuple[str, ...] = ()


CURE: JsonSchema[CureData] = JsonSchema(CureData)


@dataclass(frozen=True)
class PilotRowData:
    """What a model of a pilot recalls of an example, or of an answer of the retention set; see `Measured`."""

    id: str
    retention: bool
    training: bool
    heldout: Proportion | None


@dataclass(frozen=True)
class PilotArmData:
    """`pilot/remedies.json` and `pilot/plain.json`: what was measured under a key."""

    key: str
    rows: tuple[PilotRowData, ...]


PILOT_ARM: JsonSchema[PilotArmData] = JsonSchema(PilotArmData)


@dataclass(frozen=True)
class SideData:
    """One answer, and the examples that give it."""

    answer: str
    positions: tuple[Count, ...]


@dataclass(frozen=True)
class RivalryData:
    """Examples that contradict each other; see `uptake.rivals.Rivalry`."""

    sides: tuple[SideData, ...]
    shared: tuple[str, ...]
    probability: float
    difference: str
    verdict: Literal["mislabelled", "ambiguous"] | None
    wrong: tuple[Count, ...]
    why: str


@dataclass(frozen=True)
class RivalsData:
    """`rivals.json`: what was found under a key.

    Of each group the id and stage of all members; who has a like; how many questions have too many answers for any of
    them to contradict another.
    """

    key: str
    groups: tuple[RivalryData, ...]
    members: tuple[tuple[tuple[str, str], ...], ...]
    agreed: tuple[Count, ...]
    open: Count

    def __post_init__(self) -> None:
        """Each group has its members, and no example is in two."""
        if len(self.groups) != len(self.members):
            raise ValueError(f"{len(self.groups)} groups have the members of {len(self.members)}")
        positions = [p for group in self.groups for side in group.sides for p in side.positions]
        if len(dict.fromkeys(positions)) < len(positions):
            raise ValueError("an example is in two groups")


RIVALS: JsonSchema[RivalsData] = JsonSchema(RivalsData)


@dataclass(frozen=True)
class JudgedData:
    """A line of `judged.jsonl`."""

    key: str
    judgement: Literal["same", "different", "both", "undecided"]


JUDGED: JsonSchema[JudgedData] = JsonSchema(JudgedData)


@dataclass(frozen=True)
class TurnData:
    """A turn of a conversation; the template reads further keys."""

    role: str
    content: str | None


PROMPT: JsonSchema[Any] = JsonSchema(str | tuple[TurnData, ...])
"""A prompt, as the column `prompt` has it."""
WORDINGS: JsonSchema[Any] = JsonSchema(tuple[tuple[str | tuple[TurnData, ...], str], ...])
"""Held-out wordings, as the column `paraphrases` has them."""
KEYS: JsonSchema[Any] = JsonSchema(dict[str, Any])
"""Any JSON object."""


@dataclass(frozen=True)
class WrittenData:
    """A line of `written.jsonl`: wordings with their responses, or wrong answers; who refused."""

    key: str
    value: tuple[str | tuple[str | tuple[TurnData, ...], str], ...]
    refused: str | None = None


WRITTEN: JsonSchema[WrittenData] = JsonSchema(WrittenData)
NOTES: JsonSchema[tuple[str, ...]] = JsonSchema(tuple[str, ...])
"""`notes.json` of a model's answers."""


@dataclass(frozen=True)
class BadRowData:
    """A row of a corpus that was left out."""

    file: str
    line: int | None
    reason: str


@dataclass(frozen=True)
class IndexedFileData:
    """A file of a corpus; what was found in it once it is done."""

    done: bool
    name: str | None = None
    bad_rows: tuple[BadRowData, ...] | None = None
    n_bad_rows: Count | None = None

    def __post_init__(self) -> None:
        """What is done is told in full."""
        if self.done and (self.bad_rows is None or self.n_bad_rows is None):
            raise ValueError("a file is done, and its bad rows are not told")


@dataclass(frozen=True)
class IndexData:
    """`manifest.json` of an index."""

    form: int
    searchable: bool
    files: Mapping[str, IndexedFileData]


INDEX: JsonSchema[IndexData] = JsonSchema(IndexData)


@dataclass(frozen=True)
class AnswerData:
    """What was asked of the web, and the answer."""

    asked: Any
    answer: Any


ANSWER: JsonSchema[AnswerData] = JsonSchema(AnswerData)
