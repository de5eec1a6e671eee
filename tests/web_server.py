"""A local HTTP server that answers GET requests by a script, for tests of sources on the web."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server answers to one request; `promised` is the Content-Length where the body is cut short."""

    body: bytes | str | dict[str, Any] | list[Any]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    promised: int | None = None

    def bytes(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class WebServer:
    """A scripted server; keeps the path, the query and the headers of every request."""

    url: str
    script: Callable[[dict[str, str]], Reply] = lambda query: Reply({}, 500)
    requests: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def replies(self, *replies: Reply) -> None:
        """Answers with these in order, the last one again and again."""
        left = list(replies)
        self.script = lambda query: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def serving() -> Iterator[WebServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
            state.requests.append((parts.path, query, {k.lower(): v for k, v in self.headers.items()}))
            reply = state.script(query)
            if reply.delay:
                state.release.wait(reply.delay)
            body = reply.bytes()
            try:
                self.send_response(reply.status)
                headers = {"Content-Type": "application/json; charset=utf-8", **reply.headers}
                headers["Content-Length"] = str(len(body) if reply.promised is None else reply.promised)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                if reply.promised is not None:
                    self.close_connection = True
            except OSError:  # the client has given up waiting
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = WebServer(f"http://127.0.0.1:{httpd.server_address[1]}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.release.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()
