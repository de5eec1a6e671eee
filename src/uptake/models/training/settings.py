"""Training settings as the user writes them to the trainer's own arguments: TRL's, or without TRL transformers'."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import math
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from uptake.errors import UptakeError, first_line
from uptake.text import shown

PREPARED_HERE: Mapping[str, Any] = {
    "completion_only_loss": True,
    "eos_token": None,
    "max_length": 1024,
    "packing": False,
    "padding_free": False,
    "shuffle_dataset": False,
    "truncation_mode": "keep_start",
}
"""Fields of `SFTConfig` that hold without TRL too, and their defaults: uptake prepares the rows, not the trainer."""

TRL_DEFAULTS: Mapping[str, Any] = {
    "bf16": True,
    "gradient_checkpointing": True,
    "learning_rate": 2e-5,
    "logging_steps": 10,
}
"""Where TRL's defaults differ from transformers': without TRL they hold as well, or the weights would be others."""

_INSTEAD = "the ledger has each example's loss after each epoch"

_NO_SETTINGS: Mapping[str, tuple[str, str]] = {
    "output_dir": ("output_dir cannot be a training setting", "leave it out: the caller names the directory"),
    "trust_remote_code": (
        "trust_remote_code is never on as a training setting",
        "leave it out; it is a key of the run",
    ),
    "resume_from_checkpoint": ("resume_from_checkpoint cannot be a training setting", "leave it out"),
    "chat_template_path": ("chat_template_path cannot be a training setting", "give --chat_template FILE to the run"),
    "assistant_only_loss": (
        "assistant_only_loss cannot be a training setting",
        "give --assistant_turns all to the run",
    ),
    "save_only_model": (
        "save_only_model would leave checkpoints that a killed run cannot go on from",
        "leave it out; without checkpoints: save_strategy: no",
    ),
    "push_to_hub": (
        "push_to_hub cannot be a training setting: what is trained stays in its folder",
        "leave it out; to share a stage: hf upload NAME OUTPUT_DIR/train/STAGE",
    ),
    **{
        name: (f"{name} needs data for evaluation, and a stage has none", f"leave {name} out; {_INSTEAD}")
        for name in ("do_eval", "eval_on_start", "eval_strategy", "load_best_model_at_end")
    },
}
"""Settings that would contradict the run; what is wrong, and what to do."""

_RENAMED: Mapping[str, str] = {
    "evaluation_strategy": "eval_strategy",
    "group_by_length": "train_sampling_strategy: group_by_length",
    "max_seq_length": "max_length",
    "no_cuda": "use_cpu",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
}
"""Old names of settings, which transformers and TRL no longer take, and the new ones."""

_INIT_OF_THE_RUN: Mapping[str, str] = {
    "attn_implementation": "--attn_implementation",
    "dtype": "--dtype",
    "revision": "--revision",
    "torch_dtype": "--dtype",
    "trust_remote_code": "--trust_remote_code",
}
"""Fields of `model_init_kwargs` that are keys of the run: what is diagnosed must be loaded in the same way."""

_AT_LEAST: Mapping[str, int] = {
    "dataloader_num_workers": 0,
    "gradient_accumulation_steps": 1,
    "learning_rate": 0,
    "max_grad_norm": 0,
    "max_length": 1,
    "num_train_epochs": 0,
    "pad_to_multiple_of": 1,
    "per_device_train_batch_size": 1,
    "warmup_steps": 0,
    "weight_decay": 0,
}
"""The smallest value of settings that trainers take as they are, or find out late."""

_CHOICES: Mapping[str, tuple[str, ...]] = {"truncation_mode": ("keep_start", "keep_end")}
"""What settings may say of which their fields do not tell it."""

BY_LENGTH = "group_by_length"
"""The order of rows that is drawn from a checkpoint's random numbers, so that one within an epoch cannot find it."""


def has_trl() -> bool:
    """Whether TRL can be imported."""
    return importlib.util.find_spec("trl") is not None


def arguments_class() -> Any:
    """`SFTConfig`, or without TRL `TrainingArguments`."""
    if not has_trl():
        return transformers.TrainingArguments
    from trl import SFTConfig

    return SFTConfig


