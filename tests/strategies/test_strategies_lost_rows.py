"""Which rows come again by what a model recalls of them, and what mends a stage after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import transformers

from uptake.errors import UptakeError
from uptake.models.training.hooks import StageView
from uptake.models.training.memory import Memory
from uptake.models.training.pools import Pool
from uptake.models.training.recall import Recalled, answers, ask_again, in_training, superseded
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.models.training.settings import arguments
from uptake.pipeline.train.parts import parts_of
from uptake.pipeline.train.training_run import StageSpec
from uptake.strategies.choose import choose
from uptake.strategies.replaced import without_contradicted
from uptake.strategies.replay.lost_replay import drawn
from uptake.strategies.replay.mend import mended
from uptake.strategies.replay.near_replay import nearness


def rows_of(asked: Sequence[tuple[int, int]]) -> pa.Table:
    """Rows of a prompt token and a response token."""
    return table(Row(f"r-{k}", [1, p, r], [NOT_TRAINED, NOT_TRAINED, r]) for k, (p, r) in enumerate(asked))


def test_a_later_stage_contradicts_where_it_asks_the_same_and_says_otherwise():
    rows = rows_of([(2, 3), (2, 4), (5, 6), (5, 6), (7, 3), (7, 4)])
    # the first is answered anew, the second pair agrees, and of the last both answers are of one stage
    stage = np.array([0, 1, 0, 1, 1, 1])
    said = {number: answers(rows.filter(pa.array(stage == number))) for number in (0, 1)}
    assert superseded(rows, stage, said).tolist() == [True, False, False, False, False, False]
    # what is kept of a stage is a part of it, and its other rows contradict too
    assert superseded(rows.take([0, 2]), np.array([0, 0]), said).tolist() == [True, False]


def test_what_has_no_prompt_is_contradicted_by_nothing():
    """Texts begin with the same token, and no text is an answer to it."""
    rows = table(Row(f"r-{k}", ids, ids) for k, ids in enumerate(([1, 2, 3], [1, 4, 5], [1, 6, 7])))
    assert superseded(rows, np.array([0, 0, 1]), {0: answers(rows), 1: answers(rows)}).tolist() == [False] * 3


class Knowing(torch.nn.Module):
    """A model that finds each next token certain."""

    def __init__(self) -> None:
        super().__init__()
        self.device = torch.device("cpu")

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        now = torch.nn.functional.one_hot(input_ids, 400).float()
        return SimpleNamespace(logits=100.0 * now.roll(-1, 1), hidden_states=(now,))


def replaced_once(name: str, tmp_path: Path, **settings: Any) -> tuple[Memory, Any]:
    """What is left of a stage of 40 rows, and of one that answers the same prompts otherwise; and a model of the end.

    It recalls the new answers, token 2, and not the old ones, token 1.
    """
    hooks, memory = choose({name: settings})[0].hooks(), Memory()
    assert hooks.after_stage is not None
    for number, response in enumerate((1, 2)):
        rows = rows_of([(10 + k, response) for k in range(40)])
        hooks.after_stage(Knowing(), StageView(number, str(number), 0, rows), {}, memory)
        memory.write(tmp_path / str(number))
        memory = Memory.read(tmp_path / str(number))

    def score(groups: Any) -> Any:
        return [[np.array([[-0.01 if one.ids[-1] == 2 else -9.0], [one.ids[-1] == 2]])] for [one] in groups]

    return memory, SimpleNamespace(score=score)


def test_an_update_is_seen_though_its_own_row_is_not_kept(tmp_path: Path):
    memory, model = replaced_once("mend", tmp_path, keep=4)
    [_, second] = parts_of(StageSpec("2", "2", {"num_train_epochs": 1.0}, strategies=choose({"mend": {"keep": 4}})))
    hooks = second.strategies[0].hooks()
    assert hooks.data is not None
    view = hooks.data(StageView(2, "2", 0, rows_of([(300, 5)] * 90), model=lambda: model), memory)
    assert {ids[-1] for ids in view.rows["input_ids"].to_pylist()} == {2}


@pytest.mark.parametrize("name", ["lost_replay", "near_replay", "replay"])
def test_what_the_stage_itself_contradicts_does_not_come_again_or_is_told(name: str, tmp_path: Path):
    """Prompts 10 to 13 were answered by 1; the stage answers 10 and 11 by 2, then all of them."""
    hooks, memory = choose({name: {"share": 0.5}})[0].hooks(), Memory()
    assert hooks.data is not None and hooks.after_stage is not None
    old = rows_of([(10 + k, 1) for k in range(4)])
    hooks.after_stage(Knowing(), StageView(0, "0", 0, old), {}, memory)
    memory.write(tmp_path)
    memory = Memory.read(tmp_path)
    score = lambda groups: [[np.array([[-9.0], [False]])] for _ in groups]  # noqa: E731
    model: Any = SimpleNamespace(score=score, model=Knowing())
    for replaced, left in ((2, {"r-2", "r-3"}), (4, set())):
        rows = rows_of([(10 + k, 2) for k in range(replaced)] + [(300, 2)] * 4)
        view = hooks.data(StageView(1, "1", 0, rows, model=lambda: model), memory)
        come = {pool.rows["id"][place].as_py() for pool in view.pools for place in pool.draw(0)}
        told = [one for one in view.told if "another response" in one]
        if name == "replay":
            assert come == {*old["id"].to_pylist()} and told[0].startswith(f"{replaced} of 4 rows to be replayed")
        else:
            assert come == left and not told
    agreed = hooks.data(StageView(1, "1", 0, old, model=lambda: model), memory)
    assert agreed.told == () and len(agreed.pools[0].rows) == 4


def test_what_is_recalled_is_what_transformers_says():
    config = transformers.LlamaConfig(
        vocab_size=12, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = transformers.LlamaForCausalLM(config)
    rows = table([Row("a", [1, 2, 3, 4], [NOT_TRAINED, NOT_TRAINED, 3, 4]), Row("b", [1, 5], [NOT_TRAINED, 5])])
    found = in_training(model, rows)
    for number, (ids, labels) in enumerate([([1, 2, 3, 4], [-100, -100, 3, 4]), ([1, 5], [-100, 5])]):
        with torch.no_grad():
            out = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels]))
        assert found["nll"][number].as_py() == pytest.approx(float(out.loss), rel=1e-5)
        said = out.logits[0].argmax(-1)[:-1].tolist()
        assert found["right"][number].as_py() == all(a == b for a, b in zip(said, labels[1:], strict=True) if b >= 0)


def test_lost_rows_come_first_then_those_that_are_nearly_lost():
    """Then 1 nat each. Now 3, 1.5, 1, 3 nats: the first is lost, the second nearly; the last was never recalled."""
    rows = rows_of([(2, 3), (3, 3), (4, 3), (5, 3)])
    then = pa.table({"nll": [1.0] * 4, "right": [True, True, True, False]})
    nats, right = {2: 3.0, 3: 1.5, 4: 1.0, 5: 3.0}, {2: 0.0, 3: 1.0, 4: 1.0, 5: 0.0}

    def score(groups: Any) -> Any:
        return [[np.array([[-nats[one.ids[1]]], [right[one.ids[1]]]])] for [one] in groups]

    model: Any = SimpleNamespace(score=score)
    found = ask_again(model, rows, np.ones(4, np.int64), then, [0], 10)
    assert found.rows["id"].to_pylist() == ["r-0", "r-1", "r-2", "r-3"]
    assert found.lost.tolist() == [True, False, False, False]
    assert found.urgency == pytest.approx([2.0, 0.5, 0.0, 0.0])
    half = ask_again(model, rows, np.ones(4, np.int64), then, [0], 2)
    assert half.asked.sum() == 2 and not half.urgency[~half.asked].any()


def test_an_epoch_draws_its_part_by_urgency_and_each_of_them_has_its_turn():
    urgency = np.array([0.0] * 20 + [1.0] * 4)
    draw = drawn(urgency, 6, 2, (0, 1))
    epochs = [draw(epoch) for epoch in range(4)]
    assert all(len(one) == len(set(one)) == 6 for one in epochs)
    assert sorted(epochs[0][:2] + epochs[1][:2]) == [20, 21, 22, 23] and epochs[0][:2] == epochs[2][:2]
    assert epochs == [draw(epoch) for epoch in range(4)]
    # more than half of the rows: the urgent ones are in what the passes draw, too
    many = drawn(urgency, 23, 4, (0, 1))
    assert all(len(set(many(epoch))) == 23 and set(many(epoch)) >= {20, 21, 22, 23} for epoch in range(9))
    # more than there are: all once, and 6 more
    more = drawn(urgency, 30, 15, (0, 1))
    assert all(sorted(Counter(more(epoch)).values()) == [1] * 18 + [2] * 6 for epoch in range(4))
    assert {one for one, n in Counter(more(0)).items() if n == 2} >= {20, 21, 22, 23}
    # a weight of 9 comes before one of 1 in 9 of 10 orders (Efraimidis and Spirakis: w / sum of w)
    heavy = [drawn(np.array([1.0, 9.0]), 1, 1, (seed, 0))(0)[0] for seed in range(400)]
    assert np.mean(heavy) == pytest.approx(0.9, abs=0.045)  # three standard errors


def test_mending_takes_what_was_lost_by_how_far_then_what_was_missed_and_keeps_the_rest():
    found = Recalled(
        rows_of([(k, 3) for k in range(2, 10)]),
        stage=np.array([0, 0, 0, 0, 1, 1, 1, 1]),
        then=np.array([True, True, True, False, True, False, False, True]),
        asked=np.ones(8, bool),
        now=np.array([False, False, True, False, True, False, False, True]),
        rise=np.array([1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    )
    rng = np.random.default_rng(0)
    # lost: 1 by more than 0; missed in the last stage: 5 and 6; row 3 was missed in an earlier one
    assert mended(found, 4, 0.5, rng)[:2].tolist() == [1, 0] and set(mended(found, 4, 0.5, rng)[2:]) <= {2, 4, 7}
    six = mended(found, 6, 0.25, rng).tolist()
    assert six[:2] == [1, 0] and set(six[2:4]) == {5, 6} and set(six[4:]) < {2, 4, 7}
    assert len(mended(found, 30, 0.0, rng)) == 30  # they come again


def test_a_stage_that_is_mended_has_two_parts(tmp_path: Path):
    settings = {"num_train_epochs": 4.0, "learning_rate": 1e-3, "max_steps": -1}
    own = choose({"replay": {"share": 0.1}, "mend": {"share": 0.2, "rate": 0.25}})
    first, second = parts_of(StageSpec("main", "main.jsonl", settings, strategies=own))
    assert (first.name, first.part_of, first.settings, first.strategies) == ("main.first", "main", settings, own)
    assert (second.name, second.part_of) == ("main", None)
    assert second.settings == {"num_train_epochs": 1.0, "learning_rate": 2.5e-4, "max_steps": -1}
    [follows] = second.strategies
    assert follows.strategy.name == "mend" and follows.identity()["settings"]["epochs"] == 4.0
    # the trainer's own rate where the run has none
    [_, second] = parts_of(StageSpec("main", "main.jsonl", {"num_train_epochs": 4.0}, strategies=own))
    assert second.settings["learning_rate"] == pytest.approx(0.25 * arguments({}, tmp_path).learning_rate)
    with pytest.raises(UptakeError, match="max_steps is 5, and mend trains a share of the epochs of the stage main"):
        [*parts_of(StageSpec("main", "main.jsonl", settings | {"max_steps": 5}, strategies=own))]
    plain = StageSpec("main", "main.jsonl", settings, strategies=choose({"mend": {"share": 0}}))
    assert [*parts_of(plain)] == [plain]
    with pytest.raises(UptakeError, match="ewc would not see"):
        [*parts_of(StageSpec("main", "main.jsonl", settings, strategies=choose({"ewc": {}, "mend": {}})))]


def test_near_prompts_are_those_next_to_a_prompt_of_the_stage():
    """Cosines with the nearer of (1, 0) and (0, 1): 0.8, 1.0 and 0.6 / -0.8, so that the second is the nearest."""
    kept = torch.tensor([[0.8, 0.6], [0.0, 1.0], [-0.8, 0.6]])
    assert nearness(kept, torch.eye(2)).tolist() == pytest.approx([2 / 3, 1.0, 1 / 3])


def test_what_is_replaced_gives_way_and_the_share_stays():
    """Of 4 kept rows 2 are replaced: an epoch that draws 8 has the other two, each 4 times; of none it has none."""
    pool = Pool(rows_of([(10 + k, 1) for k in range(4)]), lambda epoch: [0, 1, 2, 3] * 2)
    found = without_contradicted(pool, rows_of([(10, 2), (12, 2)])).draw(0)
    assert Counter(found) == {1: 4, 3: 4}
    assert without_contradicted(pool, rows_of([(10 + k, 2) for k in range(4)])).draw(0) == []
