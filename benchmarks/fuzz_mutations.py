"""Ways to damage a file: of its bytes, of a value in its JSON, of a cell, a column or a name in its Parquet table."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

HUGE = (10**30, -(2**63), 2**63, 2**31, 10**400, -1, 0)
ODD_NUMBERS = ("1e999", "-1e999", "NaN", "Infinity", "1e-999", "1E400", "9" * 5000, "-0.0", "1.5")
ODD_TEXTS = ('"\\ud800"', '"\\udc00x"', '"\\u0000"', '"\\u202e"', '"../../../x"', '""', '"' + "a" * 200_000 + '"')
WRONG = (None, True, False, [], {}, "text", 7, 0.5, -3, [None], [[]], {"a": None}, ["text"], {"": 1})


@dataclass(frozen=True)
class Mutant:
    """A damaged file.

    Attributes:
        data: Its bytes.
        kind: What was done.
        by_hand: Values were changed and the file written anew, so that it says something else; False where bytes
            were damaged, which a checksum has to tell.
    """

    data: bytes
    kind: str
    by_hand: bool


def mutant(data: bytes, suffix: str, random: Random) -> Mutant:
    """One damaged copy of a file."""
    ways = _STRUCTURED.get(suffix)
    if ways is not None and random.random() < 0.7:
        kind = random.choice(list(ways))
        made = ways[kind](data, random)
        if made is not None:
            return Mutant(made, kind, True)
    kind = random.choice(list(_BYTES))
    return Mutant(_BYTES[kind](data, random), kind, False)


Way: TypeAlias = Callable[[bytes, Random], "bytes | None"]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _beheaded(data: bytes, random: Random) -> bytes:
    return data[random.randrange(len(data) + 1) :]


def _flipped(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _replaced(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 4, 16))):
        if changed:
            changed[random.randrange(len(changed))] = random.choice((0, 0xFF, 0x80, 0xC3, random.randrange(256)))
    return bytes(changed)


def _inserted(data: bytes, random: Random) -> bytes:
    place = random.randrange(len(data) + 1)
    more = random.choice(
        (b"\xff", b"\x00" * 8, b"\xed\xa0\x80", b'"', b"{", b"\n\n", b",", b"\xef\xbb\xbf", random.randbytes(16))
    )
    return data[:place] + more + data[place:]


def _doubled(data: bytes, random: Random) -> bytes:
    first, second = sorted(random.randrange(len(data) + 1) for _ in range(2))
    return data[:second] + data[first:]


def _swapped(data: bytes, random: Random) -> bytes:
    a, b, c = sorted(random.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


_BYTES: Mapping[str, Callable[[bytes, Random], bytes]] = {
    "cut": _cut,
    "beheaded": _beheaded,
    "bits flipped": _flipped,
    "bytes replaced": _replaced,
    "bytes inserted": _inserted,
    "part doubled": _doubled,
    "parts swapped": _swapped,
    "empty": lambda data, random: random.choice((b"", b"\n", b"null", b"{}", b"[]", b"\x00" * 64)),
}


class _Raw(str):
    """JSON text that stands as it is: what no value is written as."""

    __slots__ = ()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in JSON data with each of its keys or indices."""
    found: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        one = stack.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            found.append((one, key))
            stack.append(one[key])
    return found


