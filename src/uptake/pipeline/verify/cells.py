"""Runs the arms of an experiment and writes the verdict; an arm that is done is not run again.

Every arm and seed is a cell of its own: it is trained, measured, and kept as one table. Cells are claimed by a lock, so
the same command started on a second device takes the cells that nobody is at. Whoever finishes the last one writes the
verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from uptake.artifacts import Busy, Parts, digest, empty, joined, locked, open_parts, write_json, write_table
from uptake.artifacts.tables import MATRIX, OUTCOMES_FILE
from uptake.errors import UptakeError
from uptake.pipeline.progress import Progress
from uptake.pipeline.trial.measuring import Measured
from uptake.text import counted
from uptake.types import Key
from uptake.verify import Assigned, Design, compare_arms, forecast, foretold, matrix_row, verdict


@dataclass(frozen=True, slots=True)
class ArmTreatment:
    """What an arm does with one item.

    Attributes:
        remedy: Name of the remedy, also where it had nothing to offer for this item, which counts as it was drawn. None
            in an arm that treats with nothing.
        tokens: Training tokens spent on the item, or, in the control, in its place.
    """

    remedy: str | None
    tokens: int | None


@dataclass(frozen=True)
class Arm:
    """An arm of the experiment.

    Attributes:
        name: `matched`, `placebo`, `nothing`, or the name of a remedy; also of its folder.
        treated: The items that are assigned to it, and what is done with each.
        out: Examples that its plan takes out of training: not to know them is no harm.
    """

    name: str
    treated: Mapping[Key, ArmTreatment]
    out: frozenset[Key] = frozenset()


@dataclass(frozen=True)
class Experiment:
    """What is to be run.

    Attributes:
        arms: All arms, the control among them.
        assigned: The flagged items with their arms.
        seeds: Trainings of each arm.
        design: What the outcomes are read by.
        key: Identifies all else that the arms' models depend on: base, data, settings, plan.
        notes: What the reader of the verdict should know.
        diagnosis: Digest of the diagnosis that it is about; None where none is on disk.
    """

    arms: tuple[Arm, ...]
    assigned: tuple[Assigned, ...]
    seeds: tuple[int, ...]
    design: Design
    key: str
    notes: tuple[str, ...] = ()
    diagnosis: str | None = None


TrainArm: TypeAlias = Callable[[Arm, int, Path], Path]
"""Trains an arm with a seed in a folder of its own, and returns the model's; goes on where a killed one stopped."""
Measure: TypeAlias = Callable[[Path], Iterable[Measured]]
"""Asks a model about all items: of every arm the same ones."""


def verify(
    experiment: Experiment,
    folder: Path,
    *,
    train_arm: TrainArm,
    measure: Measure,
    progress: Progress = lambda step, done, total: None,
) -> dict[str, Any] | None:
    """Run what is not done yet, then write `verdict.json` and `matrix.parquet`.

    Args:
        experiment: What is to be run.
        folder: Where the tables go; `work/` in it holds a table for each arm and seed. A model is removed when it is
            measured.
        train_arm: Trains one arm with one seed.
        measure: Asks one model about all items.
        progress: Told of the cells that are done.

    Returns:
        The content of `verdict.json`; None while other processes are still at work on some cells.

    Raises:
        Busy: Another experiment is at work in the folder.
        UptakeError: The arms do not fit the assignment, an item was not measured, or a place cannot be written.
    """
    _require_sound(experiment)
    same = digest([_key(experiment, arm, 0) for arm in experiment.arms])
    with joined(folder / "work", same):  # two experiments in one folder would undo each other's cells
        return _all_run(experiment, folder, train_arm, measure, progress)


def _all_run(
    experiment: Experiment, folder: Path, train_arm: TrainArm, measure: Measure, progress: Progress
) -> dict[str, Any] | None:
    cells = [(arm, seed) for seed in experiment.seeds for arm in experiment.arms]
    done, left, before = 0, cells, len(cells) + 1
    progress("arms", done, len(cells))
    while left and len(left) < before:  # what another process was at may be done by now
        before, busy = len(left), []
        for arm, seed in left:
            place = folder / "work" / arm.name / f"seed-{seed}"
            try:
                with locked(place):
                    _run(experiment, (arm, seed), place, train_arm, measure)
            except Busy:
                busy.append((arm, seed))
            else:
                done += 1
                progress("arms", done, len(cells))
        left = busy
    if left:
        return None
    try:
        with locked(folder / "work"):
            return _concluded(experiment, folder, cells)
    except Busy:
        return None  # another process, done at the same time, is writing it


