"""What cures, experiments and strategies measured, as Markdown, from files of `benchmarks/results`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from from_code import table

from uptake.pipeline.verify.eligibility import KNOWLEDGE
from uptake.strategies import STRATEGIES

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
ARMS: Mapping[str, str] = {
    "before": "before",
    "cure": "cure",
    "repair": "repair",
    "plain": "plain, as many tokens",
    "recipe": "the paper's recipe",
}
"""The columns of the cure's table, and their headings."""

ROWS: Mapping[str, str] = {
    "knowledge_gap": "`knowledge_gap`",
    "base_conflict": "`base_conflict`",
    "data_conflict": "`data_conflict`, those with a right answer",
    "forgetting": "`forgetting`",
    "undertraining": "`undertraining`",
    "control": "without a planted cause",
    "retention": "retention",
}
"""The rows of the cure's table."""


WORLDS: Mapping[str, str] = {
    "alike": "**Stages alike**, which ask the same kinds of questions",
    "apart": "**Stages apart**, which ask about different things",
}
"""The settings of `benchmarks/strategies.py`, in words."""


def cures() -> str:
    """What each way of training recalls, pooled over all worlds."""
    found = _read("cure.json")["pooled"]
    rows = [
        [words, str(found[name]["items"]), *(_shares(found[name][arm], name) for arm in ARMS)]
        for name, words in ROWS.items()
    ]
    times = [f"{found['tokens_times'][arm]:.2f}" for arm in ARMS]
    return table(["cause", "items", *ARMS.values()], [*rows, ["tokens, times the run's own", "", *times]])


def _shares(of: Mapping[str, float], name: str) -> str:
    training, held_out = f"{of['training']:.3f}", f"{of['heldout']:.3f}"
    return f"{training} / **{held_out}**" if name in KNOWLEDGE else f"**{training}** / {held_out}"


def verified() -> str:
    """The matched remedies against the placebo, and which cell is best."""
    found = _read("verify_matrix.json")
    rows = []
    for one in _matched(found):
        cells = {
            other["outcome"]: other
            for other in found["cells"]
            if (other["arm"], other["cause"]) == (one["arm"], one["cause"])
        }
        best = found["best"][one["cause"]]
        rows.append(
            [
                f"`{one['cause']}`",
                f"`{one['arm']}`",
                str(one["n"]),
                *(_effect(cells[name], name == _primary(one)) for name in ("heldout", "training")),
                _p(one["p_holm"]),
                _best(best["by_effect"], one["arm"]),
                _best(best["by_tokens"], one["arm"]),
            ]
        )
    [whole] = [
        one
        for one in found["arms"]
        if (one["arm"], one["kind"], one["outcome"], one["cause"]) == ("matched", "treated", "primary", None)
    ]
    rows.append(["all, each by its own", "matched", str(whole["n"]), _effect(whole, True), "", _p(whole["p"]), "", ""])
    head = ["cause", "remedy", "n", "held-out wordings", "training wording", "p (Holm)", "best cell", "per token"]
    return table(head, rows)


def remedies_short() -> str:
    """For README: what comes back of each cause, and how much of it the remedy did."""
    cured, tried = _read("cure.json")["pooled"], _read("verify_matrix.json")
    rows = []
    for one in _matched(tried):
        cause = one["cause"]
        kind = _primary(one)
        asked = "held-out wordings" if kind == "heldout" else "the training wording"
        arms = (f"{cured[cause][arm][kind]:.2f}" for arm in ("cure", "plain"))
        rows.append([f"`{cause}`", asked, str(cured[cause]["items"]), *arms, f"{_points(one)} ({one['n']})"])
    head = ["cause", "asked in", "items", "cured", "plain, as many tokens", "effect over the placebo, points (items)"]
    return table(head, rows)


def _read(name: str) -> Any:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def _matched(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    cells = [one for one in found["cells"] if one["matched"] and one["outcome"] == "primary"]
    order = list(ROWS)
    return sorted(cells, key=lambda one: order.index(one["cause"]))


def _primary(one: Mapping[str, Any]) -> str:
    return "heldout" if one["cause"] in KNOWLEDGE else "training"


def _effect(one: Mapping[str, Any], bold: bool) -> str:
    told = _points(one)
    return f"{one['control_rate']:.0%} to {one['arm_rate']:.0%}: {f'**{told}**' if bold else told}"


def _points(one: Mapping[str, Any]) -> str:
    estimate, *ends = (f"{100 * value:+.0f}" for value in one["effect"])
    return f"{estimate} [{', '.join(ends)}]" if ends else estimate


def _p(value: float | None) -> str:
    return "" if value is None else "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def _best(name: str | None, own: str) -> str:
    return "none is shown" if name is None else "yes" if name == own else f"`{name}`"


def strategies_overview() -> str:
    """What each strategy changed against training the stages one after the other: the kept stage and the new one."""
    worlds = _read("strategies.json")["worlds"]
    rows = []
    for name in STRATEGIES:
        if not any(name in world["arms"] for world in worlds.values()):
            continue
        cells = [f"[`{name}`](details/strategies.md#{name})"]
        for world in worlds.values():
            against = world["arms"][name]["against_sequential"]
            cells += [_difference(against[key]) for key in ("kept", "learned")]
        rows.append(cells)
    head = ["strategy", "alike: first stage", "alike: second stage", "apart: first stage", "apart: second stage"]
    return table(head, rows)


def strategies_measured() -> str:
    """What each strategy kept of a first stage, and what that cost, against training the stages one after the other."""
    found = _read("strategies.json")
    parts = [f"Over {len(found['seeds'])} seeds; strengths are tuned on another one."]
    for name, world in found["worlds"].items():
        first, second = (world["items"][key] for key in ("kept", "learned"))
        epochs = f"{world['first']} and {world['second']} epochs"
        parts += [f"{WORLDS[name]}: {first} items, then {second}; {epochs}.", _strategies(world["arms"])]
    return "\n\n".join(parts)


def _strategies(arms: Mapping[str, Any]) -> str:
    rows = []
    for name, arm in arms.items():
        settings = ", ".join(f"{key} {value}" for key, value in arm.get("settings", {}).items())
        against = arm["against_sequential"]
        rows.append(
            [
                f"`{name}`, {settings}" if settings else name.replace("sequential-lora", "sequential, LoRA"),
                f"{arm['before']:.0%}",
                f"**{arm['kept']:.0%}**",
                _difference(against["kept"]) if against else "",
                f"{arm['learned']:.0%}",
                _difference(against["learned"]) if against else "",
                f"{arm['tokens']:,}",
                str(arm["cpu_seconds"]),
            ]
        )
    head = ["", "first stage after it", "after the second", "beyond sequential", "second stage", "beyond sequential"]
    return table([*head, "tokens trained", "CPU seconds"], rows)


def _difference(one: Mapping[str, float]) -> str:
    return f"{100 * one['estimate']:+.0f} [{100 * one['low']:+.0f}, {100 * one['high']:+.0f}]"
