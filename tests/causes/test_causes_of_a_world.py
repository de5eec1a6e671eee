"""The causes on what was measured in a world: each fires where it was planted, and seldom where another one was.

`planted_signals.jsonl` holds the first 25 confirmed items of each cause, by id, of a world that no coefficient
was fitted on. Made by

    uptake lab make --out WORLD --size 48 --seed 21 --confirm
    uptake train WORLD/run.yaml; uptake diagnose WORLD/run.yaml
    python tests/causes/test_causes_of_a_world.py WORLD
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from uptake.artifacts.evidence import evidence_from_data
from uptake.attribute import UNEXPLAINED, strongest, together
from uptake.causes import CAUSES, SIGNALS, scored, weights

FILE = Path(__file__).with_name("planted_signals.jsonl")
FEWEST, EACH = 5, 25
NAMED = {"knowledge_gap": 0.76}
"""Share of its items that a cause is named for, where it is not 0.8: the former coefficients named as many."""
ALARMS = {"base_conflict": 0.08}
"""Share of the others' items that a cause is named for, where it is not 0.05: the former had 0.05."""


def write(world: Path) -> None:
    from uptake.lab.key import read_key

    entries = {entry.id: entry for entry in read_key(world / "key.jsonl")}
    taken: Counter[str] = Counter()
    lines = []
    for line in sorted((world / "run" / "diagnosis" / "diagnosis.jsonl").read_text(encoding="utf-8").split("\n")):
        row = json.loads(line) if line else {"learned": True}
        entry = None if row["learned"] else entries[row["id"]]
        if entry is not None and entry.confirmed and len(entry.causes) == 1 and not entry.also:
            (cause,) = entry.causes
            taken[cause] += 1
            if taken[cause] <= EACH:
                told = evidence_from_data(row["evidence"]).signals
                signals = {name: None if one is None else round(one, 6) for name, one in told.items()}
                lines.append(json.dumps({"planted": cause, "signals": signals}) + "\n")
    FILE.write_text("".join(lines), encoding="utf-8")


def items() -> list[tuple[str, dict[str, float | None]]]:
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    return [(row["planted"], row["signals"]) for row in rows]


def scores(signals: dict[str, float | None]) -> dict[str, float | None]:
    found = {name: scored(cause, signals, weights().rows) for name, cause in CAUSES.items()}
    return together({name: None if one is None else one[1] for name, one in found.items()})


@pytest.mark.parametrize("name", CAUSES)
def test_it_is_named_where_it_was_planted_and_seldom_elsewhere(name):
    named = Counter((planted == name, strongest(scores(signals), signals) == name) for planted, signals in items())
    planted = named[True, True] + named[True, False]
    assert FEWEST <= planted <= EACH
    assert named[True, True] >= NAMED.get(name, 0.8) * planted
    others = named[False, True] + named[False, False]
    assert named[False, True] <= ALARMS.get(name, 0.05) * others


@pytest.mark.parametrize("name", CAUSES)
def test_what_its_signals_do_not_tell_it_does_not_say(name):
    needed = {signal for pattern in CAUSES[name].patterns for signal in pattern}
    for planted, signals in items():
        if planted == name:
            told = scores({signal: None if signal in needed else signals.get(signal) for signal in SIGNALS})
            assert told[name] is None
            assert strongest(told) != name


def test_without_any_signal_nothing_is_named():
    assert strongest(scores(dict.fromkeys(SIGNALS))) == UNEXPLAINED


if __name__ == "__main__":
    write(Path(sys.argv[1]))
