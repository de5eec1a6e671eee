"""Prompts and responses as text, with the tools that they call: as tables show them, and as they are told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from uptake.types import Example, Prompt


def prompt_text(prompt: Prompt) -> str:
    """A prompt as a table shows it: plain text as it is, a conversation as `role: content` lines."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join(f"{message.role}: {_with_calls(message.content, message.extra)}" for message in prompt)


def response_text(example: Example) -> str:
    """A response as a table shows it: its text, and its tool calls as JSON."""
    return _with_calls(example.response, example.response_extra)


def calls_tools(example: Example) -> bool:
    """Whether its response calls tools: what is trained is then more than its text."""
    return bool(example.response_extra.get("tool_calls"))


def _with_calls(content: str, extra: Mapping[str, Any]) -> str:
    calls = extra.get("tool_calls")
    shown = [_call(call) for call in calls] if isinstance(calls, list) else []
    return "\n".join([content, *shown] if content else shown)


def _call(call: Any) -> str:
    """A call of a tool as JSON: its name and arguments, which some write as JSON within the JSON."""
    told = call.get("function", call) if isinstance(call, dict) else call
    if isinstance(told, dict) and isinstance(told.get("arguments"), str):
        with suppress(ValueError):
            told = {**told, "arguments": json.loads(told["arguments"])}
    return json.dumps(told, ensure_ascii=False, default=str)
