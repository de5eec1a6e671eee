"""The bounded HTTP client against servers that misbehave, each on a socket of this machine."""

from __future__ import annotations

import contextlib
import email.utils
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx2
import pytest

from uptake.http import Again, Refused, TooLong, addresses, asked_pause, client, retrying

Talk = Callable[[socket.socket, threading.Event], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Server:
    """Answers each connection by the next of its talks, the last one again and again; keeps what it was sent."""

    port: int
    talks: list[Talk] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


def hear(connection: socket.socket) -> bytes:
    """A request, with its body."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += connection.recv(65536)
    head, _, body = heard.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(listening.getsockname()[1])

        def serve() -> None:
            while True:
                connection, _ = listening.accept()
                if server.gone.is_set():
                    connection.close()
                    return
                with connection, contextlib.suppress(OSError):
                    server.heard.append(hear(connection))
                    (server.talks.pop(0) if len(server.talks) > 1 else server.talks[0])(connection, server.gone)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server
        server.gone.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", server.port)).close()
        thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as started:
        yield started


def says(*parts: bytes) -> Talk:
    """Sends this and closes the connection."""

    def talk(connection: socket.socket, gone: threading.Event) -> None:
        for part in parts:
            connection.sendall(part)

    return talk


def drips(start: bytes, drop: bytes, every: float = 0.05) -> Talk:
    """Goes on with `drop` until the client has gone: each comes well within any time-out between two of them."""

    def talk(connection: socket.socket, gone: threading.Event) -> None:
        connection.sendall(start)
        while not gone.wait(every):
            connection.sendall(drop)

    return talk


def get(url: str, seconds: float = 5.0, most_bytes: int = 1000) -> httpx2.Response:
    with client(seconds, most_bytes, {"User-Agent": "test"}) as asked:
        return asked.get(url)


@pytest.mark.parametrize(
    "talk",
    [
        drips(b"", b"H"),
        drips(b"HTTP/1.1 200 ", b"O"),
        drips(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every=0.0),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b"x"),
        drips(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        drips(b"", b""),
    ],
    ids=[
        "no status line",
        "status line",
        "header",
        "100 Continue without end",
        "body",
        "chunks of an error",
        "silence",
    ],
)
def test_an_exchange_ends_at_its_deadline(server: Server, talk: Talk) -> None:
    server.talks = [talk]
    began = time.monotonic()
    with pytest.raises((httpx2.TimeoutException, httpx2.RemoteProtocolError)) as caught:
        get(server.url, seconds=0.4)
    # a status line of nonsense is an error of its own, before the deadline
    assert isinstance(caught.value, httpx2.TimeoutException) or "H" in str(caught.value)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("status", [b"200 OK", b"404 No", b"500 Oops"])
def test_a_body_is_read_so_far_and_no_further(server: Server, status: bytes) -> None:
    server.talks = [drips(b"HTTP/1.1 " + status + b"\r\n\r\n", b"x" * 10_000, every=0.0)]
    with pytest.raises(TooLong, match="more than 1,000 bytes"):
        get(server.url)


def test_a_body_of_just_the_length_allowed(server: Server) -> None:
    server.talks = [says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)]
    assert len(get(server.url).content) == 1000


def test_a_packed_body_is_not_unpacked(server: Server) -> None:
    server.talks = [says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b")]
    with pytest.raises(Refused, match="encoding"):
        get(server.url)
    assert b"Accept-Encoding: identity" in server.heard[0]


def test_the_body_of_a_redirect_is_not_read(server: Server) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 1000000000\r\n\r\n"
    server.talks = [drips(head, b"x" * 100_000, every=0.0), says(OK)]
    began = time.monotonic()
    assert get(server.url).text == "ok"
    assert server.heard[1].startswith(b"GET /elsewhere ")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_is_sent_to_another_host(server: Server, status: int) -> None:
    with serving() as other:
        other.talks = [says(OK)]
        places = [other.url, f"http://localhost:{server.port}/", "https://127.0.0.1/", "//[::1]/", "file:///etc/passwd"]
        for place in [*places, "http://169.254.169.254/latest/meta-data", "http://[fe80::1]/"]:
            head = f"HTTP/1.1 {status} Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"
            server.talks = [says(head.encode())]
            with client(5.0, 1000, {}) as asked, pytest.raises(Refused, match="redirects to"):
                asked.post(server.url, content=b"secret")
        assert other.heard == []


@pytest.mark.parametrize(
    "place",
    [
        "http://[::1",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:-1/",
        "http://127.0.0.1:²/",
        "//[",
    ],
)
def test_a_redirect_to_what_is_no_address(server: Server, place: str) -> None:
    head = f"HTTP/1.1 307 Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"
    server.talks = [says(head.encode())]
    with client(5.0, 1000, {}) as asked, pytest.raises((Refused, httpx2.RemoteProtocolError)):
        asked.post(server.url, content=b"secret")
    assert len(server.heard) == 1


def test_a_body_is_sent_again_to_the_same_host(server: Server) -> None:
    server.talks = [says(b"HTTP/1.1 307 Moved\r\nLocation: /v1/\r\nContent-Length: 0\r\n\r\n"), says(OK)]
    with client(5.0, 1000, {}) as asked:
        assert asked.post(server.url, content=b"question").text == "ok"
    assert server.heard[1].startswith(b"POST /v1/ ") and server.heard[1].endswith(b"question")


def test_the_deadline_holds_for_all_redirects_together(server: Server) -> None:
    def circle(connection: socket.socket, gone: threading.Event) -> None:
        gone.wait(0.2)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")

    server.talks = [circle]
    with pytest.raises(httpx2.TimeoutException):
        get(server.url, seconds=0.5)
    with pytest.raises(httpx2.TooManyRedirects):
        get(server.url, seconds=5.0)


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "2852039166", "0xa9.0xfea9fe", "[fe80::1]", "[::ffff:169.254.169.254]"]
    + ["[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "100.100.100.200"],
)
@pytest.mark.parametrize("proxied", [False, True])
def test_link_local_and_metadata_addresses_are_not_asked(
    server: Server, host: str, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 2852039166 = 169·2²⁴ + 254·2¹⁶ + 169·2⁸ + 254
    if proxied:
        monkeypatch.setenv("http_proxy", server.url)
    with pytest.raises(Refused, match="is not asked"):
        get(f"http://{host}/latest/meta-data")
    assert server.heard == []


def test_names_that_resolve_there_are_not_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        # the second is what a client would fall back on
        return [(2, 1, 6, "", ("127.0.0.1", server.port)), (2, 1, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(addresses, "getaddrinfo", lookup)
    with pytest.raises(Refused, match=r"metadata\.example is not asked"):
        get(f"http://metadata.example:{server.port}/")
    assert server.heard == []


def test_a_name_that_is_looked_up_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(addresses, "getaddrinfo", lambda *_, **__: [never.wait(10)][:0])
    began = time.monotonic()
    with pytest.raises(httpx2.ConnectTimeout):
        get("http://slow.example/", seconds=0.2)
    assert time.monotonic() - began < 3
    never.set()


def test_the_second_address_of_a_name_is_tried(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # nobody listens at ::1 on that port
    found = [(10, 1, 6, "", ("::1", server.port, 0, 0)), (2, 1, 6, "", ("127.0.0.1", server.port))]
    monkeypatch.setattr(addresses, "getaddrinfo", lambda *_, **__: found)
    server.talks = [says(OK)]
    assert get(f"http://two.example:{server.port}/").text == "ok"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(httpx2.ConnectError):
        get("http://nobody.invalid/")


def test_only_named_headers_are_sent(server: Server) -> None:
    server.talks = [says(OK)]
    with client(5.0, 1000, {"Authorization": "Bearer key"}) as asked:
        asked.post(server.url, json={}, headers={"OpenAI-Organization": "org", "Authorization": "Bearer other"})
    lines = server.heard[0].partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")[1:]
    names = [line.partition(":")[0] for line in lines]
    assert sorted(names) == (
        ["accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host"]
    )
    assert "authorization: bearer key" in lines


def test_a_proxy_of_the_environment_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.talks = [says(OK)]
    assert get("http://nobody.invalid/path").text == "ok"
    assert server.heard[0].startswith(b"GET http://nobody.invalid/path ")  # RFC 9112, section 3.2.2
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert get(server.url).text == "ok"
    assert server.heard[1].startswith(b"GET / ")
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(Refused, match="a proxy of socks5"):
        get("http://nobody.invalid/")


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "-1"}, 0.0),
        ({"retry-after": "9" * 5000}, math.inf),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0.0),
        ({"retry-after": "nan"}, None),
    ],
)
def test_the_pause_that_a_server_asks_for(headers: dict[str, str], pause: float | None) -> None:
    assert asked_pause(headers) == pause


def test_a_date_to_come_back_at() -> None:
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 25 < (asked_pause({"retry-after": date}) or 0) <= 30


def test_pauses_grow_or_are_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    asked = iter([None, None, 7.0, None, 0.0])

    def fail() -> None:
        raise Again("busy", next(asked))

    with pytest.raises(Again, match="busy"):
        retrying(fail, 5)
    assert made == [1.0, 2.0, 7.0, 8.0]
    with pytest.raises(Again):
        retrying(lambda: (_ for _ in ()).throw(Again("busy", 121.0)), 5)
    with pytest.raises(KeyError):
        retrying(lambda: {}["no"], 5)
    assert len(made) == 4