def _text(value: Any) -> str:
    if isinstance(value, _Raw):
        return str.__str__(value)
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(
                f"{key if isinstance(key, _Raw) else json.dumps(key)}: {_text(one)}" for key, one in value.items()
            )
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def changed_json(text: str, random: Random, kind: str) -> str | None:
    """JSON text with one value changed; None where it is none, or has no place for it."""
    try:
        whole = {"": json.loads(text)}
    except (ValueError, RecursionError):
        return None
    places = _places(whole)
    holder, key = random.choice(places if random.random() < 0.9 else places[:1])
    if kind == "null":
        holder[key] = None
    elif kind == "wrong type":
        holder[key] = random.choice(WRONG)
    elif kind == "odd number":
        numbers = [(one, k) for one, k in places if isinstance(one[k], int | float) and not isinstance(one[k], bool)]
        holder, key = random.choice(numbers or [(holder, key)])
        holder[key] = _Raw(random.choice(ODD_NUMBERS)) if random.random() < 0.6 else _Raw(_digits(random.choice(HUGE)))
    elif kind == "odd text":
        texts = [(one, k) for one, k in places if isinstance(one[k], str)]
        holder, key = random.choice(texts or [(holder, key)])
        holder[key] = _Raw(random.choice(ODD_TEXTS))
    elif kind == "deep nesting":
        depth = random.choice((70, 900, 100_000))
        holder[key] = _Raw("[" * depth + "]" * depth if random.random() < 0.5 else '{"a":' * depth + "1" + "}" * depth)
    elif kind == "key missing":
        if holder is whole:
            return None
        del holder[key]
    elif kind == "key twice":
        if not isinstance(holder, dict) or holder is whole:
            return None
        holder[_Raw(f"{json.dumps(key)}")] = random.choice(WRONG)
    elif kind == "key renamed":
        if not isinstance(holder, dict) or holder is whole:
            return None
        holder[_Raw(random.choice(('"\\ud800"', '"x"', '""', '"__proto__"', '"' + "k" * 5000 + '"')))] = holder.pop(key)
    else:  # values swapped
        other, place = random.choice(places)
        holder[key], other[place] = other[place], holder[key]
        if holder is whole or other is whole or _holds_itself(whole):
            return None
    return _text(whole[""])


def _digits(number: int) -> str:
    return str(number) if abs(number) < 10**300 else "1" + "0" * 400


def _holds_itself(value: Any) -> bool:
    try:
        json.dumps(value, skipkeys=True)
    except (ValueError, RecursionError):
        return True
    return False


_JSON = (
    "null", "wrong type", "odd number", "odd text", "deep nesting", "key missing", "key twice", "key renamed",
    "values swapped",
)  # fmt: skip


def _json_way(kind: str) -> Way:
    def way(data: bytes, random: Random) -> bytes | None:
        try:
            made = changed_json(data.decode("utf-8"), random, kind)
        except UnicodeDecodeError:
            return None
        return None if made is None else made.encode("utf-8", "surrogatepass")

    return way


def _lines_way(kind: str) -> Way:
    def way(data: bytes, random: Random) -> bytes | None:
        lines = data.decode("utf-8", "replace").split("\n")
        number = random.randrange(len(lines))
        if kind == "line doubled":
            lines.insert(random.randrange(len(lines)), lines[number])
        elif kind == "line missing":
            del lines[number]
        else:
            made = changed_json(lines[number], random, kind)
            if made is None:
                return None
            lines[number] = made
        return "\n".join(lines).encode("utf-8", "surrogatepass")

    return way


def _table_way(change: Callable[[pa.Table, Random], pa.Table | None]) -> Way:
    def way(data: bytes, random: Random) -> bytes | None:
        table = change(pq.read_table(io.BytesIO(data)), random)
        if table is None:
            return None
        out = io.BytesIO()
        pq.write_table(table, out, compression="zstd")
        return out.getvalue()

    return way


