"""A policy that rewrites, trained by TRL's GRPO: the same start, checkpoints and resumption as a stage of training.

The policy is a LoRA adapter on the base, so that the base itself is there, adapter off: it is what the KL is taken to,
and what finds drafts likely. One reward is given, a product; TRL would add several up.
"""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
import transformers
from transformers.trainer_callback import PrinterCallback, TrainerState

from uptake.errors import UptakeError
from uptake.models.places.quiet import progress_bars
from uptake.models.scoring.hf import LanguageModel
from uptake.models.scoring.live import around
from uptake.models.training.checkpoints import (
    last_whole,
    remove,
    remove_others,
    remove_pickle,
    remove_pickles,
    steps_of,
)
from uptake.models.training.digests import write_digest_of_state
from uptake.models.training.failures import hushed, refusals
from uptake.models.training.settings import has_trl
from uptake.models.training.start import Start, load_start
from uptake.types import Prompt

DEFAULTS: Mapping[str, Any] = {
    "beta": 0.04,
    "disable_tqdm": True,
    "gradient_checkpointing": False,
    "learning_rate": 1e-4,
    "logging_steps": 1,
    "lr_scheduler_type": "constant",
    "num_generations": 4,
    "per_device_train_batch_size": 8,
    "report_to": "none",
    "save_only_model": False,
    "save_strategy": "steps",
    "save_total_limit": 2,
    "temperature": 1.0,
}
"""Unless the user says otherwise; `beta` is the weight of the KL to the base, which TRL leaves out by default."""

PolicyReward: TypeAlias = Callable[
    [LanguageModel, Sequence[int], Sequence[str], Sequence[bool]], tuple[list[float], Mapping[str, float]]
]
"""Given the base, the number of each draft's row, the drafts and whether each ended: rewards, and what is noted of the
step. Drafts of one row come together."""


GoesOn: TypeAlias = Callable[[Any, int, Sequence[Mapping[str, float]]], bool]


@dataclass(frozen=True)
class PolicyJob:
    """A policy to be trained.

    Attributes:
        start: What it starts from, with the settings of its adapter.
        tokenizer: The run's.
        prompts: Of each row, what the policy is asked.
        settings: Fields of `GRPOConfig`; what is left out has the defaults here, else TRL's.
        steps: Optimisation steps.
        every: Steps between two checkpoints, after each of which it is looked whether training goes on.
        seed: Of the order of rows, the adapter and the samples.
        work: Folder of the checkpoints (`checkpoints`) and of the policy (`model`).
    """

    start: Start
    tokenizer: Any
    prompts: Sequence[Prompt]
    settings: Mapping[str, Any]
    steps: int
    every: int
    seed: int
    work: Path

    def arguments(self) -> Any:
        """TRL's arguments; raises as `policy_arguments`."""
        own = {**self.settings, "max_steps": self.steps, "save_steps": self.every, "seed": self.seed}
        return policy_arguments(own, self.work / "checkpoints")


def policy_arguments(settings: Mapping[str, Any], directory: Path) -> Any:
    """TRL's arguments of a policy, with the defaults here for what is left out.

    Args:
        settings: Fields of `GRPOConfig`.
        directory: Where the trainer keeps its checkpoints; nothing is written yet.

    Raises:
        UptakeError: There is no TRL, a setting is unknown or refused, or groups would be split.
    """
    if not has_trl():
        raise UptakeError("a policy is trained by TRL, which is not installed", fix='pip install "uptake[train]"')
    from trl import GRPOConfig

    known = {field.name for field in dataclasses.fields(GRPOConfig)}
    if unknown := sorted(set(settings) - known):
        raise UptakeError(f"unknown setting of the policy: {unknown[0]}", expected="a field of TRL's GRPOConfig")
    given = {**DEFAULTS, **settings}
    if not torch.cuda.is_available():
        given = {"use_cpu": True, "bf16": False, "dataloader_pin_memory": False} | given
    if "activation_checkpointing" in known:  # transformers' new name for it; under the old one TRL's default warns
        given["activation_checkpointing"] = given.pop("gradient_checkpointing")
    with refusals():
        args = GRPOConfig(output_dir=str(directory), **given)
    own = args.per_device_train_batch_size * args.steps_per_generation
    if own % args.num_generations:
        raise UptakeError(
            f"a process generates {own} drafts at once, and a group has {args.num_generations}",
            expected="a multiple, so that no group is split over processes",
            fix="change per_device_train_batch_size, gradient_accumulation_steps or num_generations",
        )
    return args


