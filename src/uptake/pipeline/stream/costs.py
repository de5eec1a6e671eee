"""What a stage of a stream cost, in tokens: all that it trained, and what of that was not its own data."""

from __future__ import annotations

from typing import Any

from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.training import FINISHED
from uptake.pipeline.train.run import Trained
from uptake.pipeline.train.training_run import StageSpec


def cost_of(trained: Trained, spec: StageSpec) -> dict[str, Any]:
    """The cost of a stage, as `summary.json` has it.

    Args:
        trained: The stage.
        spec: What was to be trained.

    Returns:
        `steps`; `passes` over the rows; `tokens` that went through training, prompts included; `extra`: those of them
        that are no rows of the stage, as of replay. They are counted from the first pass. `uncounted`: strategies that
        also score, generate or take gradients beside training, which is not counted.
    """
    there = read_record(trained.folder / "manifest.json", FINISHED)
    tokens = extra = None
    if there.passes is not None and there.tokens is not None and there.own_tokens is not None:
        tokens = there.passes * there.tokens
        extra = there.passes * max(0, there.tokens - there.own_tokens)
    beside = [
        one.strategy.name
        for one in spec.strategies
        if (needs := one.hooks().needs).former or (needs.lasting and needs.gradients)
    ]
    return {
        "steps": there.steps,
        "passes": there.passes,
        "tokens": tokens,
        "extra": extra,
        "strategies": [one.strategy.name for one in spec.strategies],
        "uncounted": beside,
    }
