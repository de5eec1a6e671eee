"""The tokens of prose: words, numbers with their units, dates, addresses; one pass over the text, in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from uptake.letters import IN_WORD, LETTER, UNSPACED
from uptake.spans.telling import MONTHS, SIGNS, UNITS

TokenKind: TypeAlias = Literal["word", "number", "date", "code", "unspaced", "marker", "sign"]

_MONTH = rf"(?:{'|'.join(MONTHS)})\b\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th|\.)?"
# all repetitions are bounded: what fails after a long row of digits must not be tried again from each of them
_GROUPED = r"\d{1,3}(?:[,.'’\u00a0\u202f ]\d{3}){1,12}(?!\d)(?:[.,]\d{1,40})?"
_FIGURE = rf"(?:{_GROUPED}|\d{{1,40}}(?:[.,]\d{{1,40}}){{0,4}}|\.\d{{1,40}})(?!\d)"

_TOKEN = re.compile(
    rf"""
    (?P<marker>^[ \t>]{{0,12}}(?:(?:[-*+•‣◦]|\d{{1,3}}[.)]|\#{{1,6}})[ \t]+|\d{{1,3}}(?:[、．]|\.(?=[{UNSPACED}]))))
    |(?P<code>
        (?:https?://|www\.)[^\s<>"'`)\]]+
        |(?<![\w.+-])[\w.+-]{{1,64}}@\w[\w-]{{0,62}}(?:\.\w[\w-]{{0,62}}){{1,5}}
        |(?<![\w/.])(?:~|\.{{1,2}})?/[\w.-]{{2,}}(?:/[\w.-]+)*/?
        |(?<![\w-])--?[A-Za-z][\w-]*(?==|\b)
        |(?<![\w.])[A-Za-z_]\w*(?:\.[a-z_]\w*)+(?:\(\))?
        |(?<!\w)\w+\(\)
        |(?<!\w)(?:[A-Za-z0-9]*_\w+)
    )
    |(?P<date>
        \d{{1,4}}\s?[年년](?:\s?\d{{1,2}}\s?[月월])?(?:\s?\d{{1,2}}\s?[日号號일])?|\d{{1,2}}\s?[月월]\s?\d{{1,2}}\s?[日号號일]
        |(?<!\w)(?:
            \d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?!\d)(?:T\d[\d:.Z+-]*)?
            |\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}}(?!\d)
            |\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?!\d)(?:\s?[aApP]\.?[mM]\b\.?)?
            |{_MONTH}\s{{1,2}}{_DAY}(?:,?\s{{1,2}}\d{{4}})?(?!\w)
            |{_MONTH},?\s{{1,2}}\d{{4}}(?!\w)
            |{_DAY}\s{{1,2}}(?:of\s|de\s)?{_MONTH}(?:,?\s{{1,2}}\d{{4}})?(?!\w)
            |{_DAY}\s{{1,2}}(?:de\s)?{LETTER}{{3,12}}\.?\s{{1,2}}(?:de\s|del\s)?(?:1\d|20)\d\d(?!\w)
            |(?:1\d|20)\d0s\b
        )
    )
    |(?P<number>(?:(?<![\w)\]}}.])[-−+±])?(?:[$€£¥₹₩]\s?)?{_FIGURE}(?:[eE][-+]?\d{{1,3}})?(?:/\d{{1,4}}(?!\d))?(?:st|nd|rd|th|er|e|º|ª)?
        (?!{LETTER}))
    |(?P<unit>(?:(?<![\w)\]}}.])[-−+±])?[$€£¥₹₩]?{_FIGURE}(?=[^\W\d_]{{1,5}}(?!\w)|[{UNSPACED}]))
    |(?P<unspaced>[{UNSPACED}]+)
    |(?P<word>{IN_WORD}+(?:['’‑-]{IN_WORD}+)*)
    |(?P<sign>(?<=\s)[<>≤≥≠≈±→⇒∈⊂∪∩×÷+*/−]=?(?=\s)|(?<=[\d)\]}}]\s)-(?=\s[\d($]))
    """,
    re.VERBOSE | re.MULTILINE,
)
_WORD = re.compile(rf"{IN_WORD}+(?:['’‑-]{IN_WORD}+)*")
_UNIT = re.compile(
    rf"[ \u00a0‑-]?([^\W\d_{UNSPACED}]{{1,12}}|[%‰°℃℉€£$¥₹₩µΩ″′][CFKmMAΩ]?)(?:/[A-Za-z]{{1,4}}[²³]?)?(?!\w)"
)
_COUNTER = re.compile(
    r"\s?(?:公里|千米|厘米|毫米|平方米|立方米|公斤|千克|毫克|美元|日元|欧元|世纪|世紀|小时|時間|分钟|[年月日时時分秒元円个個人岁歲歳次"
    r"种種米克吨度倍天周週万萬亿億只条本页頁名位回년월일명개원시분초]){1,3}"
)
_YEAR = re.compile(r"(?:1\d|20)\d\d")


@dataclass(frozen=True, slots=True)
class ProseToken:
    """A token of prose.

    Attributes:
        start: Its first character.
        end: The character after its last one.
        kind: What it is; `marker`: the bullet, number or sharp signs at the beginning of a line.
    """

    start: int
    end: int
    kind: TokenKind


def tokens(text: str, start: int, end: int) -> Iterator[ProseToken]:
    """The tokens of a stretch of prose, in order.

    Args:
        text: The whole text.
        start: First character of the stretch.
        end: The character after its last one.
    """
    at = start
    while (match := _TOKEN.search(text, at, end)) is not None:
        group = match.lastgroup
        first, at = match.span()
        if group in ("number", "unit"):
            stop = _with_unit(text, at, end)
            if group == "unit" and stop == at and (word := _WORD.match(text, first, end)) is not None:
                at = word.end()  # 3D: letters that are no unit
                yield ProseToken(first, at, "word")
                continue
            is_year = stop == at and _YEAR.fullmatch(text, first, at) is not None
            yield ProseToken(first, stop, "date" if is_year else "number")
            at = stop
        elif group == "code":
            at = first + len(text[first:at].rstrip(".,;:!?"))
            yield ProseToken(first, at, "code")
        elif group in ("word", "date", "unspaced", "marker", "sign"):
            yield ProseToken(first, at, group)  # type: ignore[arg-type]  # one of these


def _with_unit(text: str, at: int, end: int) -> int:
    """Where a number ends that ends at `at` without its unit."""
    if (match := _COUNTER.match(text, at, end)) is not None:
        return match.end()
    for _ in range(2):  # 3 million people
        match = _UNIT.match(text, at, end)
        if match is None:
            break
        unit = match.group(1)
        if unit[0] not in SIGNS and unit.casefold() not in UNITS:
            break
        if match.group()[0] in " \u00a0" and unit in ("in", "a", "A", "s", "no"):
            break  # a word more often than inches, amperes or seconds
        at = match.end()
    return at
