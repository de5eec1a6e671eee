"""The calibration on planted mixes whose truth is known, and its rules by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted import Planted, plant, score

from uptake.detect import Settings, calibrate, judge, summarise
from uptake.detect.calibrate import NullBySpans, NullSample, by_length
from uptake.detect.judge import Beside
from uptake.span_evidence import SpanShare
from uptake.types import Example, Score

SETTINGS = Settings()


def ended(recalled: bool, end: bool | None) -> list[Score]:
    return [score(recalled=recalled, end=None if end is None else (-1.0, end))]


@pytest.mark.parametrize(
    ("tuned", "end"),
    [
        ([ended(True, True), ended(True, False)], True),  # half of the recalled
        ([ended(True, True), ended(True, False), ended(True, False)], False),
        ([ended(True, True), ended(False, False), ended(False, False)], True),  # those not recalled say nothing
        ([ended(False, True)], False),
        ([ended(True, None)], False),
    ],
)
def test_the_end_counts_when_the_tuned_model_was_taught_one(tuned: list[list[Score]], end: bool):
    calibration = calibrate(tuned, None, None, SETTINGS)
    assert calibration.rule.end is end
    assert calibration.end_reason.startswith("counts" if end else "does not count")


def test_the_end_can_be_settled_by_hand():
    taught = [ended(True, True)]
    assert calibrate(taught, None, None, Settings(response_end="ignore")).rule.end is False
    assert calibrate([ended(True, False)], None, None, Settings(response_end="include")).rule.end is True


def by_options(p: float) -> list[Score]:
    return [score((math.log(p), math.log(1 - p)))]


def test_the_option_threshold_is_the_conformal_quantile_and_never_above_one_half():
    # of 99 null values 0.01 … 0.99, the ⌈100 · 0.95⌉ = 95th smallest; 19 values allow just the largest, 18 none
    option = Settings(criterion="option")
    for n, quantile, threshold in ((99, 0.95, 0.5), (19, 0.19, 0.19), (18, None, 0.5)):
        calibration = calibrate([], [by_options((i + 1) / 100) for i in range(n)], "held_out", option)
        assert calibration.rule.option_threshold == pytest.approx(threshold)
        assert calibration.null_option == (None if quantile is None else pytest.approx(quantile))
    assert "too few" in calibration.threshold_reason
    assert calibrate([], None, None, option).threshold_reason.startswith("default")


def test_a_null_that_knows_the_answers_does_not_make_the_learned_unlearned():
    # what is never less than 0.99 sure of nearly everything: 0.9 is learned all the same, and the reader is warned
    option = Settings(criterion="option")
    calibration = calibrate([], [by_options(0.99)] * 60, "held_out", option)
    finding = judge(Example("x", "Q", " a", "s"), by_options(0.9), None, calibration, option)
    assert finding.learned is True
    assert finding.evidence.threshold.least == 0.5
    assert finding.evidence.threshold.null == pytest.approx(0.99)
    summary = summarise([finding], calibration, option)
    assert summary["null"]["p_option"] == pytest.approx(0.99)
    assert any("5% of them give the right one a probability of 0.99 or more" in note for note in summary["notes"])


def test_what_the_base_knew_is_no_threshold():
    option = Settings(criterion="option")
    for known in (0.2, 0.99):  # neither lowers nor lifts it
        calibration = calibrate([], [by_options(known)] * 60, "base", option)
        assert (calibration.rule.option_threshold, calibration.null_option) == (0.5, None)
        assert calibration.threshold_reason == "default: what the base model knew before is no chance level"
    assert calibration.null_pass.estimate == 1.0


def test_the_null_pass_rate_by_hand():
    null = [[score(recalled=i < 3)] for i in range(60)]
    calibration = calibrate([], null, "held_out", SETTINGS)
    assert calibration.null_kind == "held_out"
    assert (calibration.null_pass.estimate, calibration.null_pass.n) == (3 / 60, 60)
    # option: of 0.01 … 0.99 those from 0.50 on are preferred and reach the threshold
    option = Settings(criterion="option")
    calibration = calibrate([], [by_options((i + 1) / 100) for i in range(99)], "held_out", option)
    assert calibration.null_pass.estimate == pytest.approx(50 / 99)


def test_the_base_is_not_asked_for_an_end_that_it_was_not_taught():
    tuned, untaught = [ended(True, True)], [ended(True, False)] * 10
    assert calibrate(tuned, untaught, "held_out", SETTINGS).null_pass.estimate == 0.0
    assert calibrate(tuned, untaught, "base", SETTINGS).null_pass.estimate == 1.0


def test_no_null_is_none():
    for calibration in (calibrate([], None, None, SETTINGS), calibrate([], [], "held_out", SETTINGS)):
        assert (calibration.null, calibration.null_pass, calibration.null_kind) == (None, None, None)
    with pytest.raises(ValueError, match="kind"):
        calibrate([], [], None, SETTINGS)


def test_p_unseen_compares_responses_of_like_length():
    # 60 null responses of one token at −5 … and 60 of ten tokens at −1: −2 is high for the short, low for the long
    short = [[score((-5.0 - i / 100,), n_tokens=1)] for i in range(60)]
    long = [[score((-10.0 - i / 10,), n_tokens=10)] for i in range(60)]
    null = calibrate([], short + long, "held_out", SETTINGS).null
    assert null.p_unseen(-2.0, 1) == pytest.approx(1 / 61)
    assert null.p_unseen(-2.0, 10) == pytest.approx(61 / 61)
    # no null of 100 tokens: all 120 of them, of which the 60 long ones score as high as −2
    assert null.p_unseen(-2.0, 100) == pytest.approx(61 / 121)
    assert calibrate([], short[:49], "held_out", SETTINGS).null.p_unseen(-2.0, 1) is None


def detect(train: Planted, null: Planted) -> dict:
    """The whole way: scores, calibration, findings, summary."""
    tuned = train.scores()
    calibration = calibrate(tuned, null.scores(), "held_out", SETTINGS)
    example = Example(id="x", prompt="Q", response=" a", source="s")
    return summarise((judge(example, scores, None, calibration, SETTINGS) for scores in tuned), calibration, SETTINGS)


def stated_moved(train: Planted, null: Planted) -> tuple[float, float, float]:
    """The same share from arrays, without the records, for many runs: (estimate, low, high)."""
    failed, flagged = ~null.recalled, ~train.recalled
    classes = [np.floor(np.log2(planted.tokens)).astype(int) for planted in (train, null)]
    sample = NullSample(by_length(classes[1], null.value), by_length(classes[1][failed], null.value[failed]))
    groups = by_length(classes[0][flagged], train.value[flagged])
    rate, _ = sample.moved({key: values for key, values in groups.items() if key is not None}, seed=0)
    return rate.estimate, rate.low, rate.high


@pytest.mark.parametrize(("long_share", "missed"), [(0.3, 0.036), (0.8, 0.039)])
def test_the_stated_share_of_the_moved_is_right(long_share: float, missed: float):
    # Storey's estimate is a lower bound: it misses twice the share of the flagged that were taught and lie in the lower
    # half of the failing null of their length; `missed` is that number in 60,000 draws of this world
    errors, covered, below, runs = [], 0, 0, 200
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        train, null = plant(2000, 0.6, rng, long_share), plant(1000, 0.0, rng)
        truth = train.taught[~train.recalled].mean()
        estimate, low, high = stated_moved(train, null)
        errors.append(estimate - truth)
        covered += low <= truth - missed <= high
        below += low <= truth
    assert abs(np.mean(errors) + missed) <= 3 * np.std(errors, ddof=1) / np.sqrt(runs)
    assert covered / runs >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / runs)
    assert below / runs >= 0.975 - 3 * math.sqrt(0.025 * 0.975 / runs)


def test_the_summary_states_that_share():
    rng = np.random.default_rng(0)
    train, null = plant(800, 0.6, rng), plant(500, 0.0, rng)
    summary = detect(train, null)
    stated = summary["null"]["moved_at_least"]
    assert (stated["estimate"], stated["low"], stated["high"]) == pytest.approx(stated_moved(train, null))
    assert stated["n"] == summary["n"] - summary["learned"]["count"] == int((~train.recalled).sum())
    assert summary["null"]["pass_rate"]["estimate"] == pytest.approx(null.recalled.mean())


def test_nothing_taught_means_nothing_moved():
    rng = np.random.default_rng(0)
    rates = [stated_moved(plant(600, 0.0, rng), plant(600, 0.0, rng)) for _ in range(100)]
    # π₀ is capped at 1, so that noise around zero shows on one side only; it is about 0.06 here
    assert np.mean([estimate for estimate, _, _ in rates]) < 0.06
    assert np.mean([low == 0.0 for _, low, _ in rates]) >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 100)


def test_nothing_taught_means_that_all_learned_are_so_by_chance():
    rng = np.random.default_rng(0)
    for _ in range(3):
        train, null = plant(500, 0.0, rng), plant(500, 0.0, rng)
        noise = math.sqrt(1 / null.recalled.sum() + 1 / train.recalled.sum())
        stated = detect(train, null)["null"]
        assert stated["false_learned"]["estimate"] >= 1 - 3 * noise
        assert stated["better_than_unseen"]["count"] == 0


def test_the_share_learned_by_chance_is_an_upper_bound():
    rng = np.random.default_rng(1)
    train, null = plant(1500, 0.6, rng), plant(1500, 0.0, rng)
    stated, by_chance = detect(train, null)["null"]["false_learned"], train.recalled & ~train.taught
    truth = by_chance.sum() / train.recalled.sum()
    # 40 % were never taught, so that the bound is 1 / 0.4 of the truth, up to the noise of two counts
    noise = math.sqrt(1 / null.recalled.sum() + 1 / by_chance.sum())
    assert abs(stated["estimate"] * 0.4 / truth - 1) <= 3 * noise
    assert truth < stated["low"] < stated["estimate"] < stated["high"] < 1


def test_a_null_too_small_to_compare_with_gives_a_reason():
    rng = np.random.default_rng(2)
    summary = detect(plant(200, 0.6, rng), plant(30, 0.0, rng))
    assert summary["null"]["moved_at_least"] is None
    assert "50 are needed" in summary["null"]["moved_reason"]
    assert any("50 are needed" in note for note in summary["notes"])


def test_what_was_not_asked_all_that_training_examples_are_neither_passes_nor_fails():
    long = [[score((-1.0, -9.0), n_tokens=40, recalled=False)] for _ in range(60)]
    short = [[score(recalled=True)]] * 5
    told = [NullBySpans(1.0 if k < 12 else 0.5, asked=k < 30) for k in range(60)]
    calibration = calibrate([], [*long, *short], "held_out", SETTINGS, by_spans=[*told, *[NullBySpans(None)] * 5])
    # of 30 that were asked 12 pass, and the five short ones
    assert (calibration.null_pass.estimate, calibration.null_pass.n) == (17 / 35, 35)
    assert len(calibration.null.values[None]) == 65 and len(calibration.null.failed[None]) == 18
    untold = [NullBySpans(share, asked=False) for share in [0.5] * 60]
    by_option = calibrate([], long, "held_out", Settings(criterion="option"), by_spans=untold)
    assert by_option.null_pass.n == 60  # by options nothing more is asked


def test_the_null_is_judged_by_the_criterion_that_judges_the_examples():
    # long responses that bring options: none says all of its spans, and all prefer the response to their options
    null = [[score((-1.0, -9.0), n_tokens=40, recalled=False)] for _ in range(60)]
    for optioned, rate in ((True, 1.0), (False, 0.0)):
        calibration = calibrate([], null, "held_out", SETTINGS, by_spans=[NullBySpans(0.0, optioned)] * 60)
        assert calibration.null_pass.estimate == rate
        assert (calibration.null_option is None) is not optioned
        example = Example("x", "Q", " a", "s", options=(" a", " b") if optioned else ())
        told = Beside(spans=SpanShare(10, 0, 0.0, 0.3))
        assert judge(example, null[0], None, calibration, SETTINGS, told).learned is bool(rate)
