"""A base and the adapters on it are read once, and score as they do when each is read by itself, to the bit."""

from __future__ import annotations

import copy
import gc
import json
import warnings
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from sharp import groups_of, sharp_model, tokenizer_of
from uptake.models import Heritable, hand_over
from uptake.models.places import leftover
from uptake.models.places.settings import LoadSettings
from uptake.models.scoring.lazy import Lazy, resolve
from uptake.models.small.tiny import save
from uptake.pipeline.diagnose.run import diagnose

CPU = LoadSettings(device="cpu")
GROUPS = groups_of(4)
LAYERS = ["q_proj", "v_proj"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder, tokenizer = tmp_path_factory.mktemp("models") / "base", tokenizer_of()
    save(sharp_model("llama", tokenizer), tokenizer, folder)
    return folder


@pytest.fixture
def reads(monkeypatch):
    """The folders that full weights are read from."""
    found, inner = [], leftover.full_weights

    def read(place, settings):
        found.append(place.weights)
        return inner(place, settings)

    monkeypatch.setattr(leftover, "full_weights", read)
    return found


def put_on(folder, out, config, *, rows=None, seed=0):
    """An adapter of random weights on the model in a folder, saved to `out`."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(folder)
    if rows is not None:
        model.resize_token_embeddings(rows, mean_resizing=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        adapted = peft.get_peft_model(model, copy.deepcopy(config))
    with torch.no_grad():
        for _, weight in adapted.named_parameters():
            if weight.requires_grad:
                weight.add_(0.3 * torch.randn(weight.shape))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting `save_embedding_layers`", UserWarning)
        adapted.save_pretrained(out)
    return out


def said(model):
    """What a loaded model scores and writes."""
    scores = [one for group in model.score(GROUPS) for one in group]
    return np.concatenate(scores, axis=1), model.generate([group[0].ids[:3] for group in GROUPS], [5] * len(GROUPS))


def same(some, other):
    return np.array_equal(some[0], other[0]) and some[1] == other[1]


def in_turns(*names):
    """What each model says, when each hands over to the next; the last one is released."""
    models = [Lazy.find(str(name), CPU) for name in dict.fromkeys(names)]
    turns = [next(one for one in models if one.name == str(name)) for name in names]
    found = []
    for number, one in enumerate(turns):
        found.append(said(one.load()))
        if number + 1 < len(turns):
            hand_over(one, turns[number + 1])
    turns[-1].release()
    return found


LORA = {"r": 4, "lora_alpha": 8, "target_modules": LAYERS, "task_type": "CAUSAL_LM"}
UNDONE = {
    "plain": peft.LoraConfig(**LORA),
    "DoRA": peft.LoraConfig(**LORA, use_dora=True),
    "embeddings too": peft.LoraConfig(**LORA | {"target_modules": [*LAYERS, "embed_tokens"]}),
    "some tokens": peft.LoraConfig(**LORA, trainable_token_indices=[5, 9]),
    "IA3": peft.IA3Config(
        target_modules=[*LAYERS, "down_proj"], feedforward_modules=["down_proj"], task_type="CAUSAL_LM"
    ),
    "LoHa": peft.LoHaConfig(r=4, target_modules=LAYERS, task_type="CAUSAL_LM"),
}
LEFT_IN = {  # peft takes the layers off, and leaves the modules that were trained as a whole in the base's place
    "the head as a whole": peft.LoraConfig(**LORA, modules_to_save=["lm_head"]),
    "embeddings and head as a whole": peft.LoraConfig(**LORA, modules_to_save=["embed_tokens", "lm_head"]),
}


@pytest.mark.parametrize("kind", [*UNDONE, *LEFT_IN])
def test_base_and_adapter_are_one_set_of_weights(kind, base, tmp_path, reads):
    adapter = put_on(base, tmp_path / "adapter", {**UNDONE, **LEFT_IN}[kind])
    apart = said(resolve(base, CPU)), said(resolve(adapter, CPU))
    assert not same(*apart)
    reads.clear()
    before, tuned, after, again = in_turns(base, adapter, base, adapter)
    assert same(before, apart[0]) and same(after, apart[0])
    assert same(tuned, apart[1]) and same(again, apart[1])
    assert reads == [base] * (2 if kind in LEFT_IN else 1)


def test_an_adapter_is_followed_by_another_and_by_the_base(base, tmp_path, reads):
    first = put_on(base, tmp_path / "first", UNDONE["plain"])
    second = put_on(base, tmp_path / "second", UNDONE["DoRA"], seed=1)
    apart = [said(resolve(one, CPU)) for one in (first, second, base)]
    reads.clear()
    assert all(same(*both) for both in zip(in_turns(first, second, base), apart, strict=True))
    assert reads == [base]


@pytest.mark.parametrize("how", ["pissa", "olora", True])
def test_an_adapter_that_changes_its_base_is_put_on_weights_of_its_own(how, base, tmp_path, reads):
    """PiSSA and OLoRA take what they begin with out of the base's weights, when they are put on."""
    adapter = put_on(base, tmp_path / "adapter", peft.LoraConfig(**LORA, init_lora_weights=how))
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "init_lora_weights": how}))
    apart = said(resolve(base, CPU)), said(resolve(adapter, CPU))
    reads.clear()
    before, tuned, after = in_turns(base, adapter, base)
    assert same(before, apart[0]) and same(tuned, apart[1]) and same(after, apart[0])
    assert reads == [base] * (1 if how is True else 3)


