"""The one subclass of whichever trainer trains: uptake's place in a step, in the order of rows and in a checkpoint."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.errors import UptakeError
from uptake.models.training.digests import write_digests

if TYPE_CHECKING:
    from torch.utils.data import Sampler

    from uptake.models.training.harness import Harness
    from uptake.models.training.watch import Watch


@cache
def hooked(base: type[Any]) -> type[Any]:
    """A trainer that lets itself be watched, follows an order of rows, and runs a method's hooks.

        trainer = hooked(SFTTrainer)(model=model, args=args, train_dataset=rows)

    As long as nothing is set, it is `base` to the bit.

    Args:
        base: transformers' `Trainer`, TRL's `SFTTrainer`, or a subclass of theirs.

    Returns:
        A subclass with the attributes `watch`, `sampler` and `method`, each None at first, and `splits_head`: whether
        its model's head can be run on some tokens alone, None as long as nobody looked.
    """

    class Hooked(base):  # type: ignore[misc]  # the trainers are untyped
        watch: Watch | None = None
        sampler: Sampler[int] | None = None
        method: Harness | None = None
        splits_head: bool | None = None

        def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            """A batch forwards and backwards; then, once a step, the method's `gradient`."""
            if self.watch is not None:
                self.watch.before_batch(inputs)
            loss = super().training_step(model, inputs, *args, **kwargs)
            if self.watch is not None:
                self.watch.after_batch(loss, None if self.method is None else self.method.added)
            if self.method is not None:
                self.method.gradient(self)
            return loss

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            """The trainer's own loss, and the method's term."""
            if self.method is None:
                return super().compute_loss(model, inputs, *args, **kwargs)
            return self.method.loss(self, super().compute_loss, model, inputs, *args, **kwargs)

        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            return super()._get_train_sampler(*args, **kwargs) if self.sampler is None else self.sampler

        def get_train_dataloader(self) -> Any:
            """The trainer's own loader; with an order of rows, one that takes it."""
            loader = super().get_train_dataloader()
            if self.sampler is not None:
                _require_sampler(base.__name__, loader, self.sampler)
            return loader

        def _save_optimizer_and_scheduler(self, output_dir: Any) -> None:
            super()._save_optimizer_and_scheduler(output_dir)
            if self.method is not None and self.args.should_save:
                self.method.save(Path(output_dir))

        def _save_rng_state(self, output_dir: Any) -> None:
            super()._save_rng_state(output_dir)
            # the last that each process writes before the first one writes that the checkpoint is whole
            write_digests(Path(output_dir), self.args.process_index, self.args.world_size)

    Hooked.__name__ = Hooked.__qualname__ = base.__name__
    return Hooked


def _require_sampler(trainer: str, loader: Any, sampler: Any) -> None:
    inner = getattr(loader, "batch_sampler", None)
    while inner is not None and getattr(inner, "sampler", None) is not sampler:
        inner = getattr(inner, "batch_sampler", None)  # accelerate's parts for processes, around the batches
    if inner is None:
        raise UptakeError(
            f"{trainer} does not take its rows from a sampler of its own choosing",
            expected="a trainer whose training set has a length, and whose _get_train_sampler is asked",
            fix="give it the rows as files in their order, with shuffling off",
        )
