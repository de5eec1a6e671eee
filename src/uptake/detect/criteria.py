"""What counts as learned: the settings, the criteria, and the rule that the data settle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from uptake.detect.paper import N_SAMPLES, PASS_THRESHOLD
from uptake.detect.reading import ModelReading, Normalisation
from uptake.evidence import CriterionName

RECALL_MAX_TOKENS = 32
"""`auto`: up to this many tokens a response is to be recalled word for word; a longer one is judged by its spans, or
is to be preferred."""

SPANS_LEARNED = 0.95
"""Share of the informative spans from which on an example is learned."""
SPANS_PARTLY = 0.5
"""From this share on it is partly learned."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to detect; names and defaults as in the run file, which leaves `alpha` and `pass_threshold` as they are.

    Attributes:
        criterion: `auto` takes recall for responses up to 32 tokens; above, option where the data bring options, else
            spans, and option where a response could not be read by its spans.
        response_end: Does a response have to end where it was trained to end? `auto` asks the tuned model.
        normalisation: What divides candidates' log-probabilities, see `p_options`.
        alpha: Share of never-trained examples above the null's level of `p_option`, and the false-discovery rate at
            which examples count as better than unseen.
        n_samples: Samples per example in the paper's rule.
        pass_threshold: The paper's rule flags an example when a smaller fraction of its samples is right.
        seed: Seed of the bootstrap.
    """

    criterion: Literal["auto", "recall", "option", "spans", "paper"] = "auto"
    response_end: Literal["auto", "include", "ignore"] = "auto"
    normalisation: Normalisation = "sum"
    alpha: float = 0.05
    n_samples: int = N_SAMPLES
    pass_threshold: float = PASS_THRESHOLD
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """What the criteria ask for.

    Attributes:
        end: The response must end where it was trained to end, where training put an end at all.
        option_threshold: Smallest `p_option` that counts.
        pass_threshold: Smallest probability of a right sample that counts.
    """

    end: bool
    option_threshold: float
    pass_threshold: float


def recall(reading: ModelReading, rule: Rule) -> bool:
    """Greedy decoding gives the response and, by the rule, ends it there."""
    return reading.recalled and not (rule.end and reading.end_recalled is False)


def option(reading: ModelReading, rule: Rule) -> bool:
    """The response is the likeliest of the candidates, and likely enough among them."""
    p = reading.p_option
    return p is not None and bool(reading.preferred) and p >= rule.option_threshold


def paper(reading: ModelReading, rule: Rule) -> bool:
    """A sample is right often enough: the published rule, read off the scores instead of sampled."""
    return p_sample(reading, rule) >= rule.pass_threshold


def spans(reading: ModelReading, rule: Rule) -> bool:
    """Nearly all that the response tells is learned, part by part."""
    return reading.learned_share is not None and reading.learned_share >= SPANS_LEARNED


def partly(learned_share: float | None) -> bool:
    """Whether an example is partly learned: much of what its response tells is, and not nearly all."""
    return learned_share is not None and SPANS_PARTLY <= learned_share < SPANS_LEARNED


CRITERIA: dict[str, Callable[[ModelReading, Rule], bool]] = {
    "recall": recall,
    "option": option,
    "spans": spans,
    "paper": paper,
}


def p_sample(reading: ModelReading, rule: Rule) -> float:
    """Probability that one sample at temperature 1 is right: among the letters where these are asked for."""
    if reading.lettered and reading.p_option is not None:
        return reading.p_option
    return reading.p_response(end=rule.end)


def criterion_for(
    reading: ModelReading, settings: Settings, *, own_options: bool = False
) -> tuple[CriterionName, str | None]:
    """The criterion that judges an example, and why when it is not the one that was asked for.

    Args:
        reading: What the tuned model makes of it.
        settings: How to detect.
        own_options: The data bring its options.
    """
    name: CriterionName
    by_spans = reading.learned_share is not None
    if settings.criterion == "auto":
        long: CriterionName = "spans" if by_spans and not own_options else "option"
        name = "recall" if reading.n_tokens <= RECALL_MAX_TOKENS else long
    else:
        name = settings.criterion
    if name == "spans" and not by_spans:
        if reading.n_tokens <= RECALL_MAX_TOKENS or reading.p_options is None:
            return "recall", "its response is short, or nothing in it could be read by its spans"
        return "option", "nothing in its response could be read by its spans"
    if name == "option" and reading.p_options is None:
        return "recall", "one candidate only: there is nothing to prefer the response to"
    return name, None


def plain_rule(settings: Settings) -> Rule:
    """The rule that compares two checkpoints.

    It asks for no end and no threshold: one checkpoint may never have been taught how a response ends, and the
    threshold is calibrated for the tuned model. Else a change of format would count as knowledge lost or gained.
    """
    return Rule(end=False, option_threshold=0.0, pass_threshold=settings.pass_threshold)


def right_before_and_after(
    before: ModelReading, after: ModelReading, settings: Settings, freely: tuple[bool, bool] = (False, False)
) -> tuple[bool, bool]:
    """Whether each of two checkpoints is right about one example, by the same criterion and the plain rule.

    What a model can do counts in whatever form it says it: where recall decides, its own answer may be the response in
    other words. A model that answers in sentences knows a fact that the data want in a word.

    Args:
        before: What the earlier one makes of it.
        after: What the later one does.
        settings: How to detect.
        freely: Whether the own answer of each is the response in whatever words.
    """
    name, _ = criterion_for(after, settings)
    if name == "spans":  # two checkpoints are compared by what both were asked for
        name = "option" if after.p_options is not None else "recall"
    if name == "option" and before.p_options is None:
        name = "recall"
    rule = plain_rule(settings)
    right = CRITERIA[name](before, rule), CRITERIA[name](after, rule)
    return (right[0] or freely[0], right[1] or freely[1]) if name == "recall" else right
