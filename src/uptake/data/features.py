"""Columns of a Parquet file whose values are not as JSON has them: decimals are numbers, and JSON as text is read.

`datasets` from 4.7 on gives values of mixed shape the feature `Json`, stores each as JSON text, and writes the features
into the file's metadata under `huggingface`; Arrow has a type of its own for JSON. Databases write decimals.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from uptake.data.parts import parse_json

Decode: TypeAlias = Callable[[Any], Any]


def decoders_of(schema: Any) -> dict[str, Decode]:
    """What turns the values of each column that holds JSON or decimals into what JSON would have there.

    Args:
        schema: The Arrow schema of the file, with its metadata.
    """
    features = _features((schema.metadata or {}).get(b"huggingface"))
    decoders = {field.name: _decoder(field.type, features.get(field.name)) for field in schema}
    return {name: decode for name, decode in decoders.items() if decode is not None}


def _features(metadata: bytes | None) -> dict[str, Any]:
    try:
        features = json.loads(metadata or b"{}")["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _decoder(kind: Any, feature: Any) -> Decode | None:
    """The decoder of an Arrow type that has this feature; None when its values stay as they are."""
    import pyarrow.types as types

    named = feature.get("_type") if isinstance(feature, dict) and isinstance(feature.get("_type"), str) else None
    if named == "Json" or getattr(kind, "extension_name", None) == "arrow.json":
        return _decoded
    if types.is_decimal(kind):
        return _number
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = feature[0] if isinstance(feature, list) and feature else None
        inner = feature.get("feature") if named in ("List", "LargeList", "Sequence") else inner
        item = _decoder(kind.value_type, inner)
        return None if item is None else lambda values: None if values is None else [item(value) for value in values]
    if types.is_struct(kind):
        below = feature if isinstance(feature, dict) and named is None else {}
        fields = {field.name: _decoder(field.type, below.get(field.name)) for field in kind}
        some = {name: decode for name, decode in fields.items() if decode is not None}
        return _struct(some) if some else None
    return None


def _struct(fields: dict[str, Decode]) -> Decode:
    def decode(value: Any) -> Any:
        if value is None:
            return None
        return {name: fields[name](one) if name in fields else one for name, one in value.items()}

    return decode


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except (ValueError, RecursionError):
        return value


def _number(value: Any) -> Any:
    if value is None:
        return None
    return int(value) if value == int(value) else float(value)
