"""What the ledger says about each example, against hand computation; Cartography's files, there and back."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from uptake.artifacts import write_json
from uptake.artifacts.ledger_files import LEDGER, append, content_id, open_stage
from uptake.errors import UptakeError
from uptake.ledger import CURVES, READINGS, curves, read_cartography, read_ledger, write_cartography
from uptake.ledger.read import from_table


def reading(name, step, nll, recalled, *, stage="main", epoch=None, which="train", tokens=2, row=None):
    epoch = step - 1 if epoch is None else epoch
    return {
        "stage": stage, "pass": which, "step": step, "epoch": epoch, "id": name, "row": row,
        "nll": nll, "tokens": tokens, "recalled": recalled,
    }  # fmt: skip


def ledger(rows, stages=("main",)):
    return from_table(pa.Table.from_pylist(rows, schema=LEDGER), stages)


def curve(rows, name="a", stages=("main",), **more):
    return {row["id"]: row for row in curves(ledger(rows, stages), **more).to_pylist()}[name]


def moment(step, stage="main", epoch=None, which="train"):
    return {"stage": stage, "epoch": step - 1 if epoch is None else epoch, "step": step, "pass": which}


def test_learned_lost_and_learned_again():
    # recalled at steps 2, 3 and 5, not at 1, 4 and 6: two falls from 1 to 0, the last at 6 (Toneva et al., section 3)
    rows = [reading("a", step, 2.0, recalled) for step, recalled in enumerate((0, 1, 1, 0, 1, 0), 1)]
    found = curve([row | {"recalled": bool(row["recalled"])} for row in rows])
    assert found["first_learned"] == moment(2)
    assert found["last_lost"] == moment(6)
    assert found["forgetting_events"] == 2
    assert found["recalled"] is False
    assert (found["readings"], found["times_seen"], found["last_exposure"]) == (6, 6, moment(6))


def test_what_was_never_learned_is_null_and_not_zero():
    found = curve([reading("a", 1, 2.0, False), reading("b", 1, 1.0, True)])
    assert (found["first_learned"], found["last_lost"], found["end_slope"]) == (None, None, None)
    assert found["forgetting_events"] == 0


def test_one_examples_end_is_not_the_next_ones_loss():
    # a ends recalled, b begins not recalled: no forgetting in either
    rows = [reading("a", 1, 0.1, True), reading("b", 1, 3.0, False), reading("a", 2, 0.1, True)]
    assert [row["forgetting_events"] for row in curves(ledger(rows)).to_pylist()] == [0, 0]


def test_confidence_and_variability_are_those_of_the_probability_per_token():
    # by hand: p = exp(-nll / 2) = 0.25, 0.5, 0.75; mean 0.5, population standard deviation sqrt(2 * 0.25^2 / 3)
    rows = [reading("a", step, -2 * math.log(p), False) for step, p in enumerate((0.25, 0.5, 0.75), 1)]
    found = curve(rows)
    assert found["confidence"] == pytest.approx(0.5, abs=1e-6)
    assert found["variability"] == pytest.approx(math.sqrt(2 * 0.25**2 / 3), abs=1e-6)


def test_the_scoring_pass_stands_for_its_epoch():
    rows = [reading("a", 1, 2 * math.log(4), False, epoch=0), reading("a", 3, 0.0, True, epoch=0, which="epoch")]
    found = curve(rows)
    assert (found["confidence"], found["variability"], found["times_seen"]) == (1.0, 0.0, 1)
    assert found["first_learned"] == moment(3, epoch=0, which="epoch")


@pytest.mark.parametrize(("last", "expected"), [(3, -0.5), (2, -1.0), (5, None)])
def test_end_slope_is_numpys_least_squares(last, expected):
    values = [9.0, 4.0, 2.0, 2.0, 1.0]
    found = curve([reading("a", step, nll, False) for step, nll in enumerate(values, 1)], last=last)
    fitted = np.polyfit(np.arange(len(values))[-last:], values[-last:], 1)[0]
    assert found["end_slope"] == pytest.approx(fitted)
    assert expected is None or found["end_slope"] == pytest.approx(expected)


def test_epochs_are_counted_through_the_stages():
    # two epochs of the early stage, then one of the main one: at 0, 1 and 2, the loss falls by 1 an epoch
    rows = [
        reading("a", 1, 3.0, False, stage="early"),
        reading("a", 2, 2.0, True, stage="early"),
        reading("a", 1, 1.0, False, stage="main", which="epoch"),
    ]
    found = curve(rows, stages=("early", "main"))
    assert found["end_slope"] == pytest.approx(-1.0)
    assert found["last_lost"] == moment(1, which="epoch")
    assert (found["times_seen"], found["last_exposure"]) == (2, moment(2, stage="early"))


def test_a_reading_without_a_number_is_left_out():
    rows = [reading("a", 1, 1.0, True), reading("a", 2, None, None), reading("b", 1, None, None, tokens=0)]
    found = curve(rows)
    assert (found["readings"], found["times_seen"], found["forgetting_events"]) == (1, 2, 0)
    nothing = curve(rows, "b")
    assert (nothing["readings"], nothing["times_seen"]) == (0, 0)
    assert {nothing[name] for name in ("recalled", "forgetting_events", "confidence", "variability")} == {None}
    assert nothing["last_exposure"] is None


def test_an_empty_ledger_has_no_curves():
    found = curves(ledger([]))
    assert (len(found), found.schema) == (0, CURVES)


def test_times_seen_counts_what_came_before():
    rows = [reading("a", step, 1.0, False) for step in (1, 2, 4)] + [reading("a", 2, 1.0, False, which="epoch")]
    table = ledger([*rows, reading("b", 3, 1.0, False)]).table
    assert table.schema == READINGS
    seen = [(row["id"], row["step"], row["pass"], row["times_seen"]) for row in table.to_pylist()]
    assert seen == [("a", 1, "train", 0), ("a", 2, "train", 1), ("a", 2, "epoch", 2), ("b", 3, "train", 0),
                    ("a", 4, "train", 2)]  # fmt: skip


def test_copies_in_one_step_are_trained_on_once_and_lose_nothing(tmp_path):
    # a row stands twice in a data set without other rows: both are in each of four steps, and one is recalled
    rows = [reading("a", step, 1.0, row == 0, row=row) for step in (1, 2, 3, 4) for row in (0, 7)]
    append(open_stage(tmp_path, "main", 0, 0, 1), columns(rows))
    read = read_ledger(tmp_path)
    assert read.table["times_seen"].to_pylist() == [0, 0, 1, 1, 2, 2, 3, 3]
    found = curves(read).to_pylist()[0]
    assert (found["times_seen"], found["readings"], found["forgetting_events"]) == (4, 4, 0)
    assert (found["first_learned"], found["recalled"], found["last_lost"]) == (None, False, None)


def test_where_scoring_passes_read_an_example_the_network_with_dropout_loses_nothing():
    def epoch(number, recalled):
        passes = (("train", 1, False), ("epoch", 2, recalled))
        return [reading("a", 2 * number + at, 1.0, said, epoch=number, which=which) for which, at, said in passes]

    found = curve([row for number in range(5) for row in epoch(number, True)])
    assert (found["times_seen"], found["forgetting_events"], found["last_lost"]) == (5, 0, None)
    found = curve([row for number in range(5) for row in epoch(number, number != 2)])
    assert (found["forgetting_events"], found["last_lost"]) == (1, moment(6, epoch=2, which="epoch"))


def test_a_repeat_in_one_step_is_one_reading_and_in_another_step_another():
    rows = [reading("a", 1, 1.0, False, row=0), reading("a", 1, 1.0, False, row=0), reading("a", 2, 1.0, False, row=0)]
    assert ledger(rows).table["step"].to_pylist() == [1, 2]
    # two rows of the training set that the user calls by one name are two exposures
    assert len(ledger([reading("a", 1, 1.0, False, row=0), reading("a", 1, 1.0, False, row=1)])) == 2


def columns(rows):
    return {name: [row[name] for row in rows] for name in LEDGER.names}


def test_stages_and_ranks_are_read_in_the_order_of_training(tmp_path):
    for stage in ("zero", "main"):  # not the order of their names
        for rank in (1, 0):
            rows = [reading(f"{rank}", step, 1.0, False, stage=stage, row=rank) for step in (1, 2)]
            append(open_stage(tmp_path, stage, 0, rank, 2), columns(rows))
    found = read_ledger(tmp_path)
    assert found.stages == ("zero", "main")
    assert [(r["stage"], r["step"], r["id"]) for r in found.table.to_pylist()] == [
        (stage, step, name) for stage in ("zero", "main") for step in (1, 2) for name in ("0", "1")
    ]
    assert found.of("1")["times_seen"].to_pylist() == [0, 1, 2, 3]


def test_copies_without_ids_are_numbered_by_their_place(tmp_path):
    name, other = content_id([1, 2], [-100, 2]), content_id([1, 3], [-100, 3])
    rows = [reading(n, 1, 1.0, False, row=row) for n, row in ((name, 7), (name, 2), (other, 3), (name, 5), ("u", 1))]
    append(open_stage(tmp_path, "main", 0, 0, 1), columns(rows))
    found = {(row["row"], row["id"]) for row in read_ledger(tmp_path).table.to_pylist()}
    assert found == {(2, name), (5, f"{name}-2"), (7, f"{name}-3"), (3, other), (1, "u")}


def test_no_ledger_is_an_error_that_helps(tmp_path):
    with pytest.raises(UptakeError, match="there is no ledger in .*\nexpected: .*stage.json\nfix: train with"):
        read_ledger(tmp_path)


def test_a_stage_without_rows_yet_is_empty(tmp_path):
    write_json(tmp_path / "ledger/main/stage.json", {"stage": "main", "number": 0})
    assert len(read_ledger(tmp_path)) == 0


def test_cartographys_files_there_and_back(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        reading(f"ex-{k}", epoch * 10 + 1, float(rng.exponential()), bool(rng.integers(2)), epoch=epoch, tokens=1 + k)
        for epoch in range(3)
        for k in range(5)
    ]
    written = ledger(rows)
    assert write_cartography(written, tmp_path) == []
    read = read_cartography(tmp_path)
    names = ("id", "epoch", "tokens", "recalled", "times_seen")
    assert read.table.select(names).equals(written.table.select(names))
    np.testing.assert_allclose(read.table["nll"].to_numpy(), written.table["nll"].to_numpy(), rtol=1e-5)
    left, right = curves(written).to_pydict(), curves(read).to_pydict()
    for name in ("confidence", "variability", "end_slope"):
        np.testing.assert_allclose(left[name], right[name], rtol=1e-5)


def test_what_cartography_reads_is_the_probability_per_token(tmp_path):
    # Cartography, selection_utils and train_dy_filtering: confidence = softmax(logits)[gold], correct = arg-max is gold
    write_cartography(ledger([reading("a", 1, 2 * math.log(4), True), reading("b", 1, 0.0, True)]), tmp_path)
    lines = (tmp_path / "training_dynamics/dynamics_epoch_0.jsonl").read_text().splitlines()
    records = {record["guid"]: record for record in map(json.loads, lines)}
    logits = np.array(records["a"]["logits_epoch_0"])
    assert np.exp(logits) / np.exp(logits).sum() == pytest.approx([0.25, 0.75])
    assert records["a"]["gold"] == 0
    assert all(math.isfinite(value) for value in records["b"]["logits_epoch_0"])  # a loss of zero is JSON, too


def test_a_classifiers_dynamics_are_read(tmp_path):
    # in the form of Cartography's repository; softmax((1, 3, 0))[1] = 0.8438 by hand
    (tmp_path / "training_dynamics").mkdir()
    for epoch, logits in enumerate(([1.0, 3.0, 0.0], [2.0, 0.0, 0.0])):
        line = json.dumps({"guid": 17, f"logits_epoch_{epoch}": logits, "gold": 1})
        (tmp_path / f"training_dynamics/dynamics_epoch_{epoch}.jsonl").write_text(line + "\n")
    rows = read_cartography(tmp_path).of("17").to_pylist()
    assert [(row["epoch"], row["tokens"], row["recalled"]) for row in rows] == [(0, 1, True), (1, 1, False)]
    assert math.exp(-rows[0]["nll"]) == pytest.approx(0.8438, abs=1e-4)


def test_an_example_that_is_not_in_the_first_epoch_is_left_out_and_named(tmp_path):
    left = write_cartography(ledger([reading("a", 1, 1.0, True), reading("b", 2, 1.0, True)]), tmp_path)
    assert left == ["b"]
    assert (tmp_path / "training_dynamics/dynamics_epoch_1.jsonl").read_text() == ""


@pytest.mark.parametrize("line", ["{", '{"guid": "a", "gold": 0}', '{"guid": "a", "logits_epoch_0": [], "gold": 0}'])
def test_broken_dynamics_are_named_by_file_and_line(line, tmp_path):
    (tmp_path / "training_dynamics").mkdir()
    (tmp_path / "training_dynamics/dynamics_epoch_0.jsonl").write_text("\n" + line)
    with pytest.raises(UptakeError, match="dynamics_epoch_0.jsonl, line 2 is no record"):
        read_cartography(tmp_path)


def test_no_dynamics_and_no_such_stage(tmp_path):
    with pytest.raises(UptakeError, match="there are no training dynamics"):
        read_cartography(tmp_path)
    with pytest.raises(UptakeError, match="the ledger has no stage 'late'\nexpected: one of main"):
        write_cartography(ledger([reading("a", 1, 1.0, True)]), tmp_path, "late")


GOOD = '{"guid": "a", "logits_epoch_0": [1.0, 2.0], "gold": 0}'


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe", GOOD.encode().replace(b'"a"', b'"\xff"'), GOOD.replace('"a"', '"\\ud800"'),
        GOOD.replace("1.0", "1e999"),
        GOOD.replace("1.0", "NaN"), GOOD.replace("1.0", "1" + "0" * 400), GOOD.replace("[1.0, 2.0]", "[-1e308, 1e308]"),
        GOOD.replace("[1.0, 2.0]", "[[1.0], [2.0]]"), GOOD.replace("[1.0, 2.0]", "[]"),
        GOOD.replace("[1.0, 2.0]", '"x"'),
        GOOD.replace('"gold": 0', '"gold": 1e999'), GOOD.replace('"gold": 0', '"gold": -1'),
        GOOD.replace('"gold": 0', '"gold": 2'), GOOD.replace('"gold": 0', '"gold": 0.5'),
        GOOD.replace('"gold": 0', '"gold": 0, "tokens": 1e999'), GOOD.replace('"gold": 0', '"gold": 0, "tokens": 0'),
        GOOD.replace('"gold": 0', f'"gold": 0, "tokens": {2**40}'), GOOD[:-5], "[" * 100_000, "[1]", "3", "null",
    ],
)  # fmt: skip
def test_cartographys_lines_that_are_none(line: str | bytes, tmp_path):
    folder = tmp_path / "training_dynamics"
    folder.mkdir()
    data = line if isinstance(line, bytes) else line.encode("utf-8")
    (folder / "dynamics_epoch_0.jsonl").write_bytes(data + b"\n")
    with pytest.raises(UptakeError, match=r"dynamics_epoch_0\.jsonl"):
        read_cartography(tmp_path)
    (folder / "dynamics_epoch_0.jsonl").write_text(GOOD)
    assert read_cartography(tmp_path).table["nll"].to_pylist() == [pytest.approx(1.3132617)]  # log(1 + e)
    (folder / f"dynamics_epoch_{2**40}.jsonl").write_text(GOOD)
    with pytest.raises(UptakeError, match="is of epoch 1099511627776"):
        read_cartography(tmp_path)
