"""A batch as a method's hooks see it: its rows, the model, and what can be computed of them when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from uptake.errors import UptakeError
from uptake.models.training.gradients import gradient_of
from uptake.models.training.notes import NOTES
from uptake.models.training.rows import NOT_TRAINED
from uptake.models.training.weights import trained


@dataclass(frozen=True)
class Drawn:
    """Where random numbers are: of the processor, and of the model's device if that is another."""

    device: torch.device
    states: tuple[Tensor, ...]

    @classmethod
    def now(cls, device: torch.device) -> Drawn:
        """Their state, to come back to."""
        own = () if device.type == "cpu" else (_accelerator_state(device),)
        return cls(device, (torch.get_rng_state(), *own))

    @contextmanager
    def again(self) -> Iterator[None]:
        """Draw the same numbers once more; afterwards all is as it was before."""
        now = Drawn.now(self.device)
        try:
            self._set()
            yield
        finally:
            now._set()

    def _set(self) -> None:
        torch.set_rng_state(self.states[0])
        for state in self.states[1:]:
            module = torch.get_device_module(self.device)
            module.set_rng_state(state, *_which(self.device))


def _accelerator_state(device: torch.device) -> Tensor:
    state: Tensor = torch.get_device_module(device).get_rng_state(*_which(device))
    return state


def _which(device: torch.device) -> tuple[torch.device, ...]:
    """The device, where there may be several of its kind."""
    return () if device.type == "mps" else (device,)


def token_nll(
    logits: Float[Tensor, "rows length vocabulary"], labels: Int[Tensor, "rows length"]
) -> Float[Tensor, "rows length"]:
    """Negative log-likelihood of each label, in nats; 0 of those that are `NOT_TRAINED`."""
    flat = logits.float().flatten(0, 1)
    each = cross_entropy(flat, labels.flatten(), ignore_index=NOT_TRAINED, reduction="none")
    return each.view(labels.shape)


def summed_nll(
    logits: Float[Tensor, "rows length vocabulary"], labels: Int[Tensor, "rows length"]
) -> Float[Tensor, " rows"]:
    """Negative log-likelihood of each row's labels together, in nats; without those that are `NOT_TRAINED`."""
    return token_nll(logits, labels).sum(1)


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
        stage: The place of the stage in its run, from 0.
        part: Which batch of the step it is in this process, from 0; None in the `gradient` hook, which has them all.
        member: The method whose hook is called; `chain` says it.
    """

    trainer: Any
    inputs: Mapping[str, Any]
    rows: pa.Table
    items: float | None
    seed: int
    drawn: Drawn | None = None
    stage: int = 0
    part: int | None = 0
    member: str = ""
    _generators: dict[str, torch.Generator] = field(default_factory=dict, init=False, repr=False)

    @property
    def step(self) -> int:
        """The optimiser step that is under way, from 1."""
        return int(self.trainer.state.global_step) + 1

    @property
    def generator(self) -> torch.Generator:
        """Random numbers of one method in this step of this stage, the same after a restart.

        In `loss` they are others in each batch and in each process; in `gradient`, which is called once for all of
        them, they are the same in each process.
        """
        if self.member not in self._generators:
            name = int.from_bytes(blake2b(self.member.encode(), digest_size=8).digest())
            of_batch = (0, 0) if self.part is None else (1 + self.part, int(self.trainer.args.process_index))
            entropy = [self.seed, self.stage, name, self.step, *of_batch]
            state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
            self._generators[self.member] = torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
        return self._generators[self.member]

    @property
    def model(self) -> Any:
        """The model in training, without what wraps it for several processes."""
        return self.trainer.model

    @cached_property
    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """The weights that are trained, by name."""
        return trained(self.model)

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
        return self.token_nll().sum(1)

    def token_nll(self) -> Float[Tensor, "rows length_minus_1"]:
        """Negative log-likelihood of each of `labels`, in nats; 0 where nothing is learned."""
        return token_nll(self.logits(), self.labels)

    def top(
        self, *, replayed: bool | None = None, note: Literal["top", "held"] = "top"
    ) -> tuple[Bool[Tensor, "rows length_minus_1"], Int[Tensor, "noted k"], Float[Tensor, "noted k"]]:
        """The notes `top_ids` and `top_logprobs`, or those of `held`: at which of `labels` they are, and what they say.

        Args:
            replayed: Of rows that are replayed alone, or of all others alone; None for all that have notes.
            note: Which of the two.

        Raises:
            UptakeError: They do not fit the learned tokens of their rows.
        """
        given = [self._noted(name) for name in (f"{note}_ids", f"{note}_logprobs", "kind")]
        kinds = given[2].to_pylist()
        has = [
            one.is_valid and (replayed is None or (kind == "replayed") is replayed)
            for one, kind in zip(given[0], kinds, strict=True)
        ]
        ids, logprobs = (column.filter(pa.array(has, pa.bool_())) for column in given[:2])
        where = (self.labels != NOT_TRAINED) & torch.tensor(has, device=self.labels.device)[:, None]
        positions = int(where.sum())
        if positions == 0:
            none = torch.zeros(0, 1, device=self.labels.device)
            return where, none.long(), none
        flat = [torch.tensor(column.flatten().to_numpy()).to(self.labels.device) for column in (ids, logprobs)]
        if len(flat[0]) % positions:
            raise UptakeError("the notes of a batch do not fit its learned tokens", expected="k for each of them")
        return where, flat[0].view(positions, -1).long(), flat[1].view(positions, -1)

    def _noted(self, name: str) -> pa.Array:
        """A note of the rows, as a column; of nothing but nulls where no row has one."""
        if name in self.rows.schema.names:
            return self.rows[name].combine_chunks()
        return pa.nulls(len(self.rows), NOTES[name])

    def logits_of(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "rows length_minus_1 vocabulary"]:
        """The logits that predict the labels of rows outside the batch; gradients flow through them.

        With dropout, and without a change of the random numbers that come after. The rows are no part of the base loss.

        Args:
            inputs: `input_ids` and `attention_mask`, as `uptake.models.training.rows.padded` gives them.
        """
        device = self.model.device
        given = {name: inputs[name].to(device) for name in ("input_ids", "attention_mask")}
        with Drawn.now(device).again():
            logits: Tensor = self.model(**given, use_cache=False).logits
        return logits[:, :-1]

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
        return gradient_of(self.trainer, self.trainable, inputs)
