"""The base knows nothing of it."""

from __future__ import annotations

import math

from uptake.causes.case import Case
from uptake.causes.cause import Cause, CauseWords
from uptake.causes.words import nats, probability, quoted, shown
from uptake.evidence import Number


def _say(case: Case) -> CauseWords:
    assert case.base is not None
    sentence = f"The base gives the response {probability(case.base.own)}"
    numbers: dict[str, Number] = {"base_logprob": case.base.own, "base_elsewhere": list(case.base.elsewhere)}
    if case.belief is not None:
        here, reworded = case.belief.base.own, case.belief.base.p_held_out
        sentence += f" and its own answer, {quoted(case.belief.text)}, {probability(here)}"
        sentence += "" if reworded is None else f" ({shown(reworded)} in other words)"
        numbers |= {"belief_text": case.belief.text, "belief_here": math.exp(here), "belief_reworded": reworded}
    elif case.reworded is not None:
        sentence += f" and says {quoted(case.reworded)}, which is the response in other words"
        numbers["reworded"] = case.reworded
    if case.tuned.pmi is not None:
        sentence += (
            f"; all wordings taken together, after training the response is said {nats(case.tuned.pmi)} than to other "
            "questions like this"
        )
        if case.base.pmi is not None:
            sentence += f" (before: {nats(case.base.pmi)})"
    return CauseWords(sentence + ".", numbers)


KNOWLEDGE_GAP = Cause(
    name="knowledge_gap",
    finds="The base model has not met what the example asks for: it gives the response in no wording, is unsure of "
    "what it says instead, and training has not tied the response to this question either: the tuned model says it "
    "here hardly more than to other questions like it.",
    bad="Fine-tuning teaches a fact slowly that pre-training never told, and often only its wording; trained until it "
    "sticks, it makes a model guess elsewhere.",
    example="*Where was Vera Fafufax born?* wants *Dallas*; the base says *Port* here, other towns in other words, and "
    "*Dallas* no more than about anybody else.",
    remedy="Background documents about what is asked, in continued pre-training, then the fine-tuning again.",
    safety="Safe if the documents are right and do not hold the example's own text; it costs training tokens.",
    references=("ILP, cause I (arXiv 2604.10079)", "Gekhman et al. 2024 (arXiv 2405.05904)"),
    patterns=(
        ("base_doubt", "base_recalled", "tuned_pmi", "tuned_share"),
        ("base_doubt_here", "base_recalled", "tuned_pmi", "tuned_share"),
        ("base_share", "tuned_pmi", "tuned_share"),
        ("base_doubt_here", "base_recalled"),
    ),
    say=_say,
)
"""The base knows nothing of it."""
