"""The content of a turn: text, or a list of parts in the words of OpenAI, LLaMA-Factory, Anthropic and others."""

from __future__ import annotations

from typing import Any

from uptake.data.parts import RowError, describe, is_missing, parse_json

MEDIA = ("image", "images", "audio", "audios", "video", "videos", "image_path", "pixel_values")
"""Keys, of a row or of a turn, that name what is no text."""

_TEXT = ("text", "input_text", "output_text")
_REASONING = ("reasoning", "thinking")
_CALL = ("tool_call", "tool_use", "function_call")


def read_content(content: object, where: str) -> tuple[str, dict[str, Any]]:
    """The text of a turn, and the keys that its other parts become: `reasoning_content`, `tool_calls`.

    Raises:
        RowError: It is neither text nor a list of parts, or a part cannot be read; the reason names the part.
    """
    if isinstance(content, str):
        return content, {}
    if not isinstance(content, list):
        raise RowError(f"`content` of {where} is {describe(content)}; expected text")
    texts: list[str] = []
    reasoning: list[str] = []
    calls: list[dict[str, Any]] = []
    for part in content:
        kind = _kind(part)
        said = _said(part, kind)
        if kind in _CALL:
            calls += calls_of(_call(part), where)
        elif kind in _TEXT and said is not None:
            texts.append(said)
        elif kind in _REASONING and said is not None:
            reasoning.append(said)
        else:
            named = describe(part) if kind is None else repr(kind)
            raise RowError(f"`content` of {where} holds a part that is not text ({named}); only text can be read")
    extra: dict[str, Any] = {"reasoning_content": "".join(reasoning)} if reasoning else {}
    return "".join(texts), extra | ({"tool_calls": calls} if calls else {})


def _kind(part: Any) -> str | None:
    if isinstance(part, str):
        return "text"
    if not isinstance(part, dict):
        return None
    given = part.get("type")
    if given is None and [key for key, value in part.items() if value is not None] == ["text"]:
        return "text"  # as Bedrock writes it
    return given if isinstance(given, str) else None


def _said(part: Any, kind: str | None) -> str | None:
    """The text of a part, which OpenAI has under the name of its type and LLaMA-Factory under `value`."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or kind is None:
        return None
    return next((part[key] for key in ("text", "value", kind) if isinstance(part.get(key), str)), None)


def _call(part: dict[str, Any]) -> Any:
    if part.get("type") == "tool_use":  # Anthropic's
        return {"name": part.get("name"), "arguments": part.get("input")}
    return next((part[key] for key in ("value", "tool_call", "function_call") if part.get(key) is not None), part)


def calls_of(value: Any, where: str) -> list[dict[str, Any]]:
    """`tool_calls` of one call `{"name", "arguments"}` or a list of these, as objects or as JSON text."""
    try:
        calls = parse_json(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        calls = None
    calls = calls if isinstance(calls, list) else [calls]
    if not calls or not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in calls):
        raise RowError(f"{where} is a function_call that is not JSON with `name` and `arguments`")
    return [{"type": "function", "function": call} for call in calls]


def old_call(call: Any, where: str) -> list[dict[str, Any]]:
    """`tool_calls` of OpenAI's `function_call` of 2023, whose arguments are JSON text."""
    [made] = calls_of(call if isinstance(call, dict) else None, where)
    arguments = made["function"].get("arguments")
    if isinstance(arguments, str):
        try:
            parsed = parse_json(arguments)
        except (ValueError, RecursionError):
            return [made]
        if isinstance(parsed, dict):
            return [{**made, "function": {**made["function"], "arguments": parsed}}]
    return [made]


def refuse_media(holder: dict[str, Any], key: str, where: str) -> None:
    """Raises where something that is no text stands under `key`."""
    value = holder[key]
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    if all(is_missing(one) or one in ("", [], {}) for one in held):
        return
    raise RowError(
        f"{where} has `{key}`; only text can be read, and without it the prompt is another than the trained one "
        f"(if the model was trained on the text alone, take `{key}` out)"
    )
