"""Responses of which training saw a part: what it never saw is not lost, and not begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from uptake.causes import Curve
from uptake.data import Turn, encode
from uptake.types import Example, Score

CUT = (
    "training saw fewer of its tokens than are scored (longer rows are cut to max_length, 1024 by default), and what "
    "it never saw is neither lost nor begun; train it with a larger max_length or in parts, or give the one of its "
    "training (--training.max_length)"
)


def cut_by_length(
    examples: Sequence[Example], scores: Sequence[Score], tokenizer: Any, settings: Mapping[str, Mapping[str, Any]]
) -> list[bool]:
    """Whether the settings of training cut what is scored of each example, or what comes before it.

    Args:
        examples: Examples that were not learned.
        scores: What the tuned model made of each.
        tokenizer: Of the tuned model.
        settings: By stage the trainer's; `max_length` and `truncation_mode` are read.
    """
    turns = [Turn(one.prompt, one.response, one.template, one.response_extra) for one in examples]
    found = []
    for example, score, encoded in zip(examples, scores, encode(turns, tokenizer), strict=True):
        own = settings[example.stage]
        # of a response that is recalled it is the end that is missing
        whole = score.recalled or own.get("truncation_mode") == "keep_end"
        needed = len(encoded.ids) if whole else encoded.end
        found.append(own["max_length"] is not None and needed > own["max_length"])
    return found


def cut_by_ledger(curve: Curve, score: Score) -> bool:
    """Whether the readings of an example are of fewer tokens than what is scored of it.

    Args:
        curve: What the ledger tells of it.
        score: What the tuned model made of it.
    """
    return curve.tokens is not None and curve.tokens < score.n_tokens[score.right] + score.recalled
