"""The order of fine-tuning: passes, stages, further exposures, and rows that are to be apart."""

from __future__ import annotations

from collections import Counter

import pytest

from uptake.prescribe.order import Changes, fine_tuning_order, passes_of
from uptake.schedule import violations

STAGES = ["early"] * 10 + ["main"] * 20


def test_stages_follow_each_other_and_passes_do() -> None:
    order = fine_tuning_order(STAGES, {"early": 1.0, "main": 3.0}, Changes(), 4, seed=1)
    assert sorted(order[:10]) == list(range(10))
    for start in (10, 30, 50):
        assert Counter(order[start : start + 20]).most_common(1)[0][1] <= 2  # a border of passes may lie inside
    assert Counter(order) == {row: 1 if row < 10 else 3 for row in range(30)}


def test_the_seed_decides() -> None:
    one, same, other = (fine_tuning_order(STAGES, {"early": 1.0, "main": 2.0}, Changes(), 4, s) for s in (1, 1, 2))
    assert one == same != other
    assert sorted(one) == sorted(other)


def test_a_mixed_stage_of_more_passes_is_spread_over_all_of_it() -> None:
    passes = {"early": 10.0, "main": 3.0}
    order = fine_tuning_order(STAGES, passes, Changes(mixed=frozenset({"early"})), 4, seed=0)
    assert Counter(order) == {row: 10 if stage == "early" else 3 for row, stage in enumerate(STAGES)}
    for start in range(3):  # each third has a third of either stage
        part = Counter(STAGES[row] for row in order[start * len(order) // 3 : (start + 1) * len(order) // 3])
        for stage, often in passes.items():
            wanted = STAGES.count(stage) * often / 3
            assert abs(part[stage] - wanted) <= 0.1 * wanted + 3


@pytest.mark.parametrize(("passes", "rows"), [(0.5, 10), (1.5, 30), (2.25, 45)])
def test_a_fraction_of_a_pass_is_drawn(passes: float, rows: int) -> None:
    order = fine_tuning_order(["main"] * 20, {"main": passes}, Changes(), 4, seed=0)
    assert len(order) == rows  # 20 rows, passes times
    assert set(Counter(order).values()) <= {int(passes), int(passes) + 1}


def test_a_mixed_stage_is_spread_over_the_last_one_and_trained_as_often() -> None:
    changes = Changes(mixed=frozenset({"early"}))
    passes = {"early": 1.0, "main": 3.0}
    assert passes_of(STAGES, passes, changes) == [3.0] * 30
    order = fine_tuning_order(STAGES, passes, changes, 4, seed=0)
    assert Counter(order) == {row: 3 for row in range(30)}
    thirds = [sum(row < 10 for row in order[start : start + 30]) for start in (0, 30, 60)]
    assert all(8 <= n <= 12 for n in thirds)


def test_rows_that_protect_are_trained_once_and_no_oftener_than_their_stage() -> None:
    passes = {"early": 0.5, "main": 3.0}
    assert passes_of(["early", "main", "main"], passes, Changes(once=frozenset({0, 2}))) == [0.5, 3.0, 1.0]
    order = fine_tuning_order(STAGES, {"early": 1.0, "main": 3.0}, Changes(once=frozenset(range(12, 30))), 4, seed=0)
    assert Counter(order) == {row: 3 if row in (10, 11) else 1 for row in range(30)}


def test_what_goes_out_is_not_trained() -> None:
    order = fine_tuning_order(STAGES, {"early": 1.0, "main": 1.0}, Changes(out=frozenset({0, 15})), 4, seed=0)
    assert sorted(order) == [row for row in range(30) if row not in (0, 15)]


@pytest.mark.parametrize("seed", range(20))
def test_further_exposures_are_spread_and_never_two_in_a_step(seed: int) -> None:
    extra = {3: 5, 12: 4, 13: 4}
    order = fine_tuning_order(STAGES, {"early": 3.0, "main": 3.0}, Changes(extra=extra), 4, seed)
    counts = Counter(order)
    assert counts == {row: 3 + extra.get(row, 0) for row in range(30)}
    assert violations(order, (), 4) == 0
    places = [place for place, row in enumerate(order) if row == 12]
    assert max(after - before for before, after in zip(places, places[1:], strict=False)) <= 30  # of 60 and 7 places


@pytest.mark.parametrize("seed", range(20))
def test_conflicting_rows_never_share_a_step(seed: int) -> None:
    apart = ((10, 11), (12, 13), (12, 14), (13, 14), (0, 20))
    changes = Changes(mixed=frozenset({"early"}), apart=apart)
    order = fine_tuning_order(STAGES, {"early": 1.0, "main": 3.0}, changes, 8, seed)
    assert Counter(order) == {row: 3 for row in range(30)}
    assert violations(order, apart, 8) == 0


def test_shuffling_alone_does_not_keep_rows_apart() -> None:
    # what the planned order is for: of twenty shuffled orders many have both of a pair in one step
    apart = ((10, 11), (12, 13), (12, 14), (13, 14))
    found = [
        violations(fine_tuning_order(STAGES, {"early": 0.1, "main": 3.0}, Changes(), 8, s), apart, 8) for s in range(20)
    ]
    assert sum(n > 0 for n in found) >= 15
