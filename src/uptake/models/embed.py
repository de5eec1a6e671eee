"""Sentence embeddings, and what follows from what, by sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from uptake.errors import UptakeError


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
            f"cannot load the sentence encoder {name}: {type(error).__name__}",
            expected="a folder or hub id of a sentence-transformers model with safetensors weights",
            fix="check embedding_model_name_or_path, or leave it out",
        ) from error

    def encode(texts: Sequence[str]) -> Float[np.ndarray, "texts dims"]:
        vectors: Float[np.ndarray, "texts dims"] = model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False
        )
        return vectors

    return encode


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
