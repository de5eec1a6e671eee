"""Numbers, quantities, dates and times of day, each in one form however it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from fractions import Fraction

DIGITS = 40
"""More than so many characters are no number that anybody means."""

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SMALL = {word: value for value, word in enumerate(_ONES)} | {word: 10 * n for n, word in enumerate(_TENS, start=2)}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SCALES = frozenset(_LARGE)
"""Words that multiply the number before them."""
_ORDINALS = {"first": "one", "second": "two", "third": "three", "fifth": "five", "eighth": "eight", "ninth": "nine"}
_ORDINALS |= {"twelfth": "twelve"} | {f"{word.removesuffix('y')}ieth": word for word in _TENS}
_ORDINALS |= {f"{word}th": word for word in (*_ONES, "hundred", "thousand", "million")}
_UNITS = {
    name: (Fraction(size), kind)
    for size, kind, names in (
        ("1", "m", "m,meter,meters,metre,metres"),
        ("1000", "m", "km,kilometer,kilometers,kilometre,kilometres"),
        ("0.01", "m", "cm,centimeter,centimeters,centimetre,centimetres"),
        ("0.001", "m", "mm,millimeter,millimeters,millimetre,millimetres"),
        ("1609.344", "m", "mi,mile,miles"),
        ("0.3048", "m", "ft,foot,feet"),
        ("0.0254", "m", "inch,inches"),
        ("1", "kg", "kg,kilogram,kilograms,kilo,kilos"),
        ("0.001", "kg", "g,gram,grams"),
        ("0.000001", "kg", "mg,milligram,milligrams"),
        ("1000", "kg", "tonne,tonnes"),
        ("1", "s", "s,sec,second,seconds"),
        ("60", "s", "min,minute,minutes"),
        ("3600", "s", "h,hr,hrs,hour,hours"),
        ("86400", "s", "day,days"),
        ("604800", "s", "week,weeks"),
        ("1", "months", "month,months"),
        ("12", "months", "year,years,yr,yrs"),
        ("0.01", "", "%,percent,per cent"),
        ("1", "$", "$,dollar,dollars,us dollars,usd"),
        ("1", "€", "€,euro,euros,eur"),
        ("1", "£", "£,pound,pounds,gbp"),
        ("1", "°C", "°c,degrees celsius,degree celsius"),
        ("1", "°F", "°f,degrees fahrenheit,degree fahrenheit"),
    )
    for name in names.split(",")
}
_FIGURE = r"\d{1,3}(?:[, ]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:e[-+]?\d{1,2})?|\.\d+"
_QUANTITY = re.compile(
    rf"(?P<sign>[-+]|minus |negative )?(?P<money>[$€£])?(?P<value>{_FIGURE})(?:/(?P<over>\d{{1,3}}))?"
    r"\s*(?P<unit>[^\W\d_][^\W\d_ ]*(?: [^\W\d_]+)?|%|°[cf])?"
)
_RANGE = re.compile(r"(?P<low>[^-]+?)(?:\s*-\s*| to )(?P<high>[^-]+)")
_ERA = re.compile(r"(?:(?:ad|a\.d\.) )?(\d{1,4}) ?(ad|a\.d|ce|c\.e|bc|b\.c|bce|b\.c\.e)?\.?")

_MONTHS = {
    name: number
    for number, long in enumerate(
        "january february march april may june july august september october november december".split(), start=1
    )
    for name in (long, long[:3], "sept" if number == 9 else long)
}
_MONTH = rf"(?P<n>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})",
        r"(?P<y>\d{4})-(?P<m>\d{2})",
        rf"{_DAY}\s*(?:of\s+)?{_MONTH}(?:,?\s+(?P<y>\d{{4}}))?",
        rf"{_MONTH}\s+{_DAY}(?:,?\s+(?P<y>\d{{4}}))?",
        rf"{_MONTH}(?:\s+of|,)?\s+(?P<y>\d{{4}})",
        r"(?P<decade>\d{3})0s",
    )
)
_DAY_OR_MONTH = re.compile(r"(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<y>\d{4})")
_WEEKDAY = re.compile(r"^(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+(?:the\s+)?")
_TIME = re.compile(r"(?P<h>\d{1,2})(?:[:.](?P<m>\d{2}))?\s*(?P<half>[ap])\.?m\.?|(?P<h24>\d{1,2}):(?P<m24>\d{2})")


def in_digits(text: str) -> str:
    """The text with number words, ordinals among them, as digits, and without thousands separators."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text)
    text = re.sub(r"(?<=\d)\.0+(?!\d)", "", text)
    text = re.sub(rf"\b({'|'.join(_TENS)})-(?=[a-z])", r"\1 ", text)
    return re.sub(r"(\d\s*)?([^\W\d_]+(?:\s+[^\W\d_]+)*)", _spelled, text)


