"""The fit of the causes' coefficients, against scikit-learn's, and the command that writes them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from evidence_made import evidence
from planted_cases import PLAIN, PLANTED
from uptake.artifacts import write_json
from uptake.artifacts.evidence import evidence_data
from uptake.attribute import attributed
from uptake.causes import CAUSES, SIGNALS, read_weights, value
from uptake.cli import app
from uptake.errors import UptakeError
from uptake.lab.calibrate import UnlearnedItem, calibrate, fit, read_items, weighted
from uptake.types import Finding


def drawn(n=60, seed=0):
    """Cases like the planted ones, their signals moved at random."""
    random = np.random.default_rng(seed)
    items = []
    for number in range(n):
        cause = (*CAUSES, None)[number % 6]
        case = PLAIN if cause is None else PLANTED[cause]
        known = {name: value(name, case) for name in SIGNALS}
        moved = {name: None if one is None else one + float(random.normal(0, 0.2)) for name, one in known.items()}
        perhaps = () if cause else ("forgetting", "undertraining")
        items.append(UnlearnedItem(() if cause is None else (cause,), perhaps, moved, 3))
    return items


@pytest.mark.parametrize("penalty", [0.3, 1.0, 10.0])
def test_the_fit_is_that_of_scikit_learn(penalty):
    random = np.random.default_rng(1)
    values = random.normal([3.0, -50.0, 0.2], [1.0, 20.0, 0.01], (80, 3))
    has = (values[:, 0] + 0.1 * values[:, 1] + random.normal(0, 1, 80) > -2).astype(float)
    weight = random.uniform(0.1, 1.0, 80)
    intercept, coefficients = fit(values, has, weight, penalty)
    scaler = StandardScaler().fit(values)
    reference = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000)
    reference.fit(scaler.transform(values), has, sample_weight=weight)
    expected = reference.coef_[0] / scaler.scale_
    assert coefficients == pytest.approx(expected, rel=1e-4)
    assert intercept == pytest.approx(reference.intercept_[0] - expected @ scaler.mean_, rel=1e-4)


def test_a_signal_that_never_varies_gets_no_coefficient():
    has = np.array([0.0, 1.0] * 5)
    intercept, (constant, real) = fit(np.column_stack([np.ones(10), has]), has, np.ones(10), 1.0)
    assert constant == pytest.approx(0) and real > 0 and np.isfinite(intercept)


def test_every_pattern_is_fitted_with_what_has_all_its_signals():
    rows = calibrate(drawn())
    assert list(rows) == [(name, pattern) for name, cause in CAUSES.items() for pattern in cause.patterns]
    assert rows["forgetting", ("lost_unseen",)].coefficients["lost_unseen"] > 0
    # of whom nobody knows whether they were forgotten: with them as negatives or without, the others decide alone
    items = drawn()
    kept = [item for item in items if item.causes]
    assert rows["forgetting", ("lost_unseen",)] == calibrate(kept)["forgetting", ("lost_unseen",)]
    assert (
        rows["knowledge_gap", ("base_share", "tuned_pmi", "tuned_share")]
        != calibrate(kept)["knowledge_gap", ("base_share", "tuned_pmi", "tuned_share")]
    )


def test_what_cannot_be_fitted_is_an_error():
    with pytest.raises(UptakeError, match=r"10 of 10 items have knowledge_gap.*\n.*\n.*name more worlds"):
        calibrate([item for item in drawn() if item.causes == ("knowledge_gap",)])


def test_each_cause_of_a_family_weighs_as_much_as_its_others():
    items = weighted([item for item in drawn() if item.causes != ("forgetting",)][:45])
    by_cause = {}
    for item in items:
        by_cause.setdefault(item.causes, []).append(item.weight)
    assert len(by_cause) == 5  # the plain ones too
    assert {len(weights) for weights in by_cause.values()} == {9}  # one short of ten
    assert [sum(weights) for weights in by_cause.values()] == pytest.approx([18.0] * 5)
    two = [item for item in items if item.causes == ("undertraining",)][:2]
    many = [item for item in drawn(20) if item.causes in (("knowledge_gap",), ("undertraining",))]
    found = weighted([*two, *(item for item in many if item.causes == ("knowledge_gap",))])
    assert [item.weight for item in found[:2]] == pytest.approx([5.0, 5.0])  # and not 25 each


def world(folder, n=60):
    """A world's key and diagnosis, without its models."""
    key, table = [], []
    for number in range(n):
        cause = (*CAUSES, None)[number % 6]
        case = PLAIN if cause is None else PLANTED[cause]
        case = replace(case, id=f"ex-{number}", tuned=replace(case.tuned, own=case.tuned.own - 0.05 * number))
        finding = Finding(
            id=case.id, source="s", stage="main", prompt="p", response="r", learned=False, shallow=None,
            forgotten=None, p_response=0.1, p_option=None, cause=None, causes={}, evidence=evidence(n_tokens=3),
        )  # fmt: skip
        found = attributed(finding, case, "evidence")
        key.append({"id": case.id, "causes": [cause] if cause else [], "confirmed": True if cause else None})
        table.append({"id": case.id, "learned": False, "evidence": evidence_data(found.evidence)})
    key[0]["confirmed"] = False
    (folder / "run" / "diagnosis").mkdir(parents=True)
    for name, rows in (("key.jsonl", key), ("run/diagnosis/diagnosis.jsonl", table)):
        text = "".join(json.dumps({**row, "unexpected": None} if name == "key.jsonl" else row) + "\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8")
    write_json(folder / "world.json", {"world": "synthetic", "controls": {"seed": 0}})
    return folder


def test_confirmed_items_are_read_and_the_command_writes_the_file(tmp_path):
    folder = world(tmp_path / "w")
    items = read_items([folder])
    assert len(items) == 59  # the plant that is not confirmed is left out
    assert items[-1].causes == () and items[-1].perhaps == ("forgetting", "undertraining")
    out = tmp_path / "weights.json"
    done = CliRunner().invoke(app, ["lab", "calibrate", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert f"{sum(len(cause.patterns) for cause in CAUSES.values())} logistics on 59 items" in done.output
    fitted = read_weights(out)
    assert fitted.fitted_on.worlds == [{"world": "synthetic", "controls": {"seed": 0}}]
    assert fitted.rows == calibrate(weighted(items))


def test_worlds_that_say_nothing_are_refused(tmp_path):
    folder = world(tmp_path / "w")
    rows = [json.loads(line) for line in (folder / "key.jsonl").read_text().splitlines()]
    (folder / "key.jsonl").write_text("".join(json.dumps({**row, "confirmed": None}) + "\n" for row in rows))
    with pytest.raises(UptakeError, match="is not confirmed"):
        read_items([folder])
    other = world(tmp_path / "v")
    (other / "run" / "diagnosis" / "diagnosis.jsonl").unlink()
    with pytest.raises(UptakeError, match="on the world first"):
        read_items([other])
