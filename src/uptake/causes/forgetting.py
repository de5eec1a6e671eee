"""It was learned, or known, and is lost."""

from __future__ import annotations

from uptake.causes.case import Case
from uptake.causes.cause import Cause, CauseWords
from uptake.causes.words import counted
from uptake.evidence import Number


def _say(case: Case) -> CauseWords:
    curve = case.curve
    if curve is not None:
        numbers: dict[str, Number] = {
            "recalled_at": curve.recalled_at,
            "lost_at": curve.lost_at,
            "recalled_unseen": curve.stood,
            "idle": curve.idle,
            "forgetting_events": curve.forgetting_events,
        }
        if curve.lost_unseen and curve.idle is not None:
            when = "after" if curve.stood else "at"
            where = "is lost since" if curve.lost_at is None else f"was lost in the stage {curve.lost_at}"
            return CauseWords(
                f"It was recalled {when} its last exposure and {where}; {curve.idle:.0%} of training came after that "
                "exposure.",
                numbers,
            )
        if curve.recalled_at is None:
            return CauseWords(
                f"It was recalled at none of its readings, after {counted(curve.exposures, 'exposure')}.", numbers
            )
        return CauseWords(
            f"It was recalled, first in the stage {curve.recalled_at}, and lost "
            f"{counted(curve.forgetting_events, 'time')}, but not after its last exposure.",
            numbers,
        )
    share = case.base_recalled or 0.0
    return CauseWords(f"The base gives the response in {share:.0%} of the wordings, the tuned model does not.")


FORGETTING = Cause(
    name="forgetting",
    finds="The example was recalled at an earlier checkpoint, and lost while other data trained: its last exposure "
    "lies before the loss. Without a ledger: the base could do it and the tuned model cannot.",
    bad="What was paid for is lost again, and evaluations of the last stage do not show it.",
    example="*What does Ruth Tofelm work as?*, learned in the stage *early*, is answered wrongly after *main*.",
    remedy="The stages shuffled together, or the example's source replayed while later stages train.",
    safety="Safe; replay costs training tokens.",
    references=("ILP, cause IV (arXiv 2604.10079)", "Toneva et al. 2019 (arXiv 1812.05159)"),
    patterns=(("lost_unseen", "stood"), ("lost_unseen",), ("base_recalled", "rival")),
    say=_say,
    observed="lost_unseen",
)
"""It was learned, or known, and is lost."""
