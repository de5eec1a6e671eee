"""What a cure achieves on worlds in which the causes were planted, beside plain fine-tuning and the paper's recipe.

    python benchmarks/cure.py WORLD... [--work DIR] [--arms cure plain recipe repair]

WORLD is a folder of `uptake lab make --confirm`, trained and diagnosed under `run/`; it is copied, and not written to.
Of the confirmed items of each cause, which the run's own fine-tuning ("before") leaves unlearned, the share that is
recalled in the training and in held-out wordings by

- `cure`: the model that `uptake cure --unsafe` trains;
- `plain`: the run's own fine-tuning with as many tokens as that: all epochs, so many times;
- `recipe`: continued pre-training on 0.8 general text and 0.2 documents (chosen as for a plan, each read once) for
  missing and wrong knowledge, then the run's own fine-tuning (ILP, arXiv 2604.10079), with at most as many tokens;
- `repair`: the model that `uptake cure --unsafe --from tuned` trains.

`control` are the examples without a planted cause: what must not be lost.
Contradictions count where the example's own answer is the true one. An arm that is trained is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from uptake.types import Message, Prompt

os.environ.setdefault("HF_HUB_OFFLINE", "1")
OUT = Path(__file__).parent / "results" / "cure.json"
BARS = {
    "knowledge_gap": "heldout", "base_conflict": "heldout", "data_conflict": "training", "forgetting": "training",
    "undertraining": "training",
}  # fmt: skip
"""In which wordings each cause is measured against the bar."""
BAR, RETENTION = 0.85, 0.01


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asked_of(world: Path) -> tuple[dict[str, str], list[tuple[str, Prompt, str]]]:
    """The cause of each item that is measured, and all questions: `id|training`, `id|1`, ..."""
    data = {row["id"]: row for stage in ("early", "main") for row in rows(world / f"{stage}.jsonl")}
    causes: dict[str, str] = {}
    for row in rows(world / "key.jsonl"):
        if row["causes"] and row["confirmed"] and (row["primary"] != "data_conflict" or row["is_true"]):
            causes[row["id"]] = row["primary"]
        elif not row["causes"]:
            causes[row["id"]] = "control"
    asked = [(f"{name}|training", data[name]["prompt"], data[name]["completion"]) for name in causes]
    for number, row in enumerate(rows(world / "paraphrases.jsonl")):
        if row["id"] in causes:
            asked.append((f"{row['id']}|{number}", row["prompt"], row["completion"]))
    for row in rows(world / "retention.jsonl"):
        causes[row["id"]] = "retention"
        asked.append((f"{row['id']}|training", row["prompt"], row["completion"]))
        asked += [(f"{row['id']}|{n}", one["prompt"], one["completion"]) for n, one in enumerate(row["paraphrases"])]
    return causes, [(key, _prompt(prompt), _response(completion)) for key, prompt, completion in asked]


def _prompt(read: Any) -> Prompt:
    """A prompt of the data: text, or the turns of a conversation."""
    return read if isinstance(read, str) else tuple(Message(turn["role"], turn["content"]) for turn in read)


def _response(read: Any) -> str:
    return read if isinstance(read, str) else str(read[-1]["content"])


def measure(world: Path, model: Path) -> dict[str, dict[str, list[float]]]:
    """By cause, for each item whether it is recalled as trained, and its share of held-out wordings."""
    from uptake.lab.base import recalled

    causes, asked = asked_of(world)
    found: dict[str, dict[str, list[bool]]] = {name: {"training": [], "heldout": []} for name in causes}
    for key, right in recalled(model, asked).items():
        name, _, wording = key.rpartition("|")
        found[name]["training" if wording == "training" else "heldout"].append(right)
    shares: dict[str, dict[str, list[float]]] = {}
    for name, cause in causes.items():
        for kind, flags in found[name].items():
            if flags:
                of = shares.setdefault(cause, {"training": [], "heldout": []})
                of[kind].append(round(sum(flags) / len(flags), 4))
    return shares


def cure(world: Path) -> tuple[Path, int]:
    from uptake.config import load_run
    from uptake.pipeline.prescribe.run import prescribe_run
    from uptake.pipeline.trial.applying import apply

    config = load_run(world / "run.yaml")
    plan = prescribe_run(config, unsafe=True).plan
    return apply(plan, config, world / "arms" / "cure"), plan.cost.total


def repair(world: Path) -> tuple[Path, int]:
    from uptake.config import load_run
    from uptake.pipeline.prescribe.run import prescribe_run
    from uptake.pipeline.trial.applying import apply

    config = load_run(world / "run.yaml")
    plan = prescribe_run(config, unsafe=True, start="tuned").plan
    return apply(plan, config, world / "arms" / "repair"), plan.cost.total


def plain(world: Path) -> tuple[Path, int]:
    from uptake.config import load_run
    from uptake.pipeline.train.run import train_run
    from uptake.prescribe import read_plan

    cost = read_plan(world / "run" / "plan").cost
    config = load_run(world / "run.yaml", {"output_dir": str(world / "arms" / "plain"), "ledger": "off"})
    times = cost.total / cost.plain
    stages = [one.model_copy(update={"num_train_epochs": times * one.num_train_epochs}) for one in config.stages]
    *_, last = train_run(config.model_copy(update={"stages": tuple(stages)}))
    return last.folder, cost.total


def recipe(world: Path) -> tuple[Path, int]:
    """As the paper: whoever lacks knowledge gets documents, everything else stays as it was."""
    from uptake.config import load_run
    from uptake.pipeline import read_diagnosis
    from uptake.pipeline.prescribe.material import read_material
    from uptake.pipeline.prescribe.run import planning_of
    from uptake.pipeline.train.settings import rows_of_a_step
    from uptake.pipeline.trial.applying import apply
    from uptake.prescribe import Budget, Terms, plan, read_plan

    config = load_run(world / "run.yaml")
    whole = read_plan(world / "run" / "plan").cost
    run, _ = planning_of(config, read_diagnosis(config.output_dir), False, 1)
    material, findings = read_material(run, None, lambda *_: None)
    encoding = run.encoding
    chosen = {one.id: None for one in findings if one.cause not in ("knowledge_gap", "base_conflict")}
    step = rows_of_a_step(encoding.last)
    terms = Terms(
        "base", config.model_name_or_path, step, "before", readings=1, training=encoding.last, seed=config.seed
    )
    room = whole.total - whole.plain
    drawn = plan(findings, material, terms, remedies=chosen, budget=Budget(tokens=whole.plain + round(0.4 * room)))
    texts = [one for one in drawn.cpt if one.source != "general"]
    left = 4 * drawn.cost.documents
    draw, lengths = random.Random(config.seed), material.count([one.text for one in material.general])
    while left > min(lengths):
        order = list(range(len(lengths)))
        draw.shuffle(order)
        for place in order:
            if lengths[place] <= left:
                texts.append(material.general[place])
                left -= lengths[place]
    draw.shuffle(texts)
    sft = plan([], material, terms)
    cost = sft.cost.sft + 5 * drawn.cost.documents - left
    return apply(replace(sft, cpt=tuple(texts)), config, world / "arms" / "recipe"), cost


ARMS: dict[str, Callable[[Path], tuple[Path, int]]] = {"cure": cure, "plain": plain, "recipe": recipe, "repair": repair}


def run(world: Path, work: Path, arms: Iterable[str]) -> dict[str, Any]:
    """All arms of a world."""
    from uptake.models.small.pretrain import one_thread
    from uptake.prescribe import read_plan

    copy = work / world.name
    if not copy.exists():
        shutil.copytree(world, copy)
    with one_thread():
        found: dict[str, Any] = {"before": measure(copy, copy / "run" / "train" / "main")}
        tokens = {}
        for name in arms:
            model, tokens[name] = ARMS[name](copy)
            found[name] = measure(copy, model)
    tokens["before"] = read_plan(copy / "run" / "plan").cost.plain
    return {"world": world.name, "tokens": tokens, "shares": found}


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def table(results: list[dict[str, Any]], arms: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Means over the items of all worlds: text and data."""
    lines = [f"{'cause':<16}{'items':>6}" + "".join(f"{arm:>18}" for arm in arms)]
    told: dict[str, Any] = {}
    for cause in (*BARS, "control", "retention"):
        if not any(cause in one["shares"]["before"] for one in results):
            continue
        cells = {}
        for arm in arms:
            of = [one["shares"][arm][cause] for one in results if cause in one["shares"][arm]]
            cells[arm] = {kind: mean([x for one in of for x in one[kind]]) for kind in ("training", "heldout")}
            n = sum(len(one["training"]) for one in of)
        told[cause] = {"items": n, **cells}
        lines.append(
            f"{cause:<16}{n:>6}" + "".join(f"{cells[a]['training']:>10.3f} /{cells[a]['heldout']:>6.3f}" for a in arms)
        )
    times = {arm: mean([one["tokens"][arm] / one["tokens"]["before"] for one in results]) for arm in arms}
    lines.append(f"{'tokens, times':<22}" + "".join(f"{times[arm]:>18.2f}" for arm in arms))
    return lines, {**told, "tokens_times": times}


def verdict(results: list[dict[str, Any]], told: dict[str, Any]) -> dict[str, bool]:
    """Which bars the cure clears, over all worlds."""
    met = {cause: told[cause]["cure"][kind] >= BAR for cause, kind in BARS.items()}
    kept = told["retention"]
    met["retention"] = kept["cure"]["training"] >= kept["before"]["training"] - RETENTION
    met["tokens"] = all(one["tokens"]["cure"] <= 3 * one["tokens"]["before"] for one in results)
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="where copies are trained; kept")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    results = []
    for world in args.worlds:
        results.append(run(world.resolve(), args.work, args.arms))
        print(world.name, *table(results[-1:], ["before", *args.arms])[0], sep="\n", flush=True)
    lines, told = table(results, ["before", *args.arms])
    met = verdict(results, told) if "cure" in args.arms else {}
    print("all worlds", *lines, json.dumps(met), sep="\n")
    each = [
        {"world": one["world"], "tokens": one["tokens"], **table([one], ["before", *args.arms])[1]} for one in results
    ]
    args.out.write_text(json.dumps({"pooled": told, "met": met, "worlds": each}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