@dataclass(frozen=True)
class TrainedPolicy:
    """A policy that is trained.

    Attributes:
        model: Its folder.
        steps: Steps that it was trained for.
        log: What was noted of each step.
    """

    model: Path
    steps: int
    log: tuple[Mapping[str, float], ...]


def train_policy(
    job: PolicyJob,
    reward: PolicyReward,
    goes_on: GoesOn = lambda model, step, log: True,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> TrainedPolicy:
    """Train a policy, from its last whole checkpoint if there is one.

    Args:
        job: The policy.
        reward: What drafts earn.
        goes_on: Whether training goes on, given the model, the steps done and what was noted of those before, each time
            before a checkpoint is written. The model is None where such a checkpoint is there already.
        tell: Told of steps done and their total.

    Raises:
        UptakeError: A setting is refused, or the model cannot be loaded.
    """
    args = job.arguments()
    import datasets
    from trl import GRPOTrainer

    folder = job.work / "checkpoints"
    checkpoint = last_whole(folder, args.world_size)
    remove_pickles(folder)
    remove_others(folder, checkpoint)
    remove(job.work / "model")
    if checkpoint is not None and (steps_of(checkpoint) >= job.steps or not goes_on(None, steps_of(checkpoint), ())):
        return _finished(job, checkpoint)
    with progress_bars(shown=False), hushed(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # TRL asks for it
        transformers.set_seed(args.seed)  # a new adapter is drawn
        model = load_start(job.start, {})
        rows = [{"prompt": _asked(prompt), "number": number} for number, prompt in enumerate(job.prompts)]
        earned = _Earned(reward, job.tokenizer)
        with refusals():
            trainer: Any = GRPOTrainer(
                model=model,
                reward_funcs=earned,
                args=args,
                train_dataset=datasets.Dataset.from_list(rows),
                processing_class=job.tokenizer,
            )
        earned.trainer = trainer
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_Looks(goes_on, tell))
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        trainer.model.save_pretrained(str(job.work / "model"), selected_adapters=["default"])
    remove_pickles(folder)
    return TrainedPolicy(job.work / "model", trainer.state.global_step, _log(trainer.state))


def _finished(job: PolicyJob, checkpoint: Path) -> TrainedPolicy:
    """A policy that a former run trained to its end: its last checkpoint is it."""
    (job.work / "model").mkdir(parents=True)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copyfile(checkpoint / name, job.work / "model" / name)
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return TrainedPolicy(job.work / "model", state.global_step, _log(state))


def _log(state: Any) -> tuple[dict[str, float], ...]:
    """What was noted of each step, but for what a clock told."""
    return tuple(_numbers(entry) for entry in state.log_history if "reward" in entry)


def _asked(prompt: Prompt) -> Any:
    return prompt if isinstance(prompt, str) else [turn.as_dict() for turn in prompt]


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in entry.items() if isinstance(value, int | float) and "time" not in key}


class _Earned:
    """The reward as TRL asks for it: by the base, which is the model with its adapter off."""

    __name__ = "reward"

    def __init__(self, reward: PolicyReward, tokenizer: Any) -> None:
        self.reward, self.tokenizer = reward, tokenizer
        self.trainer: Any = None
        self.base: LanguageModel | None = None

    def __call__(
        self, *, completions: Sequence[Any], completion_ids: Sequence[Sequence[int]], number: Sequence[int], **more: Any
    ) -> list[float]:
        texts = [one if isinstance(one, str) else one[-1]["content"] for one in completions]
        room = self.trainer.args.max_completion_length
        ended = [len(ids) < room or ids[-1] in self.trainer.eos_token_ids for ids in completion_ids]
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        training = model.training
        model.eval()
        with torch.no_grad(), model.disable_adapter():
            if self.base is None:
                self.base = around("the base", model, self.tokenizer)
            rewards, noted = self.reward(self.base, number, texts, ended)
        model.train(training)
        for name, value in {**noted, "generated": float(sum(map(len, completion_ids)))}.items():
            more["log_metric"](name, value)
        return rewards


class _Looks(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Keeps checkpoints whole, tells of steps, and looks after each checkpoint whether training goes on."""

    def __init__(self, goes_on: GoesOn, tell: Callable[[int, int], None]) -> None:
        self.goes_on, self.tell = goes_on, tell

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.tell(state.global_step, state.max_steps)
        if state.global_step % args.save_steps:
            return
        model = kwargs["model"]
        training = model.training
        model.eval()
        with torch.random.fork_rng():  # what is drawn here is not drawn by a run that is resumed
            stays = self.goes_on(model, state.global_step, _log(state))
        model.train(training)
        if not stays:
            control.should_training_stop = control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and checkpoint.exists():
            remove_pickle(checkpoint)
            write_digest_of_state(checkpoint)
