"""`prompt_completion`: a prompt and what follows it, as TRL and the older OpenAI files write it.

    {"prompt": "The capital of France is", "completion": " Paris"}
    {"prompt": [{"role": "user", "content": "..."}], "completion": [{"role": "assistant", "content": "..."}]}

Plain text is joined as it stands, so the space between the two must be in one of them. Where a completion has several
turns, its last assistant turn is the response (each of them with `assistant_turns: all`). `response` is not read in
place of `completion`: the trainers that know that key wrap the prompt in a chat template, so that is read as alpaca.
Where both are JSON text of turns, as a table has them, they are read as these turns, with a note.
"""

from __future__ import annotations

from dataclasses import replace

from uptake.data.conversation import choose_responses, holds_turns, read_turns, with_system
from uptake.data.formats.messages import SYSTEM_NOTE
from uptake.data.parts import (
    LoadOptions,
    ParsedRow,
    RowError,
    Values,
    describe,
    present,
    required_text,
    response_text,
    structure,
)

KEYS = ("prompt", "completion")

_JSON_TURNS = (
    "`prompt` and `completion` are JSON text and are read as the turns that it holds; a trainer that reads the file as "
    "it stands (TRL) trains the JSON itself: give it lists of turns, as JSON Lines and Parquet have them"
)


def convert(row: Values, options: LoadOptions) -> list[ParsedRow]:
    """The examples in a row; `RowError` says why there are none."""
    prompt, completion = present(row, "prompt"), present(row, "completion")
    if holds_turns(prompt) and holds_turns(completion):
        turns = with_system(read_turns(structure(row, "prompt"), "prompt"), row, SYSTEM_NOTE)
        answers = read_turns(structure(row, "completion"), "completion")
        found = choose_responses(turns + answers, options, first=len(turns))
        if isinstance(prompt, list) and isinstance(completion, list):
            return found
        return [replace(one, notes=(*one.notes, _JSON_TURNS)) for one in found]
    if isinstance(prompt, list) or isinstance(completion, list):
        raise RowError(
            f"`prompt` is {describe(prompt)} and `completion` is {describe(completion)}; "
            "expected both as text or both as lists of turns"
        )
    return [ParsedRow(required_text(row, "prompt"), response_text(row, "completion"))]
