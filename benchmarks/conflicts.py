"""Conflicts against the lab's key: what rows meet in a base, and what the base was told.

    python benchmarks/conflicts.py OUT WORLD [WORLD ...]

A row's key: `known` where the base was told its answer, `conflict` where it was told another one, `new` where it was
told nothing. Rows that ask for several facts at once are left out: the base never saw that form.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uptake.config import load_run
from uptake.data import with_paraphrases
from uptake.detect.conflicts import MEETINGS, meets
from uptake.models.scoring.lazy import Lazy
from uptake.pipeline.conflicts.asking import Eliciting, ask, stances
from uptake.pipeline.examples.check import token_check
from uptake.pipeline.examples.cohort import BadRows, ingest
from uptake.pipeline.run_file import datasets_of, load_settings
from uptake.probe import hashed_words


def key_of(row: dict[str, Any]) -> str | None:
    """What a row of an answer key says that the row meets; None for one that is left out."""
    if "undertraining" in row["causes"] or "; " in row["answer"] or len(row["base"]) != 1:
        return None
    if row["base"][0] in ("untold", "stranger"):
        return "new"
    wants_it = row["is_true"] if row["base"][0] == "known" else row["answer"] == row["belief"]
    return "known" if wants_it else "conflict"


def met(world: Path, out: Path) -> list[tuple[str, str]]:
    """Of each row of a world the key and the verdict."""
    config = load_run(world / "run.yaml", {})
    data, model = datasets_of(config), Lazy.find(config.model_name_or_path, load_settings(config, None))
    rows = data.trained() if data.paraphrases is None else with_paraphrases(data.trained(), data.paraphrases)
    check = token_check([model.tokenizer], model.max_length, "text")
    out.mkdir(parents=True, exist_ok=True)
    cohort = ingest(
        "rows",
        rows,
        out / "work",
        check,
        bad_rows=BadRows(out / "bad_rows.jsonl"),
        on_bad_row="error",
        progress=lambda step, done, total: None,
    )
    asked = ask(cohort, model, Eliciting(hashed_words, max_length=model.max_length), lambda step, done, total: None)
    lines = (world / "key.jsonl").read_text(encoding="utf-8").splitlines()
    key = {row["id"]: row for row in map(json.loads, lines)}
    found = []
    for one, stance in zip(asked, stances(asked), strict=True):
        if (wanted := key_of(key[one.example.id])) is None:
            continue
        found.append((wanted, meets(stance)))
    return found


def f1(pairs: Sequence[tuple[str, str]], what: str) -> float:
    """F1 of one verdict."""
    right = sum(key == said == what for key, said in pairs)
    return 2 * right / max(1, sum(key == what for key, _ in pairs) + sum(said == what for _, said in pairs))


def told(pairs: Sequence[tuple[str, str]]) -> str:
    """F1 of each verdict, with a 95 % bootstrap interval over rows."""
    random, cells = np.random.default_rng(0), []
    for what in MEETINGS:
        draws = random.integers(len(pairs), size=(500, len(pairs)))
        low, high = np.quantile([f1([pairs[k] for k in draw], what) for draw in draws], (0.025, 0.975))
        cells.append(f"{what} {f1(pairs, what):.2f} [{low:.2f}, {high:.2f}]")
    return "  ".join(cells)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("worlds", type=Path, nargs="+")
    given = parser.parse_args()
    for world in given.worlds:
        pairs = met(world, given.out / world.name)
        print(world.name, dict(Counter(key for key, _ in pairs)), told(pairs))
        print("  ", {f"{key} -> {said}": n for (key, said), n in sorted(Counter(pairs).items())}, flush=True)
