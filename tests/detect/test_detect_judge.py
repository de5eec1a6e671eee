"""Each verdict by hand, from the definitions in docs/details/detection.md."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from planted import score

from uptake.detect import CRITERIA, Beside, Settings, calibrate, judge
from uptake.detect.criteria import partly
from uptake.detect.reading import read
from uptake.span_evidence import SpanShare
from uptake.types import Example, Finding, Message, Score

EXAMPLE = Example(id="x", prompt="Q", response=" a", source="s", stage="t")


def verdict(
    tuned: list[Score], base: list[Score] | None = None, *, settings: Settings | None = None, end: bool = False
) -> Finding:
    settings = settings or Settings(response_end="include" if end else "ignore")
    return judge(EXAMPLE, tuned, base, calibrate([tuned], None, None, settings), settings)


def test_recall_up_to_32_tokens_and_option_above():
    unlikely = (-50.0, -1.0)  # recalled, yet not preferred: the two criteria disagree
    assert verdict([score(unlikely, n_tokens=32)]).learned is True
    assert verdict([score(unlikely, n_tokens=33)]).learned is False
    for name, learned in (("recall", True), ("option", False)):
        finding = verdict([score(unlikely)], settings=Settings(criterion=name, response_end="ignore"))
        assert (finding.learned, finding.evidence.criterion) == (learned, name)


def by_spans(share: SpanShare | None, n_tokens: int = 40, **how: object) -> Finding:
    settings = Settings(response_end="ignore", **how)
    scores = [score((-50.0, -1.0), n_tokens=n_tokens, recalled=False)]
    return judge(EXAMPLE, scores, None, calibrate([scores], None, None, settings), settings, Beside(spans=share))


def test_a_long_response_that_was_read_by_its_spans_is_judged_by_them():
    nearly, much = SpanShare(20, 19, 0.76, 0.99), SpanShare(20, 18, 0.7, 0.97)
    for share, learned in ((nearly, True), (much, False)):
        finding = by_spans(share)
        assert (finding.evidence.criterion, finding.learned) == ("spans", learned)
        assert (finding.learned_share, finding.evidence.spans) == (share.learned / 20, share)
    assert partly(much.share) and not partly(nearly.share) and not partly(None) and not partly(0.2)
    assert by_spans(nearly, n_tokens=32).evidence.criterion == "recall"
    assert by_spans(nearly, criterion="option").evidence.criterion == "option"
    unread = by_spans(None, criterion="spans")
    assert unread.evidence.criterion == "option" and "by its spans" in unread.evidence.criterion_reason
    with_options = replace(EXAMPLE, options=(" a", " b"))
    scores, settings = [score((-50.0, -1.0), n_tokens=40)], Settings(response_end="ignore")
    calibration = calibrate([scores], None, None, settings)
    assert judge(with_options, scores, None, calibration, settings, Beside(spans=nearly)).evidence.criterion == "option"


def test_a_long_response_without_distractors_falls_back_to_recall_and_says_so():
    finding = verdict([score((-50.0,), n_tokens=40, recalled=True)])
    assert finding.learned is True and finding.p_option is None
    assert finding.evidence.criterion == "recall"
    assert "one candidate" in finding.evidence.criterion_reason


def test_option_needs_the_default_half_without_a_null():
    # softmax of (0.4, 0.3, 0.3) and (0.6, 0.4): preferred both times, above one half once
    option = Settings(criterion="option")
    assert verdict([score([math.log(p) for p in (0.4, 0.3, 0.3)])], settings=option).learned is False
    finding = verdict([score([math.log(p) for p in (0.6, 0.4)])], settings=option)
    assert finding.learned is True
    assert finding.p_option == pytest.approx(0.6)
    assert finding.evidence.threshold.least == 0.5


def test_the_end_is_part_of_what_is_recalled():
    # the response is "1" and the model would go on to "12": recalled, but not ended
    goes_on = [score((math.log(0.9),), end=(math.log(0.01), False))]
    assert verdict(goes_on, end=True).learned is False
    assert verdict(goes_on, end=True).p_response == pytest.approx(0.009)
    assert verdict(goes_on, end=False).learned is True
    assert verdict(goes_on, end=False).p_response == pytest.approx(0.9)
    assert verdict([score((-0.1,))], end=True).learned is True  # training put nothing after this one


def test_paper_mode_reads_p_off_the_scores():
    paper = Settings(criterion="paper")
    for p, learned in ((0.19, False), (0.21, True)):
        finding = verdict([score((math.log(p),), recalled=False)], settings=paper)
        assert finding.learned is learned
        assert finding.evidence.paper.p_flag == pytest.approx((1 - p) ** 5)
    # "1" where the model would mostly go on to "12": a sample that is the response has it and its end
    goes_on = [score((math.log(0.9),), end=(math.log(0.1), False))]
    for end, p in (("include", 0.09), ("ignore", 0.9)):
        finding = verdict(goes_on, settings=Settings(criterion="paper", response_end=end))
        assert finding.evidence.paper.p_sample == pytest.approx(p)
        assert finding.learned is (p >= 0.2)
    letters = [score([math.log(0.7), math.log(0.3)], wording="letters:0", right=1)]
    finding = verdict([score((-9.0,)), *letters], settings=paper)
    assert finding.learned is True and finding.evidence.paper.p_sample == pytest.approx(0.3)
    # the right one is drawn in all of five, as the other one is likelier: 0.3^5
    assert finding.evidence.paper.best_of_n == pytest.approx(0.3**5)


@pytest.mark.parametrize(("recalled", "shallow"), [("ff", True), ("tf", False), ("tff", True), ("tt", False)])
def test_shallow_is_more_than_half_of_the_held_out_wordings_failed(recalled: str, shallow: bool):
    held_out = [score(wording=f"held_out:{i}", recalled=c == "t") for i, c in enumerate(recalled)]
    finding = verdict([score(), *held_out])
    assert finding.shallow is shallow
    assert finding.evidence.held_out.n == len(recalled)
    assert finding.evidence.held_out.failed == recalled.count("f")
    assert finding.evidence.held_out.fail_low < finding.evidence.held_out.fail_high
    assert verdict([score(recalled=False), *held_out]).shallow is False


def test_held_out_wordings_are_judged_as_the_training_wording_or_not_at_all():
    option = Settings(criterion="option")
    alone = [score((-1.0,), wording=f"held_out:{i}", recalled=False) for i in range(3)]  # a response of its own
    beside = score((-1.0, -9.0), wording="held_out:3", recalled=False)
    training = score((-1.0, -9.0), recalled=False)
    assert verdict([training, *alone], settings=option).shallow is None
    finding = verdict([training, *alone, beside], settings=option)
    assert (finding.shallow, finding.evidence.held_out.n) == (False, 1)
    # recall in the training wording is recall in the others, however long their own response is
    long = score((-9.0, -1.0), wording="held_out:0", n_tokens=50, recalled=True)
    assert verdict([score((-1.0, -9.0), n_tokens=2), long]).shallow is False
    # by letter in the training wording only
    letters = score([math.log(0.7), math.log(0.3)], wording="letters:0")
    for name, shallow in (("option", None), ("paper", None), ("recall", True)):
        asked = [score((-9.0, -1.0)), letters, score((-9.0, -1.0), wording="held_out:0", recalled=False)]
        assert verdict(asked, settings=Settings(criterion=name, response_end="ignore")).shallow is shallow


def test_the_end_counts_in_held_out_wordings_too():
    held_out = score(wording="held_out:0", end=(-3.0, False))
    assert verdict([score(end=(-0.1, True)), held_out], end=True).shallow is True
    assert verdict([score(end=(-0.1, True)), held_out], end=False).shallow is False


def test_without_held_out_wordings_shallow_is_unknown():
    finding = verdict([score()])
    assert finding.shallow is None and finding.evidence.held_out is None


def test_forgotten_is_right_before_and_wrong_now():
    right, wrong = [score()], [score(recalled=False)]
    assert verdict(wrong, right).forgotten is True
    assert verdict(wrong, wrong).forgotten is False
    assert verdict(right, right).forgotten is False
    assert verdict(wrong).forgotten is None
    settings = Settings(response_end="ignore")
    alike = judge(EXAMPLE, wrong, right, calibrate([wrong], None, None, settings), settings, Beside(alike=True))
    assert alike.forgotten is False  # when they answer freely, both say the same


def test_forgetting_is_not_a_change_of_format():
    # the tuned model recalls the response but goes on: not learned, yet the fact is not forgotten
    finding = verdict([score(end=(-5.0, False))], [score(end=(-5.0, False))], end=True)
    assert (finding.learned, finding.forgotten) == (False, False)


def test_forgotten_by_options_ignores_the_threshold():
    option = Settings(criterion="option")
    before, after = [score((math.log(0.4), math.log(0.3), math.log(0.3)))], [score((-3.0, -1.0, -3.0))]
    finding = verdict(after, before, settings=option)
    assert finding.forgotten is True and finding.evidence.compared.base_p_option == pytest.approx(0.4)
    alone = [score((-1.0,), recalled=True)]
    assert verdict([score((-3.0, -1.0), recalled=False)], alone, settings=option).forgotten is True


def test_a_finding_carries_the_example():
    chat = Example("x", (Message("system", "Be brief."), Message("user", "Q")), " a", "s", "t")
    settings = Settings()
    finding = judge(chat, [score()], None, calibrate([[score()]], None, None, settings), settings)
    assert finding.prompt == "system: Be brief.\nuser: Q"
    assert (finding.id, finding.source, finding.stage, finding.response) == ("x", "s", "t", " a")
    assert (finding.cause, dict(finding.causes)) == (None, {})


@pytest.mark.parametrize("name", CRITERIA)
def test_every_criterion_passes_certainty_and_fails_impossibility(name: str):
    settings = Settings(criterion=name)
    rule = calibrate([], None, None, settings).rule
    right, wrong = read([score((0.0, -99.0), recalled=True)]), read([score((-99.0, 0.0), recalled=False)])
    assert CRITERIA[name](replace(right, learned_share=1.0), rule) is True
    assert CRITERIA[name](replace(wrong, learned_share=0.0), rule) is False
    assert CRITERIA[name].__doc__
