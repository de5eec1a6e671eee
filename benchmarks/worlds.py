"""What worlds turn out to be: does the base know what it should, and how many plants of each cause are confirmed?

    python benchmarks/worlds.py --family synthetic facts --seeds 3 4 5 [--clean] [--data ../shared/data]

Makes each world with its confirmation (the counterfactual worlds are trained, too) and counts in its answer key. With
--clean, also the world of the same seed in which nothing is planted. The results are written after each world, and
worlds that were made before come from the cache, so a killed run goes on where it stopped. The seconds are those of
drawing the world, its tokenizer and its base's pre-training; the first world's hold the import of torch, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from uptake.artifacts import read_json, versions, write_json
from uptake.artifacts.tables import CAUSES
from uptake.cli.progress import progress_bar
from uptake.lab.base import build_base
from uptake.lab.build import draw, make
from uptake.lab.controls import Controls, controls_of
from uptake.lab.families import FAMILIES
from uptake.lab.grade_report import CLEAN_AT_MOST
from uptake.stats import Interval, wilson

CONFIRMED_AT_LEAST = 40
"""Confirmed items that every cause shall have in a world with plants; with none, `CLEAN_AT_MOST` may be unlearned."""
BUILT_WITHIN = 100
"""Seconds in which the base of a synthetic world shall be built on two cores."""


def measure(kind: str, controls: Controls, args: argparse.Namespace, earlier: dict[str, Any]) -> dict[str, Any]:
    """Make one world, and count; `earlier` is what an earlier run of this found of the world of that name."""
    data = args.data if kind == "facts" else None
    steps = []

    with progress_bar() as progress:

        def tell(what: str, done: int, total: int) -> None:
            steps.append(done)
            progress(what, done, total)

        start = time.perf_counter()
        model = build_base(draw(kind, controls, data), controls.seed, tell)
        seconds: float | None = round(time.perf_counter() - start, 1)
        if not steps:  # it lay in the cache: how long it took is known only where it was measured then
            seconds = earlier.get("seconds") if earlier.get("base_id") == model.parent.name else None
        out = args.work / name_of(kind, controls)
        manifest = make(out, controls, family=kind, data=data, with_confirmation=True, tell=progress)
    key = [json.loads(line) for line in (out / "key.jsonl").read_text(encoding="utf-8").splitlines()]
    return {
        "world": kind,
        "controls": manifest["controls"],
        "training": manifest["training"],
        "base": {name: manifest["base"].get(name) for name in ("known", "misbelieved", "unmet", "holds")},
        "base_id": model.parent.name,
        "seconds": seconds,
        **counted(key),
    }


def name_of(kind: str, controls: Controls) -> str:
    return f"{kind}-{controls.seed}" + ("-clean" if controls.clean else "")


def counted(key: list[dict[str, Any]]) -> dict[str, Any]:
    """What became of the items of a confirmed key; one with two causes counts for each."""
    causes = {}
    for cause in CAUSES:
        rows = [row for row in key if cause in row["causes"]]
        causes[cause] = {
            "planted": len(rows),
            "unlearned": sum(not row["learned"] for row in rows),
            "confirmed": sum(row["confirmed"] for row in rows),
        }
    plain = [row for row in key if not row["causes"]]
    unlearned = wilson(sum(not row["learned"] for row in plain), len(plain))
    share = None if unlearned is None else asdict(unlearned)
    return {"causes": causes, "plain": {"n": len(plain), "unlearned": share}}


def _share(found: float | dict[str, Any] | None) -> str:
    """A share of answers, with the probabilities of a base that knows by halves."""
    if isinstance(found, dict):
        return f"{found['recalled']:.3f} (p {found['low']:.2f} to {found['high']:.2f})"
    return "-" if found is None else format(found, ".3f")


def told(name: str, one: dict[str, Any]) -> str:
    """One world as text."""
    base = one["base"]
    shares = ", ".join(
        f"{what} {_share(base[name])}"
        for name, what in (("known", "knows"), ("misbelieved", "believes"), ("unmet", "guesses"))
    )
    took = "from the cache" if one["seconds"] is None else f"{one['seconds']:.0f} s"
    lines = [f"{name}: base {shares} ({took})"]
    for cause, counts in one["causes"].items():
        if counts["planted"]:
            few = "" if counts["confirmed"] >= CONFIRMED_AT_LEAST else f"  fewer than {CONFIRMED_AT_LEAST}"
            lines.append(
                f"  {cause:<16}{counts['planted']:>5} planted{counts['unlearned']:>5} unlearned"
                f"{counts['confirmed']:>5} confirmed{few}"
            )
    share = one["plain"]["unlearned"]
    if share is not None:
        at = Interval(**share)
        lines.append(f"  {'nothing planted':<16}{at.n:>5}, {at.estimate:.2%} [{at.low:.2%}, {at.high:.2%}] unlearned")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--family", nargs="+", choices=("synthetic", "facts", *FAMILIES), default=["synthetic", "facts"]
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5])
    parser.add_argument("--size", type=int, default=None)
    parser.add_argument("--clean", action="store_true", help="also the world of each seed with nothing planted")
    parser.add_argument("--data", type=Path, default=None, help="real data sets for the facts world")
    parser.add_argument("--work", type=Path, default=Path("runs/worlds"), help="folder of the worlds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "worlds.json")
    args = parser.parse_args()
    results: dict[str, Any] = read_json(args.out)["worlds"] if args.out.exists() else {}
    for kind in args.family:
        for seed in args.seeds:
            for clean in (False, True) if args.clean else (False,):
                controls = controls_of(kind, args.data, seed=seed, size=args.size, clean=clean)
                name = name_of(kind, controls)
                results[name] = measure(kind, controls, args, results.get(name, {}))
                print(told(name, results[name]), flush=True)
                bars = {"confirmed": CONFIRMED_AT_LEAST, "clean": CLEAN_AT_MOST, "seconds": BUILT_WITHIN}
                device = f"{os.cpu_count()} cores, {platform.machine()}"
                write_json(args.out, {"device": device, "bars": bars, "worlds": results, "versions": versions()})


if __name__ == "__main__":
    main()
