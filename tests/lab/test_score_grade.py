"""Grades of the scores, and the report of a whole attribution, against counts worked out by hand."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from typer.testing import CliRunner

from uptake.artifacts.tables import CAUSES
from uptake.cli import app
from uptake.errors import UptakeError
from uptake.lab.grade_report import GradedWorld, as_data, report, report_text
from uptake.lab.key import DiagnosedItem, Entry, Matched
from uptake.lab.score_grade import METRICS, grade_scores

GAP, BASE, DATA, FORGETTING, UNDER = CAUSES
_numbers = itertools.count()


def item(planted, scores, cause="from scores", learned=False, also=(), group=None):
    """An item with planted causes, and a row with scores of which the highest is named; by default a new fact."""
    if cause == "from scores":
        cause = max(scores, key=lambda name: scores[name] or 0.0)
    answer = DiagnosedItem("x", learned, cause, {**dict.fromkeys(CAUSES), **scores})
    return Matched(tuple(planted), tuple(also), f"fact {next(_numbers)}" if group is None else group, answer)


def values(one, *names):
    return tuple(None if getattr(one, name) is None else getattr(one, name).estimate for name in names)


def test_an_item_with_two_causes_counts_for_each():
    both = {GAP: 0.9, FORGETTING: 0.6}
    items = [item([FORGETTING, GAP], both)] * 3 + [item([FORGETTING], both)] + [item([FORGETTING], {GAP: 0.7})]
    items += [item([GAP], {GAP: 0.2, FORGETTING: 0.1})]
    graded = grade_scores([items])
    # gap: scored in six, told in five, planted in four, right in three
    assert values(graded.causes[GAP], "precision", "recall", "f1") == pytest.approx((3 / 5, 3 / 4, 2 / 3))
    # forgetting: scored in five, told in four, all right; the one without a score is left out
    assert values(graded.causes[FORGETTING], "precision", "recall", "f1") == pytest.approx((1, 1, 1))
    one = graded.causes[FORGETTING]
    assert (one.planted, one.scored, one.scored_planted, one.missing) == (5, 5, 4, 1)
    assert graded.macro["f1"].estimate == pytest.approx((2 / 3 + 1) / 2)
    assert values(grade_scores([items], threshold=0.95).causes[GAP], "precision", "recall", "f1") == (None, 0, 0)


def test_silence_is_a_miss_and_a_null_is_none():
    items = [
        item([GAP], {GAP: 0.9}),
        item([GAP], {}, cause="unexplained"),
        item([GAP], {}, cause=None, learned=True),
        item([GAP], {}, cause=BASE),
        item([BASE], {GAP: 0.1}),
    ]
    one = grade_scores([items]).causes[GAP]
    assert values(one, "precision", "recall", "f1") == pytest.approx((1, 1 / 3, 1 / 2))
    assert (one.planted, one.scored, one.scored_planted, one.missing) == (4, 2, 1, 1)
    # ranking and calibration: of the two that are scored
    assert values(one, "average_precision", "auroc", "ece") == pytest.approx((1, 1, 0.1))
    assert one.ece.n == 2 and one.recall.n == 4


def test_what_was_never_scored_has_no_grade():
    graded = grade_scores([[item([GAP], {GAP: 0.9}), item([BASE], {GAP: 0.2}, cause="unexplained")]])
    assert values(graded.causes[BASE], *METRICS) == (None,) * len(METRICS)
    assert graded.causes[BASE].planted == 1
    # a mean over fewer causes than were planted would be another number
    assert graded.macro["f1"] is None and graded.macro["ece"] is None
    assert grade_scores([]).macro["f1"] is None


def test_metrics_of_random_scores_are_scikit_learns():
    rng = np.random.default_rng(3)
    scores = rng.random((150, len(CAUSES)))
    planted = rng.random((150, len(CAUSES))) < scores
    rows = zip(planted, scores.tolist(), strict=True)
    items = [
        item([c for c, has in zip(CAUSES, row, strict=True) if has], dict(zip(CAUSES, value, strict=True)))
        for row, value in rows
    ]
    graded = grade_scores([items[:60], items[60:]])
    for index, cause in enumerate(CAUSES):
        one = graded.causes[cause]
        assert one.average_precision.estimate == pytest.approx(
            average_precision_score(planted[:, index], scores[:, index])
        )
        assert one.auroc.estimate == pytest.approx(roc_auc_score(planted[:, index], scores[:, index]))
        assert one.auroc.low < one.auroc.estimate < one.auroc.high
    mean = np.mean([graded.causes[cause].auroc.estimate for cause in CAUSES])
    assert graded.macro["auroc"].estimate == pytest.approx(mean)


def test_intervals_hold_over_items_and_over_worlds():
    # 80 of 100 told: the standard error of a binomial share is 0.04
    def right(n):
        return [item([GAP], {GAP: 0.9}) for _ in range(n)]

    def wrong(n):
        return [item([GAP], {GAP: 0.1}) for _ in range(n)]

    hundred = right(80) + wrong(20)
    recall = grade_scores([hundred]).causes[GAP].recall
    assert (recall.low, recall.high) == pytest.approx((0.8 - 1.96 * 0.04, 0.8 + 1.96 * 0.04), abs=0.015)
    # four worlds, two all right and two all wrong: the share of right worlds is Bin(4, 1/2) / 4, 0 and 1 in 1 of 16
    recall = grade_scores([right(50), wrong(50), right(50), wrong(50)]).causes[GAP].recall
    assert (recall.low, recall.high) == (0, 1)
    assert grade_scores([hundred], seed=1) == grade_scores([hundred], seed=1)
    # four items about each fact are right or wrong together: as many facts, the same interval
    facts = [item([GAP], {GAP: 0.9 if k % 5 else 0.1}, group=str(k)) for k in range(100) for _ in range(4)]
    four = grade_scores([facts]).causes[GAP].recall
    assert (four.low, four.high) == pytest.approx((0.8 - 1.96 * 0.04, 0.8 + 1.96 * 0.04), abs=0.015)


def test_of_a_cause_that_holds_beside_the_planted_one_nothing_is_asked():
    beside = item([DATA], {DATA: 0.9, BASE: 0.8}, also=[BASE])
    graded = grade_scores([[beside, item([BASE], {DATA: 0.1, BASE: 0.7})]])
    assert values(graded.causes[BASE], "precision", "recall", "f1") == (1, 1, 1)
    assert (graded.causes[BASE].scored, graded.causes[BASE].missing) == (1, 0)
    assert (graded.causes[DATA].scored, graded.causes[DATA].recall.estimate) == (2, 1)


def test_auroc_interval_is_as_wide_as_hanley_and_mcneil_say():
    rng = np.random.default_rng(4)
    scores = np.clip(np.concatenate([rng.normal(0.6, 0.15, 150), rng.normal(0.4, 0.15, 150)]), 0, 1)
    items = [item([GAP] if k < 150 else [BASE], {GAP: float(score)}) for k, score in enumerate(scores)]
    found = grade_scores([items]).causes[GAP].auroc
    area, n = found.estimate, 150
    # Hanley and McNeil 1982, equation 1
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    error = math.sqrt((area * (1 - area) + (n - 1) * (q1 + q2 - 2 * area**2)) / n**2)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def world(*rows):
    """Rows of (planted, cause, scores); what has no cause was learned."""
    key = [Entry(str(k), tuple(planted), True if planted else None, False) for k, (planted, _, _) in enumerate(rows)]
    table = [DiagnosedItem(str(k), cause is None, cause, scores) for k, (_, cause, scores) in enumerate(rows)]
    return GradedWorld(key, table)


def test_a_clean_world_tells_how_often_a_cause_is_seen_where_none_is():
    clean = world(*[([], None, {})] * 96, ([], GAP, {}), ([], UNDER, {}), *[([], "unexplained", {})] * 2)
    planted = world(([GAP], GAP, {GAP: 1.0}), ([BASE], GAP, {GAP: 0.6}))
    graded = report([planted, clean])
    # Wilson's interval of 2 in 100: Brown, Cai and DasGupta 2001, formula 4
    z, p, n = 1.959964, 0.02, 100
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = (p, (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n))
    named = graded.clean.named
    assert (named.estimate, named.low, named.high) == pytest.approx(expected, abs=1e-6)
    assert graded.clean.unexplained.estimate == pytest.approx(0.02) and graded.clean.worlds == 1
    # what is said of a clean world is no false alarm of a planted one
    assert (graded.named.items, graded.named.worlds) == (2, 1)
    assert graded.named.causes[GAP].precision.estimate == pytest.approx(1 / 2)
    alone = report([clean])
    assert "2.00%" in report_text(alone) and "macro" not in report_text(alone)
    assert report([planted]).clean is None


def test_unlearned_controls_of_a_clean_world_count():
    # the key marks them as unexpected, and in a world with plants they would be left out
    clean = GradedWorld(
        [Entry("a", (), None, True), Entry("b", (), None, False)],
        [DiagnosedItem("a", False, GAP), DiagnosedItem("b", True, None)],
    )
    assert report([clean]).clean.named.estimate == pytest.approx(1 / 2)


def test_the_text_shows_what_there_is():
    rows = (([GAP], GAP, {GAP: 0.9, BASE: 0.1}), ([GAP, BASE], BASE, {GAP: None, BASE: 0.8}), ([], None, {GAP: None}))
    text = report_text(report([world(*rows)]))
    assert all(cause in text for cause in CAUSES)
    assert "3 items of 1 world" in text and "score >= 0.5" in text and "AUROC" in text
    assert "cause_knowledge_gap: no score for 1 item, left out" in text
    assert "cause_forgetting: no scores" in text
    without = report_text(report([world(([GAP], GAP, {}))]))
    assert "no scores" in without and "AUROC" not in without
    assert "macro-F1 -" in report_text(
        report([GradedWorld([Entry("a", (GAP,), False, True)], [DiagnosedItem("a", True, None)])])
    )


def test_the_report_as_data_is_json_with_null_for_what_is_not_known():
    data = as_data(report([world(([GAP], GAP, {GAP: 0.9}), ([BASE], "unexplained", {GAP: 0.2}))]))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["scores"]["causes"][GAP]["recall"]["estimate"] == 1
    assert data["scores"]["causes"][BASE]["recall"] is None and data["clean"] is None
    confusion = data["named"]["confusion"]
    row = confusion["planted_by_told"][confusion["planted"].index(BASE)]
    assert row[confusion["told"].index("none")] == 1 and sum(row) == 1
    assert as_data(report([world(([GAP], GAP, {}))]))["scores"] is None


def test_grade_writes_its_json(tmp_path):
    key = [{"id": "a", "causes": [GAP], "confirmed": True, "unexpected": False}]
    table = [{"id": "a", "learned": False, "cause": GAP, "cause_knowledge_gap": 0.6}]
    for name, rows in (("key", key), ("mine", table)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["--diagnosis", "mine.jsonl", "--json", str(tmp_path / "grade.json"), "--threshold", "0.7"]
    result = CliRunner().invoke(app, ["lab", "grade", str(tmp_path), *options])
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "grade.json").read_text())
    assert data["named"]["macro_f1"]["estimate"] == 1
    assert data["scores"]["threshold"] == 0.7 and data["scores"]["causes"][GAP]["recall"]["estimate"] == 0


def a_world(folder, name="one"):
    """A world's folder with a key and a diagnosis in its place."""
    (place := folder / name / "run" / "diagnosis").mkdir(parents=True)
    key = {"id": "a", "causes": [GAP], "confirmed": True, "unexpected": False}
    (folder / name / "key.jsonl").write_text(json.dumps(key) + "\n")
    rows = [DiagnosedItem("a", False, GAP, {}), DiagnosedItem("stranger", False, GAP, {})]
    table = [{"id": row.id, "learned": row.learned, "cause": row.cause} for row in rows]
    pq.write_table(pa.Table.from_pylist(table), place / "diagnosis.parquet")
    return folder / name


