"""Text whose words are not set apart by spaces: Chinese, Japanese, Thai, Lao, Khmer, Burmese.

Words cannot be found there without a dictionary. The text is cut at what stands between the parts of a sentence: in
Chinese words such as 的 and 是, in Japanese particles and changes of script, in Thai the words for *and* and *or*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from uptake.letters import HAN, KANA, SOUTH
from uptake.spans.span import Span, SpanKind

LONGEST, LONGEST_SOUTH = 8, 24
"""Characters of a span."""

_SCRIPT = re.compile(f"[{HAN}{KANA}]+|[{SOUTH}]+")
_HAS_KANA = re.compile(f"[{KANA}]")
_NUMERAL = "〇零一二三四五六七八九十百千万萬亿億两兩"
_CHINESE = re.compile(
    rf"(?P<number>第?[{_NUMERAL}]+[年月日个個人岁歲次种種米元度倍时時分秒天周週世]|第[{_NUMERAL}]+|[{_NUMERAL}]{{2,}})"
    r"|(?P<claim>不是|没有|沒有|不能|不会|不會|不可|从未|從未|不|没|沒|無|无|非|未(?![来來])|更|最(?![终終近初后後])|所有|只有|只|仅|僅|大于|小于|超过|低于|高于)"
    r"|(?P<join>以及|或者|还是|[和与與及跟或])|(?P<drop>[着吗嗎呢吧啊]|的(?![确確])|了(?!解)|是(?!否)|在(?![于於线線]))"
)
_JAPANESE = re.compile(
    rf"(?P<number>[{_NUMERAL}]+[年月日個人歳回種円度倍時分秒週]|[{_NUMERAL}]{{2,}})"
    r"|(?P<claim>ではない|ではありません|ありません|ません|なかった|ない|だけ|より)"
    r"|(?P<katakana>[\u30a1-\u30fa\u30fc\u30fd\u30fe]+)"
    rf"|(?P<kanji>[{HAN}]+)|(?P<hiragana>[\u3041-\u309f])|(?P<dot>.)"
)
_PARTICLES = frozenset("は が を に へ と で も の や か から まで です である でした ます だ など".split())
_SOUTHERN = re.compile("(?P<join>และ|หรือ|ແລະ|និង|ဖြစ်သည်|နှင့်)|(?P<claim>ไม่|ບໍ່|មិន)")
_MARK = re.compile("[\u0e31\u0e33-\u0e3a\u0e45-\u0e4e\u0eb1\u0eb3-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3]")
"""What hangs on the character before it, and is not cut from it."""


def unspaced(text: str, start: int, end: int) -> Iterator[Span]:
    """The spans of a run of letters of such scripts.

    Args:
        text: The whole text.
        start: First character of the run.
        end: The character after its last one.
    """
    for match in _SCRIPT.finditer(text, start, end):
        at, stop = match.span()
        if re.match(f"[{SOUTH}]", text[at]):
            yield from _southern(text, at, stop)
        elif _HAS_KANA.search(text, at, stop):
            yield from _japanese(text, at, stop)
        else:
            yield from _chinese(text, at, stop)


def _chinese(text: str, start: int, end: int) -> Iterator[Span]:
    begun, cuts = start, list(_CHINESE.finditer(text, start, end))
    for number, match in enumerate(cuts):
        if match.lastgroup == "join":
            after = cuts[number + 1].start() if number + 1 < len(cuts) else end
            if match.start() - begun < 2 or after - match.end() < 2:
                continue  # a part of a word, as in 世界和平, and not between two members
        yield from _pieces(begun, match.start(), LONGEST)
        if match.lastgroup in ("number", "claim"):
            yield Span(*match.span(), "number" if match.lastgroup == "number" else "claim")
        begun = match.end()
    yield from _pieces(begun, end, LONGEST)


def _japanese(text: str, start: int, end: int) -> Iterator[Span]:
    """Kanji with the hiragana that inflect them, katakana, and other hiragana, each without particles at its end."""
    begun, tail, kind = start, start, None
    for match in _JAPANESE.finditer(text, start, end):
        group = match.lastgroup
        if group == "hiragana" and kind in ("kanji", "hiragana"):
            tail = match.end()
            continue
        yield from _inflected(text, begun, tail)
        begun, tail, kind = match.start(), match.end(), group
        if group in ("number", "claim"):
            name: SpanKind = "number" if group == "number" else "claim"
            yield Span(begun, tail, name)
            begun = tail
    yield from _inflected(text, begun, tail)


def _inflected(text: str, start: int, end: int) -> Iterator[Span]:
    for length in (3, 2, 1):
        if text[end - length : end] in _PARTICLES and end - length >= start:
            end -= length
            break
    yield from _pieces(start, end, LONGEST)


def _southern(text: str, start: int, end: int) -> Iterator[Span]:
    begun = start
    for match in _SOUTHERN.finditer(text, start, end):
        yield from _marked(text, begun, match.start())
        if match.lastgroup == "claim":
            yield Span(*match.span(), "claim")
        begun = match.end()
    yield from _marked(text, begun, end)


def _marked(text: str, start: int, end: int) -> Iterator[Span]:
    """Pieces that end before no mark and begin with none; after a long row of marks all the same."""
    while end - start > LONGEST_SOUTH:
        stop = start + LONGEST_SOUTH
        while stop < min(end, start + 2 * LONGEST_SOUTH) and _MARK.match(text, stop):
            stop += 1
        yield Span(start, stop, "phrase")
        start = stop
    if end > start:
        yield Span(start, end, "phrase")


def _pieces(start: int, end: int, longest: int) -> Iterator[Span]:
    """A stretch in pieces of like length."""
    if end <= start:
        return
    n = -(-(end - start) // longest)
    bounds = [start + (end - start) * piece // n for piece in range(n + 1)]
    for at, stop in zip(bounds, bounds[1:], strict=False):
        yield Span(at, stop, "phrase")
