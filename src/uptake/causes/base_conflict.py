"""The base believes something else."""

from __future__ import annotations

import math
from dataclasses import replace

from uptake.causes.case import Case
from uptake.causes.cause import Cause, CauseWords
from uptake.causes.signals import STEADY, misbelieved, value
from uptake.causes.words import alone, counted, quoted, shown
from uptake.evidence import CauseEvidence, WrongBelief
from uptake.types import normalised

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
        beside = f" {alone(case)}" if misbelieved(case) is not None else ""
        return CauseWords(f"The base model has no wrong answer that competes with the response.{beside}")
    everywhere = [math.exp(one) for one in (case.belief.base.own, *case.belief.base.held_out)]
    given, n = _given(case, sum(p >= STEADY for p in everywhere), len(everywhere))
    told, likely = _told(case, math.fsum(everywhere) / len(everywhere))
    theirs, ours = case.belief.tuned.own, _response(case)
    wrong, right = f"p = {shown(math.exp(theirs))}", f"p = {shown(math.exp(ours))}"
    elsewhere = normalised(told) not in normalised(case.belief.text)  # what it tells elsewhere, and not here
    this, one = (
        (f"its answer here, {quoted(case.belief.text)}", "that one") if elsewhere else ("this answer", "this one")
    )
    if max(theirs, ours) < math.log(SAID):
        which = this if elsewhere else one
        after = f"gives neither answer much probability: {which} {wrong}, the response {right}"
    elif theirs > ours:
        after = f"still prefers {this}: {wrong}, the response {right}"
    else:
        after = f"prefers the response: {right}, {this} {wrong}"
    sentence = (
        f"The base model answers {quoted(told)} in {given} of {counted(n, 'wording')} ({likely}). "
        f"The tuned model {after}." + (f" {alone(case)}" if misbelieved(case) is not None else "")
    )
    wordings = tuple(round(p, 6) for p in everywhere)
    believed = WrongBelief(case.belief.text, wordings, math.exp(theirs), math.exp(ours))
    freely = {} if case.freely is None else {"freely": list(case.freely.answers)}
    return CauseWords(sentence, freely, belief=believed)


def _told(case: Case, mean: float) -> tuple[str, str]:
    """What the belief tells and how likely that is: of an answer in a sentence the span, in the base's own frame."""
    assert case.belief is not None
    framed = case.in_frame
    if framed is None or framed.same or framed.span == case.belief.text.strip():
        return case.belief.text, f"mean p = {shown(mean)}"
    return framed.span, f"p = {shown(math.exp(framed.own.own))} in its own words"


def _given(case: Case, likely: int, n: int) -> tuple[int, int]:
    """In how many of how many wordings the base gives the belief: in its own words where it was asked freely."""
    if case.freely is None or case.freely.n < n:
        return likely, n
    if case.in_frame is None and case.belief is not None and case.freely.answers:
        # what it tells most often is not known here, and may be another answer
        own = normalised(case.belief.text)
        return sum(own in normalised(answer) for answer in case.freely.answers), case.freely.n
    return case.freely.agreed, case.freely.n


def doubted(case: Case, told: CauseEvidence) -> CauseEvidence:
    """What is told of a case that has this cause; with the word that its label is possibly wrong, where that holds.

    It holds where the base surely says otherwise, and no other example agrees with the response.
    """
    if told.belief is None or case.agreed or _judged_right(case) or not surely_otherwise(case):
        return told
    sentence = f"{told.sentence} No other example gives the response: the label is possibly wrong."
    return replace(told, sentence=sentence, belief=replace(told.belief, possibly_wrong_label=True))


def surely_otherwise(case: Case) -> bool:
    """Whether the base believes another answer, and does not guess; without other wordings nobody can tell.

    It tells the answer in most wordings, is as sure of it as of what it answers rightly, and never tells the response.
    """
    return case.freely is not None and not case.freely.gives and (value("belief_held", case) or 0.0) >= 1


def _judged_right(case: Case) -> bool:
    """Whether the example is the right one of a contradiction."""
    return case.rival is not None and case.rival.verdict == "mislabelled" and not case.rival.wrong


BASE_CONFLICT = Cause(
    name="base_conflict",
    finds="The base model gives one wrong answer, the same one in several wordings, and is as sure of it as of what it "
    "answers rightly. No other training example gives that answer.",
    bad="Many documents taught the wrong answer, and the example has to overcome it. Until it does, the model gives "
    "the old answer. In other wordings it keeps the old answer longer.",
    example="*What pet does Nina Lilosk have?* wants *raven*. The base model answers *goat* in 3 of 3 wordings, mean "
    "p = 0.94.",
    remedy="Train on documents that state the right answer, then fine-tune again.",
    safety="Check first which answer is right. If the base model is right, remove the example instead. If the base "
    "model surely says otherwise (in most of several wordings, as sure as of what it answers rightly, and the response "
    "in none), and no other example gives the response, the label is possibly wrong, and the example is trained no "
    "more often than plain fine-tuning would.",
    references=("ILP, cause II (arXiv 2604.10079)", "Holtzman et al. 2021 (arXiv 2104.08315)"),
    patterns=(
        ("belief_held", "belief_backed", "base_gives"),
        ("belief_sure", "belief_kept", "belief_backed", "base_gives"),
        ("belief_steady_here", "belief_backed"),
    ),
    say=_say,
    spared="base_parts",
    least="part_believed",
)
"""The base believes something else."""