def _cells(table: pa.Table, random: Random, change: Callable[[Any], Any]) -> pa.Table | None:
    """A table with one cell, or one value in it, changed; of the same types where the new value allows it."""
    if not len(table):
        return None
    place, row = random.randrange(table.num_columns), random.randrange(len(table))
    field = table.schema.field(place)
    values = table.column(place).to_pylist()
    inner = _places({"": values[row]})
    holder, key = random.choice(inner) if len(inner) > 1 and random.random() < 0.7 else (None, None)
    if holder is None or key == "":
        values[row] = change(values[row])
    else:
        holder[key] = change(holder[key])
    try:
        array = pa.array(values, field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        try:
            array = pa.array(values)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return None
    return table.set_column(place, pa.field(field.name, array.type), array)


def _odd(random: Random) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        if isinstance(value, bool):
            return not value
        if isinstance(value, float):
            return random.choice((float("nan"), float("inf"), float("-inf"), 1e308, -1.0, 2.0))
        if isinstance(value, int):
            return random.choice((-1, 0, 2**31 - 1, 2**63 - 1, -(2**63), -(2**31), 10**6))
        if isinstance(value, str):
            return random.choice(("", "x" * 100_000, "\x00", "../../x", "{", "null", "[" * 3000, '{"a": NaN}'))
        return [] if isinstance(value, list) else None

    return change


def _json_cell(random: Random) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        made = (
            changed_json(value, random, random.choice(_JSON))
            if isinstance(value, str) and value[:1] in ("{", "[")
            else None
        )
        return value if made is None else made

    return change


def _json_column(table: pa.Table, random: Random) -> pa.Table | None:
    names = [
        name
        for name in ("evidence", "prompt", "paraphrases", "template", "response_extra")
        if name in table.column_names
    ]
    if not names or not len(table):
        return None
    name, row, change = random.choice(names), random.randrange(len(table)), _json_cell(random)
    values = table[name].to_pylist()
    values[row] = change(values[row])
    return table.set_column(table.column_names.index(name), table.schema.field(name), pa.array(values, pa.string()))


def _other_type(table: pa.Table, random: Random) -> pa.Table | None:
    place = random.randrange(table.num_columns)
    kind = random.choice(
        (pa.string(), pa.float64(), pa.float32(), pa.int64(), pa.bool_(), pa.large_string(), pa.null())
    )
    try:
        column = pa.nulls(len(table)) if kind == pa.null() else table.column(place).cast(kind)
    except (pa.ArrowException, NotImplementedError):
        return None
    return table.set_column(place, pa.field(table.column_names[place], kind), column)


def _two_swapped(table: pa.Table, random: Random) -> pa.Table:
    names = list(table.column_names)
    one, other = (random.randrange(len(names)) for _ in range(2))
    if random.random() < 0.5:
        names[one], names[other] = names[other], names[one]
        return table.rename_columns(names)
    order = list(range(len(names)))
    order[one], order[other] = order[other], order[one]
    return table.select(order)


def _renamed(table: pa.Table, random: Random) -> pa.Table:
    names = list(table.column_names)
    names[random.randrange(len(names))] = random.choice((names[0], "", "x", "n" * 10_000, "\u202e"))
    return table.rename_columns(names)


def _name_not_utf8(data: bytes, random: Random) -> bytes | None:
    names = pq.read_schema(io.BytesIO(data)).names
    name = random.choice(names).encode()
    place = data.rfind(name) if random.random() < 0.5 else data.find(name, max(0, len(data) - 20_000))
    if place < 0 or len(name) < 2:
        return None
    return (
        data.replace(name, b"\xff" + name[1:]) if random.random() < 0.7 else data[:place] + b"\xff" + data[place + 1 :]
    )


def _shuffled(table: pa.Table, random: Random) -> pa.Table | None:
    """Rows doubled, or none left."""
    if random.random() < 0.3:
        return table.slice(0, 0)
    rows = [random.randrange(len(table)) for _ in range(random.choice((1, 5, 40)))] if len(table) else []
    return table.take(pa.array(rows, pa.int64()))


_STRUCTURED: Mapping[str, Mapping[str, Way]] = {
    ".json": {kind: _json_way(kind) for kind in _JSON},
    ".yaml": {kind: _json_way(kind) for kind in _JSON},
    ".jsonl": {kind: _lines_way(kind) for kind in (*_JSON, "line doubled", "line missing")},
    ".parquet": {
        "null cell": _table_way(lambda table, random: _cells(table, random, lambda value: None)),
        "odd cell": _table_way(lambda table, random: _cells(table, random, _odd(random))),
        "odd JSON in a cell": _table_way(_json_column),
        "column of another type": _table_way(_other_type),
        "columns swapped": _table_way(_two_swapped),
        "column missing": _table_way(lambda table, random: table.remove_column(random.randrange(table.num_columns))),
        "column renamed": _table_way(_renamed),
        "name not UTF-8": _name_not_utf8,
        "rows drawn anew": _table_way(_shuffled),
    },
}
