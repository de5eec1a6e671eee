"""It was on its way."""

from __future__ import annotations

from uptake.causes.case import Case
from uptake.causes.cause import Cause, CauseWords
from uptake.causes.signals import value
from uptake.causes.words import alone, counted, probability
from uptake.evidence import Number


def _say(case: Case) -> CauseWords:
    numbers: dict[str, Number] = {"n_tokens": case.n_tokens, "tuned_logprob": case.tuned.own}
    share = value("tuned_share", case)
    numbers["tuned_share"] = share
    sentence = (
        f"The tuned model gets {0 if share is None else share:.0%} of the response's information from the question"
    )
    if (before := value("base_share", case)) is not None:
        sentence += f" (the base model: {before:.0%})"
    after = "" if case.curve is None else f" after {counted(case.curve.exposures, 'exposure')}"
    sentence += f". It gives the response {probability(case.tuned.own)}{after}"
    if case.n_tokens > 1:
        sentence += f": {case.tuned.own / case.n_tokens:.2f} nats a token over {case.n_tokens} tokens"
    sentence += "."
    if case.parts:
        numbers["base_parts"] = value("base_parts", case)
        sentence += f" {alone(case)}"
    if case.curve is not None:
        numbers |= {"exposures": case.curve.exposures, "end_slope": case.curve.end_slope}
        if case.curve.end_slope is not None:
            way = "fell" if case.curve.end_slope < 0 else "rose"
            sentence += f" At the end its loss {way} by {abs(case.curve.end_slope):.1f} nats an epoch."
    return CauseWords(sentence, numbers)


UNDERTRAINING = Cause(
    name="undertraining",
    finds="None of the other causes holds, and the example is partly learned: the tuned model gets most of the answer "
    "from the question. Or it asks for several things at once, and the base model gives each when it is asked alone.",
    bad="Training ended too early for this example. It needs more of the same training and nothing else.",
    example="A question asks for three facts at once. After three epochs the model gets two of them right.",
    remedy="Train the affected examples more often, or train more epochs until the validation loss rises.",
    safety="Safe in small steps. Many more epochs teach the wording by heart and cost what the model knew before.",
    references=("ILP, cause V (arXiv 2604.10079)", "Prechelt 1998, Early Stopping"),
    patterns=(("tuned_share", "tuned_pmi"),),
    say=_say,
    residual=True,
    least="base_parts",
    needs=("knowledge_gap",),
)
"""It was on its way."""
