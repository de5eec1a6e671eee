"""What the base knows in its own words: its span and the response's, each in the frame that it answers in.

An instruction-tuned model says *The capital of Sweden is Stockholm.* where the data want one word. After the prompt
alone neither its own *Stockholm* nor the response is likely; after *The capital of Sweden is* both have the probability
that the model's knowledge gives them. The same two spans are scored after other questions, each in the frame of the
model's answer to it: what it says there too it says to everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from uptake.causes import InFrame, Said
from uptake.probe import question
from uptake.spans import Framed, framed, length
from uptake.types import Candidate, Example, Probe, Score, WordingName, normalised

OTHERS = 4
"""Other questions after which the spans are scored."""


@dataclass(frozen=True, slots=True)
class Elicited:
    """What is scored of one example.

    Attributes:
        own: The base's answer in its parts.
        wanted: The response's span, with the white space of the base's.
        others: Other examples, each with the frame in which the base answers it; empty where it answers at once.
    """

    own: Framed
    wanted: str
    others: tuple[tuple[Example, str], ...]


def elicited(
    example: Example, answer: str, near: Sequence[tuple[Example, str | None]], known: Collection[str]
) -> Elicited | None:
    """The parts of a base's answer and of the response; None where either tells nothing.

    Args:
        example: The example.
        answer: The base's own answer.
        near: Examples that ask alike and get other answers, each with the base's own answer.
        known: From `uptake.spans.answer_words`, of the training examples' responses.
    """
    said = [(other, own) for other, own in near if own is not None]
    alike = [own for _, own in said]
    own = framed(answer, question(example), alike, known=known, most=length(example.response))
    response = framed(example.response, question(example), [other.response for other, _ in near])
    if own is None or response is None:
        return None
    others = []
    for other, theirs in said[:OTHERS]:
        rest = [answer, *(text for text in alike if text != theirs)]
        cut = framed(theirs, question(other), rest, known=known, most=length(other.response))
        if cut is not None:
            others.append((other, cut.frame))
    lead = own.span[: len(own.span) - len(own.span.lstrip())]
    return Elicited(own, lead + response.span.strip(), tuple(others))


def frame_probes(example: Example, what: Elicited) -> list[Probe]:
    """The spans in the example's own frame, then in those of the others.

    The candidates are the base's span, the response's where it is another, and the frame alone, whose log-probability
    is taken from theirs; of a frame that is empty nothing is.
    """
    places = [(example, what.own.frame), *what.others]
    return [
        Probe(
            example.id,
            WordingName("frame", number),
            place.prompt,
            tuple(Candidate(text, "base") for text in _texts(what, frame)),
            int(not _same(what)),
            place.template,
        )
        for number, (place, frame) in enumerate(places)
    ]


def _texts(what: Elicited, frame: str) -> list[str]:
    spans = [what.own.span] if _same(what) else [what.own.span, what.wanted]
    # where the answer comes at once it begins as the base's own answers do
    return [f"{frame}{span}" if frame else span for span in spans] + ([frame] if frame else [])


def _same(what: Elicited) -> bool:
    return normalised(what.own.span) == normalised(what.wanted)


def in_frame(scores: Sequence[Score], span: str) -> InFrame | None:
    """What the base makes of both spans in its own frame; None where it was not asked.

    Args:
        scores: Its scores of the wordings `frame`, the example's own first.
        span: Its own span.
    """
    if not scores:
        return None
    own = [after_frame(score, 0) for score in scores]
    wanted = [after_frame(score, score.right) for score in scores]
    return InFrame(span.strip(), _said(own), _said(wanted), scores[0].right == 0)


def after_frame(score: Score, index: int) -> tuple[float, int]:
    """Log-probability (nats) and tokens of a candidate without the frame before it."""
    frame = score.right + 1
    logprob, n = score.logprobs[index], score.n_tokens[index]
    if frame < len(score.logprobs):
        return logprob - score.logprobs[frame], n - score.n_tokens[frame]
    return logprob, n


def _said(told: Sequence[tuple[float, int]]) -> Said:
    (own, n), *others = told
    return Said(own, elsewhere=tuple(logprob for logprob, _ in others), n_tokens=max(1, n))
