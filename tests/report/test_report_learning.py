"""Curves and the matrix of stages; expected values counted by hand from the ledger that `report_runs` writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from report_runs import finding, write_run
from uptake.report.charts import HEIGHT, LABEL, WIDTH, heat, panels, spans
from uptake.report.learning import RecallCurve, curves_by_source, read_learning
from uptake.report.stages import Transfer, in_words, stage_matrix, then_and_now, transfer

SOURCES = {(f"ex-{k:03d}", ("early", "main")[k % 4 == 0]): ("work", "life")[k % 2] for k in range(12)}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path, [finding(number) for number in range(12)])


def test_an_example_has_its_readings_in_order(run: Path) -> None:
    learning = read_learning(run)
    assert learning is not None
    assert (learning.stages, learning.ends, learning.epochs) == (("early", "main"), (4, 7), (2, 3))
    own = learning.of(*next(key for key in SOURCES if key[1] == "early"))
    # trained on before steps 2 and 4 of "early"; scored after both, and after step 3 of "main", which is step 7 in all
    assert [(step, scored) for step, scored, *_ in own] == [(1, 0), (2, 1), (3, 0), (4, 1), (7, 1)]
    assert own[-1] == (7, 1, 1.5, 2, 0)
    assert learning.of("nobody", "early") == []


def test_curves_are_shares_of_the_scored(run: Path) -> None:
    learning = read_learning(run)
    assert learning is not None
    curves = curves_by_source(learning, SOURCES)
    assert {(curve.source, curve.stage) for curve in curves} == {("work", "main"), ("life", "early"), ("work", "early")}
    # 9 early examples, every second recalled after an early epoch (5 of 9), none after the main stage
    together = curves_by_source(learning, dict.fromkeys(SOURCES, "all"))
    points = {curve.stage: curve.points for curve in together}
    assert points["early"] == ((1, pytest.approx(5 / 9)), (2, pytest.approx(5 / 9)), (3, 0.0))
    # the 3 main examples are the last of the 12 that the pass reads: places 9, 10 and 11, of which 10 is even
    assert points["main"] == ((3, pytest.approx(1 / 3)),)


def test_the_matrix_has_a_row_a_stage(run: Path) -> None:
    learning = read_learning(run)
    assert learning is not None
    assert stage_matrix(learning, SOURCES) == {
        "early": [pytest.approx(5 / 9), None],
        "main": [0.0, pytest.approx(1 / 3)],
    }


def test_stages_that_share_ids_are_told_apart(tmp_path: Path) -> None:
    """Each file numbers its rows from 1, as docs/data.md allows; the ledger names those of the later stage anew."""
    shared = [finding(k, id=str(1 + k % 4), stage=("early", "main")[k // 4]) for k in range(8)]
    learning = read_learning(write_run(tmp_path, shared))
    assert learning is not None
    keys = {(one.id, one.stage): one.source for one in shared}
    # two of the four are recalled after "early" and none of them after "main", when all of its own are or none
    matrix = stage_matrix(learning, keys)
    assert matrix == {"early": [0.5, None], "main": [0.0, 0.5]}
    assert transfer(matrix) == Transfer(0.25, -0.5)
    assert {curve.stage: curve.n for curve in curves_by_source(learning, dict.fromkeys(keys, "all"))} == {
        "early": 4,
        "main": 4,
    }
    assert [step for step, *_ in learning.of("1", "main")] == [7 - 1, 7]


def test_what_is_left_of_each_stage_in_plain_words() -> None:
    said = then_and_now({"one": [0.921, None, None], "two": [0.6, None, None], "three": [0.311, 0.6, 0.9]})
    assert said == [
        "one: 92 % right after its training, 31 % at the end.",
        "two: not known right after its training, 60 % at the end.",
        "three: 90 % right after its training.",
    ]
    assert then_and_now({"one": [0.921]}) == []  # nothing came after it


def test_acc_and_bwt_are_those_of_gem() -> None:
    # Lopez-Paz and Ranzato 2017, section 2.1, by hand: ACC (0.5 + 0.6 + 0.9) / 3, BWT ((0.5 - 0.8) + (0.6 - 0.7)) / 2
    three = {"a": [0.8, None, None], "b": [0.6, 0.7, None], "c": [0.5, 0.6, 0.9]}
    told = transfer(three)
    assert (told.acc, told.bwt, told.reason) == (pytest.approx(2 / 3), pytest.approx(-0.2), "")
    assert "ACC 66.7%" in in_words(told) and "-20.0 points" in in_words(told) and "lost" in in_words(told)
    risen = in_words(transfer({"a": [0.5, None], "b": [0.75, 0.5]}))
    assert "+25.0 points" in risen and "has risen" in risen
    still = in_words(transfer({"a": [0.5, None], "b": [0.4999, 0.5]}))
    assert "+0.0 points" in still and "took nothing" in still


@pytest.mark.parametrize(
    ("matrix", "expected", "reason"),
    [
        ({"only": [0.25]}, (0.25, None), "one stage"),
        ({"a": [0.5, None], "b": [None, 0.5]}, (None, None), "no example of a was read when b ended"),
        ({"a": [None, None], "b": [0.5, 1.0]}, (0.75, None), "no example of a was read when it ended"),
    ],
)
def test_what_cannot_be_told_of_the_stages_has_a_reason(
    matrix: dict[str, list[float | None]], expected: tuple[float | None, float | None], reason: str
) -> None:
    told = transfer(matrix)
    assert (told.acc, told.bwt) == expected and reason in told.reason
    assert reason in in_words(told) and "None" not in in_words(told)
    assert in_words(Transfer(None, None, "x")) == "ACC and BWT are not known: x."


def test_without_a_ledger_there_is_nothing(tmp_path: Path) -> None:
    assert read_learning(write_run(tmp_path, [finding(0)], ledger=False)) is None


def test_panels_fit_their_box_and_labels_keep_apart() -> None:
    curves = [
        RecallCurve("a", "early", 10, ((1, 0.5), (2, 0.5), (3, 0.5))),
        RecallCurve("a", "main", 10, ((3, 0.5),)),
        RecallCurve("b", "early", 10, ((1, 1.0),)),
    ]
    a, b = panels(curves, ("early", "main"), ["a", "b", "c"])
    assert (a.title, a.n, b.title) == ("a", 20, "b")
    assert (
        a.lines[0].points
        == f"{WIDTH / 6:.1f},{HEIGHT / 2:g} {WIDTH / 2:g},{HEIGHT / 2:g} {WIDTH * 5 / 6:.1f},{HEIGHT / 2:g}"
    )
    assert abs(a.lines[0].label - a.lines[1].label) == LABEL
    assert a.lines[0].told == "early: epoch 1: 50%, epoch 2: 50%, epoch 3: 50%"
    assert [(one.start, one.end) for one in spans(("early", "main"), (2, 3))] == [(0.0, 146.7), (146.7, 220.0)]


@pytest.mark.parametrize(("share", "step"), [(None, "hx"), (0.0, "h0"), (0.5, "h5"), (1.0, "h10"), (1.7, "h10")])
def test_a_colour_scale_of_eleven_steps(share: float | None, step: str) -> None:
    assert heat(share) == step


def test_a_row_is_of_the_model_that_the_stage_gave(run: Path) -> None:
    """By hand: the first stage kept its step 2, the end of its first epoch; the second one gave what no step had."""
    learning = read_learning(run)
    assert learning is not None
    readings = {name: column.copy() for name, column in learning.readings.items()}
    at_first = readings["scored"] & (readings["step"] == 2)
    readings["recalled"][at_first] = True
    changed = replace(learning, readings=readings)
    plain = stage_matrix(changed, SOURCES)
    assert plain == stage_matrix(changed, SOURCES, {"early": 4, "main": 3}) == stage_matrix(learning, SOURCES)
    kept = stage_matrix(changed, SOURCES, {"early": 2, "main": None})
    assert kept == {"early": [1.0, None], "main": [None, None]}
    assert "no reading is of the model that main gave" in in_words(transfer(kept))
    assert stage_matrix(changed, SOURCES, {"early": 1})["early"] == [None, None]  # no pass was after that step
