"""It was on its way."""

from __future__ import annotations

from uptake.causes.case import Case
from uptake.causes.cause import Cause, CauseWords
from uptake.causes.signals import value
from uptake.causes.words import counted, probability
from uptake.evidence import Number


def _say(case: Case) -> CauseWords:
    numbers: dict[str, Number] = {"n_tokens": case.n_tokens, "tuned_logprob": case.tuned.own}
    share = value("tuned_share", case)
    numbers["tuned_share"] = share
    sentence = (
        f"The tuned model takes {0 if share is None else share:.0%} of the response's information from the question"
    )
    if (before := value("base_share", case)) is not None:
        sentence += f" (the base {before:.0%})"
    sentence += f" and gives it {probability(case.tuned.own)}"
    if case.n_tokens > 1:
        sentence += f", {case.tuned.own / case.n_tokens:.2f} nats a token over {case.n_tokens} tokens"
    if case.curve is not None:
        numbers |= {"exposures": case.curve.exposures, "end_slope": case.curve.end_slope}
        sentence += f", after {counted(case.curve.exposures, 'exposure')}"
        if case.curve.end_slope is not None:
            way = "fell" if case.curve.end_slope < 0 else "rose"
            sentence += f"; its loss {way} by {abs(case.curve.end_slope):.1f} nats an epoch at the end"
    return CauseWords(sentence + ".", numbers)


UNDERTRAINING = Cause(
    name="undertraining",
    finds="None of the other causes holds, and the example is on its way: the tuned model has most of the answer from "
    "the question.",
    bad="Training ended too early for it; what it needs is no more than what it got.",
    example="A question for three facts at once, of which the model gets two right after three epochs.",
    remedy="More exposures of the affected examples, or more epochs until the validation loss turns.",
    safety="Safe in small steps; many more epochs teach by heart and cost what was known before.",
    references=("ILP, cause V (arXiv 2604.10079)", "Prechelt 1998, Early Stopping"),
    patterns=(("tuned_share",),),
    say=_say,
    residual=True,
    needs=("knowledge_gap",),
)
"""It was on its way."""
