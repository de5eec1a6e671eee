"""A stand-in for a model that can say a sentence in other words: a server that knows the wordings of each relation.

It says every fact without an error in the relation's two wordings that no test asks. What a real small model can
write is measured apart (`augmenting.py`); with this server it is measured what such texts are good for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from conflicts_world import RELATIONS

AGAIN = (2, 3)
"""Which wordings of a relation it says."""


def said_again(fact: str, n: int) -> list[str]:
    """A fact in its relation's other wordings; none where it is of no relation that is known."""
    for _, wordings in RELATIONS.values():
        start, end = wordings[0].split("{}")
        if fact.startswith(start) and end + " " in fact[len(start) :]:
            name, _, answer = fact[len(start) :].partition(end + " ")
            return [f"{wordings[k].format(name)} {answer}" for k in AGAIN][:n]
    return []


class Handler(BaseHTTPRequestHandler):
    """Answers chat completions."""

    def do_POST(self) -> None:
        """Say the fact again."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        given = json.loads(asked["messages"][-1]["content"])
        text = json.dumps({"passages": said_again(given["fact"], given["n"])})
        message = {"role": "assistant", "content": text}
        body = json.dumps({
            "id": "1", "object": "chat.completion", "created": 0, "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def writer(port: int) -> Iterator[dict[str, str]]:
    """A running server, as `server` of `conflict_aware` names it; the address identifies a stage."""
    httpd = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield {"base_url": f"http://127.0.0.1:{httpd.server_address[1]}/v1", "model": "wordings"}
    finally:
        httpd.shutdown()
        httpd.server_close()
