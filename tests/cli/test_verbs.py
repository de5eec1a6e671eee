"""The command line, run as a user runs it: exit codes, what is printed where, and how fast it starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from uptake import cli
from uptake.cli import lab, main
from uptake.cli.env import PACKAGES, torch_devices
from uptake.cli.keys import GROUPS, READS
from uptake.cli.run_options import split
from uptake.config import RunConfig, json_schema
from uptake.config.trainer_fields import PEFT, TRAINING
from uptake.errors import UptakeError


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command line."""
    with pytest.raises(SystemExit) as leave:
        main(args)
    out, err = capsys.readouterr()
    assert isinstance(leave.value.code, int)
    return leave.value.code, out, err


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Makes the verb `env` raise."""

    def raise_it() -> None:
        raise error

    monkeypatch.setattr("uptake.cli.env.environment", raise_it)


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    (tmp_path / "main.jsonl").write_text('{"id": "a", "prompt": "The capital of France is", "completion": " Paris"}\n')
    path = tmp_path / "run.yaml"
    path.write_text("model_name_or_path: org/base\nstages: [{name: main, dataset: main.jsonl}]\n")
    return path


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "datasets", "pyarrow", "numpy", "pydantic", "yaml", "openai", "jinja2")
    code = (
        "import sys\nfrom uptake.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit as leave: assert leave.code == 0\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "validate" in done.stdout


def test_python_m_uptake_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "uptake", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("uptake ")


def test_no_arguments_show_the_help_and_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert code == 2
    assert "Usage: uptake" in out + err


@pytest.mark.parametrize(
    "args", [["nope"], ["\x1b[2J"], ["validate"], ["env", "--nope"], ["validate", "x.yaml", "--seed"]]
)
def test_a_wrong_command_line_exits_with_2(capsys: pytest.CaptureFixture[str], args: list[str]) -> None:
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert "Error" in err
    assert "\x1b" not in err


def test_an_error_of_the_user_is_told_on_stderr_without_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(capsys, "validate", str(tmp_path / "run.yaml"))
    assert (code, out) == (1, "")
    assert err.startswith("error: no run file")
    assert "fix: " in err
    assert "Traceback" not in err


def test_user_text_in_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "validate", "\x1b[2J\u202egnp.yaml")
    assert code == 1
    assert "no run file \\x1b[2J\\u202egnp.yaml" in err


def test_a_name_that_the_encoding_lacks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, UnicodeEncodeError("ascii", "/tmp/müll", 6, 7, "ordinal not in range(128)"))
    code, _, err = run(capsys, "env")
    assert code == 1
    assert "export LC_ALL=C.UTF-8" in err and "bug" not in err


def test_a_closed_stdout_is_no_bug(run_file: Path) -> None:
    code = (
        "import os, sys; os.close(1); sys.stdout = None\nfrom uptake.cli import main\nmain(['validate', sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run_file)], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_held_out_example_that_is_trained_on_is_told_before_the_run(
    capsys: pytest.CaptureFixture[str], run_file: Path
) -> None:
    code, out, err = run(capsys, "validate", str(run_file), "--heldout", str(run_file.parent / "main.jsonl"))
    assert code == 1
    assert "main.jsonl:1: example a: this example is in the training data too" in out


def test_a_bug_is_called_a_bug(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, ZeroDivisionError("by zero\x1b[2J"))
    monkeypatch.delenv("UPTAKE_DEBUG", raising=False)
    code, _, err = run(capsys, "env")
    assert code == 1
    assert "this is a bug in uptake: ZeroDivisionError: by zero" in err
    assert "Traceback" not in err
    code, _, err = run(capsys, "env", "--debug")
    assert "Traceback" in err
    assert "\x1b" not in err
    monkeypatch.setenv("UPTAKE_DEBUG", "1")
    assert "Traceback" in run(capsys, "env")[2]


def test_a_missing_package_is_told_with_its_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, ModuleNotFoundError("No module named 'torch'", name="torch.nn"))
    assert "this needs torch, which is not installed\nfix: pip install 'uptake[train]'" in run(capsys, "env")[2]
    fail_with(monkeypatch, ModuleNotFoundError("No module named 'uptake.nope'", name="uptake.nope"))
    assert "this is a bug" in run(capsys, "env")[2]


def test_a_full_disk_is_no_bug(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, OSError(28, "No space left on device", "runs/x"))
    code, _, err = run(capsys, "env")
    assert (code, err) == (1, "error: No space left on device: runs/x\n")


def test_an_interrupt_is_one_line_and_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, KeyboardInterrupt())
    code, out, err = run(capsys, "env")
    # 128 + SIGINT, as shells report it
    assert (code, out, err.strip()) == (128 + signal.SIGINT, "", "interrupted")


def test_a_reader_that_goes_away_is_quiet() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "uptake", "config-schema"], stdout=writing, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writing)
    assert done.stderr == ""


def test_env_tells_the_versions_of_the_package_metadata(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "env", "--json")
    facts = json.loads(out)
    assert code == 0
    assert list(facts["packages"]) == list(PACKAGES)
    assert facts["packages"]["pydantic"] == version("pydantic")
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert f"pydantic              {version('pydantic')}" in run(capsys, "env")[1]


def test_env_says_what_is_not_installed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uptake.cli.env.PACKAGES", ("no-such-package-anywhere",))
    assert json.loads(run(capsys, "env", "--json")[1])["packages"] == {"no-such-package-anywhere": None}
    assert "not installed" in run(capsys, "env")[1]


def test_devices_are_asked_in_a_process_of_their_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uptake.cli.env._ASK_TORCH", 'print(\'["cuda:0 (H100)", "cpu"]\')')
    assert json.loads(run(capsys, "env", "--json", "--devices")[1])["devices"] == ["cuda:0 (H100)", "cpu"]
    monkeypatch.setattr("uptake.cli.env._ASK_TORCH", "raise SystemExit('driver too old')")
    with pytest.raises(UptakeError, match="driver too old"):
        torch_devices()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UptakeError, match="torch is not installed, so its devices are unknown"):
        torch_devices()


def test_config_schema_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "config-schema")
    assert code == 0
    assert json.loads(out)["title"] == "RunConfig"


def test_validate_counts_the_data(capsys: pytest.CaptureFixture[str], run_file: Path) -> None:
    assert run(capsys, "validate", str(run_file)) == (
        0,
        f"stages.main: {run_file.parent / 'main.jsonl'}: 1 example\nall good\n",
        "",
    )


def test_validate_tells_bad_rows_and_an_option_skips_them(capsys: pytest.CaptureFixture[str], run_file: Path) -> None:
    data = run_file.parent / "main.jsonl"
    data.write_text(data.read_text() + "".join(f'{{"prompt": "q{row}", "completion": ""}}\n' for row in range(25)))
    code, out, err = run(capsys, "validate", str(run_file))
    assert code == 1
    assert "1 example, 25 bad rows" in out
    assert f"{data}:2: empty response" in out
    assert "... and 5 more" in out
    assert "cannot be run" in err
    # the option before the file, its value must not be taken for the file
    code, out, err = run(capsys, "validate", "--on-bad-row", "skip", str(run_file))
    assert (code, err) == (0, "")
    assert "25 bad rows" in out


def test_validate_tells_what_was_taken_for_what(capsys: pytest.CaptureFixture[str], run_file: Path) -> None:
    data = run_file.parent / "main.jsonl"
    data.write_text('{"question": "Capital of France?", "answer": " Paris"}\n')
    code, out, err = run(capsys, "validate", str(run_file))
    assert (
        code == 0 and "1 example\n  note: `question` is read as the user's turn and `answer` as the assistant's" in out
    )
    columns = ("--columns.prompt", "question", "--columns.completion", "answer")
    code, out, err = run(capsys, "validate", str(run_file), *columns)
    assert (code, out, err) == (0, f"stages.main: {data}: 1 example\nall good\n", "")
    code, out, err = run(capsys, "validate", str(run_file), "--columns.promt", "question")
    assert code == 1 and "columns has no promt" in err


def test_validate_reads_every_data_set_and_shows_no_escapes(capsys: pytest.CaptureFixture[str], run_file: Path) -> None:
    folder = run_file.parent
    (folder / "heldout.jsonl").write_text("")
    (folder / "general.jsonl").write_text('{"text": "Paris is a city."}\n{"text": "Lyon too."}\n')
    rows = [{"id": "a", "prompt": "France's capital is", "completion": " Paris"}, {"id": "\x1b[2J", "prompt": "q"}]
    (folder / "paraphrases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = [f"--{key}={folder / key}.jsonl" for key in ("heldout", "general", "paraphrases")]
    code, out, err = run(capsys, "validate", str(run_file), *keys)
    assert code == 1
    assert "error: heldout: " in err and "empty" in err
    assert "general.jsonl: 2 examples" in out
    assert "paraphrases.jsonl: 1 example, 1 bad row" in out
    assert "\x1b" not in out


def test_validate_tells_training_settings_that_have_new_names(
    capsys: pytest.CaptureFixture[str], run_file: Path
) -> None:
    # the new names are those of the installed TRL: fields of SFTConfig
    old = ["--training.evaluation_strategy=epoch", "--training.max_seq_length=1024", "--training.learning_rate=2e-5"]
    code, out, err = run(capsys, "validate", str(run_file), *old, "--stages.0.training.optmi=x")
    assert code == 1
    assert "main.jsonl: 1 example" in out  # the data are looked at all the same
    assert "training.evaluation_strategy: unknown" in err and "write eval_strategy instead" in err
    assert "training.max_seq_length: unknown" in err and "write max_length instead" in err
    assert "stages.0.training.optmi: unknown training setting 'optmi'" in err and "such as optim" in err
    assert "learning_rate" not in err
    assert (
        run(capsys, "validate", str(run_file), "--training.learning_rate=2e-5", "--training.eval_strategy=no")[0] == 0
    )


def test_validate_wants_the_judges_key(
    capsys: pytest.CaptureFixture[str], run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    judge = ["--judge.base_url=http://localhost:8000/v1", "--judge.model=m", "--judge.api_key_env=NO_SUCH_KEY"]
    code, _, err = run(capsys, "validate", str(run_file), *judge)
    assert code == 1
    assert "NO_SUCH_KEY, which is not set" in err


def test_options_beyond_the_verbs_own() -> None:
    args = ["--seed", "3", "run.yaml", "--json", "--training.learning-rate=1e-3", "--seed", "-4", "--", "--x"]
    assert split(args, {"json"}) == (
        ["run.yaml", "--json", "--", "--x"],
        {"seed": "-4", "training.learning_rate": "1e-3"},
    )
    with pytest.raises(typer.BadParameter, match="--seed has no value"):
        split(["--seed", "--json"], {"json"})


def test_lab_pretrain_makes_a_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Paris is the capital of France.\nRome is the capital of Italy.\n" * 4)
    sizes = ["--hidden-size", "16", "--num_hidden_layers", "1", "--num_attention_heads=2", "--vocab_size", "300"]
    code, out, _ = run(
        capsys, "lab", "pretrain", "--text", str(text), "--out", str(tmp_path / "m"), "--steps", "2", *sizes
    )
    assert code == 0
    assert "2 steps" in out
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert (config["model_type"], config["hidden_size"], config["num_hidden_layers"]) == ("llama", 16, 1)
    assert (tmp_path / "m" / "model.safetensors").is_file()


def test_every_verb_has_a_help(capsys: pytest.CaptureFixture[str]) -> None:
    names = [command.name for command in cli.app.registered_commands]
    assert {"validate", "config-schema", "env"} <= set(names)
    for name in names:
        code, out, _ = run(capsys, str(name), "--help")
        assert code == 0
        assert f"Usage: uptake {name}" in out
    assert lab.app.registered_commands


def test_the_help_tells_each_key_with_its_choices_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "validate", "--help")  # it reads all keys
    told = " ".join(out.split())
    assert code == 0
    for name, one in json_schema()["properties"].items():
        assert f"--{name} " in told or f"--{name}." in told
        if one.get("enum"):
            assert f"--{name} <{'|'.join(one['enum'])}>" in told
            assert one.get("default") is None or f"[{one['default']}]" in told.partition(f"--{name} ")[2][:120]
    assert "--seed <int> of every random draw [0]" in told
    assert "--max_length <int> " in told and "--trust_remote_code <true|false> " in told
    assert "KEY: max_unlearned, max_forgotten, max_shallow, " in told


def test_the_help_of_a_verb_shows_the_keys_that_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    listed = [name for keys in GROUPS.values() for name in keys]
    assert sorted(listed) == sorted(RunConfig.model_fields)  # each key in one group
    of = {verb: run(capsys, verb, "--help")[1] for verb in READS}
    assert "--criterion" in of["diagnose"] and "--corpus" not in of["diagnose"]
    assert "--corpus" in of["prescribe"] and "--criterion" not in of["train"]
    assert "--max_unlearned" in of["gate"] and "--ledger" not in of["gate"]
    assert of["diagnose"].count("--tuned ") == 1 and "--tuned <str>" in " ".join(of["diagnose"].split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("uptake dia", ["diagnose"]),
        ("uptake diagnose --tun", ["--tuned", "--tuned_revision"]),
        ("uptake diagnose --seed 3 --dty", ["--dtype"]),
        ("uptake train run.yaml --training.learn", ["--training.learning_rate"]),
        ("uptake prescribe --plan.bud", ["--plan.budget"]),
        ("uptake gate --max_un", ["--max_unlearned"]),
        ("uptake env --see", []),
    ],
)
def test_a_shell_completes_verbs_options_and_keys(line: str, offered: list[str]) -> None:
    words = {"_UPTAKE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    command = [sys.executable, "-m", "uptake"]
    done = subprocess.run(command, env={**os.environ, **words}, capture_output=True, text=True)
    assert done.stdout.split() == offered and done.stderr == ""


def test_a_line_that_ends_at_a_key_completes_files(run_file: Path) -> None:
    words = {"_UPTAKE_COMPLETE": "complete_bash", "COMP_WORDS": "uptake train --heldout ", "COMP_CWORD": "3"}
    done = subprocess.run([sys.executable, "-m", "uptake"], env={**os.environ, **words}, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == ([], "")  # the shell falls back to files: complete -o default


def test_the_script_for_the_shell_is_shown() -> None:
    command = [sys.executable, "-m", "uptake", "--show-completion", "bash"]
    told = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # a test may run below no shell at all
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=True)
    assert "complete -o default -F _uptake_completion uptake" in done.stdout


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--learning_rate", "did you mean training.learning_rate"),
        ("--learning-rat", "did you mean training.learning_rate"),
        ("--per_device_train_batch_size", "did you mean training.per_device_train_batch_size"),
        ("--r", "did you mean peft.r,"),
        ("--lora_alpha", "did you mean peft.lora_alpha"),
        ("--num_train_epochs", "did you mean stages.0.num_train_epochs"),
        ("--sed", "did you mean seed"),
        ("--nonsense_of_mine", "the keys are"),
    ],
)
def test_a_trainers_field_at_the_top_is_pointed_to_its_place(
    capsys: pytest.CaptureFixture[str], run_file: Path, option: str, said: str
) -> None:
    code, _, err = run(capsys, "validate", str(run_file), option, "1")
    assert code == 1 and said in err.replace("Did you", "did you").replace("The keys", "the keys")


def test_the_fields_that_are_pointed_to_are_the_trainers() -> None:
    from dataclasses import fields

    from peft import LoraConfig
    from trl import SFTConfig

    assert set(TRAINING) <= {field.name for field in fields(SFTConfig)}
    assert set(PEFT) <= {field.name for field in fields(LoraConfig)}


@pytest.mark.parametrize("verb", ["validate", "env", "config-schema"])
def test_works_without_torch(run_file: Path, verb: str) -> None:
    # None in sys.modules makes every import of the name fail, as if it were not installed
    absent = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "tokenizers", "openai")
    args = [verb, str(run_file)] if verb == "validate" else [verb]
    code = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); from uptake.cli import main; main({args!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
