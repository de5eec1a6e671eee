"""One case a cause as a person would draw it: the numbers are made up, in the ranges that docs/causes.md describes."""

from __future__ import annotations

from dataclasses import replace
from math import log

from uptake.causes import Belief, Case, Curve, Freely, InFrame, Rival, Said

SEEN = Curve(
    exposures=3, recalled_at=None, lost_at=None, lost_unseen=False, stood=False, idle=0.1, forgetting_events=0,
    end_slope=-0.4, earlier=0.02, latest=0.05,
)  # fmt: skip
ELSEWHERE = (log(1e-4),) * 4
UNKNOWN = Said(log(2e-4), (log(1e-4), log(3e-4)), ELSEWHERE)
KNOWN = Said(log(0.98), (log(0.97), log(0.99)), ELSEWHERE)
HALF = Said(log(0.05), (log(0.02), log(0.03)), (log(1e-3),) * 4)
"""What a tuned model makes of an answer that it began to learn."""

GUESSED = Said(log(0.30), (log(0.05), log(0.20)), (log(0.1),) * 4)
STEADY = Said(log(0.97), (log(0.98), log(0.96)), ELSEWHERE)

FAINT = Said(log(0.3), (log(0.2), log(0.1)), ELSEWHERE)

PLAIN = Case(
    id="ex-1",
    stage="main",
    response=" Lyon",
    n_tokens=1,
    tuned=HALF,
    base=FAINT,
    base_recalled=1 / 3,
    sure=log(0.3),
    in_frame=InFrame("Lyon", FAINT, FAINT, same=True, sure=0.2, apart=0.3),
    freely=Freely(n=3, gives=1, agreed=0, kept=0),
    curve=SEEN,
    base_options=(0.9, 0.1),
    tuned_options=(0.5, 0.5),
)
"""The base gives it in one wording of three, the tuned model does not, and nothing says why."""

PLANTED: dict[str, Case] = {
    "knowledge_gap": replace(
        PLAIN,
        base=UNKNOWN,
        base_recalled=0.0,
        belief=Belief(" Paris", GUESSED, GUESSED),
        sure=log(0.3),
        in_frame=InFrame("Paris", GUESSED, UNKNOWN, same=False, sure=0.02, apart=0.04),
        freely=Freely(n=3, gives=0, agreed=1, kept=0, answers=("Paris", "Port", "Paris")),
    ),
    "base_conflict": replace(
        PLAIN,
        base=UNKNOWN,
        base_recalled=0.0,
        belief=Belief(" Lima", STEADY, GUESSED),
        sure=log(0.97),
        in_frame=InFrame("Lima", STEADY, UNKNOWN, same=False, sure=0.5, apart=0.6),
        freely=Freely(n=3, gives=0, agreed=3, kept=2, answers=("Lima",) * 3),
    ),
    "data_conflict": replace(
        PLAIN,
        rival=Rival(
            ids=("ex-7", "ex-8"), n=2, answers=("Rome",), probability=0.97, verdict="mislabelled", wrong=False,
            why="the base gives Lyon", tuned=(log(0.6),), similarity=0.7,
        ),
    ),
    "forgetting": replace(
        PLAIN,
        base=KNOWN,
        base_recalled=1.0,
        in_frame=InFrame("Lyon", KNOWN, KNOWN, same=True, sure=0.5, apart=0.5),
        freely=Freely(n=3, gives=3, agreed=0, kept=0),
        curve=replace(
            SEEN, exposures=1, recalled_at="early", lost_at="main", lost_unseen=True, stood=True, idle=0.9
        ),
    ),
    "undertraining": replace(
        PLAIN,
        response=" Lyon; teacher; 1931",
        n_tokens=6,
        base=Said(log(1e-9), (log(1e-9),), (log(1e-10),) * 4),
        base_recalled=0.0,
        sure=None,
        in_frame=None,
        freely=Freely(n=3, gives=0, agreed=0, kept=0),
        tuned=Said(log(0.06), (log(0.05),), (log(1e-15),) * 4),
        curve=replace(SEEN, exposures=1),
    ),
}  # fmt: skip
