"""Merging by layer: a stage's weights count less in those layers in which earlier rows no longer look as they did."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import pyarrow as pa
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Int, Section
from uptake.models.training.gradients import without_dropout
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.notes import joined
from uptake.models.training.rows import Rows
from uptake.models.training.weights import copied, put
from uptake.strategies.replay.replay import earlier, sample
from uptake.strategies.strategy import Strategy


class LayerMergingSettings(Section):
    """What can be set."""

    rows: Annotated[Int, Field(ge=0)] = 64
    """Rows of each stage that are kept and compared, drawn at random; 0 is plain fine-tuning."""


def _hooks(settings: LayerMergingSettings) -> Hooks:
    if settings.rows == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        if not (tables := earlier(stage, memory)):
            return {}
        return {**copied(model), "states.": last_states(model, joined(tables))}

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        memory.keep(str(stage.number), sample(stage, settings.rows))
        if state:
            now = last_states(model, joined(earlier(stage, memory)))
            share = likeness(state["states."].to(now), now)
            put(model, merged(state, copied(model), share))

    return Hooks(Needs(weights=True, memory=True), begin=begin, after_stage=after_stage, moves=True)


def last_states(model: Any, rows: pa.Table) -> Float[Tensor, "rows layers dims"]:
    """What each layer gives at the last token of each row, the embeddings first."""
    items, found = Rows(rows), []
    with without_dropout(model), torch.no_grad():
        for number in range(len(items)):
            ids = torch.tensor([items[number]["input_ids"]], device=model.device)
            states = model(input_ids=ids, use_cache=False, output_hidden_states=True).hidden_states
            found.append(torch.stack([one[0, -1].float() for one in states]))
    return torch.stack(found)


def likeness(
    then: Float[Tensor, "rows layers dims"], now: Float[Tensor, "rows layers dims"]
) -> Float[Tensor, " layers"]:
    """How much alike two models' states are in each layer, in [0, 1]: the mean of exp(−‖h − h′‖² / 2‖h‖²)."""
    way, length = (now - then).square().sum(-1), then.square().sum(-1).clamp_min(1e-12)
    return (-way / (2 * length)).exp().mean(0)


def merged(then: Mapping[str, Tensor], now: Mapping[str, Tensor], share: Float[Tensor, " layers"]) -> State:
    """(1 − s) θ + s θ′ with the share s of a weight's layer; what is in no layer has that of the layer next to it."""
    found = {}
    for name, one in now.items():
        number = re.search(r"\.(?:layers|h|blocks)\.(\d+)\.", f".{name}")
        place = int(number[1]) + 1 if number else 0 if "embed" in name or "wte" in name else -1
        found[name] = torch.lerp(then[name].float(), one.float(), share[place].to(one.device)).to(one)
    return found


LAYER_MERGING = Strategy(
    name="layer_merging",
    does="A stage ends between its first weights θ and its last ones θ′: (1 − s) θ + s θ′, with another s in each "
    "layer. It says how much alike the layer's outputs are, before and after the stage, at the last tokens of kept "
    "rows of earlier stages: the mean of exp(−‖h − h′‖² / 2‖h‖²).",
    helps="Layers in which earlier rows look as before may move as the new stage wants. Those in which they do not go "
    "back.",
    costs="A forward pass over `rows` rows of each earlier stage before a stage and after it, one by one; a copy of "
    "the trained weights, in memory and in each checkpoint. With an "
    "adapter, its factors A and B are averaged each by itself, and not their product.",
    example="strategy: [{layer_merging: {rows: 64}}]",
    references=(
        "catalogue 159: RECALL: REpresentation-aligned Catastrophic-forgetting ALLeviation via Hierarchical Model "
        "Merging; here with two models, and one draw of rows in place of clusters",
    ),
    settings=LayerMergingSettings,
    hooks=_hooks,
)
"""The former weights and the stage's, by layer."""
