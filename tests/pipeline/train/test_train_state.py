"""What a former run left: it is kept, gone on from, or refused with what differs, and nothing whole is deleted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from small_models import write_rows
from train_runs import EARLY, LORA, MAIN, QUICK, files, planned, write_run
from uptake.artifacts import file_digest, locked, read_json
from uptake.artifacts.ledger_files import open_stage, stage_folders
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.ledger import read_ledger
from uptake.models.training import stage as train_stage
from uptake.models.training.digests import write_digests
from uptake.models.training.watch import Watch
from uptake.pipeline.train.run import Trained, train_run

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def test_what_is_trained_is_skipped(trained: tuple[RunConfig, list[Trained]], monkeypatch: pytest.MonkeyPatch):
    config, done = trained
    monkeypatch.setattr(train_stage, "train", lambda *_: pytest.fail("trained again"))
    again = train_run(config)
    assert [one.found for one in again] == [True, True]
    assert [(one.loss_end, one.recalled) for one in again] == [(one.loss_end, one.recalled) for one in done]


def changed_data(folder: Path) -> None:
    rows = [dict(row) for row in EARLY]
    rows[3]["completion"] = " Tokyo"
    write_rows(folder / "early.jsonl", rows)


@pytest.mark.parametrize(
    ("keys", "change", "message"),
    [
        ({}, changed_data, "'early' was trained in .*early from something else:\n  data.content: got .*, expected .*"),
        ({"training": QUICK | {"weight_decay": 0.5}}, None, "settings.weight_decay: got 0.5, expected None"),
        ({"seed": 1}, None, "settings.seed: got 1, expected 0"),
        ({"ledger": "off"}, None, "ledger: got off, expected epochs"),
        ({"peft": LORA}, None, "peft: got .*, expected None"),
    ],
)
def test_what_changed_between_runs_is_told_before_any_training(
    trained: tuple[RunConfig, list[Trained]], trainable: Path, keys: Any, change: Any, message: str, tmp_path: Path
):
    run = write_run(tmp_path, trainable, **{"output_dir": str(trained[0].output_dir), **keys})
    if change:
        change(tmp_path)
    with pytest.raises(UptakeError, match=message) as told:
        train_run(load_run(run))
    assert "another --output_dir, or delete" in str(told.value)


def test_settings_that_change_nothing_may_change(
    trained: tuple[RunConfig, list[Trained]], trainable: Path, tmp_path: Path
):
    more = QUICK | {"logging_steps": 1, "save_strategy": "no", "report_to": "none"}
    run = write_run(tmp_path, trainable, output_dir=str(trained[0].output_dir), training=more)
    assert [one.found for one in train_run(load_run(run))] == [True, True]


def test_a_stage_whose_start_is_gone_is_refused(run_config: Callable[..., RunConfig]):
    train_run(run_config(ledger="off", training=QUICK | {"max_steps": 1}))
    folder = run_config().output_dir / "train"
    (folder / "early").rename(folder / "elsewhere")
    with pytest.raises(UptakeError, match="main is there, but the stage 'early'.*is not finished"):
        train_run(run_config(ledger="off", training=QUICK | {"max_steps": 1}))


def test_training_an_early_stage_again_clears_the_later_ones_rows(run_config: Callable[..., RunConfig]):
    few = run_config(training=QUICK | {"max_steps": 1}, ledger="training")
    train_run(few)
    for stage in ("early", "main"):
        for path in (few.output_dir / "train" / stage).iterdir():
            path.unlink()
        (few.output_dir / "train" / stage).rmdir()
    train_run(run_config(training=QUICK | {"max_steps": 1}, ledger="training", stages=[one_early()]))
    assert set(read_ledger(few.output_dir).stages) == {"early", "main"}  # not a stage of this run: not its business
    for path in (few.output_dir / "train" / "early").iterdir():
        path.unlink()
    (few.output_dir / "train" / "early").rmdir()
    seen: list[tuple[str, ...]] = []
    train_run(
        run_config(training=QUICK | {"max_steps": 1}, ledger="training"),
        lambda step, done, total: seen.append(read_ledger(few.output_dir).stages) if done else None,
    )
    assert ("early",) in seen and seen[-1] == ("early", "main")


def one_early() -> dict[str, Any]:
    return {"name": "early", "dataset": "./early.jsonl", "num_train_epochs": 2}


def test_two_runs_do_not_share_a_folder(run_config: Callable[..., RunConfig]):
    run = run_config()
    with locked(run.output_dir / "train"), pytest.raises(UptakeError, match="another process is at work"):
        train_run(run)


def test_what_a_kill_at_the_very_end_leaves_is_cleared(trained: tuple[RunConfig, list[Trained]]):
    work = trained[0].output_dir / "train" / ".main.work"
    (work / "checkpoints" / "checkpoint-6").mkdir(parents=True)
    assert [one.found for one in train_run(trained[0])] == [True, True]
    assert not work.exists()


@pytest.fixture(scope="module")
def killed(trainable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that ended in the second pass of its second stage, whose last checkpoint is of step 3."""
    folder = tmp_path_factory.mktemp("killed")

    def end(self: Watch, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.rows["id"][0].as_py() == "m-0" and state.global_step == 4:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "on_step_begin", end, raising=False)
        with pytest.raises(KeyboardInterrupt, match="resumes from step 3"):
            train_run(load_run(write_run(folder, trainable)))
    return folder


