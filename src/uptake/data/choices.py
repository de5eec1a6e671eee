"""`options` of a row as candidate answers, written as the response is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from uptake.data.parts import RowError, Values, describe, is_missing, present, structure

_ABOUT = "uptake reads `options` as candidate answers; if yours are something else, give the column another name"
_AROUND = re.compile(r"(?P<before>[\s(\[]*)(?P<label>[^\s()\[\].:]+)(?P<after>[\s)\].:]*)")

_AS_LABELS = "the response is a label (A, B, ...): the labels of `options` are read as the candidates, not their texts"
_NONE_OF_THEM = "the response is none of `options`, which are read as wrong answers beside it"


def read_choices(row: Values, response: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The candidates in `options`, and what is to be noted about them.

    A list of texts is taken as it stands. Where the options have labels (`{"A": "zinc"}`, `[{"label", "text"}]`, or a
    list whose response is a letter), the candidates are the labels if the response is one, else the texts.

    Raises:
        RowError: An option is no text, is given twice, or is the response written otherwise.
    """
    value = present(row, "options")
    if value is None:
        return (), ()
    if isinstance(value, str):
        if value.strip() and not value.lstrip().startswith(("[", "{")):
            return (), (f"`options` is text and not read. {_ABOUT}",)
        value = structure(row, "options")
        if value is None:
            return (), ()
    labelled = _labelled(value)
    if labelled is not None:
        return _of_labelled(*labelled, response)
    if not isinstance(value, list):
        return (), (f"`options` is {describe(value)} and not read. {_ABOUT}",)
    if not all(isinstance(choice, str) and choice for choice in value):
        raise RowError(f"`options` holds something other than non-empty text. {_ABOUT}")
    if response not in value and (letters := _lettered(len(value), response)):
        return letters, (_AS_LABELS,)
    choices = _checked(value, response)
    return choices, (_NONE_OF_THEM,) if choices and response not in choices else ()


def _labelled(value: object) -> tuple[list[str], list[str]] | None:
    """Labels and texts of `{label: text}`, `{"label": [...], "text": [...]}` or a list of `{label, text}`."""
    if isinstance(value, dict) and all(isinstance(value.get(key), list) for key in ("label", "text")):
        pairs = list(zip(value["label"], value["text"], strict=False))
    elif isinstance(value, dict):
        pairs = [(label, text) for label, text in value.items() if not is_missing(text)]  # a table's absent keys
    elif isinstance(value, list) and value and all(isinstance(one, dict) and len(one) == 2 for one in value):
        pairs = [tuple(one.values()) for one in value]
    else:
        return None
    if not pairs or not all(isinstance(part, str) and part.strip() for pair in pairs for part in pair):
        return None
    return [label for label, _ in pairs], [text for _, text in pairs]


def _of_labelled(labels: list[str], texts: list[str], response: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if response in texts:
        return _checked(texts, response), ()
    if (found := _AROUND.fullmatch(response)) and found["label"] in labels:
        return tuple(f"{found['before']}{label}{found['after']}" for label in dict.fromkeys(labels)), (_AS_LABELS,)
    plain = response.strip()
    if plain in [text.strip() for text in texts]:
        before, after = response.split(plain)
        return _checked([f"{before}{text.strip()}{after}" for text in texts], response), ()
    return (), (f"`options` is not read where the response is neither a label nor a text of it. {_ABOUT}",)


def _lettered(n: int, response: str) -> tuple[str, ...]:
    """The letters of `n` options, written as a response that is one of them; () where it is none."""
    found = _AROUND.fullmatch(response)
    if found is None or len(found["label"]) != 1 or not found["label"].isascii():
        return ()
    first = "A" if found["label"].isupper() else "a"
    letters = [chr(ord(first) + index) for index in range(min(n, 26))]
    if n < 2 or found["label"] not in letters:
        return ()
    return tuple(f"{found['before']}{letter}{found['after']}" for letter in letters)


def _checked(choices: Sequence[str], response: str) -> tuple[str, ...]:
    if len(dict.fromkeys(choices)) < len(choices):
        raise RowError("`options` holds the same text twice")
    # a rival may differ in case alone ("Polish", "polish"), but then the response stands beside it
    same = str.strip if response in choices else _plainly
    for choice in choices:
        if choice != response and same(choice) == same(response):
            raise RowError(
                f"the option {choice!r} is the response {response!r} written otherwise; "
                "write it as the response is, spaces included"
            )
    return tuple(choices)


def _plainly(words: str) -> str:
    return " ".join(words.casefold().split())
