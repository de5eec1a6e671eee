"""Next-token training from scratch, for models small enough to train on a laptop's processor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from uptake.errors import UptakeError
from uptake.models.scoring.forward import head_logits

_IGNORED_LABEL = -100


@dataclass(frozen=True, slots=True)
class PretrainSettings:
    """How to pre-train.

    The defaults suit about 1M parameters: small batches of unsorted rows taught such models more per second than larger
    or length-sorted ones.

    Attributes:
        steps: Optimiser steps; the texts are gone through as often as that takes.
        batch_size: Rows per step.
        learning_rate: Peak of a linear warm-up followed by a cosine down to 0 (AdamW).
        warmup_ratio: Share of the steps spent warming up, in [0, 1].
        weight_decay: AdamW's decoupled weight decay.
        max_length: Tokens per row; a longer document continues in further rows.
        seed: Of the rows' order and of dropout, if the model has any.
        report_every: Steps between two reports of the loss.
    """

    steps: int = 1000
    batch_size: int = 64
    learning_rate: float = 3e-3
    warmup_ratio: float = 0.05
    weight_decay: float = 0.01
    max_length: int = 256
    seed: int = 0
    report_every: int = 20

    def __post_init__(self) -> None:
        """Raise UptakeError for a setting no training could use."""
        for name in ("steps", "batch_size", "learning_rate", "report_every"):
            if not getattr(self, name) > 0:
                raise UptakeError(f"{name} is {getattr(self, name)}", expected="a number above 0")
        if self.max_length < 2:
            raise UptakeError(f"max_length is {self.max_length}", expected="2 or more: a token, and one to predict")
        if not 0 <= self.warmup_ratio <= 1:
            raise UptakeError(f"warmup_ratio is {self.warmup_ratio}", expected="a share in [0, 1]")


@dataclass(frozen=True, slots=True)
class PretrainProgress:
    """One report of a pre-training run.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Mean over the steps since the last report, in nats per token.
        tokens: Tokens trained on so far, padding not counted.
    """

    step: int
    steps: int
    loss: float
    tokens: int


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one processor thread, then on as many as before.

    For models of about a million parameters: a second thread gains a third on an idle machine, and on a busy one, where
    the two wait for each other, several times that is lost. With one, sums do not depend on the number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pretrain(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Iterable[str],
    settings: PretrainSettings,
    progress: Callable[[PretrainProgress], None] | None = None,
) -> tuple[PretrainProgress, ...]:
    """Train a model in place to predict the next token of each text and the end of it.

    Args:
        model: Trained where it lies (its device and dtype).
        tokenizer: The model's own.
        texts: Documents; each ends with the end-of-text token and none sees another.
        settings: How to train.
        progress: Called with each report.

    Returns:
        The reports, in order; the last one is at the last step.

    Raises:
        UptakeError: There is no text, or the loss is no longer finite.
    """
    longest = getattr(model.config, "max_position_embeddings", None) or settings.max_length
    rows = _rows(tokenizer, texts, min(settings.max_length, longest))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay
    )
    history: list[PretrainProgress] = []
    losses: list[float] = []
    tokens = 0
    was_training = model.training
    model.eval()  # for the comparison: dropout would differ
    skips = _skips_padding(model, next(_batches(rows, settings)), tokenizer.pad_token_id)
    model.train()
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        for step, batch in enumerate(_batches(rows, settings), start=1):
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * _schedule(step, settings)
            losses.append(_train_step(model, batch, tokenizer.pad_token_id, optimizer, skips))
            tokens += sum(map(len, batch))
            if step % settings.report_every == 0 or step == settings.steps:
                history.append(PretrainProgress(step, settings.steps, math.fsum(losses) / len(losses), tokens))
                losses.clear()
                if progress is not None:
                    progress(history[-1])
    model.train(was_training)
    return tuple(history)


def _rows(tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], max_length: int) -> list[list[int]]:
    documents = [text for text in texts if text.strip()]
    if not documents:
        raise UptakeError("there is no text to learn from", expected="at least one document that is not blank")
    # the backend, because the Python wrapper warns about every text longer than the model's positions
    encoded = tokenizer.backend_tokenizer.encode_batch(documents, add_special_tokens=False)
    rows = []
    for encoding in encoded:
        ids = [*encoding.ids, tokenizer.eos_token_id]
        # rows share one token, so that the first of each row is predicted too, by the row before
        for start in range(0, max(1, len(ids) - 1), max_length - 1):
            rows.append(ids[start : start + max_length])
    return rows


def _batches(rows: Sequence[list[int]], settings: PretrainSettings) -> Iterator[list[list[int]]]:
    """Exactly `steps` batches: one shuffled pass after the other, a batch may span two."""
    generator = torch.Generator().manual_seed(settings.seed)
    order: list[int] = []
    for _ in range(settings.steps):
        while len(order) < settings.batch_size:
            order += torch.randperm(len(rows), generator=generator).tolist()
        batch, order = order[: settings.batch_size], order[settings.batch_size :]
        yield [rows[i] for i in batch]


def _schedule(step: int, settings: PretrainSettings) -> float:
    """Share of the peak learning rate at a step counted from 1: linear warm-up, then a cosine down to 0."""
    warmup = round(settings.warmup_ratio * settings.steps)
    if step <= warmup:
        return step / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup - 1) / max(1, settings.steps - warmup)))


def _loss(model: PreTrainedModel, batch: list[list[int]], pad: int, skips_padding: bool) -> torch.Tensor:
    """Mean loss over the predicted tokens; with `skips_padding` only their hidden states meet the vocabulary."""
    length = max(map(len, batch))
    ids = torch.tensor([row + [pad] * (length - len(row)) for row in batch]).to(model.device)
    predicted = (torch.arange(1, length) < torch.tensor([[len(row)] for row in batch])).to(model.device)
    # no attention mask: padding comes last, where no causal model sees it, and attention without one is faster
    if skips_padding:
        output = model.get_decoder()(input_ids=ids, use_cache=False)
        logits = head_logits(model, output, output.last_hidden_state[:, :-1][predicted])
        return torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][predicted])
    labels = torch.cat([ids[:, :1], ids[:, 1:].masked_fill(~predicted, _IGNORED_LABEL)], dim=1)
    loss: torch.Tensor = model(input_ids=ids, labels=labels, use_cache=False).loss
    return loss


@torch.no_grad()
def _skips_padding(model: PreTrainedModel, batch: list[list[int]], pad: int) -> bool:
    """Whether the head can be run on the predicted positions alone: found out by trying it."""
    whole = _loss(model, batch, pad, skips_padding=False)
    try:
        return bool(torch.isclose(_loss(model, batch, pad, skips_padding=True), whole, rtol=1e-4))
    except Exception:  # whatever an unknown architecture does: it then runs whole
        return False


def _train_step(
    model: PreTrainedModel, batch: list[list[int]], pad: int, optimizer: torch.optim.Optimizer, skips_padding: bool
) -> float:
    loss = _loss(model, batch, pad, skips_padding)
    if not torch.isfinite(loss):
        raise UptakeError(
            f"the training loss became {loss.item()}", expected="a finite loss", fix="lower the learning rate"
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.item())
