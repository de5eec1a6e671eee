"""What may reach the terminal. Code points are those of the Unicode character database."""

from __future__ import annotations

import io
import sys

import pytest

from uptake.cli.terminal import complain, printable, tolerate_any_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\rb\x08c\x7f", r"a\rb\x08c\x7f"),
        ("\x9b2J", r"\x9b2J"),  # CSI in one character
        ("user\u202e\u2066", r"user\u202e\u2066"),  # RIGHT-TO-LEFT OVERRIDE, LEFT-TO-RIGHT ISOLATE
        ("\u200b\ufeff\U000e0041", r"\u200b\ufeff\U000e0041"),  # zero width space, BOM, tag
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_steers_the_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["", "plain", "two\nlines\tand a tab", "Zürich 東京 مرحبا", "می‌خواهم", "👩‍🔬"])
def test_text_of_any_language_stays(text: str) -> None:
    assert printable(text) == text


def test_an_error_is_one_red_line_and_its_advice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    complain("bad \x1b[0m value\nfix: mend it")
    assert capsys.readouterr().err == "error: bad \\x1b[0m value\nfix: mend it\n"


def test_a_terminal_that_lacks_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    tolerate_any_text()
    stream.write("é")
    stream.flush()
    assert raw.getvalue() == rb"\xe9"
