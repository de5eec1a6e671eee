"""`uptake stream compare`: what is tried, what is run, at which length; a killed comparison goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rays import Rays
from small_models import write_rows
from train_runs import EARLY, MAIN, QUICK, write_run
from uptake.cli import app
from uptake.cli.stream_compare import show
from uptake.config import load_run
from uptake.config.spread import SpreadOver
from uptake.errors import UptakeError
from uptake.pipeline.leaderboard import run as leaderboard
from uptake.pipeline.leaderboard import work
from uptake.pipeline.leaderboard.arms import arms_of
from uptake.pipeline.leaderboard.run import ComparePlan, compare_streams, read_leaderboard
from uptake.pipeline.leaderboard.variants import StreamFile, orders_of
from uptake.pipeline.leaderboard.work import BoardRun
from uptake.spread import actors


def streams(folder: Path, base: Path, **given: Any) -> Path:
    """A run file of two stages with tests."""
    write_rows(folder / "early-test.jsonl", EARLY[:3])
    write_rows(folder / "main-test.jsonl", MAIN[:3])
    names = ("early", "main")
    stages = [
        {"name": name, "dataset": f"./{name}.jsonl", "test": f"./{name}-test.jsonl", "num_train_epochs": 2}
        for name in names
    ]
    training = {**QUICK, "learning_rate": 1e-3, "warmup_steps": 0}
    return write_run(folder, base, **{"stages": stages, "ledger": "off", "training": training, **given})


@pytest.mark.parametrize(
    ("text", "names", "trials"),
    [
        ("sequential, replay", ["sequential", "replay"], [2, 2]),
        ("[{replay: {share: [0.1, 0.2]}}, {replay: {share: 0.1}, ewc: {}}]", ["replay", "replay + ewc"], [2, 2]),
        ("[{name: a, conflict_aware: {}}, {name: b, conflict_aware: {anchor: 0}}]", ["a", "b"], [2, 2]),
    ],
)
def test_what_is_compared(text: str, names: list[str], trials: list[int]):
    arms = arms_of(text)
    assert [arm.name for arm in arms] == names and [len(arm.trials(2)) for arm in arms] == trials


def test_each_value_is_tried_at_the_runs_rate_before_another_rate():
    [arm] = arms_of("[{replay: {share: [0.1, 0.2]}}]")
    tried = [(one.chain["replay"]["share"], one.rate) for one in arm.trials(3)]
    assert tried == [(0.1, 1.0), (0.2, 1.0), (0.1, 2.0)]
    with pytest.raises(UptakeError, match="has 2 settings to try, and each strategy gets 1 trials"):
        arm.trials(1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[replay, replay]", "names replay twice"),
        ("[{sequential: {share: 1}}]", "is no strategy"),
        ("[{name: ../a, replay: {}}]", "a name is '../a'"),
        ("[{replay: 3}]", "has no settings but 3"),
        ("3", "--strategies is 3"),
        ("no/such.yaml", "cannot read"),
    ],
)
def test_what_says_no_strategies_is_refused(text: str, problem: str):
    with pytest.raises(UptakeError, match=problem):
        arms_of(text)


def test_orders_are_all_different_and_the_first_is_the_files():
    assert orders_of(3, 6, 0)[0] == [0, 1, 2] and len({tuple(one) for one in orders_of(3, 6, 0)}) == 6
    with pytest.raises(UptakeError, match="2 stages have no 3 orders"):
        orders_of(2, 3, 0)


def faked(monkeypatch: pytest.MonkeyPatch) -> list[BoardRun]:
    """Runs whose accuracy is known: 0.1 for each unit of learning rate over 1e-3, and 0.2 more with replay."""
    made: list[BoardRun] = []

    def done(piece: BoardRun) -> Mapping[str, float | None]:
        made.append(piece)
        settings = piece.settings
        share = settings["strategy"].get("replay", {}).get("share", 0.0)
        if piece.what == "cost":
            own = sum(stage["num_train_epochs"] for stage in settings["stages"]) * 1000.0
            beside = dict.fromkeys(work.BESIDE, 0.0)
            return {"asked": own / (1 - share), "tokens": 1.1 * own / (1 - share), **beside, "seconds": 1.0}
        accuracy = 0.1 * settings["training"]["learning_rate"] / 1e-3 + (0.2 if share else 0.0)
        cost = 4200.0 if share else 4000.0
        return {"accuracy": accuracy + 0.01 * settings["seed"], "forgetting": 0.5, "total": cost, "seconds": 1.0}

    monkeypatch.setattr(work, "work", done)
    return made


def test_all_cost_the_same_are_tuned_alike_and_run_in_pairs(
    trainable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = faked(monkeypatch)
    (tmp_path / "tuning").mkdir()
    tuning = load_run(streams(tmp_path / "tuning", trainable, output_dir=str(tmp_path / "none")))
    config = load_run(streams(tmp_path, trainable))
    what = ComparePlan(tuple(arms_of("[sequential, {replay: {share: 0.2}}]")), orders=2, seeds=2, trials=2)
    done = compare_streams(config, tuning, what)
    summary = done.summary()
    costs, tuned, runs = ([one for one in made if part in str(one.folder)] for part in ("costs", "tuning", "/runs/"))
    assert (len(costs), len(tuned), len(runs)) == (4, 4, 8)
    by_name = {arm["name"]: arm for arm in summary["arms"]}
    # plain: 2 stages of 2 epochs; with a fifth of replayed tokens, 4 of 5 epochs cost as much
    assert summary["budget"] == pytest.approx(4000)
    assert by_name["replay"]["length"] == pytest.approx(0.8) and by_name["sequential"]["length"] == 1.0
    assert [one.settings["stages"][0]["num_train_epochs"] for one in runs[:2]] == [2.0, 1.6]
    assert [one["accuracy"] for one in by_name["replay"]["trials"]] == pytest.approx([0.3, 0.4])
    assert by_name["replay"]["chosen"]["rate"] == 2.0
    assert {one.settings["training"]["learning_rate"] for one in runs} == {2e-3}
    assert [one.settings["stages"][0]["name"] for one in runs] == ["early"] * 4 + ["main"] * 4
    assert by_name["replay"]["against"] is None
    assert by_name["sequential"]["against"]["difference"]["estimate"] == pytest.approx(-0.2)
    assert all(one.settings["ledger"] == "off" for one in made)
    assert {one.settings["test_seed"] for one in made} == {0} and len({one.settings["seed"] for one in runs}) == 2
    assert [one.settings["stages"][0]["num_train_epochs"] for one in tuned] == [2.0, 2.0, 1.6, 1.6]
    assert any(
        note.startswith("of sequential, replay the best learning rate is the largest") for note in summary["notes"]
    )
    assert "the cost is not that of plain fine-tuning, but so many times it: replay 1.05" in summary["notes"]
    rays = Rays(lambda number, name: name == "run" and number % 5 == 0)
    monkeypatch.setattr(actors, "connected", lambda spread: rays)
    over = config.model_copy(update={"spread": SpreadOver(actors=3), "output_dir": tmp_path / "over"})
    spread = compare_streams(over, tuning, what).summary()
    assert {**spread, "run": None} == {**summary, "run": None} and rays.lost > 1 and rays.alive == 0
    text = show(summary, done.folder)
    assert "replay is the best: 40.5 points of accuracy" in text and "× 0.80" in text
    assert (done.folder / "summary.md").read_text().startswith("## replay is the best")


@pytest.mark.parametrize("later", [False, True])
def test_the_learning_rate_of_every_stage_is_tuned(trainable: Path, tmp_path: Path, later: bool):
    """A stage without one would be trained at the trainer's own in every trial, whatever is written over it."""
    settings = load_run(streams(tmp_path, trainable)).model_dump(mode="json")
    rates = [{"learning_rate": 1e-3} if number or later else {} for number in range(2)]
    own = [{**stage, "training": rate} for stage, rate in zip(settings["stages"], rates, strict=True)]
    StreamFile.of({**settings, "stages": own}).require_rate()
    without = StreamFile.of({**settings, "training": {}, "stages": own})
    if not later:
        with pytest.raises(UptakeError, match="the run file has none for early"):
            without.require_rate()
        return
    without.require_rate()
    tried = without.varied(tmp_path / "one", leaderboard.Trial({}, 4.0)).settings
    assert [stage["training"]["learning_rate"] for stage in tried["stages"]] == [4e-3, 4e-3]


