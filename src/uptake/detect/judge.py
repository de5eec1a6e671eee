"""One example's scores -> its finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uptake.detect.calibrate import Calibration
from uptake.detect.criteria import CRITERIA, Rule, Settings, criterion_for, p_sample, right_before_and_after
from uptake.detect.paper import best_of_n, p_flag
from uptake.detect.reading import Reading, read, read_held_out
from uptake.stats import wilson
from uptake.types import Example, Finding, Prompt, Score


def judge(
    example: Example,
    tuned: Sequence[Score],
    base: Sequence[Score] | None,
    calibration: Calibration,
    settings: Settings,
    *,
    successes: tuple[int, int] | None = None,
) -> Finding:
    """Judge one example: learned, shallow, forgotten, and the numbers behind it.

    Learned: the criterion holds in the training wording. Shallow: learned, and the same criterion under the same rule
    fails in strictly more than half of the held-out wordings that it can judge. Forgotten: the base was right and the
    tuned model is not, compared without the end of the response and without the option threshold (see `plain_rule`).

    Args:
        example: The example.
        tuned: The tuned model's scores of it, all wordings.
        base: The base model's, or those of another earlier checkpoint; None when there are none.
        calibration: What the first pass settled.
        settings: How to detect.
        successes: How many of `settings.n_samples` real samples of the tuned model begin with the response, and how
            many are it; None when none were drawn, and the paper's criterion is read off the scores.

    Returns:
        The finding, its cause open; the keys of its evidence and their units are in docs/detection.md.

    Raises:
        UptakeError: The training wording is missing, or a log-probability is not a number.
    """
    reading = read(tuned, settings.normalisation)
    evidence = _evidence(reading, calibration, settings)
    learned = CRITERIA[evidence["criterion"]](reading, calibration.rule)
    if evidence["criterion"] == "paper" and successes is not None and not reading.lettered:
        right = successes[1] if calibration.rule.end else successes[0]
        learned = right / settings.n_samples >= settings.pass_threshold
        evidence["successes"] = right
    held_out = [one for one in read_held_out(tuned, settings.normalisation) if _alike(one, reading, evidence)]
    shallow = _shallow(learned, held_out, calibration.rule, evidence)
    forgotten = None
    if base is not None:
        before = read(base, settings.normalisation)
        base_right, tuned_right = right_before_and_after(before, reading, settings)
        forgotten = base_right and not tuned_right
        evidence |= {"base_right": base_right, "tuned_right": tuned_right, "base_logprob": before.logprob}
        if before.p_option is not None:
            evidence["base_p_option"] = before.p_option
    return Finding(
        id=example.id,
        source=example.source,
        stage=example.stage,
        prompt=prompt_text(example.prompt),
        response=example.response,
        learned=learned,
        shallow=shallow,
        forgotten=forgotten,
        p_response=reading.p_response(end=calibration.rule.end),
        p_option=reading.p_option,
        evidence=evidence,
    )


def prompt_text(prompt: Prompt) -> str:
    """A prompt as a table shows it: plain text as it is, a conversation as `role: content` lines."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join(f"{message.role}: {message.content}" for message in prompt)


def _evidence(reading: Reading, calibration: Calibration, settings: Settings) -> dict[str, Any]:
    name, reason = criterion_for(reading, settings)
    evidence: dict[str, Any] = {"criterion": name}
    if reason is not None:
        evidence["criterion_reason"] = reason
    evidence |= {
        "recalled": reading.recalled,
        "end_recalled": reading.end_recalled,
        "logprob": reading.logprob,
        "end_logprob": reading.end_logprob,
        "n_tokens": reading.n_tokens,
        "p_value_unseen": None,
    }
    if calibration.null is not None:
        evidence["p_value_unseen"] = calibration.null.p_unseen(reading.logprob_per_token, reading.n_tokens)
    if reading.p_options is not None:
        evidence |= {"n_candidates": len(reading.p_options), "preferred": reading.preferred}
        evidence["normalisation"] = "letters" if reading.lettered else settings.normalisation
    if name == "option":
        evidence["p_option_threshold"] = calibration.rule.option_threshold
        evidence["p_option_null"] = calibration.null_option
    if name == "paper":
        p = p_sample(reading, calibration.rule)
        evidence |= {"p_sample": p, "p_flag": p_flag(p, settings.n_samples, settings.pass_threshold)}
        if reading.p_options is not None:
            evidence["best_of_n"] = best_of_n(reading.p_options, reading.right, settings.n_samples)
    return evidence


def _alike(held_out: Reading, training: Reading, evidence: dict[str, Any]) -> bool:
    """Whether the criterion that judged the training wording can judge a held-out one, on the same terms.

    A wording with a response of its own has no candidates beside it, and options are lettered in the training wording
    alone: failing another test than the one that was passed would say nothing about the wording.
    """
    if evidence["criterion"] == "recall":
        return True
    return held_out.lettered == training.lettered and (
        evidence["criterion"] == "paper" or held_out.p_options is not None
    )


def _shallow(learned: bool, held_out: Sequence[Reading], rule: Rule, evidence: dict[str, Any]) -> bool | None:
    """Judge the held-out wordings and write what they show into the evidence."""
    if not held_out:
        return None
    passed = [CRITERIA[evidence["criterion"]](one, rule) for one in held_out]
    failed = passed.count(False)
    interval = wilson(failed, len(passed))
    if interval is not None:
        evidence |= {
            "held_out_n": len(passed),
            "held_out_failed": failed,
            "held_out_fail_low": interval.low,
            "held_out_fail_high": interval.high,
        }
    return learned and 2 * failed > len(passed)
