"""Sentence embeddings, by sentence-transformers."""

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
