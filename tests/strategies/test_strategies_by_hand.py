"""What single strategies compute, against other libraries and calculations by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from train_runs import LORA, weights
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.models.places.gates import layers
from uptake.models.training.adapters import beside, join, require_plain
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, chain
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.models.training.pools import laid_out
from uptake.models.training.rows import NOT_TRAINED, Row, counts, table
from uptake.models.training.start import with_new_adapter
from uptake.pipeline.train.run import train_run
from uptake.strategies.choose import choose
from uptake.strategies.distillation.lwf import divergence
from uptake.strategies.projection.agem import project
from uptake.strategies.replay.replay import sample

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def hooks_of(name: str, **settings: Any) -> Hooks:
    [chosen] = choose({name: settings})
    return chosen.hooks()


def of_model(model: Any) -> Batch:
    """A batch of no rows: only its model is asked for."""
    return Batch(SimpleNamespace(model=model), {}, rows_of(0), None, 0)


def rows_of(n: int, length: int = 4, first: int = 0) -> pa.Table:
    ids = [NOT_TRAINED, *range(2, length + 1)]
    return table(Row(f"r-{first + k}", [1, *range(2, length + 1)], ids) for k in range(n))


def test_agem_takes_out_what_points_against_the_memory():
    """g = (3, -2 | 1), ḡ = (1, 2 | -3): g·ḡ = -4, ḡ·ḡ = 14, so that g - (-4/14) ḡ = (23, -10 | 1) / 7."""
    model = torch.nn.ParameterDict({"a": torch.zeros(2), "b": torch.zeros(1)})
    some, other, batch = model["a"], model["b"], of_model(model)
    some.grad, other.grad = torch.tensor([3.0, -2.0]), torch.tensor([1.0])
    memory = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([-3.0])}
    project(batch, memory)
    assert torch.allclose(some.grad, torch.tensor([23.0, -10.0]) / 7)
    assert torch.allclose(other.grad, torch.tensor([1.0]) / 7)
    before = some.grad.clone()
    project(batch, memory)  # now at a right angle
    assert torch.allclose(some.grad, before, atol=1e-6)
    some.grad, other.grad = torch.tensor([1.0, 1.0]), torch.tensor([0.0])  # along it: nothing is taken
    project(batch, memory)
    assert some.grad.tolist() == [1.0, 1.0]


def test_lwf_over_the_whole_vocabulary_is_torchs_divergence():
    torch.manual_seed(0)
    former, now = torch.randn(5, 7).log_softmax(-1), torch.randn(5, 7)
    ids = former.topk(7, dim=-1).indices
    found = divergence(former.gather(1, ids), ids, now)
    wanted = torch.nn.functional.kl_div(now.log_softmax(-1), former, log_target=True, reduction="none").sum(-1)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_lwf_takes_all_other_tokens_together():
    """As torch's divergence over the k tokens and one more, whose probability is what is left of 1."""
    torch.manual_seed(1)
    former, now = torch.randn(5, 9).log_softmax(-1), torch.randn(5, 9)
    top = former.topk(3, dim=-1)
    others = [1 - part.gather(1, top.indices).exp().sum(-1, keepdim=True) for part in (former, now.log_softmax(-1))]
    coarse = [
        torch.cat([part.gather(1, top.indices), rest.log()], dim=1)
        for part, rest in zip((former, now.log_softmax(-1)), others, strict=True)
    ]
    wanted = torch.nn.functional.kl_div(coarse[1], coarse[0], log_target=True, reduction="none").sum(-1)
    assert torch.allclose(divergence(top.values, top.indices, now), wanted, atol=1e-6)


def test_lwf_is_quiet_where_both_models_are_sure():
    """The k tokens have all but 1e-9 of the probability: 1 - sum would be noise, and so would its gradient."""
    former = torch.full((1, 8), -30.0).index_fill(1, torch.tensor([2]), 0.0).log_softmax(-1)
    now = (former + 0.5 * torch.arange(8.0)).detach().requires_grad_()
    top = former.topk(3, dim=-1)
    divergence(top.values, top.indices, now).sum().backward()
    assert now.grad is not None and float(now.grad.abs().max()) < 1e-5


def test_ema_is_the_average_that_one_writes_down():
    """θ̄ after the values 1, 2, 4 from 0, with β = ½: ((0·½ + 1·½)·½ + 2·½)·½ + 4·½ = 2.625."""
    hooks = hooks_of("ema", beta=0.5)
    assert hooks.begin and hooks.after_step and hooks.after_stage and hooks.moves
    model = torch.nn.Linear(1, 1, bias=False)
    view, memory = StageView(0, "s", 0, rows_of(1)), Memory()
    with torch.no_grad():
        model.weight.fill_(0.0)
        state = hooks.begin(model, view, memory)
        for step, value in enumerate((1.0, 2.0, 4.0)):
            model.weight.fill_(value)
            hooks.after_step(model, step + 1, state)
        hooks.after_stage(model, view, state, memory)
    assert model.weight.item() == 2.625


