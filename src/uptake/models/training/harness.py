"""Runs the hooks of a method inside a trainer, and gets right once what no method has to know of.

An added term counts as the base loss does, whatever the accumulation; `gradient` runs when gradients are summed over
batches and processes, and before they are clipped; the state lies in each checkpoint; on resuming, `begin` is not
called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import TrainerCallback

from uptake.errors import UptakeError
from uptake.models.training.batch import Batch, Drawn
from uptake.models.training.checkpoints import STATE_FILE, read_state, state_of
from uptake.models.training.hooks import Method, State
from uptake.models.training.rows import NUMBER
from uptake.models.training.tally import SPENT, Tally


class Harness(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """The hooks of a stage in its trainer.

    Args:
        method: What to run.
        rows: The training set in the order of the trainer's dataset.
        checkpoint: What a killed stage is resumed from; None for one that begins.

    Attributes:
        added: How much of the last batch's part of the step's loss is the method's term; None for nothing.
        tally: What the method computes beside the trainer, with what was spent in arranging the stage.
    """

    def __init__(self, method: Method, rows: pa.Table, checkpoint: Path | None) -> None:
        self.hooks, self.stage, self.memory = method.hooks, method.stage, method.memory
        self.rows, self.checkpoint, self.weighted = rows, checkpoint, method.weighted
        self.identity = method.identity
        self.state: State = {}
        self.added: Tensor | None = None
        self.tally = Tally()
        self._last: Batch | None = None
        self._parts = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Make the state, or take up that of the checkpoint."""
        self.tally = Tally(torch.tensor(self.stage.spent))
        self.tally.watch(model)
        if self.checkpoint is not None:
            self.state = _to(read_state(self.checkpoint, self.identity), model.device)
            self.tally.counts = self.state.pop(SPENT).cpu()
        elif self.hooks.begin is not None:
            with self.tally.of("ends"):
                made = self.hooks.begin(model, self.stage, self.memory.closed())
            self.state = _apart(_to(made, model.device), model)

    def loss(self, trainer: Any, own: Callable[..., Any], model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The trainer's loss with the method's term; it gives what the trainer's own `compute_loss` gives.

        Args:
            trainer: The trainer.
            own: Its `compute_loss`.
            model: As there.
            inputs: As there; the rows' numbers are taken out.
            *args: As there.
            **kwargs: As there.
        """
        numbers = inputs.pop(NUMBER, None)
        idle = self.hooks.loss is None and self.hooks.gradient is None and not self.weighted
        if idle or not trainer.model.training:
            return own(model, inputs, *args, **kwargs)
        given, drawn = dict(inputs), Drawn.now(trainer.model.device)
        found = own(model, inputs, *args, **kwargs)
        rows = self.rows.slice(0, 0) if numbers is None else self.rows.take(numbers.tolist())
        items = kwargs.get("num_items_in_batch", args[1] if len(args) > 1 else None)
        items = None if items is None else float(items)
        batch = Batch(trainer, given, rows, items, self.stage.seed, drawn, self.stage.number, self._parts)
        self._parts += 1
        self._last = None if self.hooks.gradient is None else replace(batch, part=None)  # without this one's logits
        term = batch.zero()
        with self.tally.of("steps"):
            if self.weighted and bool((more := self._factors(batch) - 1.0).any()):
                term = term + batch.average((more * batch.token_nll()).sum())
            if self.hooks.loss is not None:
                term = term + self.hooks.loss(batch, self.state)
        if term.ndim:
            raise UptakeError(f"a method's term has the shape {tuple(term.shape)}", expected="a scalar")
        # the base loss is a part of the step's already where its tokens were counted; the term is one where it is not
        self.added = term.detach() / trainer.current_gradient_accumulation_steps
        share = trainer.current_gradient_accumulation_steps if _whole_step(trainer, items) else 1
        base = found[0] if isinstance(found, tuple) else found
        loss = base + term.to(base.device) / share
        return (loss, *found[1:]) if isinstance(found, tuple) else loss

    def _factors(self, batch: Batch) -> Tensor:
        """What its rows, or its tokens, count in the base loss: the product of the rows' weights and the method's."""
        factor = _weights(batch.rows).to(batch.model.device)[:, None]
        if self.hooks.weigh is not None:
            factor = factor * self.hooks.weigh(batch, self.state).detach()
        return factor

    def gradient(self, trainer: Any) -> None:
        """Let the method change the gradients, if a step's last batch is done."""
        if self.hooks.gradient is None or self._last is None or not trainer.accelerator.sync_gradients:
            return
        batch, self._last = self._last, None
        scaler = trainer.accelerator.scaler  # of fp16: what is in `grad` is so many times the gradient
        scale = 1.0 if scaler is None else float(scaler.get_scale())
        gradients = [one.grad for one in batch.trainable.values() if one.grad is not None]
        with torch.no_grad():
            for one in gradients if scale != 1.0 else []:
                one.div_(scale)
        with self.tally.of("steps"):
            self.hooks.gradient(batch, self.state)
        with torch.no_grad():
            for one in gradients if scale != 1.0 else []:
                one.mul_(scale)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Tell the method that a step is done."""
        self._parts = 0
        if self.hooks.after_step is not None:
            with torch.no_grad(), self.tally.of("steps"):
                self.hooks.after_step(model, int(state.global_step), self.state)

    def save(self, folder: Path) -> None:
        """Write the state into a checkpoint, with what it is of."""
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state.items()}
        state[SPENT] = self.tally.counts
        save_file(state, folder / STATE_FILE, state_of(folder, self.identity))

    def finish(self, trainer: Any) -> None:
        """After the last step, before the model is saved.

        Where the best weights are those of an earlier step, the state is that of the same step.
        """
        kept = trainer.state.best_global_step
        if kept and kept != trainer.state.global_step:
            best = read_state(Path(trainer.state.best_model_checkpoint), self.identity)
            del best[SPENT]
            self.state = _to(best, trainer.model.device)
        if self.hooks.after_stage is not None:
            with torch.no_grad(), self.tally.of("ends"):
                self.hooks.after_stage(trainer.model, self.stage, self.state, self.memory)


def _to(state: Mapping[str, Tensor], device: torch.device) -> State:
    return {name: tensor.detach().to(device) for name, tensor in state.items()}


def _apart(state: State, model: Any) -> State:
    """The state in memory of its own: what shares that of the model would change with each step."""
    taken = {one.untyped_storage().data_ptr() for one in (*model.parameters(), *model.buffers())}
    return {
        name: tensor.clone() if tensor.untyped_storage().data_ptr() in taken else tensor
        for name, tensor in state.items()
    }


def _weights(rows: pa.Table) -> Tensor:
    known = rows["weight"].to_pylist() if "weight" in rows.schema.names else [None] * len(rows)
    return torch.tensor([1.0 if weight is None else weight for weight in known])


def _whole_step(trainer: Any, items: float | None) -> bool:
    """Whether the base loss is normalised over the whole step, as `Trainer.training_step` asks it."""
    said = getattr(trainer, "loss_is_scaled_for_ga", None)
    if said is not None:
        return bool(said)
    counted = trainer.model_accepts_loss_kwargs and items is not None
    return bool(counted or trainer.compute_loss_func is not None)
