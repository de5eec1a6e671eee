"""The ledger's callback: any transformers or TRL trainer writes down how each example's loss goes, as it trains."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.utils.data import IterableDataset
from transformers import TrainerCallback

from uptake.artifacts import chunks
from uptake.artifacts.ledger_files import Pass, Reading, append, open_stage, read_part
from uptake.errors import UptakeError
from uptake.models import Model
from uptake.models.ledger.carried import Carrying, Numbered, Slip, decoded, refuse_packing, take_out
from uptake.models.ledger.ids import UNNAMED, dropped_ids, names_rows
from uptake.models.ledger.loss import recomputed, require_same_loss, token_losses, unreadable
from uptake.models.scoring.forward import causal_model
from uptake.models.scoring.live import around

CHUNK_ROWS = 4096
"""Rows that are kept back before a part is written; a checkpoint writes them, too."""

log = logging.getLogger(__name__)


class _Step(NamedTuple):
    """The readings of one forward pass, still where the model is."""

    step: int
    epoch: int
    row: Int[Tensor, " n"]
    id: UInt8[Tensor, "n width"] | None
    nll: Float[Tensor, " n"]
    tokens: Int[Tensor, " n"]
    recalled: Bool[Tensor, " n"]


class LedgerCallback(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Records each example's learning curve from the training forward itself: no extra pass, the same weights.

        trainer.add_callback(uptake.LedgerCallback("runs/first"))

    For every optimisation step and example in its batch, the negative log-likelihood (nats) of the trained tokens and
    whether each of them was the arg-max, just before the update; `uptake.ledger.read_ledger` gives them back. Rows are
    written in parts under `output_dir/ledger/<stage>/`; a checkpoint has all rows before it on the disk, and training
    that goes on from it drops those that came after. Training from the start drops the stage's former rows.

    Args:
        output_dir: The run's folder.
        stage: Name of this fine-tuning stage.
        ids: The id of each row of `trainer.train_dataset`, in its order. Without them: the column `id` of
            `trainer.train_dataset`, else a hash of the row's tokens and labels (`uptake.ledger.content_ids` gives the
            same for examples), with a warning in the log.
        every_epoch: Scores further examples at each epoch's end, as `uptake.ledger.rescoring(examples)` does. Called
            with the model in evaluation mode, this process's rank and the number of processes.

    Raises:
        UptakeError: When training begins: the rows are packed, `ids` do not fit the training set, or the place cannot
            be written. While it runs: the model tells no loss of single examples, or the disk is full.
    """

    def __init__(
        self,
        output_dir: str | Path,
        stage: str = "main",
        *,
        ids: Sequence[object] | None = None,
        every_epoch: Callable[[Model, int, int], Iterable[Reading]] | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.stage = stage
        self.ids = None if ids is None else [str(each) for each in ids]
        self.every_epoch = every_epoch
        self._prefix = f"uptake_{id(self)}_"
        self._undo: list[Callable[[], None]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Carry ids through the collate function, listen to the model, and make the stage's ledger ready."""
        refuse_packing(args)
        self._refuse_parallel(args)
        self._let_go()
        self._state, self._tokenizer = state, kwargs.get("processing_class")
        self._rank, self._world = args.process_index, args.world_size
        self._epoch = int((state.epoch or 0.0) + 1e-6) - 1
        self._steps: list[_Step] = []
        self._kept = 0
        self._slip: Slip | None = None
        self._hidden: Tensor | None = None
        self._warned = False
        # accelerate wraps the loader; what it skips to, it builds from this
        loader = getattr(kwargs["train_dataloader"], "base_dataloader", kwargs["train_dataloader"])
        self._ids = self.ids if self.ids is not None else dropped_ids(self, loader.dataset)
        if self._ids is None and not names_rows(loader.dataset):
            log.warning(UNNAMED)
        self._carry(loader)
        self._listen(kwargs["model"])
        self._parts = open_stage(self.output_dir, self.stage, state.global_step, self._rank, self._world)
        ended, over = self._epoch + 1 == (state.epoch or 0.0), state.global_step >= state.max_steps
        if state.global_step and (ended or over) and not self._has_epoch(state.global_step):
            self._epoch += not ended  # the last pass may be a part of one
            self._rescore(kwargs["model"])  # killed after the epoch's checkpoint, before this was done

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count the passes over the data."""
        self._epoch += 1

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write what was kept back, if it is much or a checkpoint comes next."""
        if control.should_save or self._kept >= CHUNK_ROWS:
            self._write()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write what was kept back, and score the further examples."""
        self._write()
        self._rescore(kwargs["model"])

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write what was kept back."""
        self._write()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write what was kept back and leave the trainer as it was."""
        self._write()
        self._let_go()

    def _refuse_parallel(self, args: Any) -> None:
        if args.n_gpu > 1:
            raise UptakeError(
                f"{args.n_gpu} GPUs share this process (DataParallel)",
                expected="one GPU a process",
                fix="start it with `accelerate launch`, or show it one GPU with CUDA_VISIBLE_DEVICES",
            )
        sharded = getattr(args, "fsdp", None) or getattr(args, "deepspeed", None)
        if self.every_epoch is not None and sharded and args.world_size > 1:
            raise UptakeError(
                "every_epoch cannot score with a model that is sharded over processes",
                fix="leave every_epoch out, and score the checkpoints afterwards",
            )

    def _carry(self, loader: Any) -> None:
        """Put our collate function around the loader's, and row numbers beside its items."""
        dataset, collate = loader.dataset, loader.collate_fn
        numbered = not isinstance(dataset, IterableDataset)
        if self.ids is not None and not (numbered and len(self.ids) == len(dataset)):
            rows = f"{len(dataset)} rows" if numbered else "a stream without row numbers"
            raise UptakeError(
                f"there are {len(self.ids)} ids, and the training set is {rows}",
                expected="an id for each row, in its order",
                fix='give ids=trainer.train_dataset["id"], taken after the trainer was made',
            )

        def put(dataset: Any, collate: Any) -> None:
            loader.collate_fn = collate
            # a loader refuses a new dataset because samplers depend on the old one; this has the same rows
            object.__setattr__(loader, "dataset", dataset)

        carrying = Carrying(collate, self._prefix, numbered, by_row=self._ids is not None)
        put(Numbered(dataset) if numbered else dataset, carrying)
        self._undo.append(lambda: put(dataset, collate))

    def _listen(self, model: Any) -> None:
        backbone = getattr(causal_model(model), "base_model", None)
        handles = [
            model.register_forward_pre_hook(self._before, with_kwargs=True),
            model.register_forward_hook(self._after, with_kwargs=True),
        ]
        if isinstance(backbone, torch.nn.Module) and backbone is not model:
            handles.append(backbone.register_forward_hook(self._keep_hidden))
        self._undo.extend(handle.remove for handle in handles)

    def _let_go(self) -> None:
        while self._undo:
            self._undo.pop()()

    def _before(self, model: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Take out of the batch what was carried in it; a forward without it, or without gradients, is not training."""
        rest, slip = take_out(kwargs, self._prefix)
        training = slip is not None and model.training and torch.is_grad_enabled()
        self._slip = slip if training else None
        if training and "shift_labels" in kwargs:
            raise UptakeError(
                "the rows are split over processes (sequence or context parallelism)",
                expected="whole examples in each process",
                fix="train without it, or without the ledger",
            )
        return args, rest

    def _keep_hidden(self, backbone: Any, args: Any, output: Any) -> None:
        if self._slip is not None:
            self._hidden = getattr(output, "last_hidden_state", None)

    def _after(self, model: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        """Note each example's loss; nothing is moved to the host yet."""
        slip, hidden = self._slip, self._hidden
        self._slip = self._hidden = None
        if slip is None:
            return
        losses = token_losses(output, slip.labels)
        if losses is None:
            if hidden is None:
                raise unreadable("no hidden states are to be had either")
            losses = recomputed(model, hidden, slip.labels)
            require_same_loss(losses, slip.labels, getattr(output, "loss", None), kwargs.get("num_items_in_batch"))
        trained = slip.trained().to(losses.nll.device)
        nll, tokens = losses.nll.where(trained, 0.0).sum(1), trained.sum(1)
        recalled = (losses.top | ~trained).all(1)
        step = self._state.global_step + 1
        self._steps.append(_Step(step, self._epoch, slip.row, slip.id, nll, tokens, recalled))
        self._kept += len(nll)

    def _write(self) -> None:
        """Move what was kept back to the host, all at once, and append it."""
        steps, self._steps, self._kept = self._steps, [], 0
        if not steps:
            return
        sizes = [len(step.nll) for step in steps]
        rows = torch.cat([step.row for step in steps]).cpu().numpy()
        nll = torch.cat([step.nll for step in steps]).cpu().numpy()
        columns: dict[str, Any] = {
            "step": np.repeat([step.step for step in steps], sizes),
            "epoch": np.repeat(np.array([step.epoch for step in steps], dtype=np.int32), sizes),
            "id": self._names(steps, rows),
            "row": rows,
            "nll": nll,
            "tokens": torch.cat([step.tokens for step in steps]).cpu().numpy().astype(np.int32),
            "recalled": torch.cat([step.recalled for step in steps]).cpu().numpy(),
        }
        self._append("train", columns)
        bad = np.flatnonzero(~np.isfinite(nll))
        if len(bad) and not self._warned:
            self._warned = True
            step, name = columns["step"][bad[0]], columns["id"][bad[0]]
            log.warning("step %d: the loss of example %s is not a finite number; it is null in the ledger", step, name)

    def _names(self, steps: Sequence[_Step], rows: Int[np.ndarray, " n"]) -> list[str]:
        if self._ids is not None:
            return [self._ids[row] for row in rows]
        return [name for step in steps if step.id is not None for name in decoded(step.id)]

    def _append(self, which: Pass, columns: dict[str, Any]) -> None:
        n = len(columns["id"])
        append(self._parts, {"stage": [self.stage] * n, "pass": [which] * n, **columns})

    def _has_epoch(self, step: int) -> bool:
        """Whether the scoring pass after this step is in the ledger: it would be the last part."""
        last = max(self._parts.numbers(), default=None)
        if last is None:
            return False
        table = read_part(self._parts.path(last)).select(["pass", "step"])
        return bool(len(table)) and table.slice(len(table) - 1).to_pylist() == [{"pass": "epoch", "step": step}]

    def _rescore(self, model: Any) -> None:
        """Score the further examples with the model as it stands; one part, so they are written whole or not at all."""
        if self.every_epoch is None:
            return
        training = model.training
        model.eval()
        try:
            language_model = around("the model in training", model, self._tokenizer)
            readings = self.every_epoch(language_model, self._rank, self._world)
            tables = [pa.table(list(zip(*some, strict=True)), names=Reading._fields) for some in chunks(readings, 4096)]
        finally:
            model.train(training)
        if tables:
            table = pa.concat_tables(tables)
            n = len(table)
            columns = {name: table[name].to_numpy() for name in Reading._fields}
            columns |= {"step": np.full(n, self._state.global_step), "row": np.full(n, -1)}
            self._append("epoch", columns | {"epoch": np.full(n, self._epoch, dtype=np.int32)})
