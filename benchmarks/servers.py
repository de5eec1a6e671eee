"""Every way a server can misbehave that we could think of, against both clients that ask one: what comes of each.

    python benchmarks/servers.py                    # all of them; a table
    python benchmarks/servers.py --only gzip --client judge

A server on a socket of this machine answers by raw bytes: silence, dripping, broken or endless headers and bodies,
packed bodies, wrong JSON, redirects, every status, pauses without end, and answers that repeat the key. It is asked by
the judge (an OpenAI-compatible server) and by a knowledge source (JSON over HTTP), each without retries and with a
time-out of one second. It is a find where anything but an `UptakeError` is raised (traceback), it takes longer than the
time-out and two seconds (slow), memory grows by over 64 MB (growth), the key stands in an error, an answer or a kept
file (key), or another server is asked (elsewhere). What is answered although the server is at fault is told. One server
is as it should be: that it is not answered would be a find, too (deaf).
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import logging
import os
import resource
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

OUT = Path(__file__).parent / "results" / "servers.json"
KEY = "sk-not-a-real-key-0123456789"
SECONDS = 1.0
LEEWAY = 2.0
GROWTH = 64 << 20
TEXT = "[" * 100_000
CLIENTS = ("judge", "source")
GOOD = "a good answer"

Talk = Callable[[socket.socket, threading.Event], None]


def says(*parts: bytes) -> Talk:
    """Sends this and closes the connection."""

    def talk(connection: socket.socket, gone: threading.Event) -> None:
        for part in parts:
            connection.sendall(part)

    return talk


def drips(start: bytes, drop: bytes, every: float = 0.02) -> Talk:
    """Sends a start, and then `drop` until the client has gone."""

    def talk(connection: socket.socket, gone: threading.Event) -> None:
        connection.sendall(start)
        while not gone.wait(every):
            connection.sendall(drop)

    return talk


def resets(start: bytes = b"") -> Talk:
    """Breaks the connection off."""

    def talk(connection: socket.socket, gone: threading.Event) -> None:
        connection.sendall(start)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return talk


def head(status: str = "200 OK", *lines: str) -> bytes:
    """A status line and headers."""
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: application/json", *lines, "", ""]).encode("latin-1")


def answer(body: bytes, status: str = "200 OK", *lines: str) -> Talk:
    """A whole answer."""
    return says(head(status, f"Content-Length: {len(body)}", *lines), body)


def completion(content: object, **more: object) -> bytes:
    """A chat completion that says this."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | more
    told = {"id": "1", "object": "chat.completion", "created": 1, "model": "judge", "choices": [choice]}
    return json.dumps(told).encode()


