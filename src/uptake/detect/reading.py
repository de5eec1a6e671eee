"""Scores of one example -> what the model makes of it, in a form that every criterion can read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from uptake.errors import UptakeError
from uptake.types import TRAINING, Score

Normalisation: TypeAlias = Literal["sum", "token", "byte"]


@dataclass(frozen=True, slots=True)
class ModelReading:
    """What one model makes of one example in one wording.

    Attributes:
        logprob: Log-probability of the response, in nats, without what ends it.
        n_tokens: Length of the response in tokens.
        recalled: Greedy decoding gives the response, whatever follows it.
        end_logprob: Log-probability of what ends the response, in nats; None when nothing does.
        end_recalled: Greedy decoding then ends the response; None when nothing ends it.
        p_options: Probability of each candidate among the candidates; None with a single one.
        right: Index of the right candidate in `p_options`.
        lettered: `p_options` was asked for in letters.
        learned_share: Share of its informative spans that are learned; None where it was not read by its spans.
    """

    logprob: float
    n_tokens: int
    recalled: bool
    end_logprob: float | None
    end_recalled: bool | None
    p_options: tuple[float, ...] | None
    right: int
    lettered: bool = False
    learned_share: float | None = None

    @property
    def logprob_per_token(self) -> float:
        """Mean log-probability of the response's tokens, in nats."""
        return self.logprob / self.n_tokens

    @property
    def p_option(self) -> float | None:
        """Probability of the right candidate among the candidates; None with a single one."""
        return None if self.p_options is None else self.p_options[self.right]

    @property
    def preferred(self) -> bool | None:
        """The right candidate is the arg-max; the first of equals wins, as in numpy and lm-evaluation-harness."""
        return None if self.p_options is None else self.p_options.index(max(self.p_options)) == self.right

    def p_response(self, *, end: bool) -> float:
        """Probability that one sample at temperature 1 begins with the response, or with `end` is the response."""
        return math.exp(self.logprob + (self.end_logprob or 0.0 if end else 0.0))


def p_options(score: Score, normalisation: Normalisation = "sum") -> tuple[float, ...]:
    """Softmax over the candidates of their log-probabilities, ℓ_k / length_k.

    Its arg-max is what lm-evaluation-harness counts: `sum` as its `acc`, `byte` as its `acc_bytes`. `token` (mean nats
    per token) has no counterpart there: its `acc_norm` divides by characters, which is `byte` on ASCII text. The
    harness measures options without the space before them; we measure the candidate as it is scored, with it.

    Args:
        score: Log-probabilities of K candidates, in nats.
        normalisation: What divides them: nothing, or their length in tokens or UTF-8 bytes.

    Returns:
        K probabilities that add up to 1.
    """
    lengths = {"sum": (1,) * len(score.logprobs), "token": score.n_tokens, "byte": score.n_bytes}[normalisation]
    logits = [logprob / length for logprob, length in zip(score.logprobs, lengths, strict=True)]
    top = max(logits)
    weights = [math.exp(logit - top) for logit in logits]
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def mean_p_options(scores: Sequence[Score]) -> tuple[float, ...]:
    """Mean of `p_options` over the cyclic permutations of one example's options, asked for by letter.

    Models prefer some letters and some positions. Over all K cyclic permutations every option stands once at every
    letter, so the preference cancels to first order (Zheng et al. 2024, arXiv 2309.03882).

    Args:
        scores: One score a permutation; candidate k is option k in each.

    Returns:
        K probabilities that add up to 1.

    Raises:
        ValueError: There is no score, or they differ in their candidates.
    """
    if len({(len(score.logprobs), score.right) for score in scores}) != 1:
        raise ValueError("permutations of one example's options must have the same candidates in the same order")
    permutations = [p_options(score) for score in scores]
    return tuple(sum(column) / len(permutations) for column in zip(*permutations, strict=True))


def read(scores: Sequence[Score], normalisation: Normalisation = "sum") -> ModelReading:
    """Read one model's scores of one example in the training wording.

    Args:
        scores: All scores of the example by that model, any number of wordings.
        normalisation: As in `p_options`; options asked for by letter are not normalised.

    Returns:
        The reading of the training wording, with the options asked for by letter where they were.

    Raises:
        UptakeError: The training wording is missing, a log-probability is not a number, or a candidate has no token.
    """
    training = [score for score in scores if score.wording == TRAINING]
    if len(training) != 1:
        raise UptakeError(
            f"{len(training)} scores in the wording {TRAINING}, wordings {[str(score.wording) for score in scores]}",
            expected="exactly one a model and example",
            fix="score the data again",
        )
    letters = [score for score in scores if score.wording.kind == "letters"]
    return _reading(training[0], normalisation, letters)


def read_held_out(scores: Sequence[Score], normalisation: Normalisation = "sum") -> tuple[ModelReading, ...]:
    """Read one model's scores of one example in its held-out wordings, in their order; as `read`."""
    return tuple(_reading(score, normalisation, []) for score in scores if score.wording.kind == "held_out")


def _reading(score: Score, normalisation: Normalisation, letters: Sequence[Score]) -> ModelReading:
    for one in (score, *letters):
        if any(math.isnan(logprob) for logprob in one.logprobs):
            raise UptakeError(
                f"example {one.example_id!r}, wording {one.wording}: the model's log-probability is not a number",
                expected="finite numbers",
                fix="score in a wider type: --dtype float32",
            )
        if min(one.n_tokens) < 1:
            raise UptakeError(
                f"example {one.example_id!r}, wording {one.wording}: a candidate has no token that can be scored",
                expected="at least one token after the context",
                fix="lengthen the response or the option, or leave the example out",
            )
    if letters:
        options: tuple[float, ...] | None = mean_p_options(letters)
    else:
        options = p_options(score, normalisation) if len(score.logprobs) > 1 else None
    return ModelReading(
        logprob=score.logprob,
        n_tokens=score.n_tokens[score.right],
        recalled=score.recalled,
        end_logprob=score.end_logprob,
        end_recalled=score.end_recalled,
        p_options=options,
        right=letters[0].right if letters else score.right,
        lettered=bool(letters),
    )
