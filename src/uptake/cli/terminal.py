"""What reaches the terminal: user text without control over it, errors in red on stderr."""

from __future__ import annotations

import io
import os
import sys

import typer

from uptake.text import printable

__all__ = ["complain", "printable", "tolerate_any_text"]


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