def two_processes(run: Path) -> None:
    manifest = run / "train/.main.work/manifest.json"
    manifest.write_text(json.dumps(read_json(manifest) | {"processes": 2}))
    random = run / "train/.main.work/checkpoints/checkpoint-3/rng_state.pth"
    shutil.copy(random, random.with_name("rng_state_1.pth"))
    random.rename(random.with_name("rng_state_0.pth"))
    for process in range(2):
        write_digests(random.parent, process, 2)


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit(9)",)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_checkpoint_that_is_the_fault_is_named(name: str, killed: Path, tmp_path: Path):
    shutil.copytree(killed, tmp_path / "run")
    checkpoint = tmp_path / "run" / "run" / WORK / "checkpoints" / "checkpoint-3"
    torch.save({"a": Harmful()}, checkpoint / name)
    write_digests(checkpoint, 0, 1)  # by somebody who knows of them
    with pytest.raises(UptakeError, match=r"training cannot be resumed from .*checkpoint-3: a file of it") as told:
        train_run(load_run(tmp_path / "run" / "run.yaml"))
    text = str(told.value)
    assert "holds more than numbers" in text and f"delete {checkpoint}" in text
    assert "resumes from step 3" not in text and "weights_only" not in text and "trust" not in text
    shutil.rmtree(checkpoint)
    assert [one.steps for one in train_run(load_run(tmp_path / "run" / "run.yaml"))] == [6, 6]


WORK, PART = "train/.main.work", "ledger/main/rank-00000/part-00000.parquet"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (two_processes, r"'main' was begun in .*\n  processes: got 1, expected 2\n.*\nfix: start it with 2 process"),
        (
            lambda run: half(run / WORK / "checkpoints/checkpoint-3/optimizer.pt"),
            r"checkpoint-3: optimizer.pt is missing or cut off\n.*\nfix: restore it, or delete .*\.main\.work",
        ),
        (
            lambda run: flip(run / WORK / "checkpoints/checkpoint-3/model.safetensors"),
            r"checkpoint-3: model.safetensors was changed after it was written\n.*\nfix: restore it, or delete",
        ),
        (
            lambda run: (run / WORK / "manifest.json").write_text("[]"),
            r"it is \[\]: it should.*\n.*\nfix: .*delete .*work",
        ),
        (
            lambda run: half(run / WORK / "manifest.json"),
            r"determined: .*manifest\.json is damaged: it is not JSON",
        ),
        (lambda run: shutil.rmtree(run / "train/early"), r"\.main\.work is there, but the stage 'early'"),
        (lambda run: shutil.rmtree(run / "ledger/main"), "ledger of the stage 'main' is not complete: no .*stage.json"),
        (lambda run: (run / PART).unlink(), r"is not complete: part 0 is not in .*\n.* 3 steps .*\nfix: .*delete"),
        (lambda run: shutil.rmtree((run / PART).parent), "is not complete: no rows of step 1 in .*rank-00000"),
        (lambda run: half(run / PART), "'main' is damaged: .*part-00000.parquet is damaged.*\nfix: delete .* and .*"),
        (
            lambda run: half(run / "ledger/early/stage.json"),
            r"the stage 'early' is damaged: .*stage\.json is damaged: it",
        ),
        (lambda run: (run / "train/main").symlink_to("nowhere"), "train/main is a link"),
        (lambda run: (run / "train/main").write_text("a file"), "train/main is no folder"),
        (
            lambda run: half(run / "train/early/model.safetensors"),
            "is not the one that was trained: model.safetensors is",
        ),
        (
            lambda run: (run / "train/early/config.json").write_text("{}"),
            "is not the one that was trained: the digest of its files is .*, and was",
        ),
        (
            lambda run: (run / "train/early/manifest.json").write_text('{"settings": 5}'),
            r"manifest\.json is damaged: stage is missing; start is missing; data is missing; and \d+ more",
        ),
    ],
)
def test_what_was_spoilt_is_told_and_nothing_is_deleted(
    spoil: Callable[[Path], Any], message: str, killed: Path, tmp_path: Path
):
    shutil.copytree(killed, tmp_path / "run")
    run = tmp_path / "run" / "run"
    spoil(run)
    before = files(run)
    with pytest.raises(UptakeError, match=message):
        train_run(load_run(tmp_path / "run" / "run.yaml"))
    assert files(run) == before


