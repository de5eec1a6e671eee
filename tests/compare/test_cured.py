"""When a cure is not worth its tokens: counted by hand."""

from __future__ import annotations

import pytest

from uptake.compare import CureColumn, check_cure, faults
from uptake.compare.cured import ColumnName
from uptake.compare.written import outcome


def training(before: int, after: int, plain: int | None, lost: int, n: int = 116) -> CureColumn:
    share = None if plain is None else plain / n
    return CureColumn("training wording", n, before / n, after / n, share, lost, after - before + lost)


def beside(name: ColumnName, before: float, after: float, plain: float | None, n: int = 100) -> CureColumn:
    return CureColumn(name, n, before, after, plain)


def test_a_cure_that_gains_everywhere_has_no_fault() -> None:
    columns = [
        training(75, 115, 116, 0),
        beside("held-out wordings", 0.1, 0.3, 0.4),
        beside("retention", 0.4, 0.5, 0.2),
    ]
    assert faults(columns) == ()
    assert len(check_cure(columns)) == 5


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        # 75 learned before, 68 after it: 12 lost, 5 gained
        ([training(75, 68, None, 12)], "58.6% after the cure, 64.7% before it; 12 examples were lost, 5 gained"),
        ([training(75, 74, None, 1)], "1 examples were lost, 0 gained"),
        ([training(75, 113, 116, 0)], "97.4% after the cure, 100.0% by plain fine-tuning with as many tokens"),
        ([training(75, 80, None, 0), beside("retention", 0.5, 0.47, None)], "retention: 47.0% after the cure, 50.0%"),
        (
            [training(75, 116, 116, 0), beside("held-out wordings", 0.1, 0.2, 0.2), beside("retention", 0.1, 0.2, 0.3)],
            "held-out wordings 20.0% and 20.0%, retention 20.0% and 30.0%",
        ),
    ],
)
def test_a_fault_is_told_with_its_numbers(columns: list[CureColumn], said: str) -> None:
    [fault] = faults(columns)
    assert said in fault
    assert sum(not check.passed for check in check_cure(columns)) == 1
    assert any(said in outcome(check) for check in check_cure(columns))


@pytest.mark.parametrize(
    "columns",
    [
        [training(75, 114, 116, 0)],  # 1.7 points behind
        [training(75, 75, None, 5)],  # five lost, five gained
        [training(75, 80, 80, 0), beside("retention", 0.5, 0.48, 0.4)],  # two points
        [training(75, 80, 80, 0), beside("retention", 0.50, 0.46, 0.4, n=24)],  # one answer of 24
        [training(75, 80, 80, 0), beside("held-out wordings", 0.1, 0.2, 0.3), beside("retention", 0.5, 0.6, 0.5)],
        [training(75, 80, 80, 0), beside("held-out wordings", 0.1, 0.3, 0.3), beside("retention", 0.5, 0.5, 0.5)],
        [],
    ],
)
def test_what_another_seed_does_as_well_is_none(columns: list[CureColumn]) -> None:
    assert faults(columns) == ()
