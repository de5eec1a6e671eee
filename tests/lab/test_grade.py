"""Grades of named causes, against counts worked out by hand and against formulas written the long way."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from uptake.artifacts.tables import CAUSES
from uptake.errors import UptakeError
from uptake.lab.grade import BESIDE, LABELS, NONE, TOLD, grade, pairs
from uptake.lab.key import DiagnosedItem, Entry, Matched, matched, read_answers, read_key

GAP, BASE, DATA, FORGETTING, UNDER = CAUSES


def entry(name, *causes, confirmed=True, unexpected=False):
    return Entry(name, causes, confirmed if causes else None, unexpected)


def said(name, cause, learned=False):
    return DiagnosedItem(name, learned, cause)


def world(labels, groups=None):
    """Items with one planted cause or none, and what is said of them; each about a fact of its own."""
    groups = [str(number) for number in range(len(labels))] if groups is None else groups
    return [
        Matched(() if planted == NONE else (planted,), (), group, said(group, None if told == NONE else told))
        for (planted, told), group in zip(labels, groups, strict=True)
    ]


def labels_of(key, table, **options):
    return pairs(matched(key, table, **options))


def test_precision_recall_and_f1_by_hand():
    # gap: 3 right of 4 said, 5 planted; base: 2 of 3, 2 planted
    labels = [(GAP, GAP)] * 3 + [(GAP, BASE)] + [(GAP, NONE)] + [(BASE, BASE)] * 2 + [(NONE, GAP)] + [(NONE, NONE)] * 4
    result = grade([world(labels)])
    gap, base = result.causes[GAP], result.causes[BASE]
    assert (gap.precision.estimate, gap.recall.estimate, gap.f1.estimate, gap.n) == pytest.approx(
        (3 / 4, 3 / 5, 2 / 3, 5)
    )
    assert (base.precision.estimate, base.recall.estimate, base.f1.estimate) == pytest.approx((2 / 3, 1, 4 / 5))
    assert result.macro_f1.estimate == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert (result.items, result.worlds) == (12, 1)
    # nothing is known about causes that no item has and no answer names
    forgetting = result.causes[FORGETTING]
    assert (forgetting.precision, forgetting.recall, forgetting.f1, forgetting.n) == (None, None, None, 0)


def test_no_interval_reaches_what_no_draw_with_all_causes_reaches():
    # the one gap is missed, so macro-F1 is at most 1/2; a draw without it would give 1
    result = grade([world([(GAP, BASE), *[(DATA, DATA)] * 20])])
    assert result.macro_f1.estimate == result.macro_f1.high == 0.5


def test_against_the_definitions_on_random_labels():
    rng = np.random.default_rng(5)
    labels = [(LABELS[a], LABELS[b]) for a, b in rng.integers(len(LABELS), size=(200, 2))]
    result = grade([world(labels)])
    f1s = []
    for cause in CAUSES:
        hits = sum(truth == answer == cause for truth, answer in labels)
        precision = hits / sum(answer == cause for _, answer in labels)
        recall = hits / sum(truth == cause for truth, _ in labels)
        f1s.append(2 * precision * recall / (precision + recall))
        one = result.causes[cause]
        assert (one.precision.estimate, one.recall.estimate) == pytest.approx((precision, recall))
        assert one.f1.estimate == pytest.approx(f1s[-1])
    assert result.macro_f1.estimate == pytest.approx(sum(f1s) / len(f1s))


def test_the_confusion_matrix():
    counts = grade([world([(GAP, GAP), (GAP, BASE), (NONE, UNDER), (GAP, BASE)])]).confusion
    assert counts.shape == (len(LABELS), len(TOLD)) and counts.sum() == 4
    assert counts[LABELS.index(GAP), TOLD.index(BASE)] == 2
    assert counts[LABELS.index(NONE), TOLD.index(UNDER)] == 1


def test_a_cause_that_holds_beside_the_planted_one_is_no_false_alarm():
    items = [Matched((DATA,), (BASE,), "one", said("a", BASE)), *world([(DATA, DATA), (BASE, BASE)])]
    assert pairs(items)[0] == (DATA, BESIDE)
    result = grade([items])
    assert result.causes[DATA].recall.estimate == pytest.approx(1 / 2)
    assert (result.causes[BASE].precision.estimate, result.causes[BASE].n) == (1, 1)
    # planted and beside: planted
    assert pairs([Matched((BASE,), (BASE,), "one", said("a", BASE))]) == [(BASE, BASE)]


def test_items_about_one_fact_are_drawn_together():
    labels = [(GAP, GAP)] * 8 + [(GAP, NONE)] * 2
    four_each = grade([world(labels * 4, [str(number) for number in range(10)] * 4)])
    once = grade([world(labels)])
    assert (four_each.groups, four_each.items, once.groups) == (10, 40, 10)
    alone, same = once.causes[GAP].recall, four_each.causes[GAP].recall
    assert (same.low, same.high) == (alone.low, alone.high)
    # a name in two worlds is two facts
    assert grade([world(labels), world(labels)]).groups == 20


def test_a_recalls_interval_is_the_binomials():
    # 80 of 100 items of one cause: the standard error of a binomial share is 0.04
    recall = grade([world([(GAP, GAP)] * 80 + [(GAP, NONE)] * 20)]).causes[GAP].recall
    assert recall.low == pytest.approx(0.8 - 1.96 * 0.04, abs=0.015)
    assert recall.high == pytest.approx(0.8 + 1.96 * 0.04, abs=0.015)


def test_intervals_over_worlds_are_wider_where_worlds_differ():
    good, bad = [(GAP, GAP)] * 50, [(GAP, NONE)] * 50
    apart = grade([world(labels) for labels in (good, bad, good, bad)]).macro_f1
    pooled = grade([world(good + bad + good + bad)]).macro_f1
    assert apart.estimate == pooled.estimate == pytest.approx(2 / 3)
    assert apart.high - apart.low > 3 * (pooled.high - pooled.low)


def test_nothing_to_grade():
    result = grade([[]])
    assert (result.macro_f1, result.items) == (None, 0)


def test_confirmed_items_are_graded_by_default():
    key = [
        entry("a", GAP),
        entry("b", GAP, confirmed=False),
        entry("c"),
        entry("d", unexpected=True),
        entry("e", FORGETTING),
    ]
    table = [
        said("a", GAP),
        said("b", BASE),
        said("c", None, learned=True),
        said("d", UNDER),
        said("e", None, learned=True),
        said("f", GAP),
    ]
    assert labels_of(key, table) == [(GAP, GAP), (NONE, NONE), (FORGETTING, NONE)]
    # all plants that the diagnosis calls unlearned, and all controls
    assert labels_of(key, table, confirmed_only=False) == [(GAP, GAP), (GAP, BASE), (NONE, NONE), (NONE, UNDER)]


def test_any_of_several_planted_causes_is_right():
    key = [entry("a", FORGETTING, GAP), entry("b", FORGETTING, GAP), entry("c", FORGETTING, GAP)]
    table = [said("a", GAP), said("b", FORGETTING), said("c", BASE)]
    assert labels_of(key, table) == [(GAP, GAP), (FORGETTING, FORGETTING), (FORGETTING, BASE)]


def test_unexplained_is_no_cause():
    assert labels_of([entry("a", GAP)], [said("a", "unexplained")]) == [(GAP, NONE)]


def test_what_cannot_be_graded():
    with pytest.raises(UptakeError, match="--confirm"):
        matched([entry("a", GAP, confirmed=None)], [said("a", GAP)])
    with pytest.raises(UptakeError, match="no row for a"):
        matched([entry("a", GAP)], [said("b", GAP)])
    with pytest.raises(UptakeError, match="the diagnosis is empty"):
        matched([entry("a", GAP, confirmed=None)], [])
    with pytest.raises(UptakeError, match="bad luck"):
        matched([entry("a", GAP)], [said("a", "bad luck")])


def test_reading_key_and_tables(tmp_path):
    rows = [
        {"id": "a", "learned": False, "cause": GAP, "cause_knowledge_gap": 0.9, "cause_forgetting": 0},
        {"id": "b", "learned": True, "cause": None, "cause_knowledge_gap": None, "cause_forgetting": float("nan")},
    ]
    expected = [
        DiagnosedItem("a", False, GAP, {GAP: 0.9, FORGETTING: 0.0}),
        DiagnosedItem("b", True, None, {GAP: None, FORGETTING: None}),
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "diagnosis.parquet")
    (tmp_path / "diagnosis.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("diagnosis.parquet", "diagnosis.jsonl"):
        assert read_answers(tmp_path / name) == expected
    key = {"id": "a", "causes": [GAP], "confirmed": None, "unexpected": None, "more": 1}
    (tmp_path / "key.jsonl").write_text(json.dumps(key) + "\n")
    assert read_key(tmp_path / "key.jsonl") == [Entry("a", (GAP,), None, None)]
    for read, name in ((read_key, "diagnosis.jsonl"), (read_key, "none"), (read_answers, "none.parquet")):
        with pytest.raises(UptakeError, match=name):
            read(tmp_path / name)
    with pytest.raises(UptakeError, match="learned"):
        read_answers(tmp_path / "key.jsonl")


def test_groups_and_causes_beside_are_read(tmp_path):
    row = {"id": "a", "causes": [DATA], "also": [BASE], "group": "g", "confirmed": True, "unexpected": False}
    (tmp_path / "key.jsonl").write_text(json.dumps(row) + "\n")
    key = read_key(tmp_path / "key.jsonl")
    assert key == [Entry("a", (DATA,), True, False, "g", (BASE,))]
    assert [(one.group, one.also) for one in matched(key, [said("a", BASE)])] == [("g", (BASE,))]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"also": ["bad luck"]}, "also is"),
        ({"group": 3}, "group is 3"),
        ({"confirmed": "yes"}, "confirmed is 'yes'"),
        ({"causes": GAP}, "causes is"),
    ],
)
def test_a_damaged_key(tmp_path, row, problem):
    whole = {"id": "a", "causes": [GAP], "confirmed": True, "unexpected": False}
    (tmp_path / "key.jsonl").write_text(json.dumps(whole | row) + "\n")
    with pytest.raises(UptakeError, match=problem):
        read_key(tmp_path / "key.jsonl")


@pytest.mark.parametrize("learned", ["false", None, 0])
def test_learned_is_true_or_false(tmp_path, learned):
    (tmp_path / "mine.jsonl").write_text(json.dumps({"id": "a", "learned": learned, "cause": GAP}) + "\n")
    with pytest.raises(UptakeError, match="learned of a is"):
        read_answers(tmp_path / "mine.jsonl")


def test_an_id_has_one_row(tmp_path):
    row = json.dumps({"id": "a", "learned": False, "cause": GAP}) + "\n"
    (tmp_path / "mine.jsonl").write_text(row * 2)
    with pytest.raises(UptakeError, match="2 rows for a"):
        read_answers(tmp_path / "mine.jsonl")
    key = json.dumps({"id": "a", "causes": [GAP], "confirmed": True, "unexpected": False}) + "\n"
    (tmp_path / "key.jsonl").write_text(key * 3)
    with pytest.raises(UptakeError, match="3 rows for a"):
        read_key(tmp_path / "key.jsonl")


@pytest.mark.parametrize("score", [1.1, -0.1, "high", True, float("inf")])
def test_a_score_is_a_number_from_0_to_1(tmp_path, score):
    row = {"id": "a", "learned": False, "cause": GAP, "cause_knowledge_gap": score}
    (tmp_path / "mine.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UptakeError, match=r"cause_knowledge_gap of a .*\n.*number in \[0, 1\]"):
        read_answers(tmp_path / "mine.jsonl")
