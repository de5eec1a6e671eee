"""How long a diagnosis takes, and where the time goes: a trained world of about 1,000 examples, nothing done before.

    python benchmarks/diagnose.py [WORLD] [--repeats 3]

WORLD is made by `uptake lab make` and trained by `uptake train`; without it one is made, at seed 0. Each repeat is the
command itself in a process of its own, with an output folder of its own that holds only the ledger; the steps are what
it prints of itself, so what is left is imports, loading, judging and writing. The median of the repeats is told.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
OUT = Path(__file__).parent / "results" / "diagnose.json"
BAR = 60.0
"""Seconds on two cores."""


def made(folder: Path) -> Path:
    """A world, trained."""
    for verb in (["lab", "make", "--output_dir", str(folder), "--seed", "0"], ["train", str(folder / "run.yaml")]):
        subprocess.run([sys.executable, "-m", "uptake", *verb], check=True)
    return folder


def timed(world: Path) -> tuple[float, dict[str, float], int]:
    """One diagnosis: seconds in all, seconds of each step, and examples."""
    from uptake.config import load_run

    config = load_run(world / "run.yaml")
    tuned = config.output_dir / "train" / config.stages[-1].name
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "run"
        shutil.copytree(config.output_dir / "ledger", out / "ledger")
        command = [sys.executable, "-m", "uptake", "diagnose", str(world / "run.yaml")]
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--output_dir", str(out), "--tuned", str(tuned)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        steps: dict[str, float] = {}
        last, n = began, 0
        assert process.stderr is not None
        for line in process.stderr:  # a step prints its line when it is done
            if found := re.fullmatch(r"(.+): (\d+) done(, .+)?\n", line):
                now = time.perf_counter()
                steps[found[1]] = now - last
                last, n = now, max(n, int(found[2]))
        if process.wait():
            raise SystemExit("the diagnosis failed")
        whole = time.perf_counter() - began
    steps["judging, tables"] = whole - (last - began)
    return whole, steps, n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        world = args.world or made(Path(name) / "world")
        runs = [timed(world) for _ in range(args.repeats)]
    whole = statistics.median(seconds for seconds, _, _ in runs)
    steps = {step: round(statistics.median(one[step] for _, one, _ in runs), 2) for step in runs[0][1]}
    for step, seconds in [*steps.items(), ("in all", whole)]:
        print(f"{seconds:7.2f} s  {step}")
    print(f"{runs[0][2]} examples; at most {BAR:.0f} s: {'met' if whole <= BAR else 'MISSED'}")
    data = {"examples": runs[0][2], "seconds": round(whole, 2), "all": [round(one[0], 2) for one in runs]}
    OUT.write_text(json.dumps(data | {"steps": steps, "bar": BAR}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