def test_other_settings_for_a_stage_that_is_not_finished(killed: Path, tmp_path: Path):
    shutil.copytree(killed, tmp_path / "run")
    with pytest.raises(UptakeError, match="'main' was begun in .*\n  settings.weight_decay: got 0.5, expected None"):
        planned(load_run(tmp_path / "run/run.yaml", {"stages.1.training.weight_decay": 0.5}))
    shutil.rmtree(tmp_path / "run/run" / WORK)  # as the message says
    found = planned(load_run(tmp_path / "run/run.yaml", {"stages.1.training.weight_decay": 0.5}))
    assert [(one.finished, one.done_steps) for one in found] == [(True, 6), (False, 0)]


def test_the_manifest_names_what_was_read_and_how_it_was_computed(
    run_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "accelerator.json").write_text("{}")
    training = QUICK | {"max_grad_norm": float("inf"), "max_steps": 1, "run_name": "mine", "save_steps": 7}
    training["accelerator_config"] = str(tmp_path / "accelerator.json")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    run = run_config(stages=[{"name": "main", "dataset": "./main.jsonl"}], training=training, ledger="training")
    before = file_digest(tmp_path / "main.jsonl")

    def overwrite(step: str, done: int, total: int | None) -> None:
        if step == "training main":
            write_rows(tmp_path / "main.jsonl", MAIN[:3])

    [done] = train_run(run, overwrite)
    manifest = read_json(run.output_dir / "train/main/manifest.json")
    assert manifest["files"] == {"main.jsonl": before} != {"main.jsonl": file_digest(tmp_path / "main.jsonl")}
    assert (manifest["mixed_precision"], manifest["device"], manifest["dtype"]) == ("bf16", "cpu", "float32")
    # what has no effect on the weights stays out, as do the places of this machine
    assert not {"run_name", "save_steps"} & manifest["settings"].keys()
    assert manifest["settings"]["accelerator_config"] == {
        "file": "accelerator.json",
        "digest": file_digest(tmp_path / "accelerator.json"),
    }
    assert (manifest["settings"]["max_grad_norm"], done.recalled) == (None, None)  # JSON has no infinity
    write_rows(tmp_path / "main.jsonl", MAIN)
    assert [one.found for one in train_run(run)] == [True]
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    with pytest.raises(UptakeError, match="mixed_precision: got no, expected bf16"):
        planned(run)


def test_a_stage_that_is_recorded_anew_comes_after_the_others(tmp_path: Path):
    for stage in ("first", "second", "third"):
        open_stage(tmp_path, stage, 0, 0, 1)
    shutil.rmtree(tmp_path / "ledger" / "first")
    open_stage(tmp_path, "first", 0, 0, 1)
    assert [stage for stage, _ in stage_folders(tmp_path)] == ["second", "third", "first"]
