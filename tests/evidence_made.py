"""Evidence made by hand: what a test does not name is that of a short response that is not recalled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uptake.evidence import BaseAndTuned, CauseEvidence, Contradiction, Evidence, WrongBelief


def evidence(**given: Any) -> Evidence:
    return Evidence(**{"criterion": "recall", "recalled": False, "logprob": -1.0, "n_tokens": 1, **given})


def base_was(right: bool, tuned_right: bool = False) -> BaseAndTuned:
    return BaseAndTuned(right, tuned_right, -1.0)


def contradicted(rivals: Sequence[str], **more: Any) -> dict[str, CauseEvidence]:
    """What `data_conflict` rests on, as the causes of an example."""
    known = Contradiction(**{"rivals": tuple(rivals), "n": len(rivals), **more})
    return {"data_conflict": CauseEvidence(0.9, "Another example says otherwise.", {}, {}, contradiction=known)}


def believed(text: str, *, possibly_wrong_label: bool = False) -> dict[str, CauseEvidence]:
    """What `base_conflict` rests on, as the causes of an example."""
    known = WrongBelief(text, possibly_wrong_label=possibly_wrong_label)
    return {"base_conflict": CauseEvidence(0.9, "The base says otherwise.", {}, {}, belief=known)}