def test_a_base_that_gets_rows_for_more_tokens_is_read_anew(base, tmp_path, reads):
    adapter = put_on(
        base, tmp_path / "adapter", peft.LoraConfig(**LORA, modules_to_save=["embed_tokens", "lm_head"]), rows=384
    )
    apart = said(resolve(base, CPU)), said(resolve(adapter, CPU))
    reads.clear()
    before, tuned, after = in_turns(base, adapter, base)
    assert same(before, apart[0]) and same(tuned, apart[1]) and same(after, apart[0])
    assert reads == [base] * 3


def test_what_was_merged_is_read_anew(base, tmp_path, reads):
    adapter = put_on(base, tmp_path / "adapter", UNDONE["plain"])
    apart = said(resolve(base, CPU))
    reads.clear()
    first, tuned = Lazy.find(str(base), CPU), Lazy.find(str(adapter), CPU)
    tuned.load().model.merge_adapter()
    hand_over(tuned, first)
    assert same(said(first.load()), apart)
    assert reads == [base, base]


@pytest.mark.parametrize("other", [{"dtype": "bfloat16"}, {"attn_implementation": "eager"}])
def test_weights_that_are_loaded_otherwise_are_not_shared(other, base, tmp_path, reads):
    adapter = put_on(base, tmp_path / "adapter", UNDONE["plain"])
    first, tuned = Lazy.find(str(base), CPU), Lazy.find(str(adapter), replace(CPU, **other))
    first.load()
    hand_over(first, tuned)
    tuned.load()
    assert reads == [base, base]


def test_a_model_that_is_not_loaded_passes_on_what_it_was_left(base, tmp_path, reads):
    adapter = put_on(base, tmp_path / "adapter", UNDONE["plain"])
    first, tuned = Lazy.find(str(base), CPU), Lazy.find(str(adapter), CPU)
    assert isinstance(first, Heritable)
    kept = weakref.ref(first.load().model)
    hand_over(first, tuned)  # it has answered all before, say, and is not asked
    hand_over(tuned, first)
    assert first.load().model is kept()
    hand_over(first, tuned)
    tuned.release()
    gc.collect()
    assert kept() is None
    assert reads == [base]


def test_a_diagnosis_reads_the_weights_once(small, tmp_path: Path, reads):
    rows = [json.loads(line) for line in small.train.read_text().splitlines()][4:10]
    data = tmp_path / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    adapter = put_on(small.base, tmp_path / "adapter", UNDONE["plain"])
    done = diagnose(base=small.base, tuned=adapter, dataset=data, output_dir=tmp_path / "out")
    assert any(not one.learned for one in done)
    assert reads == [small.base]
