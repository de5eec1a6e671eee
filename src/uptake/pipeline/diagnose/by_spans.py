"""The long responses of a diagnosis by their spans: what counts, what is learned, and how often that is chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import repeat
from statistics import fmean
from typing import Any

from uptake.artifacts import chunks
from uptake.detect.calibrate import NullKind
from uptake.detect.criteria import partly
from uptake.pipeline.asking.answers import Answer, Answers
from uptake.pipeline.asking.parts import LongResponse, after_another, decoding, in_both, long_response, texts_as_scored
from uptake.pipeline.diagnose.ask import together
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.examples.cohort import Cohort
from uptake.span_evidence import SpanShare
from uptake.spans import Common, JudgedSpans, SpanNull, SpanReading, judged
from uptake.stats import wilson
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
        null_shares: Of each null example in order, the share that is learned; None for a short one.
        null_options: Of each null example in order, whether the data bring its options.
        why: Whether a wrong span is told its cause.
    """

    common: Common
    null: SpanNull | None
    null_shares: tuple[float | None, ...] | None
    null_options: tuple[bool, ...] | None
    why: bool
    _cohorts: Mapping[str, Cohort]
    _before: Mapping[str, Answers]
    _after: Mapping[str, Answers]
    _models: Models

    @classmethod
    def of(
        cls,
        models: Models,
        cohorts: Mapping[str, Cohort],
        before: Mapping[str, Answers],
        after: Mapping[str, Answers],
        null_kind: NullKind | None,
        *,
        why: bool,
    ) -> BySpans | None:
        """Read all long responses once, and those of the null; None where no response is long.

        Args:
            models: The models that were asked.
            cohorts: The examples.
            before: What the base answered, empty without one.
            after: What the tuned model answered.
            null_kind: Whose answers are the null.
            why: Whether a wrong span is told its cause.
        """
        if not after["train"].has_long():
            return None
        tokenizer, common = models.tuned.tokenizer, Common()
        asked = together(cohorts["train"], before.get("train"), after["train"])
        for one in _long(asked, tokenizer):
            if one is not None:
                common.add(one[0].text, [reading.span for reading in one[0].readings])
        if null_kind is None:
            return cls(common, None, None, None, why, cohorts, before, after, models)
        if null_kind == "held_out":
            unseen = _long(together(cohorts["heldout"], before.get("heldout"), after["heldout"]), tokenizer)
        else:
            assert models.base is not None
            unseen = _long(together(cohorts["train"], None, before["train"]), models.base.tokenizer)
        null, shares = SpanNull(), list[float | None]()
        for one in unseen:
            counting = [] if one is None else _counting(one[0], common)
            null.add([reading for reading, _ in counting], [told for _, told in counting])
            recalled = sum(reading.recalled for reading, _ in counting)
            shares.append(recalled / len(counting) if counting else None)
        optioned = tuple(bool(one.options) for one in cohorts["heldout" if null_kind == "held_out" else "train"])
        return cls(common, null, tuple(shares), optioned, why, cohorts, before, after, models)

    def train(self) -> Iterator[SpanReport | None]:
        """The training examples in order; None for a short response."""
        asked = together(self._cohorts["train"], self._before.get("train"), self._after["train"])
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
        spans = [reading.span for reading in response.readings]
        counts = self.common.informative(response.text, spans, response.information)
        found = judged(
            response.text, response.readings, response.information, counts, answer.continued, self.null, both
        )
        interval = found.interval
        share = None if interval is None else SpanShare(found.n, found.learned, interval.low, interval.high)
        known = [one for one in found.spans if one.informative and one.learned is not None]
        read = bool(known) and all(one.base_logprob is not None for one in known)
        base_share = fmean(one.base_top is None for one in known) if read else None
        freely = response.freely(answer.continued, decode[0])
        return SpanReport(response.text, found, share, base_share, freely)


def _counting(response: LongResponse, common: Common) -> list[tuple[SpanReading, float | None]]:
    """The informative spans, with what each tells."""
    spans = [reading.span for reading in response.readings]
    counts = common.informative(response.text, spans, response.information)
    pairs = zip(response.readings, response.information, strict=True)
    return [pair for pair, own in zip(pairs, counts, strict=True) if own]


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
        self._n = self._learned = self._examples = self._partly = 0
        self._wrong: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()

    def __call__(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings as they are."""
        for finding in findings:
            if finding.spans is not None:
                self._examples += 1
                self._partly += partly(finding.learned_share)
                for span in finding.spans:
                    if span.informative and span.learned is not None:
                        self._n += 1
                        self._learned += span.learned
                        self._kinds[span.kind] += 1
                        self._wrong[span.kind] += not span.learned
            yield finding

    def summary(self) -> dict[str, Any] | None:
        """The key `spans` of the summary; None where no response is long."""
        if self._found is None:
            return None
        rate, null = wilson(self._learned, self._n), self._found.null
        by_chance = None if null is None else wilson(null.passed, null.n)
        return {
            "examples": self._examples,
            "partly": self._partly,
            "informative": self._n,
            "learned": {"count": self._learned if self._n else None, "rate": None if rate is None else asdict(rate)},
            "by_kind": {kind: {"n": n, "wrong": self._wrong[kind]} for kind, n in sorted(self._kinds.items())},
            "null": None if by_chance is None else asdict(by_chance),
        }
