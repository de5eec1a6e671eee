"""Detection as published: pass@5 < 0.2 over samples (Incomplete Learning, ACL 2026, arXiv 2604.10079).

There an example is sampled N = 5 times; pass@N is the fraction of the samples that are right, and the example is
unlearned iff pass@5 < 0.2, that is 0 of 5. pass@N only estimates p, the probability of one right sample, which the
scores give exactly. The exact form shows what the sampling costs: P(all N wrong) = (1 − p)^N, so a pure guesser among
four options (p = 0.25) is flagged in just 23.7 % of the runs, and an item with p = 0.5 still in 3.1 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

N_SAMPLES = 5
PASS_THRESHOLD = 0.2
MOST_SEVERE = 1000


def p_flag(p: float, n: int = N_SAMPLES, threshold: float = PASS_THRESHOLD) -> float:
    """Probability that the sampled rule flags an example: P(Bin(n, p) / n < threshold).

    With the published n = 5 and threshold 0.2 it is (1 − p)^5.

    Args:
        p: Probability that one sample is right.
        n: Samples drawn, at least 1.
        threshold: The example is flagged when a smaller fraction of its samples is right.
    """
    failing = [k for k in range(n + 1) if k / n < threshold]
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in failing)


def best_of_n(p_options: Sequence[float], right: int, n: int = N_SAMPLES) -> float:
    """Probability that the most confident of `n` samples is right.

    It is when the right option is sampled and none that the model finds likelier: (1 − Q)^n − (1 − Q − p)^n, with p the
    probability of the right option and Q that of all likelier ones (the derivation is ours).

    Args:
        p_options: Probability of each option, adding up to 1.
        right: Index of the right one.
        n: Samples drawn.
    """
    p = p_options[right]
    rest = max(0.0, 1 - math.fsum(other for other in p_options if other > p))
    return rest**n - max(0.0, rest - p) ** n


def most_severe(ids: Sequence[str], p: Sequence[float], limit: int = MOST_SEVERE) -> tuple[str, ...]:
    """The `limit` flagged examples with the smallest p, worst first; equals stay in the order given.

    The source keeps the 1000 most severe without saying how it ranks them; p is our choice.

    Args:
        ids: Ids of the flagged examples.
        p: Probability that one sample is right, for each.
        limit: How many to keep.
    """
    ranked = sorted(zip(p, range(len(ids)), ids, strict=True))
    return tuple(example_id for _, _, example_id in ranked[:limit])
