"""What a rewriting policy leaves: how it stood against best of k, and what `rewrite/summary.json` says of it."""

from __future__ import annotations

from dataclasses import dataclass

from uptake.artifacts.schemas.parts import Count, IntervalData, JsonSchema, Positive, Proportion


@dataclass(frozen=True)
class LookData:
    """The policy against best of k with as many generated tokens: mean nats a token of what is taken of some rows."""

    step: Positive
    policy: float
    best_of_k: float
    k: Positive
    difference: IntervalData | None
    fell_back: Proportion
    n: Positive


@dataclass(frozen=True)
class LooksData:
    """`looks.json`: of which training, and what was seen."""

    of: str
    looks: tuple[LookData, ...]


LOOKS: JsonSchema[LooksData] = JsonSchema(LooksData)


@dataclass(frozen=True)
class StepData:
    """What was noted of a step, means over its drafts; null where nothing passed, or nothing was noted."""

    step: Positive
    reward: float | None
    passed: Proportion | None
    nll: float | None
    diversity: float | None
    kl: float | None
    generated: float | None


@dataclass(frozen=True)
class PolicyData:
    """A policy that was trained, and whether it was taken."""

    steps: Count
    curve: tuple[StepData, ...]
    looks: tuple[LookData, ...]
    kept: bool
    generated: Count
    why: str
