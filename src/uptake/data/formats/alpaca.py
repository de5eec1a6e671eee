"""`alpaca`: an instruction, perhaps an input to it, and the output.

    {"instruction": "Translate into French.", "input": "cheese", "output": "fromage"}

Optional: `system`, and `history`, a list of earlier [instruction, output] pairs or of turns. By default a row becomes a
conversation as LLaMA-Factory makes it: instruction and input, one under the other, are the user's turn. With
`alpaca_prompt: stanford` it becomes the plain text of Stanford Alpaca's template, which knows no `system` or `history`.
"""

from __future__ import annotations

from uptake.data.conversation import ReadTurn, choose_responses, read_turns
from uptake.data.parts import LoadOptions, ParsedRow, RowError, Values, items, response_text, text
from uptake.types import Message

KEYS = ("instruction", "output")

# the two templates of tatsu-lab/stanford_alpaca (Apache-2.0), which models trained on them expect to the letter
_STANFORD = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)
_STANFORD_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)


def convert(row: Values, options: LoadOptions) -> list[ParsedRow]:
    """The examples in a row; `RowError` says why there are none."""
    instruction, context = text(row, "instruction") or "", text(row, "input") or ""
    if not instruction and not context:
        raise RowError("`instruction` and `input` are both empty")
    output, system, history = response_text(row, "output"), text(row, "system"), _history(row)
    if options.alpaca_prompt == "stanford":
        if system or history:
            raise RowError("Stanford Alpaca's template has no place for `system` or `history`")
        template = _STANFORD_WITH_INPUT if context else _STANFORD
        return [ParsedRow(template.format(instruction=instruction, input=context), output)]
    user = "\n".join(part for part in (instruction, context) if part)
    turns = [Message("system", system)] if system else []
    turns += [*history, Message("user", user), Message("assistant", output)]
    return choose_responses([ReadTurn(turn) for turn in turns], options)


def _history(row: Values) -> list[Message]:
    turns: list[Message] = []
    history = items(row, "history") or []
    if history and all(isinstance(turn, dict) for turn in history):
        return [turn.message for turn in read_turns(history, "history")]
    for pair in history:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise RowError("`history` holds something other than [instruction, output] pairs of text")
        turns += [Message("user", pair[0]), Message("assistant", pair[1])]
    return turns
