"""What a stage of a stream cost: tokens that were trained, that a strategy computed beside, and what it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.training import FINISHED
from uptake.pipeline.train.run import Trained
from uptake.pipeline.train.training_run import StageSpec
from uptake.stream import TokensSpent

_SPENT = ("beside", "ends", "scored", "within")


def costs_of(trained: Sequence[Trained], specs: Sequence[StageSpec]) -> list[dict[str, Any]]:
    """The cost of each stage, as `summary.json` has it; of one that has two parts, of both together.

    Args:
        trained: The stages.
        specs: What was to be trained.

    Returns:
        `steps`; `passes` over the rows; `tokens` that went through training, prompts included; `extra`: those of them
        that are no rows of the stage, as of replay, counted from the first pass. `beside`: tokens that a strategy sent
        forwards and backwards beside the training of rows, in its steps; `ends`: the same before and after the steps;
        `scored`: forwards alone, scored or generated; `within`: those of them in the steps. `total`: as
        `uptake.stream.TokensSpent`. `kept`: bytes that the strategies left for later stages.
    """
    found: list[dict[str, Any]] = []
    first: dict[str, Any] | None = None
    for one, spec in zip(trained, specs, strict=True):
        cost = _cost_of(one, spec, second=first is not None)
        if spec.part_of is not None:
            first = cost
            continue
        found.append(cost if first is None else _both(first, cost))
        first = None
    return found


def _both(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    summed = {name: _sum(first[name], second[name]) for name in ("steps", "tokens", "extra", *_SPENT, "total")}
    return {**first, **summed, "kept": second["kept"]}


def _sum(one: Any, other: Any) -> Any:
    return None if one is None or other is None else one + other


def _cost_of(trained: Trained, spec: StageSpec, *, second: bool) -> dict[str, Any]:
    """The cost of a training; of a second part all rows are those of its strategy."""
    from uptake.models.training.memory import MEMORY

    there = read_record(trained.folder / "manifest.json", FINISHED)
    tokens = extra = None
    if there.passes is not None and there.tokens is not None and there.own_tokens is not None:
        tokens = there.passes * there.tokens
        extra = tokens if second else there.passes * max(0, there.tokens - there.own_tokens)
    spent = there.spent
    total = (
        None
        if tokens is None or spent is None
        else TokensSpent(tokens, *map(float, (spent.steps, spent.ends, spent.forward, spent.within))).total
    )
    return {
        "steps": there.steps,
        "passes": there.passes,
        "tokens": tokens,
        "extra": extra,
        "beside": None if spent is None else spent.steps,
        "ends": None if spent is None else spent.ends,
        "scored": None if spent is None else spent.forward + spent.within,
        "within": None if spent is None else spent.within,
        "total": total,
        "kept": sum(one.stat().st_size for one in (trained.folder / MEMORY).glob("*.*")),
        "strategies": [one.strategy.name for one in spec.strategies],
    }
