"""Asking again, with pauses that grow or are the server's own."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC
from typing import TypeVar

AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which the same request may succeed."""
LONGEST_PAUSE = 120.0
"""Seconds: a server that asks for a longer pause is not asked again."""


class Again(Exception):
    """The same request may succeed later.

    Args:
        problem: What happened, without what the server said: it may repeat a key.
        pause: Seconds that the server asks to wait; None: it does not say.
    """

    def __init__(self, problem: str, pause: float | None = None) -> None:
        super().__init__(problem)
        self.pause = pause


T = TypeVar("T")


def retrying(ask: Callable[[], T], tries: int) -> T:
    """Ask until there is an answer, with pauses of 1, 2, 4, ... seconds or what the server asks for.

    Args:
        ask: Asks once; raises `Again` for what may pass.
        tries: How often, at least 1.

    Raises:
        Again: The last time's, or one that asks for a pause longer than `LONGEST_PAUSE`.
    """
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

    def may_pass(error: BaseException) -> bool:
        return isinstance(error, Again) and (error.pause or 0) <= LONGEST_PAUSE

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.pause if isinstance(error, Again) else None
        return min(2.0 ** (state.attempt_number - 1), LONGEST_PAUSE) if asked is None else asked

    again = Retrying(stop=stop_after_attempt(tries), retry=retry_if_exception(may_pass), wait=pause, reraise=True)
    return again(ask)


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: Retry-After in seconds or as a date, or Retry-After-Ms; None: unreadable."""
    with suppress(ValueError, OverflowError):
        return max(0.0, float(headers["retry-after-ms"]) / 1000) if "retry-after-ms" in headers else _seconds(headers)
    return None


def _seconds(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "").strip()
    if not value or value.isdigit():
        return float(value) if value else None
    when = email.utils.parsedate_to_datetime(value)
    return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - time.time())
