"""The search for rivals, and the encoder.

    python benchmarks/rivals_speed.py [--sizes 10000 30000 100000 300000] [--what encode rivals]

Each step and size runs in a process of its own, all of a size by turns, and the median of the runs is kept. Texts are
prompts of five data sets and sentences of Wikipedia passages, all different; a size beyond their number takes all.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from rivals_data import DATA, rows_of, wordings

from rivals import OUT, encoder, keep

T = TypeVar("T")
STEPS = ("encode", "rivals")


def texts(data: Path, n: int) -> list[str]:
    """The first `n` of all different short texts in one shuffled order: questions of five sets, then sentences."""

    def asked() -> Iterator[str]:
        for relation, patterns in wordings(data).items():
            for row in rows_of(data / "facts" / "pararel" / "facts" / f"{relation}.jsonl"):
                yield from (p.replace("[X]", row["sub_label"]) for p in patterns)
        for row in rows_of(data / "facts" / "counterfact_train.jsonl"):
            yield from (text for text in (row["prompt"], row["true_paraphrase"]) if text)
        intents = json.loads((data / "streams" / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
        for part in sorted(intents):
            yield from (text for text, _ in intents[part])
        popqa = json.loads((data / "qa" / "popqa_2k.json").read_text(encoding="utf-8"))
        yield from (row["input"] for row in popqa["dev"])
        for path in sorted((data / "streams" / "templama").glob("*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                yield from (row["input"].replace("<extra_id_0>", "_") for row in csv.DictReader(file))

    def sentences() -> Iterator[str]:
        for row in rows_of(data / "corpus" / "wiki_mix.jsonl"):
            yield from (s for s in re.split(r"(?<=[.!?])\s+", row["text"]) if 20 <= len(s) <= 300)

    made = list(dict.fromkeys(itertools.chain(asked(), sentences())))
    random.Random(0).shuffle(made)
    return made[:n]


def measure(data: Path, work: Path, n: int, what: str) -> None:
    """One step in this process: seconds by the clock and of processor time, peak memory."""
    extra = {}
    if what == "encode":
        source, encode = texts(data, n), encoder()
        _, took = timed(lambda: encode(source))
        (work / f"{n}.encoded").touch()
    else:
        from uptake.rivals import rivals
        from uptake.types import Example

        rows = [Example(str(k), text, f" answer {k % 3}", "benchmark") for k, text in enumerate(texts(data, n))]
        found, took = timed(lambda: rivals(rows))
        extra = {"texts": len(rows), "compared": found.compared}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"texts": n, **took, "peak_mib": round(peak), **extra}))


def timed(work: Callable[[], T]) -> tuple[T, dict[str, float]]:
    clock, processor = time.perf_counter(), time.process_time()
    done = work()
    took = {"seconds": time.perf_counter() - clock, "processor_seconds": time.process_time() - processor}
    return done, {name: round(value, 2) for name, value in took.items()}


def speed(data: Path, sizes: Sequence[int], work: Path, whats: Sequence[str], repeat: int) -> None:
    """Every step and size `repeat` times, the steps side by side, the median kept: other work may slow each of them."""
    for n in sizes:
        runs: dict[str, list[dict]] = {}
        for _ in range(repeat):
            for what in whats:
                if what == "encode" and (work / f"{n}.encoded").exists():
                    continue
                command = [sys.executable, __file__, "--measure", "--work", str(work), "--data", str(data)]
                command += ["--sizes", str(n), "--what", what]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                runs.setdefault(what, []).append(json.loads(done.stdout.splitlines()[-1]))
                print(f"{what:18} {runs[what][-1]}", flush=True)
        for what, results in runs.items():
            middle = sorted(results, key=lambda result: result["processor_seconds"])[len(results) // 2]
            keep(
                "speed",
                f"{what} {n}",
                {**results[-1], **middle, "runs": len(results), "threads": os.environ.get("OMP_NUM_THREADS")},
            )
    exponents()


def exponents() -> None:
    """How the processor time of each step grows, by all sizes that were ever kept."""
    kept = json.loads(OUT.read_text(encoding="utf-8"))["speed"]
    for what in STEPS:
        points = sorted(
            (result["texts"], result["processor_seconds"]) for name, result in kept.items() if name.split()[0] == what
        )
        if len(points) > 1:
            x, y = np.log(np.array(points)).T
            exponent = round(float(np.polyfit(x, y, 1)[0]), 2)
            keep("exponent", what, {"exponent": exponent, "sizes": [size for size, _ in points]})
            print(f"{what:18} grows with the power {exponent}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--what", nargs="+", choices=STEPS, default=STEPS, help="steps that are timed")
    parser.add_argument("--repeat", type=int, default=3, help="times that each is run; the median counts")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, default=None, help="folder that notes what is done; kept when given")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.data, args.work, args.sizes[0], args.what[0])
        return
    work = args.work or Path(tempfile.mkdtemp(prefix="uptake-rivals-"))
    work.mkdir(parents=True, exist_ok=True)
    speed(args.data, args.sizes, work, args.what, args.repeat)


if __name__ == "__main__":
    main()
