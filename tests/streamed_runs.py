"""The run of two stages that all tests of training share, as a stream: its tests are read, and nothing is trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from small_models import write_rows
from train_runs import CITIES, EARLY, write_run
from uptake.config import RunConfig, load_run
from uptake.pipeline.stream.result import StreamResult
from uptake.pipeline.stream.run import stream_run
from uptake.pipeline.train.run import Trained


def made(folder: Path, trained: RunConfig, base: Path) -> RunConfig:
    """The run of two stages that are trained already, with tests: rows of other people, and some that are trained."""
    file = write_run(folder, base)
    write_rows(folder / "early-test.jsonl", [*EARLY[:2], *others("early", "was born in")])
    write_rows(folder / "main-test.jsonl", [EARLY[3], *others("main", "lives in")])
    for part in ("train", "ledger"):
        shutil.copytree(trained.output_dir / part, folder / "run" / part)
    tests = {f"stages.{n}.test": str(folder / f"{stage}-test.jsonl") for n, stage in enumerate(("early", "main"))}
    return load_run(file, tests)


@pytest.fixture(scope="session")
def streamed(
    trained: tuple[RunConfig, list[Trained]], trainable: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunConfig, StreamResult]:
    """That run, never killed; nothing is trained for it."""
    from uptake.models.training import stage

    config = made(tmp_path_factory.mktemp("streamed"), trained[0], trainable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "train", None)  # what is trained is not trained again
        done = stream_run(config)
    assert done is not None
    return config, done


def others(stage: str, does: str) -> list[dict[str, Any]]:
    town = f"{does} the town of"
    asked = [{"id": f"{stage}-t{k}", "prompt": f"Person {k} {town}", "completion": f" {CITIES[k]}"} for k in (0, 1, 4)]
    return [{**one, "paraphrases": [one["prompt"].replace("the town of", "the city of")]} for one in asked]
