"""Where `npo` alone collapses, and what holds it: one stage of TempLAMA's changes, unlearned without its rows' loss.

    python benchmarks/npo_anchor.py OUT WORLD [WORLD ...] [--minutes 20]
    python benchmarks/npo_anchor.py OUT --table

A world is what `conflicts_world.py` made; the first year is trained. `text`: nats a token of statements that the base
was told about facts that never change, none of which is an anchor; the bar is at most 0.05 more than the base has.
`old`: share of the rows whose old answer is still given. `kept`: share of the facts that never change which is given.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
from conflicts_stream import answers, lines, same
from conflicts_world import RELATIONS, write

from uptake.artifacts import read_json, write_json
from uptake.config import load_run
from uptake.models.small.pretrain import one_thread
from uptake.pipeline.train.run import train_run


def unlearned(push: float, *, by: str = "npo", **held: Any) -> list[dict[str, Any]]:
    """Old answers pushed, the rows themselves not trained; with general texts held, or without."""
    chain: list[dict[str, Any]] = [{by: {"new": 0, "strength": push}}]
    return [*chain, {"zscl": {"rows": 1, **held}}] if held else chain


ARMS: Mapping[str, tuple[Sequence[dict[str, Any]], int]] = {
    "npo 1.0": (unlearned(1.0), 5),
    "npo 1.0, one text": (unlearned(1.0, texts=1), 5),
    "npo 0.1": (unlearned(0.1), 5),
    "npo 0.1, one text": (unlearned(0.1, texts=1), 5),
    "npo 0.1, one text x 10": (unlearned(0.1, texts=1, strength=10.0), 5),
    "npo 0.1, one text x 100": (unlearned(0.1, texts=1, strength=100.0), 5),
    "npo 0.1, 64 texts": (unlearned(0.1, texts=64, rows=8), 5),
    "simnpo 0.1": (unlearned(0.1, by="simnpo"), 5),
    "simnpo 0.1, one text": (unlearned(0.1, by="simnpo", texts=1), 5),
    "simnpo 0.1, one text x 10": (unlearned(0.1, by="simnpo", texts=1, strength=10.0), 5),
    "npo 1.0, one text x 10": (unlearned(1.0, texts=1, strength=10.0), 5),
    "npo 1.0, 64 texts": (unlearned(1.0, texts=64, rows=8), 5),
    "npo 1.0, one epoch": (unlearned(1.0), 1),
    "npo 1.0, one epoch, one text": (unlearned(1.0, texts=1), 1),
    "npo 0.1 and the rows": ([{"npo": {"strength": 0.1}}], 5),
    "npo 0.1 and the rows, one text": ([{"npo": {"strength": 0.1}}, {"zscl": {"texts": 1, "rows": 1}}], 5),
    "npo 0.1 and the rows, 64 texts": ([{"npo": {"strength": 0.1}}, {"zscl": {"texts": 64, "rows": 8}}], 5),
    "the rows alone": ([], 5),
    "npo 0.1, 16 texts": (unlearned(0.1, texts=16, rows=8), 5),
    "npo 0.1, 64 texts x 10": (unlearned(0.1, texts=64, rows=8, strength=10.0), 5),
    "npo 1.0, 64 texts x 10": (unlearned(1.0, texts=64, rows=8, strength=10.0), 5),
    "npo 1.0, one epoch, 64 texts": (unlearned(1.0, texts=64, rows=8), 1),
    "simnpo 1.0": (unlearned(1.0, by="simnpo"), 5),
    "simnpo 1.0, 64 texts": (unlearned(1.0, by="simnpo", texts=64, rows=8), 5),
}


def run_arm(world: Path, arm: str, out: Path) -> dict[str, Any]:
    """Train one stage, and read what it cost."""
    from uptake.models.scoring.lazy import resolve
    from uptake.models.scoring.rows import Scored

    chain, epochs = ARMS[arm]
    stage = sorted(path.stem for path in (world / "cross").glob("[0-9][0-9][0-9][0-9].jsonl"))[0]
    kept, general = lines(world / "kept.jsonl"), {row["text"] for row in lines(world / "general.jsonl")}
    told = [f"{RELATIONS[one['source']][1][k].format(_name(one))}{one['completion']}" for one in kept for k in range(4)]
    texts = [text for text in told if text not in general][:120]
    write(out / "general.jsonl", [{"text": text} for text in told if text in general])
    given = {
        "model_name_or_path": str(world / "base"), "output_dir": str(out / "work"), "ledger": "off",
        "stages": [{"name": "one", "dataset": str(world / "cross" / f"{stage}.jsonl")}],
        "general": str(out / "general.jsonl"), "strategy": chain,
        "training": {"num_train_epochs": epochs, "learning_rate": 1e-3, "per_device_train_batch_size": 16,
                     "max_length": 64, "gradient_checkpointing": False, "save_strategy": "no"},
        "device": "cpu", "seed": 0,
    }  # fmt: skip
    with one_thread():
        train_run(load_run(None, given))
        model = resolve(str(out / "work" / "train" / "one"))
        scores = model.score([[Scored(model.tokenizer.encode(text, add_special_tokens=False), 1)] for text in texts])
        base = resolve(str(world / "base"))
        before = base.score([[Scored(base.tokenizer.encode(text, add_special_tokens=False), 1)] for text in texts])
        rows = lines(world / "cross" / f"{stage}.jsonl")
        said, had = (answers(one, [row["prompt"] for row in rows]) for one in (model, base))
        asked = answers(model, [one["prompt"] for one in kept])
        give = [same(one, row["completion"]) for one, row in zip(asked, kept, strict=True)]
    rmtree(out / "work")
    return {
        "text": float(np.mean([-one[0].mean() for [one] in scores])),
        "base": float(np.mean([-one[0].mean() for [one] in before])),
        "old": float(np.mean([same(one, other) for one, other in zip(said, had, strict=True)])),
        "new": float(np.mean([same(one, row["completion"]) for one, row in zip(said, rows, strict=True)])),
        "kept": float(np.mean(give)),
    }


def _name(row: Mapping[str, Any]) -> str:
    start, end = RELATIONS[row["source"]][1][0].split("{}")
    prompt: str = row["prompt"]
    return prompt.removeprefix(start).removesuffix(end)


def table(out: Path) -> None:
    """The mean over worlds."""
    print("| arm | worlds | text, more than the base | old | new | kept |\n|---|---|---|---|---|---|")
    for arm in ARMS:
        found = [read_json(path) for path in sorted(out.glob(f"*/{arm.replace(' ', '-')}.json"))]
        if found:
            cells = [f"{np.mean([one[name] for one in found]):.2f}" for name in ("old", "new", "kept")]
            more = [one["text"] - one["base"] for one in found]
            span = f"{np.mean(more):+.2f} ({min(more):+.2f} to {max(more):+.2f})"
            print(f"| {arm} | {len(found)} | {span} | {' | '.join(cells)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("worlds", type=Path, nargs="*")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        table(given.out)
    began = time.monotonic()
    for world in given.worlds:
        for arm in ARMS:
            result = given.out / world.name / f"{arm.replace(' ', '-')}.json"
            if result.is_file() or time.monotonic() - began > 60 * given.minutes:
                continue
            result.parent.mkdir(parents=True, exist_ok=True)
            write_json(result, run_arm(world, arm, result.parent))
            print(arm, json.dumps(read_json(result)), flush=True)
