"""Files of `uptake stream compare`: what came of each run, and `summary.json`; docs/compare.md explains their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uptake.artifacts.schemas.parts import Count, IntervalData, JsonSchema, Name, Positive, Proportion


@dataclass(frozen=True)
class WorkedData:
    """`result.json` of one run: what it was made from, and its numbers."""

    of: str
    numbers: Mapping[str, float | None]


WORKED: JsonSchema[WorkedData] = JsonSchema(WorkedData)


@dataclass(frozen=True)
class MeanData:
    """See `uptake.stream.Mean`."""

    estimate: float
    low: float | None
    high: float | None
    n: Positive


@dataclass(frozen=True)
class TrialData:
    """One way to set a strategy: what it was, and the average accuracy on the tuning stream; null where not tuned."""

    strategy: Mapping[str, Mapping[str, Any]]
    rate: float
    accuracy: Proportion | None


@dataclass(frozen=True)
class AgainstData:
    """See `uptake.stream.Against`."""

    difference: IntervalData | None
    p: Proportion | None


@dataclass(frozen=True)
class ComparedRunData:
    """One run of a strategy."""

    order: Count
    seed: Count
    numbers: Mapping[str, float | None]


@dataclass(frozen=True)
class ArmData:
    """A strategy: what was tried, what was chosen, by how much its epochs were changed, and what came of it."""

    name: Name
    trials: tuple[TrialData, ...]
    chosen: TrialData
    length: float
    means: Mapping[str, MeanData | None]
    against: AgainstData | None
    runs: tuple[ComparedRunData, ...]


@dataclass(frozen=True)
class LeaderboardData:
    """`summary.json` of a comparison."""

    stages: tuple[Name, ...]
    orders: tuple[tuple[Count, ...], ...]
    seeds: Positive
    trials: Positive
    reference: Name
    budget: float | None
    arms: tuple[ArmData, ...]
    notes: tuple[str, ...]
    run: Mapping[str, Any]


LEADERBOARD: JsonSchema[LeaderboardData] = JsonSchema(LeaderboardData)
