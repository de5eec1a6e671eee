"""What a comparison of rungs says is sure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from uptake.pipeline.rungs.markdown import headline
from uptake.stats import student_mean


def summary(*apart: list[float], misfit: float | None = 0.1) -> dict[str, Any]:
    rungs = []
    for number, one in enumerate(apart):
        interval = student_mean(np.array(one))
        assert interval is not None
        equal = {
            "difference": asdict(interval),
            "forgetting": 1.0 + interval.estimate,
            "reference": 1.0,
            "misfit": misfit,
        }
        rungs.append({"name": f"rung-{number}", "equal": {"general_lost": equal}})
    return {"rungs": rungs}


def test_of_several_rungs_one_is_surely_better_only_beside_all_others():
    """Mean -2, s = 1, n = 4: t = -4, p = 0.028 by hand of a table of t; of five such rungs the first counts as 0.14."""
    once = [-3.0, -2.5, -1.5, -1.0]  # s = 0.913, t = -4.38, p = 0.022
    clear = [-3.0, -3.01, -2.99, -3.0]
    assert headline(summary(once)).startswith("rung-0: surely less")
    assert "but not surely" in headline(summary(*[once] * 5))
    assert headline(summary(*[once] * 4, clear)).startswith("rung-4: surely less")
    assert "but not surely" in headline(summary([-1.0, -1.0, -1.0]))  # without a spread nothing is tested


def test_nothing_is_sure_that_may_come_of_the_shape_of_the_curves():
    clear = [-3.0, -3.01, -2.99, -3.0]
    assert headline(summary(clear, misfit=2.9)).startswith("rung-0: surely less")
    assert "but not surely" in headline(summary(clear, misfit=3.1))
    assert "but not surely" in headline(summary(clear, misfit=None))  # two learning rates show no shape
