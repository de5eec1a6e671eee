"""Load a model from a folder or the hub: full weights, or a PEFT adapter with its base.

Weights come from safetensors only, and code that ships with a model runs only if the user says `trust_remote_code`.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from uptake.artifacts import digest, file_digest, read_json
from uptake.errors import UptakeError
from uptake.models.forward import probe_abilities
from uptake.models.hf import LanguageModel
from uptake.models.quiet import progress_bars

BATCH_TOKENS = {"cpu": 1536, "cuda": 65536}
"""Padded input tokens a batch, unless the user says otherwise; halved whenever memory runs out.

On a processor, larger batches leave its cache: with 4M to 30M parameters 4096 took up to a tenth longer than 1536.
"""

WHOLE_LOGITS = 1 << 28
"""Most logits of a batch where the model gives them for every position: 1 GiB in float32."""

FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
"""What is fetched from the hub: no pickled weights, and no code unless it is trusted."""


@dataclass(frozen=True)
class LoadSettings:
    """How to load a model; the names are those of transformers.

    Attributes:
        dtype: `auto` (as the checkpoint says), or a torch dtype's name.
        device: `auto` (the first accelerator, else cpu), or a torch device's name.
        attn_implementation: `sdpa`, `eager`, ...; None for the model's default.
        revision: Branch, tag or commit on the hub.
        trust_remote_code: Run code that ships with the model.
        chat_template: Text of a chat template that replaces the tokenizer's.
        batch_tokens: Padded input tokens a batch; None for the device's default.
    """

    dtype: str = "auto"
    device: str = "auto"
    attn_implementation: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    chat_template: str | None = None
    batch_tokens: int | None = None


@dataclass
class Lazy:
    """A model that is found and checked at once, and loaded when it is first needed.

    Attributes:
        name: The path or hub id.
        settings: How it is loaded.
        tokenizer: Its tokenizer.
        fingerprint: Identifies the bytes of weights, configuration and tokenizer, and how they are loaded.
        max_length: Longest sequence it takes, in tokens; None when its config sets no limit.
        notes: What was learned about it in loading.
    """

    name: str
    settings: LoadSettings
    tokenizer: Any
    fingerprint: str
    max_length: int | None
    notes: tuple[str, ...] = ()
    _loaded: LanguageModel | None = None

    @classmethod
    def find(cls, name: str, settings: LoadSettings) -> Lazy:
        """Find a model.

        Raises:
            UptakeError: There is no such model, its weights are not safetensors, its tokenizer cannot be read, or there
                is no such device or dtype.
        """
        _require_dtype(settings.dtype)
        _device(settings.device)
        folder = local_folder(name, settings)
        weights = _weights(folder, name, settings)
        config = _config(weights, settings).get_text_config()
        limit = getattr(config, "max_position_embeddings", None)
        return cls(name, settings, load_tokenizer(name, settings), fingerprint(name, settings), limit)

    def load(self) -> LanguageModel:
        """The loaded model; raises as `load_model`."""
        if self._loaded is None:
            self._loaded = load_model(self.name, self.settings)
            self.notes = self._loaded.notes
        return self._loaded

    def release(self) -> None:
        """Make room for the next model."""
        self._loaded = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def load_model(name: str | Path, settings: LoadSettings | None = None) -> LanguageModel:
    """Load a causal language model and its tokenizer, and find out what the scoring engine may do with it.

    Args:
        name: A folder, or a hub id: full weights, or a PEFT adapter whose `adapter_config.json` names its base.
        settings: How.

    Raises:
        UptakeError: There is no such model, its weights are not safetensors, or it cannot be run as asked.
    """
    settings = settings or LoadSettings()
    _require_dtype(settings.dtype)
    device = _device(settings.device)
    model = _load(local_folder(str(name), settings), str(name), settings).to(device).eval()
    tokenizer = load_tokenizer(str(name), settings)
    config = model.config.get_text_config()
    window = _window(config)
    abilities = probe_abilities(model, min(config.vocab_size, len(tokenizer)), window)
    budget = BATCH_TOKENS.get(device.type, 16384)
    if not abilities.splits_head:  # then every position meets the vocabulary, and the logits are what fills the memory
        budget = min(budget, WHOLE_LOGITS // config.vocab_size)
    return LanguageModel(
        name=str(name),
        model=model,
        tokenizer=tokenizer,
        abilities=abilities,
        window=window,
        batch_tokens=settings.batch_tokens or budget,
    )


def local_folder(name: str, settings: LoadSettings) -> Path:
    """The folder that holds a model; from the hub, what is safe to fetch of it is fetched first.

    Raises:
        UptakeError: There is neither such a folder nor such a hub id.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UptakeError(
            f"there is no model folder {name}",
            expected="a folder with config.json and *.safetensors (or adapter_config.json), or a hub id",
            fix="check the path",
        )
    from huggingface_hub import snapshot_download

    patterns = [*FILES, "*.py"] if settings.trust_remote_code else FILES
    try:
        return Path(snapshot_download(name, revision=settings.revision, allow_patterns=patterns))
    except (OSError, ValueError) as error:  # the hub client's own errors are among these
        raise UptakeError(
            f"cannot get the model {name}: {type(error).__name__}: {str(error).splitlines()[0]}",
            expected="a folder, or the id of a model on the hub that you may read",
            fix="check the name; for a private model log in with `hf auth login`; offline, use one that is cached",
        ) from error


