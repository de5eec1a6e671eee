"""The long responses of a diagnosis by their spans: what counts, what is learned, and how often that is chance."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import repeat
from statistics import fmean
from typing import Any

import numpy as np

from uptake.artifacts import chunks
from uptake.detect.calibrate import NullBySpans
from uptake.detect.criteria import partly
from uptake.pipeline.asking.answers import Answer, Answers
from uptake.pipeline.asking.null_words import null_words
from uptake.pipeline.asking.parts import LongResponse, after_another, decoding, in_both, long_response, texts_as_scored
from uptake.pipeline.diagnose.ask import AllAnswers, Null, together
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.examples.cohort import Cohort
from uptake.span_evidence import SpanShare
from uptake.spans import Common, InBoth, JudgedSpans, SpanNull, judged
from uptake.stats import clustered_share
from uptake.types import Example, Finding

Decode = Callable[[int], str]

AT_ONCE = 256
"""Examples that are rendered at once."""
LongAnswer = tuple[LongResponse, Answer | None, Answer] | None


@dataclass(frozen=True)
class SpanReport:
    """The spans of one example, and their share as evidence.

    Attributes:
        text: The response as it is scored, in which they stand: a chat template may put a space before it.
        judged: The spans.
        share: Of the informative ones; None where there is none.
        base_share: Share of these that the base recalls; None without a base, or where there is none.
        freely: How the tuned model's own answer begins; None where it is the response.
    """

    text: str
    judged: JudgedSpans
    share: SpanShare | None
    base_share: float | None
    freely: str | None = None

    def on(self, finding: Finding) -> Finding:
        """The finding with the spans."""
        return replace(finding, spans=self.judged.spans, scored=None if self.text == finding.response else self.text)


@dataclass(frozen=True)
class BySpans:
    """What settles how long responses are judged by their spans.

    Attributes:
        common: What the responses of the data have in common.
        null: Spans that were never trained on; None without them.
        null_examples: What is known of each null example in order; None without them.
        null_shares: Learned and known spans of each null example that was asked all that training examples are.
        why: Whether a wrong span is told its cause.
    """

    common: Common
    null: SpanNull | None
    null_examples: tuple[NullBySpans, ...] | None
    null_shares: tuple[tuple[int, int], ...]
    why: bool
    _cohort: Cohort
    _before: Answers | None
    _after: Answers
    _models: Models

    @classmethod
    def of(cls, models: Models, cohort: Cohort, asked: AllAnswers, *, why: bool) -> BySpans | None:
        """Read all long responses once, and those of the null; None where no response is long.

        Args:
            models: The models that were asked.
            cohort: The training examples.
            asked: What they answered.
            why: Whether a wrong span is told its cause.
        """
        before, after = asked.before.get("train"), asked.after["train"]
        if not after.has_long():
            return None
        common = Common()
        for one in _long(together(cohort, before, after), models.tuned.tokenizer):
            if one is not None:
                common.add(one[0].text, [reading.span for reading in one[0].readings])
        if asked.null is None:
            return cls(common, None, None, (), why, cohort, before, after, models)
        model = models.tuned if asked.null.kind == "held_out" else models.base
        assert model is not None
        null, examples, shares = _unseen(asked.null, common, model.tokenizer)
        return cls(common, null, examples, shares, why, cohort, before, after, models)

    def train(self) -> Iterator[SpanReport | None]:
        """The training examples in order; None for a short response."""
        asked = together(self._cohort, self._before, self._after)
        tuned = decoding(self._models.tuned.tokenizer)
        decode = tuned, tuned if self._models.base is None else decoding(self._models.base.tokenizer)
        for one in _long(asked, self._models.tuned.tokenizer):
            yield None if one is None else self._report(*one, decode)

    def _report(
        self, response: LongResponse, earlier: Answer | None, answer: Answer, decode: tuple[Decode, Decode]
    ) -> SpanReport:
        base = response.under(None if earlier is None else earlier.scores)
        alike = earlier is not None and earlier.alike(answer)
        both = replace(in_both(response, base, *decode), why=self.why, alike=alike)
        found = _judged(response, self.common, answer.continued, self.null, both)
        interval = found.interval
        share = None if interval is None else SpanShare(found.told, found.learned, interval.low, interval.high)
        known = [one for one in found.spans if one.informative and one.learned is not None]
        read = bool(known) and all(one.base_logprob is not None for one in known)
        base_share = fmean(one.base_top is None for one in known) if read else None
        freely = response.freely(answer.continued, decode[0])
        return SpanReport(response.text, found, share, base_share, freely)


def _judged(
    response: LongResponse, common: Common, own: Mapping[int, str], null: SpanNull | None, both: InBoth | None = None
) -> JudgedSpans:
    """The spans of a response, of training and of the null alike."""
    counts = _counts(response, common)
    return judged(response.text, response.readings, response.information, counts, own, null, both)


def _counts(response: LongResponse, common: Common) -> list[bool]:
    """Which spans are informative."""
    spans = [reading.span for reading in response.readings]
    return common.informative(response.text, spans, response.information)


def _unseen(
    asked: Null, common: Common, tokenizer: Any
) -> tuple[SpanNull, tuple[NullBySpans, ...], tuple[tuple[int, int], ...]]:
    """The spans of the null, and its examples: these are judged when all that they are held against is there."""
    null, own_options = SpanNull(), [bool(one.options) for one in asked.cohort]
    shares: list[float | None] = [None] * len(own_options)
    went_on: dict[int, tuple[LongResponse, Mapping[int, str]]] = {}
    each = _long(together(asked.cohort, asked.earlier, asked.answers), tokenizer)
    words = repeat(None) if asked.own_words is None else null_words(asked.own_words)
    for index, (one, own) in enumerate(zip(each, words, strict=False)):
        if one is None:
            continue
        pairs = zip(one[0].readings, one[0].information, _counts(one[0], common), strict=True)
        counting = [(reading, told) for reading, told, counts in pairs if counts]
        null.add([reading for reading, _ in counting], [told for _, told in counting])
        if own is not None:
            went_on[index] = one[0], own
        elif counting:
            shares[index] = fmean(reading.recalled for reading, _ in counting)
    known = {index: _judged(response, common, own, null) for index, (response, own) in went_on.items()}
    shares = [known[index].share if index in known else share for index, share in enumerate(shares)]
    told = zip(shares, own_options, strict=True)
    examples = tuple(NullBySpans(share, own, index in known) for index, (share, own) in enumerate(told))
    return null, examples, tuple((one.learned, one.n) for one in known.values())


def _long(asked: Iterable[tuple[Example, Answer | None, Answer]], tokenizer: Any) -> Iterator[LongAnswer]:
    """Each example's response by its spans, with the tuned model's answer; None for a short one."""
    for some in chunks(asked, AT_ONCE):
        long = [(example, answer) for example, _, answer in some if answer.scores[0].tokens is not None]
        texts = iter(texts_as_scored([example for example, _ in long], tokenizer))
        for _, earlier, answer in some:
            if answer.scores[0].tokens is None:
                yield None
                continue
            other = after_another(answer.scores, None if earlier is None else earlier.scores)
            response = long_response(next(texts), answer.scores, other)
            yield None if response is None else (response, earlier, answer)


def shares_of(found: BySpans | None) -> Iterator[SpanReport | None]:
    """The training examples' reports; None for all where no response is long."""
    return repeat(None) if found is None else found.train()


