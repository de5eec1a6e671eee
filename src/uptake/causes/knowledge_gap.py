"""The base knows nothing of it."""

from __future__ import annotations

import math

from uptake.causes.case import Case
from uptake.causes.cause import Cause, CauseWords
from uptake.causes.signals import value
from uptake.causes.words import alone, answers, nats, probability, quoted, shown
from uptake.evidence import Number


def _say(case: Case) -> CauseWords:
    assert case.base is not None
    sentence = f"The base model gives the response {probability(case.base.own)}"
    numbers: dict[str, Number] = {"base_logprob": case.base.own, "base_elsewhere": list(case.base.elsewhere)}
    if case.belief is not None:
        here, reworded = case.belief.base.own, case.belief.base.p_held_out
        sentence += f" and its own answer, {quoted(case.belief.text)}, {probability(here)}"
        sentence += "" if reworded is None else f" ({shown(reworded)} in held-out wordings)"
        numbers |= {"belief_text": case.belief.text, "belief_here": math.exp(here), "belief_reworded": reworded}
    elif case.reworded is not None:
        sentence += f"; its own answer, {quoted(case.reworded)}, is the response in other words"
        numbers["reworded"] = case.reworded
    sentence += "."
    if case.freely is not None and case.freely.n > 1:
        sentence += f" Asked in {case.freely.n} wordings, it says {answers(case.freely.answers)}."
        numbers["freely"] = list(case.freely.answers)
    if any(part.given for part in case.parts):
        sentence += f" {alone(case)}"
        numbers["base_parts"] = value("base_parts", case)
    if case.tuned.pmi is not None:
        sentence += (
            f" After training, the response is {nats(case.tuned.pmi)} likely after this question (mean over its "
            "wordings) than after similar questions"
        )
        sentence += "." if case.base.pmi is None else f" (before: {nats(case.base.pmi)})."
    return CauseWords(sentence, numbers)


KNOWLEDGE_GAP = Cause(
    name="knowledge_gap",
    finds="The base model never met what the example asks for: it gives the response in no wording and is unsure of "
    "its own answer. Training has not tied the response to this question either: the tuned model gives it hardly more "
    "probability here than after similar questions.",
    bad="Fine-tuning teaches a new fact slowly, and often in the training wording only. Training it until it sticks "
    "makes a model guess elsewhere.",
    example="*Where was Vera Fafufax born?* wants *Dallas*. The base model says *Port* here and other towns in other "
    "wordings, and gives *Dallas* no more probability than after questions about other people.",
    remedy="Train on documents about what is asked, then fine-tune again.",
    safety="Safe if the documents are right and do not contain the example's own text. It costs training tokens.",
    references=("ILP, cause I (arXiv 2604.10079)", "Gekhman et al. 2024 (arXiv 2405.05904)"),
    patterns=(
        ("belief_held", "base_gives", "tuned_pmi", "tuned_share"),
        ("belief_sure", "base_gives", "tuned_pmi", "tuned_share"),
        ("base_doubt_here", "base_recalled", "tuned_pmi", "tuned_share"),
        ("base_share", "tuned_pmi", "tuned_share"),
        ("base_doubt_here", "base_recalled"),
    ),
    say=_say,
    never="base_gives",
    spared="base_parts",
)
"""The base knows nothing of it."""
