"""Which rows of earlier stages strategies train again, and from which weights."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import torch

from uptake.models.training.hooks import StageView
from uptake.models.training.memory import Memory
from uptake.models.training.pools import laid_out
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.strategies.choose import choose


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
