"""The coefficients of the causes' scores: one file, written by `uptake lab calibrate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from uptake.artifacts import read_json

PATH = Path(__file__).with_name("weights.json")
"""Those that come with uptake, with the worlds that they were fitted on."""

Pattern: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Logistic:
    """One logistic: the intercept, and a coefficient a signal, in the signals' own units."""

    intercept: float
    coefficients: Mapping[str, float]


Rows: TypeAlias = Mapping[tuple[str, Pattern], Logistic]
"""By cause and pattern of signals."""


@dataclass(frozen=True, slots=True)
class FittedOn:
    """What coefficients were fitted on, and how.

    Attributes:
        worlds: Kind and settings of each world, as its manifest has them.
        items: How many unlearned examples.
        of_cause: By cause, how many of them have it.
        longest_response: Tokens of the longest response among them.
        penalty: λ of the L2 penalty.
    """

    worlds: Sequence[Mapping[str, Any]]
    items: int
    of_cause: Mapping[str, int]
    longest_response: int
    penalty: float


@dataclass(frozen=True, slots=True)
class Weights:
    """All coefficients, and what they were fitted on."""

    rows: Rows
    fitted_on: FittedOn

    def as_data(self) -> dict[str, Any]:
        """As JSON data."""
        rows = [
            {
                "cause": cause,
                "signals": list(pattern),
                "intercept": row.intercept,
                "coefficients": dict(row.coefficients),
            }
            for (cause, pattern), row in self.rows.items()
        ]
        return {"fitted_on": asdict(self.fitted_on), "rows": rows}


def read_weights(path: Path) -> Weights:
    """Read a file of coefficients.

    Raises:
        UptakeError: It is missing or broken.
    """
    data = read_json(path)
    rows = {
        (row["cause"], tuple(row["signals"])): Logistic(row["intercept"], dict(row["coefficients"]))
        for row in data["rows"]
    }
    return Weights(rows, FittedOn(**data["fitted_on"]))


@cache
def weights() -> Weights:
    """Those that come with uptake."""
    return read_weights(PATH)
