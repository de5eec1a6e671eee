"""Where a stage's training starts: the base or the former stage's model, with new adapters, the old one, or none."""

from __future__ import annotations

import dataclasses
import difflib
import os
import typing
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from uptake.errors import UptakeError, first_line
from uptake.models.places.bounds import require_bounded_patterns
from uptake.models.places.load import full_weights, model_class, with_adapter
from uptake.models.places.place import Place, load_config, load_tokenizer, locate
from uptake.models.places.settings import LoadSettings
from uptake.models.training.settings import typed
from uptake.text import shown

_ONLY: Mapping[str, Any] = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "inference_mode": False}
"""Settings of `LoraConfig` with which nothing else is what is trained here."""

_FROM_NUMBERS = ("corda", "eva", "loftq", "lora_ga", "mica", "olora", "orthogonal", "pissa")
"""How peft initialises adapters from the weights themselves, which are not there when only the shape is built."""


@dataclass(frozen=True)
class Start:
    """What training starts from.

    Attributes:
        name: The full weights: a folder or a hub id.
        settings: How they are loaded; `auto` as `dtype` is TRL's float32.
        peft: Fields of `LoraConfig` for new adapters; None trains all weights.
        adapter: Folder of the former stage's adapter, which training goes on with.
    """

    name: str
    settings: LoadSettings
    peft: Mapping[str, Any] | None = None
    adapter: Path | None = None

    @property
    def adapts(self) -> bool:
        """Whether an adapter is trained, and not all weights."""
        return self.peft is not None or self.adapter is not None

    def place(self) -> Place:
        """Where the full weights lie.

        Raises:
            UptakeError: There are none, they are not safetensors, or they are an adapter.
        """
        place = locate(self.name, self.settings)
        if place.base is not None:
            raise UptakeError(
                f"{self.name} is an adapter on {place.base}",
                expected="full weights to start from",
                fix="merge it into its base first: PeftModel.merge_and_unload(), then save_pretrained(FOLDER)",
            )
        return place


def model_config(place: Place, settings: LoadSettings) -> Any:
    """The configuration of the text model, in which each setting has one name for all architectures.

    Raises:
        UptakeError: It cannot be read.
    """
    return load_config(place.weights, settings).get_text_config()


def skeleton(start: Start) -> None:
    """Build the model and its new adapter without any numbers, to see whether they can be.

    Args:
        start: What the run starts from; later stages train the same model.

    Raises:
        UptakeError: There is no such model, its attention is not to be had here, or the adapter does not fit.
    """
    place = start.place()
    config = load_config(place.weights, start.settings)
    maker = model_class(config, start.name)
    if maker is not transformers.AutoModelForCausalLM:
        raise UptakeError(
            f"{start.name} is a model of text and images that transformers has no text model for",
            expected="a causal language model to train",
            fix="train it with a trainer for such models; `uptake diagnose` asks it in text",
        )
    attention = start.settings.attn_implementation
    given = {"attn_implementation": attention} if attention else {}
    try:
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(
                config, trust_remote_code=start.settings.trust_remote_code, **given
            )
    except Exception as error:  # as in `load_config`
        raise UptakeError(
            f"cannot build {start.name}: {type(error).__name__}: {first_line(error)}",
            expected="a causal language model of transformers",
            fix="check config.json, and --attn_implementation if you give it",
        ) from error
    if start.peft is not None:
        initial = str(start.peft.get("init_lora_weights")).lower()
        like = {"init_lora_weights": True} if initial.startswith(_FROM_NUMBERS) else {}
        _with_new_adapter(model, start.name, {**start.peft, **like})


