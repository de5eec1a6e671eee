"""Where a model lies: its folder, the folder of its weights (an adapter's base's), its tokenizer, its fingerprint."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer

from uptake.artifacts import digest, file_digest, read_json
from uptake.errors import UptakeError, first_line
from uptake.models.places.bounds import require_bounded_template, require_sensible_config
from uptake.models.places.files import require_safetensors
from uptake.models.places.settings import LoadSettings as LoadSettings
from uptake.models.places.today import tell_the_day


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model lies, after it was looked for.

    Attributes:
        name: The path or hub id.
        folder: Its folder.
        weights: The folder of the full weights: an adapter's base's, else its own.
        base: Path or hub id of an adapter's base; None for full weights.
        notes: What the reader should know about how it was found.
    """

    name: str
    folder: Path
    weights: Path
    base: str | None = None
    notes: tuple[str, ...] = ()


def locate(name: str, settings: LoadSettings, base: str | None = None) -> Place:
    """Find a model's folder and that of its weights, and check that they are safetensors.

    Args:
        name: A folder, or a hub id: full weights, or a PEFT adapter whose `adapter_config.json` names its base.
        settings: How it will be loaded.
        base: Takes the place of an adapter's base where the one that it names is not there, or cannot be loaded here.
            Its revision on the hub is `settings.base_revision`, also where the adapter names it itself.

    Raises:
        UptakeError: There is no such model, its weights are not safetensors, or they are quantised by a method that
            does not work here.
    """
    folder = local_folder(name, settings)
    if not (folder / "adapter_config.json").exists():
        require_safetensors(folder, name, "*.safetensors")
        _require_loadable(folder, name)
        return Place(name, folder, folder)
    require_safetensors(folder, name, "adapter_model.safetensors")
    named = _named_base(folder)
    notes: tuple[str, ...] = ()
    # the revision is the adapter's, not its base's
    own, of_base = (replace(settings, revision=one) for one in (None, settings.base_revision))
    try:
        try:
            weights = local_folder(named, of_base if named == base else own)
        except UptakeError:
            if base is None:
                raise
            notes = (f"{name} was trained on {named}, which is not there: {base} is taken in its place",)
            named, weights = base, local_folder(base, of_base)
        else:
            refused = unloadable(weights)
            if refused is not None and base is not None and base != named:
                notes = (f"{name} was trained on {named}, {refused}: {base} is taken in its place",)
                named, weights = base, local_folder(base, of_base)
        if (weights / "adapter_config.json").exists():
            raise UptakeError(f"{named} is an adapter itself", expected="full weights")
        require_safetensors(weights, named, "*.safetensors")
        _require_loadable(weights, named)
    except UptakeError as error:
        raise UptakeError(
            f"the base of the adapter {name}: {error.problem}",
            expected=error.expected,
            fix="give --base if the base was moved or is quantised, or set base_model_name_or_path in "
            f"{folder / 'adapter_config.json'}; adapters on adapters must be merged first",
        ) from error
    return Place(name, folder, weights, named, notes)


