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
    "continual_t0": {"share": 0.5},
    "joint": {},
    "osf": {"share": 0.5},
    "gpm": {"energy": 0.9},
    "reglora": {"share": 0.1},
    "npo": {"least": 0.0},
    "simnpo": {"least": 0.0},
    "dpo": {"least": 0.0},
    "conflict_aware": {"least": 0.0},
    "general_replay": {"share": 0.25},
    "zscl": {"rows": 1, "k": 5},
    "hard_replay": {"share": 0.25},
    "far_replay": {"share": 0.25},
    "der": {"share": 0.25, "labels": 0.5, "k": 5},
    "ser": {"share": 0.25, "k": 5},
    "interpolation": {"alpha": 0.5},
    "soup": {"every": 1},
    "merging": {"method": "dare"},
    "l2": {"strength": 0.5},
    "ewc": {"strength": 100.0},
    "mas": {"strength": 1.0},
    "si": {"strength": 10.0},
    "ogd": {"directions": 2},
    "dft": {"strength": 0.7},
    "lost_replay": {"share": 0.25},
    "mend": {"share": 0.25},
}
"""Settings with which each strategy changes the training of the small two-stage run."""

TRAINED = ("replay", "lwf", "ema", "agem", "olora", "resampling", "early_stop")
"""Those that tests train, one for each hook: a training takes seconds. The others are rehearsed, and called by hand."""

NOTHING: Mapping[str, Mapping[str, Any]] = {
    "replay": {"share": 0},
    "lwf": {"strength": 0},
    "ema": {"beta": 0},
    "agem": {"rows": 0},
    "resampling": {"boost": 1},
    "early_stop": {"share": 0},
    "continual_t0": {"share": 0},
    "osf": {"share": 0},
    "gpm": {"energy": 0},
    "reglora": {"strength": 0},
    "npo": {"strength": 0},
    "simnpo": {"strength": 0},
    "dpo": {"strength": 0},
    "conflict_aware": {"objective": None, "augment": None},
    "general_replay": {"share": 0},
    "zscl": {"strength": 0},
    "hard_replay": {"share": 0},
    "far_replay": {"share": 0},
    "der": {"share": 0},
    "ser": {"share": 0},
    "interpolation": {"alpha": 1},
    "l2": {"strength": 0},
    "ewc": {"strength": 0},
    "mas": {"strength": 0},
    "si": {"strength": 0},
    "ogd": {"directions": 0},
    "dft": {"strength": 0},
    "lost_replay": {"share": 0},
    "mend": {"share": 0},
}
"""Settings that are plain training; where there are none, the method has no strength that could be 0."""

ALWAYS = ("olora", "joint", "soup", "merging")
"""Strategies that have no such settings."""

OTHER: Mapping[str, Mapping[str, Any]] = {
    "replay": {"share": 0.5, "keep": 3},
    "lwf": {"strength": 0.3, "k": 7},
    "ema": {"beta": 0.5},
    "agem": {"rows": 3, "keep": 9},
    "olora": {"strength": 0.1},
    "resampling": {"fall": 0.2, "against": "last", "boost": 3.0, "ceiling": 8.0, "floor": 0.1, "every": 7},
    "early_stop": {"share": 0.4, "rule": "up", "delta": 0.2, "alpha": 4.0, "successive": 3, "strip": 2},
    "continual_t0": {"share": 0.2},
    "joint": {"start": "former"},
    "osf": {"share": 0.2},
    "gpm": {"energy": 0.5, "rows": 7},
    "reglora": {"strength": 3.0, "share": 0.5},
    "npo": {"strength": 2.0, "beta": 0.3, "least": 0.2, "new": 0.5, "anchor": 2.0},
    "simnpo": {"strength": 2.0, "beta": 0.3, "margin": 0.5, "least": 0.2, "new": 0.5, "anchor": 2.0},
    "dpo": {"strength": 2.0, "beta": 0.3, "least": 0.2, "new": 0.5, "anchor": 2.0},
    "conflict_aware": {
        "least": 0.2,
        "objective": "npo",
        "strength": 2.0,
        "anchor": 0.5,
        "augment": "logic",
        "n": 1,
        "server": {
            "base_url": "http://localhost:1/v1",
            "model": "m",
            "api_key_env": None,
            "timeout": 5.0,
            "max_retries": 1,
        },
        "select": 0.2,
    },
    "general_replay": {"share": 0.5, "rows": 3},
    "zscl": {"strength": 0.3, "texts": 3, "rows": 1, "k": 7},
    "hard_replay": {"share": 0.5, "keep": 3},
    "far_replay": {"share": 0.5, "keep": 3},
    "der": {"share": 0.5, "strength": 0.1, "labels": 0.0, "keep": 3, "k": 7},
    "ser": {"share": 0.5, "replayed": 0.2, "own": 0.1, "keep": 3, "k": 7},
    "interpolation": {"alpha": 0.2},
    "soup": {"every": 3},
    "merging": {"method": "average", "density": 0.2, "scale": 0.7},
    "l2": {"strength": 1.0, "layers": "attention"},
    "ewc": {"strength": 3.0, "rows": 4, "decay": 0.5},
    "mas": {"strength": 3.0, "rows": 4},
    "si": {"strength": 3.0, "damping": 0.1},
    "ogd": {"directions": 3, "rows": 4},
    "dft": {"strength": 0.3},
    "lost_replay": {"share": 0.5, "lost": 0.2, "keep": 3, "asked": 3},
    "mend": {"share": 0.5, "anchors": 0.2, "rate": 1.0, "keep": 3, "asked": 3},
}
"""For each setting a value that is not its default."""

ONLY_LORA = ("olora", "reglora")
