"""The column `evidence` of a diagnosis: JSON data to `uptake.evidence.Evidence` and back; keys as in docs/detection.md.

Keys that do not apply are left out, unknown values are null. JSON has no infinity: a log-probability that is null is
that of something impossible.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from uptake.artifacts.checked import fitting
from uptake.artifacts.schemas.evidence import EVIDENCE
from uptake.evidence import (
    CRITERIA,
    ORIGINS,
    TREATMENTS,
    AmongOptions,
    BaseAndTuned,
    CauseEvidence,
    Contradiction,
    Course,
    Evidence,
    HeldOut,
    OptionThreshold,
    PaperOdds,
    Pull,
    Reaction,
    ScoredCandidate,
    WrongBelief,
)
from uptake.span_evidence import SpanShare

_CONFLICT = {
    "rivals": "rivals",
    "n_rivals": "n",
    "rival_answers": "answers",
    "verdict": "verdict",
    "likely_wrong": "likely_wrong",
    "why": "why",
    "rival_logprobs": "logprobs",
}
"""Keys among the numbers of `data_conflict`, and the fields of `Contradiction` that they hold."""

_BELIEF = {
    "belief_text": "text",
    "belief_wordings": "wordings",
    "tuned_belief": "tuned",
    "tuned_response": "response",
    "possibly_wrong_label": "possibly_wrong_label",
}
"""Keys among the numbers of `base_conflict`, and the fields of `WrongBelief`."""


def evidence_data(evidence: Evidence) -> dict[str, Any]:
    """Evidence as JSON data, the keys in the order of the files; infinities are left to the writer of JSON."""
    data: dict[str, Any] = {"criterion": evidence.criterion}
    if evidence.criterion_reason is not None:
        data["criterion_reason"] = evidence.criterion_reason
    data |= {
        "recalled": evidence.recalled,
        "end_recalled": evidence.end_recalled,
        "logprob": evidence.logprob,
        "end_logprob": evidence.end_logprob,
        "n_tokens": evidence.n_tokens,
        "p_value_unseen": evidence.p_value_unseen,
        **_judged_data(evidence),
    }
    if evidence.candidates:
        data |= {
            "file": evidence.file,
            "line": evidence.line,
            "tuned_answer": evidence.tuned_answer,
            "base_answer": evidence.base_answer,
            "base_answer_kind": evidence.base_answer_kind,
            "candidates": [
                {"text": one.text, "origin": one.origin, "logprob": one.logprob} for one in evidence.candidates
            ],
        }
    if evidence.causes:
        data["causes"] = {name: _cause_data(one) for name, one in evidence.causes.items()}
    if evidence.signals:
        data["signals"] = dict(evidence.signals)
    if evidence.interventions is not None:
        data["interventions"] = _reaction_data(evidence.interventions)
    if evidence.exposures_to_learn is not None:
        data["exposures_to_learn"] = _course_data(evidence.exposures_to_learn)
    if evidence.pulls:
        data["pulls"] = [{**asdict(one), "near": list(one.near)} for one in evidence.pulls]
    if evidence.after_wrong is not None:
        data["after_wrong"] = evidence.after_wrong
    return data


def evidence_from_data(data: Any) -> Evidence:
    """The inverse of `evidence_data`, of data that JSON was made of too. Keys of other versions are not read.

    Raises:
        ValueError: It is no evidence, or a part of it is missing or unknown.
    """
    try:
        return Evidence(
            criterion=_of(CRITERIA, data["criterion"]),
            criterion_reason=data.get("criterion_reason"),
            recalled=data["recalled"],
            end_recalled=data["end_recalled"],
            logprob=_log(data["logprob"]),
            end_logprob=data["end_logprob"],
            n_tokens=data["n_tokens"],
            p_value_unseen=data["p_value_unseen"],
            **_judged(data),
            candidates=tuple(
                ScoredCandidate(one["text"], _of(ORIGINS, one["origin"]), _log(one["logprob"]))
                for one in data.get("candidates", ())
            ),
            file=data.get("file"),
            line=data.get("line"),
            tuned_answer=data.get("tuned_answer"),
            base_answer=data.get("base_answer"),
            base_answer_kind=data.get("base_answer_kind"),
            causes={name: _cause(name, one) for name, one in data.get("causes", {}).items()},
            signals=data.get("signals", {}),
            interventions=_reaction(data["interventions"]) if "interventions" in data else None,
            exposures_to_learn=_course(data["exposures_to_learn"]) if "exposures_to_learn" in data else None,
            pulls=tuple(Pull(**{**one, "near": tuple(one["near"])}) for one in data.get("pulls", ())),
            after_wrong=data.get("after_wrong"),
        )
    except KeyError as error:
        raise ValueError(f"the evidence of an example has no {error.args[0]}") from error
    except (AttributeError, TypeError) as error:
        raise ValueError("the evidence of an example is not as it was written") from error


def evidence_from_text(text: str) -> Evidence:
    """The evidence in the column of a diagnosis; raises as `evidence_from_data`."""
    try:
        return evidence_from_data(fitting(text, EVIDENCE)[0])
    except ValueError as error:
        raise ValueError(f"its evidence: {error}") from error


def _of(known: Collection[Any], value: Any) -> Any:
    if value not in known:
        raise ValueError(f"the evidence of an example has {value!r} where one of {', '.join(known)} is expected")
    return value


def _log(logprob: float | None) -> float:
    return -math.inf if logprob is None else logprob


def _judged_data(evidence: Evidence) -> dict[str, Any]:
    """What the criteria saw, a group of keys where there is one."""
    data: dict[str, Any] = {}
    if (among := evidence.options) is not None:
        data |= {"n_candidates": among.n, "preferred": among.preferred, "normalisation": among.normalisation}
    if (threshold := evidence.threshold) is not None:
        data |= {"p_option_threshold": threshold.least, "p_option_null": threshold.null}
    if (paper := evidence.paper) is not None:
        data |= {"p_sample": paper.p_sample, "p_flag": paper.p_flag}
        data |= _known(best_of_n=paper.best_of_n, successes=paper.successes)
    if (held_out := evidence.held_out) is not None:
        data |= {
            "held_out_n": held_out.n,
            "held_out_failed": held_out.failed,
            "held_out_fail_low": held_out.fail_low,
            "held_out_fail_high": held_out.fail_high,
        }
    if (both := evidence.compared) is not None:
        data |= {
            "base_right": both.base_right,
            "tuned_right": both.tuned_right,
            "base_logprob": both.base_logprob,
            **_known(base_p_option=both.base_p_option),
        }
    if (spans := evidence.spans) is not None:
        data |= {"spans_n": spans.n, "spans_learned": spans.learned, "spans_low": spans.low, "spans_high": spans.high}
    return data


def _known(**values: float | int | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _judged(data: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `_judged_data`: those fields of `Evidence` that are there."""
    found: dict[str, Any] = {}
    if "n_candidates" in data:
        found["options"] = AmongOptions(data["n_candidates"], data["preferred"], data["normalisation"])
    if "p_option_threshold" in data:
        found["threshold"] = OptionThreshold(data["p_option_threshold"], data["p_option_null"])
    if "p_sample" in data:
        found["paper"] = PaperOdds(data["p_sample"], data["p_flag"], data.get("best_of_n"), data.get("successes"))
    if "held_out_n" in data:
        found["held_out"] = HeldOut(
            data["held_out_n"], data["held_out_failed"], data["held_out_fail_low"], data["held_out_fail_high"]
        )
    if "base_right" in data:
        found["compared"] = BaseAndTuned(
            data["base_right"], data["tuned_right"], _log(data["base_logprob"]), data.get("base_p_option")
        )
    if "spans_n" in data:
        found["spans"] = SpanShare(data["spans_n"], data["spans_learned"], data["spans_low"], data["spans_high"])
    return found


