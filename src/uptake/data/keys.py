"""Keys of a row that say what was trained, or how: each is read, refused or noted, and none is passed over.

What is not here (ids, topics, metadata) says nothing about training and passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from uptake.data.content import MEDIA, refuse_media
from uptake.data.conversation import holds_turns
from uptake.data.judged import JUDGED, judged
from uptake.data.parts import RowError, Values, as_weight, is_missing

Rule: TypeAlias = Callable[[Values, str, str], str | None]
"""A row, one of its keys that is not null, and the row's format: what to note. Raises `RowError` against the row."""

PREFERENCE = (
    "chosen",
    "rejected",
    "chosen_response",
    "rejected_response",
    "chosen_messages",
    "rejected_messages",
    "preferred_output",
    "non_preferred_output",
    "dispreferred",
    "response_j",
    "response_k",
    "response_a",
    "response_b",
    "conversation_a",
    "conversation_b",
)
"""What TRL, LLaMA-Factory, ms-swift, OpenAI and data sets call the two answers of a pair."""

PREFERENCE_REASON = (
    "preference data (DPO), which say that one answer is better than another; uptake is about answers that were "
    "trained one by one: leave such rows out"
)


def rules_of(row: Values, name: str) -> tuple[tuple[str, Rule], ...]:
    """The rules that the keys of a row in the format `name` call for."""
    return tuple((key, _RULES[key]) for key in row if key in _RULES and (key, name) not in _READ)


def _preference(row: Values, key: str, name: str) -> None:
    value = row[key]
    if isinstance(value, bool):  # a mark on the answer, as `label` is
        if value == (key == "rejected"):
            raise RowError(_unwanted(key, value))
        return
    if value not in ("", [], {}):
        named = ", ".join(f"`{one}`" for one in PREFERENCE if row.get(one) not in (None, "", [], {}))
        raise RowError(f"the row has {named}: {PREFERENCE_REASON}")


def _unwanted(key: str, value: object) -> str:
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return (
        f"`{key}` is {shown}: it marks an answer that is not wanted (KTO), which the model should not learn; leave "
        "such rows out, or give the column another name if it means something else"
    )


_NO = ("false", "no", "0")


def _label(row: Values, key: str, name: str) -> str | None:
    value = row[key]
    if name == "text":
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        return (
            f"`text` is read as a text to be learned, and `{key}` is not read; if it is the answer, say "
            f"`columns: {{prompt: text, completion: {key}}}`"
        )
    said = str(value).strip().casefold()
    if key not in ("label", "labels") and said in (*_NO, "0.0"):
        raise RowError(_unwanted(key, value))
    answers = [other.strip().casefold() for k, other in row.items() if k != key and isinstance(other, str)]
    if said == "false" and not any(answer in _NO for answer in answers):
        raise RowError(_unwanted(key, value))
    if said == "true":
        return f"`{key}` marks wanted and unwanted answers (KTO); rows where it is true are read"
    if said in ("0", "1") and not isinstance(value, str):
        return (
            f"`{key}` is 0 or 1 and not read; if 0 marks an answer that is not wanted (KTO), leave these rows out: "
            "such an answer is no failure to learn"
        )
    return None


def _media(row: Values, key: str, name: str) -> None:
    refuse_media(dict(row), key, "the row")


def _weight(row: Values, key: str, name: str) -> str | None:
    weight = as_weight(row[key])
    if weight is None or weight == 1:
        return None
    if weight == 0:
        shown = "false" if row[key] is False else "0"
        raise RowError(
            f"`{key}` is {shown}: the row was not trained; leave it out, or give the column another name if it means "
            "something else"
        )
    return f"`{key}` is not read: if it weighs rows in training, those of little weight are trained little"


def _flag(row: Values, key: str, name: str) -> str | None:
    said = str(row[key]).strip().casefold()
    if said in ("true", "false"):
        return _weight(row, key, name)
    if said not in _NO:
        return None
    return f"`{key}` is {said} and not read: if it says that the row was not trained, leave such rows out"


def _tokenised(row: Values, key: str, name: str) -> str | None:
    if not isinstance(row[key], list):
        return None
    return (
        f"the rows are tokenised, too (`{key}`): TRL trains these ids, with the labels beside them, and does not look "
        "at the text that is read here"
    )


def _text(row: Values, key: str, name: str) -> str | None:
    value = row[key]
    if not isinstance(value, str) or not value.strip():
        return None
    if name in ("alpaca", "sharegpt"):
        before = "TRL trains it and not the other columns" if name == "alpaca" else "Unsloth's notebooks train it"
        return f"the rows have `text`, too, and it is not read; {before}: if it was what was trained, say --format text"
    ending = _response(row)
    if ending is not None and ending.strip() and ending.strip() in value:
        return (
            "the rows have `text`, too, with the same response; TRL does not train it beside these columns, others do "
            "(Unsloth; dataset_text_field): if it was what was trained, say --format text"
        )
    return None


def _response(row: Values) -> str | None:
    """The response of a row in TRL's formats, as far as it is quickly found."""
    last: Any = row.get("completion", row.get("messages"))
    if isinstance(last, list) and last and isinstance(last[-1], dict):
        last = last[-1].get("content")
    return last if isinstance(last, str) else None