def _run(experiment: Experiment, cell: tuple[Arm, int], place: Path, train_arm: TrainArm, measure: Measure) -> None:
    """Train and measure one cell, unless that is done."""
    parts = _parts(experiment, *cell, place)
    if not parts.has(0):
        # what a killed run has trained is gone on with if it was trained for the very same
        model = train_arm(*cell, open_parts(place / "training", _key(experiment, *cell), OUTCOMES_FILE).folder)
        parts.write(0, list(_rows(experiment, *cell, measure(model))))
    empty(place / "training")


def _require_sound(experiment: Experiment) -> None:
    names = [arm.name for arm in experiment.arms]
    if experiment.design.control not in names or len(set(names)) < len(names) or len(names) < 2:
        raise UptakeError(f"the arms are {names}", expected=f"{experiment.design.control!r} and another, each once")
    if not experiment.seeds or len(set(experiment.seeds)) < len(experiment.seeds):
        raise UptakeError(f"the seeds are {list(experiment.seeds)}", expected="one or more, each once")
    for arm in experiment.arms:
        own = {(one.id, one.stage) for one in experiment.assigned if one.arm == arm.name}
        if own != set(arm.treated):
            raise UptakeError(
                f"the arm {arm.name!r} treats {len(arm.treated)} items, and {len(own)} are assigned to it",
                expected="an arm treats the items that the draw gave it, those that it has no remedy for included",
            )


def _parts(experiment: Experiment, arm: Arm, seed: int, place: Path) -> Parts:
    return open_parts(place / "rows", _key(experiment, arm, seed), OUTCOMES_FILE)


def _key(experiment: Experiment, arm: Arm, seed: int) -> str:
    treated = [[*key, asdict(arm.treated[key])] for key in sorted(arm.treated)]
    assigned = [asdict(one) for one in experiment.assigned]
    return digest(experiment.key, arm.name, treated, sorted(arm.out), assigned, seed)


def _rows(experiment: Experiment, arm: Arm, seed: int, measured: Iterable[Measured]) -> Iterator[dict[str, Any]]:
    """The outcomes of one cell."""
    flagged = {(one.id, one.stage): one for one in experiment.assigned}
    missing = dict.fromkeys(flagged)
    for one in measured:
        key = one.id, one.stage
        assigned = flagged.get(key) if one.kind == "flagged" else None
        missing.pop(key, None)
        treatment = arm.treated.get(key) if assigned else None
        kind: str = one.kind
        if treatment is not None:
            kind = "treated"
        elif key in arm.out:
            kind = "taken out"
        elif kind == "flagged":
            kind = "untreated"
        yield {
            "id": one.id,
            "stage": one.stage,
            "unit": None if assigned is None else assigned.unit,
            "cause": None if assigned is None else assigned.cause,
            "arm": arm.name,
            "remedy": None if treatment is None else treatment.remedy,
            "seed": seed,
            "kind": kind,
            "recalled_training": one.recalled_training,
            "recalled_heldout": one.recalled_heldout,
            "tokens": None if treatment is None else treatment.tokens,
        }
    if missing:
        raise UptakeError(
            f"{len(missing)} flagged items were not measured, {next(iter(missing))[0]!r} for one",
            expected="every item measured in every arm",
        )


def _concluded(experiment: Experiment, folder: Path, cells: Iterable[tuple[Arm, int]]) -> dict[str, Any]:
    """Read all cells and write the verdict; verdict.json comes last, so where it is, the rest is."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for arm, seed in cells:
        rows += _parts(experiment, arm, seed, folder / "work" / arm.name / f"seed-{seed}").read(0)
    compared = compare_arms(rows, experiment.design)
    table = pa.Table.from_pylist([matrix_row(one) for one in compared], schema=MATRIX)
    write_table(folder / "matrix.parquet", table)
    told = verdict(compared, experiment.design, foretold=foretold_of(experiment), notes=experiment.notes)
    told |= {"diagnosis": experiment.diagnosis, "experiment": experiment.key}
    write_json(folder / "verdict.json", told)
    return told


def foretold_of(experiment: Experiment) -> list[str]:
    """What the experiment can show, of the matched remedies above all; to be said before the compute is spent."""
    runs = len(experiment.seeds)
    lines = forecast(matched_of(experiment), "matched", runs)
    own = {(one.id, one.stage) for one in matched_of(experiment)}
    others = Counter(
        (one.arm, one.cause)
        for one in experiment.assigned
        if (one.id, one.stage) not in own and one.arm != experiment.design.control
    )
    if others:
        least, most = min(others.values()), max(others.values())
        lines.append(
            f"each other remedy on each cause: {least} to {counted(most, 'item')}; {foretold(most, most, runs)}"
        )
    return lines


def matched_of(experiment: Experiment) -> list[Assigned]:
    """The items that get the remedy for their cause, as if they were of one arm `matched`."""
    matched = experiment.design.matched
    own = (one for one in experiment.assigned if one.arm in ("matched", matched.get(one.cause)))
    return [replace(one, arm="matched") for one in own]
