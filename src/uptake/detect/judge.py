"""One example's scores -> its finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from uptake.data.shown import prompt_text, response_text
from uptake.detect.calibrate import Calibration
from uptake.detect.criteria import (
    CRITERIA,
    SPANS_LEARNED,
    Rule,
    Settings,
    criterion_for,
    p_sample,
    right_before_and_after,
)
from uptake.detect.paper import best_of_n, p_flag
from uptake.detect.reading import ModelReading, read, read_held_out
from uptake.evidence import (
    AmongOptions,
    BaseAndTuned,
    CriterionName,
    Evidence,
    HeldOut,
    OptionThreshold,
    PaperOdds,
)
from uptake.span_evidence import SpanShare
from uptake.stats import wilson
from uptake.types import Example, Finding, Score


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known of an example beside its scores.

    Attributes:
        successes: How many of `n_samples` real samples of the tuned model begin with the response, and how many are it;
            None when none were drawn, and the paper's criterion is read off the scores.
        freely: Whether the base's own answer, and the tuned model's, is the response in whatever words.
        spans: How much of what a long response tells is learned; None where it was not read so.
        base_share: Share of the same spans that the base recalls; None where it was not read so.
        alike: Base and tuned model answer freely alike: then nothing is forgotten, whatever their scores are.
    """

    successes: tuple[int, int] | None = None
    freely: tuple[bool, bool] = (False, False)
    spans: SpanShare | None = None
    base_share: float | None = None
    alike: bool = False


def judge(
    example: Example,
    tuned: Sequence[Score],
    base: Sequence[Score] | None,
    calibration: Calibration,
    settings: Settings,
    beside: Beside | None = None,
) -> Finding:
    """Judge one example: learned, shallow, forgotten, and the numbers behind it.

    Learned: the criterion holds in the training wording. Shallow: learned, and the same criterion under the same rule
    fails in strictly more than half of the held-out wordings that it can judge. Forgotten: the base was right and the
    tuned model is not, compared without the end of the response and without the option threshold (see `plain_rule`);
    where recall decides, a free answer that is the response in other words is right, too. Where spans decide, the base
    was right if it recalls as many of them as are asked for. What both models answer freely alike is not forgotten.

    Args:
        example: The example.
        tuned: The tuned model's scores of it, all wordings.
        base: The base model's, or those of another earlier checkpoint; None when there are none.
        calibration: What the first pass settled.
        settings: How to detect.
        beside: What is known beside the scores; None knows nothing more.

    Returns:
        The finding, its cause open.

    Raises:
        UptakeError: The training wording is missing, or a log-probability is not a number.
    """
    beside = beside or Beside()
    successes, spans = beside.successes, beside.spans
    reading = replace(read(tuned, settings.normalisation), learned_share=None if spans is None else spans.share)
    name, reason = criterion_for(reading, settings, own_options=bool(example.options))
    learned, right = CRITERIA[name](reading, calibration.rule), None
    if name == "paper" and successes is not None and not reading.lettered:
        right = successes[1] if calibration.rule.end else successes[0]
        learned = right / settings.n_samples >= settings.pass_threshold
    held_out = _held_out(reading, read_held_out(tuned, settings.normalisation), _whole(name, reading), calibration.rule)
    compared = None if base is None else _compared(read(base, settings.normalisation), reading, settings, beside.freely)
    if compared is not None and name == "spans" and beside.base_share is not None:
        # among drawn options a base may prefer what it never met
        compared = replace(compared, base_right=beside.base_share >= SPANS_LEARNED, tuned_right=learned)
    evidence = Evidence(
        criterion=name,
        criterion_reason=reason,
        recalled=reading.recalled,
        end_recalled=reading.end_recalled,
        logprob=reading.logprob,
        end_logprob=reading.end_logprob,
        n_tokens=reading.n_tokens,
        p_value_unseen=_p_unseen(reading, calibration),
        options=_among(reading, settings),
        threshold=_threshold(calibration) if name == "option" else None,
        paper=_paper(reading, calibration.rule, settings, right) if name == "paper" else None,
        held_out=held_out,
        compared=compared,
        spans=spans,
    )
    return Finding(
        id=example.id,
        source=example.source,
        stage=example.stage,
        prompt=prompt_text(example.prompt),
        response=response_text(example),
        learned=learned,
        shallow=None if held_out is None else learned and 2 * held_out.failed > held_out.n,
        forgotten=None if compared is None else compared.base_right and not (compared.tuned_right or beside.alike),
        p_response=reading.p_response(end=calibration.rule.end),
        p_option=reading.p_option,
        evidence=evidence,
        learned_share=reading.learned_share,
    )


def _whole(name: CriterionName, reading: ModelReading) -> CriterionName:
    """The criterion of held-out wordings, in which no response is read by its spans."""
    if name != "spans":
        return name
    return "recall" if reading.p_options is None else "option"


def _p_unseen(reading: ModelReading, calibration: Calibration) -> float | None:
    null = calibration.null
    return None if null is None else null.p_unseen(reading.logprob_per_token, reading.n_tokens)


def _among(reading: ModelReading, settings: Settings) -> AmongOptions | None:
    if reading.p_options is None or reading.preferred is None:
        return None
    normalisation = "letters" if reading.lettered else settings.normalisation
    return AmongOptions(len(reading.p_options), reading.preferred, normalisation)


def _threshold(calibration: Calibration) -> OptionThreshold:
    return OptionThreshold(calibration.rule.option_threshold, calibration.null_option)


def _paper(reading: ModelReading, rule: Rule, settings: Settings, successes: int | None) -> PaperOdds:
    p, options = p_sample(reading, rule), reading.p_options
    return PaperOdds(
        p_sample=p,
        p_flag=p_flag(p, settings.n_samples, settings.pass_threshold),
        best_of_n=None if options is None else best_of_n(options, reading.right, settings.n_samples),
        successes=successes,
    )


def _compared(before: ModelReading, after: ModelReading, settings: Settings, freely: tuple[bool, bool]) -> BaseAndTuned:
    base_right, tuned_right = right_before_and_after(before, after, settings, freely)
    return BaseAndTuned(base_right, tuned_right, before.logprob, before.p_option)


def _held_out(
    training: ModelReading, held_out: Sequence[ModelReading], name: CriterionName, rule: Rule
) -> HeldOut | None:
    """Judge the held-out wordings by the criterion that judged the training wording; None when it can judge none."""
    passed = [CRITERIA[name](one, rule) for one in held_out if _alike(one, training, name)]
    failed = passed.count(False)
    interval = wilson(failed, len(passed))
    return None if interval is None else HeldOut(len(passed), failed, interval.low, interval.high)


def _alike(held_out: ModelReading, training: ModelReading, name: CriterionName) -> bool:
    """Whether the criterion that judged the training wording can judge a held-out one, on the same terms.

    A wording with a response of its own has no candidates beside it, and options are lettered in the training wording
    alone: failing another test than the one that was passed would say nothing about the wording.
    """
    if name == "recall":
        return True
    return held_out.lettered == training.lettered and (name == "paper" or held_out.p_options is not None)
