"""What cures do in every family of worlds, and whether a pilot chooses what is better.

    python benchmarks/pilots.py WORLD... --work DIR [--out FILE.json]

WORLD is a folder of `uptake lab make`, trained and diagnosed under `run/`; it is copied, and not written to. Of each:

- the pilot of `uptake prescribe --unsafe`;
- what is recalled of the confirmed items of each planted cause (`cure.py`) by the plan that it proposes (`cure`), by
  the plan with all its remedies (`remedies`), by one with plain exposures in place of documents (`exposures`), and by
  the run's own fine-tuning with as many tokens as the cure (`plain`), all from the base as `uptake cure` trains them;
- of each group of flagged examples (a cause and what is done about it) the mean of recall in the training wording and
  in held-out wordings under each of them.

A choice is right where `remedies` or `plain`, whichever it is, is the better one of both, or where both differ by less
than `CLOSE`. What is trained is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from cure import BAR, BARS, measure

os.environ.setdefault("HF_HUB_OFFLINE", "1")
OUT = Path(__file__).parent / "results" / "pilots.json"
CLOSE = 0.02
"""Another seed alone moves a share as far."""
ENOUGH = 0.8


def trained(place: Path, world: Path, train: Any, asked: Any, names: Mapping[Any, str]) -> dict[str, Any]:
    """What a whole training recalls: flagged examples, one by one, and the shares of `cure.py` by planted cause."""
    mark = place.with_suffix(".json")
    if not mark.exists():
        model = train(place)
        rows = {
            names[one.id, one.stage]: (one.recalled_training, one.recalled_heldout)
            for one in asked.measure(model, lambda *_: None)
            if one.kind == "flagged"
        }
        mark.write_text(json.dumps({"flagged": rows, "planted": measure(world, model)}), encoding="utf-8")
        shutil.rmtree(place)
    found: dict[str, Any] = json.loads(mark.read_text(encoding="utf-8"))
    return found


def world_of(world: Path, work: Path) -> dict[str, Any]:
    """Both tables of a world."""
    from uptake.config import load_run
    from uptake.pipeline import read_diagnosis
    from uptake.pipeline.cure.plain import train_plainly
    from uptake.pipeline.prescribe.material import plan_names, read_material
    from uptake.pipeline.prescribe.run import planning_of, prescribe_run
    from uptake.pipeline.train.run import training_run
    from uptake.pipeline.trial.applying import apply
    from uptake.pipeline.trial.measuring import questions
    from uptake.prescribe import Budget, plan
    from uptake.prescribe.pilot import groups_of, ways_plainly

    copy = work / world.name
    if not copy.exists():
        shutil.copytree(world, copy, ignore=shutil.ignore_patterns("plan", "pilot", "cured*", "verdict"))
    config = load_run(copy / "run.yaml")
    diagnosis = read_diagnosis(config.output_dir)
    tried = prescribe_run(config, unsafe=True).plan
    run, terms = planning_of(config, diagnosis, True, 1)
    material, findings = read_material(run, None, lambda *_: None)
    whole = plan(findings, material, terms, budget=Budget(times=config.plan.budget, spend=True))
    read = {group: some for group, some in groups_of(whole, findings).items() if group[1] == "read"}
    exposed = plan(
        findings,
        material,
        terms,
        remedies=ways_plainly(read),
        budget=Budget(times=config.plan.budget, spend=True),
    )
    asked = questions(run.data, diagnosis, run.asking())
    asked = replace(asked, items=tuple(one for one in asked.items if one.kind == "flagged"))
    names = plan_names((one.id, one.stage) for one in diagnosis)
    how = training_run(config)
    plans = {"cure": tried, "remedies": whole, "exposures": exposed}
    arms: dict[str, dict[str, Any]] = {}
    for arm, one in plans.items():
        same = next((other for other in arms if (one.sft, one.cpt) == (plans[other].sft, plans[other].cpt)), None)
        train = partial(apply, one, how)
        arms[arm] = arms[same] if same else trained(copy / arm, copy, train, asked, names)
    arms["plain"] = trained(copy / "plain", copy, partial(train_plainly, tried, how), asked, names)
    groups = groups_of(whole, findings)
    assert tried.pilot is not None
    rows = []
    for choice in tried.pilot.choices:
        some = groups[choice.cause, choice.action]
        rows.append({
            "world": world.name, **asdict(choice), "share": tried.pilot.tokens / whole.cost.total,
            **{arm: mean(one["flagged"], some) for arm, one in arms.items()},
        })  # fmt: skip
    planted = {"before": measure(copy, config.output_dir / "train" / config.stages[-1].name)}
    planted |= {arm: one["planted"] for arm, one in arms.items()}
    family = json.loads((copy / "world.json").read_text(encoding="utf-8"))["world"]
    return {
        "world": world.name, "family": family, "choices": rows, "arms": shares_of(planted),
        "tokens": {"before": tried.cost.plain, "cure": tried.cost.total, "plain": tried.cost.total},
        "documents": tried.cost.documents, "general": tried.cost.general, "notes": list(tried.notes),
    }  # fmt: skip


def shares_of(planted: Mapping[str, Any]) -> dict[str, Any]:
    """By arm and cause, how many items there are and which shares of them are recalled."""
    return {
        arm: {
            cause: {"n": len(some["training"])}
            | {kind: sum(some[kind]) / len(some[kind]) for kind in some if some[kind]}
            for cause, some in of.items()
        }
        for arm, of in planted.items()
    }


def mean(recalled: Mapping[str, tuple[bool, float | None]], some: Sequence[str]) -> float:
    """The mean of both wordings over examples."""
    both = [float(now) if held is None else (now + held) / 2 for now, held in (recalled[name] for name in some)]
    return sum(both) / len(both)


def right(row: Mapping[str, Any], truth: str) -> bool:
    """Whether what was chosen is what was better, the remedies or the other arm, or both are as good."""
    difference = row["remedies"] - row[truth]
    return abs(difference) < CLOSE or (difference > 0) == (row["way"] == "remedy")


def judged(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The choices of all worlds: what is plain exposures anyway is none."""
    rows = [row for one in results for row in one["choices"] if row["action"] != "expose"]
    keep = ("world", "cause", "action", "examples", "n", "way", "by", "share", "cure", "remedies", "exposures", "plain")
    return [
        {name: row[name] for name in keep} | {"told": [(c["name"], c["remedy"], c["plain"]) for c in row["columns"]],
         "right": right(row, "plain"), "right_in_plan": right(row, "exposures") if row["action"] == "read" else None}
        for row in rows
    ]  # fmt: skip