def test_ema_of_half_precision_is_kept_in_single_precision():
    """A thousandth of a difference is below what bfloat16 can add to 1."""
    hooks = hooks_of("ema", beta=0.999)
    assert hooks.begin and hooks.after_step
    model = torch.nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    with torch.no_grad():
        model.weight.fill_(1.0)
        state = hooks.begin(model, StageView(0, "s", 0, rows_of(1)), Memory())
        model.weight.fill_(2.0)
        for step in range(100):
            hooks.after_step(model, step + 1, state)
    assert state["weight"].item() == pytest.approx(2 - 0.999**100, rel=1e-5)


def test_replay_has_its_share_of_the_tokens(tmp_path: Path):
    """100 rows of 4 tokens, share 0.2: 100 tokens more, from rows of 5 tokens: 20 rows.

    100 rows of both stages are 5 epochs of 20: in them each comes once.
    """
    memory = Memory()
    memory.keep("0", rows_of(50, 5))
    memory.keep("1", rows_of(50, 5, first=100))
    memory.write(tmp_path)
    view = StageView(2, "s", 0, rows_of(100, 4, first=500))
    hooks = hooks_of("replay", share=0.2)
    assert hooks.data is not None
    found = hooks.data(view, Memory.read(tmp_path))
    assert found.rows is view.rows
    rows, drawn = laid_out(found.rows, found.pools, 6)
    assert drawn is not None and drawn.always == 100 and rows.slice(0, 100)["id"].equals(view.rows["id"])
    epochs = [rows.take(some) for some in drawn.epochs]
    for more in epochs:
        assert counts(more)[0] == 100 and more["kind"].to_pylist() == ["replayed"] * 20
    assert len({name for more in epochs[:5] for name in more["id"].to_pylist()}) == 100
    again = laid_out(view.rows, hooks.data(view, Memory.read(tmp_path)).pools, 6)
    assert again[1] == drawn and again[0].equals(rows)
    other = laid_out(view.rows, hooks.data(replace(view, seed=1), Memory.read(tmp_path)).pools, 6)[1]
    assert other is not None and other.epochs[0] != drawn.epochs[0]
    assert hooks.data(StageView(0, "s", 0, view.rows), Memory()).pools == ()


def test_what_is_kept_are_own_rows_without_what_a_model_said():
    rows = noted(rows_of(6), kind=[None, "replayed", None, "replayed", None, None], top_ids=[[1]] * 6, source=["s"] * 6)
    kept = sample(StageView(1, "s", 0, rows), 10)
    assert kept["id"].to_pylist() == ["r-0", "r-2", "r-4", "r-5"]
    assert kept.schema.names == ["id", "input_ids", "labels", "source"]
    assert len(sample(StageView(1, "s", 0, rows), 3)) == 3


def test_chained_methods_have_a_part_of_state_and_memory_each(tmp_path: Path):
    def method(value: float) -> Hooks:
        def begin(model: Any, stage: StageView, memory: Memory) -> dict[str, torch.Tensor]:
            return {"x": torch.tensor(value)}

        def after_step(model: Any, step: int, state: dict[str, torch.Tensor]) -> None:
            assert state.keys() == {"x"}
            state["x"].mul_(10)

        def after_stage(model: Any, stage: StageView, state: dict[str, torch.Tensor], memory: Memory) -> None:
            memory.keep("x", dict(state))

        return Hooks(Needs(weights=value > 1), begin=begin, after_step=after_step, after_stage=after_stage)

    whole = chain({"a": method(1.0), "ab": method(2.0), "idle": Hooks()})
    assert whole.begin and whole.after_step and whole.after_stage
    assert whole.needs == Needs(weights=True) and whole.loss is whole.data is whole.adapt is whole.gradient is None
    view, memory = StageView(0, "s", 0, rows_of(1)), Memory()
    state = whole.begin(None, view, memory)
    assert {name: float(tensor) for name, tensor in state.items()} == {"a.x": 1.0, "ab.x": 2.0}
    whole.after_step(None, 1, state)
    whole.after_stage(None, view, state, memory)
    memory.write(tmp_path)
    read = Memory.read(tmp_path)
    kept = {name: read.of(name).tensors("x") for name in ("a", "ab", "b")}
    assert {name: None if one is None else float(one["x"]) for name, one in kept.items()} == {
        "a": 10.0, "ab": 20.0, "b": None,
    }  # fmt: skip


@pytest.fixture
def adapted(trainable: Path) -> Any:
    """The small model with an adapter that is not nothing, frozen beside a new one that is not nothing."""
    import transformers

    torch.manual_seed(0)
    model = with_new_adapter(transformers.AutoModelForCausalLM.from_pretrained(trainable), LORA | {"lora_alpha": 6})
    for layer in layers(model).values():
        torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.2)
    model = beside(model, LORA)
    for layer in layers(model).values():
        torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.2)
    return model.eval()


