"""What several files have in common: counts, shares, intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import Field, TypeAdapter

T = TypeVar("T")


class JsonSchema(Generic[T]):
    """What JSON must hold: a frozen dataclass, or another type that pydantic knows. Prepared when it is first used."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def record(self, text: str) -> T:
        """What JSON text holds, without turning one type into another; raises `pydantic.ValidationError`."""
        found: T = self._adapter.validate_json(text, strict=True)
        return found

    @cached_property
    def _adapter(self) -> Any:
        return TypeAdapter(self._kind)


Count: TypeAlias = Annotated[int, Field(ge=0)]
Positive: TypeAlias = Annotated[int, Field(ge=1)]
Proportion: TypeAlias = Annotated[float, Field(ge=-1e-6, le=1 + 1e-6)]
"""A share; what is computed of it may be off by a rounding error."""
Name: TypeAlias = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True)
class RateData:
    """A share with its 95 % interval; `n` observations, where they are told."""

    estimate: Proportion
    low: Proportion
    high: Proportion
    n: Count | None = None


@dataclass(frozen=True)
class IntervalData:
    """Any number with its interval."""

    estimate: float
    low: float
    high: float
    n: Count


@dataclass(frozen=True)
class ShareData:
    """A count and its share; both null where nothing was measured."""

    count: Count | None
    rate: RateData | None

    def __post_init__(self) -> None:
        """Hold the count against what it is a count of."""
        if (self.count is None) != (self.rate is None):
            raise ValueError("count and rate are not both there, and not both null")
        of = None if self.rate is None else self.rate.n
        if self.count is not None and of is not None and self.count > of:
            raise ValueError(f"the count {self.count} is more than {of}")