def by_family(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By family, arm and cause the shares of all items of its worlds."""
    found: dict[str, Any] = {}
    for family in dict.fromkeys(one["family"] for one in results):
        own = [one for one in results if one["family"] == family]
        arms: dict[str, Any] = {}
        for arm in own[0]["arms"]:
            for cause in (*BARS, "control", "retention"):
                cells = [one["arms"][arm][cause] for one in own if cause in one["arms"][arm]]
                if n := sum(cell["n"] for cell in cells):
                    arms.setdefault(arm, {})[cause] = {"n": n} | {
                        kind: sum(cell["n"] * cell[kind] for cell in cells if kind in cell) / n
                        for kind in ("training", "heldout")
                    }
        found[family] = {"worlds": [one["world"] for one in own], **arms}
    return found


def table(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Choices, then what the arms recall."""
    for row in judged(results):
        told = ", ".join(f"{name} {remedy:.2f} and {plain:.2f}" for name, remedy, plain in row["told"]) or "not tried"
        yield (
            f"{row['world']:<20}{row['cause']}, {row['action']} ({row['n']} of {row['examples']}): {told}; "
            f"{row['way']} by {row['by']}; whole: remedies {row['remedies']:.2f}, exposures {row['exposures']:.2f}, "
            f"plain {row['plain']:.2f}: {'right' if row['right'] else 'WRONG'}"
        )
    for family, of in by_family(results).items():
        for cause in (*BARS, "control", "retention"):
            if cause in of["before"]:
                arms = [arm for arm in of if arm != "worlds"]
                cells = (f"{arm} {of[arm][cause]['training']:.2f}/{of[arm][cause]['heldout']:.2f}" for arm in arms)
                below = "  BELOW" if cause in BARS and of["cure"][cause][BARS[cause]] < BAR else ""
                yield f"{family:<13}{cause:<15}{of['before'][cause]['n']:>5}  {'  '.join(cells)}{below}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="where copies are trained; kept")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    from uptake.models.small.pretrain import one_thread

    results: list[dict[str, Any]] = []
    with one_thread():
        for world in args.worlds:
            mark = args.work / f"{world.name}.json"
            if not mark.exists():
                mark.write_text(json.dumps(world_of(world.resolve(), args.work)), encoding="utf-8")
            results.append(json.loads(mark.read_text(encoding="utf-8")))
            print(*table(results[-1:]), sep="\n", flush=True)
    choices = judged(results)
    n = sum(row["right"] for row in choices)
    print(*table(results), sep="\n")
    print(f"{n} of {len(choices)} choices right (bar {ENOUGH}); largest share {max(r['share'] for r in choices):.3f}")
    told = {"families": by_family(results), "choices": choices, "right": n}
    told["worlds"] = [{name: one[name] for name in ("world", "tokens", "documents", "general")} for one in results]
    args.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
