"""Files that uptake wrote, read back: nothing of them is believed before types and values are seen right.

A file has one schema: a frozen dataclass (`uptake.artifacts.schemas`) for JSON, a `TableSchema` for Parquet. What does
not fit is an `UptakeError` with the file, the key or row, and the reason; code behind the readers relies on the types.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as short
from typing import Any, TypeVar

from pydantic import ValidationError

from uptake.artifacts.schemas.parts import JsonSchema
from uptake.errors import UptakeError

T = TypeVar("T")

PROBLEMS = 3
"""So many of a file's problems are told at once."""
MOST_NESTED = 64
"""So deep may lists and objects be nested in a file of uptake's."""
AGAIN = "run the step that writes it again"


def damaged(path: Path | str, why: str, fix: str = AGAIN) -> UptakeError:
    """The error for a file that is not as it was written.

    Args:
        path: The file, with a line or row where one is meant.
        why: What is wrong with it.
        fix: What to do.
    """
    return UptakeError(f"{path} is damaged: {why}", expected="the file as uptake wrote it", fix=fix)


def parse_own(text: str) -> Any:
    """JSON as uptake writes it.

    Raises:
        ValueError: It is no JSON; a key is given twice; a number is NaN, infinite or of more than 64 bits; a text holds
            half a character; or it is nested more than `MOST_NESTED` deep.
    """
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError(f"nested more than {MOST_NESTED} deep") from error
    if text.count("[") + text.count("{") > MOST_NESTED and _deeper(value, MOST_NESTED):
        raise ValueError(f"nested more than {MOST_NESTED} deep")
    if "\\u" in text:  # an escape alone can bring in half a character
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("a text holds half a character (a lone surrogate)") from None
    return value


def read_data(path: Path, schema: JsonSchema[Any], fix: str = AGAIN) -> Any:
    """The plain data of a JSON file, once it is seen to fit a schema; keys that the schema does not name are kept.

    Args:
        path: The file.
        schema: What it must hold.
        fix: What to do where it does not.

    Raises:
        UptakeError: It is missing, cannot be read, or does not fit.
    """
    return _read(path, schema, fix)[0]


def read_record(path: Path, schema: JsonSchema[T], fix: str = AGAIN) -> T:
    """The record in a JSON file; arguments and errors as `read_data`."""
    record: T = _read(path, schema, fix)[1]
    return record


def fitting(text: str, schema: JsonSchema[T]) -> tuple[Any, T]:
    """JSON text as plain data and as a record.

    Raises:
        ValueError: It is no such JSON, or does not fit the schema; says which key is wrong and why.
    """
    value = parse_own(text)
    try:
        return value, schema.record(text)
    except ValidationError as error:
        raise ValueError(told(error)) from error


def told(error: ValidationError) -> str:
    """What is wrong with data, by key, the first problems of several."""
    problems = [_reason(dict(one)) for one in error.errors(include_url=False)]
    more = f"; and {len(problems) - PROBLEMS} more" if len(problems) > PROBLEMS else ""
    return "; ".join(problems[:PROBLEMS]) + more


def json_lines(path: Path, schema: JsonSchema[T], fix: str = AGAIN) -> Iterator[T]:
    """The records of JSON Lines that uptake appends to, without a last line that a killed run left unfinished.

    Raises:
        UptakeError: A line is not as it was written.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):
                with blaming(f"{path}:{number}", fix):
                    yield fitting(line.decode("utf-8"), schema)[1]


@contextmanager
def blaming(where: Path | str, fix: str = AGAIN) -> Iterator[None]:
    """Turn what goes wrong while a file is read, or a record is made of what it says, into the error for that file.

    Args:
        where: The file, and the line or row where it is known.
        fix: What to do.
    """
    import pyarrow as pa

    try:
        yield
    except UptakeError:
        raise
    except KeyError as error:
        raise damaged(where, f"it has no {error.args[0] if error.args else 'such key'}", fix) from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, OverflowError, pa.ArrowException) as error:
        # UnicodeError is a ValueError: Arrow raises it for names of columns, too
        lines = str(error).encode("utf-8", "replace").decode().splitlines()
        raise damaged(where, (lines or [type(error).__name__])[0][:300], fix) from error


def records(
    rows: Iterator[Mapping[str, Any]], make: Callable[[Mapping[str, Any]], T], where: Path, fix: str = AGAIN
) -> Iterator[T]:
    """Records of the rows of a table.

    Raises:
        UptakeError: No record can be made of a row.
    """
    for number, row in enumerate(rows, start=1):
        with blaming(f"{where}, row {number}", fix):
            record = make(row)
        yield record


def _read(path: Path, schema: JsonSchema[Any], fix: str) -> tuple[Any, Any]:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError("it is not a file")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UptakeError(f"cannot read {path}: {error.strerror or error}", fix=fix) from error
    except ValueError as error:
        raise damaged(path, str(error), fix) from error
    with blaming(path, fix):
        return fitting(text, schema)


def _reason(error: Mapping[str, Any]) -> str:
    key = ".".join(map(str, error["loc"])) or "it"
    if error["type"] == "missing":
        return f"{key} is missing"
    value = error["input"]
    shown = json.dumps(value) if value is None or isinstance(value, bool) else short(value)  # as the file has it
    return f"{key} is {shown}: {error['msg'].removeprefix('Value error, ').replace('Input', 'it')}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: list[str] = []
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {short(key)} is there twice")
            seen.append(key)
    return found


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"a number is too large: {short(text)}")
    return value


def _int(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"a number is too large: {short(text)}")
    return int(text)


def _constant(text: str) -> Any:
    raise ValueError(f"a number is {text}")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_constant)


def _deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [
            child
            for one in level
            if isinstance(one, dict | list)
            for child in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
