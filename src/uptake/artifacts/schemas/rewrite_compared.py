"""`rewrite_compare/summary.json`; docs/rewrite.md explains its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uptake.artifacts.schemas.leaderboard import MeanData
from uptake.artifacts.schemas.parts import Count, IntervalData, JsonSchema, Name, Positive, Proportion


@dataclass(frozen=True)
class PointData:
    """The trainings of one learning rate, means over the seeds."""

    rate: float
    gain: MeanData | None
    gain_in_form: MeanData | None
    general_lost: MeanData | None
    retention_lost: MeanData | None
    retention_form: MeanData | None
    tokens: MeanData | None
    total: MeanData | None
    seconds: MeanData | None


@dataclass(frozen=True)
class EqualGainData:
    """See `uptake.rewrite.equal_gain.EqualGain`."""

    low: float
    high: float
    forgetting: float
    reference: float
    difference: IntervalData | None
    change: IntervalData | None
    misfit: float | None
    n: Positive


@dataclass(frozen=True)
class RungRunData:
    """One training."""

    rate: float
    seed: Count
    numbers: Mapping[str, float | None]


@dataclass(frozen=True)
class RungData:
    """A rung: its data, what making them took, its curve, and its forgetting at equal gain."""

    name: Name
    n: Count
    rewritten: Count
    generated: Count
    scored: Count
    nll: float | None
    words: float
    distinct: Proportion | None
    tokens: Count
    lengths: Mapping[str, float]
    points: tuple[PointData, ...]
    equal: Mapping[str, EqualGainData | None]
    runs: tuple[RungRunData, ...]


@dataclass(frozen=True)
class RewriteComparedData:
    """`summary.json` of `uptake rewrite --compare`."""

    reference: Name
    rates: tuple[float, ...]
    seeds: Positive
    paper: float
    rungs: tuple[RungData, ...]
    notes: tuple[str, ...]
    run: Mapping[str, Any]


REWRITE_COMPARED: JsonSchema[RewriteComparedData] = JsonSchema(RewriteComparedData)
