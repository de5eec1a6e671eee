"""What watches over a training: losses that are no numbers, weights that are none, and how far it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import torch
from transformers import TrainerCallback

from uptake.errors import UptakeError
from uptake.models.training.rows import ids_of

NAMED, NAME = 8, 80
"""So many examples are named in an error, with so many characters of each name."""


STEP_LOSS = "loss_of_the_step"
"""Name of a step's mean loss in the trainer's log, which each checkpoint keeps."""


class AnotherEnded(Exception):
    """The loss of another process is no number; that one says so, and this one ends with it."""


class AlreadyDone(Exception):
    """The checkpoint that training goes on from is that of its last step: nothing is left to train."""


class Watch(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Tells the progress, notes each step's loss, and stops training before anything is saved that holds a NaN.

    Args:
        rows: The training set.
        tell: Told of the steps that are done and of how many there are, at the start and after each.
    """

    def __init__(self, rows: pa.Table, tell: Callable[[int, int], None]) -> None:
        self.rows, self.tell = rows, tell
        self._batch: Mapping[str, Any] | None = None
        self._step = 0
        self._loss = 0.0

    @property
    def begun(self) -> bool:
        """Whether a batch was given to the model."""
        return self._batch is not None

    def before_batch(self, inputs: Mapping[str, Any]) -> None:
        """Note what is trained next."""
        self._batch = inputs

    def after_batch(self, loss: torch.Tensor, added: torch.Tensor | None = None) -> None:
        """Refuse a loss that is no finite number, before the weights are changed.

        The loss comes to the host, as it does in the trainer itself a moment later (`logging_nan_inf_filter`). All
        processes see the mean of theirs, so that they end together.

        Args:
            loss: Of the batch, as the trainer's step gives it.
            added: How much of it a method added; the step's loss is noted without it, in nats a token.

        Raises:
            UptakeError: It is no finite number.
            AnotherEnded: That of another process is none.
        """
        mean = _over_processes(loss)
        if not math.isfinite(mean):
            if math.isfinite(own := float(loss.float().mean())):
                raise AnotherEnded
            raise self._not_finite(f"the loss of step {self._step + 1} is {own}")
        # the batches of a step each have their part of its mean
        self._loss += mean if added is None else mean - _over_processes(added)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell what a killed run had done."""
        self._step = state.global_step
        self.tell(state.global_step, state.max_steps)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop before the first batch where no step is left: the trainer would do one more within an epoch.

        Raises:
            AlreadyDone: All steps are done, or training had ended before them when the checkpoint was written.
        """
        if state.global_step >= state.max_steps or control.should_training_stop:
            raise AlreadyDone

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Note the step's loss, tell the step, and look at the weights if a checkpoint comes next."""
        state.log_history.append({"step": state.global_step, STEP_LOSS: self._loss})
        self._step, self._loss = state.global_step, 0.0
        self.tell(state.global_step, state.max_steps)
        if control.should_save:
            self.require_finite(model)

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Look at the weights if a checkpoint comes next."""
        if control.should_save:
            self.require_finite(model)

    def require_finite(self, model: Any) -> None:
        """Refuse weights that are no numbers any more: a gradient may be infinite where the loss is not.

        Raises:
            UptakeError: They are.
        """
        for name, weight in model.named_parameters():
            if weight.requires_grad and not bool(torch.isfinite(weight).all()):
                raise self._not_finite(f"after step {self._step} the weights of {name} are no finite numbers")

    def _not_finite(self, problem: str) -> UptakeError:
        names = [] if self._batch is None else ids_of(self.rows, self._batch)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        shown = ", ".join(name if len(name) <= NAME else f"{name[: NAME - 3]}..." for name in names[:NAMED])
        return UptakeError(
            f"{problem}; its last batch held {shown}{more}",
            expected="finite numbers",
            fix="look at these examples, or train with a lower learning rate, or in float32 or bf16 instead of fp16",
        )


def _over_processes(loss: torch.Tensor) -> float:
    """The mean of a loss over the processes that train together."""
    mean = loss.detach().float().mean()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(mean)
        mean /= torch.distributed.get_world_size()
    return float(mean)
