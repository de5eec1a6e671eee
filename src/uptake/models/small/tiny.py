"""A small language model from scratch: its own tokenizer, any causal architecture of transformers, next-token training.

For demos, tests and benchmarks, where a real base model would be too large or already know the answers.
"""

from __future__ import annotations

import difflib
import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from uptake.errors import UptakeError
from uptake.models.places.directory import new_directory, require_new
from uptake.models.places.quiet import progress_bars
from uptake.models.small.pretrain import PretrainSettings, Progress, pretrain

__all__ = [
    "CHATML",
    "PretrainSettings",
    "Progress",
    "build_model",
    "pretrain",
    "pretrain_file",
    "read_documents",
    "save",
    "train_tokenizer",
]

EOS = "<|endoftext|>"
PAD = "<|pad|>"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""A chat template for `train_tokenizer`: turns between `<|im_start|>` and `<|im_end|>`."""

_CHATML_TOKENS = ("<|im_start|>", "<|im_end|>")
_FROM_TOKENIZER = ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")
_BYTES = pre_tokenizers.ByteLevel.alphabet()


def pretrain_file(
    text: Path,
    out: Path,
    *,
    model_type: str = "llama",
    vocab_size: int = 4096,
    settings: PretrainSettings | None = None,
    progress: Callable[[Progress], None] | None = None,
    config: Mapping[str, Any] | None = None,
) -> tuple[Progress, ...]:
    """Make a model from a text file, one document a line: train a tokenizer, build, pre-train, save.

    Args:
        text: UTF-8 file.
        out: Directory to create.
        model_type: As in `build_model`.
        vocab_size: As in `train_tokenizer`.
        settings: How to pre-train; its seed also draws the initial weights.
        progress: Called with each report.
        config: Further arguments of `build_model`.

    Returns:
        The reports, in order.

    Raises:
        UptakeError: `out` exists, the text cannot be read or is empty, or a setting cannot be used.
    """
    settings = settings or PretrainSettings()
    require_new(out)
    texts = read_documents(text)
    tokenizer = train_tokenizer(texts, vocab_size)
    model = build_model(model_type, tokenizer, settings.seed, **(config or {}))
    history = pretrain(model, tokenizer, texts, settings, progress)
    save(model, tokenizer, out)
    return history


def read_documents(path: Path) -> list[str]:
    """Read the documents of a UTF-8 text file: its lines, without the blank ones.

    Raises:
        UptakeError: The file is missing, not UTF-8, or has no text.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UptakeError(
            f"{path} is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start}",
            expected="text in UTF-8, one document a line",
            fix=f"convert it: iconv -f latin1 -t utf-8 {path.name}, with the encoding it has",
        ) from None
    except OSError as error:
        raise UptakeError(
            f"cannot read {path}: {error.strerror}", expected="a text file, one document a line"
        ) from None
    documents = [line.strip() for line in lines if line.strip()]
    if not documents:
        raise UptakeError(f"{path} has no text", expected="at least one line that is not blank")
    return documents


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, *, chat_template: str | None = None
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer: it encodes any text, without an unknown token, and adds no token by itself.

    The same texts give the same tokenizer. The vocabulary may come out smaller when the texts hold too few pairs.

    Args:
        texts: What to learn the merges from.
        vocab_size: Number of tokens, with the 256 bytes and the special tokens.
        chat_template: A Jinja template (`CHATML`, say); the ChatML tokens are added if it mentions them.

    Raises:
        UptakeError: The vocabulary has no room for the bytes and special tokens, or there is no text.
    """
    specials = [EOS, PAD, *(token for token in _CHATML_TOKENS if chat_template and token in chat_template)]
    smallest = len(_BYTES) + len(specials)
    if vocab_size < smallest:
        raise UptakeError(
            f"vocab_size is {vocab_size}",
            expected=f"at least {smallest}: {len(_BYTES)} bytes and {len(specials)} special tokens",
            fix="give --vocab_size 1024 or more",
        )
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    # sorted: the alphabet comes as a set, and its order would become the bytes' ids
    trainer = BpeTrainer(
        vocab_size=vocab_size, special_tokens=specials, initial_alphabet=sorted(_BYTES), show_progress=False
    )
    bpe.train_from_iterator(_not_empty(texts), trainer=trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=EOS, pad_token=PAD, clean_up_tokenization_spaces=False, padding_side="right"
    )
    tokenizer.chat_template = chat_template
    return tokenizer


def build_model(
    model_type: str | Path, tokenizer: PreTrainedTokenizerFast, seed: int, **config: Any
) -> PreTrainedModel:
    """Build a causal language model with random weights, in float32 on the CPU.

    By default 2 layers of width 128 with 4 heads, 1024 positions and no dropout, whatever the architecture calls them.

    Args:
        model_type: An architecture of transformers (`llama`, `qwen3`, `gpt2`, ...), or the path of a JSON file like a
            model's `config.json`, which replaces the defaults.
        tokenizer: Gives the vocabulary's size and the special tokens.
        seed: Draws the weights; the global random state is left as it was.
        **config: Fields of the architecture's configuration; `hidden_size`, `num_hidden_layers`,
            `num_attention_heads`, `max_position_embeddings` work for all that have such a thing.

    Raises:
        UptakeError: The architecture or a field is unknown, or the values do not fit together.
    """
    is_file = Path(model_type).suffix == ".json"
    fields = _read_config(Path(model_type)) if is_file else {}
    name = fields.pop("model_type", "") if is_file else str(model_type)
    try:
        # constructed, not only looked up: the fields of a configuration are known from an instance alone
        known = AutoConfig.for_model(name)
    except ValueError:
        raise UptakeError(
            f"unknown model_type {name!r}",
            expected="an architecture of the installed transformers: llama, qwen3, mistral, gemma2, gpt2, olmo2, ...",
        ) from None
    fields, config = _own_names(known, fields), _own_names(known, _checked(known, config))
    vocabulary = (len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            fields = (fields if is_file else _tiny_fields(known, config)) | config
            fields |= zip(_FROM_TOKENIZER, vocabulary, strict=True)
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **fields), dtype=torch.float32)
        except Exception as error:  # every architecture checks its fields in its own way
            raise UptakeError(
                f"cannot build a {name} model: {textwrap.shorten(str(error), 300) or type(error).__name__}",
                expected="a causal language model of transformers, and fields that fit together",
                fix=f"mend these: {', '.join(sorted(config)) or 'model_type'}",
            ) from error
    _require_causal(model)
    return model


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Save model and tokenizer as a directory that transformers loads; it is there complete or not at all.

    Raises:
        UptakeError: `out` exists.
    """
    with new_directory(out) as directory, progress_bars(shown=False):
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)


