"""JSON over HTTP: retries, limits, redirects and the cache, against a local server."""

from __future__ import annotations

import email.utils
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uptake.corpus.sources import SourceError, web
from uptake.corpus.sources.web import Cache, RequestPace, ServerBusy, Web
from uptake.errors import UptakeError
from web_server import Reply, WebServer, serving

KEY = "not-a-real-key-0123456789"
GOOD = Reply({"answer": 42})


def anything(answer: object) -> None:
    """Finds nothing wrong."""


@pytest.fixture
def site(served: WebServer, tmp_path: Path) -> Web:
    return Web(f"{served.url}/api", Cache(tmp_path / "cache"), RequestPace(1e6), KEY, 5.0, 2, "me@example.org")


def ask(site: Web, check: Callable[[Any], None] = anything) -> Any:
    return site.get({"q": "Ada & co"}, check)


def test_a_request_says_who_asks(served: WebServer, site: Web) -> None:
    served.replies(GOOD)
    assert ask(site) == {"answer": 42}
    ((path, query, headers),) = served.requests
    assert (path, query) == ("/api", {"q": "Ada & co"})
    assert headers["user-agent"].startswith("uptake/") and "me@example.org" in headers["user-agent"]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["accept"] == "application/json"


def test_nothing_is_asked_twice_and_no_key_is_kept(served: WebServer, site: Web, tmp_path: Path) -> None:
    served.replies(GOOD)
    assert ask(site) == ask(site)
    again = Web(site.url, site.cache, RequestPace(1e6))  # another run, another key
    assert ask(again) == {"answer": 42}
    assert len(served.requests) == 1
    (kept,) = (tmp_path / "cache").rglob("*.json")
    assert KEY not in kept.read_text() and KEY not in repr(site)
    kept.write_text("{damaged")
    assert ask(site) == {"answer": 42}
    assert len(served.requests) == 2


def test_an_answer_that_repeats_the_key_is_not_kept(served: WebServer, site: Web, tmp_path: Path) -> None:
    served.replies(Reply({"answer": [f"the key is {KEY}"]}))
    with pytest.raises(SourceError, match="repeats the key in its answer") as caught:
        ask(site)
    assert KEY not in str(caught.value) and not list((tmp_path / "cache").rglob("*.json"))


@pytest.mark.parametrize(
    ("first", "waited"),
    [
        (Reply("", 429, {"Retry-After": "7"}), 7.0),
        (Reply("", 503, {"Retry-After": "0"}), 0.0),
        (Reply("", 429, {"Retry-After": "soon"}), 1.0),
        (Reply("", 429), 1.0),
        (Reply("oops", 500), 1.0),
        (Reply("oops", 502), 1.0),
        (Reply('{"answer": 4'), 1.0),
        (Reply("garbage \x00"), 1.0),
        (Reply(b'{"answer": "\xff"}'), 1.0),
        (Reply("[" * 100_000), 1.0),
        (Reply('{"answer": 42}', promised=1000), 1.0),
    ],
    ids=["429", "503 at once", "429 unreadable", "429 bare", "500", "502"]
    + ["cut JSON", "garbage", "not UTF-8", "nested without end", "broken off"],
)
def test_what_may_pass_is_tried_again(
    served: WebServer, site: Web, pauses: list[float], first: Reply, waited: float
) -> None:
    served.replies(first, GOOD)
    assert ask(site) == {"answer": 42}
    assert len(served.requests) == 2
    assert pauses == [waited]


def test_a_date_to_come_back_at(served: WebServer, site: Web, pauses: list[float]) -> None:
    served.replies(Reply("", 429, {"Retry-After": email.utils.formatdate(time.time() + 30, usegmt=True)}), GOOD)
    assert ask(site) == {"answer": 42}
    assert len(pauses) == 1 and 25 < pauses[0] <= 30


