"""Sentence embeddings, by sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from uptake.artifacts import file_digest
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
            f"cannot load the sentence encoder {name}: {_told(error)}",
            expected="a folder or hub id of a sentence-transformers model with safetensors weights",
            fix="check embedding_model_name_or_path, or leave it out",
        ) from error

    def encode(texts: Sequence[str]) -> Float[np.ndarray, "texts dims"]:
        vectors: Float[np.ndarray, "texts dims"] = model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False
        )
        return vectors

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