def tokenizer_of(place: Place, settings: LoadSettings, eos_token: str | None = None) -> Any:
    """The tokenizer that training encodes with and saves: the base's, with the run's chat template.

    Args:
        place: Where the base lies.
        settings: How it is loaded.
        eos_token: TRL's setting: another token that ends a text.

    Raises:
        UptakeError: It cannot be read, or does not have the token.
    """
    tokenizer = load_tokenizer(place, settings)
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes of a folder without its files
        raise UptakeError(
            f"{place.name} has no tokenizer: the one that transformers makes of its folder knows no text",
            expected="tokenizer.json (or tokenizer.model) and tokenizer_config.json",
            fix="save the tokenizer beside the model: tokenizer.save_pretrained(FOLDER)",
        )
    if eos_token is not None:
        if not isinstance(eos_token, str) or eos_token not in tokenizer.get_vocab():
            raise UptakeError(
                f"the training setting eos_token is {shown(eos_token)}", expected="a token of the tokenizer"
            )
        tokenizer.eos_token = eos_token
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise UptakeError(
            f"the tokenizer of {place.name} has neither a padding token nor an end-of-text token",
            expected="one of the two, to fill up batches",
            fix="set pad_token in tokenizer_config.json",
        )
    return tokenizer


def load_start(start: Start, init: Mapping[str, Any]) -> Any:
    """The model that is trained, on the processor or wherever `init` puts it.

    Args:
        start: What it is.
        init: Further arguments of `from_pretrained` (TRL's `model_init_kwargs`); they win.

    Raises:
        UptakeError: It cannot be loaded, some weights are missing, or the adapter does not fit.
    """
    place, settings = start.place(), start.settings
    in_float32 = dataclasses.replace(settings, dtype="float32") if settings.dtype == "auto" else settings
    model, _ = full_weights(place, in_float32, init)
    # what an adapter names as its base: not a folder in the hub's cache
    model.name_or_path = os.path.abspath(start.name) if Path(start.name).is_dir() else start.name
    if start.adapter is not None:
        there = Place(str(start.adapter), start.adapter, place.weights, start.name)
        return with_adapter(model, there, trainable=True)[0]
    return model if start.peft is None else _with_new_adapter(model, start.name, start.peft)


def with_new_adapter(model: Any, settings: Mapping[str, Any]) -> Any:
    """The model with a new LoRA adapter, which alone is trained.

    Args:
        model: The model, without an adapter.
        settings: Fields of `LoraConfig`.

    Raises:
        UptakeError: A setting is unknown, or peft refuses it.
    """
    import peft

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        config = lora(settings)
        require_bounded_patterns(config, [name for name, _ in model.named_modules() if name], "an adapter")
        return peft.get_peft_model(model, config)


def _with_new_adapter(model: Any, name: str, settings: Mapping[str, Any]) -> Any:
    try:
        return with_new_adapter(model, settings)
    except (UptakeError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # each way of adapting has its own way to fail
        raise UptakeError(f"peft cannot put an adapter on {name}: {first_line(error)}") from error


def lora(settings: Mapping[str, Any]) -> Any:
    """The `LoraConfig` of the run's `peft` settings, for a causal language model unless they say otherwise.

    Raises:
        UptakeError: A setting is unknown, or peft refuses it.
    """
    from peft import LoraConfig

    known = sorted(field.name for field in dataclasses.fields(LoraConfig))
    for name in settings:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3)
            raise UptakeError(
                f"unknown peft setting {name!r}",
                expected=f"a field of peft's LoraConfig{', such as ' + ', '.join(close) if close else ''}",
                fix="see `LoraConfig` in the documentation of the installed peft",
            )
    for name, only in _ONLY.items():
        if settings.get(name, only) != only:
            raise UptakeError(
                f"the peft setting {name} is {shown(settings[name])}",
                expected=f"{only}, which it is",
                fix="leave it out",
            )
    hints = typing.get_type_hints(LoraConfig) | {"lora_alpha": int | float}
    given = {name: typed(name, value, hints[name], "peft") for name, value in settings.items()}
    try:
        return LoraConfig(**{"task_type": "CAUSAL_LM", **given})
    except Exception as error:  # each setting is looked at in its own way
        raise UptakeError(f"peft refuses the settings: {first_line(error)}") from error
