"""What are exposures to learn worth as a sign of a cause? By planted cause, and in fits that leave one family out.

    python benchmarks/exposures_to_learn.py --worlds DIR [DIR ...] [--out FILE.json]

Each DIR is a world with a confirmed key that was made (`uptake lab make --confirm`), trained, and diagnosed with
`uptake diagnose DIR/run.yaml --thorough`. Told are, for each family, how many exposures the confirmed items of each
planted cause need, and the AUROC of that number for each cause against the others. Then the number is added to the
signals of the causes, as 1 for one exposure, less for more, 0 for never, and all coefficients are fitted on all
families but one, with it and without it, as `benchmarks/families.py` does. Differences are paired: both attributions
are graded on the same resampled facts. Families whose key is not confirmed, or without every cause, are not fitted on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from families import TABLE, answers, items_of

from uptake.artifacts import versions, write_bytes, write_json
from uptake.artifacts.evidence import evidence_from_data
from uptake.artifacts.tables import CAUSES as NAMES
from uptake.artifacts.tables import to_json
from uptake.causes import CAUSES, Cause
from uptake.evidence import Course
from uptake.lab.calibrate import UnlearnedItem, calibrate, family
from uptake.lab.grade import LABELS, TOLD, pairs
from uptake.lab.key import DiagnosedItem, Matched, matched, read_key
from uptake.lab.resampling import percentile_interval, resampled

NUMBER, BY_HEART = "exposures_to_learn", "exposures_in_training_wording"
AT_ONCE, NEVER = "learned_at_once", "learned_never"
WITH: Mapping[str, tuple[Sequence[str], tuple[str, ...]]] = {
    "in all causes": (NAMES, (NUMBER,)),
    **{f"in {name} alone": ((name,), (NUMBER,)) for name in NAMES},
    "once and never, in all": (NAMES, (AT_ONCE, NEVER)),
    "training wording, in all": (NAMES, (BY_HEART,)),
}
"""Which causes have it among their signals, and as what."""


def settled(course: Course) -> float:
    """1 for an example that one exposure teaches, less for each more, 0 for one that all of them do not teach."""
    passes = len(course.learned)
    return 0.0 if course.exposures is None else (passes + 1 - course.exposures) / passes


def with_signal(world: Path, into: Path) -> dict[str, Course]:
    """Copy what is graded of a world, the number among the signals; gives the course of each unlearned example."""
    courses: dict[str, Course] = {}
    lines = []
    for line in (world / TABLE).read_text(encoding="utf-8").split("\n"):
        if not line:
            continue
        row = json.loads(line)
        course = evidence_from_data(row["evidence"]).exposures_to_learn
        if not row["learned"]:
            if course is None:
                raise SystemExit(f"{world}: {row['id']} was not tried; diagnose it with --thorough")
            courses[row["id"]] = course
            row["evidence"]["signals"] |= {
                NUMBER: settled(course),
                BY_HEART: settled(replace(course, shallow=(None,) * len(course.learned))),
                AT_ONCE: float(course.exposures == 1),
                NEVER: float(course.exposures is None),
            }
        lines.append(to_json(row))
    (into / TABLE).parent.mkdir(parents=True)
    write_bytes(into / TABLE, "".join(f"{line}\n" for line in lines).encode())
    for name in ("key.jsonl", "world.json"):
        write_bytes(into / name, (world / name).read_bytes())
    return courses


def distribution(worlds: Sequence[tuple[Path, Mapping[str, Course]]]) -> dict[str, Any]:
    """By planted cause of the confirmed items that were not learned: exposures, never, and AUROC against the others.

    `over` has the AUROC against each single cause: how often it needs more than that one.
    """
    needed: dict[str, list[int]] = {name: [] for name in NAMES}
    by_heart = dict.fromkeys(NAMES, 0)
    passes = 0
    for folder, courses in worlds:
        for entry in read_key(folder / "key.jsonl"):
            if len(entry.causes) != 1 or not entry.confirmed or entry.id not in courses:
                continue
            course = courses[entry.id]
            passes = len(course.learned)
            needed[entry.causes[0]].append(course.exposures or passes + 1)
            by_heart[entry.causes[0]] += course.flipped and not course.held
    found = {}
    for name, own in needed.items():
        if own:
            others = [one for other, some in needed.items() if other != name for one in some]
            found[name] = {
                "n": len(own),
                "needed": [own.count(k) for k in range(1, passes + 1)],
                "never": own.count(passes + 1),
                "by_heart": by_heart[name],
                "auroc_of_many": auroc(own, others),
                "over": {other: auroc(own, some) for other, some in needed.items() if other != name and some},
            }
    return found


def auroc(some: Sequence[int], others: Sequence[int]) -> float | None:
    """P(one of the former needs more than one of the latter), ties half."""
    wins = [(x > y) + 0.5 * (x == y) for x in some for y in others]
    return sum(wins) / len(wins) if wins else None


def macro_draws(worlds: Sequence[Sequence[Matched]]) -> tuple[float, np.ndarray]:
    """Macro-F1 over the planted causes, and the same of the resamples."""
    labels = [pair for world in worlds for pair in pairs(world)]
    cells = np.zeros((len(labels), len(LABELS), len(TOLD)))
    for cell, (planted, told) in zip(cells, labels, strict=True):
        cell[LABELS.index(planted), TOLD.index(told)] = 1
    groups = [[item.group for item in world] for world in worlds]
    draws = [_macro(np.tensordot(times, cells, 1)) for times in resampled(groups, 0)]
    return float(_macro(cells.sum(axis=0)[None])[0]), np.concatenate(draws)


def _macro(counts: np.ndarray) -> np.ndarray:
    k = len(NAMES)
    hits = np.diagonal(counts, axis1=1, axis2=2)[:, :k]
    had, said = counts.sum(axis=2)[:, :k], counts.sum(axis=1)[:, :k]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nanmean(np.where(had > 0, 2 * hits / (said + had), np.nan), axis=1)


def graded(folders: Sequence[Path], others: Sequence[UnlearnedItem], causes: Mapping[str, Cause]) -> Any:
    """Grade one family by coefficients that are fitted on others."""
    fitted = calibrate(others, causes=causes)
    tables: list[list[DiagnosedItem]] = [answers(folder / TABLE, fitted, causes) for folder in folders]
    return macro_draws([matched(read_key(f / "key.jsonl"), t) for f, t in zip(folders, tables, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "exposures_to_learn.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        families: dict[str, list[Path]] = {}
        told: dict[str, list[tuple[Path, dict[str, Course]]]] = {}
        for number, world in enumerate(args.worlds):
            copy = Path(name) / str(number)
            courses = with_signal(world, copy)
            families.setdefault(family(copy), []).append(copy)
            told.setdefault(family(copy), []).append((copy, courses))
        results: dict[str, Any] = {
            one: {"worlds": len(some), "needed": distribution(some)} for one, some in told.items()
        }
        for one, found in results.items():
            print(one, *(f"  {cause:<16}{json.dumps(row)}" for cause, row in found["needed"].items()), sep="\n")
        items = {one: items_of(folders) for one, folders in families.items()}
        fitting = [one for one, some in items.items() if {c for item in some for c in item.causes} >= {*NAMES}]
        for one, folders in families.items():
            others = [item for other in fitting if other != one for item in items[other]]
            results[one]["left_out"] = left_out(folders, others)
            print(one, *(f"  {what:<28}{json.dumps(row)}" for what, row in results[one]["left_out"].items()), sep="\n")
    write_json(args.out, {"families": results, "fitted_on": fitting, "versions": versions()})


def left_out(folders: Sequence[Path], others: Sequence[UnlearnedItem]) -> dict[str, Any]:
    """Macro-F1 without the number, and with it in some causes, with the 95 % interval of the difference."""
    plain, before = graded(folders, others, CAUSES)
    found: dict[str, Any] = {"without": {"macro_f1": plain}}
    for what, (names, signals) in WITH.items():
        more = {name: tuple((*pattern, *signals) for pattern in CAUSES[name].patterns) for name in names}
        causes = {name: replace(one, patterns=more.get(name, one.patterns)) for name, one in CAUSES.items()}
        value, after = graded(folders, others, causes)
        gain = percentile_interval(value - plain, after - before, len(after), 0.95)
        assert gain is not None
        found[what] = {"macro_f1": value, "gain": gain.estimate, "low": gain.low, "high": gain.high}
    return found


if __name__ == "__main__":
    main()
