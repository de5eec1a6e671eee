"""Load a model from a folder or the hub: full weights, or a PEFT adapter with its base; to score it or to train it.

Weights come from safetensors only, and code that ships with a model runs only if the user says `trust_remote_code`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from typing import Any

import torch
import transformers

from uptake.errors import UptakeError, first_line
from uptake.models.places.bounds import require_bounded_patterns
from uptake.models.places.gates import attach
from uptake.models.places.layouts import FittedAdapter, copies, fitted, rows_of_embeddings, wrapped_in
from uptake.models.places.place import Place, load_config
from uptake.models.places.quiet import progress_bars
from uptake.models.places.settings import LoadSettings


def model_class(config: Any, name: str) -> Any:
    """The class of transformers that loads a model which goes on with a text.

    That is the text model alone where transformers has a class for it, else the model of text and images: it goes on
    with a text as well.

    Args:
        config: The model's configuration.
        name: What errors call it.

    Raises:
        UptakeError: It is no such model.
    """
    own_code = getattr(config, "auto_map", None) or {}
    if type(config) in transformers.MODEL_FOR_CAUSAL_LM_MAPPING or "AutoModelForCausalLM" in own_code:
        return transformers.AutoModelForCausalLM
    known = type(config) in transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    if known and not config.is_encoder_decoder:
        return transformers.AutoModelForImageTextToText
    kind = next(iter(getattr(config, "architectures", None) or ()), config.model_type)
    raise UptakeError(
        f"{name} is a {kind}: transformers {transformers.__version__} has no class for it that goes on with a text",
        expected="a causal language model, or a model of text and images without an encoder for text",
        fix="if it has a text model inside, save that alone, with its own config.json; or install the version of "
        "transformers that it needs",
    )


def full_weights(
    place: Place, settings: LoadSettings, init: Mapping[str, Any] | None = None
) -> tuple[Any, tuple[str, ...]]:
    """The model with its full weights, and what is to be said about them.

    Args:
        place: Where it lies.
        settings: How it is loaded.
        init: Further arguments of `from_pretrained`; they win.

    Raises:
        UptakeError: They cannot be loaded, or some are missing: transformers would draw those at random.
    """
    name = place.base or place.name
    maker = model_class(load_config(place.weights, settings), name)
    given: dict[str, Any] = {"dtype": settings.dtype, "trust_remote_code": settings.trust_remote_code}
    if settings.attn_implementation:
        given["attn_implementation"] = settings.attn_implementation
    given |= {**(init or {}), "use_safetensors": True}
    try:
        with progress_bars(shown=False):
            model, told = maker.from_pretrained(place.weights, output_loading_info=True, **given)
            if wrapper := wrapped_in(told["missing_keys"], told["unexpected_keys"]):
                given["key_mapping"] = {f"^{re.escape(wrapper)}": ""}
                model, told = maker.from_pretrained(place.weights, output_loading_info=True, **given)
    except (UptakeError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # transformers raises almost anything for weights that do not fit
        raise _not_loaded(name, settings, init, error) from error
    missing, unexpected = told["missing_keys"], told["unexpected_keys"]
    if missing:
        surplus = f", and {_some(unexpected)} in the files fit nowhere" if unexpected else ""
        raise UptakeError(
            f"{_some(missing)} that config.json asks for are not in the weights of {name}{surplus}",
            expected="every weight of the model; what is missing would be random numbers",
            fix="check that config.json belongs to these weights and that the folder is complete; save it anew: "
            "model.save_pretrained(FOLDER)",
        )
    if unexpected:
        return model, (f"{_some(unexpected)} in {name} are not used: config.json has no place for them",)
    return model, ()


def _not_loaded(name: str, settings: LoadSettings, init: Mapping[str, Any] | None, error: BaseException) -> UptakeError:
    attention = settings.attn_implementation
    refused = attention is not None and ("attention" in str(error).lower() or attention in str(error))
    fix = "check that the folder is complete"
    return UptakeError(
        f"cannot load {name}: {type(error).__name__}: {first_line(error)}",
        expected="an attention that this model and this machine have: eager, sdpa, ..."
        if refused
        else "a causal language model of transformers with its weights",
        fix="leave --attn_implementation out" if refused else f"{fix}, and model_init_kwargs" if init else fix,
    )


def with_adapter(model: Any, place: Place, tokens: int = 0, *, trainable: bool = False) -> tuple[Any, tuple[str, ...]]:
    """A PEFT adapter on its base, and what is to be said about it.

    The base's embeddings get as many rows as those have that the adapter brings; where it brings none, as many as there
    are tokens, if these have become more.

    Args:
        model: The base with its full weights.
        place: Where the adapter lies.
        tokens: Of the tokenizer that is used with it; 0 leaves the base as it is.
        trainable: Whether training goes on with it.

    Raises:
        UptakeError: The adapter does not fit its base, is only a part of itself, or learns prompts.
    """
    from peft import PeftConfig, PeftModel, set_peft_model_state_dict
    from peft.utils import load_peft_weights

    folder = str(place.folder)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", "Found missing adapter keys", UserWarning)  # an error below
            config = PeftConfig.from_pretrained(folder)
            if config.is_prompt_learning:
                raise UptakeError(
                    f"{place.name} learns prompts", expected="LoRA or another adapter that changes weights"
                )
            require_bounded_patterns(config, _names(model), f"the adapter {place.name}")
            found = fitted(model, load_peft_weights(folder, device="cpu"), config, _prefix(config))
            _resize(model, found, tokens)
            renamed = {"key_mapping": dict(found.renamed)} if found.renamed else {}
            adapted = PeftModel.from_pretrained(model, folder, is_trainable=trainable, config=found.config, **renamed)
            attach(adapted, found.weights, trainable=trainable)
            # once more, for the result: `from_pretrained` says nothing about weights that fit nowhere
            result = set_peft_model_state_dict(adapted, dict(found.weights))
    except (UptakeError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # peft raises almost anything for an adapter that does not fit its base
        why = f"it lacks {error.args[0]}" if isinstance(error, KeyError) else first_line(error)
        raise UptakeError(
            f"the adapter {place.name} does not fit its base {place.base}: {why}",
            fix="check that its base is the one that it was trained on, and that it is complete",
        ) from error
    surplus = set(result.unexpected_keys) - copies(result.unexpected_keys, found.weights)
    _require_applied(place, adapted.base_model.prefix, result.missing_keys, surplus)
    if found.left_out:
        return adapted, (
            f"{_some(found.left_out)} of the adapter {place.name} are not used: they are for images or sound, and "
            "only the text part of its base is loaded",
        )
    return adapted, ()


def _names(model: Any) -> list[str]:
    return [name for name, _ in model.named_modules() if name]


def _prefix(config: Any) -> str:
    """What the names of a method's own weights begin with (`lora_`)."""
    from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING

    return str(PEFT_TYPE_TO_PREFIX_MAPPING.get(config.peft_type, "lora_"))


