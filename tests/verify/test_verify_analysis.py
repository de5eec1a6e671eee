"""From outcomes to a verdict: means and counts by hand, and arms whose effect was planted."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest
from outcomes import row, rows_of
from scipy import stats as scipy_stats

from uptake.artifacts.tables import MATRIX
from uptake.errors import UptakeError
from uptake.verify import Design, compare_arms, from_data, grid, matrix_row, sentence, table, verdict
from uptake.verify.verdict import as_data

DESIGN = Design(matched={"knowledge_gap": "knowledge", "forgetting": "replay"}, primary={"knowledge_gap": "heldout"})
CAUSES = {"knowledge_gap": "knowledge", "forgetting": "replay"}


def test_an_item_is_held_against_itself_in_the_control():
    # a, b treated in `matched`; c, d placebo. a: 1, 1 against 0, 1; b: 1, 0 against 0, 0. Effect (1 + 0 + 1 + 0) / 4
    treated = {"kind": "treated", "remedy": "knowledge", "tokens": 100}
    placebo = {"kind": "treated", "tokens": 100}
    about = {"matched/a": treated, "matched/b": treated, "placebo/c": placebo, "placebo/d": placebo}
    found = compare_arms(
        rows_of(
            {
                ("matched", "a"): (1, 1), ("matched", "b"): (1, 0), ("matched", "c"): (0, 1), ("matched", "d"): (0, 0),
                ("placebo", "a"): (0, 1), ("placebo", "b"): (0, 0), ("placebo", "c"): (0, 0), ("placebo", "d"): (1, 0),
            },
            about,
        ),
        DESIGN,
    )  # fmt: skip
    told = {(one.kind, one.cause): one for one in found}
    one = told["treated", None]
    assert (one.n, one.seeds, one.arm_rate, one.control_rate, one.difference) == (2, 2, 0.75, 0.25, 0.5)
    assert one.matched and one.effect.estimate == 0.5
    assert one.tokens == 200 and one.per_million == pytest.approx(0.5 * 2 / 200 * 1e6)
    # by most trainings: a 1 against a tie (not more than half), b a tie against 0
    assert (one.gained, one.lost, one.mcnemar_p) == (1, 0, 1.0)
    # spill-over: c and d, which `matched` does not treat: (1 − 1) / 4
    assert told["untreated", None].difference == 0.0 and told["untreated", None].tokens is None
    assert told["treated", "knowledge_gap"].remedy == "knowledge"


def test_each_cause_is_judged_by_the_outcome_that_was_fixed_for_it():
    # gap: held-out ½ against 0 and 1 against ½; forgetting: training wording 1, 1 against 0, 1: (½ + ½ + 1 + 0) / 4
    gap = {"cause": "knowledge_gap", "remedy": "knowledge", "kind": "treated"}
    forgotten = {"cause": "forgetting", "remedy": "replay", "kind": "treated"}
    rows = [
        row("g", "matched", 0, False, **gap, recalled_heldout=0.5),
        row("g", "matched", 1, False, **gap, recalled_heldout=1.0),
        row("g", "placebo", 0, True, cause="knowledge_gap", recalled_heldout=0.0),
        row("g", "placebo", 1, True, cause="knowledge_gap", recalled_heldout=0.5),
        row("f", "matched", 0, True, **forgotten, recalled_heldout=0.0),
        row("f", "matched", 1, True, **forgotten, recalled_heldout=0.0),
        row("f", "placebo", 0, False, cause="forgetting", recalled_heldout=1.0),
        row("f", "placebo", 1, True, cause="forgetting", recalled_heldout=1.0),
    ]  # fmt: skip
    found = {(one.cause, one.outcome): one.difference for one in compare_arms(rows, DESIGN) if one.kind == "treated"}
    assert found[None, "primary"] == 0.5
    assert found["knowledge_gap", "primary"] == found["knowledge_gap", "heldout"] == 0.5
    assert found["forgetting", "primary"] == found["forgetting", "training"] == 0.5
    assert found["forgetting", "heldout"] == -1.0 and found["knowledge_gap", "training"] == -1.0


def test_what_is_in_no_arm_is_no_spill_over():
    # c was dealt to the placebo and is recalled as often there; n, which is in no arm, is recalled by `matched` alone
    treated = {"kind": "treated", "remedy": "knowledge"}
    table = {
        (arm, id): (1, 1) if (arm, id) == ("matched", "n") else (0, 1) for arm in ("matched", "placebo") for id in "acn"
    }
    rows = rows_of(table, {"matched/a": treated, "placebo/c": {"kind": "treated"}, "n": {"unit": None}})
    [one] = [one for one in compare_arms(rows, DESIGN) if (one.kind, one.cause) == ("untreated", None)]
    assert (one.n, one.difference, one.outcome) == (1, 0.0, "training")


def planted(effects: dict[tuple[str, str], float], n: int = 60, seeds: int = 3, seed: int = 0) -> list[dict]:
    """Items of two causes dealt into an arm for each remedy and the control; an effect for each remedy and cause."""
    rng = np.random.default_rng(seed)
    arms = (*sorted(CAUSES.values()), "placebo")
    rows = []
    for cause in CAUSES:
        for number in range(n):
            id, own, chance = f"{cause}-{number:03d}", arms[number % 3], rng.beta(0.5, 1.5)
            for arm in arms:
                treated = arm == own
                remedy = arm if treated and arm != "placebo" else None
                p = min(1.0, chance + (effects.get((arm, cause), 0.0) if treated else 0.0))
                for training in range(seeds):
                    heldout = rng.binomial(2, p) / 2
                    rows.append(
                        row(id, arm, training, bool(rng.random() < p), cause=cause, remedy=remedy,
                            kind="treated" if treated else "untreated", recalled_heldout=heldout,
                            tokens=1000 if treated else None)
                    )  # fmt: skip
    for number in range(40):
        for arm in arms:
            for training in range(seeds):
                kept = rng.random() < (0.5 if arm == "knowledge" else 0.95)
                rows.append(
                    row(f"r{number}", arm, training, bool(kept), unit=None, cause=None, kind="retention")
                )  # fmt: skip
    return rows


def test_planted_effects_are_found_and_nothing_else():
    effects = {("knowledge", "knowledge_gap"): 0.6, ("replay", "forgetting"): 0.6}
    found = compare_arms(planted(effects), DESIGN)
    cells = {(one.remedy, one.cause): one for one in found if one.outcome == "heldout" and one.p_holm is not None}
    assert {key for key, one in cells.items() if one.p_holm <= 0.05} == {
        ("knowledge", "knowledge_gap"), ("replay", "forgetting"),
    }  # fmt: skip
    assert {key for key, one in cells.items() if one.matched} == {key for key in effects}
    assert len(cells) == 4
    overall = next(one for one in found if (one.arm, one.kind, one.outcome) == ("matched", "treated", "heldout"))
    assert overall.n == 40 and overall.effect.low > 0.3
    lost = next(one for one in found if (one.arm, one.kind) == ("knowledge", "retention"))
    assert lost.effect.high < 0 and lost.effect.estimate == pytest.approx(-0.45, abs=0.1)


def test_holm_and_mcnemar_are_those_of_the_cells():
    found = [one for one in compare_arms(planted({("knowledge", "knowledge_gap"): 0.3}), DESIGN)]
    cells = [one for one in found if one.outcome == "training" and one.remedy and one.cause]
    for matched in (True, False):  # two claims, and two cells beside them
        first, second = sorted((one for one in cells if one.matched == matched), key=lambda one: one.p)
        assert first.p_holm == pytest.approx(min(1.0, 2 * first.p))
        assert second.p_holm == pytest.approx(max(first.p_holm, second.p))
    for one in cells:
        reference = scipy_stats.binomtest(one.lost, one.lost + one.gained).pvalue if one.lost + one.gained else 1.0
        assert one.mcnemar_p == pytest.approx(reference)


def test_rivals_make_the_interval_wider():
    # each item twice, as two items of one unit: the same means, no more information
    rows = [one for one in planted({("knowledge", "knowledge_gap"): 0.3}) if one["kind"] != "retention"]
    twins = [{**one, "id": f"{one['id']}-twin"} for one in rows]
    alone = compare_arms(rows, DESIGN)[0]
    together = compare_arms(rows + twins, DESIGN)[0]
    assert (together.n, together.units) == (2 * alone.n, alone.units)
    assert asdict(together.effect) == pytest.approx({**asdict(alone.effect), "n": 2 * alone.n})


def test_one_training_is_told_to_say_nothing():
    found = compare_arms(planted({("knowledge", "knowledge_gap"): 0.6}, seeds=1), DESIGN)
    assert all(one.effect is None and one.p is None and one.p_holm is None for one in found)
    assert "cannot be told from 1 training of" in sentence(found, DESIGN)


def test_tables_that_do_not_fit_together_are_refused():
    rows = planted({})
    with pytest.raises(UptakeError, match="the control 'placebo' among them"):
        compare_arms([one for one in rows if one["arm"] != "placebo"], DESIGN)
    with pytest.raises(UptakeError, match="finish all arms"):
        compare_arms(rows[:-1], DESIGN)
    with pytest.raises(UptakeError, match="is twice in the outcomes"):
        compare_arms([*rows, dict(rows[0])], DESIGN)
    broken = [{**one, "recalled_heldout": None} if one is rows[4] else one for one in rows]
    with pytest.raises(UptakeError, match="has no recalled_heldout"):
        compare_arms(broken, DESIGN)


def test_a_verdict_is_json_and_a_table_and_a_sentence():
    found = compare_arms(planted({("knowledge", "knowledge_gap"): 0.6, ("replay", "forgetting"): 0.6}), DESIGN)
    told = verdict(found, DESIGN, foretold=["enough"])
    assert json.loads(json.dumps(told, allow_nan=False))["foretold"] == ["enough"]
    assert (
        told["primary"] == {"knowledge_gap": "heldout"}
        and told["seeds"] == 3
        and sorted(told["by_cause"]) == sorted(CAUSES)
    )
    assert told["best"]["forgetting"] == {"by_effect": "replay", "by_tokens": "replay", "matched": "replay"}
    assert "The remedies helped. The remedy knowledge cost the retention set -" in told["sentence"]
    assert pa.Table.from_pylist([matrix_row(one) for one in found], schema=MATRIX).num_rows == len(found)
    lines = table(found)
    assert all(len(line) == len(lines[0]) for line in lines)
    assert [line[3] for line in lines[1:]].count("treated") == 7  # two arms by two causes and in all, and overall


def test_what_it_cost_is_told_of_arms_that_treat_and_only_where_it_is_no_chance():
    helped = {("knowledge", "knowledge_gap"): 0.6, ("replay", "forgetting"): 0.6}
    rows = [{**one, "recalled_training": True} if one["kind"] == "retention" else one for one in planted(helped)]
    nobody = {"arm": "nothing", "tokens": None}
    idle = [
        {**one, **nobody, **({"recalled_training": False} if one["kind"] == "retention" else {"kind": "untreated"})}
        for one in rows
        if one["arm"] == "placebo"
    ]
    assert sentence(compare_arms([*rows, *idle], DESIGN), DESIGN).endswith("The remedies helped.")
    # the arm `matched` as a whole is `it`
    whole = [
        {**one, "arm": "matched"} for one in planted({("knowledge", "knowledge_gap"): 0.6}) if one["arm"] == "knowledge"
    ]
    control = [one for one in planted({}) if one["arm"] == "placebo"]
    assert " It cost the retention set -" in sentence(compare_arms([*whole, *control], DESIGN), DESIGN)


def test_nothing_is_best_that_is_not_shown_to_help():
    found = compare_arms(planted({("replay", "forgetting"): 0.6}), DESIGN)
    best = verdict(found, DESIGN)["best"]
    assert best["forgetting"]["by_effect"] == "replay"
    assert best["knowledge_gap"] == {"by_effect": None, "by_tokens": None, "matched": "knowledge"}


def test_a_comparison_is_read_back_as_it_was():
    found = compare_arms(planted({("replay", "forgetting"): 0.6}, seeds=2), DESIGN)
    alone = compare_arms(planted({}, seeds=1), DESIGN)
    told = json.loads(json.dumps([as_data(one) for one in (*found, *alone)]))
    assert [from_data(one) for one in told] == [*found, *alone]


def test_the_grid_has_a_row_a_cause_and_is_left_out_where_each_has_one_remedy():
    found = compare_arms(planted({("replay", "forgetting"): 0.6}), DESIGN)
    rows = grid(found)
    assert rows[0] == ("cause", "knowledge", "replay") and [row[0] for row in rows[1:]] == sorted(CAUSES)
    of = {(row[0], remedy): cell for row in rows[1:] for remedy, cell in zip(rows[0][1:], row[1:], strict=True)}
    own = {("forgetting", "replay"), ("knowledge_gap", "knowledge")}
    assert {key for key, cell in of.items() if "*" in cell} == own
    assert grid([one for one in found if one.matched]) == []
    told = [(line[2], line[1]) for line in table(found, cells=False) if line[3] == "treated" and line[0] != "matched"]
    assert set(told) == own


def test_a_sentence_claims_nothing_that_may_be_chance():
    told = sentence(compare_arms(planted({}), DESIGN), DESIGN)
    assert "That may be chance" in told and "helped." not in told.split("does not show")[0]
    assert sentence([], DESIGN).startswith("No item was treated")


def test_a_sentence_says_how_the_items_were_asked():
    found = compare_arms(planted({}), DESIGN)
    assert "asked in other words (knowledge_gap) or in the training wording (all other causes)" in sentence(
        found, DESIGN
    )
    for wording, said in (
        ("heldout", "when asked in other words;"),
        ("training", "when asked in the training wording;"),
    ):
        design = replace(DESIGN, primary=dict.fromkeys(CAUSES, wording))
        assert said in sentence(compare_arms(planted({}), design), design)
