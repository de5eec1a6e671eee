"""Another example says otherwise."""

from __future__ import annotations

from uptake.causes.case import Case
from uptake.causes.cause import Cause, CauseWords
from uptake.causes.words import counted, probability, quoted
from uptake.evidence import Contradiction


def _say(case: Case) -> CauseWords:
    rival = case.rival
    if rival is None:
        return CauseWords("0 other examples ask the same and answer otherwise.")
    ids = ", ".join(rival.ids[:3]) + (", …" if rival.n > 3 else "")
    sentence = (
        f"{counted(rival.n, 'example')} ({ids}) {'asks' if rival.n == 1 else 'ask'} the same and "
        f"{'answers' if rival.n == 1 else 'answer'} {' or '.join(map(quoted, rival.answers))}"
    )
    if rival.tuned:
        sentence += (
            f", to which the tuned model gives {probability(max(rival.tuned))}, to this response "
            f"{probability(case.tuned.own)}"
        )
    if rival.verdict is not None:
        which = "this one is likely the wrong one" if rival.wrong else "this one is likely right"
        sentence += f"; {which if rival.verdict == 'mislabelled' else 'both may be right'} ({rival.why})"
    known = Contradiction(
        rivals=rival.ids,
        n=rival.n,
        answers=rival.answers,
        verdict=rival.verdict,
        likely_wrong=rival.wrong,
        why=rival.why,
        logprobs=rival.tuned,
    )
    return CauseWords(sentence + ".", contradiction=known)


DATA_CONFLICT = Cause(
    name="data_conflict",
    finds="Another training example asks the same, in these words or in others, and answers otherwise.",
    bad="No model can learn both; which one it gives depends on their order and number, and a wrong label that wins "
    "is taught.",
    example="*Where was Leon Fubrusk born?* wants *Santa Cruz*; *What is Leon Fubrusk's birthplace?* wants *Lima*.",
    remedy="The one that is judged wrong goes out; where both may stand, the question is made to tell them apart, or "
    "they never share a batch.",
    safety="Taking an example out loses it: only on request, and after a look at the pair.",
    references=("ILP, cause III (arXiv 2604.10079)", "docs/rivals.md"),
    patterns=(("rival", "rival_weight"),),
    say=_say,
    observed="rival",
)
"""Another example says otherwise."""
