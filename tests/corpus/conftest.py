"""A web server for the tests of this folder, and a clock that only pauses move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from uptake.corpus.sources import web
from web_server import WebServer, serving


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as state:
        yield state


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, in seconds; none is waited for."""
    made: list[float] = []
    monkeypatch.setattr(web.time, "sleep", made.append)
    return made
