"""ZSCL: on general text, the model stays close to what it was before all stages."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Int, Section
from uptake.errors import UptakeError
from uptake.models.training.batch import Batch
from uptake.models.training.gradients import without_dropout
from uptake.models.training.hooks import Hooks, Needs, StageView, State
from uptake.models.training.memory import Memory
from uptake.models.training.rows import NOT_TRAINED, padded
from uptake.strategies.distillation.lwf import divergence
from uptake.strategies.replaced import contradicted
from uptake.strategies.strategy import Strategy


class ZSCLSettings(Section):
    """What can be set."""

    strength: Annotated[Float, Field(ge=0)] = 1.0
    """Factor on the divergence from the first model; 0 is plain fine-tuning."""
    texts: Annotated[Int, Field(ge=1)] = 256
    """Texts that are drawn, once for the whole run."""
    rows: Annotated[Int, Field(ge=1)] = 4
    """Texts of them beside each batch."""
    k: Annotated[Int, Field(ge=1)] = 20
    """Most probable tokens of the first model that are told apart; all others count as one."""


def _hooks(settings: ZSCLSettings) -> Hooks:
    if settings.strength == 0:
        return Hooks()

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        if (said := memory.tensors("said")) is None:
            if stage.general is None:
                raise UptakeError("zscl needs general text")
            texts = padded(stage.general(settings.texts))
            said = {**texts, **_said(model, texts, settings.k)}
        said["labels"][contradicted(said["input_ids"], stage.rows, _ends(model))] = NOT_TRAINED
        return said

    def loss(batch: Batch, state: State) -> Tensor:
        held = (state["labels"] != NOT_TRAINED).any(1).nonzero().flatten().cpu()
        drawn = held[torch.randperm(len(held), generator=batch.generator)[: settings.rows]]
        if len(drawn) == 0:
            return batch.zero()
        some = {name: one[drawn.to(one.device)] for name, one in state.items()}
        longest = int(some["attention_mask"].sum(1).max())
        some = {name: one[:, : longest - (name in ("ids", "logprobs"))] for name, one in some.items()}
        where = some["labels"][:, 1:] != NOT_TRAINED
        now = batch.logits_of(some)[where].float()
        return settings.strength * divergence(some["logprobs"][where], some["ids"][where].long(), now).mean()

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        memory.keep("said", dict(state))

    needs = Needs(weights=True, general=True)
    return Hooks(needs, begin=begin, loss=loss, after_stage=after_stage)


def _ends(model: Any) -> set[int]:
    """Tokens that end an answer; the trainer gives the model those of the tokenizer."""
    given = [getattr(one, "eos_token_id", None) for one in (model.config, model.generation_config)]
    return {token for one in given if one is not None for token in (one if isinstance(one, list) else [one])}


def _said(model: Any, texts: dict[str, Tensor], k: int) -> dict[str, Tensor]:
    """At each position but the last: the k most probable next tokens, and their log-probabilities; text by text."""
    found = []
    with without_dropout(model), torch.no_grad():
        for ids, mask in zip(texts["input_ids"], texts["attention_mask"], strict=True):
            given = {"input_ids": ids[None].to(model.device), "attention_mask": mask[None].to(model.device)}
            logits = model(**given, use_cache=False).logits[0, :-1].float().log_softmax(-1)
            found.append(logits.topk(min(k, logits.shape[-1]), dim=-1))
    return {
        "ids": torch.stack([one.indices.int().cpu() for one in found]),
        "logprobs": torch.stack([one.values.cpu() for one in found]),
    }


ZSCL = Strategy(
    name="zscl",
    does="Before the first stage with it, records the `k` most probable next tokens along a fixed sample of general "
    "text. Beside each batch it draws `rows` of these texts, and adds strength · KL(first model ‖ now) on them. With a "
    "strategy that finds old answers (`conflict_aware`, `dpo`, `npo`, `simnpo`), texts that tell one are left out, in "
    "this stage and all later ones.",
    helps="Holds the base model's abilities, which no stage's rows show. What earlier stages taught is not held; "
    "`replay` does that. With `soup` it is the whole method of the paper.",
    costs="A forward pass over the texts, once; a forward and a backward pass over `rows` texts beside each batch; "
    "2 k numbers for each token of the texts, in memory and in each checkpoint.",
    example="strategy: [{zscl: {strength: 1.0}}]     # with general: texts.jsonl",
    references=(
        "catalogue 163: Zheng et al., Preventing Zero-Shot Transfer Degradation in Continual Learning of "
        "Vision-Language Models (arXiv 2303.06628)",
    ),
    settings=ZSCLSettings,
    hooks=_hooks,
    revision=3,
)
"""Near the first model on general text."""
