"""Files of a training: the manifest of a stage, its ledger's mark, what its strategies keep, the date of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from uptake.artifacts.schemas.parts import Count, JsonSchema, Name, Positive, Proportion


@dataclass(frozen=True)
class StrategyData:
    """A strategy that trained a stage, by its name."""

    name: Name


@dataclass(frozen=True)
class BegunData:
    """What is read of a stage's manifest while it is trained; the other keys are what it was trained from."""

    stage: Name
    start: Mapping[str, Any]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    peft: Mapping[str, Any] | None
    processes: Positive
    today: str | None


@dataclass(frozen=True)
class SpentData:
    """Tokens that methods computed beside training: `uptake.models.training.tally.KINDS`."""

    steps: Count
    ends: Count
    forward: Count
    within: Count


@dataclass(frozen=True)
class FinishedData(BegunData):
    """What is read of a stage's manifest once it is trained."""

    examples: Count
    steps: Count
    model: str
    loss_start: float | None
    loss_end: float | None
    recalled: Proportion | None
    kept_step: Count | None = None
    strategies: tuple[StrategyData, ...] = ()
    memory_left: str | None = None
    tokens: Count | None = None
    trained_tokens: Count | None = None
    own_tokens: Count | None = None
    passes: float | None = None
    told: tuple[str, ...] = ()
    spent: SpentData | None = None


BEGUN: JsonSchema[BegunData] = JsonSchema(BegunData)
FINISHED: JsonSchema[FinishedData] = JsonSchema(FinishedData)


@dataclass(frozen=True)
class MarkData:
    """`stage.json` of a ledger: which stage came first."""

    stage: Name
    number: Count


MARK: JsonSchema[MarkData] = JsonSchema(MarkData)

TableName: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{32}\.parquet$")]
"""A file that bears the digest of its content."""
MEMORY: JsonSchema[dict[str, str]] = JsonSchema(
    dict[Name, TableName | Annotated[str, Field(pattern=r"^[0-9a-f]{32}\.safetensors$")]]
)
"""`memory.json`: for each name its file."""


@dataclass(frozen=True)
class TodayData:
    """`today.json`: the date of a run's first day."""

    today: str

    def __post_init__(self) -> None:
        """It is a date."""
        if date.fromisoformat(self.today).isoformat() != self.today:
            raise ValueError(f"{self.today!r} is not a date such as 2026-01-31")


TODAY: JsonSchema[TodayData] = JsonSchema(TodayData)
