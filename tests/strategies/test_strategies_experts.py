"""Adapters of several experts, and merging by layer: by hand, and from training to a loaded model."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from train_runs import LORA, write_run
from uptake.config import load_run
from uptake.errors import UptakeError
from uptake.models.places.gates import GATE, layers, route, weigh
from uptake.models.scoring.lazy import resolve
from uptake.models.scoring.live import around
from uptake.models.scoring.routing import experts_for
from uptake.models.scoring.rows import Scored
from uptake.models.training.adapters import beside
from uptake.models.training.hooks import StageView, chain
from uptake.models.training.memory import Memory
from uptake.models.training.pools import laid_out
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.models.training.start import with_new_adapter
from uptake.pipeline.train.run import train_run
from uptake.strategies.adapters.mixture import experts
from uptake.strategies.averaging.layer_merging import likeness, merged
from uptake.strategies.choose import choose

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def test_a_gate_weighs_experts_by_their_input():
    """Of x = (1, 2), A = 1 and B = (1, 10) two experts of one rank add 1 and 20. With G x = (0, ln 3) the softmax is
    (1/4, 3/4), so that 2 (1/4 · 1 + 3/4 · 20) = 30.5; with G = 0 it is their sum, 21."""
    layer: Any = SimpleNamespace(lora_A={"default": torch.nn.Linear(2, 2, bias=False)})
    later = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.lora_A["default"].weight.copy_(torch.eye(2))
        later.weight.copy_(torch.tensor([[1.0, 10.0]]))
        gate = weigh(layer, 2)
        x = torch.tensor([[1.0, 2.0]])
        assert later(layer.lora_A["default"](x)).item() == pytest.approx(21.0)
        gate.weight.copy_(torch.tensor([[0.0, 0.0], [math.log(3), 0.0]]))
        assert later(layer.lora_A["default"](x)).item() == pytest.approx(30.5)


def test_experts_fill_an_adapter():
    assert [experts(8, 2), experts(8, 8), experts(2, 4)] == [4, 1, 1]
    with pytest.raises(UptakeError, match=r"the adapter has rank 8, and strategy.mixture.ranks is 3") as told:
        experts(8, 3)
    assert told.value.fix == "set peft.r to 6, or mixture.ranks to another number"


def small() -> Any:
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=16, **shape)).eval()
    adapted = with_new_adapter(model, {"r": 2, "target_modules": ["q_proj"]})
    for layer in layers(adapted).values():
        torch.nn.init.normal_(layer.lora_B["default"].weight)
    return adapted


def test_a_prompt_goes_to_the_nearest_prototype_or_to_the_surest_expert():
    model = small()
    prompts = [[1, 2, 3], [4, 5], [6, 7, 8]]
    with torch.no_grad(), model.disable_adapter():
        ids = [torch.tensor([one]) for one in prompts]
        states = [model(input_ids=one, output_hidden_states=True).hidden_states[-1][0].mean(0) for one in ids]
    prototypes = torch.nn.functional.normalize(torch.stack([states[0], states[1]]), dim=1)
    routes = route(model, prototypes)
    near = [int((prototypes @ one).argmax()) for one in states]
    assert experts_for(model, routes, prompts) == near and near[:2] == [0, 1]
    routes.weight.zero_()
    sure = []
    for expert in (0, 1):
        routes.chosen = expert
        with torch.no_grad():
            sure.append([float(model(input_ids=one).logits[0, -1].softmax(-1).max()) for one in ids])
    assert experts_for(model, routes, prompts) == [int(one < other) for one, other in zip(*sure, strict=True)]


def test_routed_stages_answer_as_their_own_adapters_do(trainable: Path, tmp_path: Path):
    """Expert 0 of the joined adapter is the first stage's model, to the bit of a sum."""
    write_run(tmp_path, trainable, strategy={"routed": {}}, peft=LORA, ledger="off")
    config = load_run(tmp_path / "run.yaml")
    first, last = (one.folder for one in train_run(config))
    models = resolve(first), resolve(last)
    assert models[1].routes is not None and len(models[1].routes.weight) == 2
    prompts = [models[0].tokenizer(text)["input_ids"] for text in ("Person 1 was born in", "Person 3 lives in")]
    found = [one.score([[Scored([*ids, 7, 8], len(ids))] for ids in prompts]) for one in models]
    chosen = experts_for(models[1].model, models[1].routes, prompts)
    assert chosen == [0, 1]
    assert np.allclose(found[0][0][0], found[1][0][0], atol=1e-4)
    assert not np.allclose(found[0][1][0], found[1][1][0], atol=1e-4)
    assert models[1].generate([prompts[0]], [4]) == models[0].generate([prompts[0]], [4])


def test_gates_are_trained_saved_and_read_again(trainable: Path, tmp_path: Path):
    write_run(tmp_path, trainable, strategy={"mixture": {"ranks": 1}}, peft=LORA, ledger="off")
    trained = train_run(load_run(tmp_path / "run.yaml"))
    model = resolve(trained[-1].folder).model
    gates = {name: getattr(one, GATE)["default"].weight for name, one in layers(model).items()}
    assert gates and all(float(one.abs().max()) > 0 for one in gates.values())
    with pytest.raises(UptakeError, match="the former stage's adapter has gates"):
        beside(model, LORA)


def test_layers_in_which_rows_look_otherwise_go_back():
    """One layer keeps its states, the other turns (3, 4) into (0, 0): exp(-25/50). Weights go so far from 0 to 1."""
    then = torch.tensor([[[3.0, 4.0], [3.0, 4.0]]])
    now = torch.tensor([[[3.0, 4.0], [0.0, 0.0]]])
    share = likeness(then, now)
    assert share.tolist() == pytest.approx([1.0, math.exp(-0.5)])
    names = ("model.embed_tokens.weight", "model.layers.0.mlp.weight", "model.norm.weight")
    found = merged({name: torch.zeros(1) for name in names}, {name: torch.ones(1) for name in names}, share)
    assert [float(one) for one in found.values()] == pytest.approx([1.0, math.exp(-0.5), math.exp(-0.5)])


def test_layers_are_compared_on_rows_of_which_some_alone_have_weights(tmp_path: Path):
    """Beside `der` with `labels` the table of a stage has weights from the second stage on; the third reads both."""
    parts = {"layer_merging": {"rows": 2}, "der": {"share": 0.3, "labels": 0.5, "k": 3}}
    whole = chain({one.strategy.name: one.hooks() for one in choose(parts)})
    assert whole.data is not None and whole.begin is not None and whole.after_stage is not None
    model, memory = small(), Memory()
    score = around("0", model, list(range(16)))
    for number in range(3):
        own = table(Row(f"{number}-{k}", [1, 2 + k, 5], [NOT_TRAINED, NOT_TRAINED, 5]) for k in range(4))
        view = whole.data(StageView(number, str(number), 0, own, model=lambda: score), memory)
        rows, drawn = laid_out(view.rows, view.pools, 1)
        assert ("weight" in rows.schema.names) == (number > 0)
        view = replace(view, rows=rows, drawn=drawn, pools=())
        with torch.no_grad():
            whole.after_stage(model, view, whole.begin(model, view, memory), memory)
        memory.write(tmp_path / str(number))
        memory = Memory.read(tmp_path / str(number))
    kept = memory.of("layer_merging").table("2")
    assert kept is not None and len(kept) == 2
