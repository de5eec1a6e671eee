"""`uptake train` from the command line: the plan, the tables, the exit codes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

from small_models import write_rows
from uptake.cli import main
from uptake.models.small.tiny import build_model, save, train_tokenizer
from uptake.models.training.watch import Watch

ROWS = [{"id": f"e-{k}", "prompt": f"Person {k} was born in", "completion": f" {c}"} for k, c in enumerate("ABCDEFG")]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = train_tokenizer([row["prompt"] + row["completion"] for row in ROWS], 300)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}
    folder = tmp_path_factory.mktemp("models") / "base"
    save(build_model("llama", tokenizer, 0, **shape), tokenizer, folder)
    return folder


@pytest.fixture
def run_file(base: Path, tmp_path: Path) -> Path:
    write_rows(tmp_path / "early.jsonl", ROWS)
    write_rows(tmp_path / "main.jsonl", ROWS[:5])
    run = {
        "model_name_or_path": str(base),
        "stages": [{"name": "early", "dataset": "./early.jsonl"}, {"name": "main", "dataset": "./main.jsonl"}],
        "training": {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "num_train_epochs": 2},
        "output_dir": "./run",
        "device": "cpu",
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    return tmp_path / "run.yaml"


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leave:
        main(args)
    out, err = capsys.readouterr()
    assert isinstance(leave.value.code, int)
    return leave.value.code, out, err


def test_a_dry_run_tells_the_plan_and_writes_nothing(capsys: pytest.CaptureFixture[str], run_file: Path, base: Path):
    before = sorted(run_file.parent.rglob("*"))
    code, out, err = run(capsys, "train", str(run_file), "--dry-run")
    assert (code, "training" in err) == (0, False)
    assert sorted(run_file.parent.rglob("*")) == before
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == "stage examples left out tokens learned epochs steps batch from state".split()
    # by hand: 7 rows in batches of 2 are 4, two of which are a step: 2 steps a pass, 2 passes; 5 rows: 3, so 2 again
    for row, stage, n, start in ((rows[1], "early", "7", "base"), (rows[2], "main", "5", "early")):
        assert [*row[:3], *row[5:]] == [stage, n, "0", "2", "4", *"4 = 2 x 2 x 1".split(), start, "to", "do"]
        # each response is two tokens, " A" (or a space and a letter) and the end of the text
        assert int(row[4]) in (2 * int(n), 3 * int(n))
    code, out, err = run(capsys, "train", "--help")
    assert "--dry-run" in out and "--dry_run" not in out


def test_a_dry_run_says_what_ends_a_stage_and_one_process_alone_says_it(
    capsys: pytest.CaptureFixture[str], run_file: Path, monkeypatch: pytest.MonkeyPatch
):
    code, out, _ = run(capsys, "train", str(run_file), "--dry_run", "--training.max_steps", "3")
    # by hand: two steps are a pass of the first stage's seven rows
    assert (code, out.splitlines()[1].split()[5:7]) == (0, ["1.5", "3"])
    assert "note: early: max_steps, 3, decides when it ends; num_train_epochs is ignored" in out.splitlines()
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert run(capsys, "train", str(run_file), "--dry-run") == (0, "", "")
    assert run(capsys, "train", str(run_file), "--dry-run", "--training.seed", "5") == (0, "", "")


def test_it_trains_says_so_and_finds_it_again(capsys: pytest.CaptureFixture[str], run_file: Path):
    own = ["--training.learning_rate", "1e-3", "--ledger", "training", "--output_dir", str(run_file.parent / "the run")]
    args = ["train", str(run_file), *own]
    code, out, err = run(capsys, *args)
    assert code == 0, err
    assert "training early: 4 done" in err and "training main: 4 done" in err
    assert {line.split()[0] for line in err.splitlines()} == {"reading", "training"}  # nothing from the libraries
    # a folder of its own has a space: what is printed can be pasted into a shell
    folder = run_file.parent / "the run" / "train"
    assert f"main  {folder / 'main'}" in out.splitlines()
    assert json.loads((folder / "main" / "manifest.json").read_text())["settings"]["learning_rate"] == 1e-3
    (following,) = (line for line in out.splitlines() if line.startswith("next, "))
    words = shlex.split(following.partition(": uptake ")[2])
    assert words == ["diagnose", str(run_file), *own]
    header, early, main_row = (line.split() for line in out.splitlines()[:3])
    assert header == "stage examples steps processes loss at start at end recalled after".split()
    assert [early[:4], main_row[:4]] == [["early", "7", "4", "1"], ["main", "5", "4", "1"]]
    assert early[-1] == "-"  # with `ledger: training` nothing was scored after the stage
    code, out, err = run(capsys, *args)
    assert (code, "training" in err, out.count("trained before")) == (0, False, 2)
    code, out, _ = run(capsys, *args, "--dry-run")
    assert [line.split()[-1] for line in out.splitlines()[1:3]] == ["done", "done"]
    code, out, err = run(capsys, *words)
    assert code == 0, err
    assert "of 12 training examples" in out


def test_an_interrupted_run_says_where_it_goes_on(
    capsys: pytest.CaptureFixture[str], run_file: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(self: Watch, args: object, state: object, control: object, **_: object) -> None:
        if getattr(state, "global_step", 0) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "on_step_begin", interrupt, raising=False)
        code, _, err = run(capsys, "train", str(run_file))
    assert code == 130
    assert "running the command again resumes from step 2" in err and err.rstrip().endswith("interrupted")
    code, out, err = run(capsys, "train", str(run_file), "--dry-run")
    assert out.splitlines()[1].endswith("resumes at step 2")
    code, out, err = run(capsys, "train", str(run_file), "--training.weight_decay", "0.3")
    assert code == 1
    assert "settings.weight_decay: got 0.3, expected None" in err and "was begun in" in err
    code, _, err = run(capsys, "diagnose", str(run_file))
    assert (code, f"fix: train it first: uptake train {run_file}\n" in err) == (1, True)


def test_bad_rows_are_told_as_the_diagnosis_tells_them(capsys: pytest.CaptureFixture[str], run_file: Path):
    data = run_file.parent / "main.jsonl"
    data.write_text(data.read_text() + '{"prompt": "q", "completion": ""}\n')
    code, _, err = run(capsys, "train", str(run_file))
    assert code == 1
    assert f"{data}:6: empty response" in err and "--on_bad_row skip" in err
    code, out, _ = run(capsys, "train", str(run_file), "--dry-run", "--on_bad_row", "skip")
    assert (code, out.splitlines()[2].split()[:3]) == (0, ["main", "5", "1"])


def test_training_tells_what_validate_tells_of_the_data(capsys: pytest.CaptureFixture[str], run_file: Path):
    write_rows(run_file.parent / "main.jsonl", [{**row, "weight": 0.5, "split": "test"} for row in ROWS])
    _, out, _ = run(capsys, "validate", str(run_file))
    told = [line.strip() for line in out.splitlines() if line.strip().startswith("note: ")]
    assert len(told) == 2 and "`weight` is not read" in told[0] and "(7 rows, the first is main.jsonl:1)" in told[0]
    wanted = [line.replace("note: ", "note: main: ", 1) for line in told]
    for more in (["--dry-run"], []):
        code, out, _ = run(capsys, "train", str(run_file), "--ledger", "off", *more)
        assert (code, [line for line in out.splitlines() if line.startswith("note: ")]) == (0, wanted)


def test_validate_and_a_dry_run_refuse_the_same(capsys: pytest.CaptureFixture[str], run_file: Path):
    (run_file.parent / "empty").mkdir()
    (run_file.parent / "pickled").mkdir()
    (run_file.parent / "pickled" / "pytorch_model.bin").touch()
    wrong = {
        ("--peft.r", "x"): "peft setting r is 'x'\nexpected: a whole number",
        ("--peft.r", "4", "--peft.target_modules", "nowhere"): "peft cannot put an adapter on",
        ("--chat_template", str(run_file.parent)): "expected a file. Name the file in it that holds the template",
        ("--training.eos_token", "3"): "eos_token is 3\nexpected: text",
        ("--training.eos_token", "nowhere"): "eos_token is 'nowhere'\nexpected: a token of the tokenizer",
        ("--training.accelerator_config", "3"): "accelerator_config is 3\nexpected: a mapping or text",
        ("--model_name_or_path", str(run_file.parent / "empty")): "found nothing",
        ("--model_name_or_path", str(run_file.parent / "pickled")): "found pytorch_model.bin",
        ("--model_name_or_path", str(run_file)): "there is no model folder",
    }
    for options, message in wrong.items():
        for verb in (["validate"], ["train", "--dry-run"]):
            code, out, err = run(capsys, verb[0], str(run_file), *verb[1:], *options)
            assert (code, "all good" in out, "Traceback" in err) == (1, False, False), (verb, options)
            assert message in err, (verb, err)
    (run_file.parent / "pickled" / "model.safetensors").touch()
    code, _, err = run(capsys, "validate", str(run_file), "--model_name_or_path", str(run_file.parent / "pickled"))
    assert code == 1 and "no config.json in" in err
    assert run(capsys, "validate", str(run_file), "--peft.r", "4", "--peft.lora_alpha", "0.5")[0] == 0
