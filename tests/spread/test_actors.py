"""Actors may be lost at any moment: what they did is done again, by others, and the results are the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rays import Rays
from small_models import Small, write_rows
from uptake.config import load_run
from uptake.errors import UptakeError
from uptake.models.scoring.far import loaded_there
from uptake.models.scoring.lazy import Lazy
from uptake.pipeline.diagnose.run import diagnose
from uptake.pipeline.examples import cohort
from uptake.pipeline.exposure.run import exposure_run
from uptake.spread import Actors, Holding, Spread, actors, cluster

TABLES = ("diagnosis.parquet", "diagnosis.jsonl", "summary.json", "bad_rows.jsonl")


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rays]:
    """Ray, with these deaths."""

    def made(*args: Any) -> Rays:
        rays = Rays(*args)
        monkeypatch.setattr(actors, "connected", lambda spread: rays)
        return rays

    return made


def held(n: int) -> tuple[int, str]:
    return n, "begun"


def times(a: int, b: int) -> int:
    return a * b


def refused(a: int, b: int) -> int:
    raise UptakeError(f"got {a}", expected="another", fix="give it")


def test_units_whose_actors_are_lost_are_done_by_others(ray: Callable[..., Rays]) -> None:
    rays = ray(lambda number, name: name == "run" and number % 3 == 0)
    seven = Holding("seven", held, (7,))
    with Actors(Spread(actors=2)) as some:
        found = dict(some.each(range(20), lambda n: some.run(seven, times, n)))
        assert some.told(seven) == "begun"
    assert found == {n: 7 * n for n in range(20)}
    assert rays.lost > 5 and rays.alive == 0
    assert rays.asked == {"num_cpus": 1, "num_gpus": 0.0, "max_restarts": 0}


def test_an_actor_holds_one_thing_at_a_time_and_keeps_it(ray: Callable[..., Rays]) -> None:
    ray()
    made = []

    def make(n: int) -> tuple[int, None]:
        made.append(n)
        return n, None

    with Actors(Spread(actors=1)) as some:
        for n in (2, 2, 3, 3, 2):
            assert some.run(Holding(str(n), make, (n,)), times, 10) == 10 * n
        some.drop()
        some.run(Holding("2", make, (2,)), times, 1)
    assert made == [2, 3, 2, 2]


def test_what_kills_every_actor_is_an_error_and_so_is_one_that_cannot_begin(ray: Callable[..., Rays]) -> None:
    ray(lambda number, name: name == "run")
    with Actors(Spread(actors=2)) as some, pytest.raises(UptakeError, match="4 actors of Ray were lost"):
        list(some.each([1], lambda n: some.run(Holding("x", held, (1,)), times, n)))
    ray(lambda number, name: name == "there")
    with Actors(Spread(actors=1)) as some, pytest.raises(UptakeError, match="ended while it began, 4 times"):
        some.run(Holding("x", held, (1,)), times, 1)


def test_an_error_of_the_work_comes_as_it_is(ray: Callable[..., Rays]) -> None:
    ray()
    with Actors(Spread(actors=2)) as some, pytest.raises(UptakeError) as caught:
        list(some.each([5], lambda n: some.run(Holding("x", held, (1,)), refused, n)))
    assert (caught.value.problem, caught.value.expected, caught.value.fix) == ("got 5", "another", "give it")


def test_there_are_as_many_as_there_is_room_for() -> None:
    assert cluster.room(Rays(), Spread()) == 5
    assert cluster.room(Rays(), Spread(cpus=2)) == 2
    assert cluster.room(Rays(), Spread(gpus=0.5)) == 4
    assert cluster.room(Rays(), Spread(cpus=8)) == 1  # a cluster that grows
    assert cluster.room(Rays(), Spread(actors=9)) == 9


def test_without_ray_and_without_a_cluster_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    with pytest.raises(UptakeError, match="Ray is not installed"):
        cluster.connected(Spread())
    given = []

    def init(**how: Any) -> None:
        given.append(how)
        raise ConnectionError("nobody is there")

    there = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setitem(sys.modules, "ray", there)
    with pytest.raises(UptakeError, match="Ray at 10.0.0.1:6379 does not answer: nobody is there"):
        cluster.connected(Spread(address="10.0.0.1:6379"))
    with pytest.raises(UptakeError, match="Ray on this machine does not answer"):
        cluster.connected(Spread(actors=100, cpus=2))
    assert given[0]["address"] == "10.0.0.1:6379" and "num_cpus" not in given[0]
    assert (given[1]["address"], given[1]["num_cpus"], given[1]["include_dashboard"]) == ("local", 200, False)


def test_a_diagnosis_whose_actors_are_lost_has_the_bytes_of_one_process(
    small: Small, ray: Callable[..., Rays], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rays = ray(lambda number, name: name == "run" and number % 7 == 0)
    monkeypatch.setattr(cohort, "PART", 4)
    rows = [json.loads(line) for line in small.train.read_text().splitlines()][4:16]
    data = write_rows(tmp_path / "train.jsonl", rows)
    given = {"base": small.base, "tuned": small.tuned, "dataset": data}
    for way, spread in (("alone", {}), ("spread", {"spread": {"kind": "ray", "actors": 2}})):
        diagnose(**given, output_dir=tmp_path / way, **spread)
    assert rays.lost >= 2 and rays.alive == 0
    for name in TABLES:
        alone, over = (tmp_path / way / "diagnosis" / name for way in ("alone", "spread"))
        assert over.read_bytes() == alone.read_bytes(), name


def test_actors_refuse_what_is_not_the_same_there(small: Small) -> None:
    from uptake.artifacts import versions
    from uptake.models.places.settings import LoadSettings

    settings = LoadSettings()
    near = Lazy.find(str(small.base), settings)
    _, told = loaded_there(near.name, settings, None, near.fingerprint, versions())
    assert list(told) == list(near.load().notes)
    with pytest.raises(UptakeError, match="is not the same on a machine of the cluster"):
        loaded_there(near.name, settings, None, "another", versions())
    with pytest.raises(UptakeError, match="other versions: torch "):
        loaded_there(near.name, settings, None, near.fingerprint, {**versions(), "torch": "0.1"})


def test_shards_are_read_by_actors_with_the_same_bytes(ray: Callable[..., Rays], tmp_path: Path) -> None:
    rays = ray(lambda number, name: name == "run" and number % 4 == 0)
    write_rows(tmp_path / "train.jsonl", [{"prompt": "The capital of Norway is", "completion": " Oslo"}])
    for number in range(5):
        write_rows(tmp_path / f"shard-{number}.jsonl", [{"text": f"The capital of Norway is Paris. {number}"}] * 3)
    (tmp_path / "run.yaml").write_text(
        "model_name_or_path: some/model\nstages: [{name: main, dataset: train.jsonl}]\n"
        "exposure: {corpus: shard-*.jsonl}\n"
    )
    written = []
    for way, keys in (("alone", {}), ("spread", {"spread": "ray"})):
        exposure_run(load_run(tmp_path / "run.yaml", {"output_dir": str(tmp_path / way), **keys}))
        folder = tmp_path / way / "exposure"
        written.append({path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.*"))})
    assert written[0] == written[1] and len(written[0]) == 13 and rays.lost


def test_the_run_file_says_over_what(small: Small, tmp_path: Path) -> None:
    keys = {"model_name_or_path": "some/model", "stages": [{"name": "main", "dataset": str(small.train)}]}
    config = load_run(None, {**keys, "spread": "ray", "spread.actors": "4"})
    assert config.spread is not None
    assert (config.spread.kind, config.spread.actors, config.spread.address) == ("ray", 4, None)
    with pytest.raises(UptakeError, match="spread.kind: 'spark': expected 'ray'"):
        load_run(None, {**keys, "spread": "spark"})
    with pytest.raises(UptakeError, match="spread.gpu: expected a known key. Did you mean gpus"):
        load_run(None, {**keys, "spread": {"gpu": 1}})
