"""The base believes something else."""

from __future__ import annotations

import math

from uptake.causes.case import Case
from uptake.causes.cause import Cause, CauseWords
from uptake.causes.words import counted, quoted, shown
from uptake.evidence import WrongBelief

STEADY = 0.5
"""A wording counts as one in which the base gives its belief from this probability on."""
SAID = 0.1
"""An answer is one that a model says at all from this probability on."""


def _response(case: Case) -> float:
    """Log-probability of the response under the tuned model, to be compared with that of the belief."""
    if case.belief is None or not case.belief.among_options:
        return case.tuned.own
    share = case.tuned_options[case.right]
    return math.log(share) if share > 0 else -math.inf


def _say(case: Case) -> CauseWords:
    if case.belief is None:
        return CauseWords("The base has no wrong answer that stands against the response.")
    everywhere = [math.exp(one) for one in (case.belief.base.own, *case.belief.base.held_out)]
    steady = sum(p >= STEADY for p in everywhere)
    mean = math.fsum(everywhere) / len(everywhere)
    theirs, ours = case.belief.tuned.own, _response(case)
    pair = f"{shown(math.exp(theirs))} to {shown(math.exp(ours))}"
    if max(theirs, ours) < math.log(SAID):
        after = f"says neither it ({shown(math.exp(theirs))}) nor the response ({shown(math.exp(ours))})"
    else:
        after = (
            f"still prefers it to the response, {pair}" if theirs > ours else f"gives it less than the response, {pair}"
        )
    doubted = steady == len(everywhere) and not case.agreed and not _judged_right(case)
    sentence = (
        f"The base answers {quoted(case.belief.text)} in {steady} of {counted(len(everywhere), 'wording')}, "
        f"p = {shown(mean)} on average; after training the model {after}"
        + ("; no other example gives the response: possibly a wrong label." if doubted else ".")
    )
    wordings = tuple(round(p, 6) for p in everywhere)
    believed = WrongBelief(case.belief.text, wordings, math.exp(theirs), math.exp(ours), doubted)
    return CauseWords(sentence, belief=believed)


def _judged_right(case: Case) -> bool:
    """Whether the example is the right one of a contradiction."""
    return case.rival is not None and case.rival.verdict == "mislabelled" and not case.rival.wrong


BASE_CONFLICT = Cause(
    name="base_conflict",
    finds="The base model gives one wrong answer, with high probability and the same one in several wordings, and no "
    "other example says the same.",
    bad="The example has to overcome what many documents taught; until it does, the model gives the old answer, and in "
    "other wordings it keeps it longer.",
    example="*What pet does Nina Lilosk have?* wants *raven*; the base answers *goat* in 3 of 3 wordings, p = 0.94.",
    remedy="Documents of authority that say what is right, mixed into continued pre-training, then the fine-tuning "
    "again.",
    safety="Check first who is right: where the base is, the example should go instead. Where the base is sure in "
    "every wording and no other example gives the response, the label is possibly wrong: it is not trained more often.",
    references=("ILP, cause II (arXiv 2604.10079)", "Holtzman et al. 2021 (arXiv 2104.08315)"),
    patterns=(
        ("belief_steady", "belief_backed", "base_share"),
        ("belief_steady_here", "belief_backed", "base_share"),
        ("belief_steady_here", "belief_backed"),
    ),
    say=_say,
)
"""The base believes something else."""
