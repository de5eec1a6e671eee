"""JSON over HTTP, as a well-behaved client asks for it: slowly, within bounds, and never twice for the same.

The standard library's client is enough for this and is always there. What it does not do is done here: a time-out over
the whole answer, a limit to its size, redirects to the same host only, no schemes but http and https.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

from uptake.artifacts import digest, read_json, versions, write_json
from uptake.corpus.sources.source import SourceError
from uptake.errors import UptakeError

MOST_BYTES = 16_000_000
"""Longer answers are refused; the largest items of Wikidata have a few million bytes."""
LONGEST_WAIT = 120.0
"""Seconds: a server that asks for a longer pause is not asked again."""
AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses after which the same request may succeed."""


class Busy(Exception):
    """An answer that says to come back later."""


@dataclass(frozen=True)
class Pace:
    """Lets requests through at most so often; for one thread."""

    per_second: float
    _last: list[float] = field(default_factory=list, repr=False)

    def wait(self) -> None:
        """Waits until the next request may be sent."""
        if self._last:
            pause = self._last.pop() + 1 / self.per_second - time.monotonic()
            if pause > 0:
                time.sleep(pause)
        self._last.append(time.monotonic())


@dataclass(frozen=True)
class Cache:
    """Answers on disk, a file each, named after a digest of what was asked. Keys are no part of a question."""

    folder: Path

    def get(self, *asked: object) -> Any:
        """What was answered; None when it was not asked yet, or the file is damaged."""
        with suppress(UptakeError):
            kept = read_json(self._path(asked))
            if isinstance(kept, dict) and kept.get("asked") == json.loads(json.dumps(asked)):
                return kept.get("answer")
        return None

    def put(self, answer: object, *asked: object) -> None:
        """Keeps an answer.

        Raises:
            UptakeError: The place cannot be written.
        """
        write_json(self._path(asked), {"asked": asked, "answer": answer})

    def _path(self, asked: tuple[object, ...]) -> Path:
        name = digest(*asked)
        return self.folder / name[:2] / f"{name}.json"


