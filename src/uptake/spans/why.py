"""Why one span was not learned, told by what both models find likeliest in its place.

The same questions as of whole answers (`uptake.causes`), asked of a part: did the base have it, is the base sure of
something else there, has training begun to teach it? What contradicts it in the data is told in `uptake.attribute`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from uptake.span_evidence import TokenReadings
from uptake.spans.reading import SpanReading

SURE = 0.95
"""Probability from which on the base is so sure of what it says instead that the tuned model need not say it too."""
KEPT_SURE = 0.55
"""The same where the tuned model still says the same thing: the belief outweighs what is taught."""
BEGUN = 0.65
"""Share of what the wrong spans of a response tell from which on they are on their way; half of what a base never met
is told by the form alone."""
RAISED = math.log(3)
"""Nats by which training has raised these at least, in the mean."""
KNOWS = 1 / 3
"""Share of the response's other spans that the base recalls at least where it has a belief about one: of what it never
met it says something as surely."""
OTHERS = 2
"""Other spans that such a share takes."""
TAUGHT = math.log(10)
"""Nats by which training has raised wrong spans from which on it has begun to teach them, where no share is known."""


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
class Pooled:
    """The wrong spans of a response that the base does not recall, taken together: a single one tells too little.

    Attributes:
        share: How much of what they tell the tuned model has; None where that is not known.
        raised: By how many nats training has raised them, in the mean; None without a base.
        n: How many spans the share is of.
    """

    share: float | None
    raised: float | None
    n: int = 0


def pooled(
    wrong: Sequence[SpanReading], information: Sequence[float | None], base: Sequence[SpanReading | None]
) -> Pooled:
    """Take wrong spans together. All arguments are parallel.

    Args:
        wrong: Under the tuned model.
        information: What each tells.
        base: Each under the base; None without one.
    """
    all_three = [each for each in zip(wrong, information, base, strict=True) if each[2] is None or not each[2].recalled]
    told = [(one.logprob, known) for one, known, _ in all_three if known]
    raised = [one.logprob - before.logprob for one, _, before in all_three if before is not None]
    surprise, total = (math.fsum(column) for column in zip(*told, strict=True)) if told else (0.0, 0.0)
    share = min(1.0, max(0.0, 1.0 + surprise / total)) if told else None
    return Pooled(share, fmean(raised) if raised else None, len(told))


@dataclass(frozen=True, slots=True)
class Places:
    """A span that was not learned, under all that was asked.

    Attributes:
        wanted: What the response says there.
        top: What the tuned model finds likeliest there.
        base: The span under the base; None without one.
        base_top: What that finds likeliest there; None where it is the span, or without a base.
        habit: What the base finds likeliest there after another example's prompt: what it says to anyone.
        pool: The response's wrong spans together.
        knows: Share of the response's other telling spans that the base recalls; None where they are too few.
        level: The share that as many spans that were never trained on exceed in 5 % of cases; None without a null.
        alike: Both models answer the question alike when they answer freely.
    """

    wanted: str
    top: Top | None
    base: SpanReading | None
    base_top: Top | None
    habit: Top | None
    pool: Pooled
    knows: float | None = None
    level: float | None = None
    alike: bool = False


def span_cause(places: Places) -> str | None:
    """The cause of a span that was not learned, by the first of these that holds; None where nothing tells.

    1. `forgetting`: each of its tokens is the base's arg-max. Where both models answer the question alike, none:
       neither comes to say it.
    2. `base_conflict`: the base is sure of something else there, and recalls some of the response's other spans. Where
       these are too few to tell, it does not say the same after another example's prompt. (Where it knows the response,
       it may know it again by its own words after any prompt.)
    3. `undertraining`: the tuned model has most of what the response's wrong spans tell, more than it has of nearly
       all that was never trained on, and more than the base; where that is not known, they are ten times as probable.
    4. `knowledge_gap`: neither; it takes a base to tell.
    """
    base, instead = places.base, places.base_top
    if base is not None and base.recalled:
        return None if places.alike else "forgetting"
    # a beginning of the span, or white space, is nothing else
    if instead is not None and not places.wanted.startswith(instead.text.strip()) and _has_met(places, instead):
        kept = places.top is not None and places.top.text == instead.text
        if instead.p >= (KEPT_SURE if kept else SURE):
            return "base_conflict"
    share, raised = places.pool.share, places.pool.raised
    if share is not None:
        taught = (raised is None or raised >= RAISED) and share >= max(BEGUN, places.level or 0.0)
    else:
        taught = raised is not None and raised >= TAUGHT
    if taught:
        return "undertraining"
    return None if base is None else "knowledge_gap"


def _has_met(places: Places, instead: Top) -> bool:
    if places.knows is None:
        return places.habit is None or places.habit.text != instead.text
    return places.knows >= KNOWS
