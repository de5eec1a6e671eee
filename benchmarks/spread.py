"""Scoring by one Ray actor of one thread and by two: how much faster two are.

    python benchmarks/spread.py [--probes 8192] [--work FOLDER]

Windows of 1,024 questions with four answers of some words, asked of a model of random weights (12 million). Each actor
has loaded the model and scored a window before the clock begins. One and two take turns, three times, and the best time
of each counts. The clock says nothing on a machine that others use: the load before each is told. Results:
benchmarks/results/spread.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from pathlib import Path

from uptake.artifacts import chunks
from uptake.models.places.settings import LoadSettings
from uptake.models.scoring.far import Far
from uptake.models.scoring.lazy import Lazy
from uptake.models.small.tiny import build_model, save, train_tokenizer
from uptake.score import WINDOW, score
from uptake.spread import Actors, Spread
from uptake.types import Candidate, Probe, Score, WordingName

OUT = Path(__file__).parent / "results" / "spread.json"
WORDS = [f"{a}{b}{c}" for a in ("ba", "ke", "lo", "mi") for b in ("ra", "ne", "to", "su") for c in ("n", "l", "k", "s")]


def made(folder: Path) -> Path:
    place = folder / "model"
    if not place.exists():
        draw = random.Random(0)
        texts = [" ".join(draw.choices(WORDS, k=30)) for _ in range(500)]
        tokenizer = train_tokenizer(texts, 2048)
        shape = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6, "max_position_embeddings": 256}
        save(build_model("llama", tokenizer, 0, **shape), tokenizer, place)
    return place


def probes(n: int) -> list[Probe]:
    draw = random.Random(1)

    def words(k: int) -> str:
        return " ".join(draw.choices(WORDS, k=k))

    name = WordingName("training")

    def candidates() -> tuple[Candidate, ...]:
        return tuple(Candidate(f" {words(3)}", "option") for _ in range(4))

    return [Probe(str(k), name, words(draw.randint(20, 50)), candidates(), 0) for k in range(n)]


def timed(model: Lazy, actors: int, windows: list[list[Probe]]) -> tuple[float, list[list[Score]]]:
    with Actors(Spread(actors=actors)) as some:
        far = Far(model, some)

        def scored(number: int) -> list[Score]:
            return list(score(windows[number], far.load()))

        while len(some._holds) < actors:  # each has the model
            list(far.at_once(range(actors), scored))
        began = time.perf_counter()
        found = dict(far.at_once(range(len(windows)), scored))
        return time.perf_counter() - began, [found[number] for number in range(len(windows))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probes", type=int, default=8192)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        model = Lazy.find(str(made(folder)), LoadSettings(device="cpu"))
        windows = list(chunks(probes(args.probes), WINDOW))
        seconds: dict[int, list[float]] = {1: [], 2: []}
        loads, same = [], set()
        for _ in range(args.turns):
            for actors in (1, 2):
                loads.append(round(os.getloadavg()[0], 1))
                took, found = timed(model, actors, windows)
                seconds[actors].append(round(took, 2))
                same.add(hash(tuple(one.logprobs for some in found for one in some)))
                print(f"{actors} actors: {took:.1f} s, load before {loads[-1]}", flush=True)
    result = {
        "probes": args.probes,
        "seconds": seconds,
        "times_as_fast": round(min(seconds[1]) / min(seconds[2]), 2),
        "same_bytes": len(same) == 1,
        "load_before": loads,
        "cores": os.cpu_count(),
    }
    print(json.dumps(result))
    OUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