class SpanTally:
    """Findings on their way, counted by their spans."""

    def __init__(self, found: BySpans | None) -> None:
        self._found = found
        self._examples = self._partly = self._unknown = 0
        self._learned, self._known = array("i"), array("i")
        self._wrong: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()

    def __call__(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings as they are."""
        for finding in findings:
            if finding.spans is not None:
                self._examples += 1
                self._partly += partly(finding.learned_share)
                informative = [span for span in finding.spans if span.informative]
                known = [span for span in informative if span.learned is not None]
                self._unknown += len(informative) - len(known)
                self._learned.append(sum(span.learned is True for span in known))
                self._known.append(len(known))
                self._kinds.update(span.kind for span in known)
                self._wrong.update(span.kind for span in known if not span.learned)
            yield finding

    def summary(self) -> dict[str, Any] | None:
        """The key `spans` of the summary; None where no response is long."""
        if self._found is None:
            return None
        learned, n = np.array(self._learned), np.array(self._known)
        rate = clustered_share(learned, n)
        passed = np.array(self._found.null_shares, dtype=int).reshape(-1, 2)
        by_chance = clustered_share(passed[:, 0], passed[:, 1])
        return {
            "examples": self._examples,
            "partly": self._partly,
            "informative": int(n.sum()),
            "unknown": self._unknown,
            "learned": {
                "count": None if rate is None else int(learned.sum()),
                "rate": None if rate is None else asdict(rate),
            },
            "by_kind": {kind: {"n": n, "wrong": self._wrong[kind]} for kind, n in sorted(self._kinds.items())},
            "null": None if by_chance is None else asdict(by_chance),
        }
