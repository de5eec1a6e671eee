"""What strategies arrange is made once, by one process, and read by all others and by a run that goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from train_runs import QUICK, same, write_run
from uptake.artifacts import read_json
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.models.training.hooks import StageView
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.models.training.pools import Pool, laid_out
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.models.training.watch import Watch
from uptake.pipeline.train.arranged import Arrangement, arranged, arranged_digest
from uptake.pipeline.train.run import train, train_run, training_run
from uptake.processes import ALONE, Processes
from uptake.schedule import EpochRows, Schedule, Stopping
from uptake.strategies import STRATEGIES

OTHER = Processes(1, 1, 2)
GIVEN = StageView(1, "s", 0, table(Row(f"r-{k}", [1, 2, 3 + k], [NOT_TRAINED, 2, 3 + k]) for k in range(4)))
MADE = replace(
    GIVEN,
    rows=noted(GIVEN.rows, kind=[None, None, None, "replayed"], top_logprobs=[[-0.1], None, [], [-2.0]]),
    validation=GIVEN.rows.slice(0, 1),
    schedule=Schedule(conflicts=(("r-0", "r-1"),), stop=Stopping("gl"), seed=4),
    drawn=EpochRows(3, [[3], [3]]),
)


def never() -> StageView:
    raise AssertionError("made again")


def read(work: Path, make: Callable[[], StageView], made_from: str = "a", **keys: Any) -> StageView:
    given = {"begun": False, "processes": ALONE} | keys
    return arranged(Arrangement(work, "s", made_from, **given), GIVEN, make, lambda: None)


def test_what_one_process_makes_all_read(tmp_path: Path):
    for found in (read(tmp_path, lambda: MADE), read(tmp_path, never, processes=OTHER), read(tmp_path, never)):
        assert found.rows.equals(MADE.rows) and found.rows.schema == MADE.rows.schema
        assert found.validation is not None and found.validation.equals(GIVEN.rows.slice(0, 1))
        assert found.schedule == MADE.schedule and found.drawn == MADE.drawn
    first = arranged_digest(tmp_path)
    assert read(tmp_path, lambda: replace(GIVEN, seed=1), made_from="b").rows is GIVEN.rows  # of another run
    assert arranged_digest(tmp_path) != first


def test_where_the_first_process_fails_the_others_end(tmp_path: Path):
    def fail() -> StageView:
        raise UptakeError("no")

    with pytest.raises(UptakeError, match="^no$"):
        read(tmp_path, fail)
    with pytest.raises(UptakeError, match="the first process could not arrange the rows of the stage 's'"):
        read(tmp_path, never, processes=OTHER)
    assert read(tmp_path, lambda: MADE).drawn == MADE.drawn  # and the next try may do


def test_what_is_gone_is_not_made_anew_once_training_has_begun(tmp_path: Path):
    with pytest.raises(UptakeError, match="arranged for the stage 's' cannot be read again: there is no .*json"):
        read(tmp_path, never, begun=True)
    read(tmp_path, lambda: MADE)
    [path] = [one for one in (tmp_path / "arranged").glob("*.parquet") if one.stat().st_size > 1500][:1]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UptakeError, match=r"is missing, or not what was written\n.*\nfix: .*delete"):
        read(tmp_path, never, begun=True)


def test_a_table_in_the_place_of_another_one_is_told(tmp_path: Path):
    read(tmp_path, lambda: MADE)
    [index] = (tmp_path / "arranged").rglob("*.json")
    names = json.loads(index.read_text())
    names["drawn"]["epochs"], names["rows"] = names["rows"], names["drawn"]["epochs"]
    index.write_text(json.dumps(names))
    with pytest.raises(UptakeError, match=r"is another one of its files\n.*\nfix: .*delete"):
        read(tmp_path, never, begun=True)


def test_a_pool_that_draws_what_is_not_there_is_refused():
    rows = GIVEN.rows
    with pytest.raises(UptakeError, match="epoch 1 draws row 4 of 4"):
        laid_out(rows, [Pool(rows, lambda epoch: [3 + epoch])], 2)
    with pytest.raises(UptakeError, match="epochs draw 0 and 1 rows"):
        laid_out(rows, [Pool(rows, lambda epoch: range(epoch))], 2)
    whole, drawn = laid_out(rows, [Pool(rows, lambda epoch: [epoch]), Pool(rows, lambda epoch: [3])], 2)
    assert len(whole) == 12 and drawn == EpochRows(4, [[4, 11], [5, 11]])


def test_a_stage_that_is_resumed_arranges_nothing(trainable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Killed in the middle of its second epoch, whose replayed rows are others than those of the first one."""
    calls: list[int] = []

    def counted(settings: Any) -> Any:
        hooks = STRATEGIES["replay"].hooks(settings)

        def data(stage: StageView, memory: Memory) -> StageView:
            assert hooks.data is not None
            calls.append(stage.number)
            return hooks.data(stage, memory)

        return replace(hooks, data=data)

    def run_of(name: str) -> Any:
        training = QUICK | {"save_strategy": "steps", "save_steps": 1}
        keys = {"strategy": [{"replay": {"share": 0.3}}], "training": training, "ledger": "off"}
        run = training_run(load_run(write_run(tmp_path / name, trainable, **keys)))
        one = run.stages[0].strategies[0]
        other = replace(one, strategy=replace(one.strategy, hooks=counted))
        return replace(run, stages=tuple(replace(spec, strategies=(other,)) for spec in run.stages))

    def stop(self: Watch, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 6 and "main" in args.output_dir:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Watch, "on_step_begin", stop)
        train(run_of("killed"))
    before = [one for one in calls]
    assert before[-2:] == [0, 1]
    killed = train(run_of("killed"))
    assert calls[len(before) :] == [0, 1]  # of the rehearsal alone
    whole = train(run_of("whole"))
    assert same(killed[1].folder, whole[1].folder)
    manifests = [read_json(one[1].folder / "manifest.json") for one in (killed, whole)]
    assert manifests[0] == manifests[1] and manifests[0]["arranged"] and manifests[0]["steps"] == 8
    assert not list((tmp_path / "killed" / "run" / "train").glob(".*.work/arranged"))


def test_methods_that_arrange_do_it_the_same_in_any_order(trainable: Path, tmp_path: Path):
    """lwf notes the stage's own rows, early_stop sets own rows aside, replay draws by those that are left."""
    ended = []
    orders = (["replay", "lwf", "early_stop"], ["early_stop", "lwf", "replay"])
    settings = {"replay": {"share": 0.3}, "lwf": {}, "early_stop": {"share": 0.3}}
    for number, names in enumerate(orders):
        config: RunConfig = load_run(
            write_run(tmp_path / str(number), trainable, strategy=[{one: settings[one]} for one in names])
        )
        train_run(config)
        ended.append(config.output_dir / "train" / "main")
    assert same(*ended)
