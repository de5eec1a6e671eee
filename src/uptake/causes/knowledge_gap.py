"""The base knows nothing of it."""

from __future__ import annotations

import math

from uptake.causes.case import Case
from uptake.causes.cause import Cause, Number, Told
from uptake.causes.words import probability, quoted


def _say(case: Case) -> Told:
    if case.base is None:
        return Told(f"The base recalls the response in {case.base_recalled or 0:.0%} of the wordings.", {})
    sentence = f"The base gives the response p = {probability(math.exp(case.base.own))}"
    if case.base.pmi is not None:
        more = "more" if case.base.pmi >= 0 else "less"
        sentence += f", {abs(case.base.pmi):.1f} nats {more} than after other questions like this"
    numbers: dict[str, Number] = {"base_logprob": case.base.own, "base_elsewhere": list(case.base.elsewhere)}
    if case.belief is not None:
        here, reworded = math.exp(case.belief.base.own), case.belief.base.p_held_out
        sentence += f"; its own answer {quoted(case.belief.text)} has p = {probability(here)}"
        sentence += "" if reworded is None else f" here, {probability(reworded)} in other words"
        numbers |= {"belief_text": case.belief.text, "belief_here": here, "belief_reworded": reworded}
    return Told(sentence + ".", numbers)


KNOWLEDGE_GAP = Cause(
    name="knowledge_gap",
    finds="The base model has never met what the example asks for: in no wording does it connect the answer with this "
    "question more than with others like it, and what it says instead is not one steady belief.",
    bad="Fine-tuning teaches a fact slowly that pre-training never told, and often only its wording; trained until it "
    "sticks, it makes a model guess elsewhere.",
    example="*Where was Vera Fafufax born?* wants *Dallas*; the base says *Port* here, other towns in other words, and "
    "*Dallas* no more than about anybody else.",
    remedy="Background documents about what is asked, in continued pre-training, then the fine-tuning again.",
    safety="Safe if the documents are right and do not hold the example's own text; it costs training tokens.",
    references=("ILP, cause I (arXiv 2604.10079)", "Gekhman et al. 2024 (arXiv 2405.05904)"),
    patterns=(
        ("base_doubt", "base_recalled", "tuned_pmi"),
        ("base_doubt_here", "base_recalled", "tuned_pmi"),
        ("base_share", "tuned_pmi"),
        ("base_doubt_here", "base_recalled"),
    ),
    say=_say,
)
"""The base knows nothing of it."""
