"""A local server that speaks the real /v1/chat/completions protocol, for tests of whoever asks a language model.

Answers and error bodies have the form of OpenAI's API reference (Chat, "Create chat completion"; "Error codes").
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

KEY = "sk-not-a-real-key-0123456789"


@dataclass
class Reply:
    """What the server answers to one request."""

    body: str
    status: int = 200
    content_type: str = "application/json"
    delay: float = 0.0


@dataclass
class Server:
    """A scripted server: gives its replies in order, the last one again and again, and keeps what it was sent.

    With a `script`, the reply follows from the request, whatever their order.
    """

    url: str
    replies: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    script: Callable[[dict[str, Any]], Reply] | None = None

    def next_reply(self, request: dict[str, Any]) -> Reply:
        if self.script is not None:
            return self.script(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def completion(content: str | None, finish_reason: str = "stop") -> Reply:
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
    return Reply(
        json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1741569952,
                "model": "judge",
                "choices": [choice],
                "usage": usage,
            }
        )
    )


def failure(status: int, message: str = "no", kind: str = "server_error") -> Reply:
    return Reply(json.dumps({"error": {"message": message, "type": kind, "param": None, "code": None}}), status)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            request = {"path": self.path, **json.loads(sent)}
            state.requests.append(request)
            state.headers.append({name.lower(): value for name, value in self.headers.items()})
            reply = state.next_reply(request)
            if reply.delay:
                state.release.wait(reply.delay)
            body = reply.body.encode()
            try:
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Retry-After-Ms", "1")
                self.end_headers()
                self.wfile.write(body)
            except OSError:  # the client has given up waiting
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(f"http://127.0.0.1:{httpd.server_address[1]}/v1")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.release.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()