def arguments(settings: Mapping[str, Any], directory: Path) -> Any:
    """The trainer's arguments, with uptake's defaults for what is left out.

    Nothing is reported to any service, rows are not packed, no checkpoints are kept, the loss is on the response alone.
    All other defaults are TRL's.

    Args:
        settings: Fields of TRL's `SFTConfig`; without TRL those of `TrainingArguments` and of `PREPARED_HERE`.
        directory: Where the trainer keeps its checkpoints; nothing is written yet.

    Raises:
        UptakeError: A setting is unknown, of a wrong type, contradicts the run, or needs TRL where there is none.
    """
    kind = arguments_class()
    known = {field.name for field in dataclasses.fields(kind)}
    given = checked(settings)
    if has_trl() and "packing" in known:
        given = {"completion_only_loss": True, "packing": False} | given
    defaults: dict[str, Any] = {} if has_trl() else dict(TRL_DEFAULTS)
    defaults |= {"report_to": "none", "save_strategy": "no", "seed": 0}
    if given.get("use_cpu", not (torch.cuda.is_available() or torch.backends.mps.is_available())):
        # TRL's default of bf16 needs an accelerator, and pinned memory serves none
        defaults |= {"use_cpu": True, "bf16": False, "dataloader_pin_memory": False}
    if "activation_checkpointing" in known:
        # transformers' new name for it; under the old one TRL's own default warns
        defaults["activation_checkpointing"] = given.get("gradient_checkpointing", True)
    try:
        return kind(output_dir=str(directory), **(defaults | given))
    except Exception as error:  # each of its settings has its own way of being refused
        told = f"no such key: {error}" if isinstance(error, KeyError) else first_line(error)
        raise UptakeError(f"{'TRL' if has_trl() else 'transformers'} refuses the training settings: {told}") from error


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Training settings whose names and values the trainer takes, as its arguments, which are not made.

    Args:
        settings: As of `arguments`.

    Raises:
        UptakeError: As `arguments`, of one setting by itself.
    """
    kind = arguments_class()
    known = {field.name: field for field in dataclasses.fields(kind)}
    _refuse(settings, sorted(known.keys() | PREPARED_HERE.keys()))
    # the field of fsdp says less than it takes, and in the other one text is no JSON here
    hints = {**typing.get_type_hints(kind), "fsdp": bool | str | list, "model_init_kwargs": dict}
    given = {name: typed(name, value, hints.get(name)) for name, value in settings.items()}
    _require_sensible(given)
    _require_chosen(given, {name: field.metadata.get("choices") for name, field in known.items()})
    return given if has_trl() else _without_trl(given)


def _require_sensible(given: Mapping[str, Any]) -> None:
    """Refuse values of the right type that a trainer would fail on late, or not at all."""
    for name, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and (math.isnan(value) or (math.isinf(value) and name != "max_grad_norm")):
            raise UptakeError(f"the training setting {name} is {value}", expected="a finite number")
        if number and name in _AT_LEAST and value < _AT_LEAST[name]:
            raise UptakeError(f"the training setting {name} is {value}", expected=f"{_AT_LEAST[name]} or more")
    if (given.get("max_steps") or -1) < -1 or given.get("max_steps") == 0:
        raise UptakeError(
            f"the training setting max_steps is {given['max_steps']}",
            expected="1 or more; -1 trains for num_train_epochs",
        )
    if given.get("num_train_epochs") == 0:
        raise UptakeError("the training setting num_train_epochs is 0", expected="more than 0")
    if given.get("train_sampling_strategy") == BY_LENGTH and given.get("save_strategy") not in (None, "epoch", "no"):
        raise UptakeError(
            "a run whose rows are grouped by length cannot be resumed in the middle of an epoch: their order is lost",
            expected="checkpoints at the epochs' ends",
            fix="leave save_strategy out",
        )
    _require_init(given.get("model_init_kwargs"))


def _require_init(init: Any) -> None:
    if init is None:
        return
    if not isinstance(init, Mapping):
        raise UptakeError(f"the training setting model_init_kwargs is {shown(init)}", expected="a mapping")
    for name in init:
        if name in _INIT_OF_THE_RUN:
            raise UptakeError(
                f"{name} cannot be one of model_init_kwargs: it is a key of the run",
                fix=f"leave it out, and give {_INIT_OF_THE_RUN[name]} to the run if it is wanted",
            )
    if init.get("use_safetensors", True) is not True:
        raise UptakeError("use_safetensors in model_init_kwargs is off", expected="safetensors, which run no code")


def _require_chosen(given: Mapping[str, Any], choices: Mapping[str, Sequence[str] | None]) -> None:
    """Refuse a word that is none of those that its field knows: trainers take it for the default."""
    for name, value in given.items():
        known = _CHOICES.get(name) or choices.get(name)
        if known and isinstance(value, str) and value not in known:
            close = difflib.get_close_matches(value, known, n=1)
            fix = f"did you mean {close[0]}" if close else None
            raise UptakeError(f"the training setting {name} is {shown(value)}", expected=" or ".join(known), fix=fix)


def _refuse(settings: Mapping[str, Any], known: list[str]) -> None:
    for name, value in settings.items():
        if name in _NO_SETTINGS and (name == "output_dir" or value not in (None, False, "no")):
            problem, fix = _NO_SETTINGS[name]
            raise UptakeError(problem, fix=fix)
        if name == "warmup_ratio" and name not in known:
            share = value if isinstance(value, float) and 0 < value < 1 else 0.03
            raise UptakeError(
                "unknown training setting 'warmup_ratio': warmup_steps takes a share, too, when it is below 1",
                fix=f"write warmup_steps: {share} instead of warmup_ratio",
            )
        if name in _RENAMED and name not in known:
            raise UptakeError(
                f"unknown training setting {name!r}: it has a new name", fix=f"write {_RENAMED[name]} instead of {name}"
            )
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3)
            such = f", such as {', '.join(close)}" if close else ""
            if has_trl():
                expected, fix = "TRL's SFTConfig", "see `SFTConfig` in the documentation of the installed TRL"
            else:
                expected, fix = "transformers' TrainingArguments", 'for those of TRL: pip install "uptake[train]"'
            raise UptakeError(f"unknown training setting {name!r}", expected=f"a field of {expected}{such}", fix=fix)


def typed(name: str, value: Any, hint: Any, section: str = "training") -> Any:
    """A setting's value, if it is of a kind that its field takes; of fields that take other objects all are.

    Dataclasses take whatever they are given: `learning_rate: fast` would fail in the middle of the first step, and
    `accelerator_config: 3` would be opened as a file that is open already.

    Args:
        name: The setting.
        value: Its value.
        hint: The type of its field.
        section: Of the run file.

    Raises:
        UptakeError: It is of another kind.
    """
    kinds = [_kind(kind) for kind in typing.get_args(hint) or (hint,)]
    if value is None or not set(kinds) <= _NAMES.keys() | {type(None)}:
        return value
    if isinstance(value, bool):
        fits = bool in kinds or (value is False and name in _NO_SETTINGS)
    elif isinstance(value, int | float):
        fits = float in kinds or (int in kinds and float(value).is_integer())
        value = int(value) if fits and float not in kinds else value
    else:
        fits = any(isinstance(value, _TAKEN[kind]) for kind in kinds if kind in _TAKEN)
    if not fits:
        expected = " or ".join(dict.fromkeys(_NAMES[kind] for kind in kinds if kind in _NAMES))
        raise UptakeError(f"the {section} setting {name} is {shown(value)}", expected=expected)
    return value


_NAMES: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "a mapping",
    list: "a list",
}

_TAKEN: Mapping[Any, tuple[type, ...]] = {str: (str,), dict: (Mapping,), list: (list, tuple, set)}


def _kind(hint: Any) -> Any:
    """What a value of a field is in the run file: the words of an enumeration are text."""
    kind = typing.get_origin(hint) or hint
    return str if isinstance(kind, type) and issubclass(kind, str) else kind


def _without_trl(given: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("packing", "padding_free"):
        if given.get(name):
            raise UptakeError(f"the training setting {name} needs TRL", fix='pip install "uptake[train]"')
    return {name: value for name, value in given.items() if name not in PREPARED_HERE}
