"""What is known of a long response token by token and span by span: the column `spans` of a diagnosis, as records.

Units are those of `uptake.types`. What does not apply or is not known is None.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenReadings:
    """A response token by token, under one model. All are of one length.

    Attributes:
        logprobs: Log-probability of each token, in nats.
        recalled: Whether each is the arg-max.
        ends: For each the character of the response after its last one; those before the response end at 0.
        best: The id of the arg-max; -1 where it is the token itself.
        best_logprobs: Log-probability of the arg-max, in nats.
    """

    logprobs: tuple[float, ...]
    recalled: tuple[bool, ...]
    ends: tuple[int, ...]
    best: tuple[int, ...]
    best_logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SpanEvidence:
    """A span of a long response, under the tuned model.

    Attributes:
        start: Its first character in the response as it is scored.
        end: The character after its last one.
        kind: What it is; see `uptake.spans.SpanKind`.
        information: What it tells that the response alone does not, in nats: its surprise after another example's
            prompt. None where that was not asked.
        informative: It counts: it tells enough, other responses do not say it too, and it is no reasoning.
        learned: It is; None where that is not known: the model went wrong before, and its own words end before it.
        logprob: Its log-probability, in nats.
        said_instead: What the tuned model says there instead; None where it was not asked.
        top: What the tuned model finds likeliest there after the response's own words: the span as far as the two
            agree, then one token; None where it is the span itself.
        p_top: Probability of that token.
        base_logprob: The span's log-probability under the base, in nats; None without a base.
        base_top: As `top`, of the base.
        p_base_top: As `p_top`, of the base.
        cause: Why it was not learned; None where it was, where it does not count, and where nothing tells.
    """

    start: int
    end: int
    kind: str
    information: float | None
    informative: bool
    learned: bool | None
    logprob: float
    said_instead: str | None = None
    top: str | None = None
    p_top: float | None = None
    base_logprob: float | None = None
    base_top: str | None = None
    p_base_top: float | None = None
    cause: str | None = None

    @property
    def wrong(self) -> bool:
        """It counts, and was not learned."""
        return self.informative and self.learned is False


@dataclass(frozen=True, slots=True)
class SpanShare:
    """How much of what a long response tells is learned.

    Attributes:
        n: Its informative spans, 1 or more.
        learned: Those that are learned.
        low: Lower end of the 95 % interval of the share, as if the spans were drawn from all that could be told.
        high: Its upper end.
    """

    n: int
    learned: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Share of the informative spans that are learned."""
        return self.learned / self.n
