"""What is measured on a GPU, in one command of at most eight minutes.

    python benchmarks/gpu.py --model models/smollm2 --work DIR [--out FILE.json]
    python benchmarks/gpu.py --device cpu --tiny --work DIR     # tries the command itself; the numbers say nothing

Three parts, one after the other, each a process of its own that is stopped at its limit; what was stopped or failed is
told as such, and the other parts go on:

- `scoring`: `benchmarks/scoring.py` in bfloat16 at the shape of a model of a billion parameters, beside
  lm-evaluation-harness;
- `ledger`: `benchmarks/ledger.py` at the same shape: what the ledger costs;
- `attribution`: the world of a real pre-trained model (`uptake lab make --base`, its facts in
  `examples/real_model/facts.jsonl`): made, trained, diagnosed, graded.

MODEL is a folder that `examples/real_model/get.py smollm2` makes. With `--tiny` the models are small ones from scratch.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FACTS = HERE.parent / "examples" / "real_model" / "facts.jsonl"
UPTAKE = (sys.executable, "-m", "uptake")


@dataclass(frozen=True)
class Part:
    """Commands that run one after the other.

    Attributes:
        name: What they measure.
        seconds: So long all of them may take together.
        commands: Each with the name of what it does.
        result: JSON that the last of them writes.
    """

    name: str
    seconds: float
    commands: tuple[tuple[str, tuple[str, ...]], ...]
    result: Path


PATIENCE = 20
"""So many times as long a part may take with `--tiny`: processors are slower, and busy."""


def parts(args: argparse.Namespace) -> Iterator[Part]:
    """The three parts of a run."""
    work, device = args.work, args.device
    times = PATIENCE if args.tiny else 1
    scored, kept, graded = (work / f"{name}.json" for name in ("scoring", "ledger", "grade"))
    size, few = ("4m", ("--items", "8", "--repeats", "1")) if args.tiny else ("1b", ("--items", "256"))
    dtype = "float32" if args.tiny else "bfloat16"
    shape = ("--models", size, "--vocabularies", "4096", "--contexts", "60", "--candidates", "4")
    script = (sys.executable, str(HERE / "scoring.py"), "--device", device, "--dtype", dtype)
    yield Part("scoring", 120 * times, (("scoring", (*script, *shape, *few, "--out", str(scored))),), scored)
    size, pairs, steps = ("1m", "1", "10") if args.tiny else ("1b", "3", "30")
    script = (sys.executable, str(HERE / "ledger.py"), "--device", device, "--models", size)
    yield Part(
        "ledger", 120 * times, (("ledger", (*script, "--pairs", pairs, "--steps", steps, "--out", str(kept))),), kept
    )
    world = work / "world"
    made = ("--family", "synthetic", "--size", "12") if args.tiny else ("--base", str(args.model), "--form", "text")
    if not args.tiny:
        made = (*made, "--facts", str(FACTS), "--size", "4", "--seed", "2")
    run, where = str(world / "run.yaml"), ("--device", device)
    commands = (
        ("make", (*UPTAKE, "lab", "make", *made, "--out", str(world))),
        ("train", (*UPTAKE, "train", run, *where)),
        ("diagnose", (*UPTAKE, "diagnose", run, *where)),
        ("grade", (*UPTAKE, "lab", "grade", str(world), "--all", "--json", str(graded))),
    )
    yield Part("attribution", 240 * times, commands, graded)


def measure(part: Part) -> dict[str, Any]:
    """The result of a part, with the seconds of each command; or why there is none."""
    took: dict[str, float] = {}
    left = part.seconds
    for name, command in part.commands:
        start = time.perf_counter()
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False)
        except subprocess.TimeoutExpired:
            return {"seconds": took, "failed": f"{name} was stopped: the part may take {part.seconds:.0f} s"}
        took[name] = round(time.perf_counter() - start, 1)
        left -= took[name]
        if done.returncode:
            return {"seconds": took, "failed": f"{name}: {_end(done.stderr or done.stdout)}"}
    return {"seconds": took, "found": json.loads(part.result.read_text(encoding="utf-8"))}


def _end(text: str) -> str:
    return " / ".join(line for line in text.splitlines()[-4:] if line.strip())


def told(name: str, one: dict[str, Any]) -> str:
    """A part in one line."""
    spent = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in one["seconds"].items())
    if "failed" in one:
        return f"{name}: NOT MEASURED: {one['failed']} ({spent})"
    found = one["found"]
    if name == "scoring":
        [row] = found["results"]
        shown = f"{row['speedup']} times lm-evaluation-harness, {row['over_limit']} times a plain forward pass"
        shown += f", {row['largest_difference_nats']:.0e} nats off, same arg-max {row['same_argmax']}"
    elif name == "ledger":
        [row] = found["results"]
        shown = f"{row['ratio']:.3f} of the time without it; same weights: {row['same_loss_and_weights']}"
    else:
        shown = _grade(found)
    return f"{name}: {shown} ({spent})"


def _grade(found: dict[str, Any]) -> str:
    mean = found["named"]["macro_f1"]
    return "too few plants to be graded" if mean is None else f"macro-F1 {mean['estimate']:.2f}"


def device_of(name: str) -> str:
    """What it ran on."""
    if name == "cpu":
        return f"cpu, {platform.machine()}"
    import torch

    return str(torch.cuda.get_device_name())


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--model", type=Path, help="folder of the real model; not for --tiny")
    parser.add_argument("--tiny", action="store_true", help="small models, to try the command itself")
    parser.add_argument("--work", type=Path, required=True, help="an empty folder, for worlds and models")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "gpu.json")
    args = parser.parse_args(given)
    if not args.tiny and args.model is None:
        parser.error("--model is needed: python examples/real_model/get.py smollm2 --out models/smollm2")
    args.work.mkdir(parents=True, exist_ok=True)
    found = {}
    for part in parts(args):
        found[part.name] = measure(part)
        print(told(part.name, found[part.name]), flush=True)
    report = {"device": device_of(args.device), "tiny": args.tiny, "parts": found}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
