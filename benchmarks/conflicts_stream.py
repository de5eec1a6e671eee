"""TempLAMA's changes trained stage by stage, by conflict-aware training, its parts, and what it is held against.

    python benchmarks/conflicts_stream.py OUT WORLD [WORLD ...] [--setting cross] [--arms NAME ...] [--minutes 25]
    python benchmarks/conflicts_stream.py OUT --table

A world is what `conflicts_world.py` made. A run of an arm on a world is done once: what is there is not done again, and
after so many minutes no other one is begun. After the last stage the model is asked about every fact that changed, in
the wording that is trained and in one that is not (`other`), and about all facts that did not. What says a row again is
written by a server that does it without an error (`conflicts_writer.py`).

`right`: it gives the last answer. `old`: one that was true before, and no longer. `neither`: something else. `kept`: of
the facts that never change, how many it gives still. `after each`: of the rows of a stage, right just after it was
trained. `exposures`: the median number of times that a row was trained before it was first recalled, of the rows that
were, by the ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
from conflicts_world import RELATIONS
from conflicts_writer import writer

from uptake.artifacts import read_json, write_json
from uptake.config import load_run
from uptake.ledger import read_ledger
from uptake.models.small.pretrain import one_thread
from uptake.pipeline.train.run import train_run
from uptake.stats import wilson
from uptake.types import normalised

SETTINGS: dict[str, dict[str, Any]] = {
    "replay": {"share": 0.3},
    "zscl": {"strength": 1.0, "rows": 8},
    "conflict_aware": {"objective": "dpo", "strength": 0.1, "augment": "paraphrase", "n": 2, "select": 0.1},
}
"""Tuned on the changes of 2011 and 2012; `--settings` lays others over them."""


def arms(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What is compared. Arms at the same tokens train for as many epochs as cost what `conflict_aware` costs."""
    replay, held = ({name: settings[name]} for name in ("replay", "zscl"))

    def aware(**changed: Any) -> dict[str, Any]:
        return {"conflict_aware": {**settings["conflict_aware"], **changed}}

    return {
        "sequential": [],
        "same tokens": [],
        "replay": [replay],
        "replay, same tokens": [replay],
        "replay + zscl": [replay, held],
        "conflict_aware": [replay, aware(), held],
        "without objective": [replay, aware(objective=None), held],
        "without anchor": [replay, aware(anchor=0)],
        "without augmentation": [replay, aware(augment=None), held],
        "without selection": [replay, aware(select=0), held],
    }


ARMS = list(arms(SETTINGS))
LONGER = {"same tokens": "sequential", "replay, same tokens": "replay"}
"""Arms that train longer, and the arm that tells what their epochs cost."""
HEAD = (
    "arm", "worlds", "right", "old", "other: right", "other: old", "kept", "other: kept", "after each", "exposures",
    "tokens",
)  # fmt: skip


def run_arm(
    world: Path, setting: str, chain: Sequence[Mapping[str, Any]], out: Path, training: Mapping[str, Any]
) -> dict[str, Any]:
    """Train all stages, and ask."""
    folder = out / "work"
    given = {"output_dir": str(folder), "ledger": "training"}
    given |= {f"training.{name}": str(value) for name, value in training.items()}
    if chain:
        given["strategy"] = json.dumps(list(chain))
    began, told = time.process_time(), []
    with one_thread():
        config = load_run(world / setting / "run.yaml", given)
        train_run(config, note=told.append)
        seconds = time.process_time() - began
        stages = [stage.name for stage in config.stages]
        found = asked(world, setting, [folder / "train" / stage for stage in stages], stages)
    manifests = [read_json(folder / "train" / stage / "manifest.json") for stage in stages]
    found |= {"tokens": sum(cost(one) for one in manifests), "told": told, "cpu_seconds": round(seconds)}
    found["exposures"] = exposures(folder, stages)
    rmtree(folder)
    return found


def cost(manifest: Mapping[str, Any]) -> float:
    """What a stage cost, in trained tokens: forwards alone count a third."""
    spent = manifest["spent"] or {"steps": 0, "ends": 0, "forward": 0}
    passes = manifest["passes"] or 0
    return float(manifest["tokens"] * passes + spent["steps"] + spent["ends"] + spent["forward"] / 3)


def asked(world: Path, setting: str, models: Sequence[Path], stages: Sequence[str]) -> dict[str, Any]:
    """What the models say: of their stages' rows just after each, of all facts after the last."""
    from uptake.models.scoring.lazy import resolve

    key, kept = lines(world / "key.jsonl"), lines(world / "kept.jsonl")
    after = []
    for model, stage in zip(models, stages, strict=True):
        now = resolve(str(model))
        rows = lines(world / setting / f"{stage[1:]}.jsonl")
        after += [
            same(said, row["completion"])
            for row, said in zip(rows, answers(now, [row["prompt"] for row in rows]), strict=True)
        ]
    found: dict[str, Any] = {"after each": after}
    for wording, name in ((0, "trained"), (1, "other")):
        asks = [RELATIONS[one["relation"]][1][wording].format(one["name"]) for one in key]
        verdicts = []
        for one, said in zip(key, answers(now, asks), strict=True):
            before = [answer for _, answer in one["told"][:-1]]
            last = one["told"][-1][1]
            verdicts.append(
                "right" if same(said, last) else "old" if any(same(said, old) for old in before) else "neither"
            )
        found[name] = verdicts
        others = [RELATIONS[one["source"]][1][wording].format(named(one)) for one in kept]
        found[f"kept {name}"] = [
            same(said, one["completion"]) for one, said in zip(kept, answers(now, others), strict=True)
        ]
    return found


