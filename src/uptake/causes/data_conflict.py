"""Another example says otherwise."""

from __future__ import annotations

from uptake.causes.case import Case
from uptake.causes.cause import Cause, CauseWords
from uptake.causes.words import counted, probability, quoted
from uptake.evidence import Contradiction


def _say(case: Case) -> CauseWords:
    rival = case.rival
    if rival is None:
        return CauseWords("No other example asks the same question and gives another answer.")
    ids = ", ".join(rival.ids[:3]) + (", …" if rival.n > 3 else "")
    sentence = (
        f"{counted(rival.n, 'example')} ({ids}) {'asks' if rival.n == 1 else 'ask'} the same question and "
        f"{'answers' if rival.n == 1 else 'answer'} {' or '.join(map(quoted, rival.answers))}."
    )
    if rival.tuned:
        which = "that answer" if len(rival.answers) == 1 else "the likeliest of these answers"
        sentence += (
            f" The tuned model gives {which} {probability(max(rival.tuned))} and this response "
            f"{probability(case.tuned.own)}."
        )
    if rival.verdict is not None:
        which = f"This example is likely {'wrong' if rival.wrong else 'right'}"
        sentence += f" {which if rival.verdict == 'mislabelled' else 'Both answers may be right'} ({rival.why})."
    known = Contradiction(
        rivals=rival.ids,
        n=rival.n,
        answers=rival.answers,
        verdict=rival.verdict,
        likely_wrong=rival.wrong,
        why=rival.why,
        logprobs=rival.tuned,
        replaced_by=rival.replaced,
    )
    return CauseWords(sentence, contradiction=known)


DATA_CONFLICT = Cause(
    name="data_conflict",
    finds="Another training example asks the same question, in the same words or in others, and gives another answer.",
    bad="No model can learn both answers. Which one it gives depends on the order and the number of the examples. If "
    "the wrong one wins, the model has been taught an error.",
    example="*Where was Leon Fubrusk born?* wants *Santa Cruz*. *What is Leon Fubrusk's birthplace?* wants *Lima*.",
    remedy="Remove the example that is judged wrong. If both answers may be right, change the questions so that they "
    "differ, or keep the two examples out of the same batch.",
    safety="Removing an example loses it, so it happens only with --unsafe. Look at the pair first.",
    references=("ILP, cause III (arXiv 2604.10079)", "docs/rivals.md"),
    patterns=(("rival", "rival_weight"),),
    say=_say,
    observed="rival",
)
"""Another example says otherwise."""
