"""`prompt_completion`: a prompt and what follows it, as TRL and the older OpenAI files write it.

    {"prompt": "The capital of France is", "completion": " Paris"}
    {"prompt": [{"role": "user", "content": "..."}], "completion": [{"role": "assistant", "content": "..."}]}

Plain text is joined as it stands, so the space between the two must be in one of them. Where a completion has several
turns, its last assistant turn is the response (each of them with `assistant_turns: all`). `response` is not read in
place of `completion`: the trainers that know that key wrap the prompt in a chat template, so that is read as alpaca.
"""

from __future__ import annotations

from uptake.data.conversation import choose_responses, read_turns, with_system
from uptake.data.formats.messages import SYSTEM_NOTE
from uptake.data.parts import LoadOptions, ParsedRow, RowError, Values, describe, present, required_text, response_text

KEYS = ("prompt", "completion")


def convert(row: Values, options: LoadOptions) -> list[ParsedRow]:
    """The examples in a row; `RowError` says why there are none."""
    prompt, completion = present(row, "prompt"), present(row, "completion")
    if isinstance(prompt, list) and isinstance(completion, list):
        turns = with_system(read_turns(prompt, "prompt"), row, SYSTEM_NOTE)
        return choose_responses(turns + read_turns(completion, "completion"), options, first=len(turns))
    if isinstance(prompt, list) or isinstance(completion, list):
        raise RowError(
            f"`prompt` is {describe(prompt)} and `completion` is {describe(completion)}; "
            "expected both as text or both as lists of turns"
        )
    return [ParsedRow(required_text(row, "prompt"), response_text(row, "completion"))]