def named(row: Mapping[str, Any]) -> str:
    """The name in a row's prompt."""
    start, end = RELATIONS[row["source"]][1][0].split("{}")
    prompt: str = row["prompt"]
    return prompt.removeprefix(start).removesuffix(end)


def answers(model: Any, asks: Sequence[str]) -> list[str]:
    """What a model goes on with, greedily."""
    contexts = [model.tokenizer.encode(ask, add_special_tokens=False) for ask in asks]
    said = model.generate(contexts, [24] * len(contexts))
    return [model.tokenizer.decode(one, skip_special_tokens=True).split("\n")[0] for [one] in said]


def same(one: str, other: str) -> bool:
    """Whether two answers are the same text."""
    return normalised(one) == normalised(other)


def exposures(folder: Path, stages: Sequence[str]) -> list[int | None]:
    """Of each stage's own rows after how many exposures it was first recalled in training; None for never."""
    table = read_ledger(folder).table.to_pylist()
    first: dict[tuple[str, str], int | None] = {}
    seen: dict[tuple[str, str], int] = {}
    for row in table:
        if row["stage"] not in stages or row["id"].split(": ")[0] != row["stage"][1:] or row["id"].count(": ") > 1:
            continue
        key = (row["stage"], row["id"])
        first.setdefault(key, None)
        if row["recalled"] and first[key] is None:
            first[key] = seen.get(key, 0)
        seen[key] = seen.get(key, 0) + (row["pass"] == "train")
    return list(first.values())


def lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def place(out: Path, world: Path, setting: str, arm: str) -> Path:
    """Where a run's result is."""
    return out / f"{world.name} {setting} {arm}".replace(" ", "-")


def work(
    out: Path,
    worlds: Iterable[Path],
    setting: str,
    chains: Mapping[str, Any],
    limit: float,
    training: Mapping[str, Any],
) -> None:
    """Do what is not done, until the time is over."""
    began = time.monotonic()
    for world in worlds:
        for arm, chain in chains.items():
            folder = place(out, world, setting, arm)
            if (folder / "result.json").is_file():
                continue
            if time.monotonic() - began > limit:
                return
            own = dict(training)
            if arm in LONGER:
                aware, once = (
                    place(out, world, setting, one) / "result.json" for one in ("conflict_aware", LONGER[arm])
                )
                if not aware.is_file() or not once.is_file():
                    continue
                own["num_train_epochs"] *= read_json(aware)["tokens"] / read_json(once)["tokens"]
            folder.mkdir(parents=True, exist_ok=True)
            found = run_arm(world, setting, chain, folder, own)
            write_json(folder / "result.json", {"arm": arm, "setting": setting, "world": world.name, **found})
            print(row(arm, [found]), flush=True)


def shares(verdicts: Sequence[str], what: str) -> str:
    """A share with its interval."""
    one = wilson(sum(verdict == what for verdict in verdicts), len(verdicts))
    return "-" if one is None else f"{100 * one.estimate:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]"


def row(arm: str, found: Sequence[Mapping[str, Any]]) -> str:
    """A row of the table: an arm's runs together."""
    cells = [arm, str(len(found))]
    for name in ("trained", "other"):
        all_of = [verdict for one in found for verdict in one[name]]
        cells += [shares(all_of, "right"), shares(all_of, "old")]
    for name in ("kept trained", "kept other"):
        cells.append(shares(["kept" if one else "" for run in found for one in run[name]], "kept"))
    after = [right for one in found for right in one["after each"]]
    cells.append(f"{100 * float(np.mean(after)):.1f}")
    told = [one for run in found for one in run["exposures"]]
    adopted = [one for one in told if one is not None]
    cells.append(f"{float(np.median(adopted)):.0f} ({len(adopted)} of {len(told)})" if adopted else "-")
    cells.append(f"{np.mean([one['tokens'] for one in found]):,.0f}")
    return "| " + " | ".join(cells) + " |"


def table(out: Path) -> None:
    """All that is done, by setting and arm."""
    results = [read_json(path) for path in sorted(out.glob("*/result.json"))]
    for setting in dict.fromkeys(one["setting"] for one in results):
        print(f"\n{setting}\n\n| {' | '.join(HEAD)} |")
        print("|---" * len(HEAD) + "|")
        for arm in ARMS:
            if own := [one for one in results if (one["setting"], one["arm"]) == (setting, arm)]:
                print(row(arm, own))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("worlds", type=Path, nargs="*")
    parser.add_argument("--setting", choices=("cross", "apart"), default="cross")
    parser.add_argument("--arms", nargs="+", default=ARMS, choices=ARMS)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--training", type=json.loads, default={"num_train_epochs": 10, "learning_rate": 1e-3})
    parser.add_argument("--settings", type=json.loads, default={}, help="Of the strategies, by name.")
    parser.add_argument(
        "--port", type=int, default=18765, help="Of the server; the same one goes on with a killed run."
    )
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        table(given.out)
    else:
        settings = {name: {**one, **given.settings.get(name, {})} for name, one in SETTINGS.items()}
        chains = {name: chain for name, chain in arms(settings).items() if name in given.arms}
        with writer(given.port) as server:
            for one in (settings for chain in chains.values() for settings in chain if "conflict_aware" in settings):
                one["conflict_aware"]["server"] = server
            work(given.out, given.worlds, given.setting, chains, 60 * given.minutes, given.training)
