"""`messages`: a conversation, as OpenAI, TRL and most trainers write it.

    {"messages": [{"role": "user", "content": "Capital of France?"}, {"role": "assistant", "content": "Paris"}]}

The last assistant turn is the response and the turns before it are the prompt; with `assistant_turns: all` each
assistant turn is an example. Content is text or a list of text parts. Other keys of a turn (`tool_calls`,
`reasoning_content`, `name`, ...) go to the chat template as they are.
"""

from __future__ import annotations

from uptake.data.conversation import choose_responses, read_turns
from uptake.data.parts import Item, LoadOptions, Values, structure

KEYS = ("messages",)


def convert(row: Values, options: LoadOptions) -> list[Item]:
    """The examples in a row; `RowError` says why there are none."""
    return choose_responses(read_turns(structure(row, "messages"), "messages"), options)
