"""It was on its way."""

from __future__ import annotations

from uptake.causes.case import Case
from uptake.causes.cause import Cause, Number, Told
from uptake.causes.words import counted


def _say(case: Case) -> Told:
    numbers: dict[str, Number] = {"n_tokens": case.n_tokens, "tuned_logprob": case.tuned.own}
    tokens = counted(case.n_tokens, "token")
    sentence = f"Its {tokens} have a log-probability of {case.tuned.own / case.n_tokens:.2f} each"
    if case.tuned.pmi is not None:
        sentence += f", {case.tuned.pmi / case.n_tokens:.1f} nats a token more than after other questions like this"
        if case.base is not None and case.base.pmi is not None:
            sentence += f" (the base: {case.base.pmi / case.n_tokens:.1f})"
    if case.curve is not None:
        numbers |= {"exposures": case.curve.exposures, "end_slope": case.curve.end_slope}
        sentence += f", after {counted(case.curve.exposures, 'exposure')}"
        if case.curve.end_slope is not None:
            way = "fell" if case.curve.end_slope < 0 else "rose"
            sentence += f"; its loss {way} by {abs(case.curve.end_slope):.1f} nats an epoch at the end"
    return Told(sentence + ".", numbers)


UNDERTRAINING = Cause(
    name="undertraining",
    finds="None of the other causes holds, and the example is on its way: the tuned model has most of the answer from "
    "the question, and it was seen seldom for its length.",
    bad="Training ended too early for it; what it needs is no more than what it got.",
    example="A question for three facts at once, of which the model gets two right after three epochs.",
    remedy="More exposures of the affected examples, or more epochs until the validation loss turns.",
    safety="Safe in small steps; many more epochs teach by heart and cost what was known before.",
    references=("ILP, cause V (arXiv 2604.10079)", "Prechelt 1998, Early Stopping"),
    patterns=(("tuned_share", "tokens_an_exposure"), ("tuned_share",)),
    say=_say,
    residual=True,
)
"""It was on its way."""
