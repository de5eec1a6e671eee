"""Who takes part in an experiment, and by what each cause is judged: fixed before anything is drawn or trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from uptake.errors import UptakeError
from uptake.prescribe import FOR_CAUSE
from uptake.remedies.conflict import judged_wrong
from uptake.text import counted
from uptake.types import Finding, Key
from uptake.verify import Wording

KNOWLEDGE = ("knowledge_gap", "base_conflict")
"""Causes whose remedy shall make the model know something, in whatever words it is asked."""


@dataclass(frozen=True)
class Eligible:
    """What can be randomised.

    Attributes:
        flagged: The items, in the order of the diagnosis.
        primary: By cause what its remedy is judged by: recall in held-out wordings where knowledge was missing or
            wrong, if most such items have some; else in the training wording, in which the items were not learned.
        notes: In words, who is in no arm, and what is not judged as it should be.
    """

    flagged: tuple[Finding, ...]
    primary: Mapping[str, Wording]
    notes: tuple[str, ...]


def eligible(findings: Iterable[Finding], reworded: Collection[Key]) -> Eligible:
    """Tell who takes part.

    Examples of which no cause was found are in no arm, nor are those that are judged to be the wrong ones of a
    contradiction: there is no remedy for the first, and to learn the second would be no success. An item that cannot
    be asked what its cause is judged by would only count as treated.

    Args:
        findings: A diagnosis.
        reworded: The items that have held-out wordings.

    Raises:
        UptakeError: Nobody is left.
    """
    flagged = [one for one in findings if not one.learned]
    right = [one for one in flagged if not judged_wrong(one)]
    known = [one for one in right if one.cause in FOR_CAUSE]
    primary = _primary(known, reworded)
    kept = [one for one in known if primary[one.cause or ""] == "training" or (one.id, one.stage) in reworded]
    counts = {
        "likely the wrong one of a contradiction: learning it would be no success": len(flagged) - len(right),
        "without a cause that has a remedy": len(right) - len(known),
        "without held-out wordings, which the remedy for their cause is judged by": len(known) - len(kept),
    }
    notes = tuple(f"in no arm: {n} {what}" for what, n in counts.items() if n)
    by_heart = [cause for cause in KNOWLEDGE if primary.get(cause) == "training"]
    if by_heart:
        notes += (
            f"{' and '.join(by_heart)}: judged in the training wording, because few or none have held-out wordings; "
            "what is learned by heart then counts as known. Give --paraphrases FILE",
        )
    if not kept:
        why = "; ".join(notes) or "all were learned"
        raise UptakeError(
            f"{counted(len(flagged), 'unlearned example')}, none of which can be tested: {why}",
            expected="examples with a cause that has a remedy",
            fix="look at the diagnosis with uptake show or uptake report",
        )
    return Eligible(tuple(kept), primary, notes)


def _primary(known: Iterable[Finding], reworded: Collection[Key]) -> dict[str, Wording]:
    asked: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for one in known:
        every[one.cause or ""] += 1
        asked[one.cause or ""] += (one.id, one.stage) in reworded
    return {
        cause: "heldout" if cause in KNOWLEDGE and 2 * asked[cause] > every[cause] else "training"
        for cause in sorted(every)
    }
