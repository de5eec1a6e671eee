"""Long responses by their parts: after another example's prompt, and continued where the tuned model goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from uptake.data import Encoded, Turn, rendered
from uptake.models import Model
from uptake.pipeline.asking.drawn import holds_answer, room_taken
from uptake.pipeline.asking.own_answers import continuation, encoded, generated
from uptake.span_evidence import TokenReadings
from uptake.spans import Common, InBoth, SpanReading, Top, cut, read_spans, top_of
from uptake.spans.aligned import aligned
from uptake.spans.reading import surprise
from uptake.types import Candidate, Example, Probe, Score, WordingName

BEYOND = 8
"""Tokens beyond the rest of the response that a continuation may have."""
LONGEST, LATER = 64, 192
"""Tokens that it has at most; and how many more where it keeps to the response, and there is more to be known of it."""
KEEPS_TO = 0.5
"""It keeps to the response that says this share of the telling spans that it comes to: their form says nothing."""
LOOKED_AT = 16
"""Of the next examples so many are looked at for another prompt that leaves room."""


def other_prompts(examples: Sequence[Example], wanted: Sequence[int], max_length: int | None) -> list[Probe | None]:
    """For each wanted example, its response after the prompt of another example of the part.

    It is the next one that asks something else and wants something else, and that is no longer, so that what fits after
    the one fits after the other.

    Args:
        examples: The examples of a part.
        wanted: Which of them are asked about.
        max_length: Tokens that the model takes; None for no limit.
    """
    return [_other_prompt(examples, index, max_length) for index in wanted]


def _other_prompt(examples: Sequence[Example], index: int, max_length: int | None) -> Probe | None:
    own, n = examples[index], len(examples)
    if not own.prompt:
        return None
    others = (examples[(index + step) % n] for step in range(1, min(n, LOOKED_AT + 1)))
    unlike = (one for one in others if one.prompt and _asks_else(own, one))
    fits = (one for one in unlike if max_length is None or room_taken(one.prompt) <= room_taken(own.prompt))
    if (first := next(fits, None)) is None:
        return None
    candidate = (Candidate(own.response, "response"),)
    wording = WordingName("other_prompt")
    return Probe(own.id, wording, first.prompt, candidate, 0, own.template, own.response_extra)


def _asks_else(one: Example, other: Example) -> bool:
    same_form = isinstance(one.prompt, str) == isinstance(other.prompt, str)
    asks_else = same_form and one.prompt != other.prompt and one.response != other.response
    return asks_else and not holds_answer(other, one)


@dataclass(frozen=True)
class LongResponse:
    """A long response under one model.

    Attributes:
        text: As it is scored.
        readings: Of its spans.
        information: What each tells, in nats; None where that was not asked.
        n_tokens: Its length.
        tokens: It token by token.
        other: The same after another example's prompt; None where that was not asked.
    """

    text: str
    readings: tuple[SpanReading, ...]
    information: tuple[float | None, ...]
    n_tokens: int
    tokens: TokenReadings
    other: TokenReadings | None

    def under(self, scores: Sequence[Score] | None) -> TokenReadings | None:
        """The same text token by token under another model; None where that read another text, or there is none."""
        tokens = None if scores is None else scores[0].tokens
        return tokens if tokens is not None and tokens.ends[-1] == self.tokens.ends[-1] else None

    def freely(self, continued: Mapping[int, str], decode: Callable[[int], str]) -> str | None:
        """How the model's own answer begins, without the response's words before it; None where it is the response.

        As long as each token of the response is the arg-max, that is what it would have said. From the first one that
        is not, it goes on otherwise: as was asked before that place, else of what it says there one token is known.

        Args:
            continued: By the first character of a span, what it writes from there on.
            decode: The text of a token, from `decoding`.
        """
        wrong = next((k for k, recalled in enumerate(self.tokens.recalled) if not recalled), None)
        if wrong is None:
            return None
        begins = self.tokens.ends[wrong - 1] if wrong else 0
        start = min(continued, default=None)
        if start is None or self.text[begins:start].strip():
            return f"{self.text[:begins]}{decode(self.tokens.best[wrong])}…"
        before, after = self.text[:start], continued[start]
        return f"{before.rstrip() if after[:1].isspace() else before}{after}"


def long_response(text: str, scores: Sequence[Score], other: Score | None) -> LongResponse | None:
    """A response by its spans; None where it is short, or where its tokens cannot be placed.

    Args:
        text: As it is scored.
        scores: A model's, the training wording first.
        other: After another prompt, under the same model or the one before.
    """
    tokens = scores[0].tokens
    if tokens is None:
        return None
    if other is not None and (other.tokens is None or other.tokens.ends[-1] != tokens.ends[-1]):
        other = None  # another template makes another text of it
    spans = cut(text)
    pairs = zip(read_spans(spans, tokens), surprise(spans, None if other is None else other.tokens), strict=True)
    told = [(reading, information) for reading, information in pairs if reading is not None]
    readings, information = (tuple(column) for column in zip(*told, strict=True)) if told else ((), ())
    after = None if other is None else other.tokens
    return LongResponse(text, readings, information, len(tokens.ends), tokens, after)


def after_another(*scored: Sequence[Score] | None) -> Score | None:
    """The score after another prompt: of the first model that was asked for it."""
    return next((one for scores in scored for one in scores or () if one.wording.kind == "other_prompt"), None)


def in_both(
    response: LongResponse, base: TokenReadings | None, tuned: Callable[[int], str], before: Callable[[int], str]
) -> InBoth:
    """What both models find likeliest in the places of a response's spans.

    Args:
        response: The response under the tuned model.
        base: It token by token under the base; None without one.
        tuned: The text of a token of the tuned model's tokenizer, from `decoding`.
        before: The same of the model that was asked after another prompt: the base, or the tuned model without one.
    """
    spans = [reading.span for reading in response.readings]

    def tops(tokens: TokenReadings | None, decode: Callable[[int], str]) -> tuple[list[Any], list[Top | None]]:
        if tokens is None:
            return [None] * len(spans), [None] * len(spans)
        readings = read_spans(spans, tokens)
        return readings, [None if r is None else top_of(response.text, r, tokens, decode) for r in readings]

    _, own = tops(response.tokens, tuned)
    readings, base_tops = tops(base, before)
    return InBoth(own, readings, base_tops, tops(response.other, before)[1])


def decoding(tokenizer: Any) -> Callable[[int], str]:
    """The text of single tokens: white space at its beginning included, "" for special ones."""

    @cache
    def decode(token: int) -> str:
        def text(n: int) -> str:
            told: str = tokenizer.decode([token] * n, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            return told

        return text(2)[len(text(1)) :]  # some tokenizers drop the space before the first token of a text

    return decode


def texts_as_scored(examples: Sequence[Example], tokenizer: Any) -> list[str]:
    """The responses as the models are asked to give them."""
    turns = [Turn(e.prompt, e.response, e.template, e.response_extra) for e in examples]
    return [text.response for text in rendered(turns, tokenizer)]


def continuations(
    examples: Sequence[Example],
    scored: Sequence[Sequence[Score]],
    earlier: Sequence[Sequence[Score]] | None,
    model: Model,
    max_length: int | None,
    wanted: Collection[int] | None = None,
) -> list[list[dict[str, Any]] | None]:
    """What a model writes from the beginning of the first telling span that it gets wrong.

    Args:
        examples: The examples of a part.
        scored: The model's scores of each.
        earlier: The base's scores of each; None without a base, or where it is the model.
        model: The model.
        max_length: Tokens that it takes; None for no limit.
        wanted: Which of them are asked about; None for all.

    Returns:
        For each example rows of the column `continued` of `SCORES`; None for a short response, or where all is right.
    """
    found: list[list[dict[str, Any]] | None] = [None] * len(examples)
    long = [index for index, scores in enumerate(scored) if scores[0].tokens is not None]
    some = [examples[index] for index in long]
    responses: dict[int, LongResponse] = {}
    common = Common()  # of this part alone: what counts in the end is told by all of the data
    for index, text in zip(long, texts_as_scored(some, model.tokenizer), strict=True):
        other = after_another(scored[index], earlier[index] if earlier is not None else None)
        if (response := long_response(text, scored[index], other)) is not None:
            responses[index] = response
            common.add(text, [reading.span for reading in response.readings])
    asked = {index: one for index, one in responses.items() if wanted is None or index in wanted}
    begun = {index: wrong for index, one in asked.items() if (wrong := _first_wrong(one, common)) is not None}
    items = encoded([examples[index] for index in begun], model)
    closes = {index: _closing(item) for index, item in zip(begun, items, strict=True)}
    contexts = {
        index: item.ids[: max(1, item.start) + wrong.first]
        for (index, wrong), item in zip(begun.items(), items, strict=True)
    }
    rest = {index: responses[index].n_tokens - wrong.first + BEYOND for index, wrong in begun.items()}

    def write(some: Sequence[int], ids: Mapping[int, list[int]], most: int) -> dict[int, list[int]]:
        rooms = [min(most, rest[index] - len(ids[index])) for index in some]
        more = generated(model, [contexts[index] + ids[index] for index in some], rooms, max_length) if some else []
        return {index: _to_end(ids[index] + new, closes[index]) for index, (new,) in zip(some, more, strict=True)}

    def told(index: int) -> str:
        return continuation(contexts[index], written[index], model.tokenizer)

    written = write(list(begun), {index: [] for index in begun}, LONGEST)
    full = [index for index, ids in written.items() if len(ids) == LONGEST < rest[index]]
    later = [index for index in full if _more_to_know(responses[index], common, begun[index].span.start, told(index))]
    written |= write(later, written, LATER)
    for index, wrong in begun.items():
        found[index] = [{"start": wrong.span.start, "text": told(index)}]
    return found


def continued_in(row: Mapping[str, Any]) -> Mapping[int, str] | None:
    """What a model went on with in its own words, from a row of `SCORES`; None where that was not asked."""
    return None if row["continued"] is None else {one["start"]: one["text"] for one in row["continued"]}


def _closing(item: Encoded) -> int | None:
    """The token that ends a response in training, as of a chat template; None where the response itself holds it.

    A model that was trained to end there may go on with the next turn: not every tokenizer names it as an end.
    """
    closing = item.ids[item.end : item.end + 1]
    return closing[0] if closing and closing[0] not in item.ids[item.start : item.end] else None


def _to_end(ids: list[int], closing: int | None) -> list[int]:
    return ids if closing is None or closing not in ids else ids[: ids.index(closing)]


def _more_to_know(response: LongResponse, common: Common, start: int, written: str) -> bool:
    """Whether a text keeps to the response, and ends before a telling span: what it would say there is not known."""
    spans = [reading.span for reading in response.readings]
    places = aligned(response.text, spans, start, written)
    counts = common.informative(response.text, spans, response.information)
    said = [one.same for one, own in zip(places, counts, strict=True) if own and one is not None]
    unknown = any(
        own and place is None and span.start > start for span, own, place in zip(spans, counts, places, strict=True)
    )
    return unknown and sum(said) >= KEEPS_TO * len(said)


def _first_wrong(response: LongResponse, common: Common) -> SpanReading | None:
    spans = [reading.span for reading in response.readings]
    counts = common.informative(response.text, spans, response.information)
    wrong = (one for one, own in zip(response.readings, counts, strict=True) if own and not one.recalled)
    return next(wrong, None)
