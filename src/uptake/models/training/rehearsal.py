"""A trainer is made for a model of a few numbers, so that what it refuses is told before anything is trained."""

from __future__ import annotations

import dataclasses
import reprlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils import is_liger_kernel_available

from uptake.errors import UptakeError, first_line
from uptake.models.places.quiet import progress_bars
from uptake.models.scoring.live import around
from uptake.models.training.failures import hushed, refusals
from uptake.models.training.harness import Harness
from uptake.models.training.hooks import Hooks, Method, StageView
from uptake.models.training.job import Job
from uptake.models.training.memory import MEMORY, Memory
from uptake.models.training.notes import noted
from uptake.models.training.pools import laid_out
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.models.training.stage import require_plain_loss, trainer_of
from uptake.models.training.start import with_new_adapter

ROWS = table([Row("1", [1, 2, 3, 4], [NOT_TRAINED, NOT_TRAINED, 3, 4]), Row("2", [1, 5, 6], [NOT_TRAINED, 5, 6])])
"""What is trained in a rehearsal, with the token ids of `_stand_in`."""

_ADAPTER = {"r": 2, "target_modules": "all-linear"}

STAGES = 2
"""So many stages are rehearsed: in the second one there is a memory."""


def rehearse(job: Job, hooks: Hooks | None = None, *, sharded: bool = False) -> None:
    """Make what training needs but the model itself: trainer, optimizer, schedule; take a step with a method's hooks.

    Nothing is reported, or written beside a temporary folder.

    Args:
        job: The stage; its rows are not looked at.
        hooks: Of the stage's method; each is called.
        sharded: The model will be split over processes: then its optimizer cannot be made here.

    Raises:
        UptakeError: A setting is refused, or something that it needs is not installed.
    """
    with progress_bars(shown=False), _unnoticed():
        try:
            _make(job, sharded)
        except UptakeError as error:
            raise _named(job, error, sharded) from error
        if hooks is not None and not hooks.idle:
            with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]), hushed():
                memory = Memory.read(None)
                for number in range(STAGES):
                    memory = _told(number, job, hooks, memory, Path(folder))


def _make(job: Job, sharded: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, refusals():
        some = dataclasses.replace(job, rows=ROWS, work=Path(folder))
        args = some.arguments()
        trainer = trainer_of(_stand_in(job.tokenizer), some, args)
        if args.use_liger_kernel and not is_liger_kernel_available():
            raise UptakeError("liger-kernel is not installed", fix="pip install liger-kernel")
        if not sharded:
            trainer.create_optimizer_and_scheduler(num_training_steps=1)


def _told(number: int, job: Job, hooks: Hooks, memory: Memory, folder: Path) -> Memory:
    """As `_stage`; where a hook fails, that is told and is no traceback."""
    try:
        return _stage(number, job, hooks, memory, folder)
    except UptakeError:
        raise
    except Exception as error:  # each method has its own way to fail
        raise UptakeError(
            f"the strategies fail on two rows, in stage {number + 1} of a rehearsal: "
            f"{type(error).__name__}: {first_line(error)}",
            expected="strategies that work together",
            fix="try them one by one, or in another order",
        ) from error


def _stage(number: int, job: Job, hooks: Hooks, memory: Memory, folder: Path) -> Memory:
    """Take a step of a stage with the hooks, on the processor; gives what it leaves in the memory."""
    model: Any = _stand_in(job.tokenizer)
    if job.start.adapts:
        model = with_new_adapter(model, _ADAPTER)
    stage = StageView(
        number=number,
        name=f"rehearsal-{number}",
        seed=0,
        rows=noted(ROWS, source=["a", "b"]),
        former=f"rehearsal-{number - 1}" if number else None,
        model=lambda: around("the rehearsal's model", model.eval(), job.tokenizer),
        general=lambda most: noted(ROWS, source=["general"] * 2).slice(0, most),
        peft=_adapter(job.start.peft or {}) if job.start.adapts else None,
    )
    if hooks.data is not None:
        stage = hooks.data(stage, memory.closed())
        rows, drawn = laid_out(stage.rows, stage.pools, 1)
        stage = dataclasses.replace(stage, rows=rows, drawn=drawn, pools=())
    if hooks.adapt is not None:
        model = hooks.adapt(model, stage, memory.closed())
    if (method := Method(hooks, stage, memory)).weighted:
        require_plain_loss(job.arguments())
    settings = {"max_steps": 1, "save_strategy": "no", "use_cpu": True, "gradient_checkpointing": False}
    work = folder / stage.name
    some = dataclasses.replace(job, rows=stage.rows, settings=settings, work=work, method=method)
    trainer = trainer_of(model, some, some.arguments())
    trainer.method = harness = Harness(method, stage.rows, None)
    trainer.add_callback(harness)
    trainer.train()
    harness.save(folder)
    harness.finish(trainer)
    memory.write(work / MEMORY)
    return Memory.read(work / MEMORY)


def _adapter(peft: Mapping[str, Any]) -> dict[str, Any]:
    """The run's settings of the adapter, but for the layers that it changes: the stand-in has others."""
    of_layers = ("exclude_modules", "layers_pattern", "layers_to_transform")
    return {name: value for name, value in peft.items() if name not in of_layers} | _ADAPTER


def _named(job: Job, error: UptakeError, sharded: bool) -> UptakeError:
    """The refusal with the setting's name: that of the first one without which nothing is refused."""
    for name, value in job.settings.items():
        try:
            _make(dataclasses.replace(job, settings={k: v for k, v in job.settings.items() if k != name}), sharded)
        except UptakeError:
            continue
        shown = reprlib.repr(value)
        return UptakeError(
            f"the training setting {name} is {shown}: {error.problem}", expected=error.expected, fix=error.fix
        )
    return error


def _stand_in(tokenizer: Any) -> Any:
    """A model of the tokens of `ROWS`, and of the one that fills them up."""
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    tokens = max(8, (getattr(tokenizer, "pad_token_id", None) or 0) + 1)
    with torch.random.fork_rng(devices=[]):
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=tokens, **shape))


@contextmanager
def _unnoticed() -> Iterator[None]:
    """Without TRL's count of its uses, which is not one yet."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_TELEMETRY
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = before