def graded(*arguments):
    return CliRunner().invoke(app, ["lab", "grade", *map(str, arguments)])


def test_what_the_intervals_are_about_is_said(tmp_path):
    worlds = [a_world(tmp_path, name) for name in ("one", "two")]
    alone, both = graded(worlds[0]), graded(*worlds)
    assert alone.exit_code == both.exit_code == 0, alone.output + both.output
    assert "of 1 world; of other worlds they say nothing" in alone.output
    assert "over 2 worlds and their facts; of so few worlds they are too narrow" in both.output
    assert "1 row of the diagnosis left out: the answer key has no such id" in alone.output


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["{0}", "{0}/../one"], "are the same world"),
        (["{0}", "--seed", "-1"], "--seed"),
        (["{0}", "--json", "{0}/key.jsonl/grade.json"], "choose another file for --json"),
        (["{0}", "{1}", "--diagnosis", "{0}/run/diagnosis/diagnosis.parquet"], "one table for 2 worlds"),
    ],
)
def test_what_grade_refuses(tmp_path, options, problem):
    worlds = [a_world(tmp_path, name) for name in ("one", "two")]
    result = graded(*(option.format(*worlds) for option in options))
    assert isinstance(result.exception, UptakeError | SystemExit) and result.exit_code != 0
    assert problem in " ".join(f"{result.output} {result.exception}".split())
