"""The gradient of the loss on rows that are not in the batch, in no more memory than a batch takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import pyarrow as pa
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from uptake.models.scoring.abilities import splits_head
from uptake.models.scoring.forward import LOGIT_BYTES, causal_model, head_logits
from uptake.models.training.rows import NOT_TRAINED, Rows
from uptake.models.training.weights import trained


def gradient_of(
    trainer: Any, weights: Mapping[str, torch.nn.Parameter], inputs: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The gradient of the mean loss, in nats a token, by the names of the weights.

    Without dropout. As many rows at a time as a batch of the trainer has; layers that are checkpointed in training are
    checkpointed here; logits are made for a few learned tokens at a time, and again on the way back.

    Args:
        trainer: The trainer.
        weights: What is derived by.
        inputs: `input_ids`, `attention_mask` and `labels`, as `uptake.models.training.rows.padded` gives them.
    """
    model, size = trainer.model, max(1, trainer.args.per_device_train_batch_size)
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    tokens = (inputs["labels"][:, 1:] != NOT_TRAINED).sum().clamp(min=1)
    with without_dropout(model):
        if trainer.splits_head is None:
            trainer.splits_head = splits_head(model)
        for start in range(0, len(inputs["labels"]), size):
            some = {name: value[start : start + size].to(model.device) for name, value in inputs.items()}
            longest = int(some["attention_mask"].sum(1).max())
            some = {name: value[:, :longest] for name, value in some.items()}
            if not bool((some["labels"][:, 1:] != NOT_TRAINED).any()):
                continue
            with trainer.compute_loss_context_manager():
                loss = _nll(model, some, trainer.splits_head) / tokens.to(model.device)
            found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
            for part, gradient in zip(total.values(), found, strict=True):
                if gradient is not None:
                    part += gradient
    return total


Value: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From the logits of a row's learned tokens, tokens times vocabulary, and the tokens, to a number."""


def row_nll(logits: Float[Tensor, "tokens vocabulary"], tokens: Int[Tensor, " tokens"]) -> Float[Tensor, ""]:
    """Negative log-likelihood of a row's learned tokens together, in nats."""
    return cross_entropy(logits, tokens, reduction="sum")


def row_gradients(model: Any, rows: pa.Table, value: Value = row_nll) -> Iterator[dict[str, Tensor]]:
    """The gradient of a number of each row by the trained weights, one row after the other; for a stage's end.

    Without dropout, and in a pass of its own for each row: the mean of squares is not the square of a mean. Rows of
    which nothing is learned are left out.

    Args:
        model: The model; `after_stage` gives it.
        rows: A table of `uptake.models.training.rows.ROWS`.
        value: The number.
    """
    weights = trained(model)
    items = Rows(rows)
    with without_dropout(model):
        for number in range(len(items)):
            ids, labels = (torch.tensor([items[number][name]], device=model.device) for name in ("input_ids", "labels"))
            learned = labels[:, 1:] != NOT_TRAINED
            if not bool(learned.any()):
                continue
            with torch.enable_grad():
                logits = model(input_ids=ids, use_cache=False).logits[:, :-1][learned].float()
                found = torch.autograd.grad(
                    value(logits, labels[:, 1:][learned]), list(weights.values()), allow_unused=True
                )
            yield {
                name: torch.zeros_like(weight) if gradient is None else gradient
                for (name, weight), gradient in zip(weights.items(), found, strict=True)
            }


def _nll(model: Any, inputs: Mapping[str, Tensor], split: bool) -> Tensor:
    """Negative log-likelihood of the learned tokens together, in nats."""
    given = {name: value for name, value in inputs.items() if name != "labels"}
    labels = inputs["labels"][:, 1:]
    learned = labels != NOT_TRAINED
    targets = labels[learned]
    if not split:
        return _loss(model(**given, use_cache=False).logits[:, :-1][learned], targets)
    causal = causal_model(model)
    output = causal.get_decoder()(**given, use_cache=False)
    hidden = output.last_hidden_state[:, :-1][learned]
    vocabulary = causal.get_output_embeddings().weight.shape[0]
    size = max(1, LOGIT_BYTES.get(hidden.device.type, 128 << 20) // (4 * vocabulary))

    def of(some: Tensor, wanted: Tensor) -> Tensor:
        return _loss(head_logits(causal, output, some), wanted)

    parts = [
        checkpoint(of, hidden[start : start + size], targets[start : start + size], use_reentrant=False)
        for start in range(0, len(targets), size)
    ]
    total: Tensor = sum(parts[1:], parts[0])
    return total


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits.float(), targets.to(logits.device), reduction="sum")


@contextmanager
def without_dropout(model: Any) -> Iterator[None]:
    """The model as when it is asked, but that layers which are checkpointed in training still are."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        for module, _ in modes:
            if _checkpointed(module):
                module.training = True
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _checkpointed(module: Any) -> bool:
    """Whether a layer is checkpointed in training, in a way that `autograd.grad` knows and without a dropout in it."""
    how = getattr(module, "_gradient_checkpointing_func", None)
    if how is None or not getattr(module, "gradient_checkpointing", False):
        return False
    drops = getattr(module, "dropout", 0.0)  # some layers call the function by their own mode
    return not getattr(how, "keywords", {}).get("use_reentrant", True) and not (isinstance(drops, float) and drops > 0)