def load_tokenizer(name: str, settings: LoadSettings) -> Any:
    """The tokenizer in a model's folder; an adapter's base's, where the adapter brings none.

    Raises:
        UptakeError: There is none, or it cannot be read.
    """
    folder = local_folder(name, settings)
    if not any((folder / file).exists() for file in ("tokenizer_config.json", "tokenizer.json", "tokenizer.model")):
        base = _adapter_base(folder)
        if base is not None:
            return load_tokenizer(base, _of_base(settings))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    except Exception as error:  # the tokenizers library raises plain Exception for a file that it cannot read
        raise UptakeError(
            f"cannot load the tokenizer of {name}: {_first_line(error)}",
            fix="save the tokenizer beside the model: tokenizer.save_pretrained(FOLDER)",
        ) from error
    if settings.chat_template is not None:
        tokenizer.chat_template = settings.chat_template
    return tokenizer


def fingerprint(name: str, settings: LoadSettings) -> str:
    """Identifies what is computed with: the bytes of weights, configuration and tokenizer, and how they are loaded."""
    folder = local_folder(name, settings)
    files = sorted(path for path in folder.iterdir() if path.is_file() and any(path.match(p) for p in FILES))
    parts: list[object] = [[path.name, file_digest(path)] for path in files]
    base = _adapter_base(folder)
    if base is not None:
        parts.append(fingerprint(base, _of_base(settings)))
    how = (settings.dtype, settings.device, settings.attn_implementation, settings.chat_template)
    return digest(parts, how)


def _weights(folder: Path, name: str, settings: LoadSettings) -> Path:
    """The folder of the full weights: an adapter's base's, else the model's own; checked to hold safetensors.

    Raises:
        UptakeError: They are not there, or pickled.
    """
    base = _adapter_base(folder)
    wanted = "*.safetensors" if base is None else "adapter_model.safetensors"
    if not any(folder.glob(wanted)):
        found = sorted(path.name for path in folder.iterdir())[:8]
        raise UptakeError(
            f"no {wanted} in {name}: found {', '.join(found) or 'nothing'}",
            expected="weights saved as safetensors (pickled weights can run code, so they are not loaded)",
            fix="convert once: load it where you trust it, then model.save_pretrained(FOLDER)",
        )
    if base is None:
        return folder
    try:
        return _weights(local_folder(base, _of_base(settings)), base, settings)
    except UptakeError as error:
        raise UptakeError(
            f"the base of the adapter {name}: {error.problem}",
            expected=error.expected,
            fix=f"set base_model_name_or_path in {folder / 'adapter_config.json'} to where the base is",
        ) from error


