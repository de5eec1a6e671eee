"""Which rows of earlier stages strategies train again, and from which weights."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import transformers

from uptake.models.scoring.hf import LanguageModel
from uptake.models.scoring.live import around
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import StageView, chain
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.models.training.pools import laid_out
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.schedule import Decision, Layout, Schedule, arranged
from uptake.strategies.choose import choose
from uptake.strategies.replay.far_replay import farthest


def rows_of(n: int, first: int = 0) -> pa.Table:
    return table(Row(f"r-{first + k}", [1, 2, 3], [NOT_TRAINED, 2, 3]) for k in range(n))


def drawn(name: str, stages: list[int], tmp_path: Path, **settings: object) -> list[list[str]]:
    """The ids of the rows that each stage's first epoch trains, for stages of so many rows."""
    hooks = choose({name: settings})[0].hooks()
    assert hooks.data is not None and hooks.after_stage is not None
    memory, found = Memory(), []
    model = torch.nn.Linear(1, 1, bias=False)
    for number, n in enumerate(stages):
        view = hooks.data(StageView(number, str(number), 0, rows_of(n, 1000 * number)), memory.closed())
        rows, epochs = laid_out(view.rows, view.pools, 2)
        found.append((rows if epochs is None else rows.take(epochs.rows(0)))["id"].to_pylist())
        state = {} if hooks.begin is None else hooks.begin(model, view, memory)
        hooks.after_stage(model, StageView(number, str(number), 0, rows), state, memory)
        memory.write(tmp_path / str(number))
        memory = Memory.read(tmp_path / str(number))
    return found


def test_continual_t0_trains_one_row_in_a_hundred_of_each_stage(tmp_path: Path):
    """Of 250 rows 3, of 40 rows 1 (each rounded up)."""
    first, second, third = drawn("continual_t0", [250, 40, 5], tmp_path)
    assert len(first) == 250 and len(second) == 40 + 3 and len(third) == 5 + 3 + 1
    assert set(second[40:]) < set(first) and set(third[5:8]) == set(second[40:])


