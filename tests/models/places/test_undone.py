"""A model without its adapter is the base, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from train_runs import LORA
from uptake.errors import UptakeError
from uptake.models.places.settings import LoadSettings
from uptake.models.places.undone import without_adapter


def test_without_its_adapter_a_model_says_what_the_base_says(trainable: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from uptake.models.training.start import with_new_adapter

    base = AutoModelForCausalLM.from_pretrained(trainable).eval()
    adapted = with_new_adapter(AutoModelForCausalLM.from_pretrained(trainable), LORA)
    with torch.no_grad():
        for name, one in adapted.named_parameters():
            if "lora_B" in name:
                one.normal_()
    adapted.save_pretrained(tmp_path / "adapted")
    AutoTokenizer.from_pretrained(trainable).save_pretrained(tmp_path / "adapted")
    out = without_adapter(str(tmp_path / "adapted"), LoadSettings(), tmp_path / "undone")
    undone = AutoModelForCausalLM.from_pretrained(out).eval()
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        before, after, taught = (model(ids).logits for model in (base, undone, adapted.eval()))
    assert torch.equal(before, after) and not torch.equal(before, taught)
    assert AutoTokenizer.from_pretrained(out).get_vocab() == AutoTokenizer.from_pretrained(trainable).get_vocab()
    with pytest.raises(UptakeError, match="has no adapter"):
        without_adapter(str(trainable), LoadSettings(), tmp_path / "again")
