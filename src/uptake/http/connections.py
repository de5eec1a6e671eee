"""Connections to addresses that may be asked, on which nothing takes longer than until a deadline."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore2

from uptake.http.addresses import forbidden, is_forbidden, resolve


class Backend(httpcore2.NetworkBackend):
    """Connects to addresses that may be asked."""

    def __init__(self, until: float) -> None:
        self.until = until

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connects to the first address of a host that answers; refuses a host of which one address is forbidden."""
        found = resolve(host, port, _left(self.until, timeout, httpcore2.ConnectTimeout))
        if any(map(is_forbidden, found)):
            raise forbidden(host)
        failed: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in found:  # the very addresses that were looked at: a name may lead elsewhere the next time
            left = _left(self.until, timeout, httpcore2.ConnectTimeout)
            try:
                stream = httpcore2.SyncBackend().connect_tcp(address, port, left, local_address, socket_options or ())
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(stream, self.until)
        raise failed


class _Stream(httpcore2.NetworkStream):
    """A connection on which nothing takes longer than until the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, until: float) -> None:
        self.stream, self.until = stream, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _left(self.until, timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, _left(self.until, timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = _left(self.until, timeout, httpcore2.ConnectTimeout)
        return _Stream(self.stream.start_tls(ssl_context, server_hostname, left), self.until)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


def _left(until: float, timeout: float | None, late: type[Exception]) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise late("the deadline is over")
    return left if timeout is None else min(left, timeout)
