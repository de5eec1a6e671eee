"""A batch as a method's hooks see it: its rows, the model, and what can be computed of them when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from uptake.errors import UptakeError
from uptake.models.training.rows import NOT_TRAINED


@dataclass(frozen=True)
class Drawn:
    """Where random numbers are: of the processor, and of the model's device if that is another."""

    device: torch.device
    states: tuple[Tensor, ...]

    @classmethod
    def now(cls, device: torch.device) -> Drawn:
        """Their state, to come back to."""
        own = (torch.cuda.get_rng_state(device),) if device.type == "cuda" else ()
        return cls(device, (torch.get_rng_state(), *own))

    @contextmanager
    def again(self) -> Iterator[None]:
        """Draw the same numbers once more; afterwards all is as it was before."""
        cuda = self.device.type == "cuda"
        with torch.random.fork_rng(devices=[self.device] if cuda else []):
            torch.set_rng_state(self.states[0])
            if cuda:
                torch.cuda.set_rng_state(self.states[1], self.device)
            yield


@dataclass
class Batch:
    """A batch of a training step.

    Attributes:
        trainer: The trainer, in the middle of a step.
        inputs: The model's inputs, with `labels`; in the `gradient` hook, those of the step's last batch.
        rows: Its rows with their notes.
        items: Learned tokens of the whole step; None where the trainer does not count them.
        seed: Of the run.
        drawn: The state of random numbers with which the trainer's own forward pass began; None draws anew.
    """

    trainer: Any
    inputs: Mapping[str, Any]
    rows: pa.Table
    items: float | None
    seed: int
    drawn: Drawn | None = None

    @property
    def step(self) -> int:
        """The optimiser step that is under way, from 1."""
        return int(self.trainer.state.global_step) + 1

    @cached_property
    def generator(self) -> torch.Generator:
        """Random numbers of this step: the same in each process, and after a restart."""
        state = np.random.SeedSequence([self.seed, self.step]).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))

    @property
    def model(self) -> Any:
        """The model in training, without what wraps it for several processes."""
        return self.trainer.model

    @cached_property
    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """The weights that are trained, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    def zero(self) -> Float[Tensor, ""]:
        """A term of nothing, on the model's device."""
        return torch.zeros((), device=self.model.device)

    @cached_property
    def labels(self) -> Int[Tensor, "rows length_minus_1"]:
        """What is learned at each position but the last; `NOT_TRAINED` where nothing is."""
        labels: Tensor = self.inputs["labels"][:, 1:]
        return labels

    @cached_property
    def _logits(self) -> Tensor:
        given = {name: value for name, value in self.inputs.items() if name != "labels"}
        with nullcontext() if self.drawn is None else self.drawn.again():
            logits: Tensor = self.model(**given, use_cache=False).logits
        return logits

    def logits(self) -> Float[Tensor, "rows length_minus_1 vocabulary"]:
        """The logits that predict `labels`; gradients flow through them.

        A forward pass beside the trainer's own, which may never make logits: with the same dropout, and without a
        change of the random numbers that come after.
        """
        return self._logits[:, :-1]

    def nll(self) -> Float[Tensor, " rows"]:
        """Negative log-likelihood of each row's learned tokens, in nats."""
        logits = self.logits().float()
        each = cross_entropy(logits.flatten(0, 1), self.labels.flatten(), ignore_index=NOT_TRAINED, reduction="none")
        return each.view(self.labels.shape).sum(1)

    def top(self) -> tuple[Bool[Tensor, "rows length_minus_1"], Int[Tensor, "noted k"], Float[Tensor, "noted k"]]:
        """The notes `top_ids` and `top_logprobs`: at which positions of `labels` they are, and what they say there.

        Raises:
            UptakeError: They do not fit the learned tokens of their rows.
        """
        ids, logprobs = (self.rows[name].combine_chunks() for name in ("top_ids", "top_logprobs"))
        has = torch.from_numpy(ids.is_valid().to_numpy(zero_copy_only=False)).to(self.labels.device)
        where = (self.labels != NOT_TRAINED) & has[:, None]
        positions = int(where.sum())
        if positions == 0:
            none = torch.zeros(0, 1, device=self.labels.device)
            return where, none.long(), none
        flat = [torch.tensor(column.flatten().to_numpy()).to(self.labels.device) for column in (ids, logprobs)]
        if len(flat[0]) % positions:
            raise UptakeError("the notes of a batch do not fit its learned tokens", expected="k for each of them")
        return where, flat[0].view(positions, -1).long(), flat[1].view(positions, -1)

    def average(self, total: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """A term from a sum over the batch's learned tokens: their average over all tokens of the step.

        As the base loss it counts each token of the step alike, however the step is split into batches and processes.
        """
        args = self.trainer.args
        batches = int(self.trainer.current_gradient_accumulation_steps)
        if self.items is None:
            return total / (self.labels != NOT_TRAINED).sum().clamp(min=1)
        processes = args.world_size if getattr(args, "average_tokens_across_devices", False) else 1
        return total * (batches * processes) / self.items

    def gradient_of(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The gradient of the mean loss, in nats a token, on other rows; by the names of `trainable`.

        Without dropout, and the same in each process: each of them takes all rows.

        Args:
            inputs: `input_ids`, `attention_mask` and `labels`, as `uptake.models.training.rows.padded` gives them.
        """
        model, size = self.model, max(1, self.trainer.args.per_device_train_batch_size)
        training, total = model.training, {name: torch.zeros_like(weight) for name, weight in self.trainable.items()}
        tokens = (inputs["labels"][:, 1:] != NOT_TRAINED).sum().clamp(min=1)
        model.eval()
        try:
            for start in range(0, len(inputs["labels"]), size):
                some = {name: value[start : start + size].to(model.device) for name, value in inputs.items()}
                longest = int(some["attention_mask"].sum(1).max())
                some = {name: value[:, :longest] for name, value in some.items()}
                batch = Batch(self.trainer, some, self.rows.slice(0, 0), None, self.seed)
                with self.trainer.compute_loss_context_manager():
                    loss = batch.nll().sum() / tokens
                found = torch.autograd.grad(loss, list(self.trainable.values()), allow_unused=True)
                for part, gradient in zip(total.values(), found, strict=True):
                    if gradient is not None:
                        part += gradient
        finally:
            model.train(training)
        return total
