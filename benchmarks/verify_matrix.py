"""Verification on a planted world: every remedy on every cause, what it costs, and arms that do nothing.

    python benchmarks/verify_matrix.py WORLD --work FOLDER [--processes 2] [--seeds 3] [--trainings 6]

WORLD is what `uptake lab make` wrote, trained and diagnosed; it is copied into FOLDER. First `uptake verify --matrix
--unsafe` in several processes at once; what each remedy does for each cause against the placebo, in both kinds of
wordings, which is the best one and which per token, and how long it took. `level`: further trainings of the placebo and
of nothing, and 200 repetitions of a comparison of three with three others, on half of the flagged examples drawn anew:
placebo with placebo and nothing with nothing, where no effect is true, and placebo with nothing, where one may be. The
trainings are few, so repetitions are not independent: they tell of the examples and of these trainings.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from uptake.artifacts import read_json, versions, write_json
from uptake.artifacts.tables import OUTCOMES
from uptake.config import load_run
from uptake.pipeline.train.run import training_run
from uptake.pipeline.trial.applying import apply
from uptake.pipeline.verify.arm_plans import CONTROL, NOTHING
from uptake.pipeline.verify.cells import verify
from uptake.pipeline.verify.run import prepare
from uptake.verify import Crossed, assign, crossed_mean

OUT = Path(__file__).parent / "results" / "verify_matrix.json"
REPETITIONS = 200


def run_matrix(run: Path, processes: int, seeds: int) -> dict[str, Any]:
    """The verb in several processes at once, timed; the last of them writes the verdict."""
    command = [sys.executable, "-m", "uptake", "verify", str(run), "--matrix", "--unsafe", "--seeds", str(seeds)]
    began = time.perf_counter()
    started = [subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) for _ in range(processes)]
    if any([one.wait() for one in started]):
        raise SystemExit("uptake verify failed")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "processes": processes,
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "cpu_minutes": round((used.ru_utime + used.ru_stime) / 60, 1),
    }


def told(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """What the verdict says about each remedy on each cause, and about each arm as a whole."""
    rows: dict[str, Any] = {"cells": [], "arms": []}
    for one in verdict["comparisons"]:
        cell = one["kind"] == "treated" and one["cause"] and one["remedy"]
        if not cell and one["cause"] is not None:
            continue
        names = ("arm", "kind", "cause", "outcome", "matched", "n", "arm_rate", "control_rate", "effect", "p", "p_holm")
        kept = {name: one[name] for name in (*names, "tokens", "per_million")}
        rows["cells" if cell else "arms"].append(kept | {"effect": _rounded(one["effect"] or one["difference"])})
    matched = [one for one in rows["cells"] if one["matched"]]
    rows["matched_significant"] = {
        outcome: sorted(
            one["cause"]
            for one in matched
            if one["outcome"] == outcome and one["p_holm"] is not None and one["p_holm"] < 0.05
            if one["effect"][0] > 0
        )
        for outcome in ("primary", "heldout", "training")
    }
    return rows | {"best": verdict["best"], "sentence": verdict["sentence"]}


def _rounded(effect: Any) -> list[float]:
    values = [effect[name] for name in ("estimate", "low", "high")] if isinstance(effect, dict) else [effect]
    return [round(value, 4) for value in values]


def level(run: Path, trainings: int, folder: Path) -> dict[str, Any]:
    """More trainings of the two arms that treat nobody, and what the test makes of them."""
    import pyarrow.parquet as pq

    config = load_run(run)
    how = training_run(config)
    prepared = prepare(config, matrix=True, seeds=trainings, unsafe=True)
    idle = tuple(arm for arm in prepared.experiment.arms if arm.name in (CONTROL, NOTHING))
    for arm in idle:  # what the matrix has trained is not trained again
        done = config.output_dir / "verdict" / "work" / arm.name
        shutil.copytree(done, folder / "work" / arm.name, dirs_exist_ok=True)

    def silent(step: str, done: int, total: int | None) -> None:
        pass

    verify(
        replace(prepared.experiment, arms=idle),
        folder,
        train_arm=lambda arm, seed, where: apply(prepared.plan_of(arm.name, seed), how, where, seed=seed),
        measure=lambda model: prepared.asked.measure(model, silent),
    )
    tables = {
        (arm.name, number): pq.read_table(
            folder / "work" / arm.name / f"seed-{seed}" / "rows" / "part-00000.parquet", schema=OUTCOMES
        ).to_pylist()
        for arm in idle
        for number, seed in enumerate(prepared.experiment.seeds)
    }
    flagged = [one for one in prepared.drawing.findings if not one.learned and one.cause is not None]
    found = {}
    for outcome in ("recalled_heldout", "recalled_training"):
        values = {
            (row["id"], number, arm): float(row[outcome])
            for (arm, number), rows in tables.items()
            for row in rows
            if row["kind"] == "untreated" and row[outcome] is not None
        }
        ids = sorted({id for id, _, _ in values})
        recall = {
            arm.name: np.array([[values[id, n, arm.name] for n in range(trainings)] for id in ids]) for arm in idle
        }
        found[outcome] = {
            f"{one} with {other}": _repeated(recall[one], recall[other], one == other, ids, flagged)
            for one, other in ((CONTROL, CONTROL), (NOTHING, NOTHING), (CONTROL, NOTHING))
        } | {"rates": {name: round(float(values.mean()), 3) for name, values in recall.items()}}
    return {"trainings": trainings, "repetitions": REPETITIONS, **found}


def _repeated(one: np.ndarray, other: np.ndarray, same: bool, ids: list[str], flagged: list[Any]) -> dict[str, Any]:
    """How often three trainings differ from three others on half of the examples, at 5 %."""
    rng = np.random.default_rng(0)
    runs = one.shape[1]
    places = {id: place for place, id in enumerate(ids)}
    significant, effects = 0, []
    for repetition in range(REPETITIONS):
        drawn = assign(flagged, ("one", "other"), repetition)
        chosen = [(places[a.id], a.unit) for a in drawn if a.arm == "one" and a.id in places]
        order = rng.permutation(runs)
        some, rest = order[:3], (order[3:6] if same else rng.permutation(runs)[:3])
        rows = [place for place, _ in chosen]
        difference = one[np.ix_(rows, some)] - other[np.ix_(rows, rest)]
        codes = {unit: number for number, unit in enumerate(dict.fromkeys(unit for _, unit in chosen))}
        totals = np.zeros((len(codes), 3))
        np.add.at(totals, [codes[unit] for _, unit in chosen], difference)
        sizes = np.bincount([codes[unit] for _, unit in chosen]).astype(float)
        mean: Crossed | None = crossed_mean(totals, sizes)
        if mean is not None:
            significant += mean.p <= 0.05
            effects.append(mean.interval.estimate)
    return {"significant": significant / REPETITIONS, "mean_effect": round(float(np.mean(effects)), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trainings", type=int, default=6)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    folder = args.work / args.world.name
    if not folder.exists():
        shutil.copytree(args.world, folder)
    run = folder / "run.yaml"
    cost = run_matrix(run, args.processes, args.seeds)
    results = {"world": args.world.name, **cost, **told(read_json(folder / "run" / "verdict" / "verdict.json"))}
    write_json(args.out, results | {"versions": versions()})
    if args.trainings:
        results["level"] = level(run, args.trainings, args.work / f"{args.world.name}-level")
        write_json(args.out, results | {"versions": versions()})
    print(args.out)


if __name__ == "__main__":
    main()
