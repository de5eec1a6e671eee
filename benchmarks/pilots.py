"""Does a pilot choose what is better? Its choices, cause by cause, beside the two whole trainings that it foretells.

    python benchmarks/pilots.py WORLD... --work DIR [--out FILE.json]

WORLD is a folder of `uptake lab make`, trained and diagnosed under `run/`; it is copied, and not written to. Of each:

- the pilot of `uptake prescribe --unsafe`;
- the truth: the plan with all its remedies, and the run's own fine-tuning with as many tokens, both trained from the
  base as `uptake cure` trains them. Of each group of examples (a cause and what is done about it) the better one is
  that with the larger mean of recall in the training wording and in held-out wordings, over all examples of the group.

A choice is right where it is the better one, or where both differ by less than `CLOSE`. What is trained is not trained
again.
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

from cure import BARS, measure

os.environ.setdefault("HF_HUB_OFFLINE", "1")
OUT = Path(__file__).parent / "results" / "pilots.json"
CLOSE = 0.02
"""Another seed alone moves a share as far."""
BAR = 0.8


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
    return {
        "world": world.name, "choices": rows, "arms": planted,
        "tokens": {"before": tried.cost.plain, "cure": tried.cost.total, "plain": tried.cost.total},
        "documents": tried.cost.documents, "general": tried.cost.general, "rules": list(tried.notes),
    }  # fmt: skip


def mean(recalled: Mapping[str, tuple[bool, float | None]], some: Sequence[str]) -> float:
    """The mean of both wordings over examples."""
    both = [float(now) if held is None else (now + held) / 2 for now, held in (recalled[name] for name in some)]
    return sum(both) / len(both)


def right(row: Mapping[str, Any]) -> bool:
    difference = row["remedies"] - row["plain"]
    return abs(difference) < CLOSE or (difference > 0) == (row["way"] == "remedy")


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    heads = ("world", "cause, action", "n of all", "pilot: remedy", "plain", "choice, by", "truth: remedy", "exposures")
    yield f"| {' | '.join((*heads, 'plain', 'right'))} |"
    yield "|---|---|--:|--:|--:|---|--:|--:|--:|---|"
    for row in rows:
        told = [sum(one[side] for one in row["columns"]) / max(1, len(row["columns"])) for side in ("remedy", "plain")]
        yield (
            f"| {row['world']} | {row['cause']}, {row['action']} | {row['n']} of {row['examples']} "
            f"| {told[0]:.2f} | {told[1]:.2f} | {row['way']}, {row['by']} "
            f"| {row['remedies']:.2f} | {row['exposures']:.2f} | {row['plain']:.2f} | {'yes' if right(row) else 'NO'} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="where copies are trained; kept")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    from uptake.models.small.pretrain import one_thread

    found: list[dict[str, Any]] = []
    with one_thread():
        for world in args.worlds:
            found.append(world_of(world.resolve(), args.work))
            print(*table(found[-1]["choices"]), *cures(found[-1]), sep="\n", flush=True)
            args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def cures(one: Mapping[str, Any]) -> Iterator[str]:
    for cause in (*BARS, "control", "retention"):
        if cause in one["arms"]["before"]:
            n = len(one["arms"]["before"][cause]["training"])
            cells = {
                arm: "/".join(
                    f"{sum(some[kind]) / len(some[kind]):.2f}" if some[kind] else "-"
                    for kind in ("training", "heldout")
                )
                for arm, of in one["arms"].items()
                for some in (of[cause],)
            }
            yield f"  {cause:<15}{n:>4}  " + "  ".join(f"{arm} {cell}" for arm, cell in cells.items())
    yield f"  tokens {one['tokens']} documents {one['documents']} general {one['general']}"


if __name__ == "__main__":
    main()
