"""Progressive epochs in a trainer: training ends when the loss on a validation set says so, with the best weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from uptake.errors import UptakeError
from uptake.models.training.digests import changed
from uptake.models.training.readings import Read, mean_loss
from uptake.models.training.watch import STEP_LOSS
from uptake.schedule import Stopping, best, stops

VALIDATION, TRAINING = "validation_loss", "training_loss"
"""What the losses of a reading are called in the trainer's log, which each checkpoint keeps; nats a token."""


class ProgressiveStop(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Measures the validation loss at each epoch's end, ends training by a rule, and leaves the best weights.

    A checkpoint is written wherever the loss is the lowest so far, whatever `save_strategy` says, and transformers
    keeps the best one; at the end of training its weights are loaded. Losses lie in the trainer's log, so training that
    goes on from a checkpoint judges as if it had never stopped. If it had ended there, a plain trainer does one step
    more before it ends again, which the weights do not show; `uptake train` does none.

    Args:
        trainer: The trainer.
        stopping: The rule.
        validate: Scores the validation set, as `uptake.ledger.rescoring(examples)` does.
    """

    def __init__(self, trainer: Any, stopping: Stopping, validate: Read) -> None:
        self.trainer, self.stopping, self.validate = trainer, stopping, validate

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Make up for the reading of an epoch whose checkpoint was written before it."""
        self._over = False
        ended = state.epoch is not None and float(state.epoch).is_integer()
        if state.global_step and (ended or state.global_step >= state.max_steps) and not self._read_at(state):
            self._judge(args, state)
        elif state.global_step:
            self._note_best(args, state)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End a training that had ended when its last checkpoint was written."""
        if self._over:
            control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure, keep the weights if they are the best so far, and judge."""
        if self._over:
            return
        self._judge(args, state)
        control.should_save = control.should_save or state.best_global_step == state.global_step
        control.should_training_stop = control.should_training_stop or self._over

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Load the best weights, if they are not those of the last step.

        Raises:
            UptakeError: Their checkpoint is gone, or was changed.
        """
        kept = state.best_global_step
        if not kept or kept == state.global_step:
            return
        if not Path(state.best_model_checkpoint).is_dir():
            raise UptakeError(
                f"the best weights, of step {kept}, are gone: there is no {state.best_model_checkpoint}",
                fix="bring the folder back, or train again from the start",
            )
        best_checkpoint = Path(state.best_model_checkpoint)
        digested = (best_checkpoint / "digests_0.json").exists()  # a plain trainer writes none
        if digested and (wrong := changed(best_checkpoint, args.world_size)) is not None:
            raise UptakeError(
                f"the best weights, of step {kept}, cannot be taken from {state.best_model_checkpoint}: {wrong}",
                fix="bring the folder back, or train again from the start",
            )
        self.trainer._load_best_model()

    def _read_at(self, state: Any) -> bool:
        return any(VALIDATION in entry and entry["step"] == state.global_step for entry in state.log_history)

    def _judge(self, args: Any, state: Any) -> None:
        readings = [entry["step"] for entry in state.log_history if VALIDATION in entry]
        since = readings[-1] if readings else 0
        noted = [(entry["step"], entry.get(STEP_LOSS, entry.get("loss"))) for entry in state.log_history]
        losses = [float(loss) for step, loss in noted if loss is not None and step > since]
        if not losses and self.stopping.rule == "pq":
            raise UptakeError(
                "the rule pq needs the training loss, and nothing was logged in this epoch",
                fix="lower logging_steps, or take another rule: rise, gl or up",
            )
        training = sum(losses) / len(losses) if losses else None
        entry = {"step": state.global_step, VALIDATION: mean_loss(self.trainer, self.validate), TRAINING: training}
        state.log_history.append(entry)
        self._note_best(args, state)

    def _note_best(self, args: Any, state: Any) -> None:
        """Where the best weights are, and whether training is over, from the readings alone."""
        readings = [entry for entry in state.log_history if VALIDATION in entry]
        if not readings:
            return
        losses = [entry[VALIDATION] for entry in readings]
        step = readings[best(losses)]["step"]
        state.best_global_step, state.best_metric = step, min(losses)
        state.best_model_checkpoint = str(Path(args.output_dir) / f"checkpoint-{step}")
        training = [entry[TRAINING] for entry in readings] if self.stopping.rule == "pq" else []
        self._over = stops(self.stopping, losses, training)
