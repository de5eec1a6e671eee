"""What the terminal shows of interventions, from hand-made outcomes."""

from __future__ import annotations

from uptake.artifacts.tables import CAUSES
from uptake.attribute.interventions import Outcome, summarise_outcomes
from uptake.cli.summary import WIDTH, _interventions
from uptake.evidence import Course

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


def test_nothing_is_shown_of_what_was_not_done() -> None:
    assert _interventions({}) == [] and _interventions({"interventions": None}) == []
    why = {"interventions": {"n": 0, "reason": "no example was learned"}}
    assert _interventions(why) == ["No interventions: no example was learned.", ""]
