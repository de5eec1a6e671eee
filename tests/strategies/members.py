"""What the tests over the table of strategies know of each member: settings that act, and settings that do nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACTING: Mapping[str, Mapping[str, Any]] = {
    "replay": {"share": 0.25},
    "lwf": {"strength": 2.0, "k": 5},
    "ema": {"beta": 0.7},
    "agem": {"rows": 1},
    "olora": {"strength": 5.0},
    "resampling": {"every": 3, "fall": 0.0, "boost": 4.0},
    "early_stop": {"share": 0.3},
}
"""Settings with which each strategy changes the training of the small two-stage run."""

NOTHING: Mapping[str, Mapping[str, Any]] = {
    "replay": {"share": 0},
    "lwf": {"strength": 0},
    "ema": {"beta": 0},
    "agem": {"rows": 0},
    "resampling": {"boost": 1},
    "early_stop": {"share": 0},
}
"""Settings that are plain training; olora has none: an adapter a stage is another model than one for all."""

OTHER: Mapping[str, Mapping[str, Any]] = {
    "replay": {"share": 0.5, "keep": 3},
    "lwf": {"strength": 0.3, "k": 7},
    "ema": {"beta": 0.5},
    "agem": {"rows": 3, "keep": 9},
    "olora": {"strength": 0.1},
    "resampling": {"fall": 0.2, "against": "last", "boost": 3.0, "ceiling": 8.0, "floor": 0.1, "every": 7},
    "early_stop": {"share": 0.4, "rule": "up", "delta": 0.2, "alpha": 4.0, "successive": 3, "strip": 2},
}
"""For each setting a value that is not its default."""

ONLY_LORA = ("olora",)
