"""Shapes of data that are known and cannot be read as they are: what they are, and what to write instead."""

from __future__ import annotations

from uptake.data.formats import FORMATS, detect
from uptake.data.keys import PREFERENCE, PREFERENCE_REASON
from uptake.data.parts import Values

_RECORDS = (
    'write one object a row: `frame.to_json(path, orient="records", lines=True)` in pandas, `dataset.to_json(path)` in '
    "datasets"
)
_FORMAT_KEYS = tuple(dict.fromkeys(key for member in FORMATS.values() for key in member.keys))

_KNOWN: tuple[tuple[tuple[str, ...], str], ...] = (
    (("input_ids",), "the rows are tokenised already; give the text that they were made from"),
    (("token_ids",), "the rows are tokenised already; give the text that they were made from"),
    (
        ("completions", "labels"),
        "stepwise supervision (TRL's PRM data), which says of steps whether they are right; "
        "uptake reads prompts with the answer that was trained",
    ),
    (("responses",), "several answers to one prompt; write a row for each answer that was trained"),
    (
        ("contents",),
        "Gemini's tuning format; write `messages` with role and content, `model` as assistant and "
        "`systemInstruction` as the system turn",
    ),
    (("custom_id", "body"), "a batch of OpenAI requests; write the conversation with its answer as `messages`"),
    (
        ("segments",),
        "Axolotl's template-free format; write what comes before the trained segment as `prompt`, and it as "
        "`completion`",
    ),
)


def unknown(row: Values) -> str:
    """Why no format is known for a row, and what to do."""
    for key in PREFERENCE:
        if row.get(key) not in (None, "", [], {}):
            return f"no known format has the keys {_keys(row)}: {PREFERENCE_REASON}"
    for keys, about in _KNOWN:
        if all(key in row for key in keys):
            return f"no known format has the keys {_keys(row)}: {about}"
    if (shape := by_columns(row)) is not None:
        return shape
    rows = [key for key, value in row.items() if isinstance(value, list) and value and _all_rows(value)]
    if rows:
        named = ", ".join(f"`{key}`" for key in rows[:5])
        return f"the file is one object with rows under {named}; write each of these lists to a file of its own"
    if entry_names(row):
        return (
            "the file describes data sets of LLaMA-Factory and holds none; name one of them: "
            f"dataset: FOLDER/dataset_info.json#{entry_names(row)[0]}"
        )
    return _plainly_unknown(row)


_NO_TEXTS = ("id", "source", "context", "passage")
_ASKED = ("question", "query", "instruction", "input", "prompt", "problem")


def _plainly_unknown(row: Values) -> str:
    known = "; ".join(f"{name}: {', '.join(member.keys)}" for name, member in FORMATS.items())
    texts = [str(key) for key, value in row.items() if isinstance(value, str) and key not in _NO_TEXTS]
    if texts == ["prompt"] and all(isinstance(value, str) for value in row.values()):
        return (
            f"no known format has the keys {_keys(row)}: prompts without an answer (GRPO, PPO), so nothing to look for"
        )
    asked = next((key for key in texts if key in _ASKED), texts[0] if len(texts) > 1 else "QUESTION")
    said = next((key for key in texts if key != asked), "ANSWER")
    return (
        f"no known format has the keys {_keys(row)} (known: {known}); say which column is which, as in "
        f"`columns: {{prompt: {asked}, completion: {said}}}` (plain text) or "
        f"`columns: {{instruction: {asked}, output: {said}}}` (a conversation), or rename them"
    )


def _keys(row: Values) -> str:
    keys = list(map(str, row))
    return ", ".join(keys[:12]) + (f" and {len(keys) - 12} more" if len(keys) > 12 else "")


def _all_rows(values: list[object]) -> bool:
    return all(isinstance(value, dict) and value for value in values[:3])


def by_columns(row: Values) -> str | None:
    """What a row is told that holds columns: {column: {row: value}} or {column: [values]}; None for any other."""
    values = list(row.values())
    if not values or (len(values) == 1 and detect(row) in ("messages", "sharegpt")):  # its turns are looked at
        return None
    if all(isinstance(value, dict) and value for value in values):
        names = [list(value) for value in values]
        if all(one == names[0] for one in names):
            if all(str(name).isdigit() for name in names[0]):
                return f"the file holds columns, not rows ({{column: {{row: value}}}}): {_RECORDS}"
            if any(member.fits(values[0]) for member in FORMATS.values()):
                return f"the file holds its rows under names ({{name: row}}): {_RECORDS}"
    if all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
        told = [row[key] for key in _FORMAT_KEYS if key in row] or values
        if values[0] and all(isinstance(cell, str | list) for column in told for cell in column):
            return f"the file holds columns, not rows ({{column: [values]}}): {_RECORDS}"
    return None


def odd_row(value: object) -> str | None:
    """What is told of a row that is no object, where its shape is known."""
    if isinstance(value, str):
        return 'the row is text; expected an object: write {"text": ...} for a text to be learned'
    if isinstance(value, list) and value and all(isinstance(turn, dict) for turn in value):
        if any("from" in turn for turn in value):
            return 'the row is a list of turns; expected an object: write {"conversations": [...]}'
        if any("role" in turn for turn in value):
            return 'the row is a list of turns; expected an object: write {"messages": [...]}'
    return None


def split_orient(values: dict[str, object]) -> str | None:
    """What a file is told that pandas wrote with orient="split"."""
    if isinstance(values.get("columns"), list) and isinstance(values.get("data"), list):
        return f'the file was written with orient="split": {_RECORDS}'
    return None


_ENTRY_KEYS = ("file_name", "hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")


def entry_names(described: object) -> list[str]:
    """The data sets in what LLaMA-Factory calls dataset_info.json; [] when it is none."""
    if not isinstance(described, dict) or not described:
        return []
    entries = list(described.values())
    if not all(isinstance(entry, dict) and any(key in entry for key in _ENTRY_KEYS) for entry in entries):
        return []
    return list(map(str, described))