def _config(folder: Path, settings: LoadSettings) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    except Exception as error:  # transformers raises almost anything for a folder that does not fit
        raise UptakeError(
            f"cannot read the configuration in {folder}: {_first_line(error)}",
            expected="config.json of a causal language model of transformers",
            fix="check config.json; pass --trust_remote_code true if you trust the code that ships with it",
        ) from error


def _load(folder: Path, name: str, settings: LoadSettings) -> Any:
    weights = _weights(folder, name, settings)
    options = {"attn_implementation": settings.attn_implementation} if settings.attn_implementation else {}
    try:
        with progress_bars(shown=False):
            model = AutoModelForCausalLM.from_pretrained(
                weights,
                config=_config(weights, settings),
                dtype=settings.dtype,
                use_safetensors=True,
                trust_remote_code=settings.trust_remote_code,
                **options,
            )
    except UptakeError:
        raise
    except Exception as error:  # transformers raises almost anything for weights that do not fit
        raise UptakeError(
            f"cannot load {weights}: {type(error).__name__}: {_first_line(error)}",
            expected="a causal language model of transformers with its weights",
            fix="check that the folder is complete",
        ) from error
    return model if weights == folder else _with_adapter(model, folder, name, settings)


def _with_adapter(model: Any, folder: Path, name: str, settings: LoadSettings) -> Any:
    """A PEFT adapter on its base; the base's embeddings are resized first where the adapter's tokenizer has grown."""
    from peft import PeftModel

    tokens = len(load_tokenizer(name, settings))
    if tokens > model.get_input_embeddings().weight.shape[0]:
        with torch.random.fork_rng(devices=[]):  # rows that the adapter does not bring are the same on every run
            torch.manual_seed(0)
            model.resize_token_embeddings(tokens, mean_resizing=False)
    try:
        adapted = PeftModel.from_pretrained(model, str(folder))
    except Exception as error:  # peft raises almost anything for an adapter that does not fit its base
        raise UptakeError(f"the adapter {name} does not fit its base: {_first_line(error)}") from error
    if adapted.active_peft_config.is_prompt_learning:
        raise UptakeError(f"{name} learns prompts", expected="LoRA or another adapter that changes weights")
    return adapted


def _of_base(settings: LoadSettings) -> LoadSettings:
    """The revision is the adapter's, not its base's."""
    return replace(settings, revision=None)


def _adapter_base(folder: Path) -> str | None:
    """What an adapter folder names as its base (relative paths are relative to the working folder, then to it)."""
    config = folder / "adapter_config.json"
    if not config.exists():
        return None
    fields = read_json(config)
    base = fields.get("base_model_name_or_path") if isinstance(fields, dict) else None
    if not base:
        raise UptakeError(f"{config} names no base model", fix="set base_model_name_or_path in it")
    beside = folder / base
    return str(beside) if not Path(base).is_dir() and beside.is_dir() else str(base)


def _require_dtype(name: str) -> None:
    dtype = getattr(torch, name, None)
    if name != "auto" and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise UptakeError(
            f"cannot use dtype {name!r}",
            expected="auto, or a floating-point dtype of torch: float32, bfloat16, float16",
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(found)
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        return device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UptakeError(f"cannot use device {name!r}: {_first_line(error)}", fix="--device auto, or cpu") from error


def _window(config: Any) -> int | None:
    """The shortest attention span among sliding windows and chunks; None when every layer sees everything."""
    if getattr(config, "use_sliding_window", True) is False:
        return None
    spans = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size", "window_size")]
    limits = [span for span in spans if span]
    return min(limits) if limits else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
