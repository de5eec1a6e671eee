"""The base believes something else."""

from __future__ import annotations

import math

from uptake.causes.case import Case
from uptake.causes.cause import Cause, Number, Told
from uptake.causes.words import counted, probability, quoted

STEADY = 0.5
"""A wording counts as one in which the base gives its belief from this probability on."""


def _say(case: Case) -> Told:
    if case.belief is None:
        return Told("The base gives no wrong answer: p = 0 for a belief that stands against the response.", {})
    everywhere = [math.exp(one) for one in (case.belief.base.own, *case.belief.base.held_out)]
    steady = sum(p >= STEADY for p in everywhere)
    mean = math.fsum(everywhere) / len(everywhere)
    before, after = math.exp(case.belief.tuned.own), math.exp(case.tuned.own)
    verb = "still prefers it" if before > after else "prefers the response"
    first, second = (before, after) if before > after else (after, before)
    sentence = (
        f"The base answers {quoted(case.belief.text)} in {steady} of {counted(len(everywhere), 'wording')} with "
        f"p = {probability(mean)}; after training it {verb}, {probability(first)} to {probability(second)}."
    )
    numbers: dict[str, Number] = {
        "belief_text": case.belief.text,
        "belief_wordings": [round(p, 6) for p in everywhere],
        "tuned_belief": before,
        "tuned_response": after,
    }
    return Told(sentence, numbers)


BASE_CONFLICT = Cause(
    name="base_conflict",
    finds="The base model gives one wrong answer, with high probability and the same one in several wordings; after "
    "training that belief still stands against the response.",
    bad="The example has to overcome what many documents taught; until it does, the model gives the old answer, and in "
    "other wordings it keeps it longer.",
    example="*What pet does Nina Lilosk have?* wants *raven*; the base answers *goat* in 3 of 3 wordings, p = 0.94.",
    remedy="Documents of authority that say what is right, mixed into continued pre-training, then the fine-tuning "
    "again.",
    safety="Check first who is right: where the base is, the example should go instead.",
    references=("ILP, cause II (arXiv 2604.10079)", "Holtzman et al. 2021 (arXiv 2104.08315)"),
    patterns=(
        ("belief_steady", "belief_backed", "base_share"),
        ("belief_steady_here", "belief_backed", "base_share"),
        ("belief_steady_here", "belief_backed"),
    ),
    say=_say,
)
"""The base believes something else."""
