"""Telling an example in the context of its own question, and another one for comparison: what is asked, no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from uptake.data import Turn, encode
from uptake.data.shown import calls_tools, response_text
from uptake.pipeline.asking.drawn import room_taken
from uptake.probe import right_index
from uptake.types import Candidate, Example, Message, Probe, Prompt, WordingName, normalised

if TYPE_CHECKING:
    from uptake.models import Model

TOLD, TOLD_OTHER = WordingName("told"), WordingName("told_other")
"""The two questions: the example itself was told before, or another one."""


def in_context(
    examples: Sequence[Example], candidates: Sequence[tuple[Candidate, ...]], model: Model, max_length: int | None
) -> list[list[Probe]]:
    """What is asked of each example: up to two probes; one that is too long for the model is left out.

    Args:
        examples: The sampled examples; each is compared with the next one that has another response.
        candidates: Those of each.
        model: The model that will be asked.
        max_length: Tokens that it may be given; None for no limit.
    """
    asked = []
    for number, (example, members) in enumerate(zip(examples, candidates, strict=True)):
        other = another(examples, number)
        prompts = [(TOLD, telling(example, example)), (TOLD_OTHER, other and telling(other, example))]
        own = [_probe(name, example, prompt, members) for name, prompt in prompts if prompt]
        asked.append([probe for probe in own if _fits(probe, model, max_length)])
    return asked


def _probe(name: WordingName, example: Example, prompt: Prompt, candidates: tuple[Candidate, ...]) -> Probe:
    right = right_index(candidates, example.response)
    return Probe(example.id, name, prompt, candidates, right, example.template, example.response_extra)


def _fits(probe: Probe, model: Model, max_length: int | None) -> bool:
    longest = max(len(one.text.encode()) for one in probe.candidates)
    if max_length is None or (not probe.response_extra and room_taken(probe.prompt) + longest <= max_length):
        return True  # a token is a byte at least
    turns = [
        Turn(probe.prompt, one.text, probe.template, probe.response_extra if k == probe.right else {})
        for k, one in enumerate(probe.candidates)
    ]
    return all(len(one.ids) <= max_length for one in encode(turns, model.tokenizer))


def another(examples: Sequence[Example], number: int) -> Example | None:
    """The next example of the sample that has another response; None where there is none."""
    later = (*examples[number + 1 :], *examples[:number])
    own = normalised(response_text(examples[number]))
    others = (one for one in later if normalised(response_text(one)) != own)
    return next((one for one in others if telling(one, examples[number])), None)


def telling(told: Example, asked: Example) -> Prompt | None:
    """The prompt of one example with another one told before it, in other words where there are any.

    Text is told on a line of its own; in a conversation it is an earlier exchange, behind what the system says. None
    where one of them is text and the other a conversation, there is no prompt, or what is told calls tools: a call
    without what it returned tells nothing.
    """
    # a wording with a response of its own need not say the response that is asked for
    reworded = [one.prompt for one in told.paraphrases if one.prompt and one.response == told.response]
    prompt, response = (reworded or [told.prompt])[0], told.response
    if not prompt or not asked.prompt or calls_tools(told):
        return None
    if isinstance(prompt, str) or isinstance(asked.prompt, str):
        both = isinstance(prompt, str) and isinstance(asked.prompt, str)
        return f"{prompt}{response}\n{asked.prompt}" if both else None
    system = tuple(one for one in asked.prompt if one.role == "system")
    before = tuple(one for one in prompt if one.role != "system")
    rest = tuple(one for one in asked.prompt if one.role != "system")
    return (*system, *before, Message("assistant", response), *rest)
