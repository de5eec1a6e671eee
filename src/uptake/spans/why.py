"""Why one span was not learned, told by what both models find likeliest in its place.

The same questions as of whole answers (`uptake.causes`), asked of a part: did the base have it, is the base sure of
something else there, has training begun to teach it? What contradicts it in the data is told in `uptake.attribute`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from uptake.span_evidence import TokenReadings
from uptake.spans.reading import SpanReading

SURE = 0.5
"""Probability from which on the base is sure of what it says instead."""
KEPT_SURE = 0.2
"""The same where the tuned model still says the same thing: two models that agree need less."""
BEGUN = 0.3
"""Share of what a span tells from which on it has begun to be learned."""
RAISED = math.log(3)
"""Nats by which training has raised a span at least that has begun to be learned."""
KNOWS = 1 / 3
"""Share of the response's other spans that the base recalls at least where it has a belief about one: of what it never
met it says something as surely."""
OTHERS = 2
"""Other spans that such a share takes."""
TAUGHT = math.log(10)
"""Nats by which training has raised a span from which on it has, where that share is not known."""


@dataclass(frozen=True, slots=True)
class Top:
    """What a model finds likeliest in the place of a span.

    Attributes:
        text: The span as far as the model agrees with it, then the model's own token; "" where it would end there.
        p: Probability of that token.
    """

    text: str
    p: float


def top_of(text: str, reading: SpanReading, tokens: TokenReadings, decode: Callable[[int], str]) -> Top | None:
    """What a model finds likeliest in the place of a span; None where it is the span.

    Args:
        text: The response.
        reading: The span under the model.
        tokens: The response under it.
        decode: The text of a token of its tokenizer, with its white space.
    """
    if reading.wrong is None:
        return None
    begins = tokens.ends[reading.wrong - 1] if reading.wrong else 0
    said = text[reading.span.start : max(reading.span.start, begins)] + decode(tokens.best[reading.wrong])
    return Top(said.strip() or said, min(1.0, math.exp(tokens.best_logprobs[reading.wrong])))


@dataclass(frozen=True, slots=True)
class Places:
    """A span that was not learned, under all that was asked.

    Attributes:
        tuned: Under the tuned model.
        top: What that finds likeliest there.
        base: Under the base; None without one.
        base_top: What that finds likeliest there; None where it is the span, or without a base.
        habit: What the base finds likeliest there after another example's prompt: what it says to anyone.
        share: How much of what the span tells the tuned model has; None where that is not known.
        knows: Share of the response's other telling spans that the base recalls; None where they are too few.
        level: The share that 5 % of the spans that were never trained on exceed; None without a null.
        alike: Both models answer the question alike when they answer freely.
    """

    tuned: SpanReading
    top: Top | None
    base: SpanReading | None
    base_top: Top | None
    habit: Top | None
    share: float | None = None
    knows: float | None = None
    level: float | None = None
    alike: bool = False


def span_cause(places: Places) -> str | None:
    """The cause of a span that was not learned, by the first of these that holds; None where nothing tells.

    1. `forgetting`: each of its tokens is the base's arg-max. Where both models answer the question alike, none:
       neither comes to say it.
    2. `base_conflict`: the base is sure of something else there, which it does not say after another example's prompt,
       and it recalls some of the response's other spans.
    3. `undertraining`: the tuned model has a part of what the span tells, more than of 95 % of the spans that were
       never trained on, and more than the base; where that is not known, the span is ten times as probable as under it.
    4. `knowledge_gap`: neither; it takes a base to tell.
    """
    base, instead = places.base, places.base_top
    if base is not None and base.recalled:
        return None if places.alike else "forgetting"
    met = places.knows is None or places.knows >= KNOWS
    if instead is not None and met and not (places.habit is not None and places.habit.text == instead.text):
        kept = places.top is not None and places.top.text == instead.text
        if instead.p >= (KEPT_SURE if kept else SURE):
            return "base_conflict"
    raised = math.inf if base is None else places.tuned.logprob - base.logprob
    if places.share is not None:
        taught = raised >= RAISED and places.share >= max(BEGUN, places.level or 0.0)
    else:
        taught = base is not None and raised >= TAUGHT
    if taught:
        return "undertraining"
    return None if base is None else "knowledge_gap"
