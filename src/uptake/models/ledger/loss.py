"""The log-likelihood of each token of a training batch, read off the forward pass that training makes anyway.

Three kinds of output, told apart by what is in them: per-token log-probabilities (TRL's fused head), logits, or
neither (Liger and other chunked losses, which never hold the logits). In the last case the head is run once more on
the hidden states that are trained on, and what comes out is compared with the model's own loss before it is believed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from uptake.errors import UptakeError
from uptake.models.scoring.forward import LOGIT_BYTES, causal_model


class TokenLosses(NamedTuple):
    """For the next token at each position: negative log-likelihood in nats, and whether it is the arg-max.

    Equal logits, as they may come in half precision, are all the arg-max. Both are 0 where nothing is trained on.
    """

    nll: Float[Tensor, "rows positions"]
    top: Bool[Tensor, "rows positions"]


@torch.no_grad()
def token_losses(output: Any, labels: Int[Tensor, "rows length"]) -> TokenLosses | None:
    """Read off a model's output; None when it holds neither log-probabilities nor logits.

    Prompt-learning adapters put virtual tokens before the row; the last positions are the row's.
    """
    positions = labels.shape[1] - 1
    log_probs, top = getattr(output, "log_probs", None), getattr(output, "is_top1", None)
    if log_probs is not None and top is not None:
        trained = labels[:, 1:].to(log_probs.device) != -100
        nll = -log_probs[:, -positions:].float()
        return TokenLosses(nll.where(trained, 0.0), top[:, -positions:].bool() & trained)
    logits = getattr(output, "logits", None)
    if logits is None or logits.dim() != 3 or logits.shape[1] <= positions:
        return None
    logits = logits[:, -1 - positions : -1]
    return _read(lambda row, at: logits[row, at], labels.to(logits.device), logits.shape[-1])


@torch.no_grad()
def recomputed(model: Any, hidden: Float[Tensor, "rows length width"], labels: Int[Tensor, "rows length"]) -> Any:
    """The losses from the backbone's last hidden states and the model's own head: `TokenLosses`.

    Raises:
        UptakeError: The model has no such head.
    """
    head = causal_model(model).get_output_embeddings()
    if head is None:
        raise unreadable("it has no output embeddings")
    hidden = hidden[:, -labels.shape[1] : -1]
    weight = head.weight

    def logits(row: int, at: slice) -> Tensor:
        states: Tensor = head(hidden[row, at].to(weight.device, weight.dtype))
        return states

    return _read(logits, labels.to(hidden.device), weight.shape[0])


def require_same_loss(losses: TokenLosses, labels: Int[Tensor, "rows length"], loss: Any, items: Any) -> None:
    """Check recomputed losses against the model's own.

    Args:
        losses: From `recomputed`.
        labels: The batch's.
        loss: The model's loss.
        items: What the trainer divides the sum by; None for the number of trained tokens.

    Raises:
        UptakeError: They differ by more than rounding, so this head does something that is not known here.
    """
    if loss is None:
        raise unreadable("no loss to compare with")
    divisor = float(items) if items is not None else float((labels[:, 1:] != -100).sum())
    ours, theirs = float(losses.nll.sum()) / max(divisor, 1.0), float(loss.detach())
    rounding = 1e-3 if loss.dtype == torch.float32 and not torch.is_autocast_enabled(loss.device.type) else 1e-2
    if abs(ours - theirs) > rounding * max(abs(theirs), 0.1):  # NaN in both is no difference
        raise unreadable(f"its head gives a loss of {ours:.4g} where the model's own is {theirs:.4g}")


def unreadable(reason: str) -> UptakeError:
    """The error for a model whose training forward tells no loss of single tokens."""
    return UptakeError(
        f"the model's training forward gives neither logits nor log-probabilities of tokens, and {reason}",
        expected="an output from which the loss of each example can be read",
        fix="switch the fused loss off (use_liger_kernel=False, or a loss_type that keeps the logits), or train "
        "without the ledger",
    )


def _read(
    logits: Callable[[int, slice], Float[Tensor, "some vocabulary"]],
    labels: Int[Tensor, "rows length"],
    vocabulary: int,
) -> TokenLosses:
    """Log-softmax from each row's first trained position to its last, a chunk of them at a time.

    Slices, because they are views: where few of the positions between are untrained, copying the others out costs more
    than reading these.

    Args:
        logits: Gives those of a row at some positions.
        labels: The batch's, on the logits' device.
        vocabulary: Size of the logits' last dimension.
    """
    targets = labels[:, 1:]
    trained = targets != -100
    nll = torch.zeros(targets.shape, dtype=torch.float32, device=targets.device)
    top = torch.zeros_like(trained)
    first = trained.int().argmax(1)
    end = targets.shape[1] - trained.flip(1).int().argmax(1)
    size = max(1, LOGIT_BYTES.get(targets.device.type, 64 << 20) // (4 * vocabulary))
    for row, (start, stop) in enumerate(torch.stack([first, end.where(trained.any(1), 0)], 1).tolist()):
        for begin in range(start, stop, size):
            at = slice(begin, min(stop, begin + size))
            values = logits(row, at).float()
            target = targets[row, at, None].clamp(min=0).to(values.device)
            nll[row, at] = -torch.log_softmax(values, -1).gather(-1, target)[:, 0].to(nll.device)
            # not `argmax`: many times slower on a CPU than `amax`
            top[row, at] = (values.gather(-1, target)[:, 0] >= values.amax(-1)).to(top.device)
    return TokenLosses(nll.where(trained, 0.0), top & trained)
