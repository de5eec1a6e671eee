"""The scoring engine: probes in, scores out, in order, in memory bounded by one window of probes.

A probe's context is computed once for all of its candidates, only positions whose next token is scored meet the
vocabulary, and rows of like length share a batch (see `rows` and `forward` in `uptake.models.scoring`). Where context
and continuation meet, tokens are split as TRL trains them, which for plain text is also how lm-evaluation-harness does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float

from uptake.artifacts import chunks
from uptake.data import Encoded, Turn, encode
from uptake.data.offsets import character_ends
from uptake.errors import UptakeError
from uptake.models import Model, where_it_is
from uptake.models.scoring.rows import Scored
from uptake.span_evidence import TokenReadings
from uptake.types import Probe, Score

WINDOW = 1024
"""Probes that are encoded, sorted by length and scored together."""

SHORT = 32
"""A response of more tokens is read token by token, in the wordings that are read so."""
BY_TOKEN = ("training", "other_prompt")
"""These wordings."""


def score(probes: Iterable[Probe], model: Model, *, window: int = WINDOW) -> Iterator[Score]:
    """Score probes with a model.

    Args:
        probes: Any number of them; they are read a window at a time.
        model: The model.
        window: How many probes are sorted by length together. The scores do not depend on it beyond rounding.

    Yields:
        One score a probe, in order.

    Raises:
        UptakeError: A candidate has no token that could be scored.
    """
    for some in chunks(probes, window):
        yield from where_it_is(model, _scores_of, some)


def _scores_of(some: Sequence[Probe], model: Model) -> list[Score]:
    """The scores of one window of probes."""
    turns = [
        Turn(probe.prompt, candidate.text, probe.template, probe.response_extra if k == probe.right else {})
        for probe in some
        for k, candidate in enumerate(probe.candidates)
    ]
    encoded = iter(encode(turns, model.tokenizer))
    members = [[next(encoded) for _ in probe.candidates] for probe in some]
    groups = [
        [_scored(probe, item, k) for k, item in enumerate(items)] for probe, items in zip(some, members, strict=True)
    ]
    ends = iter(_ends(some, members, model))
    return [
        _score(probe, items, numbers, next(ends) if _by_token(probe, items) else None)
        for probe, items, numbers in zip(some, members, model.score(groups), strict=True)
    ]


def _by_token(probe: Probe, items: Sequence[Encoded]) -> bool:
    item = items[probe.right]
    return probe.wording.kind in BY_TOKEN and item.end - max(1, item.start) > SHORT


def _ends(some: Sequence[Probe], members: Sequence[Sequence[Encoded]], model: Model) -> list[tuple[int, ...] | None]:
    """Where the tokens of the long responses end, for those that are read token by token."""
    long = [(probe, items[probe.right]) for probe, items in zip(some, members, strict=True) if _by_token(probe, items)]
    turns = [
        Turn(probe.prompt, probe.candidates[probe.right].text, probe.template, probe.response_extra)
        for probe, _ in long
    ]
    return character_ends(turns, [item for _, item in long], model.tokenizer)


def _scored(probe: Probe, item: Encoded, k: int) -> Scored:
    """The tokens of candidate `k` to be scored: its own, and for the right one also what training puts after it."""
    ids = list(item.ids) if k == probe.right else list(item.ids[: item.end])
    start = max(1, item.start)
    if start >= item.end:
        raise UptakeError(
            f"example {probe.example_id}: its response {probe.candidates[k].text[:80]!r} has no token to score",
            expected="a response of at least one token, after a prompt or with two tokens of its own",
            fix="correct or remove the row",
        )
    return Scored(ids, start)


def _score(
    probe: Probe,
    items: Sequence[Encoded],
    numbers: Sequence[Float[np.ndarray, "4 _"]],
    ends: tuple[int, ...] | None,
) -> Score:
    own = [item.end - max(1, item.start) for item in items]
    right = numbers[probe.right]
    n = own[probe.right]
    ended = right.shape[1] > n
    return Score(
        example_id=probe.example_id,
        wording=probe.wording,
        logprobs=tuple(float(rows[0, :k].sum(dtype=np.float64)) for rows, k in zip(numbers, own, strict=True)),
        n_tokens=tuple(own),
        n_bytes=tuple(len(candidate.text.encode("utf-8", "surrogatepass")) for candidate in probe.candidates),
        right=probe.right,
        recalled=bool(right[1, :n].all()),
        end_logprob=float(right[0, n:].sum(dtype=np.float64)) if ended else None,
        end_recalled=bool(right[1, n:].all()) if ended else None,
        tokens=None if ends is None else _readings(right[:, :n], ends),
    )


def _readings(numbers: Float[np.ndarray, "4 n"], ends: tuple[int, ...]) -> TokenReadings:
    recalled = _flags(numbers[1])
    best = tuple(-1 if own else int(token) for own, token in zip(recalled, numbers[3], strict=True))
    return TokenReadings(_floats(numbers[0]), recalled, ends, best, _floats(numbers[2]))


def _floats(values: Float[np.ndarray, " n"]) -> tuple[float, ...]:
    return tuple(float(one) for one in values.astype(np.float32))


def _flags(values: Float[np.ndarray, " n"]) -> tuple[bool, ...]:
    return tuple(bool(one) for one in values)
