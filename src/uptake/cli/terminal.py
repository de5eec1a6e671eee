"""What reaches the terminal: user text without control over it, errors in red on stderr."""

from __future__ import annotations

import io
import os
import sys
import unicodedata

import typer

# joiners change how letters of Persian, Hindi or emoji connect, and nothing else
_HARMLESS = frozenset("\n\t\u200c\u200d")
_CONTROLLING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""Shows what could steer a terminal, or reorder what it displays, as an escape: ESC becomes `\x1b`.

    Line ends and tabs stay. Escaped are the Unicode categories Cc and Cf (terminal escapes, bidirectional overrides,
    invisible characters; "Trojan Source", arXiv 2111.00169), Zl and Zp (line separators) and Cs (half characters, which
    cannot be encoded).
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if char not in _HARMLESS and unicodedata.category(char) in _CONTROLLING
        else char
        for char in text
    )


def complain(text: str) -> None:
    """Prints an error on stderr, its first line in red where colours are shown."""
    first, _, rest = printable(text).partition("\n")
    colour = False if os.environ.get("NO_COLOR") else None
    typer.secho(f"error: {first}", fg="red", err=True, color=colour)
    if rest:
        typer.echo(rest, err=True)


def tolerate_any_text() -> None:
    """Lets output go on where the terminal's encoding lacks a character: it is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
