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
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
OUT = Path(__file__).parent / "results" / "pilots.json"
CLOSE = 0.02
"""Another seed alone moves a share as far."""
BAR = 0.8


def trained(place: Path, train: Any, asked: Any, names: Mapping[Any, str]) -> dict[str, tuple[bool, float | None]]:
    """What a whole training recalls, by example."""
    mark = place.with_suffix(".json")
    if not mark.exists():
        rows = {
            names[one.id, one.stage]: (one.recalled_training, one.recalled_heldout)
            for one in asked.measure(train(place), lambda *_: None)
            if one.kind == "flagged"
        }
        mark.write_text(json.dumps(rows), encoding="utf-8")
        shutil.rmtree(place)
    found: dict[str, tuple[bool, float | None]] = json.loads(mark.read_text(encoding="utf-8"))
    return found


def world_of(world: Path, work: Path) -> list[dict[str, Any]]:
    """A row a group."""
    from uptake.config import load_run
    from uptake.pipeline import read_diagnosis
    from uptake.pipeline.cure.plain import train_plainly
    from uptake.pipeline.prescribe.material import plan_names, read_material
    from uptake.pipeline.prescribe.run import planning_of, prescribe_run
    from uptake.pipeline.train.run import training_run
    from uptake.pipeline.trial.applying import apply
    from uptake.pipeline.trial.measuring import questions
    from uptake.prescribe import Budget, plan
    from uptake.prescribe.pilot import groups_of

    copy = work / world.name
    if not copy.exists():
        shutil.copytree(world, copy, ignore=shutil.ignore_patterns("plan", "pilot", "cured*", "verdict"))
    config = load_run(copy / "run.yaml")
    diagnosis = read_diagnosis(config.output_dir)
    tried = prescribe_run(config, unsafe=True).plan
    run, terms = planning_of(config, diagnosis, True, 1)
    material, findings = read_material(run, None, lambda *_: None)
    whole = plan(findings, material, terms, budget=Budget(times=config.plan.budget, spend=True))
    asked = questions(run.data, diagnosis, run.asking())
    asked = replace(asked, items=tuple(one for one in asked.items if one.kind == "flagged"))
    names = plan_names((one.id, one.stage) for one in diagnosis)
    how = training_run(config)
    remedies = trained(copy / "remedies", lambda place: apply(whole, how, place), asked, names)
    plain = trained(copy / "plain", lambda place: train_plainly(whole, how, place), asked, names)
    groups = groups_of(whole, findings)
    assert tried.pilot is not None
    rows = []
    for choice in tried.pilot.choices:
        if choice.columns:
            some = groups[choice.cause, choice.action]
            rows.append({
                "world": world.name, **asdict(choice), "share": tried.pilot.tokens / whole.cost.total,
                "remedies": mean(remedies, some), "plainly": mean(plain, some),
            })  # fmt: skip
    return rows


def mean(recalled: Mapping[str, tuple[bool, float | None]], some: Sequence[str]) -> float:
    """The mean of both wordings over examples."""
    both = [float(now) if held is None else (now + held) / 2 for now, held in (recalled[name] for name in some)]
    return sum(both) / len(both)


def right(row: Mapping[str, Any]) -> bool:
    difference = row["remedies"] - row["plainly"]
    return abs(difference) < CLOSE or (difference > 0) == (row["way"] == "remedy")


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| world | cause, action | n of all | pilot: remedy | plain | choice, by | truth: remedy | plain | right |"
    yield "|---|---|--:|--:|--:|---|--:|--:|---|"
    for row in rows:
        told = [sum(one[side] for one in row["columns"]) / len(row["columns"]) for side in ("remedy", "plain")]
        yield (
            f"| {row['world']} | {row['cause']}, {row['action']} | {row['n']} of {row['examples']} "
            f"| {told[0]:.2f} | {told[1]:.2f} | {row['way']}, {row['by']} "
            f"| {row['remedies']:.2f} | {row['plainly']:.2f} | {'yes' if right(row) else 'NO'} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="where copies are trained; kept")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    from uptake.models.small.pretrain import one_thread

    rows: list[dict[str, Any]] = []
    with one_thread():
        for world in args.worlds:
            rows += (own := world_of(world.resolve(), args.work))
            print(*table(own), sep="\n", flush=True)
    n = sum(map(right, rows))
    print(*table(rows), sep="\n")
    print(f"{n} of {len(rows)} choices right (bar {BAR}); largest share of tokens {max(r['share'] for r in rows):.3f}")
    args.out.write_text(json.dumps({"rows": rows, "right": n}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
