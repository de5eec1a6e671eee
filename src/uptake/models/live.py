"""The scoring engine around a model that is in memory already, such as one in training."""

from __future__ import annotations

from typing import Any

from uptake.errors import UptakeError
from uptake.models.forward import probe_abilities
from uptake.models.hf import LanguageModel
from uptake.models.load import BATCH_TOKENS, WHOLE_LOGITS, _window


def around(name: str, model: Any, tokenizer: Any) -> LanguageModel:
    """Let the scoring engine use a model in memory; what it can do is found out by trying.

    Args:
        name: What errors call it.
        model: A transformers or PEFT model, in evaluation mode.
        tokenizer: Its tokenizer.

    Raises:
        UptakeError: There is no tokenizer.
    """
    if tokenizer is None:
        raise UptakeError(f"{name} comes without a tokenizer", fix="give the trainer `processing_class=tokenizer`")
    config = model.config.get_text_config()
    window = _window(config)
    abilities = probe_abilities(model, min(config.vocab_size, len(tokenizer)), window)
    budget = BATCH_TOKENS.get(model.device.type, 16384)
    if not abilities.splits_head:
        budget = min(budget, WHOLE_LOGITS // config.vocab_size)
    return LanguageModel(name, model, tokenizer, abilities, window, budget)