def _spelled(found: re.Match[str]) -> str:
    """Words, with each run of number words as one number."""
    words, after_number = found[2].split(), bool(found[1])
    told: list[str] = []
    at = 0
    while at < len(words):
        value, end = _run(words, at)
        if words[at] == "second" and after_number:  # the unit
            end = at
        told.append(words[at] if end == at else str(value))
        at, after_number = max(end, at + 1), end > at
    return (found[1] or "") + " ".join(told)


def _run(words: list[str], start: int) -> tuple[int, int]:
    """The value of the number words that begin at a place, and where they end."""
    total, current, end, last = 0, 0, start, 0
    for at in range(start, len(words)):
        word = _ORDINALS.get(words[at], words[at])
        if word in _SMALL:
            # `nineteen ninety` is two numbers
            if end > start and not (last >= 100 or (last >= 20 and _SMALL[word] < 10)):
                break
            last = _SMALL[word]
            current += last
        elif word == "hundred":
            current, last = max(1, current) * 100, 100
        elif word in _LARGE and current:
            total, current, last = total + current * _LARGE[word], 0, _LARGE[word]
        elif word == "and" and last >= 100 and _ORDINALS.get(*(words[at + 1 : at + 2] * 2 or ("", ""))) in _SMALL:
            continue
        else:
            break
        end = at + 1
    return total + current, end


def read_number(text: str) -> str | None:
    """The value, in basic units, of a text that is one number with or without a unit, or a range of numbers.

    `1,000`, `one thousand`, `.5`, `50 %`, `1/2`, `5 million`, `10 km`, `$5`, `44 BC`, `10 to 12`. A currency or basic
    unit is part of the value: `10000 m`. Numbers of more than `DIGITS` characters, and of units not known, are none.
    """
    text = in_digits(text)
    if len(text) > DIGITS:
        return None
    if era := _ERA.fullmatch(text):
        return f"{'-' if (era[2] or '').startswith('b') else ''}{int(era[1])}"
    value = _quantity(text)
    if value is None and (ends := _RANGE.fullmatch(text)):
        low, high = (_quantity(ends[side]) for side in ("low", "high"))
        value = f"{low}..{high}" if low is not None and high is not None else None
    return value


def _quantity(text: str) -> str | None:
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        return None
    value = Fraction(found["value"].replace(",", "").replace(" ", ""))
    if found["over"]:
        if int(found["over"]) == 0:
            return None
        value /= int(found["over"])
    words = (found["unit"] or found["money"] or "").split()
    if words and words[0] in _LARGE:
        value *= _LARGE[words.pop(0)]
        words = words or [found["money"] or ""]
    unit = " ".join(words).strip()
    if unit not in _UNITS and unit:
        return None
    size, kind = _UNITS[unit] if unit else (Fraction(1), "")
    value *= size if not (found["sign"] or "").strip(" +") else -size
    number = str(value.numerator) if value.denominator == 1 else f"{float(value):.12g}"
    return f"{number} {kind}".rstrip()


def read_time(text: str) -> str | None:
    """A time of day as `15:00`."""
    if not (found := _TIME.fullmatch(text)):
        return None
    hour, minute = int(found["h24"] or found["h"]), int(found["m24"] or found["m"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (found["half"] == "p")
    return f"{hour:02}:{minute:02}" if hour < 24 and minute < 60 else None


def read_dates(text: str) -> frozenset[str]:
    """Every day that the whole text may mean, in ISO form; both where day and month could change places.

    A month is `1990-05`, a day of no year `--05-12`, a decade `199x`.
    """
    return frozenset(_dates(_WEEKDAY.sub("", text)))


def _dates(text: str) -> Iterator[str]:
    for pattern in _DATES:
        if found := pattern.fullmatch(text):
            named = found.groupdict()
            if named.get("decade"):
                yield f"{named['decade']}x"
                continue
            month = _MONTHS[named["n"]] if "n" in named else int(named["m"])
            yield from _day(named.get("y"), month, named.get("d"))
    if found := _DAY_OR_MONTH.fullmatch(text):
        yield from _day(found["y"], int(found["b"]), found["a"])
        yield from _day(found["y"], int(found["a"]), found["b"])


def _day(year: str | None, month: int, day: str | None) -> Iterator[str]:
    try:
        known = date(int(year) if year else 2000, month, int(day) if day else 1).isoformat()
    except ValueError:  # there is no such day
        return
    yield (known if day else known[:-3]) if year else f"--{known[5:]}"


def same_time(one: str, other: str) -> bool:
    """Whether one of two dates, as `read_dates` or `read_number` give them, lies within the other."""
    wide, narrow = sorted((one, other), key=len)
    if wide.endswith("x"):
        return narrow.startswith(wide[:-1])
    if narrow.endswith("x"):
        return len(wide) == 4 and wide.startswith(narrow[:-1])
    return narrow == wide or narrow.startswith(f"{wide}-") or (wide.startswith("--") and narrow.endswith(wide[1:]))
