"""Conflicts against the lab's key: what rows meet in a base, and what the base was told.

    python benchmarks/conflicts.py OUT WORLD [WORLD ...]

A row's key: `known` where the base was told its answer, `conflict` where it was told another one, `new` where it was
told nothing. Rows that ask for several facts at once are left out: the base never saw that form. A second line counts
only what the base holds of what it was told, with mean probability 0.5 over the wordings: bases that know by halves
hold the rest no more than a stranger does.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from uptake.config import load_run
from uptake.data import with_paraphrases
from uptake.detect.conflicts import MEETINGS, meets
from uptake.models.scoring.lazy import Lazy
from uptake.pipeline.conflicts.asking import Eliciting, ask, own_wordings, stances
from uptake.pipeline.examples.check import token_check
from uptake.pipeline.examples.cohort import BadRows, ingest
from uptake.pipeline.run_file import datasets_of, load_settings
from uptake.probe import hashed_words
from uptake.score import score
from uptake.types import TRAINING, Candidate, Probe


def key_of(row: dict[str, Any]) -> str | None:
    """What a row of an answer key says that the row meets; None for one that is left out."""
    if "undertraining" in row["causes"] or "; " in row["answer"] or len(row["base"]) != 1:
        return None
    if row["base"][0] in ("untold", "stranger"):
        return "new"
    wants_it = row["is_true"] if row["base"][0] == "known" else row["answer"] == row["belief"]
    return "known" if wants_it else "conflict"


def met(world: Path, out: Path) -> list[tuple[str, str, bool]]:
    """Of each row of a world the key, the verdict, and whether the base holds what it was told."""
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
        row = key[one.example.id]
        if (wanted := key_of(row)) is None:
            continue
        lead = one.example.response[: len(one.example.response) - len(one.example.response.lstrip())]
        told = (Candidate(f"{lead}{row['belief']}", "response"),)
        prompts = [one.example.prompt, *(wording.prompt for wording in one.example.paraphrases)]
        probes = [Probe(one.example.id, TRAINING, prompt, told, 0, one.example.template) for prompt in prompts]
        if wanted == "new":
            holds = True
        elif wanted == "known":
            holds = fmean(one.p_response for one in own_wordings(one.answer)) >= 0.5
        else:
            holds = fmean(math.exp(each.logprobs[0]) for each in score(probes, model.load())) >= 0.5
        found.append((wanted, meets(stance), holds))
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
        found = met(world, given.out / world.name)
        pairs, held = [(key, said) for key, said, _ in found], [(key, said) for key, said, holds in found if holds]
        print(world.name, dict(Counter(key for key, _ in pairs)), flush=True)
        print("  by the key          ", told(pairs))
        print(f"  held by the base: {len(held)}", told(held))
        print("  ", {f"{key} -> {said}": n for (key, said), n in sorted(Counter(pairs).items())}, flush=True)
