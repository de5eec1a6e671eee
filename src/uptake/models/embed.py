"""Sentence embeddings, and what follows from what, by sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from uptake.artifacts import file_digest
from uptake.errors import UptakeError

AT_ONCE = 32
"""Texts encoded at a time."""
KEPT = 50_000
"""Vectors that an encoder keeps of texts it was given before."""
TOKEN = 64
"""Characters of a token at most: text that lies further beyond the model's length is not even read."""


def sentence_encoder(name: str, device: str = "auto") -> Callable[[Sequence[str]], Float[np.ndarray, "texts dims"]]:
    """A function from texts to unit vectors.

    Args:
        name: A sentence-transformers model: a folder or a hub id.
        device: `auto`, or a torch device's name.

    Raises:
        UptakeError: There is no such model.
    """
    from sentence_transformers import SentenceTransformer

    try:
        model: Any = SentenceTransformer(
            name,
            device=None if device == "auto" else device,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except Exception as error:  # whatever a folder that is none raises
        raise UptakeError(
            f"cannot load the sentence encoder {name}: {_told(error)}",
            expected="a folder or hub id of a sentence-transformers model with safetensors weights",
            fix="check embedding_model_name_or_path, or leave it out",
        ) from error

    kept: dict[str, Float[np.ndarray, " dims"]] = {}
    longest = TOKEN * (model.max_seq_length or 0) or None

    def encode(texts: Sequence[str]) -> Float[np.ndarray, "texts dims"]:
        if not len(texts):
            return np.empty((0, _dimensions(model)), dtype=np.float32)
        missing = list(dict.fromkeys(text for text in texts if text not in kept))
        fresh: dict[str, Float[np.ndarray, " dims"]] = {}
        cut = [text[:longest] for text in missing]
        # of like length in tokens: sorted by characters, a quarter to a third of a batch is padding
        order = np.argsort(-_lengths(model, cut), kind="stable").tolist()
        for start in range(0, len(order), AT_ONCE):
            some = order[start : start + AT_ONCE]
            vectors = model.encode([cut[k] for k in some], normalize_embeddings=True, show_progress_bar=False)
            fresh |= {missing[k]: vector for k, vector in zip(some, vectors, strict=True)}
        found = np.stack([kept[text] if text in kept else fresh[text] for text in texts])
        for text in missing[: max(0, KEPT - len(kept))]:
            kept[text] = fresh[text]
        return found

    return encode


def _told(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    line = (str(error).strip().splitlines() or [""])[0][:300]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def encoder_content(name: str) -> object:
    """What a sentence encoder is known by: the bytes in a folder; of one of the hub its id and the commit fetched."""
    if Path(name).is_dir():
        files = sorted(path for path in Path(name).rglob("*") if path.is_file())
        return [(path.relative_to(name).as_posix(), file_digest(path)) for path in files]
    from huggingface_hub import try_to_load_from_cache

    # sentence-transformers looks for a name without an owner among its own
    found = try_to_load_from_cache(name if "/" in name else f"sentence-transformers/{name}", "config.json")
    return [name, Path(found).parent.name if isinstance(found, str) else None]


def _dimensions(model: Any) -> int:
    told = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension  # its older name
    return int(told())


def _lengths(model: Any, texts: Sequence[str]) -> Int[np.ndarray, " texts"]:
    """Tokens of each text; its characters where the model's own tokenizer does not tell."""
    tokenize = getattr(model, "preprocess", None) or model.tokenize  # before sentence-transformers 5.3
    found = np.array([len(text) for text in texts], dtype=np.int64)
    for start in range(0, len(texts), 16 * AT_ONCE):
        features = tokenize(list(texts[start : start + 16 * AT_ONCE]))
        if "attention_mask" not in features:
            return found
        found[start : start + 16 * AT_ONCE] = features["attention_mask"].sum(dim=1).cpu().numpy()
    return found


def entailment(name: str, device: str = "auto") -> Callable[[Sequence[tuple[str, str]]], Float[np.ndarray, "pairs 2"]]:
    """A function from pairs of texts to the probabilities that the first entails, and that it contradicts, the second.

    Args:
        name: A sentence-transformers cross-encoder for natural language inference: a folder or a hub id.
        device: `auto`, or a torch device's name.

    Raises:
        UptakeError: There is no such model, or it does not tell entailment and contradiction.
    """
    from sentence_transformers import CrossEncoder

    try:
        model: Any = CrossEncoder(
            name,
            device=None if device == "auto" else device,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
        labels = {str(label).casefold(): int(number) for number, label in model.config.id2label.items()}
    except Exception as error:  # whatever a folder that is none raises
        raise UptakeError(
            f"cannot load the cross-encoder {name}: {type(error).__name__}",
            expected="a folder or hub id of a sentence-transformers cross-encoder with safetensors weights",
            fix="check nli_model_name_or_path, or leave it out",
        ) from error
    if not {"entailment", "contradiction"} <= labels.keys():
        raise UptakeError(
            f"the cross-encoder {name} has the labels {', '.join(labels)}",
            expected="entailment and contradiction among them",
            fix="name a model for natural language inference, such as cross-encoder/nli-deberta-v3-small",
        )
    columns = [labels["entailment"], labels["contradiction"]]

    def infer(pairs: Sequence[tuple[str, str]]) -> Float[np.ndarray, "pairs 2"]:
        if not pairs:
            return np.empty((0, 2), dtype=np.float32)
        rows = model.predict([list(pair) for pair in pairs], apply_softmax=True, show_progress_bar=False)
        told: Float[np.ndarray, "pairs 2"] = np.asarray(rows, dtype=np.float32)[:, columns]
        return told

    return infer
