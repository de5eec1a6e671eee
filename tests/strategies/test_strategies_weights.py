"""What strategies over weights and gradients compute, by hand on a model of a few numbers: nothing is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from bigrams import Bigrams
from members import ACTING
from torch import Tensor

from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.models.training.batch import Batch
from uptake.models.training.gradients import row_gradients
from uptake.models.training.hooks import Hooks, StageView, chain
from uptake.models.training.memory import Memory
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.pipeline.train.run import training_run
from uptake.pipeline.train.settings import require_needs
from uptake.strategies.choose import choose
from uptake.strategies.penalties.mas import squared_norm
from uptake.strategies.projection.gpm import with_energy
from uptake.strategies.projection.ogd import widened

ROWS = table([Row("a", [0, 1], [NOT_TRAINED, 1]), Row("b", [0, 2, 1], [NOT_TRAINED, 2, 1])])
"""Learned are 1 after 0, 2 after 0, and 1 after 2."""

LOGITS = [[0.0, math.log(2), 0.0], [5.0, 5.0, 5.0], [math.log(3), 0.0, 0.0]]
"""After 0 the probabilities are ¼, ½, ¼; after 2 they are 3/5, 1/5, 1/5."""


def hooks_of(name: str, **settings: Any) -> Hooks:
    [chosen] = choose({name: settings})
    return chosen.hooks()


def stage(number: int = 0) -> StageView:
    return StageView(number, f"s{number}", 0, ROWS)


def batch_of(model: Any) -> Batch:
    return Batch(SimpleNamespace(model=model), {}, ROWS.slice(0, 0), None, 0)


def ended(hooks: Hooks, model: Any, folder: Path, memory: Memory | None = None, number: int = 0) -> Memory:
    """The memory that a stage leaves which did not move the model."""
    memory = Memory() if memory is None else memory
    assert hooks.begin is not None and hooks.after_stage is not None
    state = hooks.begin(model, stage(number), memory.closed())
    with torch.no_grad():
        hooks.after_stage(model, stage(number), state, memory)
    memory.write(folder)
    return Memory.read(folder)


def pulled(hooks: Hooks, memory: Memory, model: Any, by: Tensor) -> Tensor:
    """The gradient that a strategy adds where a stage has moved the table by so much."""
    assert hooks.begin is not None and hooks.gradient is not None
    state = hooks.begin(model, stage(1), memory)
    with torch.no_grad():
        model.table.add_(by)
    model.table.grad = torch.zeros_like(model.table)
    hooks.gradient(batch_of(model), state)
    return model.table.grad


FISHER = torch.tensor([[1 / 16, 4 / 16, 5 / 16], [0.0, 0.0, 0.0], [9 / 50, 16 / 50, 1 / 50]])
"""Gradients are p minus one: of row a (¼, -½, ¼) after 0; of row b (¼, ½, -¾) after 0 and (3/5, -4/5, 1/5) after 2.
The mean of squares over two rows, after 0: (1/16 + 1/16, ¼ + ¼, 1/16 + 9/16) / 2; after 2: (9, 16, 1)/25 / 2."""


def test_ewc_weighs_the_way_by_the_mean_of_squared_gradients_of_rows(tmp_path: Path):
    hooks, model = hooks_of("ewc", strength=2.0), Bigrams(LOGITS)
    memory = ended(hooks, model, tmp_path / "0")
    found = memory.tensors("fisher")
    assert found is not None and torch.allclose(found["table"], FISHER)
    by = torch.arange(9.0).view(3, 3)
    assert torch.allclose(pulled(hooks, memory, model, by), 2 * FISHER * by)


def test_ewc_sums_up_what_is_left_of_earlier_stages(tmp_path: Path):
    hooks, model = hooks_of("ewc", decay=0.25), Bigrams(LOGITS)
    memory = ended(hooks, model, tmp_path / "1", ended(hooks, model, tmp_path / "0"), number=1)
    found = memory.tensors("fisher")
    assert found is not None and torch.allclose(found["table"], 1.25 * FISHER)


def test_gradients_of_rows_are_those_of_torch_func():
    """Another implementation: `torch.func.vmap` of `grad`, over rows of one length."""
    rows = table(Row(str(k), [0, 1, k], [NOT_TRAINED, 1, k]) for k in range(3))
    model = Bigrams([[0.3, -0.2, 0.9], [1.0, 0.1, -0.4], [0.0, 0.0, 0.0]])

    def nll(logits: Tensor, ids: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(logits[ids[:-1]], ids[1:], reduction="sum")

    ids = torch.tensor(rows["input_ids"].to_pylist())
    wanted = torch.func.vmap(torch.func.grad(nll), in_dims=(None, 0))(model.table.detach(), ids)
    with torch.no_grad():
        found = torch.stack([one["table"] for one in row_gradients(model, rows)])
    assert torch.allclose(found, wanted, atol=1e-6)


def test_mas_weighs_by_what_the_outputs_depend_on(tmp_path: Path):
    """Of centred logits z the gradient of ‖z‖² is 2 z: after 0 in row a 2 (-1, 2, -1)/3 ln 2, in row b half of that."""
    hooks, model = hooks_of("mas", strength=0.5), Bigrams(LOGITS)
    assert float(squared_norm(torch.tensor([[1.0, 3.0]]), torch.tensor([0]))) == 2.0
    memory = ended(hooks, model, tmp_path / "0")
    omega = memory.tensors("omega")
    third = torch.tensor([1.0, 2.0, 1.0]) * 2 / 3 * math.log(2)
    last = torch.tensor([2.0, 1.0, 1.0]) * 2 / 3 * math.log(3)
    wanted = torch.stack([(third + third / 2) / 2, torch.zeros(3), last / 2 / 2])
    assert omega is not None and torch.allclose(omega["table"], wanted, atol=1e-6)
    assert torch.allclose(pulled(hooks, memory, model, torch.ones(3, 3)), 0.5 * wanted, atol=1e-6)


def test_si_is_the_sum_along_the_way(tmp_path: Path):
    """Of ½ θ², from 1, two steps of -0.5 and -0.25: -(1·-0.5 + 0.5·-0.25) = 0.625, over 0.75² + 0.1."""
    hooks = hooks_of("si", strength=3.0, damping=0.1)
    assert hooks.begin and hooks.gradient and hooks.after_step and hooks.after_stage
    model = Bigrams([[1.0]])
    memory = Memory()
    state = hooks.begin(model, stage(), memory)
    for step in (1, 2):
        model.table.grad = model.table.detach().clone()
        hooks.gradient(batch_of(model), state)
        assert torch.equal(model.table.grad, model.table.detach())  # the first stage is held by nothing
        with torch.no_grad():
            model.table.mul_(0.5)
            hooks.after_step(model, step, state)
    with torch.no_grad():
        hooks.after_stage(model, stage(), state, memory)
    memory.write(tmp_path)
    omega = 0.625 / (0.75**2 + 0.1)
    found = Memory.read(tmp_path)
    assert float(pulled(hooks, found, model, torch.ones(1, 1))) == pytest.approx(2 * 3 * omega)


@pytest.mark.parametrize(("beside", "settings"), [("interpolation", {"alpha": 0.05}), ("ema", {"beta": 0.9})])
def test_si_divides_by_the_way_that_was_trained(beside: str, settings: dict[str, float]):
    """The steps of the test above; that the stage then ends elsewhere changes nothing of 0.625 over 0.75² + 0.1."""
    whole = chain({"si": hooks_of("si", damping=0.1), beside: hooks_of(beside, **settings)})
    assert whole.begin and whole.gradient and whole.after_step and whole.after_stage
    model, memory = Bigrams([[1.0]]), Memory()
    state = whole.begin(model, stage(), memory)
    for step in (1, 2):
        model.table.grad = model.table.detach().clone()
        whole.gradient(batch_of(model), state)
        with torch.no_grad():
            model.table.mul_(0.5)
            whole.after_step(model, step, state)
    with torch.no_grad():
        whole.after_stage(model, stage(), state, memory)
    assert float(model.table.detach()) > 0.8
    omega = memory.kept["si.omega"]
    assert isinstance(omega, dict) and float(omega["table"]) == pytest.approx(0.625 / (0.75**2 + 0.1))


@pytest.mark.parametrize("names", [("interpolation", "ema"), ("ema", "interpolation"), ("interpolation", "soup")])
def test_what_sets_the_last_weights_comes_before_what_moves_them(names: tuple[str, str]):
    """From 1 two steps lead to ½ and ¼; whatever their average, a stage with nothing of its way ends at 1."""
    settings: dict[str, dict[str, float]] = {
        "interpolation": {"alpha": 0.0},
        "ema": {"beta": 0.5},
        "soup": {"every": 1},
    }
    whole = chain({name: hooks_of(name, **settings[name]) for name in names})
    assert whole.begin and whole.after_step and whole.after_stage
    model, memory = Bigrams([[1.0]]), Memory()
    state = whole.begin(model, stage(), memory)
    with torch.no_grad():
        for step in (1, 2):
            model.table.mul_(0.5)
            whole.after_step(model, step, state)
        whole.after_stage(model, stage(), state, memory)
    assert model.table.tolist() == [[1.0]]


def test_two_averages_that_both_set_the_last_weights_are_refused(run_config: Callable[..., RunConfig]):
    run = training_run(run_config(strategy=["ema", "replay", "soup"]))
    with pytest.raises(UptakeError, match="the strategies ema and soup both set the weights that the stage"):
        require_needs(run, run.stages[0], SimpleNamespace(n_gpu=1))


def test_l2_pulls_attention_alone_where_it_is_asked_to():
    model = torch.nn.ModuleDict(
        {"self_attn": torch.nn.Linear(1, 1, bias=False), "mlp": torch.nn.Linear(1, 1, bias=False)}
    )
    for layers, wanted in (("all", [1.5, 1.5]), ("attention", [1.5, 0.0])):
        hooks = hooks_of("l2", strength=0.5, layers=layers)
        assert hooks.begin and hooks.gradient
        state = hooks.begin(model, stage(), Memory())
        for one in model.parameters():
            one.grad = torch.zeros(1, 1)
            one.data += 3.0
        hooks.gradient(batch_of(model), state)
        assert [float(one.grad) for one in model.parameters() if one.grad is not None] == pytest.approx(wanted)


def test_ogd_leaves_nothing_of_a_gradient_along_what_was_kept(tmp_path: Path):
    """The mean logit of row a is that of 1 after 0; of row b the mean of two: e₀₁ and (e₀₂ + e₂₁)/2."""
    hooks, model = hooks_of("ogd", directions=5), Bigrams(LOGITS)
    memory = ended(hooks, model, tmp_path / "0")
    kept = memory.tensors("directions")
    assert kept is not None and kept["table"].shape == (2, 9)
    by = torch.arange(1.0, 10.0).view(3, 3)
    assert hooks.begin is not None and hooks.gradient is not None
    model.table.grad = by.clone()
    hooks.gradient(batch_of(model), hooks.begin(model, stage(1), memory))
    half = (by[0, 2] - by[2, 1]) / 2  # of e₀₂ and e₂₁ what lies across their sum
    wanted = by.clone()
    wanted[0, 1], wanted[0, 2], wanted[2, 1] = 0.0, half, -half
    assert torch.allclose(model.table.grad, wanted, atol=1e-5)
    again = ended(hooks, model, tmp_path / "1", memory, number=1).tensors("directions")
    assert again is not None and len(again["table"]) == 2  # the same rows span nothing new


def test_ogds_directions_are_the_principal_ones_of_numpy():
    rows = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    found = widened(torch.empty(0, 8), iter(rows), 3).numpy()
    wanted = np.linalg.svd(rows.numpy())[2][:3]
    assert np.allclose(np.abs((found * wanted).sum(1)), 1, atol=1e-4)


def test_interpolation_ends_on_the_way():
    """From 1 to 5, a quarter of the way."""
    assert ending("interpolation", [5.0], alpha=0.25) == 2.0


def test_a_soup_is_the_mean_of_what_was_passed():
    """From 1 by 2, 4, 6, 8 with every second: (1 + 4 + 8) / 3; by one step alone it is the last."""
    assert ending("soup", [2.0, 4.0, 6.0, 8.0], every=2) == pytest.approx(13 / 3)
    assert ending("soup", [7.0], every=2) == 7.0


def ending(name: str, values: Sequence[float], **settings: Any) -> float:
    """With what a weight ends that was 1 and is given these values, a step each."""
    hooks, model = hooks_of(name, **settings), Bigrams([[1.0]])
    assert hooks.begin is not None and hooks.after_stage is not None and hooks.moves
    with torch.no_grad():
        state = hooks.begin(model, stage(), Memory())
        for step, value in enumerate(values):
            model.table.fill_(value)
            if hooks.after_step is not None:
                hooks.after_step(model, step + 1, state)
        hooks.after_stage(model, stage(), state, Memory())
    return float(model.table.detach())


@pytest.mark.parametrize("name", ["ewc", "si", "ogd"])
def test_what_is_known_of_each_weight_is_of_no_use_where_each_stage_has_others(
    name: str, run_config: Callable[..., RunConfig]
):
    config = run_config(strategy={name: dict(ACTING[name]), "olora": {}}, peft={"r": 2, "target_modules": ["q_proj"]})
    run = training_run(config)
    with pytest.raises(UptakeError, match=f"the strategy {name} keeps what it knows of each weight, and olora gives"):
        require_needs(run, run.stages[1], SimpleNamespace(n_gpu=1))


def test_merging_is_pefts(tmp_path: Path):
    """From 0, the stages end at (4, -1, 0) and (-2, -3, 1). PEFT's TIES of the two largest of each: (4, -1, 0) and
    (-2, -3, 0), signs +, -, +: (4, (-1 - 3)/2, 0). A mean is (1, -2, ½)."""
    for method, wanted in (("ties", [4.0, -2.0, 0.0]), ("average", [1.0, -2.0, 0.5]), ("sum", [2.0, -4.0, 1.0])):
        hooks = hooks_of("merging", method=method, density=0.7)
        assert hooks.adapt and hooks.begin and hooks.after_stage
        model, memory = Bigrams([[0.0, 0.0, 0.0]]), Memory()
        for number, value in enumerate(([4.0, -1.0, 0.0], [-2.0, -3.0, 1.0])):
            with torch.no_grad():
                assert not hooks.adapt(model, stage(number), memory).table.any()
                state = hooks.begin(model, stage(number), memory)
                model.table.copy_(torch.tensor([value]))
                hooks.after_stage(model, stage(number), state, memory)
            memory.write(tmp_path / f"{method}{number}")
            memory = Memory.read(tmp_path / f"{method}{number}")
        assert model.table.tolist() == [wanted]


LLAMA = {"vocab_size": 7, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
FAMILIES = {
    "llama": (transformers.LlamaForCausalLM, transformers.LlamaConfig(**LLAMA)),
    "gpt2": (transformers.GPT2LMHeadModel, transformers.GPT2Config(vocab_size=7, n_embd=8, n_layer=1, n_head=1)),
    "neox": (transformers.GPTNeoXForCausalLM, transformers.GPTNeoXConfig(**LLAMA)),
    "falcon": (
        transformers.FalconForCausalLM,
        transformers.FalconConfig(**LLAMA, new_decoder_architecture=True, num_kv_heads=1),
    ),
}
"""Families that call attention by four names, and their norms after it or before it too."""


@pytest.mark.parametrize("name", FAMILIES)
def test_attention_is_found_and_its_norms_are_not(name: str):
    """By the classes of transformers: what is inside a module whose class is an attention."""
    kind, config = FAMILIES[name]
    model = kind(config)
    inside = [path for path, one in model.named_modules() if type(one).__name__.endswith("Attention")]
    wanted = {one for one, _ in model.named_parameters() if any(one.startswith(f"{path}.") for path in inside)}
    hooks = hooks_of("l2", layers="attention")
    assert hooks.begin is not None and wanted and hooks.begin(model, stage(), Memory()).keys() == wanted


def test_a_model_without_attention_is_told():
    hooks = hooks_of("l2", layers="attention")
    assert hooks.begin is not None
    with pytest.raises(UptakeError, match="no trained weight is in a module called attn or attention"):
        hooks.begin(torch.nn.ModuleDict({"mixer": torch.nn.Linear(1, 1)}), stage(), Memory())


def test_osf_leaves_each_matrix_a_direction():
    """Of 8 directions 0.95 are 7.6."""
    hooks, model = hooks_of("osf", share=0.95), torch.nn.Sequential(torch.nn.Linear(16, 8, bias=False))
    assert hooks.begin is not None and hooks.after_step is not None
    with torch.no_grad():
        start = model[0].weight.clone()
        state = hooks.begin(model, stage(), Memory())
        model[0].weight.add_(torch.randn(8, 16, generator=torch.Generator().manual_seed(0)))
        hooks.after_step(model, 1, state)
        moved = model[0].weight - start
    assert float(moved.abs().max()) > 1e-2 and torch.linalg.matrix_rank(moved, rtol=1e-3) == 1


def test_osf_moves_what_is_weak_alone():
    """diag(4, 3, 1) with two thirds held: of any move only that of the last direction into the last stays."""
    hooks, model = hooks_of("osf", share=2 / 3), torch.nn.Sequential(torch.nn.Linear(3, 3, bias=False))
    assert hooks.begin is not None and hooks.after_step is not None
    with torch.no_grad():
        start = model[0].weight.copy_(torch.diag(torch.tensor([4.0, 3.0, 1.0]))).clone()
        state = hooks.begin(model, stage(), Memory())
        model[0].weight.add_(torch.arange(9.0).view(3, 3))
        hooks.after_step(model, 1, state)
        assert torch.allclose(model[0].weight - start, torch.tensor([[0.0] * 3, [0.0] * 3, [0.0, 0.0, 8.0]]), atol=1e-5)


def test_gpm_holds_as_many_directions_as_their_energy_needs():
    """Inputs (3, 0, 0) and (0, 2, 0) have 9 and 4 of 13: for 0.6 one direction, for 0.7 two; (1, 0, 0) adds none."""
    moment = torch.diag(torch.tensor([9.0, 4.0, 0.0]))
    nothing = torch.empty(0, 3)
    assert with_energy(nothing, moment, 0.6).abs().round(decimals=4).tolist() == [[1.0, 0.0, 0.0]]
    both = with_energy(nothing, moment, 0.7)
    assert both.abs().round(decimals=4).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert len(with_energy(both, torch.diag(torch.tensor([1.0, 0.0, 0.0])), 0.99)) == 2


def test_gpm_leaves_what_a_layer_made_of_earlier_inputs(models_of_text: Any, tmp_path: Path):
    """After a step by the gradient a layer gives the same for the inputs that it had, which another hook looks up."""
    hooks, model = hooks_of("gpm", energy=0.9999), models_of_text
    memory = ended(hooks, model, tmp_path / "0")
    name = "model.layers.0.self_attn.q_proj"
    layer = model.get_submodule(name)
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda layer, given, output: seen.append(given[0][0]))
    with torch.no_grad():
        model(input_ids=torch.tensor([ROWS["input_ids"].to_pylist()[1]]))
    handle.remove()
    assert hooks.begin is not None and hooks.gradient is not None
    layer.weight.grad = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(0))
    before = layer.weight.grad.clone()
    hooks.gradient(batch_of(model), hooks.begin(model, stage(1), memory))
    assert float((seen[0] @ layer.weight.grad.T).norm()) < 0.05 * float((seen[0] @ before.T).norm())
    assert float(layer.weight.grad.norm()) > 0.1 * float(before.norm())
    layer.weight.grad = None


def test_reglora_holds_the_entries_that_a_stage_changed_most(tmp_path: Path):
    """BA is 0, then (2, -8; 4, 16): half of the entries are 16 and -8. Doubled, it is off by 16² + 8² = 320, times 3.

    Then it is (-6, -8; 12, 16): the second stage changed the first and third by 8; the largest sums are the last two.
    """
    layer = torch.nn.Module()
    layer.lora_A = torch.nn.ModuleDict({"default": torch.nn.Linear(2, 1, bias=False)})
    layer.lora_B = torch.nn.ModuleDict({"default": torch.nn.Linear(1, 2, bias=False)})
    layer.scaling = {"default": 2.0}  # type: ignore[assignment]
    model: Any = torch.nn.ModuleDict({"q_proj": layer})
    model.device = torch.device("cpu")

    def write(down: Sequence[float], up: Sequence[float]) -> None:
        with torch.no_grad():
            layer.lora_A["default"].weight.copy_(torch.tensor([down]))
            layer.lora_B["default"].weight.copy_(torch.tensor([up]).T)

    hooks, memory = hooks_of("reglora", share=0.5, strength=3.0), Memory()
    assert hooks.begin is not None and hooks.loss is not None and hooks.after_stage is not None
    write([1.0, -4.0], [0.0, 0.0])
    for number, (down, held) in enumerate((([1.0, -4.0], [1, 3]), ([-3.0, -4.0], [0, 1, 2, 3]))):
        state = hooks.begin(model, stage(number), memory)
        assert float(hooks.loss(batch_of(model), state).detach()) == 0.0
        if number == 1:
            write([2.0, -8.0], [1.0, -2.0])
            assert float(hooks.loss(batch_of(model), state).detach()) == 3 * 320.0
        write(down, [1.0, -2.0])
        with torch.no_grad():
            hooks.after_stage(model, stage(number), state, memory)
        memory.write(tmp_path / str(number))
        memory = Memory.read(tmp_path / str(number))
        kept = memory.tensors("held")
        assert kept is not None and sorted(kept["q_proj"].tolist()) == held


@pytest.fixture(scope="module")
def models_of_text() -> Any:
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=7, **shape)).eval()
