"""The turns of conversations: those that come after one that was not learned are told apart."""

from __future__ import annotations

from dataclasses import replace

from evidence_made import evidence
from uptake.artifacts.evidence import evidence_data, evidence_from_data
from uptake.pipeline.diagnose.turns import TurnTally
from uptake.types import Finding


def turn(name: str, line: int, *, learned: bool) -> Finding:
    known = replace(evidence(), file="chats.jsonl", line=line)
    return Finding(name, "s", "main", "", "Hello.", learned, None, None, 0.0, None, known)


def test_turns_after_a_wrong_one_name_the_first_of_these() -> None:
    tally = TurnTally()
    rows = [
        turn("a#1", 1, learned=True),
        turn("a#2", 1, learned=False),
        turn("a#3", 1, learned=False),
        turn("a#4", 1, learned=True),
        turn("b#1", 2, learned=False),
        turn("b#1", 3, learned=True),  # another row's id looks like that of a turn of the same conversation
        turn("c", 4, learned=False),
        turn("c#1", 5, learned=True),
    ]
    found = list(tally(rows))
    assert [one.evidence.after_wrong for one in found] == [None, None, "a#2", "a#2", None, None, None, None]
    assert tally.summary() == {"conversations": 1, "turns": 4, "not_learned": 2, "after_wrong": 2}
    kept = found[2].evidence
    assert evidence_from_data(evidence_data(kept)).after_wrong == "a#2"
    assert TurnTally().summary() is None and list(TurnTally()([rows[6]])) == [rows[6]]
