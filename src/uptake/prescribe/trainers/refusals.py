"""Rows that a trainer would train as something else than what was diagnosed: no settings, and the plan says why.

LLaMA-Factory's reader of conversations (`SharegptDatasetConverter`, src/llamafactory/data/converter.py) takes `role`
and `content` of a turn and nothing else, so that a turn of tool calls would be trained as an empty answer; rows whose
turns do not alternate are left out with a warning. Its reader of OpenAI's form reads tool calls, writes them in a form
of its own and adds a sentence to the system turn. Axolotl takes arguments of the chat template for all rows alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from uptake.prescribe.rows import Kind
from uptake.types import Example, Message

_READ_BY_TEMPLATES = ("tool_calls", "function_call", "reasoning_content", "reasoning", "thinking")
"""Keys of a turn that chat templates write."""


def refusals(examples: Iterable[Example], kind: Kind) -> dict[str, str]:
    """Why a trainer cannot train these rows rightly, by the trainer's name; those that can are not in it.

    Args:
        examples: The rows of fine-tuning.
        kind: What they are.
    """
    distinct = list({id(one): one for one in examples}.values())
    if kind == "mixed":
        why = "the rows mix conversations and plain text, which no trainer reads from one file"
        return dict.fromkeys(("trl", "llamafactory", "axolotl"), why)
    chats = [one for one in distinct if not isinstance(one.prompt, str)]
    found = {}
    for name, refuse in (("llamafactory", _by_llamafactory), ("axolotl", _by_axolotl)):
        if (why_not := refuse(chats)) is not None:
            found[name] = why_not
    return found


def _by_llamafactory(chats: list[Example]) -> str | None:
    for one in chats:
        extras = [turn.extra for turn in one.prompt if isinstance(turn, Message)]
        keys = [key for key in _READ_BY_TEMPLATES if any(extra.get(key) for extra in (*extras, one.response_extra))]
        told = [*keys, *one.template]
        if told:
            what = told[0].replace("_", " ")
            return f"it does not read {what}, which the rows have ({one.id}), and would train another text"
        if not _alternates([turn.role for turn in one.prompt if isinstance(turn, Message)]):
            return f"it leaves out rows whose turns are not of user and assistant in turn ({one.id})"
    return None


def _alternates(roles: list[str]) -> bool:
    turns = [*(roles[1:] if roles[:1] == ["system"] else roles), "assistant"]
    wanted = (("user", "tool"), ("assistant",))
    return len(turns) % 2 == 0 and all(role in wanted[place % 2] for place, role in enumerate(turns))


def _by_axolotl(chats: list[Example]) -> str | None:
    if one_for_all(chats) is None:
        return "it takes arguments of the chat template (chat_template_kwargs) for all rows alike, and the rows differ"
    return None


def one_for_all(examples: Iterable[Example]) -> Mapping[str, Any] | None:
    """The arguments of the chat template, tools apart, that all rows share; None where they differ."""
    found: dict[str, Any] | None = None
    for one in examples:
        own = {name: value for name, value in one.template.items() if name != "tools"}
        if found is not None and own != found:
            return None
        found = own
    return found or {}
