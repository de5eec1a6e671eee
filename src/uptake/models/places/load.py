"""Load a model from a folder or the hub: full weights, or a PEFT adapter with its base.

Weights come from safetensors only, and code that ships with a model runs only if the user says `trust_remote_code`.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from uptake.errors import UptakeError, first_line
from uptake.models.places.place import Place, load_config
from uptake.models.places.quiet import progress_bars
from uptake.models.places.settings import LoadSettings


def full_weights(place: Place, settings: LoadSettings) -> tuple[Any, tuple[str, ...]]:
    """The model with its full weights, and what is to be said about them.

    Raises:
        UptakeError: They cannot be loaded, or some are missing: transformers would draw those at random.
    """
    attention = settings.attn_implementation
    try:
        with progress_bars(shown=False):
            model, told = AutoModelForCausalLM.from_pretrained(
                place.weights,
                config=load_config(place.weights, settings),
                dtype=settings.dtype,
                use_safetensors=True,
                trust_remote_code=settings.trust_remote_code,
                output_loading_info=True,
                **({"attn_implementation": attention} if attention else {}),
            )
    except UptakeError:
        raise
    except Exception as error:  # transformers raises almost anything for weights that do not fit
        refused = attention is not None and ("attention" in str(error).lower() or attention in str(error))
        raise UptakeError(
            f"cannot load {place.weights}: {type(error).__name__}: {first_line(error)}",
            expected="an attention that this model and this machine have: eager, sdpa, ..."
            if refused
            else "a causal language model of transformers with its weights",
            fix="leave --attn_implementation out" if refused else "check that the folder is complete",
        ) from error
    missing, unexpected = told["missing_keys"], told["unexpected_keys"]
    if missing:
        surplus = f", and {_some(unexpected)} in the files fit nowhere" if unexpected else ""
        raise UptakeError(
            f"{_some(missing)} that config.json asks for are not in the weights of {place.weights}{surplus}",
            expected="every weight of the model; what is missing would be random numbers",
            fix="check that config.json belongs to these weights and that the folder is complete; save it anew: "
            "model.save_pretrained(FOLDER)",
        )
    if unexpected:
        return model, (f"{_some(unexpected)} in {place.weights} are not used: config.json has no place for them",)
    return model, ()


def with_adapter(model: Any, place: Place, tokens: int) -> Any:
    """A PEFT adapter on its base; the base's embeddings are resized first where the adapter's tokenizer has grown.

    Raises:
        UptakeError: The adapter does not fit its base, is only a part of itself, or learns prompts.
    """
    from peft import PeftModel, set_peft_model_state_dict
    from peft.utils import load_peft_weights

    if tokens > model.get_input_embeddings().weight.shape[0]:
        with torch.random.fork_rng(devices=[]):  # rows that the adapter does not bring are the same on every run
            torch.manual_seed(0)
            model.resize_token_embeddings(tokens, mean_resizing=False)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", "Found missing adapter keys", UserWarning)  # an error below
            adapted = PeftModel.from_pretrained(model, str(place.folder))
            if adapted.active_peft_config.is_prompt_learning:
                raise UptakeError(
                    f"{place.name} learns prompts", expected="LoRA or another adapter that changes weights"
                )
            # once more, for the result: `from_pretrained` says nothing about weights that fit nowhere
            result = set_peft_model_state_dict(adapted, load_peft_weights(str(place.folder), device="cpu"))
    except UptakeError:
        raise
    except Exception as error:  # peft raises almost anything for an adapter that does not fit its base
        raise UptakeError(f"the adapter {place.name} does not fit its base: {first_line(error)}") from error
    _require_applied(place, adapted.base_model.prefix, result.missing_keys, result.unexpected_keys)
    return adapted


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
