"""Text of others made safe to show: in a terminal, in a line, in Markdown."""

from __future__ import annotations

import re
import unicodedata

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


def one_line(text: str, width: int, *, end: bool = False) -> str:
    """The text in one line of at most `width` characters: its beginning, or its end, with an ellipsis where it is cut.

    Args:
        text: May be of any length; no more than a few times `width` of it is looked at.
        width: Most characters.
        end: Whether the end is kept, as of a prompt that asks its question last.
    """
    part = text[-8 * width :] if end else text[: 8 * width]
    line = printable(" ".join(part.split()))
    if len(line) <= width:
        return line
    return "…" + line[len(line) - width + 1 :] if end else line[: width - 1] + "…"


def differs_in_space(said: str, wanted: str) -> bool:
    """Whether two texts that say something differ in nothing but the white space at their beginning or end."""
    return said != wanted and said.strip() == wanted.strip() != ""


def with_space(text: str, width: int) -> str:
    """A text in quotes, its white space as escapes, at most about `width` characters of it; the middle is left out."""
    if len(text) > width:
        text = f"{text[: width // 2]}…{text[-width // 2 :]}"
    return repr(printable(text))


def counted(n: int, one: str, more: str | None = None) -> str:
    """A number and what it counts: `1 example`, `2 examples`.

    Args:
        n: How many.
        one: The noun for one.
        more: For any other number; None adds an s.
    """
    return f"{n:,} {one if n == 1 else more or one + 's'}"


def fitting(n: int, one: str, more: str) -> str:
    """The word that fits a number: `is` for one, `are` for any other."""
    return one if n == 1 else more


def code_span(text: str) -> str:
    """Text as a Markdown code span, in which nothing is Markdown or HTML and no cell of a table ends (GFM, 6.3)."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if line[:1] in ("`", " ", "") or line[-1:] in ("`", " ") else ""
    return f"{fence}{space}{line}{space}{fence}"


def told_of_stage(stage: str, then: float | None, now: float | None, *, last: bool) -> str:
    """What a stage taught, and what the later ones left of it, in one sentence.

    Args:
        stage: Its name.
        then: Share of its examples that is recalled right after its training, in [0, 1]; None where it is not known.
        now: The same after the last stage.
        last: It is the last stage, so that both are one.
    """
    first, second = ("not known" if share is None else f"{100 * share:.0f} %" for share in (then, now))
    return f"{stage}: {first} right after its training{'' if last else f', {second} at the end'}."