def _not_empty(texts: Iterable[str]) -> Iterator[str]:
    empty = True
    for text in texts:
        empty = empty and not text.strip()
        yield text
    if empty:
        raise UptakeError("there is no text to learn from", expected="at least one document that is not blank")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="a JSON file like a model's config.json") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("model_type"), str):
        raise UptakeError(f"{path} names no model_type", expected='an object like {"model_type": "llama", ...}')
    # what says where the file came from, not what the model is; auto_map would point at code outside transformers
    outside = ("auto_map", "architectures", "transformers_version", "_name_or_path", "dtype", "torch_dtype")
    return {name: value for name, value in fields.items() if name not in outside}


def _checked(known: Any, config: Mapping[str, Any]) -> Mapping[str, Any]:
    names = sorted({*known.to_dict(), *known.attribute_map})
    for field in config:
        if field in _FROM_TOKENIZER:
            raise UptakeError(f"{field} cannot be set: it comes from the tokenizer", fix=f"leave {field} out")
        if field not in names:
            close = difflib.get_close_matches(field, names, n=3)
            raise UptakeError(
                f"{known.model_type} has no field {field!r}",
                expected=f"one of its configuration's: {', '.join(close or names)}",
            )
    return config


def _own_names(known: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """GPT-2 calls its `hidden_size` `n_embd`: given both, an alias and a name would compete."""
    return {known.attribute_map.get(name, name): value for name, value in fields.items()}


def _require_causal(model: PreTrainedModel) -> None:
    """Refuse an architecture whose tokens see the next ones (BERT's): its training loss would mean nothing."""
    with torch.inference_mode():
        logits = model.eval()(input_ids=torch.tensor([[0, 1, 2], [0, 1, 3]])).logits[:, 0]
    if not torch.allclose(logits[0], logits[1], atol=1e-4):
        raise UptakeError(
            f"{model.config.model_type} is not causal as configured: a token sees the ones after it",
            expected="a causal language model",
            fix="choose another model_type, or set is_decoder to true if it has that field",
        )


def _tiny_fields(known: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """The small shape, in those fields that this architecture has, around what the user set."""

    def given(name: str, default: int) -> Any:
        return config.get(known.attribute_map.get(name, name), default)

    width, heads = given("hidden_size", 128), given("num_attention_heads", 4)
    head_dim = given("head_dim", width // heads)
    shape = {
        "hidden_size": width,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": head_dim,
        "query_pre_attn_scalar": head_dim,
        "intermediate_size": 2 * width,
        "ffn_dim": 2 * width,
        "word_embed_proj_dim": width,
        "moe_intermediate_size": width // 2,
        "num_experts": 4,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "max_position_embeddings": 1024,
        "attention_types": [[["global"], given("num_hidden_layers", 2)]],  # of GPT-Neo: one per layer
    }
    # dropout: a small model on little text fits too little, not too much
    shape |= {name: 0.0 for name, value in known.to_dict().items() if "drop" in name and isinstance(value, float)}
    return _own_names(known, {name: value for name, value in shape.items() if hasattr(known, name)})
