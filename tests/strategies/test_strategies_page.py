"""The strategy that the documentation shows how to write is one."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from uptake.config.schema import Float, Section
from uptake.models.places.place import LoadSettings
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import Hooks, Needs, StageView, State, chain
from uptake.models.training.job import Job
from uptake.models.training.memory import Memory
from uptake.models.training.rehearsal import rehearse
from uptake.models.training.rows import ROWS
from uptake.models.training.start import Start, tokenizer_of

PAGE = Path(__file__).parents[2] / "docs" / "details" / "strategies.md"
NEEDED = {
    one.__name__: one for one in (Batch, Hooks, Memory, Needs, Section, StageView, Tensor)
} | {"Annotated": Annotated, "Any": Any, "Field": Field, "Float": Float, "State": State, "torch": torch}  # fmt: skip


def written() -> dict[str, Any]:
    [code] = re.findall(r"```python\n(class Settings.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = dict(NEEDED)
    exec(compile(code, str(PAGE), "exec", dont_inherit=True), names)
    return names


def test_the_example_trains(trainable: Path, tmp_path: Path):
    names = written()
    start = Start(str(trainable), LoadSettings(device="cpu"))
    tokenizer = tokenizer_of(start.place(), start.settings)
    job = Job(start, tokenizer, ROWS.empty_table(), {"use_cpu": True}, tmp_path)
    rehearse(job, chain({"l2": names["_hooks"](names["Settings"]())}))
    assert names["_hooks"](names["Settings"](strength=0)).idle


def test_its_term_is_the_squared_distance():
    """Weights (1, 2) that were (0, 4): ½ · (1 + 4)."""
    names = written()
    hooks = names["_hooks"](names["Settings"](strength=0.5))
    model = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 4.0]]))
        state = hooks.begin(model, StageView(0, "s", 0, ROWS.empty_table()), Memory())
        model.weight.copy_(torch.tensor([[1.0, 2.0]]))
    batch = Batch(SimpleNamespace(model=model), {}, ROWS.empty_table(), None, 0)
    assert float(hooks.loss(batch, state).detach()) == 2.5