def _resize(model: Any, found: FittedAdapter, tokens: int) -> None:
    """Give the base's embeddings the rows that the adapter was trained with."""
    rows = model.get_input_embeddings().weight.shape[0]
    wanted = rows_of_embeddings(model, found.weights) or max(rows, tokens, _last_trained(found.config) + 1)
    if wanted != rows:
        with torch.random.fork_rng(devices=[]):  # rows that the adapter does not bring are the same on every run
            torch.manual_seed(0)
            model.resize_token_embeddings(wanted, mean_resizing=False)


def _last_trained(config: Any) -> int:
    """The highest of the tokens whose rows an adapter trains; -1 where it names none."""
    named = getattr(config, "trainable_token_indices", None) or ()
    lists = named.values() if isinstance(named, dict) else [named]
    return max((int(token) for one in lists for token in one), default=-1)


def _require_applied(place: Place, prefix: str, missing: Collection[str], unexpected: Collection[str]) -> None:
    """Refuse an adapter of which peft put only a part in place, or nothing: it warns at most.

    Args:
        place: The adapter.
        prefix: What the names of the method's own weights begin with (`lora_`).
        missing: Weights of the model that were not in the file; all of the base's are among them.
        unexpected: Weights in the file that the model has no place for.
    """
    shared = ("vblora_vector_bank", ".tinylora_v.", ".unilora_theta_d.")  # stored once, listed for every layer
    lacking = [
        key for key in missing if f".{prefix}" in key and ".default" in key and not any(s in key for s in shared)
    ]
    # embeddings that are trained and saved as well are in the file twice, once under this name
    surplus = [key for key in unexpected if ".modules_to_save." not in key]
    if lacking or surplus:
        lacks = f"; it lacks {_some(lacking)}" if lacking else ""
        more = f"; {_some(surplus)} in its file fit nowhere" if surplus else ""
        raise UptakeError(
            f"the adapter {place.name} does not fit its base {place.base}{lacks}{more}",
            expected="every weight that adapter_config.json asks for, and no other",
            fix="check that it is complete and that its base is the one it was trained on; save it anew: "
            "model.save_pretrained(FOLDER)",
        )


def _some(keys: Collection[str]) -> str:
    """How many weights, and the first three by name."""
    more = ", ..." if len(keys) > 3 else ""
    return f"{len(keys)} weight{'s' * (len(keys) != 1)} ({', '.join(sorted(keys)[:3])}{more})"
