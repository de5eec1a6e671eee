"""R[t, s]: the share of stage s's test items that are right after stage t; row 0 is the untouched base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class StageTests:
    """The test items of one stage, each read after every stage.

    Attributes:
        stage: The stage's name.
        right: Whether each item is right; row 0 is the base, row t the model after stage t. Shape (stages + 1, items).
            There may be no item: later stages replaced them all.
    """

    stage: str
    right: Bool[np.ndarray, "after items"]


def matrix(tests: Sequence[StageTests]) -> Float[np.ndarray, "after stages"]:
    """R[t, s] in [0, 1], t from 0 (the base) to T, s the stages in the order of training; NaN of a stage without items.

    Args:
        tests: One a stage, in their order; all are read equally often.

    Raises:
        ValueError: They are not: T stages need T + 1 rows each.
    """
    for one in tests:
        if len(one.right) != len(tests) + 1:
            raise ValueError(f"{len(tests)} stages need {len(tests) + 1} readings of each item, got {len(one.right)}")
    empty = np.full(len(tests) + 1, np.nan)
    shares = [one.right.mean(axis=1, dtype=np.float64) if one.right.shape[1] else empty for one in tests]
    return np.stack(shares, axis=1)


def resampled(tests: Sequence[StageTests], n: int, seed: int) -> Float[np.ndarray, "n after stages"]:
    """R of `n` bootstrap samples: each stage's items drawn anew with replacement, the same ones in all rows.

    Items that were right and wrong at the same times cannot be told apart. So what is drawn is how many there are of
    each such pattern, which is multinomial: the whole bootstrap, without its cost.

    Args:
        tests: As in `matrix`.
        n: Samples.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    columns = []
    for one in tests:
        if not one.right.shape[1]:
            columns.append(np.full((n, len(one.right)), np.nan))
            continue
        patterns, counts = np.unique(one.right, axis=1, return_counts=True)
        items = one.right.shape[1]
        drawn = rng.multinomial(items, counts / items, size=n)
        columns.append(drawn @ patterns.T.astype(np.float64) / items)
    return np.stack(columns, axis=2)
