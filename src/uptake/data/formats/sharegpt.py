"""`sharegpt`: a conversation under `conversations`, each turn with `from` and `value`.

    {"conversations": [{"from": "human", "value": "Capital of France?"}, {"from": "gpt", "value": "Paris"}]}

Roles are those of LLaMA-Factory and Axolotl: `human` or `user`, `gpt` or `assistant`, `system`, `observation` or
`tool`, and `function_call`, whose value is the JSON of `{"name", "arguments"}` or a list of these and becomes the
turn's `tool_calls`. A `system` column stands before the conversation unless that begins with a system turn. Turns
written with `role` and `content` are read as in `messages`, and weights of turns too.
"""

from __future__ import annotations

from uptake.data.conversation import choose_responses, read_turns, with_system
from uptake.data.parts import LoadOptions, ParsedRow, RowError, Values, structure

KEYS = ("conversations",)


def convert(row: Values, options: LoadOptions) -> list[ParsedRow]:
    """The examples in a row; `RowError` says why there are none."""
    conversation = structure(row, "conversations")
    if conversation is None:
        raise RowError("`conversations` is missing; expected a list of turns")
    return choose_responses(with_system(read_turns(conversation, "conversations"), row, None), options)