@dataclass(frozen=True)
class Web:
    """A JSON API.

    Attributes:
        url: Its address; http or https.
        cache: Where answers are kept.
        pace: How often it is asked.
        api_key: Sent as a bearer token; None for none. It is in no repr, error, cache or log.
        timeout: Seconds to wait for one answer, until its last byte.
        max_retries: How often a request is sent again, after 1, 2, 4, ... seconds or what the server asks for.
        contact: An address or URL that its operators can write to; part of the User-Agent.
    """

    url: str
    cache: Cache
    pace: Pace
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    max_retries: int = 4
    contact: str | None = None

    def __post_init__(self) -> None:
        """Refuses addresses that are none of the web."""
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise UptakeError(
                f"an address of {parts.scheme or 'no scheme'} at {parts.hostname or 'no host'} cannot be asked",
                expected="http:// or https://, a host, no password",
            )

    def get(self, params: Mapping[str, str], check: Callable[[Any], None]) -> Any:
        """One JSON answer, from the cache if it was asked before.

        Args:
            params: The query.
            check: Looks at an answer before it is kept; raises `Busy` if the request should be sent again later, or
                `SourceError`.

        Raises:
            SourceError: There is no answer that can be used: told with the server's address, never with the key.
        """
        url = f"{self.url}?{urllib.parse.urlencode(params)}"
        kept = self.cache.get(url)
        if kept is not None:
            return kept
        problem = ""
        pause = 1.0
        for attempt in range(self.max_retries + 1):
            if attempt:
                time.sleep(pause)
            self.pace.wait()
            asked: float | None = None
            try:
                answer = self._once(url)
                check(answer)
            except _Again as again:
                problem, asked = str(again), again.wait
            except Busy as busy:
                problem = str(busy)
            else:
                self.cache.put(answer, url)
                return answer
            pause = asked if asked is not None else min(2.0**attempt, LONGEST_WAIT)
            if pause > LONGEST_WAIT:
                raise SourceError(f"{self.url}: {problem}; it asks to wait {pause:.0f} s", fix="try again later")
        tries = self.max_retries + 1
        raise SourceError(
            f"{self.url}: {problem}, {tries} times" if tries > 1 else f"{self.url}: {problem}",
            fix="try again later, or ask less often (requests_per_second)",
        )

    def _once(self, url: str) -> Any:
        """One request; raises `_Again` for what may pass, `SourceError` for what will not."""
        about = "; ".join(filter(None, ("background knowledge for fine-tuning", self.contact)))
        agent = f"uptake/{versions()['uptake']} ({about})"
        headers = {"User-Agent": agent, "Accept": "application/json", "Accept-Encoding": "identity"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        until = time.monotonic() + self.timeout
        try:
            with _opener().open(urllib.request.Request(url, headers=headers), timeout=self.timeout) as response:
                kind = response.headers.get_content_type()
                if kind != "application/json" and not kind.endswith("+json"):
                    raise SourceError(f"{self.url} answered with {kind}", expected="application/json")
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise SourceError(f"{self.url} answered in an encoding that was not asked for")
                body = _read(response, until, self.url)
        except urllib.error.HTTPError as error:
            with error:
                if error.code in AGAIN:
                    raise _Again(f"HTTP {error.code}", _retry_after(error.headers.get("Retry-After"))) from None
                raise SourceError(f"{self.url} answered HTTP {error.code}", fix=_FIXES.get(error.code)) from None
        except TimeoutError:
            raise _Again(f"no answer within {self.timeout:g} s") from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise _Again(f"no answer within {self.timeout:g} s") from None
            raise _Again(f"cannot be reached ({_plain(error.reason)})") from None
        except (http.client.HTTPException, OSError) as error:
            raise _Again(f"the answer broke off ({type(error).__name__})") from None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise _Again("the answer is no whole JSON") from None


class _Again(Exception):
    def __init__(self, problem: str, wait: float | None = None) -> None:
        super().__init__(problem)
        self.wait = wait


_FIXES = {
    401: "name an environment variable that holds a valid key in api_key_env",
    403: "see whether the server allows this kind of request",
    404: "correct base_url",
}


def _plain(reason: object) -> str:
    return (reason.strerror or type(reason).__name__) if isinstance(reason, OSError) else type(reason).__name__


def _read(response: Any, until: float, url: str) -> bytes:
    """The body, within the time and the size allowed; a body that ends early is an error."""
    parts: list[bytes] = []
    size = 0
    while True:
        part = response.read1(65536)
        if time.monotonic() > until:
            raise TimeoutError
        if not part:
            break
        size += len(part)
        if size > MOST_BYTES:
            raise SourceError(f"{url} answered with more than {MOST_BYTES:,} bytes")
        parts.append(part)
    if response.length:  # read1 does not tell of bytes that were promised and did not come
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(parts)


def _retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, in seconds or as a date; None when it cannot be read."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    with suppress(ValueError):
        when = email.utils.parsedate_to_datetime(value)
        return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - time.time())
    return None


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect on the same host, upwards from http to https at most: who is asked is who was named."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        ports = {old.port or _PORTS[old.scheme], new.port or _PORTS.get(new.scheme)}
        same = old.scheme == new.scheme and len(ports) == 1
        upwards = (old.scheme, new.scheme) == ("http", "https") and ports == {80, 443}
        if new.hostname != old.hostname or not (same or upwards):
            raise SourceError(
                f"{old.scheme}://{old.netloc} redirects to {new.scheme}://{new.hostname}, which was not asked for",
                fix="name that server in base_url if it is the right one",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_PORTS = {"http": 80, "https": 443}


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _SameHost,
    ):
        opener.add_handler(handler())
    return opener
