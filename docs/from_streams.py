"""What strategies came to on whole streams, as Markdown, from `benchmarks/results`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from from_code import table

from uptake.pipeline.leaderboard.markdown import (
    interval,
    leaderboard_table,
    points,
    ranked,
    said,
    signed,
    with_interval,
)

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
WORLDS: Mapping[str, str] = {
    "clinc": "**CLINC150**: ten domains of 15 intents as stages, the intent's name as the response",
    "facts": "**Facts of the lab**: four stages of 40 facts that the base never met or believes otherwise",
    "real": "**A pre-trained model** (SmolLM2-135M-Instruct, LoRA): four relations of real facts, 24 questions a stage",
    "templama": "**TempLAMA**: what changed in each year from 2013 to 2019, of a base that knows what was true before",
}
"""The streams of `benchmarks/streams.py`, in words."""


def streams_measured() -> str:
    """The whole tables, with what was chosen and what is noted of them."""
    parts = []
    for name, one in _streams().items():
        runs = len(one["orders"]) * one["seeds"]
        tuned = (
            f"{one['trials']} trials each on another stream"
            if any(trial["accuracy"] is not None for trial in one["arms"][0]["trials"])
            else "nothing tuned"
        )
        parts.append(
            f"{WORLDS[name]}. {len(one['stages'])} stages, {len(one['orders'])} orders × {one['seeds']} seeds = {runs} "
            f"runs of each, {one['epochs']} epochs of plain fine-tuning as the budget, {tuned}. The untouched base: "
            f"{points(one['arms'][0]['means'].get('base'))} points."
        )
        head, *rows = leaderboard_table(one, lambda arm: f"`{arm}`")
        parts.append(table(head, rows))
        chosen = [
            f"`{arm['name']}`: {said(arm['chosen']['strategy']) or 'no settings'}, rate × {arm['chosen']['rate']:g}"
            for arm in ranked(one)
        ]
        parts.append(f"Chosen: {'; '.join(chosen)}.")
        parts += [f"*{note[:1].upper()}{note[1:]}.*" for note in one["notes"]]
    return "\n\n".join(parts)


def streams_short() -> str:
    """A row a strategy: accuracy at the end and the difference to replay on each stream."""
    found = _streams()
    names = list(dict.fromkeys(arm["name"] for one in found.values() for arm in ranked(one)))
    rows = []
    for name in names:
        cells = [f"`{name}`"]
        for one in found.values():
            arm = next((arm for arm in one["arms"] if arm["name"] == name), None)
            if arm is None:
                cells += ["", "", ""]
                continue
            against = arm["against"] and arm["against"]["difference"]
            cells += [with_interval(arm["means"]["accuracy"]), with_interval(arm["means"]["forgetting"])]
            cells.append(f"{signed(against)} {interval(against)}" if against else "")
        rows.append(cells)
    head = [f"{name}: {what}" for name in found for what in ("accuracy", "forgetting", "against `replay`")]
    return table(["strategy", *head], rows)


def _streams() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / "streams.json").read_text(encoding="utf-8"))
    return {name: found[name] for name in WORLDS if name in found}
