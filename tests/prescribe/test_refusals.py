"""Trainers that would train other rows than were diagnosed get no settings, and `plan.md` says why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from patients import examples, finding, material

from uptake.prescribe import Export, Terms, plan, write_plan
from uptake.prescribe.trainers import refusals
from uptake.types import Example, Message, Plan

USER, ANSWER, TOOL = Message("user", "q"), Message("assistant", "a"), Message("tool", "21")
CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"of": "Oslo"}}}
SEARCH = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"of": {}}}},
}
CALLING = Example("e", (USER,), "", "s", response_extra={"content": None, "tool_calls": [CALL]})


@pytest.mark.parametrize(
    ("example", "why"),
    [
        (CALLING, "not read tool calls"),
        (Example("e", (USER, replace(ANSWER, extra={"tool_calls": [CALL]}), TOOL), "r", "s"), "not read tool calls"),
        (Example("e", (USER,), "r", "s", response_extra={"reasoning_content": "hm"}), "not read reasoning content"),
        (Example("e", (USER,), "r", "s", template={"tools": [SEARCH]}), "not read tools"),
        (Example("e", (USER,), "r", "s", template={"enable_thinking": False}), "not read enable thinking"),
        (Example("e", (USER, USER), "r", "s"), "leaves out rows whose turns"),
        (Example("e", (Message("developer", "d"), USER), "r", "s"), "leaves out rows whose turns"),
        (Example("e", (USER, ANSWER), "r", "s"), "leaves out rows whose turns"),
    ],
)
def test_what_llamafactory_does_not_read(example: Example, why: str) -> None:
    # src/llamafactory/data/converter.py, SharegptDatasetConverter: role and content, users and assistants in turn
    assert why in refusals([example], "chat")["llamafactory"]
    assert "trl" not in refusals([example], "chat")


@pytest.mark.parametrize(
    "prompt", [(USER,), (Message("system", "s"), USER), (USER, ANSWER, USER), (USER, ANSWER, TOOL)]
)
def test_what_it_reads(prompt: tuple[Message, ...]) -> None:
    assert refusals([Example("e", prompt, "r", "s")], "chat") == {}
    assert refusals(examples(), "plain") == {}


def test_axolotl_takes_arguments_of_the_template_for_all_rows_alike() -> None:
    some = [Example(str(k), (USER,), "r", "s", template={"enable_thinking": bool(k)}) for k in range(2)]
    assert "the rows differ" in refusals(some, "chat")["axolotl"]
    assert "axolotl" not in refusals([some[0], some[0]], "chat")


def test_no_trainer_reads_a_mixture() -> None:
    assert list(refusals(examples(), "mixed")) == ["trl", "llamafactory", "axolotl"]


def calling() -> Plan:
    some = examples()
    terms = Terms(step=4, model="./base", training={"learning_rate": 1e-3, "per_device_train_batch_size": 4}, seed=3)
    made = plan([finding(some[4], "undertraining")], material(some, {}), terms)
    extra = {"tool_calls": [CALL]}
    template: dict[str, Any] = {"tools": [SEARCH], "enable_thinking": False}
    return replace(
        made, sft=tuple(replace(one, prompt=(USER,), response_extra=extra, template=template) for one in made.sft)
    )


def test_a_plan_of_tool_calls(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", calling(), Export(model="../../base", max_length=64, kind="chat", eos="</s>"), "key")
    names = {
        path.relative_to(tmp_path / "plan").as_posix() for path in (tmp_path / "plan").rglob("*") if path.is_file()
    }
    assert not any("llamafactory" in name for name in names) and {"trl/sft.yaml", "axolotl/sft.yaml"} <= names
    page = (tmp_path / "plan" / "plan.md").read_text(encoding="utf-8")
    assert "No settings for LLaMA-Factory: it does not read tool calls" in page
    assert "llamafactory-cli" not in page and "axolotl train axolotl/sft.yaml" in page
    settings = yaml.safe_load((tmp_path / "plan" / "axolotl" / "sft.yaml").read_text(encoding="utf-8"))
    assert settings["chat_template_kwargs"] == {"enable_thinking": False}
    row = json.loads((tmp_path / "plan" / "axolotl" / "sft.jsonl").read_text(encoding="utf-8").splitlines()[0])
    # src/axolotl/prompt_strategies/chat_template.py: tools are a list; parameters and arguments may be JSON as text
    assert json.loads(row["tools"][0]["function"]["parameters"]) == SEARCH["function"]["parameters"]
    assert json.loads(row["messages"][-1]["tool_calls"][0]["function"]["arguments"]) == {"of": "Oslo"}
    assert [turn["train"] for turn in row["messages"]] == [False, True]