def test_oloras_penalty_is_the_one_of_the_paper(adapted: Any):
    """Equation 8 of arXiv 2310.14152: the sum over all entries of (A_s Aᵀ)², here by numpy."""
    hooks = hooks_of("olora", strength=0.7)
    assert hooks.loss is not None
    batch = of_model(adapted)
    pairs = [
        (layer.earlier_A.numpy(), layer.lora_A["default"].weight.detach().numpy()) for layer in layers(adapted).values()
    ]
    assert len(pairs) == 2
    wanted = 0.7 * sum(float(((old @ new.T) ** 2).sum()) for old, new in pairs)
    assert float(hooks.loss(batch, {}).detach()) == pytest.approx(wanted, rel=1e-5)


def test_the_joined_adapter_on_the_base_says_what_the_model_said(adapted: Any, trainable: Path, tmp_path: Path):
    import peft
    import transformers

    ids = torch.arange(12).view(2, 6)
    with torch.no_grad():
        wanted = adapted(ids).logits
        join(adapted)
        adapted.save_pretrained(tmp_path)
        base = transformers.AutoModelForCausalLM.from_pretrained(trainable)
        loaded = peft.PeftModel.from_pretrained(base, str(tmp_path)).eval()
        assert torch.allclose(loaded(ids).logits, wanted, atol=1e-5)
        with loaded.disable_adapter():
            assert not torch.allclose(loaded(ids).logits, wanted, atol=1e-2)
    assert loaded.peft_config["default"].r == 4


@pytest.mark.parametrize("more", [{"use_dora": True}, {"rank_pattern": {"q_proj": 4}}, {"init_lora_weights": "pissa"}])
def test_adapters_that_cannot_be_joined_are_refused(more: dict[str, Any]):
    with pytest.raises(UptakeError, match=f"the strategy olora cannot join adapters that have {next(iter(more))}"):
        require_plain("olora", LORA | more)
    require_plain("olora", LORA | {"use_rslora": True, "lora_dropout": 0.1, "use_dora": False})


def test_olora_after_a_plain_stage_keeps_what_that_one_learned(run_config: Callable[..., RunConfig]):
    """The first stage's adapter is a part of the second one's, whatever trained it."""
    stages = [
        {"name": "early", "dataset": "./early.jsonl", "num_train_epochs": 1},
        {"name": "main", "dataset": "./main.jsonl", "num_train_epochs": 1, "strategy": "olora"},
    ]
    config = run_config(stages=stages, peft=LORA)
    train_run(config)
    early, main = (weights(config.output_dir / "train" / name) for name in ("early", "main"))
    for name, value in early.items():
        joined = main[name][:2] if "lora_A" in name else main[name][:, :2]
        scale = 1.0 if "lora_A" in name else 4.0  # peft's lora_alpha is 8, and r 2
        assert torch.allclose(joined, value * scale, atol=1e-6)
        assert main[name].shape == tuple(np.add(value.shape, (2, 0) if "lora_A" in name else (0, 2)))


@pytest.mark.parametrize("names", [("filter", "plain", "stop", "average"), ("average", "stop", "plain", "filter")])
def test_who_arranges_and_who_reads_the_weights_does_not_hang_on_the_order(names: tuple[str, ...]):
    """What filters arranges last, what sets rows aside first; the saved weights are there before others read them."""
    called: list[str] = []

    def method(name: str) -> Hooks:
        def data(stage: StageView, memory: Memory) -> StageView:
            called.append(name)
            return stage

        def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
            called.append(name)

        flags = {"stops": name == "stop", "filters": name == "filter", "moves": name == "average"}
        return Hooks(data=None if name == "average" else data, after_stage=after_stage, **flags)

    whole = chain({name: method(name) for name in names})
    assert whole.data is not None and whole.after_stage is not None
    view = StageView(0, "s", 0, rows_of(1))
    whole.data(view, Memory())
    whole.after_stage(None, view, {}, Memory())
    assert called[:3] == ["stop", "plain", "filter"] and called[3] == "average"
    assert choose({"conflict_aware": {}})[0].hooks().filters


def test_an_anchors_record_stands_beside_another_one():
    """The first row is held, the second one has what `lwf` noted: neither counts in the other's term."""
    top = {"top_ids": [None, [2]], "top_logprobs": [None, [-1.0]]}
    held = {"held_ids": [[3], None], "held_logprobs": [[-2.0], None]}
    rows = noted(table([Row("a", [1, 2], [-100, 2]), Row("b", [1, 2], [-100, 2])]), **top, **held)
    batch = Batch(None, {"labels": torch.tensor([[-100, 2], [-100, 2]])}, rows, 2.0, 0)
    found = {note: [one.tolist() for one in batch.top(note=note)] for note in ("top", "held")}
    assert found == {"top": [[[False], [True]], [[2]], [[-1.0]]], "held": [[[True], [False]], [[3]], [[-2.0]]]}