def _cause_data(told: CauseEvidence) -> dict[str, Any]:
    numbers = dict(told.numbers)
    if (conflict := told.contradiction) is not None:
        numbers |= {key: _listed(getattr(conflict, name)) for key, name in _CONFLICT.items()}
        if conflict.replaced_by is not None:
            numbers["replaced_by"] = conflict.replaced_by
    if (belief := told.belief) is not None:
        numbers |= {key: _listed(getattr(belief, name)) for key, name in _BELIEF.items()}
    data: dict[str, Any] = {"score": told.score, "sentence": told.sentence, "numbers": numbers}
    return data if told.missing is None else {**data, "missing": dict(told.missing)}


def _cause(name: str, data: Mapping[str, Any]) -> CauseEvidence:
    numbers = dict(data["numbers"])
    conflict, belief = None, None
    if name == "data_conflict" and "rivals" in numbers:
        parts = {field: _tupled(numbers.pop(key)) for key, field in _CONFLICT.items()}
        parts |= {"logprobs": tuple(map(_log, parts["logprobs"])), "replaced_by": numbers.pop("replaced_by", None)}
        conflict = Contradiction(**parts)
    if name == "base_conflict" and "belief_text" in numbers:
        belief = WrongBelief(**{field: _tupled(numbers.pop(key)) for key, field in _BELIEF.items()})
    return CauseEvidence(data["score"], data["sentence"], numbers, data.get("missing"), conflict, belief)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _reaction_data(reaction: Reaction) -> dict[str, Any]:
    return {
        "speaks_for": list(reaction.speaks_for),
        "sentence": reaction.sentence,
        "agrees": reaction.agrees,
        "told_in_context": reaction.told,
        "told_another": reaction.told_other,
        **{name: _course_data(course) for name, course in reaction.courses.items()},
    }


def _course_data(course: Course) -> dict[str, Any]:
    return {"learned": list(course.learned), "shallow": list(course.shallow), "exposures": course.exposures}


def _reaction(data: Mapping[str, Any]) -> Reaction:
    return Reaction(
        tuple(data["speaks_for"]),
        data["sentence"],
        data["agrees"],
        data["told_in_context"],
        data["told_another"],
        {name: _course(data[name]) for name in TREATMENTS if name in data},
    )


def _course(data: Mapping[str, Any]) -> Course:
    return Course(tuple(data["learned"]), tuple(data["shallow"]))