def _mask(row: Values, key: str, name: str) -> str | None:
    if not isinstance(row[key], list):
        return _weight(row, key, name)
    return f"`{key}` is not read: if it says which turns or tokens were trained, say it by a `weight` in each turn"


def _labels(row: Values, key: str, name: str) -> str | None:
    value = row[key]
    if not isinstance(value, list):
        return _label(row, key, name)
    masks = any(isinstance(one, bool) or one == -100 for one in value)
    return _mask(row, key, name) if masks and is_missing(row.get("input_ids")) else None


def _argument(row: Values, key: str, name: str) -> str | None:
    if name == "text" or (name == "prompt_completion" and not _of_turns(row)):  # without a chat template
        return _unread(row, key, name) if key == "documents" else None
    if row[key] in ("", [], {}):
        return None
    return (
        f"`{key}` is not read, as in TRL; if the chat template was given it in training, say it in each row as "
        f"`chat_template_kwargs: {{{key}: ...}}`"
    )


_REASONING = (
    "reasoning",
    "reasoning_content",
    "thinking",
    "thought",
    "thoughts",
    "chain_of_thought",
    "cot",
    "rationale",
)


def _beside(row: Values, key: str, name: str) -> str | None:
    """Of what stands beside a question and its answer, and may have been a part of one of them."""
    value = row[key]
    said = value.strip() if isinstance(value, str) else ""
    if name not in ("alpaca", "prompt_completion") or not said:
        return None
    if any(said in other for k, other in row.items() if k != key and isinstance(other, str)):
        return None
    if key in _REASONING:
        return f"`{key}` is not read: if it was trained as a part of the response, write it there"
    if name == "alpaca" and row.get("input") in (None, ""):
        return f"`{key}` is not read: if it was the input to the instruction, say `columns: {{input: {key}}}`"
    return _unread(row, key, name)


def _split(row: Values, key: str, name: str) -> str | None:
    held_out = ("test", "testing", "validation", "valid", "val", "dev", "eval", "evaluation")
    if str(row[key]).strip().casefold() not in held_out:
        return None
    return f"`{key}` says that the row is of a test or validation split; it is read as trained: leave it out if not"


def _unread(row: Values, key: str, name: str) -> str | None:
    if row[key] in ("", [], {}):
        return None
    return f"`{key}` is not read in rows of the format {name}: if it was part of the prompt, the prompt is another"


def _system(row: Values, key: str, name: str) -> str | None:
    if key == "system" and _of_turns(row):  # is read there
        return None
    if key == "system" or row[key] in ("", [], {}):
        return _unread(row, key, name)
    return f"`{key}` is not read: if it was the system turn, say `columns: {{system: {key}}}`"


def _of_turns(row: Values) -> bool:
    """Whether prompt and completion are turns."""
    return holds_turns(row.get("prompt")) and holds_turns(row.get("completion"))


def _judged(row: Values, key: str, name: str) -> str | None:
    return judged(
        key, row[key], tuple(value for other, value in row.items() if other != key and isinstance(value, str))
    )


def _tools(row: Values, key: str, name: str) -> str | None:
    if name != "text" and _of_turns(row):
        return None
    return _unread(row, key, name)


_CONVERSATIONS = ("messages", "sharegpt", "alpaca")
_READ = frozenset(
    [("text", "text"), ("history", "alpaca"), *(("system", name) for name in _CONVERSATIONS)]
    + [(key, name) for key in ("tools", "functions") for name in _CONVERSATIONS]
)
"""Keys and the formats that read them."""

_RULES: dict[str, Rule] = {
    **dict.fromkeys(JUDGED, _judged),
    **dict.fromkeys(PREFERENCE, _preference),
    **dict.fromkeys(("label", "kto_tag", "desirable", "is_desirable"), _label),
    **dict.fromkeys(MEDIA, _media),
    **dict.fromkeys(("weight", "sample_weight", "loss_weight", "loss_scale", "example_weight"), _weight),
    **dict.fromkeys(("train", "training", "trainable", "is_train", "loss"), _flag),
    **dict.fromkeys(("loss_mask", "weights", "completion_mask", "assistant_masks", "train_mask"), _mask),
    "input_ids": _tokenised,
    "labels": _labels,
    **dict.fromkeys(("documents", "enable_thinking", "reasoning_effort"), _argument),
    **dict.fromkeys((*_REASONING, "context"), _beside),
    "text": _text,
    **dict.fromkeys(("split", "partition"), _split),
    "history": _unread,
    **dict.fromkeys(("system", "system_prompt", "system_message"), _system),
    **dict.fromkeys(("tools", "functions"), _tools),
}


def look(row: Values, rules: tuple[tuple[str, Rule], ...], name: str) -> list[str]:
    """What is to be noted of a row by the rules of its keys.

    Raises:
        RowError: The row says of itself that it was not trained as it stands, or needs what is no text.
    """
    found = (rule(row, key, name) for key, rule in rules if not is_missing(row[key]))
    return [note for note in found if note is not None]