def test_nothing_is_made_twice_and_other_data_are(trainable: Path, tmp_path: Path):
    """Three small trainings: what plain and joint training cost, and a run; the second comparison trains nothing."""
    config = load_run(streams(tmp_path, trainable))
    what = ComparePlan(tuple(arms_of("joint")), orders=1, seeds=1, reference="joint")
    first = compare_streams(config, None, what).summary()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "work", None)
        again = compare_streams(config, None, what).summary()
    assert again == first
    found = read_leaderboard(config.output_dir)
    assert found is not None and found.summary() == first
    joint = next(arm for arm in first["arms"] if arm["name"] == "joint")
    assert joint["means"]["forgetting"] is None and joint["means"]["accuracy"]["n"] == 1
    assert any("nothing was tuned" in note for note in first["notes"])
    assert not [*config.output_dir.glob("compare/runs/*/train")]
    settings = config.model_dump(mode="json")
    before = StreamFile.of(settings).content
    write_rows(tmp_path / "main-test.jsonl", MAIN[:2])
    assert StreamFile.of(settings).content != before
    # a run that was begun and not finished goes on in its folder; one that was made of something else does not
    piece = StreamFile.of(settings).varied(tmp_path / "one", leaderboard.Trial({}))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "left").touch()
    (tmp_path / "one" / "begun.json").write_text(json.dumps({"of": piece.key, "numbers": {}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "_stream", lambda settings, last: {"accuracy": 0.5})
        assert work.work(piece)["seconds"] is None and (tmp_path / "one" / "left").exists()
        (tmp_path / "one" / "begun.json").write_text(json.dumps({"of": "another", "numbers": {}}))
        assert work.work(piece)["seconds"] is not None and not (tmp_path / "one" / "left").exists()


def test_the_verb_refuses_what_it_cannot_do(trainable: Path, tmp_path: Path):
    file = str(streams(tmp_path, trainable))

    def told(*words: str) -> str:
        done = CliRunner().invoke(app, ["stream", *words])
        assert done.exit_code != 0
        return str(done.exception) if isinstance(done.exception, UptakeError) else done.output

    assert "no strategies to compare" in told("compare", file)
    assert "Got unexpected extra argument" in told("contrast", file)
    assert "strategies: expected a known key. Did you mean strategy." in told(file, "--strategies", "replay")
    assert "--reference is replay" in told("compare", file, "--strategies", "sequential")
    assert "no stream to try them on" in told("compare", file, "--strategies", "[{replay: {share: [0.1, 0.2]}}]")
    assert "there is no 'reply'" in told("compare", file, "--strategies", "reply,replay")
    one = ("--stages.0.strategy", "replay")
    assert "stages.0.strategy is given" in told("compare", file, "--strategies", "replay", *one)
    steps = ("--training.max_steps", "3")
    assert "max_steps says how long" in told("compare", file, "--strategies", "replay", *steps)
