"""Progressive epochs: when to stop, by the losses on a validation set after each pass.

`rise` is ILP's rule (arXiv 2604.10079); the others are Prechelt's classes of criteria ("Early Stopping - but when?",
in: Neural Networks: Tricks of the Trade, 1998, section 2.2). They are asked after each reading and look back alone:
training goes on until one says stop, and the weights with the lowest loss are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from uptake.errors import UptakeError


def rise(losses: Sequence[float], delta: float) -> bool:
    """ILP: stop when the validation loss exceeds the last one by `delta`; in the unit of the losses."""
    return len(losses) > 1 and losses[-1] - losses[-2] > delta


def generalisation_loss(losses: Sequence[float]) -> float:
    """Prechelt's GL(t) = 100 · (E_va(t) / min over t' ≤ t of E_va(t') − 1): per cent above the lowest so far."""
    lowest = min(losses)
    return 0.0 if losses[-1] == lowest else 100 * (losses[-1] / lowest - 1) if lowest > 0 else float("inf")


def training_progress(training: Sequence[float], strip: int) -> float:
    """Prechelt's P_k(t) = 1000 · (sum of the last k training losses / (k · their minimum) − 1): per mille.

    Args:
        training: Training losses, one for each reading.
        strip: k; fewer at the beginning, where there are fewer.
    """
    last = training[-strip:]
    lowest = min(last)
    return 1000 * (sum(last) / (len(last) * lowest) - 1) if lowest > 0 else 0.0


def gl(losses: Sequence[float], alpha: float) -> bool:
    """Prechelt's GL_α: stop as soon as the generalisation loss exceeds `alpha` (per cent)."""
    return bool(losses) and generalisation_loss(losses) > alpha


def pq(losses: Sequence[float], training: Sequence[float], alpha: float, strip: int) -> bool:
    """Prechelt's PQ_α: stop at the end of a strip when GL(t) / P_k(t) exceeds `alpha`.

    Where training makes no progress at all (P = 0), any generalisation loss stops it.

    Args:
        losses: Validation losses.
        training: Training losses, the same shape.
        alpha: The bound on the quotient.
        strip: k, readings of a strip.
    """
    if not losses or len(losses) % strip:
        return False
    return generalisation_loss(losses) > alpha * training_progress(training, strip)


def up(losses: Sequence[float], successive: int, strip: int) -> bool:
    """Prechelt's UP_s: stop at the end of a strip when the loss was higher than a strip before, s strips running.

    UP_1 stops at the first end of a strip t with E_va(t) > E_va(t − k); UP_s where UP_{s−1} stops at t − k and
    E_va(t) > E_va(t − k).

    Args:
        losses: Validation losses.
        successive: s.
        strip: k, readings of a strip.
    """
    ends = losses[strip - 1 :: strip]
    if len(losses) % strip or len(ends) <= successive:
        return False
    return all(ends[-k] > ends[-k - 1] for k in range(1, successive + 1))


@dataclass(frozen=True, slots=True)
class Stopping:
    """When a stage ends before all its epochs.

    Attributes:
        rule: `rise` [P of ILP], or Prechelt's `gl`, `pq` or `up`.
        delta: Of `rise`, in nats a token: 0.01 [P].
        alpha: Of `gl` in per cent (Prechelt tried 1 to 5), of `pq` a quotient (0.5 to 3).
        successive: Of `up`: s (Prechelt: 2 to 8; few passes allow few).
        strip: Of `pq` and `up`: readings of a strip. Prechelt's five epochs are more than a fine-tune has.
    """

    rule: Literal["rise", "gl", "pq", "up"] = "rise"
    delta: float = 0.01
    alpha: float = 2.0
    successive: int = 2
    strip: int = 1

    def __post_init__(self) -> None:
        for name, value, fits, expected in (
            ("rule", self.rule, self.rule in RULES, " or ".join(RULES)),
            ("delta", self.delta, self.delta >= 0, "0 or more"),
            ("alpha", self.alpha, self.alpha >= 0, "0 or more"),
            ("successive", self.successive, self.successive >= 1, "1 or more"),
            ("strip", self.strip, self.strip >= 1, "1 or more"),
        ):
            if not fits:
                raise UptakeError(f"the stopping setting {name} is {value!r}", expected=expected)


RULES: Mapping[str, Callable[[Stopping, Sequence[float], Sequence[float]], bool]] = {
    "rise": lambda given, losses, training: rise(losses, given.delta),
    "gl": lambda given, losses, training: gl(losses, given.alpha),
    "pq": lambda given, losses, training: pq(losses, training, given.alpha, given.strip),
    "up": lambda given, losses, training: up(losses, given.successive, given.strip),
}


def stops(given: Stopping, losses: Sequence[float], training: Sequence[float]) -> bool:
    """Whether training ends after the last of these readings.

    Args:
        given: The rule.
        losses: Validation losses so far, one a reading.
        training: Mean training losses between the readings, the same shape; only `pq` asks for them.
    """
    return RULES[given.rule](given, losses, training)


def best(losses: Sequence[float]) -> int:
    """The reading with the lowest loss, the first of equals; its weights are kept."""
    return min(range(len(losses)), key=lambda k: losses[k])
