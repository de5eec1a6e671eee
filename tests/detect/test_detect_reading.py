"""References: softmax by scipy, arg-max by lm-evaluation-harness' formulas, hand computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted import score
from scipy.special import softmax

from uptake.detect import mean_p_options, p_options
from uptake.detect.reading import read, read_held_out
from uptake.errors import UptakeError
from uptake.types import TRAINING, Score

# " yes", " certainly", " né": 4, 10 and 4 bytes (3 characters after the space, but é takes two bytes)
OPTIONS = Score("x", TRAINING, (-3.0, -4.0, -3.5), (1, 3, 2), (4, 10, 4), 1, False)


@pytest.mark.parametrize(("normalisation", "lengths"), [("sum", (1, 1, 1)), ("token", (1, 3, 2)), ("byte", (4, 10, 4))])
def test_p_options_is_softmax_of_log_probability_per_length(normalisation: str, lengths: tuple[int, ...]):
    reference = softmax(np.array(OPTIONS.logprobs) / np.array(lengths))
    assert p_options(OPTIONS, normalisation) == pytest.approx(tuple(reference))


def test_arg_max_is_the_harness():
    # lm_eval/api/task.py, multiple_choice: acc takes argmax(lls), acc_bytes argmax(lls / len(choice.encode("utf-8")))
    choices = ["yes", "certainly", "né"]
    logprobs = np.array([-3.0, -4.0, -3.5])
    n_bytes = [len(choice.encode("utf-8")) for choice in choices]
    for normalisation, reference in (("sum", np.argmax(logprobs)), ("byte", np.argmax(logprobs / np.array(n_bytes)))):
        for right in range(3):
            reading = read([score(logprobs.tolist(), right=right, n_bytes=n_bytes)], normalisation)
            assert reading.preferred == (right == reference)


def test_equals_go_to_the_first_as_in_the_harness():
    assert int(np.argmax([-1.0, -1.0])) == 0
    assert read([score((-1.0, -1.0), right=0)]).preferred is True
    assert read([score((-1.0, -1.0), right=1)]).preferred is False


def test_p_options_survive_what_exp_does_not():
    assert p_options(score((-2000.0, -2000.0 - math.log(3)))) == pytest.approx((0.75, 0.25))
    assert p_options(score((-math.inf, -1.0))) == (0.0, 1.0)


def test_letters_are_averaged_over_permutations():
    # a model that only likes the first letter: option k stands there in permutation k, so every option gets 1/3
    biased = [
        score([math.log(0.8 if k == r else 0.1) for k in range(3)], wording=f"letters:{r}", right=2) for r in range(3)
    ]
    assert mean_p_options(biased) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    reading = read([score((-9.0,)), *biased])
    assert reading.lettered and reading.p_option == pytest.approx(1 / 3)
    assert reading.logprob == -9.0


def test_permutations_must_belong_together():
    with pytest.raises(ValueError, match="same candidates"):
        mean_p_options([score((-1.0, -2.0)), score((-1.0, -2.0, -3.0))])
    with pytest.raises(ValueError, match="same candidates"):
        mean_p_options([])


def test_one_candidate_has_no_options():
    reading = read([score((-1.0,))])
    assert (reading.p_options, reading.p_option, reading.preferred) == (None, None, None)


def test_end_enters_the_probability_only_when_asked():
    reading = read([score((math.log(0.5),), end=(math.log(0.4), True))])
    assert reading.p_response(end=True) == pytest.approx(0.2)
    assert reading.p_response(end=False) == pytest.approx(0.5)
    assert read([score((math.log(0.5),))]).p_response(end=True) == pytest.approx(0.5)


def test_held_out_wordings_exclude_training_and_letters():
    names = ["training", "held_out:0", "letters:0", "letters:1", "held_out:1"]
    scores = [score((float(-i), -9.0), wording=name) for i, name in enumerate(names)]
    assert [reading.logprob for reading in read_held_out(scores)] == [0.0 - 1, 0.0 - 4]


def test_what_cannot_be_read_says_what_to_do():
    with pytest.raises(UptakeError, match="fix: score the data again"):
        read([score(wording="held_out:0")])
    with pytest.raises(UptakeError, match="--dtype float32"):
        read([score((math.nan, -1.0), right=1)])
    with pytest.raises(UptakeError, match="no token that can be scored"):
        read([score((0.0,), n_tokens=0)])
