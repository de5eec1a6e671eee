"""It was learned, or known, and is lost."""

from __future__ import annotations

from uptake.causes.case import Case
from uptake.causes.cause import Cause, CauseWords
from uptake.causes.signals import known_before, value
from uptake.causes.words import counted
from uptake.evidence import Number


def _say(case: Case) -> CauseWords:
    curve = case.curve
    if case.replaced is not None:
        return CauseWords(
            f"The later stage {case.replaced} asks the same and teaches another answer: that this one is gone is no "
            "loss."
        )
    if curve is not None and (curve.lost_unseen or not known_before(case)):
        numbers: dict[str, Number] = {
            "recalled_at": curve.recalled_at,
            "lost_at": curve.lost_at,
            "recalled_unseen": curve.stood,
            "idle": curve.idle,
            "forgetting_events": curve.forgetting_events,
        }
        if curve.lost_unseen and curve.idle is not None:
            when = "after" if curve.stood else "at"
            lost = "has lost it since" if curve.lost_at is None else f"lost it in the stage {curve.lost_at}"
            return CauseWords(
                f"The model recalled it {when} its last exposure and {lost}. {curve.idle:.0%} of the training came "
                "after that exposure.",
                numbers,
            )
        if curve.recalled_at is None:
            return CauseWords(
                f"The model recalled it at no reading, over {counted(curve.exposures, 'exposure')}.", numbers
            )
        lost = f"lost it {counted(curve.forgetting_events, 'time')}, but not after its last exposure"
        return CauseWords(
            f"The model first recalled it in the stage {curve.recalled_at} and "
            f"{lost if curve.forgetting_events else 'no reading shows that it lost it'}.",
            numbers,
        )
    share = value("base_gives", case) or 0.0
    own = "" if case.freely is None else ", in its own words"
    return CauseWords(
        f"The base model gives the response in {share:.0%} of the wordings{own}. The tuned model does not.",
        {} if case.freely is None else {"freely": list(case.freely.answers)},
    )


FORGETTING = Cause(
    name="forgetting",
    finds="The model recalled the example at an earlier checkpoint and lost it while other data were trained: its last "
    "exposure came before the loss. Or the base model gave the response, in whatever words, and the tuned model does "
    "not.",
    bad="Training that was paid for is lost again, and an evaluation of the last stage does not show it.",
    example="*What does Ruth Tofelm work as?* was learned in the stage *early* and is answered wrongly after *main*.",
    remedy="Shuffle the stages together, or repeat the example's source (replay) while later stages train.",
    safety="Safe. Replay costs training tokens.",
    references=("ILP, cause IV (arXiv 2604.10079)", "Toneva et al. 2019 (arXiv 1812.05159)"),
    patterns=(("lost_unseen", "stood"), ("lost_unseen",), ("base_lost", "rival")),
    say=_say,
    observed="lost_unseen",
)
"""It was learned, or known, and is lost."""