@pytest.mark.parametrize(("name", "rows"), [("replay", 360), ("der", 360), ("far_replay", 9)])
def test_a_small_share_reaches_every_earlier_stage(name: str, rows: int, tmp_path: Path):
    """Of 60 rows' 180 tokens 1/19 more are 4 rows an epoch: in 90 epochs all of 9 x 40, or the 9 first, as often."""
    hooks, memory = choose({name: {"share": 0.05}})[0].hooks(), Memory()
    for number in range(9):
        memory.keep(str(number), noted(rows_of(40, 100 * number), top_ids=[[1]] * 40, top_logprobs=[[0.0]] * 40))
    memory.write(tmp_path)
    assert hooks.data is not None
    view = hooks.data(StageView(9, "9", 0, rows_of(60, 1000)), Memory.read(tmp_path))
    laid, epochs = laid_out(view.rows, view.pools, 90)
    assert epochs is not None
    names = laid["id"].to_pylist()
    times = Counter(names[one] for epoch in epochs.epochs for one in epoch)
    assert len(times) == rows and set(times.values()) == {360 // rows}
    assert Counter(int(one[2:]) // 100 for one in times) == dict.fromkeys(range(9), rows // 9)


@pytest.mark.parametrize("name", ["replay", "der", "far_replay", "hard_replay", "lost_replay", "near_replay"])
def test_a_share_is_reached_though_fewer_rows_are_kept(name: str, tmp_path: Path):
    """Half of the tokens beside 60 rows of as many tokens are 60 rows more, of 20 that are kept: each three times."""
    hooks, memory = choose({name: {"share": 0.5}})[0].hooks(), Memory()
    memory.keep("0", noted(rows_of(20), top_ids=[[1]] * 20, top_logprobs=[[0.0]] * 20))
    memory.keep("then.0", pa.table({"nll": [0.5] * 20, "right": [True] * 20}))
    memory.write(tmp_path)
    assert hooks.data is not None
    config = transformers.LlamaConfig(
        vocab_size=7, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    model = around("0", transformers.LlamaForCausalLM(config), list(range(7)))
    view = hooks.data(StageView(1, "1", 0, rows_of(60, 1000), model=lambda: model), Memory.read(tmp_path))
    laid, epochs = laid_out(view.rows, view.pools, 3)
    assert epochs is not None and [Counter(Counter(one).values()) for one in epochs.epochs] == [{3: 20}] * 3
    assert view.told[-1].startswith("an epoch replays 60 rows, and there are 20: each comes 3.0 times")
    order = arranged(Schedule(seed=0), laid["id"].to_pylist(), Layout(8, accumulation=2), epochs)
    for epoch in range(3):
        rows = [*order.epoch(epoch, None, lambda number: Decision())]
        assert sorted(rows) == sorted(epochs.rows(epoch))
        assert all(len({*rows[step : step + 16]}) == len(rows[step : step + 16]) for step in range(0, 120, 16))


def test_joint_trains_all_rows_so_far(tmp_path: Path):
    first, second, third = drawn("joint", [3, 4, 2], tmp_path, start="former")
    assert sorted(second) == sorted([*first, *rows_of(4, 1000)["id"].to_pylist()])
    assert sorted(third) == sorted([*second, *rows_of(2, 2000)["id"].to_pylist()])


def test_joint_starts_each_stage_from_the_first_ones_beginning(tmp_path: Path):
    hooks = choose({"joint": {}})[0].hooks()
    assert hooks.adapt and hooks.begin and hooks.after_stage
    model, memory = torch.nn.Linear(1, 1, bias=False), Memory()
    for number in range(3):
        view = StageView(number, str(number), 0, rows_of(2, 10 * number))
        with torch.no_grad():
            if number == 0:
                model.weight.fill_(4.0)
            assert hooks.adapt(model, view, memory).weight.item() == 4.0
            state = hooks.begin(model, view, memory)
            model.weight.fill_(7.0 + number)
            hooks.after_stage(model, view, state, memory)
        memory.write(tmp_path / str(number))
        memory = Memory.read(tmp_path / str(number))


def test_hard_replay_takes_what_the_former_model_finds_hardest(tmp_path: Path):
    """Nats a token: 3, 1, 4, 2 for kept rows of 3 tokens. Of 6 own rows' 18 tokens ¼ more are two rows."""
    hooks = choose({"hard_replay": {"share": 0.25}})[0].hooks()
    assert hooks.data is not None
    memory = Memory()
    memory.keep("0", rows_of(3))
    memory.keep("1", rows_of(1, 1000))
    memory.write(tmp_path)
    nats = iter([3.0, 1.0, 4.0, 2.0])
    model: Any = SimpleNamespace(score=lambda groups: [[np.array([[-next(nats)] * 2, [0.0, 0.0]])] for _ in groups])
    view = hooks.data(StageView(2, "2", 0, rows_of(6, 2000), model=lambda: model), Memory.read(tmp_path))
    rows, epochs = laid_out(view.rows, view.pools, 2)
    assert epochs is not None and [one for one in epochs.epochs] == [[6, 7], [6, 7]]
    assert rows["id"].to_pylist()[6:] == ["r-2", "r-0"]


def test_farthest_points_are_those_of_gonzalez():
    """On a line at 0, 1, 4, 10, 11 (mean 5.2): 4 is nearest to the mean, then 11 (7 away), then 0 (4), then 1 or 10."""
    points = torch.tensor([[0.0], [1.0], [4.0], [10.0], [11.0]])
    assert farthest(points, 4) == [2, 4, 0, 1] and farthest(points, 9) == [2, 4, 0, 1, 3]


@pytest.fixture(scope="module")
def models() -> list[LanguageModel]:
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = transformers.LlamaConfig(vocab_size=7, **shape)
    found = []
    for seed in range(2):
        torch.manual_seed(seed)
        model = transformers.LlamaForCausalLM(config).eval()
        with torch.no_grad():
            model.lm_head.weight.mul_(50)  # else all tokens are as probable
        found.append(around(str(seed), model, list(range(7))))
    return found


def said(model: LanguageModel, rows: pa.Table, k: int) -> list[list[float]]:
    """The k largest log-probabilities at the learned tokens of rows of one length, position after position."""
    with torch.no_grad():
        logits = model.model(torch.tensor(rows["input_ids"].to_pylist())).logits[:, :-1].log_softmax(-1)
    return logits.topk(k).values.flatten(1).tolist()


def passed_on(name: str, number: int, models: list[LanguageModel], folder: Path, **settings: Any) -> StageView:
    """What is trained in a stage after one of two rows and, from the model 0, one of three."""
    hooks = choose({name: {"k": 3, **settings}})[0].hooks()
    assert hooks.data is not None and hooks.after_stage is not None
    memory = Memory()
    for one in range(number + 1):
        view = StageView(one, str(one), 0, rows_of(2 + one, 1000 * one), model=lambda one=one: models[one - 1])
        view = hooks.data(view, memory)
        rows, _ = laid_out(view.rows, view.pools, 1)
        memory = Memory(memory.folder, files=memory.files)
        hooks.after_stage(None, StageView(one, str(one), 0, rows), {}, memory)
        memory.write(folder / str(one))
        memory = Memory.read(folder / str(one))
    return view


def test_der_keeps_what_was_said_when_a_row_was_new(models: list[LanguageModel], tmp_path: Path):
    """The rows of stage 0 by model 0, also in stage 2, which starts from model 1 and asks it of stage 1's alone."""
    view = passed_on("der", 2, models, tmp_path, share=0.9, labels=0.0)
    assert "top_ids" not in view.rows.schema.names
    [pool] = view.pools
    assert set(pool.rows["weight"].to_pylist()) == {0.0}
    for rows, model in zip((pool.rows.slice(0, 2), pool.rows.slice(2)), models, strict=True):
        assert np.allclose(rows["top_logprobs"].to_pylist(), said(model, rows, 3), atol=1e-5)


def test_der_keeps_a_row_once_that_another_strategy_replays_too(models: list[LanguageModel], tmp_path: Path):
    """Both replay the rows of stage 0 in stage 1, each with a record; of stage 1, still of none, all are kept too."""
    whole = chain({name: choose({name: {"k": 3, "share": 0.5}})[0].hooks() for name in ("ser", "der")})
    assert whole.data is not None and whole.after_stage is not None
    memory = Memory()
    for number in range(3):
        view = StageView(number, str(number), 0, rows_of(4, 1000 * number), model=lambda: models[0])
        arranged = whole.data(view, memory)
        rows, _ = laid_out(arranged.rows, arranged.pools, 1)
        memory = Memory(memory.folder, files=memory.files)
        whole.after_stage(None, StageView(number, str(number), 0, rows), {}, memory)
        memory.write(tmp_path / str(number))
        memory = Memory.read(tmp_path / str(number))
    for number in range(3):
        kept = memory.of("der").table(str(number))
        assert kept is not None and kept["id"].to_pylist() == rows_of(4, 1000 * number)["id"].to_pylist()
        assert ("top_ids" in kept.schema.names) == (number < 2)


def test_ser_asks_the_former_model_of_all_rows(models: list[LanguageModel], tmp_path: Path):
    view = passed_on("ser", 2, models, tmp_path, share=0.9)
    for rows in (view.rows, *(one.rows for one in view.pools)):
        assert np.allclose(rows["top_logprobs"].to_pylist(), said(models[1], rows, 3), atol=1e-5)


def test_own_and_replayed_rows_have_their_own_factors():
    """Two rows of one token; of the divergences, by torch, an average over both tokens."""
    torch.manual_seed(0)
    former, now = torch.randn(2, 7).log_softmax(-1), torch.randn(2, 7)
    rows = noted(
        rows_of(2), kind=[None, "replayed"], top_ids=[[*range(7)]] * 2, top_logprobs=[one.tolist() for one in former]
    )
    trainer = SimpleNamespace(
        model=SimpleNamespace(device=torch.device("cpu")), args=SimpleNamespace(), current_gradient_accumulation_steps=1
    )
    inputs = {"labels": torch.tensor([[NOT_TRAINED, 2], [NOT_TRAINED, 3]])}
    wanted = torch.nn.functional.kl_div(now.log_softmax(-1), former, log_target=True, reduction="none").sum(-1)
    for name, settings, factors in (
        ("lwf", {"strength": 3.0}, (3.0, 0.0)),
        ("der", {"strength": 3.0}, (0.0, 3.0)),
        ("ser", {"own": 2.0, "replayed": 5.0}, (2.0, 5.0)),
    ):
        batch = Batch(trainer, inputs, rows, 2.0, 0)
        batch.__dict__["_logits"] = torch.stack([now, now], dim=1)
        hooks = choose({name: settings})[0].hooks()
        assert hooks.loss is not None
        found = float(hooks.loss(batch, {}))
        assert found == pytest.approx(float(wanted @ torch.tensor(factors)) / 2, rel=1e-5)


def test_zscl_is_torchs_divergence_from_the_first_model_on_general_text(models: list[LanguageModel], tmp_path: Path):
    """Over the whole vocabulary, as a mean over the texts' positions; also when the first model is a stage away."""
    texts = table([Row("a", [1, 2, 3, 4], [1, 2, 3, 4]), Row("b", [5, 6], [5, 6])])
    first, now = (one.model for one in models)
    hooks = choose({"zscl": {"k": 7, "strength": 2.0, "rows": 5}})[0].hooks()
    assert hooks.begin and hooks.loss and hooks.after_stage
    view, memory = StageView(0, "0", 0, rows_of(1), general=lambda most: texts), Memory()
    hooks.after_stage(first, view, hooks.begin(first, view, memory), memory)
    memory.write(tmp_path)
    state = hooks.begin(now, view, Memory.read(tmp_path))
    args, at = SimpleNamespace(process_index=0), SimpleNamespace(global_step=0)
    before = torch.get_rng_state()
    term = hooks.loss(Batch(SimpleNamespace(model=now, args=args, state=at), {}, rows_of(0), None, 0), state)
    assert term.requires_grad and torch.equal(torch.get_rng_state(), before)
    parts = []
    with torch.no_grad():
        for ids in texts["input_ids"].to_pylist():
            one, two = (model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1) for model in (first, now))
            parts.append(torch.nn.functional.kl_div(two, one, log_target=True, reduction="none").sum(-1))
    assert float(term.detach()) == pytest.approx(2 * float(torch.cat(parts).mean()), rel=1e-4)


def test_general_replay_has_its_share_in_the_first_stage_too():
    """Of 9 own rows' 27 tokens a tenth are general: one text of 3 tokens."""
    hooks = choose({"general_replay": {"share": 0.1, "rows": 7}})[0].hooks()
    assert hooks.data is not None
    view = StageView(0, "0", 0, rows_of(9), general=lambda most: rows_of(most, 50))
    rows, epochs = laid_out(view.rows, hooks.data(view, Memory()).pools, 7)
    assert len(rows) == 9 + 7 and rows["kind"].to_pylist()[9:] == ["replayed"] * 7
    assert epochs is not None and sorted(k for one in epochs.epochs for k in one) == [*range(9, 16)]
