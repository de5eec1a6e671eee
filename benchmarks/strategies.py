"""What strategies keep of a first stage while a second one is trained, against plain training one after the other.

    python benchmarks/strategies.py [--work DIR] [--worlds alike apart] [--seeds 0 1 2] [--tune 100]

The base is that of the demo's world, 0.65M parameters, and the stages train the 244 facts that it never met or believes
wrongly. `alike`: the seed draws 100 of them as the first stage and leaves 144 as the second, which asks the same kinds
of questions. `apart`: the kinds of questions are split, so that the stages ask about different things. The seed is that
of training too. All arms start the second stage from the same weights: in the first one, what a strategy does (lwf and
ema hold back, even where nothing is to be kept) is left out, but for the rows that replay and agem keep. olora is
compared with sequential LoRA, the others with sequential training of all weights.

An item is recalled when greedy decoding gives its whole response and stops, in the wording that was trained. `before`
is the share of the first stage's items that is recalled after it, `kept` what of them is after the second stage,
`learned` the share of the second stage's own items, and `known`, before and after, that of facts which the base was
told and no stage trains. Differences to sequential training are paired over items and seeds (Bonett and Price). Tokens
are those of trained rows, with the rows whose gradient agem computes beside; lwf's scoring pass and second forward pass
are in the seconds alone. Strengths are tuned on the seed of --tune, which is not reported, for the most `kept` +
`learned`. An arm that is trained is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import yaml

from uptake.artifacts import read_json, versions, write_json
from uptake.config import load_run
from uptake.lab.base import build_base, recalled
from uptake.lab.build import draw
from uptake.lab.controls import Controls
from uptake.lab.world import Fact
from uptake.models.small.pretrain import one_thread
from uptake.pipeline.train.run import train_run
from uptake.stats import paired_difference

OUT = Path(__file__).parent / "results" / "strategies.json"
FIRST, KNOWN = 100, 150
LEARNING_RATE = 1.5e-3
EARLIER = ("birth_year", "colour", "founding_date", "headquarters", "instrument", "language", "product")
"""What the first stage asks about where the stages are apart."""
SETTINGS = {
    "lr_scheduler_type": "linear", "warmup_steps": 0.1, "per_device_train_batch_size": 16,
    "gradient_checkpointing": False, "max_length": 96,
}  # fmt: skip
PEFT = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}
GRID: dict[str, list[dict[str, Any]]] = {
    "replay": [{"share": 0.1}, {"share": 0.3}],
    "lwf": [{"strength": 0.3}, {"strength": 1.0}, {"strength": 3.0}],
    "ema": [{"beta": 0.98}, {"beta": 0.995}],
    "agem": [{"rows": 16}, {"rows": 64}],
    "olora": [{"strength": 0.5}, {"strength": 5.0}, {"strength": 50.0}],
}
SHARES = ("before", "kept", "learned", "known_before", "known")
BAR = ("replay", "lwf", "olora")
"""Strategies that must keep more than sequential training does, with an interval above 0."""
ONLY_KEEPS = ("replay", "agem", "olora")
"""Strategies that do nothing in a first stage but keep what later ones need."""


@dataclass(frozen=True)
class Setting:
    """How the two stages differ and are trained: epochs of each, and the learning rate of LoRA."""

    apart: bool
    first: int
    second: int
    lora: float


Rows: TypeAlias = list[dict[str, Any]]
WORLDS = {"alike": Setting(False, 10, 20, 1e-2), "apart": Setting(True, 15, 15, 5e-3)}


def row(name: str, fact: Fact) -> dict[str, Any]:
    return {"id": name, "prompt": fact.asks[0], "completion": f" {fact.answer}"}


def stages_of(facts: list[Fact], seed: int, *, apart: bool) -> tuple[Rows, Rows, Rows]:
    """Rows of the first stage, of the second, and of facts that the base knows."""
    rng = random.Random(seed)
    new = [(fact.relation, row(f"f-{number}", fact)) for number, fact in enumerate(facts) if fact.status != "known"]
    old = [row(f"k-{number}", fact) for number, fact in enumerate(facts) if fact.status == "known"]
    rng.shuffle(new)
    rng.shuffle(old)
    early = [relation in EARLIER if apart else place < FIRST for place, (relation, _) in enumerate(new)]
    first = [one for (_, one), is_early in zip(new, early, strict=True) if is_early]
    second = [one for (_, one), is_early in zip(new, early, strict=True) if not is_early]
    return first, second, old[:KNOWN]


def arm(
    name: str, settings: dict[str, Any], seed: int, base: Path, facts: list[Fact], world: str, work: Path
) -> dict[str, Any]:
    """Train the two stages by one strategy, and ask; what was done by an earlier run is not done again."""
    shown = "-".join([name, *(f"{key}{value}" for key, value in settings.items())])
    folder, setting = work / world / f"seed-{seed}" / shown, WORLDS[world]
    if (folder / "result.json").exists():
        found: dict[str, Any] = read_json(folder / "result.json")
        return found
    folder.mkdir(parents=True, exist_ok=True)
    first, second, known = stages_of(facts, seed, apart=setting.apart)
    for stage, rows in (("first", first), ("second", second)):
        (folder / f"{stage}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    lora = name in ("olora", "sequential-lora")
    chosen = [] if name.startswith("sequential") else [{name: settings}]
    run = {
        "model_name_or_path": str(base),
        "stages": [
            {
                "name": "first", "dataset": "./first.jsonl", "num_train_epochs": setting.first,
                "strategy": chosen if name in ONLY_KEEPS else [],
            },
            {"name": "second", "dataset": "./second.jsonl", "num_train_epochs": setting.second, "strategy": chosen},
        ],
        "training": {**SETTINGS, "learning_rate": setting.lora if lora else LEARNING_RATE, "save_strategy": "no"},
        "peft": PEFT if lora else None,
        "output_dir": "./run", "device": "cpu", "ledger": "off", "seed": seed,
    }  # fmt: skip
    (folder / "run.yaml").write_text(yaml.safe_dump(run))
    start = time.process_time()
    with one_thread():
        config = load_run(folder / "run.yaml")
        train_run(config)
    seconds = time.process_time() - start
    trained = {stage: config.output_dir / "train" / stage for stage in ("first", "second")}

    def asked(stage: str, rows: list[dict[str, Any]]) -> dict[str, bool]:
        return recalled(trained[stage], [(one["id"], one["prompt"], one["completion"]) for one in rows])

    tokens = tokens_of(name, settings, trained, setting)
    found = {
        "before": asked("first", first),
        "kept": asked("second", first),
        "learned": asked("second", second),
        "known": asked("second", known),
        "known_before": asked("first", known),
        "tokens": tokens,
        "cpu_seconds": round(seconds, 1),
    }
    write_json(folder / "result.json", found)
    shares = {key: round(share(found[key]), 3) for key in SHARES}
    print(f"{world}, seed {seed} {shown}: {shares}, {tokens} tokens, {seconds:.0f} s", flush=True)
    return found


def tokens_of(name: str, settings: dict[str, Any], trained: dict[str, Path], setting: Setting) -> int:
    """Tokens that were trained in both stages; for agem with those whose gradient was computed beside."""
    first, second = (read_json(folder / "manifest.json") for folder in trained.values())
    total = first["tokens"] * setting.first + second["tokens"] * setting.second
    if name == "agem":
        total += round(second["steps"] * min(settings["rows"], first["examples"]) * first["tokens"] / first["examples"])
    return int(total)


def share(flags: dict[str, bool]) -> float:
    return sum(flags.values()) / len(flags)


def difference(found: list[dict[str, Any]], plain: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """The difference of a share to sequential training, paired over items and seeds."""
    pairs = [
        (two[key][name], one[key][name]) for one, two in zip(found, plain, strict=True) for name in sorted(one[key])
    ]
    lost, won = (sum(pair == way for pair in pairs) for way in ((True, False), (False, True)))
    told = paired_difference(lost, won, len(pairs))
    assert told is not None
    return {"estimate": round(told.estimate, 4), "low": round(told.low, 4), "high": round(told.high, 4), "n": told.n}


def summary(found: list[dict[str, Any]], plain: list[dict[str, Any]] | None) -> dict[str, Any]:
    mean = {key: round(sum(share(one[key]) for one in found) / len(found), 4) for key in SHARES}
    costs = {key: round(sum(one[key] for one in found) / len(found)) for key in ("tokens", "cpu_seconds")}
    against = {} if plain is None else {key: difference(found, plain, key) for key in ("kept", "learned", "known")}
    return {**mean, **costs, "against_sequential": against}


def measured(world: str, base: Path, facts: list[Fact], args: argparse.Namespace) -> dict[str, Any]:
    """Tune, train and compare all arms in a world."""

    def trained(name: str, settings: dict[str, Any], seed: int) -> dict[str, Any]:
        return arm(name, settings, seed, base, facts, world, args.work)

    tuning, best = {}, {}
    for name, grid in GRID.items():
        of = [trained(name, settings, args.tune) for settings in grid]
        tuning[name] = [
            {"settings": settings, "kept": round(share(one["kept"]), 4), "learned": round(share(one["learned"]), 4)}
            for settings, one in zip(grid, of, strict=True)
        ]
        best[name] = max(tuning[name], key=lambda one: one["kept"] + one["learned"])["settings"]
    plain = {name: [trained(name, {}, seed) for seed in args.seeds] for name in ("sequential", "sequential-lora")}
    arms = {name: summary(found, None) for name, found in plain.items()}
    for name, settings in best.items():
        found = [trained(name, settings, seed) for seed in args.seeds]
        against = plain["sequential-lora" if name == "olora" else "sequential"]
        arms[name] = {"settings": settings, **summary(found, against)}
    return {
        **asdict(WORLDS[world]),
        "items": {key: len(plain["sequential"][0][key]) for key in SHARES},
        "tuning": tuning,
        "arms": arms,
        "bar": {name: arms[name]["against_sequential"]["kept"]["low"] > 0 for name in BAR},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/strategies"))
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tune", type=int, default=100)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    world = draw("synthetic", Controls(size=80))
    base = build_base(world, 0, lambda what, done, total: None)
    result = {
        "base": "the demo's world, seed 0",
        "seeds": args.seeds,
        "tuned_on": args.tune,
        "worlds": {name: measured(name, base, list(world.facts), args) for name in args.worlds},
        "platform": platform.platform(),
        "versions": versions(),
    }
    write_json(args.out, result)
    print(json.dumps({name: one["bar"] for name, one in result["worlds"].items()}, indent=1))


if __name__ == "__main__":
    main()
