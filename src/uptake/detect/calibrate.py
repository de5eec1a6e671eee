"""First pass over the scores: settle the rule, and learn what never having been trained looks like.

The null is the tuned model's scores of held-out examples that it was never trained on; without them, the base model's
scores of the training examples themselves. That second null is a makeshift. The base was never taught the format, so
against it even an example whose fact was not learned looks better than unseen; and what the base knew before counts as
chance. It says how often the criterion would have passed before training, and not much more.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from uptake.detect.criteria import CRITERIA, Rule, Settings, criterion_for, plain_rule
from uptake.detect.reading import read
from uptake.stats import Interval, conformal_pi0, wilson
from uptake.types import Score

NullKind: TypeAlias = Literal["held_out", "base"]

ByLength: TypeAlias = Mapping[int | None, Float[np.ndarray, " _"]]
"""Ascending values by length class of the response, ⌊log2(tokens)⌋; None holds those of every length."""

MIN_NULL = 50
"""Null examples that a comparison needs: p-values then come in steps of 2 %."""

OPTION_THRESHOLD = 0.5
"""Probability among the candidates that counts as learned, unless a lower one is shown to do: the response then
outweighs all of the others together. More is never asked, however many answers the null knows: an example that was
learned cannot do better than be preferred."""


@dataclass(frozen=True, slots=True)
class NullBySpans:
    """What is known of a null example by its spans.

    Attributes:
        share: Share of its informative spans that are learned, by the rule of training examples; None for a short one.
        own_options: The data bring its options, as `criterion_for` is told of the examples that are judged.
        asked: The model was asked to go on in its own words where it goes wrong, as of training examples. Without that
            it is not known whether it passes by its spans.
    """

    share: float | None
    own_options: bool = False
    asked: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class NullSample:
    """Log-probability per token (nats) of the null examples.

    Attributes:
        values: All of them.
        failed: Those that are known to fail the criterion.
    """

    values: ByLength
    failed: ByLength

    def p_unseen(self, logprob_per_token: float, n_tokens: int) -> float | None:
        """Probability that a never-trained example of like length scores as high: a conformal p-value.

        Log-probability per token depends on length (a name's first token is its hardest), so the comparison stays
        within the length class (Mondrian conformal prediction, Vovk et al. 2005), and takes all lengths where
        fewer than 50 null examples are of that class. None when there are fewer than 50 in all.
        """
        null = _matching(self.values, length_class(n_tokens))
        if null is None:
            return None
        # the conformal p-value (see `conformal_pi0`), without sorting the null again for every example
        return (1 + len(null) - int(np.searchsorted(null, logprob_per_token, side="left"))) / (len(null) + 1)

    def moved(self, flagged: Mapping[int, Float[np.ndarray, " _"]], *, seed: int) -> tuple[Interval | None, str | None]:
        """Share of the flagged examples that score higher than never having been trained explains: 1 − π₀.

        On these training left a trace, though too little of one.

        A flagged example is compared with the null examples that fail the criterion too: those that pass are missing
        from both sides. (Against the whole null, high scores would be missing from the flagged only, and the share
        would come out too small.) π₀ is Storey's, so in expectation this is a lower bound: it misses twice the share
        of those that were taught and still score in the lower half of the null, and its interval is that of the bound.
        It presumes that null and training examples are equally hard.

        Args:
            flagged: Log-probability per token (nats) of the flagged examples by length class.
            seed: Seed of the bootstrap.

        Returns:
            The share with its interval; or None and the reason.
        """
        strata: dict[int | None, list[Float[np.ndarray, " _"]]] = {}
        for length in sorted(flagged):
            own = len(self.failed.get(length, ())) >= MIN_NULL
            strata.setdefault(length if own else None, []).append(flagged[length])
        pairs = [(np.concatenate(values), self.failed[key]) for key, values in strata.items()]
        if any(len(null) < MIN_NULL for _, null in pairs):
            return None, f"only {len(self.failed[None])} of them fail as well, {MIN_NULL} are needed"
        pi0 = conformal_pi0(pairs, seed=seed)
        if pi0 is None:
            return None, "no example is flagged"
        return Interval(1 - pi0.estimate, 1 - pi0.high, 1 - pi0.low, pi0.n), None


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What the first pass settled.

    Attributes:
        rule: What the criteria ask for.
        end_reason: Why the end of a response counts or does not.
        threshold_reason: Where the option threshold comes from.
        null_option: The (1 − α) quantile of `p_option` among held-out examples, the level that at most α of the
            never-trained reach; None where no null can tell.
        null_kind: `held_out`, `base`, or None when there is no null.
        null_pass: How often a null example passes the criterion, of those where that is known; None when there is none.
        null: The null sample; None when there is none.
    """

    rule: Rule
    end_reason: str
    threshold_reason: str
    null_kind: NullKind | None
    null_pass: Interval | None
    null: NullSample | None
    null_option: float | None = None


def calibrate(
    tuned: Iterable[Sequence[Score]],
    null: Iterable[Sequence[Score]] | None,
    null_kind: NullKind | None,
    settings: Settings,
    given: Rule | None = None,
    by_spans: Iterable[NullBySpans] | None = None,
) -> Calibration:
    """Settle the rule in one pass over the tuned model's scores and one over the null's; memory: some bytes an example.

    Args:
        tuned: The tuned model's scores of each training example, all wordings of an example together.
        null: The same of the null examples; None when there are none.
        null_kind: Whose they are: the tuned model's of held-out examples, or the base's of the training examples.
        settings: How to detect.
        given: The rule of another diagnosis, which this one is to be compared with; None settles one.
        by_spans: What is known of each null example by its spans; None where none was read so.

    Raises:
        UptakeError: An example lacks its training wording, or a log-probability is not a number.
        ValueError: Scores of a null without its kind.
    """
    if null is not None and null_kind is None:
        raise ValueError("null scores need their kind: 'held_out' or 'base'")
    end, end_reason = _settle_end(tuned, settings) if given is None else (given.end, _taken_over(given.end))
    rule = Rule(end=end, option_threshold=0.0, pass_threshold=settings.pass_threshold)
    lengths, values, options, passed, known = array("i"), array("d"), array("d"), array("b"), array("b")
    # the base was not taught the end: asking it for one would only hide what it knew
    null_rule = rule if null_kind == "held_out" else plain_rule(settings)
    beside = repeat(NullBySpans(None)) if by_spans is None else by_spans
    for scores, own in zip(null or (), beside, strict=False):
        reading = replace(read(scores, settings.normalisation), learned_share=own.share)
        name, _ = criterion_for(reading, settings, own_options=own.own_options)
        lengths.append(length_class(reading.n_tokens))
        values.append(reading.logprob_per_token)
        options.append(reading.p_option if name == "option" and reading.p_option is not None else math.nan)
        passed.append(CRITERIA[name](reading, null_rule))
        known.append(own.asked or name != "spans")
    p_option = np.array(options, dtype=float)
    quantile, threshold_reason = _null_quantile(p_option[~np.isnan(p_option)], null_kind, settings.alpha)
    threshold = OPTION_THRESHOLD if quantile is None else min(quantile, OPTION_THRESHOLD)
    rule = Rule(end=end, option_threshold=threshold, pass_threshold=settings.pass_threshold)
    if given is not None:
        rule, threshold, threshold_reason = given, given.option_threshold, _AS_BEFORE
    if not values:
        return Calibration(rule, end_reason, "default: there is no null", None, None, None)
    passes = np.array(passed, dtype=bool) & ~(p_option < threshold)
    length, value = np.array(lengths), np.array(values, dtype=float)
    told = np.array(known, dtype=bool)
    sample = NullSample(by_length(length, value), by_length(length[~passes & told], value[~passes & told]))
    null_pass = wilson(int((passes & told).sum()), int(told.sum()))
    return Calibration(rule, end_reason, threshold_reason, null_kind, null_pass, sample, quantile)


_AS_BEFORE = "that of the diagnosis that this one is compared with"


def _taken_over(counts: bool) -> str:
    return f"{'counts' if counts else 'does not count'}: so it was in the diagnosis that this one is compared with"


def length_class(n_tokens: int) -> int:
    """⌊log2(tokens)⌋: responses of one class differ in length by less than a factor of two."""
    return n_tokens.bit_length() - 1


def by_length(length: Int[np.ndarray, " n"], value: Float[np.ndarray, " n"]) -> ByLength:
    """Sort values into their length classes."""
    keys: list[int | None] = [int(key) for key in np.unique(length)]
    return {None: np.sort(value)} | {key: np.sort(value[length == key]) for key in keys}


def _matching(groups: ByLength, length: int) -> Float[np.ndarray, " _"] | None:
    own = groups.get(length)
    if own is not None and len(own) >= MIN_NULL:
        return own
    return groups[None] if len(groups[None]) >= MIN_NULL else None


def _settle_end(tuned: Iterable[Sequence[Score]], settings: Settings) -> tuple[bool, str]:
    """Does the end count? `auto`: iff at least half of the recalled responses are ended by the tuned model."""
    if settings.response_end != "auto":
        counts = settings.response_end == "include"
        return counts, f"{'counts' if counts else 'does not count'}: response_end is {settings.response_end}"
    recalled = ended = 0
    for scores in tuned:
        reading = read(scores)
        if reading.recalled and reading.end_recalled is not None:
            recalled += 1
            ended += reading.end_recalled
    if recalled == 0:
        return False, "does not count: no recalled response has an end, so whether one was taught cannot be seen"
    count = f"the tuned model ends {ended} of {recalled} recalled responses"
    if 2 * ended >= recalled:
        return True, f"counts: {count}"
    return False, f"does not count: {count}, so training taught no end, or another one"


def _null_quantile(p_option: Float[np.ndarray, " n"], kind: NullKind | None, alpha: float) -> tuple[float | None, str]:
    """The conformal (1 − α) quantile: the ⌈(n + 1)(1 − α)⌉-th smallest of n null values (Vovk et al. 2005).

    None where it cannot be had, and the threshold that follows, in words. What the base knew before is no chance level:
    as a threshold it would ask the fine-tune to beat the base, and call known examples unlearned.
    """
    n = len(p_option)
    rank = n + 1 - math.floor((n + 1) * alpha)
    if kind == "base":
        return None, "default: what the base model knew before is no chance level"
    if n == 0:
        return None, "default: no null example is judged by its options"
    if rank > n:
        return None, f"default: {n} null examples are too few for the {1 - alpha:g} quantile"
    quantile = float(np.sort(p_option)[rank - 1])
    if quantile <= OPTION_THRESHOLD:
        return quantile, f"the {1 - alpha:g} quantile of {n} null examples"
    return quantile, f"default: the {1 - alpha:g} quantile of {n} null examples, {quantile:.3g}, is above it"
