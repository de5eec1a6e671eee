"""What a model makes of a response: a draft, what the gates say of it, and what the base thinks of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from uptake.rewrite.gates import Refusal, refusals
from uptake.rewrite.said import Rewriting

How: TypeAlias = Literal["own", "frame", "template", "sample", "sampled_frame", "served", "policy"]
"""How a draft was made.

`own`: the base answers the prompt by itself. `frame`: the same with the response in the place of what it tells.
`template`: the base is shown the reference and says it in its own words. `sample`: as `own` or `template`, at
temperature 1; `sampled_frame`: the response in the frame of one. `served`: a model on a server rewrote it.
`policy`: a trained policy did.
"""
HOWS: tuple[How, ...] = get_args(How)
GREEDY_HOWS: tuple[How, ...] = ("own", "frame", "template")


@dataclass(frozen=True, slots=True)
class Draft:
    """A rewritten response that may be taken.

    Attributes:
        how: How it was made.
        text: The response, with the white space of the original around it.
        tokens: Tokens that were generated for it; 0 where it was made from another draft.
        ended: Whether the model came to an end by itself; None where that is not known.
        refused: The gates that refuse it; None before they were asked.
        nll: Nats a token of the response and its end under the base, after the prompt as it is trained; None where it
            was not scored.
    """

    how: How
    text: str
    tokens: int
    ended: bool | None = None
    refused: tuple[Refusal, ...] | None = None
    nll: float | None = None

    def gated(self, question: str, original: str) -> Draft:
        """The same with what the gates say."""
        return replace(self, refused=refusals(Rewriting(question, original, self.text, self.ended)))
