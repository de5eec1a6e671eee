"""What the terminal shows of interventions, from hand-made outcomes."""

from __future__ import annotations

import re

from uptake.artifacts.tables import CAUSES
from uptake.attribute.interventions import Outcome, summarise_outcomes
from uptake.cli.summary import WIDTH, _causes, _interventions, _to_learn
from uptake.evidence import Course
from uptake.pipeline.why.exposures import by_cause

NEVER, AT_THE_END = Course((False,) * 2, (None,) * 2), Course((False, True), (None,) * 2)


def test_a_row_a_cause_and_the_agreement() -> None:
    """Of two gaps one holds after more steps; of one contradiction nothing holds but without its rivals."""
    plain = {"control": NEVER, "more_steps": NEVER}
    outcomes = [
        Outcome("a", "main", "knowledge_gap", {**plain, "more_steps": AT_THE_END}, told=True, told_other=False),
        Outcome("b", "main", "knowledge_gap", plain, told=False, told_other=False),
        Outcome("c", "main", "data_conflict", {**plain, "without_rivals": AT_THE_END}),
    ]
    lines = _interventions({"interventions": summarise_outcomes(outcomes, CAUSES)})
    assert lines[0] == "What flips an example of cause X (3 of them, from the tuned model):"
    cells = [line.split("  ") for line in lines[2:5]]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in cells]
    assert rows == [
        ["told it", "more steps", "no rivals", "replay", "control", "agrees"],
        ["knowledge_gap", "1 of 2", "1 of 2", "-", "-", "0 of 2", "1 of 1"],
        ["data_conflict", "-", "0 of 1", "1 of 1", "-", "0 of 1", "1 of 1"],
    ]
    said = " ".join(lines[5:])
    # by hand: 2 of 2 agree, Wilson from 2 / (2 + 1.96^2); at random each name meets its own outcome with 1/2
    assert "Of 2 that say something 100.0% [34.2, 100.0] speak for the cause that is named; 50.0% would" in said
    assert max(map(len, lines)) <= WIDTH


def test_corrected_shares_stand_beside_the_named_ones() -> None:
    """Of ten examples seven are named gaps; a cause that none is named has a corrected share too."""

    def rate(estimate: float) -> dict[str, float]:
        return {"estimate": estimate, "low": estimate / 2, "high": min(1.0, 2 * estimate)}

    named = {"knowledge_gap": 7, "forgetting": 2, "undertraining": 0}
    causes = {cause: {"count": count, "rate": rate(count / 10)} for cause, count in named.items()}
    attribution = {"n": 10, "causes": causes, "unexplained": {"count": 1, "rate": rate(0.1)}}
    shares = {"n": 10, "sampled": 5, "causes": {cause: rate(0.25) for cause in named}}
    lines = _causes({"attribution": attribution, "interventions": {"shares": shares}})
    rows = [re.split(r" {2,}", line.strip()) for line in lines[2:7]]
    assert rows == [
        ["named", "share", "corrected"],
        ["knowledge_gap", "7", "70.0% [35.0, 100.0]", "25.0% [12.5, 50.0]"],
        ["forgetting", "2", "20.0% [10.0, 40.0]", "25.0% [12.5, 50.0]"],
        ["unexplained", "1", "10.0% [5.0, 20.0]", "-"],
        ["undertraining", "0", "0.0% [0.0, 0.0]", "25.0% [12.5, 50.0]"],
    ]
    assert " ".join(lines[8:]).startswith("Corrected: the true share of each cause among all 10, estimated from the")
    assert max(map(len, lines)) <= WIDTH
    without = _causes({"attribution": attribution, "interventions": None})
    assert "corrected" not in " ".join(without).lower() and len(without) == 6


def test_exposures_to_learn_are_counted_by_cause() -> None:
    """Of two gaps one needs two passes and one is learned by heart; a contradiction never settles."""
    by_heart = Course((False, True), (None, True))
    causes = by_cause({0: AT_THE_END, 4: by_heart, 7: NEVER}, ["knowledge_gap"] * 5 + [None] * 2 + ["data_conflict"])
    told = {"n": 3, "passes": 6, "steps": 1200, "tokens": 34000, "controls": {"n": 20, "kept": 19}, "causes": causes}
    lines = _to_learn({"exposures_to_learn": told})
    rows = [line.replace("by heart", "by-heart").split() for line in lines[2:5]]
    assert rows == [
        ["1", "2", "3", "4", "5", "6", "never", "by-heart"],
        ["knowledge_gap", *"01000001"],
        ["data_conflict", *"00000010"],
    ]
    said = " ".join(lines[5:])
    assert "1,200 steps and 34,000 tokens; 19 of 20 learned examples" in said
    assert max(map(len, lines)) <= WIDTH
    assert _to_learn({}) == [] and _to_learn({"exposures_to_learn": None}) == []


def test_nothing_is_shown_of_what_was_not_done() -> None:
    assert _interventions({}) == [] and _interventions({"interventions": None}) == []
    why = {"interventions": {"n": 0, "reason": "no example was learned"}}
    assert _interventions(why) == ["No interventions: no example was learned.", ""]
