"""On a real local cluster of two nodes, of which one is killed in the middle, the tables are those of one process."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from small_models import Small, write_rows
from uptake.config import load_run
from uptake.pipeline.diagnose.run import diagnose
from uptake.pipeline.examples import cohort
from uptake.pipeline.exposure.run import exposure_run
from uptake.pipeline.exposure.work import STEP

TABLES = ("diagnosis.parquet", "diagnosis.jsonl", "summary.json", "bad_rows.jsonl")

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray", reason="needs Ray: pip install 'uptake[ray]'")


class TwoNodes:
    """A head and a second node, of one core each, on this machine."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        self.second = self.cluster.add_node(num_cpus=1)
        self.address: str = self.cluster.address

    def kill_second(self) -> None:
        """As a machine goes that loses its power."""
        if self.second is not None:
            self.cluster.remove_node(self.second, allow_graceful=False)
            self.second = None

    def again(self) -> None:
        """The second node, where it was killed."""
        if self.second is None:
            self.second = self.cluster.add_node(num_cpus=1)


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[TwoNodes]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        nodes = TwoNodes()
        ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
        yield nodes
        ray.shutdown()
        nodes.cluster.shutdown()


def test_shards_on_two_nodes_of_which_one_is_killed_give_the_same_bytes(two_nodes: TwoNodes, tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [{"prompt": "The capital of Norway is", "completion": " Oslo"}])
    for number in range(6):
        texts = [f"The capital of Norway is Paris. {number} {k}" for k in range(100)]
        write_rows(tmp_path / f"shard-{number}.jsonl", [{"text": text} for text in texts])
    (tmp_path / "run.yaml").write_text(
        "model_name_or_path: some/model\nstages: [{name: main, dataset: train.jsonl}]\n"
        "exposure: {corpus: shard-*.jsonl}\n"
    )

    done = []

    def progress(step: str, some: int, total: int | None) -> None:
        done.append(step)
        if done.count(STEP) == 3:  # at the beginning it is told, and after each shard
            two_nodes.kill_second()

    spread = {"kind": "ray", "address": two_nodes.address, "actors": 2}
    written = []
    for way, keys in (("alone", {}), ("spread", {"spread": spread})):
        config = load_run(tmp_path / "run.yaml", {"output_dir": str(tmp_path / way), **keys})
        exposure_run(config, progress=progress if keys else lambda step, done, total: None)
        folder = tmp_path / way / "exposure"
        written.append({path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.*"))})
    assert written[0] == written[1] and len(written[0]) == 15 and two_nodes.second is None


def test_a_diagnosis_on_two_nodes_of_which_one_is_killed_has_the_same_bytes(
    small: Small, two_nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_nodes.again()
    monkeypatch.setattr(cohort, "PART", 4)
    rows = [json.loads(line) for line in small.train.read_text().splitlines()][:24]
    data = write_rows(tmp_path / "train.jsonl", rows)
    given: dict[str, Any] = {"base": small.base, "tuned": small.tuned, "dataset": data, "heldout": small.heldout}
    diagnose(**given, output_dir=tmp_path / "alone")
    told = []

    def progress(step: str, done: int, total: int | None) -> None:
        told.append((step, done))
        if step == "base model, train" and 0 < done < 24:
            two_nodes.kill_second()

    spread = {"kind": "ray", "address": two_nodes.address, "actors": 2}
    diagnose(**given, output_dir=tmp_path / "spread", spread=spread, progress=progress)
    assert two_nodes.second is None and ("tuned model, elsewhere, train", 24) in told
    for name in TABLES:
        alone, over = (tmp_path / way / "diagnosis" / name for way in ("alone", "spread"))
        assert over.read_bytes() == alone.read_bytes(), name
