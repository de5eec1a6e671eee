"""ZSCL: on general text, the model stays close to what it was before all stages."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import pyarrow as pa
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
from uptake.strategies.strategy import Strategy

RARE = 0.1
"""Share of the rows from which on a token of their prompts is no part of a name."""


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
        said["labels"][contradicted(said["input_ids"], stage.rows)] = NOT_TRAINED
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


def contradicted(texts: Tensor, rows: pa.Table) -> Tensor:
    """Which texts tell an old answer that the rows are to replace: to hold these would hold what must go.

    A text tells it where it has the answer's tokens in their order, and most of those of the prompt that few others of
    the rows have: its name.

    Args:
        texts: Token ids, a text a line.
        rows: Of a stage; `old_ids` where another strategy has noted them.

    Returns:
        One truth value a text.
    """
    found = torch.zeros(len(texts), dtype=torch.bool)
    if "old_ids" not in rows.schema.names:
        return found
    lines = rows.select(["input_ids", "labels", "old_ids"]).to_pylist()
    prompts = [
        {one for one, label in zip(row["input_ids"], row["labels"], strict=True) if label == NOT_TRAINED}
        for row in lines
    ]
    common = Counter(one for prompt in prompts for one in prompt)
    pairs = [
        ({one for one in prompt if common[one] <= max(1, RARE * len(lines))}, row["old_ids"])
        for prompt, row in zip(prompts, lines, strict=True)
        if row["old_ids"]
    ]
    for number, text in enumerate(texts.tolist()):
        has, line = set(text), f" {' '.join(map(str, text))} "
        found[number] = any(
            2 * len(name & has) > len(name) and f" {' '.join(map(str, old[:-1] or old))} " in line
            for name, old in pairs
        )
    return found


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
    revision=2,
)
"""Near the first model on general text."""
