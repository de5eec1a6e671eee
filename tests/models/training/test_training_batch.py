"""What a batch gives to a method's hooks: random numbers of its own, gradients on other rows, the dropout once more."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from uptake.models.scoring import abilities
from uptake.models.training import gradients
from uptake.models.training.batch import Batch, Drawn
from uptake.models.training.hooks import Hooks, State, chain
from uptake.models.training.rows import NOT_TRAINED, ROWS, Row, padded, table
from uptake.strategies.projection.agem import project


def batch_of(process: int = 0, step: int = 3, **keys: Any) -> Batch:
    trainer = SimpleNamespace(state=SimpleNamespace(global_step=step), args=SimpleNamespace(process_index=process))
    return Batch(trainer, {}, ROWS.empty_table(), None, 7, **keys)


def number(batch: Batch) -> int:
    return int(torch.randint(1 << 40, (), generator=batch.generator))


def test_random_numbers_are_others_in_each_stage_step_batch_process_and_method():
    others = [
        batch_of(), batch_of(stage=1), batch_of(step=4), batch_of(part=1), batch_of(process=1), batch_of(member="a"),
        batch_of(member="b"), batch_of(part=None),
    ]  # fmt: skip
    assert len({number(one) for one in others}) == len(others)
    assert number(batch_of(stage=1, part=2, member="a")) == number(batch_of(stage=1, part=2, member="a"))
    assert number(batch_of(part=None)) == number(batch_of(part=None, process=1))  # `gradient` is one for all


def test_chained_methods_draw_numbers_of_their_own():
    drawn: dict[str, int] = {}

    def method(name: str) -> Hooks:
        def gradient(batch: Batch, state: State) -> None:
            drawn[name] = number(batch)

        return Hooks(gradient=gradient)

    for names in ("ab", "ba"):
        whole = chain({name: method(name) for name in names})
        assert whole.gradient is not None
        before = dict(drawn)
        whole.gradient(batch_of(part=None), {})
        assert drawn["a"] != drawn["b"] and before in ({}, drawn)


MEMORY = table(
    Row(f"r-{k}", [5, 6, 7 + k, 20 + k, 30 + k, *range(40, 40 + k)], [NOT_TRAINED] * 3 + [20 + k, 30 + k] + [9] * k)
    for k in range(5)
)


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_the_gradient_on_other_rows_is_that_of_their_mean_loss(
    checkpointed: bool, split: bool, trainable: Path, monkeypatch: pytest.MonkeyPatch
):
    """Against transformers' own loss on all rows at once without dropout; and in little memory, layers run twice."""
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(trainable)
    inputs = padded(MEMORY)
    model(**inputs, use_cache=False).loss.backward()
    wanted = {name: one.grad.clone() for name, one in model.named_parameters()}
    model.zero_grad()
    model.train()
    if checkpointed:
        # its name since transformers 5.23, where the old one warns
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    ran, widest = [0], [0]
    [layer] = model.model.layers
    layer.mlp.register_forward_pre_hook(lambda *_: ran.__setitem__(0, ran[0] + 1))
    model.lm_head.register_forward_hook(lambda _, given, out: widest.append(out.shape[:-1].numel()))
    monkeypatch.setattr(gradients, "LOGIT_BYTES", {"cpu": 4 * model.config.vocab_size * 2})  # two tokens' logits
    trainer = SimpleNamespace(
        model=model, args=SimpleNamespace(per_device_train_batch_size=2), splits_head=split or None,
        compute_loss_context_manager=nullcontext,
    )  # fmt: skip
    if not split:
        monkeypatch.setattr(gradients, "splits_head", lambda model: False)
    weights = dict(model.named_parameters())
    found = gradients.gradient_of(trainer, weights, inputs)
    assert all(torch.allclose(found[name], one, atol=1e-6) for name, one in wanted.items())
    assert ran[0] == (6 if checkpointed else 3) and trainer.splits_head is split
    assert max(widest) <= 2 if split else max(widest) > 2
    assert all(module.training for module in model.modules()) and all(one.grad is None for one in weights.values())


def test_whether_the_head_can_be_run_alone_is_found_out(trainable: Path):
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(trainable)
    assert abilities.splits_head(model)
    model.model.norm.register_forward_hook(lambda _, given, out: out * 2)
    model.lm_head.register_forward_pre_hook(lambda _, given: (given[0] - given[0].mean(1, keepdim=True),))
    assert not abilities.splits_head(model)


def test_the_state_of_any_accelerator_is_set_back(monkeypatch: pytest.MonkeyPatch):
    """As that of Apple's: its generator is one, and its functions take no device."""
    at = [torch.tensor([1])]
    fake = SimpleNamespace(get_rng_state=lambda: at[0], set_rng_state=lambda state: at.__setitem__(0, state))
    monkeypatch.setattr(torch, "get_device_module", lambda device: fake)
    drawn, first = Drawn.now(torch.device("mps")), torch.rand(1)
    at[0] = torch.tensor([2])
    before = torch.get_rng_state()
    with drawn.again():
        assert at[0].item() == 1 and torch.equal(torch.rand(1), first)
    assert at[0].item() == 2 and torch.equal(torch.get_rng_state(), before)


def test_agem_takes_no_double_precision(monkeypatch: pytest.MonkeyPatch):
    """Apple's accelerator has none: `.double()` fails there."""

    def double(self: torch.Tensor) -> torch.Tensor:
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    monkeypatch.setattr(torch.Tensor, "double", double)
    model = torch.nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[1.0, 1.0]])
    batch = Batch(SimpleNamespace(model=model), {}, ROWS.empty_table(), None, 0)
    project(batch, {"weight": torch.tensor([[-1.0, 0.0]])})
    assert model.weight.grad.tolist() == [[0.0, 1.0]]
