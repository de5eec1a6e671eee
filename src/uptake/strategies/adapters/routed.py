"""An adapter a stage, each trained on the base alone; a prompt is answered by one of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from uptake.config.schema import Int, Section
from uptake.models.places.gates import route
from uptake.models.training.adapters import beside, join, require_plain
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.prompts import prompt_states
from uptake.strategies.replay.replay import sample
from uptake.strategies.strategy import Strategy


class RoutedSettings(Section):
    """What can be set."""

    by: Literal["prototype", "sureness"] = "prototype"
    """Who chooses: the nearest mean prompt of a stage, or the adapter that is surest of the first token."""
    rows: Annotated[Int, Field(ge=1)] = 256
    """Rows of a stage at most of whose prompts the mean is taken."""


def _hooks(settings: RoutedSettings) -> Hooks:
    def adapt(model: Any, stage: StageView, memory: Memory) -> Any:
        require_plain("routed", stage.peft or {})
        return model if stage.former is None else beside(model, stage.peft or {}, apart=True)

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        with model.disable_adapter():
            own = prompt_states(model, sample(stage, settings.rows)).mean(0)
        if settings.by == "sureness":
            own = torch.zeros_like(own)
        before = memory.tensors("prototypes") or {}
        known = {**before, f"{stage.number:06}": own}
        memory.keep("prototypes", known)
        join(model)
        route(model, torch.stack([known[name] for name in sorted(known)]))

    needs = Needs(weights=True, adapter=True, memory=True)
    return Hooks(needs, adapt=adapt, after_stage=after_stage, moves=True)


ROUTED = Strategy(
    name="routed",
    does="Each stage trains a new LoRA adapter on the base, without those of other stages. A prompt is answered by one "
    "of them: `prototype` takes the stage whose prompts' mean is nearest (cosine, last hidden states of the base), "
    "`sureness` the adapter that gives its most probable next token the highest probability.",
    helps="A stage cannot overwrite another one. What is lost is lost by a wrong choice, which is rare where stages "
    "ask about different things. Nothing of a stage helps the others.",
    costs="As `olora` the rank of what is saved grows with each stage. A question costs another forward pass over its "
    "prompt, with `sureness` one for each stage. Uptake alone chooses: other loaders add all adapters up.",
    example="strategy: [{routed: {by: prototype}}]     # with peft: {r: 8, target_modules: all-linear}",
    references=(
        "catalogue 42: Zhao et al., MLLM-CL: Continual Learning for Multimodal Large Language Models "
        "(arXiv 2506.05453), whose router is an adapter that is trained for it",
        "catalogue 61: Guo et al., Federated Continual Instruction Tuning (arXiv 2503.12897): the choice among a "
        "stage's adapters, without the federation",
    ),
    settings=RoutedSettings,
    hooks=_hooks,
)
"""The adapter of the stage that a prompt looks like."""
