"""The client, and the transport that keeps it within its bounds."""

from __future__ import annotations

import functools
import ssl
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpcore2
import httpx2

from uptake.http.addresses import Refused, forbidden, is_forbidden, literal
from uptake.http.connections import Backend

CONNECT = 10.0
"""Seconds for a connection to be made, where the whole exchange has as many."""
MOST_REDIRECTS = 5

_OF_HTTP = ("accept", "connection", "content-length", "content-type", "host", "transfer-encoding")
_PORTS = {"http": 80, "https": 443}


class TooLong(Refused):
    """An answer is longer than was allowed."""


def client(seconds: float, most_bytes: int, headers: Mapping[str, str]) -> httpx2.Client:
    """A client for one exchange, which begins now.

    Args:
        seconds: When it ends: after them `httpx2.TimeoutException` is raised, wherever it stands.
        most_bytes: Longest body that is read, of an error too; that of a redirect is not read.
        headers: What is sent beside the headers that HTTP needs. Nothing else is: a library on top, such as openai,
            adds what it finds in the environment.

    Returns:
        The client; it raises httpx2's errors, and `Refused`.
    """
    return httpx2.Client(
        transport=_Transport(time.monotonic() + seconds, most_bytes, headers),
        timeout=httpx2.Timeout(seconds, connect=min(CONNECT, seconds)),
        follow_redirects=True,
        max_redirects=MOST_REDIRECTS,
    )


class _Transport(httpx2.BaseTransport):
    """Sends by httpcore over connections that know the deadline."""

    def __init__(self, until: float, most_bytes: int, headers: Mapping[str, str]) -> None:
        self.until, self.most_bytes = until, most_bytes
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.pools: dict[str, httpcore2.ConnectionPool] = {}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        if url.scheme not in self.pools:
            self.pools[url.scheme] = _pool(url, Backend(self.until))
        if (address := literal(url.host)) and is_forbidden(address):  # a proxy would look it up in our place
            raise forbidden(url.host)
        ours = [name.decode().lower() for name, _ in self.headers]
        of_http = [name for name in _OF_HTTP if name not in ours]
        kept = [(name, value) for name, value in request.headers.raw if name.decode("latin-1").lower() in of_http]
        with _httpx_errors():
            answer = self.pools[url.scheme].handle_request(
                httpcore2.Request(
                    request.method,
                    httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=[*kept, (b"Accept-Encoding", b"identity"), *self.headers],
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        try:
            body = self._body(url, answer)
        except Refused:
            answer.close()
            raise
        return httpx2.Response(answer.status, headers=answer.headers, stream=body, extensions=answer.extensions)

    def _body(self, url: httpx2.URL, answer: httpcore2.Response) -> httpx2.SyncByteStream:
        headers = httpx2.Headers(answer.headers)
        if 300 <= answer.status < 400 and "location" in headers:
            _require_same_host(url, headers["location"])
            answer.close()
            return httpx2.ByteStream(b"")
        if headers.get("content-encoding", "identity").lower() != "identity":
            # a few bytes may unpack to gigabytes
            raise Refused(f"{_shown(url)} answered in an encoding that was not asked for")
        return _Body(answer, self.most_bytes, _shown(url))

    def close(self) -> None:
        for pool in self.pools.values():
            pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response, most_bytes: int, server: str) -> None:
        self.answer, self.most_bytes, self.server = answer, most_bytes, server

    def __iter__(self) -> Iterator[bytes]:
        left = self.most_bytes
        with _httpx_errors():
            for part in self.answer.iter_stream():
                left -= len(part)
                if left < 0:
                    raise TooLong(f"{self.server} answered with more than {self.most_bytes:,} bytes")
                yield part

    def close(self) -> None:
        self.answer.close()


def _pool(url: httpx2.URL, backend: httpcore2.NetworkBackend) -> httpcore2.ConnectionPool:
    """Connections to a server, or to the proxy that the environment names for it."""
    tls = _tls() if url.scheme == "https" else None
    named = None if urllib.request.proxy_bypass(url.host) else urllib.request.getproxies().get(url.scheme)
    if not named:
        return httpcore2.ConnectionPool(tls, network_backend=backend)
    proxy = httpx2.Proxy(named if "://" in named else f"http://{named}")
    if proxy.url.scheme not in _PORTS:
        raise Refused(f"the environment names a proxy of {proxy.url.scheme}", expected="a proxy of http or https")
    through = httpcore2.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    return httpcore2.HTTPProxy(through, proxy.raw_auth, ssl_context=tls, network_backend=backend)


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


def _require_same_host(old: httpx2.URL, location: str) -> None:
    """Refuse a redirect that leads to another host or port, or downwards from https: who is asked is who was named."""
    try:
        new = old.join(location)
    except httpx2.InvalidURL:
        raise Refused(f"{_shown(old)} redirects to what is no address") from None
    ports = {_PORTS.get(one.scheme) if one.port is None else one.port for one in (old, new)}
    same = old.scheme == new.scheme and len(ports) == 1
    upwards = (old.scheme, new.scheme) == ("http", "https") and ports == {80, 443}
    if new.host != old.host or not (same or upwards):
        raise Refused(
            f"{_shown(old)} redirects to {new.scheme}://{new.host}, which was not asked for",
            fix="name that server in base_url if it is the right one",
        )


def _shown(url: httpx2.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Turns an error of httpcore into that of httpx, which has the same name."""
    try:
        yield
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError) as error:
        raise getattr(httpx2, type(error).__name__)(str(error)) from error
