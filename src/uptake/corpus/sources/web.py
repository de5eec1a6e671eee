"""JSON over HTTP, as a well-behaved client asks for it: slowly, within bounds, and never twice for the same."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uptake.artifacts import digest, versions, write_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.later import ANSWER
from uptake.corpus.sources.source import SourceError
from uptake.errors import UptakeError
from uptake.text import holds_key, without_key

MOST_BYTES = 16_000_000
"""Longer answers are refused; the largest items of Wikidata have a few million bytes."""


class ServerBusy(Exception):
    """An answer that says to come back later."""


@dataclass(frozen=True)
class RequestPace:
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
            kept = read_record(self._path(asked), ANSWER)
            if kept.asked == json.loads(json.dumps(asked)):
                return kept.answer
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
    pace: RequestPace
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
        from uptake.http import LONGEST_PAUSE, Again, retrying

        def ask() -> Any:
            self.pace.wait()
            answer = self._once(url)
            try:
                check(answer)
            except ServerBusy as busy:
                raise Again(str(busy)) from None
            return answer

        tries = self.max_retries + 1
        try:
            answer = retrying(ask, tries)
        except Again as again:
            if (again.pause or 0) > LONGEST_PAUSE:
                problem, fix = f"{again}; it asks to wait {again.pause:.0f} s", "try again later"
            else:
                problem = f"{again}, {tries} times" if tries > 1 else str(again)
                fix = "try again later, or ask less often (requests_per_second)"
            raise SourceError(f"{self.url}: {problem}", fix=fix) from None
        self.cache.put(answer, url)
        return answer

    def _once(self, url: str) -> Any:
        """One request; raises `Again` for what may pass, `SourceError` for what will not."""
        import httpx2

        from uptake.http import AGAIN, Again, Refused, asked_pause, client

        try:
            with client(self.timeout, MOST_BYTES, self._headers()) as http:
                answer = http.get(url)
        except Refused as refused:
            raise SourceError(
                without_key(refused.problem, self.api_key), expected=refused.expected, fix=refused.fix
            ) from None
        except httpx2.TooManyRedirects:
            raise SourceError(f"{self.url} redirected (HTTP 302) too many times", fix=_FIXES[404]) from None
        except httpx2.TimeoutException:
            raise Again(f"no answer within {self.timeout:g} s") from None
        except (httpx2.ConnectError, httpx2.ProxyError) as error:
            raise Again(f"cannot be reached ({without_key(str(error), self.api_key)})") from None
        except httpx2.HTTPError as error:
            raise Again(f"the answer broke off ({type(error).__name__})") from None
        if answer.status_code in AGAIN:
            raise Again(f"HTTP {answer.status_code}", asked_pause(answer.headers))
        if answer.status_code != 200:
            raise SourceError(f"{self.url} answered HTTP {answer.status_code}", fix=_FIXES.get(answer.status_code))
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            told = without_key(kind, self.api_key) or "nothing"
            raise SourceError(f"{self.url} answered with {told}", expected="application/json")
        try:
            said = json.loads(answer.content)
        except (ValueError, RecursionError):
            raise Again("the answer is not complete JSON") from None
        text = json.dumps(said, ensure_ascii=False)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise SourceError(
                f"{self.url} answered with half of a character (a lone surrogate)", expected="whole characters"
            ) from None
        if self.api_key and holds_key(text, self.api_key):  # it would be kept in files
            raise SourceError(f"{self.url} repeats the key in its answer", fix="use another server, and another key")
        return said

    def _headers(self) -> dict[str, str]:
        about = "; ".join(filter(None, ("background knowledge for fine-tuning", self.contact)))
        headers = {"User-Agent": f"uptake/{versions()['uptake']} ({about})", "Accept": "application/json"}
        return headers | ({"Authorization": f"Bearer {self.api_key}"} if self.api_key else {})


_FIXES = {
    401: "name an environment variable that holds a valid key in api_key_env",
    403: "check whether the server allows this kind of request",
    404: "correct base_url",
}
