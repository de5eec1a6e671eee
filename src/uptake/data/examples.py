"""A row of the data as examples: its responses, ids, candidates, held-out wordings and template arguments."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from uptake.data.choices import read_choices
from uptake.data.conversation import OLD_CALLS
from uptake.data.files import DataFile
from uptake.data.formats import FORMATS
from uptake.data.keys import Rule, look
from uptake.data.parts import LoadOptions, ParsedRow, RowError, Values, describe, given_id, items, present, structure
from uptake.data.wordings import read_wordings
from uptake.types import Example

_PLACEHOLDER = re.compile(r"<\|?(image|video|audio)(_pad|_\d+)?\|?>|<\|vision_start\|>|\[IMG\]")


def examples_of(
    row: Values,
    line: int,
    file: DataFile,
    name: str,
    options: LoadOptions,
    ids: Ids,
    rules: tuple[tuple[str, Rule], ...],
) -> tuple[list[Example], list[str]]:
    """The examples in a row, and what is to be noted about them.

    Args:
        row: The row, under the names that uptake knows.
        line: Its place in the file.
        file: Where it was read; its name is the source of the examples that name none.
        name: Its format.
        options: How to read it.
        ids: The ids given so far.
        rules: What its keys call for, of `rules_of`.

    Raises:
        RowError: Why the row cannot be used.
    """
    notes = look(row, rules, name) if rules else []
    converted = FORMATS[name].convert(row, options)
    last = converted[-1]
    notes += last.notes
    template = {} if isinstance(last.prompt, str) else _template(row, notes)
    given = given_id(row)
    choices: tuple[str, ...] = ()
    if "options" in row:
        choices, told = read_choices(row, last.response)
        notes += told
    if _shows_something(last):
        notes.append(_SHOWN)
    if options.columns and _joined_without_space(last):
        notes.append(_JOINED)
    wordings = read_wordings(row, last.prompt, last.response)
    source = _source(row, notes) or file.source
    row_id = ids.claim(given, _digest(last, template))
    numbered = options.assistant_turns == "all" and not isinstance(last.prompt, str)
    found = [
        Example(
            id=f"{row_id}#{number}" if numbered else row_id,
            prompt=item.prompt,
            response=item.response,
            source=source,
            stage=options.stage,
            # both are about the row's last response
            options=choices if item is last else (),
            paraphrases=wordings if item is last else (),
            template=template,
            response_extra=item.response_extra,
            file=file.name,
            line=line,
        )
        for number, item in enumerate(converted, start=1)
    ]
    return found, notes


_SHOWN = (
    "the text holds a placeholder such as <image>; only text can be read: if the model was shown something in its "
    "place, take these rows out"
)


def _shows_something(item: ParsedRow) -> bool:
    """Whether a placeholder for an image, a sound or a film stands in what is asked."""
    asked = [item.prompt] if isinstance(item.prompt, str) else [turn.content for turn in item.prompt]
    return any(("<" in text or "[" in text) and _PLACEHOLDER.search(text) is not None for text in asked)


_JOINED = (
    "prompt and completion are joined as they stand, with no space between them; if they were trained as a "
    "conversation, name them instruction and output in `columns`"
)


def _joined_without_space(item: ParsedRow) -> bool:
    """Whether plain text was given as two columns that no one would have written without a space."""
    if not isinstance(item.prompt, str) or not item.prompt:
        return False
    ends = item.prompt[-1] + item.response[0]
    return ends.isascii() and not any(sign.isspace() for sign in ends)


def _source(row: Values, notes: list[str]) -> str | None:
    value = present(row, "source")
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    notes.append(f"`source` is {describe(value)} and not read; it names where a row came from, for the rates by source")
    return None


# arguments of `apply_chat_template` that are no business of the data: a template of its own would be code
_NOT_OF_A_ROW = (
    "add_generation_prompt",
    "chat_template",
    "continue_final_message",
    "conversation",
    "max_length",
    "padding",
    "return_assistant_tokens_mask",
    "return_dict",
    "return_tensors",
    "tokenize",
    "tokenizer_kwargs",
    "truncation",
)


def _template(row: Values, notes: list[str]) -> dict[str, Any]:
    """`tools` and `chat_template_kwargs` as TRL hands them to the chat template, the latter winning."""
    template: dict[str, Any] = {}
    if tools := items(row, "tools"):
        template["tools"] = tools
    elif "functions" in row and (functions := items(row, "functions")):  # OpenAI's old form
        template["tools"] = [{"type": "function", "function": function} for function in functions]
        notes.append(OLD_CALLS)
    settings = structure(row, "chat_template_kwargs")
    if settings is None:
        return template
    if not isinstance(settings, dict):
        raise RowError(f"`chat_template_kwargs` is {describe(settings)}; expected an object")
    for key in _NOT_OF_A_ROW:
        if key in settings:
            raise RowError(f"`chat_template_kwargs` may not set `{key}`")
    return template | settings


def _digest(item: ParsedRow, template: Values) -> str:
    """48 bits of BLAKE2b over the canonical JSON of what is trained, as 12 hexadecimal digits."""
    prompt = item.prompt if isinstance(item.prompt, str) else [turn.as_dict() for turn in item.prompt]
    content = [prompt, item.response, template, item.response_extra]
    try:
        # without NaN, which is no JSON: it would be null when it is read again, and the example another one
        canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise RowError(f"a turn, `tools` or `chat_template_kwargs` holds a value that JSON cannot: {error}") from None
    return hashlib.blake2b(canonical.encode("utf-8"), digest_size=6).hexdigest()


class Ids:
    """The ids given so far in a dataset."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._copies: dict[str, int] = {}  # only contents that came more than once

    def claim(self, given: str | None, digest: str) -> str:
        """The user's id, which must be new, or one from the content, numbered from its second copy on."""
        if given is not None:
            if given in self._taken:
                raise RowError(f"the id {given!r} came before; expected each id once")
            new = given
        else:
            new = f"ex-{digest}"
            while new in self._taken:
                self._copies[digest] = self._copies.get(digest, 1) + 1
                new = f"ex-{digest}-{self._copies[digest]}"
        self._taken.add(new)
        return new