def test_pauses_grow_until_it_gives_up(served: WebServer, site: Web, pauses: list[float]) -> None:
    served.replies(Reply(f"the key {KEY} is bad", 500))
    with pytest.raises(SourceError, match="HTTP 500, 3 times") as caught:
        ask(site)
    assert pauses == [1.0, 2.0]
    assert KEY not in str(caught.value)


def test_a_pause_that_is_too_long_is_not_made(served: WebServer, site: Web, pauses: list[float]) -> None:
    served.replies(Reply("", 429, {"Retry-After": "86400"}))
    with pytest.raises(SourceError, match="asks to wait 86400 s"):
        ask(site)
    assert (len(served.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply("<html>hello</html>", headers={"Content-Type": "text/html"}), "text/html"),
        (Reply("", 403), "HTTP 403"),
        (Reply("", 401), "HTTP 401"),
        (Reply("", 404), "HTTP 404"),
        (Reply(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "encoding"),
        (Reply('{"answer": "\\ud800"}'), "half of a character"),  # no file can hold it
    ],
)
def test_what_will_not_pass_is_not_tried_again(served: WebServer, site: Web, reply: Reply, told: str) -> None:
    served.replies(reply)
    with pytest.raises(SourceError, match=told):
        ask(site)
    assert len(served.requests) == 1


def test_an_answer_without_end_is_refused(
    served: WebServer, site: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(web, "MOST_BYTES", 1000)
    served.replies(Reply({"answer": "x" * 2000}))
    with pytest.raises(SourceError, match="more than 1,000 bytes"):
        ask(site)
    assert list((tmp_path / "cache").rglob("*.json")) == []


def test_a_timeout_covers_the_whole_answer(served: WebServer, tmp_path: Path) -> None:
    site = Web(served.url, Cache(tmp_path), RequestPace(1e6), timeout=0.2, max_retries=0)
    served.replies(Reply({}, delay=5.0))
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"no answer within 0\.2 s"):
        ask(site)
    assert time.monotonic() - began < 4


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match="cannot be reached"):
        ask(Web(f"http://127.0.0.1:{port}", Cache(tmp_path), RequestPace(1e6), max_retries=0))


def test_redirects_stay_on_the_host(served: WebServer, site: Web) -> None:
    served.replies(Reply("", 302, {"Location": "/elsewhere"}), GOOD)
    assert ask(site) == {"answer": 42}
    assert [path for path, _, _ in served.requests] == ["/api", "/elsewhere"]


def test_redirects_to_others_are_refused(served: WebServer, site: Web) -> None:
    with serving() as other:
        other.replies(GOOD)
        port = other.url.rpartition(":")[2]
        for place in (other.url, f"http://localhost:{port}/", "file:///etc/passwd", "ftp://127.0.0.1/x", "//[::1]/"):
            served.replies(Reply("", 302, {"Location": place}))
            with pytest.raises(SourceError, match=r"redirects to|HTTP 302"):
                ask(site)
        assert other.requests == []


def test_a_redirect_in_a_circle_ends(served: WebServer, site: Web) -> None:
    served.replies(Reply("", 302, {"Location": "/api"}))
    with pytest.raises(SourceError, match="HTTP 302"):
        ask(site)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://h/x", "http://me:secret@h/", "h", "http://"])
def test_only_addresses_of_the_web(url: str, tmp_path: Path) -> None:
    with pytest.raises(UptakeError, match="cannot be asked") as caught:
        Web(url, Cache(tmp_path), RequestPace(1.0))
    assert "secret" not in str(caught.value)


def test_busy_is_tried_again_and_not_kept(served: WebServer, site: Web, pauses: list[float]) -> None:
    def check(answer: Any) -> None:
        if "busy" in answer:
            raise ServerBusy("come back later")

    served.replies(Reply({"busy": 1}), GOOD)
    assert ask(site, check) == {"answer": 42}
    assert pauses == [1.0]


def test_a_pace_is_kept(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.time, "monotonic", lambda: 100.0)
    pace = RequestPace(4.0)
    for _ in range(3):
        pace.wait()
    assert pauses == [0.25, 0.25]