def silent() -> dict[str, Talk]:
    """What comes, or does not, before there is an answer."""
    return {
        "silence": drips(b"", b""),
        "closed at once": says(),
        "reset at once": resets(),
        "reset in the head": resets(b"HTTP/1.1 200 OK\r\nContent-"),
        "reset in the body": resets(head("200 OK", "Content-Length: 99") + b"{"),
        "dripping before the status": drips(b"", b"H"),
        "dripping status": drips(b"HTTP/1.1 200 ", b"O"),
        "dripping header": drips(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        "100 Continue without end": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every=0.0),
        "103 hints without end": drips(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", every=0.0),
        "101 to another protocol": says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00"),
        "noise": says(bytes(range(256)) * 64),
        "zeros without end": drips(b"", b"\0" * 65536, every=0.0),
        "SSH": says(b"SSH-2.0-OpenSSH_9.6\r\n"),
        "TLS alert": says(b"\x15\x03\x01\x00\x02\x02\x46"),
        "SMTP": says(b"220 mail.example ESMTP\r\n"),
        "HTTP/0.9": says(b"<html>hello</html>"),
        "HTTP/2 preface": says(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        "HTTP/9.9": says(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    }


def heads() -> dict[str, Talk]:
    """Heads that are none, or too much."""
    rest = b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    return {
        "status 000": says(b"HTTP/1.1 000 No\r\n" + rest),
        "status 99": says(b"HTTP/1.1 99 No\r\n" + rest),
        "status 999": says(b"HTTP/1.1 999 No\r\n" + rest),
        "status of letters": says(b"HTTP/1.1 OK OK\r\n" + rest),
        "status without a reason": says(b"HTTP/1.1 200\r\n" + rest),
        "header without colon": says(b"HTTP/1.1 200 OK\r\nnonsense\r\n" + rest),
        "header with zero byte": says(b"HTTP/1.1 200 OK\r\nX: a\0b\r\n" + rest),
        "header of bytes": says(b"HTTP/1.1 200 OK\r\nX: \xff\xfe\x80\r\n" + rest),
        "folded header": says(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n" + rest),
        "lines of CR": says(b"HTTP/1.1 200 OK\rContent-Length: 2\r\r{}"),
        "lines of LF": says(b"HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 2\n\n{}"),
        "header of 10 MB": says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000_000 + b"\r\n" + rest),
        "100,000 headers": says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + rest),
        "headers without end": drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 5000, every=0.0),
        "two lengths": says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + rest),
        "length -1": says(head("200 OK", "Content-Length: -1") + b"{}"),
        "length 1e3": says(head("200 OK", "Content-Length: 1e3") + b"{}"),
        "length +2": says(head("200 OK", "Content-Length: +2") + b"{}"),
        "length of 5,000 digits": says(head("200 OK", "Content-Length: " + "9" * 5000) + b"{}"),
        "length and chunks": says(head("200 OK", "Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
        "transfer encoding unknown": says(head("200 OK", "Transfer-Encoding: cow") + b"{}"),
        "charset unknown": says(b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=cow\r\n"
                                b"Content-Length: 2\r\n\r\n{}"),
        "type of HTML": says(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"),
        "event stream": drips(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b"data: {}\n\n"),
        "cookies": answer(b"{}", "200 OK", *["Set-Cookie: a=" + "b" * 4000] * 20),
    }  # fmt: skip


def bodies() -> dict[str, Talk]:
    """Bodies without end, cut off, or packed."""
    packed = gzip.compress(b" " * 100_000_000, 9)
    chunked = head("200 OK", "Transfer-Encoding: chunked")
    return {
        "shorter than its length": says(head("200 OK", "Content-Length: 99") + b"{}"),
        "longer than its length": says(head("200 OK", "Content-Length: 2") + b"{}" + b"x" * 100_000),
        "body without end": drips(head(), b" " * 65536, every=0.0),
        "body of a gigabyte": drips(head("200 OK", "Content-Length: 1000000000"), b" " * 65536, every=0.0),
        "dripping body": drips(head("200 OK", "Content-Length: 9999"), b" "),
        "chunks without end": drips(chunked, b"1000\r\n" + b" " * 4096 + b"\r\n", every=0.0),
        "dripping chunks": drips(chunked, b"1\r\n \r\n"),
        "chunk of no size": says(chunked + b"cow\r\n{}\r\n0\r\n\r\n"),
        "chunk of size -1": says(chunked + b"-1\r\n{}\r\n0\r\n\r\n"),
        "chunk of 2^64": drips(chunked + b"10000000000000000\r\n", b" " * 65536, every=0.0),
        "chunk extension of 10 MB": says(chunked + b"2;" + b"x" * 10_000_000 + b"\r\n{}\r\n0\r\n\r\n"),
        "chunks cut off": says(chunked + b"2\r\n{}\r\n"),
        "trailers without end": drips(chunked + b"2\r\n{}\r\n0\r\n", b"X: y\r\n" * 5000, every=0.0),
        "gzip bomb": answer(packed, "200 OK", "Content-Encoding: gzip"),
        "gzip of nothing": answer(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"),
        "brotli": answer(b"\x0b", "200 OK", "Content-Encoding: br"),
        "deflate twice": answer(b"x", "200 OK", "Content-Encoding: deflate, deflate"),
        "encoding unknown": answer(b"{}", "200 OK", "Content-Encoding: cow"),
    }


def texts() -> dict[str, Talk]:
    """Whole bodies that are no JSON, or JSON of another form."""
    said = {
        "nothing": b"", "spaces": b" " * 1000, "null": b"null", "a list": b"[]", "a number": b"1", "a text": b'"x"',
        "cut off": b'{"choices": [', "two objects": b"{}{}", "JSON lines": b"{}\n{}\n",
        "100,000 brackets": TEXT.encode(),
        "brackets that close": TEXT.encode() + b"]" * 100_000, "number of 100,000 digits": b"9" * 100_000,
        "NaN": b'{"choices": NaN}', "Infinity": b"-Infinity", "twice the key": b'{"choices": 1, "choices": []}',
        "no UTF-8": b'{"a": "\xff\xfe"}', "UTF-16": '{"a": 1}'.encode("utf-16"), "BOM": b"\xef\xbb\xbf{}",
        "half a surrogate": b'{"a": "\\ud800"}', "zero bytes": b"\0\0\0\0", "no choices": b'{"choices": []}',
        "choices of null": b'{"choices": null}', "choice of null": b'{"choices": [null]}',
        "message of null": b'{"choices": [{"message": null}]}', "error and 200": b'{"error": {"message": "no"}}',
    }  # fmt: skip
    contents = {
        "content of null": None, "content of a list": ["x"], "content of a number": 1, "content not JSON": "Paris",
        "content of another form": '{"a": 1}', "content of deep brackets": TEXT, GOOD: '{"rewordings": ["x"]}',
        "content of a megabyte": "x" * 1_000_000,
        "content with control bytes": "\x1b[2J\x07", "content with half a surrogate": '{"rewordings": ["\ud800"]}',
        "content with the key": json.dumps({"rewordings": [KEY]}),
    }  # fmt: skip
    return {name: answer(body) for name, body in said.items()} | {
        name: answer(completion(content)) for name, content in contents.items()
    }


def statuses() -> dict[str, Talk]:
    """Refusals, and pauses that are asked for."""
    page = b"<html><script>alert(1)</script></html>"
    codes = (201, 204, 205, 206, 226, 300, 304, 400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 411, 413, 414, 415)
    codes += (416, 418, 421, 422, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 507, 511)
    pauses = {
        "pause of a year": "31536000", "pause without end": "9" * 5000, "pause of -1": "-1",
        "pause of nonsense": "soon", "pause until 9999": "Fri, 31 Dec 9999 23:59:59 GMT", "pause of NaN": "nan",
    }  # fmt: skip
    key = json.dumps({"error": {"message": f"the key {KEY} is wrong"}}).encode()
    return (
        {f"status {code}": answer(page, f"{code} Told") for code in codes}
        | {name: answer(b"{}", "429 Busy", f"Retry-After: {pause}") for name, pause in pauses.items()}
        | {f"key in a {code}": answer(key, f"{code} Told") for code in (400, 401, 403, 404, 422, 429, 500)}
        | {f"{code} without end": drips(head(f"{code} Told"), b" " * 65536, every=0.0) for code in (400, 404, 500)}
        | {"reason of 1 MB": says(b"HTTP/1.1 500 " + b"x" * 1_000_000 + b"\r\n\r\n")}
    )


def redirects(elsewhere: str) -> dict[str, Talk]:
    """To others, to nowhere, in a circle, and with a long body."""
    places = {
        "another port": elsewhere, "metadata": "http://169.254.169.254/latest/meta-data", "no address": "http://[::1",
        "a file": "file:///etc/passwd", "javascript": "javascript:alert(1)", "itself": "/",
        "a name": "//metadata.internal/", "port 99999": "http://127.0.0.1:99999/",
        "a place of 1 MB": "/" + "a" * 1_000_000, "bytes": "/\xff\xfe",
        "the key's place": elsewhere + KEY, "user and password": "http://a:b@127.0.0.1/", "nothing": "",
    }  # fmt: skip
    talks = {f"redirect to {name}": answer(b"", "307 Moved", f"Location: {place}") for name, place in places.items()}
    talks["redirect without a place"] = answer(b"", "302 Found")
    talks["redirect with a body without end"] = drips(head("302 Found", "Location: /"), b" " * 65536, every=0.0)
    return talks


@dataclass
class Server:
    """Answers each connection by one talk."""

    talk: Talk = field(default_factory=says)
    heard: list[bytes] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    port: int = 0


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server on a port of this machine; each connection has a thread, or a slow one would keep the next waiting."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        server = Server(port=listening.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=talked, args=(server, connection), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server
        server.gone.set()


def talked(server: Server, connection: socket.socket) -> None:
    """One connection: hears the head of a request, and answers."""
    connection.settimeout(10)
    with connection, contextlib.suppress(OSError):
        heard = b""
        while b"\r\n\r\n" not in heard and (more := connection.recv(65536)):
            heard += more
        server.heard.append(heard)
        server.talk(connection, server.gone)


@dataclass(frozen=True)
class Outcome:
    """What came of one exchange; `find` is empty where all is well."""

    find: str
    kind: str
    told: str
    seconds: float


def asked(client: str, url: str, cache: Path) -> str:
    """The answer of the server to one of the clients."""
    if client == "judge":
        from uptake.models.served import LLM, paraphrase

        llm = LLM(f"{url}/v1", "judge", KEY, timeout=SECONDS, max_retries=0)
        return repr(paraphrase(llm, "The capital of France is", " Paris", 2))
    from uptake.corpus.sources.web import Cache, RequestPace, Web

    site = Web(f"{url}/api", Cache(cache), RequestPace(1e6), KEY, SECONDS, 0)
    return repr(site.get({"q": "Paris"}, lambda answer: None))


def tried(client: str, name: str, talk: Talk, other: Server, folder: Path) -> Outcome:
    """One exchange with one server."""
    from uptake.errors import UptakeError

    other.heard.clear()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving() as server:
        server.talk = talk
        began = time.monotonic()
        try:
            kind, told = "answered", asked(client, f"http://127.0.0.1:{server.port}", folder)
        except UptakeError as error:
            kind, told = "refused", str(error)
        except Exception as error:
            kind, told = "traceback", f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - began
    grew = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    kept = any(KEY.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    finds = {
        "traceback": kind == "traceback",
        "slow": seconds > SECONDS + LEEWAY,
        "growth": grew > GROWTH,
        "key": KEY in told or kept,
        "elsewhere": bool(other.heard),
        "deaf": name == GOOD and kind != "answered",
    }
    return Outcome(", ".join(find for find, is_one in finds.items() if is_one), kind, told, seconds)


def measured(clients: tuple[str, ...], only: str) -> dict[str, Outcome]:
    """Each server against each client."""
    found = {}
    with serving() as other, tempfile.TemporaryDirectory() as temporary:
        talks: Mapping[str, Talk] = (
            silent() | heads() | bodies() | texts() | statuses() | redirects(f"http://127.0.0.1:{other.port}/")
        )
        for client in clients:
            _warm(client, Path(temporary))
            for number, (name, talk) in enumerate(talks.items()):
                if only not in name:
                    continue
                outcome = tried(client, name, talk, other, Path(temporary) / f"{client}-{number}")
                found[f"{client}: {name}"] = outcome
                line = " ".join(outcome.told.split("\n")[0].split())[:90]
                print(f"{outcome.find or 'ok':<10} {client:<7} {name:<34} {outcome.seconds:5.2f} s "
                      f"{outcome.kind:<9} {line!r}", flush=True)  # fmt: skip
    return found


def _warm(client: str, folder: Path) -> None:
    """Imports what a client imports: its memory and its seconds are not the server's."""
    with serving() as server, contextlib.suppress(Exception):
        server.talk = answer(completion('{"rewordings": []}'))
        asked(client, f"http://127.0.0.1:{server.port}", folder / "warm")


def main() -> None:
    """Serve, ask, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="servers with this in their name")
    parser.add_argument("--client", choices=CLIENTS, help="one of the two")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    logging.disable(logging.CRITICAL)
    found = measured((args.client,) if args.client else CLIENTS, args.only)
    kinds = {client: Counter(one.kind for name, one in found.items() if name.startswith(client)) for client in CLIENTS}
    finds = {name: f"{one.find}: {one.told[:300]}" for name, one in found.items() if one.find}
    answered = sorted(name for name, one in found.items() if one.kind == "answered")
    slowest = max(one.seconds for one in found.values())
    print(f"{len(found)} exchanges, {len(finds)} finds; slowest {slowest:.1f} s; {dict(kinds)}")
    if not args.only and not args.client:
        told = {"exchanges": len(found), "seconds": SECONDS, "slowest": round(slowest, 2), "finds": finds,
                "kinds": {client: dict(some) for client, some in kinds.items()}, "answered": answered}  # fmt: skip
        args.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if finds else 0)


if __name__ == "__main__":
    main()
