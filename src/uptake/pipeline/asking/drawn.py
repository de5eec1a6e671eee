"""Wrong answers that stand beside the response: drawn, and left out where a model has no room for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from uptake.data import Turn, encode
from uptake.evidence import Origin
from uptake.models import Model
from uptake.probe import AnswerPool, with_distractors
from uptake.types import Candidate, Example, Prompt, normalised

Draw: TypeAlias = Callable[[Sequence[Example], Sequence[str | None]], list[tuple[Candidate, ...]]]
"""From examples and the base's wrong answers (None: there is none) to each example's candidates."""


def drawing(
    pool: Callable[[], AnswerPool], n: int, write: Callable[[Sequence[Example]], list[list[str]]] | None
) -> Draw:
    """Draw candidates: options, or the base's answer, other examples' answers, and an LLM's where these are too few.

    Args:
        pool: Gives the answers of other examples, which are gathered when candidates are first drawn.
        n: How many are wanted.
        write: Gives wrong answers that an LLM wrote; None does without.
    """

    def draw(examples: Sequence[Example], answers: Sequence[str | None]) -> list[tuple[Candidate, ...]]:
        found: list[list[tuple[str, Origin]]] = [[(answer, "base")] if answer else [] for answer in answers]
        for wrong, others in zip(found, pool().nearest(examples, 2 * n), strict=True):
            wrong += [(text, "neighbour") for text in others]
        drawn = [with_distractors(e, wrong, n) for e, wrong in zip(examples, found, strict=True)]
        if write is None:
            return drawn
        few = [i for i, e in enumerate(examples) if e.prompt and not e.options and _drawn(drawn[i]) < n]
        for i, written in zip(few, write([examples[i] for i in few]), strict=True):
            drawn[i] = with_distractors(examples[i], [*found[i], *((text, "llm") for text in written)], n)
        return drawn

    return draw


def _drawn(candidates: Sequence[Candidate]) -> int:
    """How many count towards the number that is wanted: a base model's answer comes on top."""
    return sum(candidate.origin in ("neighbour", "llm") for candidate in candidates)


def fitting(
    examples: Sequence[Example], candidates: Sequence[tuple[Candidate, ...]], model: Model, max_length: int | None
) -> list[tuple[Candidate, ...]]:
    """The candidates without those drawn ones that are too long for the model after one of the example's prompts."""
    kept = list(candidates)
    for index, (example, members) in enumerate(zip(examples, candidates, strict=True)):
        prompts = [example.prompt, *(w.prompt for w in example.paraphrases if w.response == example.response)]
        if max_length is None or max(map(room_taken, prompts)) + _longest(members) <= max_length:
            continue  # a token is a byte at least, so it fits without a look at the tokens
        turns = [Turn(prompt, one.text, example.template) for one in members for prompt in prompts]
        lengths = [len(each.ids) for each in encode(turns, model.tokenizer)]
        fits = [max(lengths[k : k + len(prompts)]) <= max_length for k in range(0, len(lengths), len(prompts))]
        given = ("response", "option")
        kept[index] = tuple(one for one, fit in zip(members, fits, strict=True) if fit or one.origin in given)
    return kept


def room_taken(prompt: Prompt) -> int:
    """Bytes of a prompt, with ample room for what a chat template or a tokenizer adds."""
    text = prompt if isinstance(prompt, str) else "".join(message.content for message in prompt)
    return len(text.encode()) + (16 if isinstance(prompt, str) else 1024)


def _longest(candidates: Sequence[Candidate]) -> int:
    return max(len(candidate.text.encode()) for candidate in candidates)


def holds_answer(other: Example, example: Example) -> bool:
    """Whether the prompt of another example tells this one's response, as the next turn of its conversation does.

    A class that both prompts list is told by neither.
    """
    own = _bare(example.response)
    return own != "  " and own in _bare(_turns(other)) and own not in _bare(_turns(example))


def _turns(example: Example) -> str:
    return example.prompt if isinstance(example.prompt, str) else " ".join(turn.content for turn in example.prompt)


def _bare(text: str) -> str:
    """Its words without punctuation, with a space before and after each."""
    return f" {' '.join(filter(None, map(normalised, text.split())))} "
