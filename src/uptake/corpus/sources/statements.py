"""Statements of Wikidata as English sentences.

Their form: https://doc.wikimedia.org/Wikibase/master/php/docs_topics_json.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

MOST_VALUES = 8
"""Values of one property that are told; a country has hundreds of members of this and that."""

# what is asked about most, as people say it; anything else follows from the property's label
SENTENCES = {
    "P19": "{0} was born in {1}.",
    "P20": "{0} died in {1}.",
    "P27": "{0} is a citizen of {1}.",
    "P30": "{0} is located in the continent of {1}.",
    "P31": "{0} is an instance of {1}.",
    "P36": "The capital of {0} is {1}.",
    "P39": "{0} has held the position of {1}.",
    "P47": "{0} shares a border with {1}.",
    "P69": "{0} was educated at {1}.",
    "P106": "{0} works or worked as {1}.",
    "P108": "{0} was employed by {1}.",
    "P131": "{0} is located in {1}.",
    "P159": "The headquarters of {0} are in {1}.",
    "P166": "{0} received the award {1}.",
    "P279": "{0} is a kind of {1}.",
    "P361": "{0} is part of {1}.",
    "P463": "{0} is a member of {1}.",
    "P495": "{0} originated in {1}.",
    "P527": "{0} has the part {1}.",
    "P569": "{0} was born on {1}.",
    "P570": "{0} died on {1}.",
    "P740": "{0} was founded in {1}.",
    "P937": "{0} worked in {1}.",
    "P1376": "{0} is the capital of {1}.",
    "P1412": "{0} speaks or spoke {1}.",
}
_TOLD = ("wikibase-item", "time", "quantity", "monolingualtext", "string")
_PREPOSITION = re.compile(r" (of|in|at|by|to|from|with|for|on)$")
_TIME = re.compile(r"([+-])(\d+)-(\d\d)-(\d\d)T")
_MONTHS = (
    "January February March April May June July August September October November December".split()
)  # not strftime's, which follow the locale


@dataclass(frozen=True, slots=True)
class Statement:
    """A property of an item and one of its values: the id of an item, or what it says in words.

    Attributes:
        property: Id of the property.
        item: Id of the item that is the value, or of a quantity's unit; None without either.
        words: The value in words, or a quantity's amount; None where the item is the value.
    """

    property: str
    item: str | None
    words: str | None


def statements(item: Mapping[str, Any]) -> Iterator[Statement]:
    """The statements of an item that can be told: of each property the best ranked, up to `MOST_VALUES`.

    Identifiers of other databases, files, coordinates and links are left out, as is what is deprecated or unknown.
    """
    claims = item.get("claims")
    for name, rows in claims.items() if isinstance(claims, dict) else ():
        rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        best = [row for row in rows if row.get("rank") == "preferred"] or [
            row for row in rows if row.get("rank") == "normal"
        ]
        told = [said for row in best if (said := _statement(name, row.get("mainsnak"))) is not None]
        yield from list(dict.fromkeys(told))[:MOST_VALUES]


def _statement(name: str, snak: Any) -> Statement | None:
    if not isinstance(snak, dict) or snak.get("snaktype") != "value" or snak.get("datatype") not in _TOLD:
        return None
    data = snak.get("datavalue")
    value = data.get("value") if isinstance(data, dict) else None
    kind = snak["datatype"]
    if kind == "string":
        return Statement(name, None, value) if isinstance(value, str) else None
    if not isinstance(value, dict):
        return None
    if kind == "wikibase-item":
        return Statement(name, value["id"], None) if isinstance(value.get("id"), str) else None
    if kind == "monolingualtext":
        return Statement(name, None, value["text"]) if isinstance(value.get("text"), str) else None
    if kind == "time":
        when = time_in_words(value)
        return Statement(name, None, when) if when else None
    return _quantity(name, value)


def _quantity(name: str, value: Mapping[str, Any]) -> Statement | None:
    try:
        amount = f"{Decimal(str(value.get('amount'))):,f}"
    except (InvalidOperation, ValueError):
        return None
    unit = str(value.get("unit", "1")).rpartition("/")[2]
    return Statement(name, None if unit == "1" else unit, amount)


def time_in_words(value: Mapping[str, Any]) -> str | None:
    """A time value by its precision: a day (11), a month (10), a year (9), a decade (8); None for what is coarser."""
    found = _TIME.match(str(value.get("time")))
    precision = value.get("precision")
    if found is None or not isinstance(precision, int) or precision < 8:
        return None
    year, month, day = int(found[2]), int(found[3]), int(found[4])
    era = " BC" if found[1] == "-" else ""
    if precision == 8:
        return f"the {year // 10 * 10}s{era}"
    if precision == 9 or not 1 <= month <= 12:
        return f"{year}{era}"
    if precision == 10 or not 1 <= day <= 31:
        return f"{_MONTHS[month - 1]} {year}{era}"
    return f"{day} {_MONTHS[month - 1]} {year}{era}"


def sentence(subject: str, statement: Statement, labels: Mapping[str, str]) -> str | None:
    """A statement as an English sentence; None when a label that it needs is not known."""
    value = statement.words
    if statement.item is not None:
        label = labels.get(statement.item)
        if label is None:
            return None
        value = label if value is None else f"{value} {label}"
    if value is None:
        return None
    if statement.property in ("P569", "P570") and " " not in value:
        return f"{subject} {'was born' if statement.property == 'P569' else 'died'} in {value}."
    if statement.property in SENTENCES:
        return SENTENCES[statement.property].format(subject, value)
    name = labels.get(statement.property)
    if name is None:
        return None
    if name.startswith("has "):
        return f"{subject} {name}: {value}."
    if _PREPOSITION.search(name):
        return f"{subject} is {name} {value}."
    return f"The {name} of {subject} is {value}."