def local_folder(name: str, settings: LoadSettings) -> Path:
    """The folder that holds a model; from the hub, what is safe to fetch of it is fetched first.

    Raises:
        UptakeError: There is neither such a folder nor such a hub id.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    beside = "/" in name and folder.parent.is_dir()  # then a folder is meant, and its name is mistyped
    if beside or folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UptakeError(
            f"there is no model folder {name}",
            expected="a folder with config.json and *.safetensors (or adapter_config.json), or a hub id",
            fix=f"check the path: {folder.parent} is there, {folder.name} is not in it" if beside else "check the path",
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=settings.revision, allow_patterns=settings.files))
    except (OSError, ValueError) as error:  # the hub client's own errors are among these
        raise UptakeError(
            f"there is no folder {name}, and {name} cannot be got from the hub: "
            f"{type(error).__name__}: {first_line(error)}",
            expected="a folder, or the id of a model on the hub that you may read",
            fix="check the name; for a private model log in with `hf auth login`; offline, use one that is cached",
        ) from error


def load_config(folder: Path, settings: LoadSettings) -> Any:
    """The configuration in a folder of full weights.

    Raises:
        UptakeError: It cannot be read.
    """
    path, fields = folder / "config.json", None
    with suppress(UptakeError):  # that it cannot be read is told by transformers
        fields = read_json(path)
    if isinstance(fields, dict):
        require_sensible_config(fields, str(path), trust=settings.trust_remote_code)
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    except Exception as error:  # transformers raises almost anything for a file that does not fit
        raise UptakeError(
            f"cannot read the configuration in {folder / 'config.json'}: {first_line(error)}",
            expected="the configuration of a causal language model of transformers",
            fix="check config.json; pass --trust_remote_code true if you trust the code that ships with it",
        ) from error


def load_tokenizer(place: Place, settings: LoadSettings) -> Any:
    """The tokenizer in a model's folder; an adapter's base's, where the adapter brings none.

    Raises:
        UptakeError: There is none, or it cannot be read.
    """
    files = ("tokenizer_config.json", "tokenizer.json", "tokenizer.model")
    folder = place.folder if any((place.folder / file).exists() for file in files) else place.weights
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    except Exception as error:  # the tokenizers library raises plain Exception for a file that it cannot read
        raise UptakeError(
            f"cannot load the tokenizer of {place.name}: {first_line(error)}",
            fix="save the tokenizer beside the model: tokenizer.save_pretrained(FOLDER)",
        ) from error
    if settings.chat_template is not None:
        tokenizer.chat_template = settings.chat_template
    require_bounded_template(tokenizer, place.name)
    if settings.today is not None:
        tell_the_day(tokenizer, date.fromisoformat(settings.today))
    return tokenizer


def fingerprint(place: Place, settings: LoadSettings) -> str:
    """Identifies what is computed with: the bytes of weights, configuration, tokenizer and trusted code, and how.

    The kind of device and the size of batches are part of it: both change the last digits of every score.
    """
    folders = [place.folder] if place.weights == place.folder else [place.folder, place.weights]
    parts = [
        [[path.name, file_digest(path)] for path in sorted(folder.iterdir()) if _is_part(path, settings)]
        for folder in folders
    ]
    how = (
        settings.dtype,
        device_of(settings.device).type,
        settings.attn_implementation,
        settings.trust_remote_code,
        settings.chat_template,
        settings.batch_tokens,
        *([] if settings.today is None else [settings.today]),
    )
    return digest(parts, how)


def device_of(name: str) -> torch.device:
    """The device of that name; `auto` is the first accelerator, else the processor.

    Raises:
        UptakeError: There is no such device, or it cannot compute.
    """
    if name == "auto":
        found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(found)
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()  # raises on a device that holds no numbers, such as `meta`
        return device
    except Exception as error:  # every backend that is not there has its own way to say so
        raise UptakeError(f"cannot use device {name!r}: {first_line(error)}", fix="--device auto, or cpu") from error


def _is_part(path: Path, settings: LoadSettings) -> bool:
    return path.is_file() and any(path.match(pattern) for pattern in settings.files)


def unloadable(folder: Path) -> str | None:
    """Why quantised weights cannot be loaded on this machine, in words; None where they can, or are not quantised.

    Args:
        folder: Holds the full weights.
    """
    from transformers.quantizers import AutoHfQuantizer

    try:
        fields = read_json(folder / "config.json")
    except UptakeError:  # told when the configuration is read
        return None
    how = fields.get("quantization_config") if isinstance(fields, dict) else None
    if not isinstance(how, dict):
        return None
    method = how.get("quant_method") or "an unknown method"
    try:
        AutoHfQuantizer.from_config(how, pre_quantized=True).validate_environment(device_map=None, weights_only=True)
    except Exception as error:  # every method has its own way to say what it lacks
        return f"whose weights are quantised with {method}, which does not work here ({first_line(error)})"
    return None


def _require_loadable(folder: Path, name: str) -> None:
    refused = unloadable(folder)
    if refused is not None:
        raise UptakeError(
            f"{name} is a model {refused}",
            expected="weights that this machine can load",
            fix="give the 16-bit model that it was quantised from; or install what the method needs",
        )


LONGEST_NAME = 1000
"""Characters of a path or hub id."""


def _named_base(folder: Path) -> str:
    """What an adapter folder names as its base (relative paths are relative to the working folder, then to it)."""
    config = folder / "adapter_config.json"
    fields = read_json(config)
    base = fields.get("base_model_name_or_path") if isinstance(fields, dict) else None
    if not isinstance(base, str) or not base or len(base) > LONGEST_NAME or not base.isprintable():
        raise UptakeError(
            f"{config} names no base model",
            expected="base_model_name_or_path: a path or a hub id",
            fix="set base_model_name_or_path in it",
        )
    beside = folder / base
    return str(beside) if not Path(base).is_dir() and beside.is_dir() else base
