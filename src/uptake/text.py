"""Text of others made safe to show: in a terminal, in a line, in Markdown."""

from __future__ import annotations

import json
import re
import unicodedata
from base64 import b64encode
from urllib.parse import quote

# joiners change how letters of Persian, Hindi or emoji connect, and nothing else
_HARMLESS = frozenset("\n\t\u200c\u200d")
_CONTROLLING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

EMPTY_WORDS = frozenset(
    "a an and answer answers are as at be been but by certainly correct course did do does following for from "
    "given had has have he hello her here here's hi his how i i'll i'm in into is it it's its let let's me my of "
    "ok okay on or our please provide question response she so sure thank thanks that that's the their there "
    "there's these they this those to was we well were what when where which who whose why will with would you "
    "your".split()
)
"""English words that answer nothing."""


_KEY = re.compile(
    r"""\b(?:sk|pk|rk|xox[a-z])-(?=[\w-]*[A-Z0-9])[\w-]{8,}               # OpenAI, Anthropic, Slack
    |\b(?:hf|gh[oprsu]|github_pat|glpat|npm|sk|pk|rk)[_-][A-Za-z0-9]{12,}\w*  # Hugging Face, GitHub, GitLab, Stripe
    |\b(?:AKIA|ASIA|AIza)[\w-]{12,}|\beyJ[\w-]{10,}\.[\w.-]+               # Amazon, Google, JSON web tokens
    |(?<=\b[Bb]earer\ )[^\s'"]+|(?<=\b[Bb]asic\ )(?=\S*[0-9=])[\w+/=]{8,}        # of an Authorization header
    |(?<=://)[^\s/@'"]+(?=@)                                               # user and password of an address
    |(?<=[?&\#])[\w-]*(?i:key|token|secret|password|signature)=[^\s&'"]+    # of a query
    """,
    re.VERBOSE,
)

HIDDEN = "(not shown)"
"""Stands in the place of what may be a key."""

_FRAGMENT = 8
_SHORT = 24


def without_keys(text: str) -> str:
    """The text without what looks like somebody's API key, token or password.

    Keys are told by their beginnings and by what stands around them; a password that is any word is told by neither.
    """
    return _KEY.sub(HIDDEN, text)


def without_key(text: str, key: str | None) -> str:
    """The text without a key that we know, and without pieces of 8 characters or more of it, however it is quoted.

    Args:
        text: What a server said, say.
        key: The key; None leaves the text as it is.
    """
    if not key:
        return text
    for form in _forms(key):
        text = text.replace(form, "(key)")
    for form in _forms(key):
        start = 0
        while len(form) - start >= _FRAGMENT:
            end = start + _FRAGMENT
            if form[start:end] not in text:
                start += 1
                continue
            while end < len(form) and form[start : end + 1] in text:
                end += 1
            text = text.replace(form[start:end], "(key)")
            start = end
    return text


def holds_key(text: str, key: str | None) -> bool:
    """Whether a text holds a key that we know; one shorter than 8 characters may be any word (`EMPTY`)."""
    return key is not None and len(key) >= _FRAGMENT and any(form in text for form in _forms(key))


def variable(name: str) -> str:
    """The name of an environment variable for an error; what is not in capitals may be the key itself."""
    return name if name.isupper() and without_keys(name) == name else HIDDEN


def _forms(key: str) -> list[str]:
    """A key as it stands, in JSON, in an address, and in base 64."""
    coded = b64encode(key.encode("utf-8", "surrogateescape")).decode()
    return list(dict.fromkeys((key, json.dumps(key)[1:-1], quote(key, safe="", errors="surrogateescape"), coded)))


def shown(value: object) -> str:
    """A setting's value for an error: the type alone of what has parts, and of text no more than a typing error."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHORT and without_keys(value) == value else "text"
    parts = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list | tuple) else None
    return parts or repr(value)


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
