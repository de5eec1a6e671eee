"""Arms that are run with a stand-in for the trainer: resumed after a kill, shared with another process, and checked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from uptake.artifacts import Busy, locked
from uptake.errors import UptakeError
from uptake.pipeline.trial.measuring import Measured
from uptake.pipeline.verify.cells import Arm, ArmTreatment, Experiment, foretold_of, verify
from uptake.verify import Assigned, Design

CAUSES = ("forgetting", "knowledge_gap")
DESIGN = Design(matched={"forgetting": "replay", "knowledge_gap": "knowledge"}, primary={})


def experiment(key: str = "k", seeds: tuple[int, ...] = (0, 1, 2)) -> Experiment:
    assigned = tuple(
        Assigned(f"{cause}-{n:02d}", "main", "s", cause, f"{cause}-{n:02d} (main)", ("matched", "placebo")[n % 2])
        for cause in CAUSES
        for n in range(40)
    )
    arms = tuple(
        Arm(
            name,
            {
                (one.id, one.stage): ArmTreatment(DESIGN.matched[one.cause] if name == "matched" else None, 500)
                for one in assigned
                if one.arm == name
            },
        )
        for name in ("matched", "placebo")
    )
    return Experiment(arms, assigned, seeds, DESIGN, key)


class StandIn:
    """Trains by writing a file that says what is treated, and measures by reading it; counts what it trains."""

    def __init__(self, folder: Path, dies_at: int | None = None) -> None:
        self.folder, self.dies_at = folder, dies_at
        self.log = folder / "trained.txt"

    def train(self, arm: Arm, seed: int, folder: Path) -> Path:
        model = folder / "model.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as log:
            log.write(f"{arm.name} {seed}\n")
        if len(self.log.read_text().splitlines()) == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        helped = [key[0] for key, treatment in arm.treated.items() if treatment.remedy is not None]
        model.write_text(json.dumps({"helped": helped, "seed": [seed, len(arm.name)]}))
        return model

    def measure(self, model: Path) -> Iterator[Measured]:
        said = json.loads(model.read_text())
        rng = np.random.default_rng(said["seed"])
        for one in experiment().assigned:
            recalled = bool(rng.random() < (0.9 if one.id in said["helped"] else 0.2))
            yield Measured(one.id, one.stage, "flagged", recalled, float(recalled))
        for n in range(10):
            yield Measured(f"kept-{n}", "main", "retention", bool(rng.random() < 0.9), None)


def run(folder: Path, stand_in: StandIn, what: Experiment | None = None) -> dict | None:
    return verify(what or experiment(), folder, train_arm=stand_in.train, measure=stand_in.measure)


def trained(folder: Path) -> list[str]:
    return (folder / "trained.txt").read_text().splitlines()


def test_arms_are_run_compared_and_written(tmp_path: Path):
    told = run(tmp_path / "verdict", StandIn(tmp_path / "m"))
    assert json.loads((tmp_path / "verdict" / "verdict.json").read_text()) == told
    # planted: 0.9 against 0.2, of 20 items of each cause
    assert told["overall"]["effect"]["low"] > 0.4 and told["overall"]["n"] == 40
    assert all(part["p_holm"] <= 0.05 for part in told["by_cause"].values())
    assert told["overall"]["tokens"] == 40 * 500
    matrix = pq.read_table(tmp_path / "verdict" / "matrix.parquet").to_pylist()
    assert {(row["kind"], row["cause"]) for row in matrix} >= {("treated", "forgetting"), ("retention", None)}
    assert told["foretold"] == foretold_of(experiment()) and "40 items" in told["foretold"][0]


def test_what_an_arm_takes_out_is_no_harm(tmp_path: Path):
    whole = experiment()
    gone = frozenset({("rival", "main"), ("wrong", "main"), ("forgetting-00", "main")})
    what = replace(whole, arms=(replace(whole.arms[0], out=gone), whole.arms[1]))
    stand_in = StandIn(tmp_path / "m")

    def measure(model: Path) -> Iterator[Measured]:
        yield from stand_in.measure(model)
        yield Measured("rival", "main", "learned", "placebo" in str(model), None)
        yield Measured("wrong", "main", "flagged", "placebo" in str(model), None)
        yield Measured("kept", "main", "learned", True, None)

    verify(what, tmp_path / "verdict", train_arm=stand_in.train, measure=measure)
    rows = [
        (row["id"], row["kind"])
        for path in sorted((tmp_path / "verdict" / "work" / "matched" / "seed-0").rglob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    assert {id for id, kind in rows if kind == "taken out"} == {"rival", "wrong"}
    assert {id for id, kind in rows if kind == "learned"} == {"kept"}
    assert ("forgetting-00", "treated") in rows  # what it treats is counted as it was drawn
    matrix = pq.read_table(tmp_path / "verdict" / "matrix.parquet").to_pylist()
    harm = {row["kind"]: (row["n"], row["effect"]) for row in matrix if row["outcome"] == "training"}
    assert harm["taken out"] == (2, -1.0) and harm["learned"] == (1, 0.0)


def test_what_is_done_is_not_run_again(tmp_path: Path):
    first = run(tmp_path / "verdict", StandIn(tmp_path / "m"))
    assert len(trained(tmp_path / "m")) == 6
    assert run(tmp_path / "verdict", StandIn(tmp_path / "m")) == first
    assert len(trained(tmp_path / "m")) == 6
    run(tmp_path / "verdict", StandIn(tmp_path / "m"), experiment(seeds=(0, 1, 2, 3)))
    assert trained(tmp_path / "m")[6:] == ["matched 3", "placebo 3"]
    run(tmp_path / "verdict", StandIn(tmp_path / "m"), experiment(key="another base"))
    assert len(trained(tmp_path / "m")) == 8 + 6


def test_killed_in_the_middle_it_goes_on_to_the_same_bytes(tmp_path: Path):
    code = (
        "from pathlib import Path; from test_cells import StandIn, run\n"
        f"folder = Path({str(tmp_path)!r}); run(folder / 'killed', StandIn(folder / 'k', dies_at=4))"
    )
    where = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": where})
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "verdict.json").exists()
    run(tmp_path / "killed", StandIn(tmp_path / "k"))
    # the fourth cell was begun twice, no other
    assert trained(tmp_path / "k") == [
        "matched 0", "placebo 0", "matched 1", "placebo 1", "placebo 1", "matched 2", "placebo 2",
    ]  # fmt: skip
    run(tmp_path / "whole", StandIn(tmp_path / "w"))
    for name in ("verdict.json", "matrix.parquet"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_cell_that_another_process_is_at_is_left_to_it(tmp_path: Path):
    with locked(tmp_path / "verdict" / "work" / "placebo" / "seed-1"):
        assert run(tmp_path / "verdict", StandIn(tmp_path / "m")) is None
    assert "placebo 1" not in trained(tmp_path / "m") and len(trained(tmp_path / "m")) == 5
    assert run(tmp_path / "verdict", StandIn(tmp_path / "m")) is not None
    assert trained(tmp_path / "m")[5:] == ["placebo 1"]


def test_another_experiment_is_refused_while_one_is_at_work(tmp_path: Path):
    pytest.importorskip("fcntl")
    stand_in, other = StandIn(tmp_path / "m"), StandIn(tmp_path / "other")
    refused = []

    def train(arm: Arm, seed: int, folder: Path) -> Path:
        if (arm.name, seed) == ("placebo", 2):  # the last cell; the other would empty the first
            with pytest.raises(Busy, match="at other work") as caught:
                run(tmp_path / "verdict", other, experiment(key="--device cuda:1"))
            refused.append(str(caught.value))
        return stand_in.train(arm, seed, folder)

    told = verify(experiment(), tmp_path / "verdict", train_arm=train, measure=stand_in.measure)
    assert told is not None and told["seeds"] == 3 and len(refused) == 1
    assert not other.log.exists()
    assert run(tmp_path / "verdict", other, experiment(key="--device cuda:1")) is not None


def test_an_item_that_is_not_measured_is_an_error(tmp_path: Path):
    stand_in = StandIn(tmp_path / "m")

    def but_one(model: Path) -> Iterator[Measured]:
        yield from [one for one in stand_in.measure(model) if one.id != "forgetting-03"]

    with pytest.raises(UptakeError, match="1 flagged items were not measured, 'forgetting-03'"):
        verify(experiment(), tmp_path / "verdict", train_arm=stand_in.train, measure=but_one)


def test_arms_treat_what_the_draw_gave_them(tmp_path: Path):
    sound = experiment()
    matched, placebo = sound.arms
    fewer = Arm("matched", dict(list(matched.treated.items())[1:]))
    wrong = [
        ((fewer, placebo), (0,), "treats 39 items, and 40 are assigned"),
        ((matched,), (0,), "and another"),
        ((matched, placebo), (0, 0), "each once"),
    ]
    for arms, seeds, said in wrong:
        with pytest.raises(UptakeError, match=said):
            run(tmp_path, StandIn(tmp_path), Experiment(arms, sound.assigned, seeds, DESIGN, "k"))
