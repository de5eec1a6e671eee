"""The run's own scale: where a base's wrong answer stands among those that the same base gives rightly.

Confidence has no absolute scale: a base that was trained long on few facts knows them with p = 0.99, a small
pre-trained model knows the capital of Sweden with p = 0.5.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from uptake.causes import InFrame


@dataclass(frozen=True)
class Scale:
    """How sure the base is of what it answers rightly, and how much of that comes from its question.

    Attributes:
        sure: Mean log-probabilities of a token (nats), the least first.
        apart: Shares (see `uptake.causes.Said.share`), the least first.
    """

    sure: tuple[float, ...]
    apart: tuple[float, ...]

    @classmethod
    def of(cls, known: Sequence[InFrame]) -> Scale:
        """The scale of what is known."""
        shares = (one.own.share for one in known)
        return cls(tuple(sorted(map(_sure, known))), tuple(sorted(share for share in shares if share is not None)))

    def on(self, framed: InFrame | None) -> InFrame | None:
        """An answer with its ranks; without those that nothing tells."""
        if framed is None:
            return None
        share = framed.own.share
        apart = _rank(share, self.apart) if share is not None and self.apart else None
        return replace(framed, sure=_rank(_sure(framed), self.sure) if self.sure else None, apart=apart)


def _sure(framed: InFrame) -> float:
    return framed.own.own / framed.own.n_tokens


def _rank(value: float, values: Sequence[float]) -> float:
    """Share of the values that are no larger, of equals half."""
    return (bisect_left(values, value) + bisect_right(values, value)) / (2 * len(values))
