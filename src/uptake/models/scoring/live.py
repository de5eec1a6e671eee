"""The scoring engine around a model that is in memory: just loaded, or in training."""

from __future__ import annotations

from typing import Any

from uptake.errors import UptakeError
from uptake.models.places.gates import routes_of
from uptake.models.scoring.abilities import Abilities, probe_abilities
from uptake.models.scoring.hf import LanguageModel

BATCH_TOKENS = {"cpu": 1536, "cuda": 65536}
"""Padded input tokens a batch, unless the user says otherwise; halved whenever memory runs out.

On a processor, larger batches leave its cache: with 4M to 30M parameters 4096 took up to a tenth longer than 1536.
"""

WHOLE_LOGITS = 1 << 28
"""Most logits of a batch where the model gives them for every position: 1 GiB in float32."""


def around(
    name: str,
    model: Any,
    tokenizer: Any,
    *,
    batch_tokens: int | None = None,
    remarks: tuple[str, ...] = (),
    abilities: Abilities | None = None,
) -> LanguageModel:
    """Let the scoring engine use a model in memory; what it can do is found out by trying.

    Args:
        name: What errors call it.
        model: A transformers or PEFT model, in evaluation mode.
        tokenizer: Its tokenizer.
        batch_tokens: Padded input tokens a batch; None for the device's default.
        remarks: What was noticed in loading it; they join its notes.
        abilities: What it can do, where that is known; None finds out.

    Raises:
        UptakeError: There is no tokenizer.
    """
    if tokenizer is None:
        raise UptakeError(f"{name} comes without a tokenizer", fix="give the trainer `processing_class=tokenizer`")
    config = model.config.get_text_config()
    window = attention_window(config)
    abilities = abilities or probe_abilities(model, min(config.vocab_size, len(tokenizer)), window)
    budget = BATCH_TOKENS.get(model.device.type, 16384)
    if not abilities.splits_head:  # then every position meets the vocabulary, and the logits are what fills the memory
        budget = min(budget, WHOLE_LOGITS // config.vocab_size)
    return LanguageModel(name, model, tokenizer, abilities, window, batch_tokens or budget, remarks, routes_of(model))


def attention_window(config: Any) -> int | None:
    """The shortest attention span among sliding windows and chunks; None when every layer sees everything."""
    if getattr(config, "use_sliding_window", True) is False:
        return None
    spans = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size", "window_size")]
    limits = [span for span in spans if span]
    return min(limits) if limits else None
