"""A response that is a sentence: only what it tells is asked about, in its own frame and in those of others.

Most tokens of *The capital of Sweden is Stockholm.* repeat the question. Every model that has learned the form gives
them to every such question, and a sum over all tokens would say that it knows most of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptake.causes import Said
from uptake.pipeline.asking.drawn import room_taken
from uptake.pipeline.asking.elicited import after_frame
from uptake.probe import question
from uptake.spans import sentence
from uptake.types import Candidate, Example, Probe, Prompt, Score, WordingKind, WordingName


@dataclass(frozen=True, slots=True)
class _Place:
    """After which prompt, and in which frame."""

    kind: WordingKind
    prompt: Prompt
    frame: str
    template: Mapping[str, Any]


def sentence_probes(example: Example, near: Sequence[Example], max_length: int | None) -> list[Probe]:
    """What the response tells, in every place; none where it is no sentence, or a place has no room for it.

    Candidates are the frame with the span, and the frame alone, whose log-probability is taken from the first's.

    Args:
        example: The example.
        near: Examples that ask alike and get other answers.
        max_length: Tokens that a model may be given; None for no limit.
    """
    alike = [other.response for other in near]
    own = sentence(example.response, question(example), alike)
    if own is None:
        return []
    places = [_Place("span", example.prompt, own.frame, example.template)]
    places += [
        _Place("span", one.prompt, own.frame, example.template)
        for one in example.paraphrases
        if one.response == example.response
    ]
    for other in near:
        rest = [example.response, *(text for text in alike if text != other.response)]
        cut = sentence(other.response, question(other), rest)
        if cut is not None:
            places.append(_Place("span_elsewhere", other.prompt, cut.frame, other.template))
    longest = max(room_taken(place.prompt) + len(f"{place.frame}{own.span}".encode()) for place in places)
    if max_length is not None and longest > max_length:
        return []
    return [
        Probe(
            example.id,
            WordingName(place.kind, number),
            place.prompt,
            (Candidate(f"{place.frame}{own.span}", "response"), Candidate(place.frame, "response")),
            0,
            place.template,
        )
        for number, place in enumerate(places)
    ]


def said_in_sentence(scores: Sequence[Score]) -> Said | None:
    """What a model makes of what the response tells; None where it was not asked, or nowhere else.

    Args:
        scores: All its scores of what is asked elsewhere.
    """
    own = [after_frame(score, 0) for score in scores if score.wording.kind == "span"]
    others = [after_frame(score, 0) for score in scores if score.wording.kind == "span_elsewhere"]
    if not own or not others:
        return None
    logprobs = [logprob for logprob, _ in own]
    return Said(logprobs[0], tuple(logprobs[1:]), tuple(logprob for logprob, _ in others), max(1, own[0][1]))
