"""`messages`: a conversation, as OpenAI, TRL and most trainers write it.

    {"messages": [{"role": "user", "content": "Capital of France?"}, {"role": "assistant", "content": "Paris"}]}

The last assistant turn is the response and the turns before it are the prompt; with `assistant_turns: all` each
assistant turn is an example. Content is text or a list of parts: those of text are joined, and those of LLaMA-Factory's
and Anthropic's types for reasoning and calls become `reasoning_content` and `tool_calls`. `weight`, `train`, `loss`,
`loss_weight` and the like say whether a turn was trained; 0 or false makes it context. Other keys of a turn
(`tool_calls`, `reasoning_content`, `name`, ...) go to the chat template as they are. A `system` column stands before
the conversation unless that begins with a system turn.
"""

from __future__ import annotations

from uptake.data.conversation import choose_responses, read_turns, with_system
from uptake.data.parts import LoadOptions, ParsedRow, Values, structure

KEYS = ("messages",)

SYSTEM_NOTE = (
    "the column `system` is read as the first turn, as Axolotl, LLaMA-Factory and ms-swift do; TRL leaves it out: "
    "if TRL trained, take the column out"
)


def convert(row: Values, options: LoadOptions) -> list[ParsedRow]:
    """The examples in a row; `RowError` says why there are none."""
    turns = read_turns(structure(row, "messages"), "messages")
    return choose_responses(with_system(turns, row, SYSTEM_NOTE), options)
