"""The run file. Expected values stand in DESIGN ("The run file"), YAML 1.2, or are read off the input by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import ValidationError

from uptake.config import Gate, Judge, Limits, RunConfig, Stage, json_schema, load_run
from uptake.config.schema import Format, Section
from uptake.errors import UptakeError

DESIGN = """
model_name_or_path: ./base            # path or hub id
stages:                               # one or more, trained in order
  - {name: early, dataset: early.jsonl, num_train_epochs: 10}
  - {name: main,  dataset: main.jsonl,  num_train_epochs: 3, training: {lr_scheduler_type: constant}}
training:                             # any TRL SFTConfig field, for all stages; a stage's own `training` wins
  learning_rate: 1.0e-3
  per_device_train_batch_size: 32
peft: null                            # or LoRA settings
corpus: corpus.jsonl
general: general.jsonl
retention: retention.jsonl
paraphrases: paraphrases.jsonl
judge: null
output_dir: runs/first
seed: 0
"""

MINIMAL: dict[str, Any] = {"model_name_or_path": "org/base", "stages": [{"name": "main", "dataset": "org/data"}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    for name in ("early", "main", "corpus", "general", "retention", "paraphrases"):
        (tmp_path / f"{name}.jsonl").touch()
    (tmp_path / "run.yaml").write_text(DESIGN)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text)
    return path


def minimal(folder: Path, more: str) -> Path:
    return write(folder, yaml.safe_dump(MINIMAL) + more)


def problems(path: Path | None, overrides: dict[str, Any] | None = None) -> str:
    with pytest.raises(UptakeError) as caught:
        load_run(path, overrides)
    return str(caught.value)


def test_the_file_of_the_design(folder: Path) -> None:
    config = load_run(folder / "run.yaml")
    assert config.model_name_or_path == str(folder / "base")
    assert config.stages == (
        Stage(name="early", dataset=str(folder / "early.jsonl"), num_train_epochs=10),
        Stage(
            name="main",
            dataset=str(folder / "main.jsonl"),
            num_train_epochs=3,
            training={"lr_scheduler_type": "constant"},
        ),
    )
    assert config.training == {"learning_rate": 0.001, "per_device_train_batch_size": 32}
    assert config.corpus == str(folder / "corpus.jsonl")
    assert config.output_dir == folder / "runs/first"
    assert (config.peft, config.judge, config.seed, config.heldout) == (None, None, 0, None)


def test_the_command_line_beats_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.jsonl").touch()
    monkeypatch.chdir(elsewhere)
    overrides = {
        "seed": "7",
        "training.learning_rate": "1e-3",
        "training.optim": "adamw_torch",
        "stages.0.dataset": "other.jsonl",
        "stages.1.training.warmup_ratio": "0.1",
        "peft.r": "8",
        "judge.base_url": "http://localhost:8000/v1",
        "judge.model": "judge",
        "judge.timeout": "1e1",
        "corpus": "null",
        "output_dir": "out",
    }
    config = load_run(folder / "run.yaml", overrides)
    assert config.seed == 7
    assert config.training == {"learning_rate": 0.001, "per_device_train_batch_size": 32, "optim": "adamw_torch"}
    assert isinstance(config.training["learning_rate"], float)
    # on the command line paths are relative to where it runs, in the file to the file
    assert config.stages[0].dataset == str(elsewhere / "other.jsonl")
    assert config.stages[1].dataset == str(folder / "main.jsonl")
    assert config.stages[1].training == {"lr_scheduler_type": "constant", "warmup_ratio": 0.1}
    assert config.peft == {"r": 8}
    assert config.judge == Judge(base_url="http://localhost:8000/v1", model="judge", timeout=10.0)
    assert config.corpus is None
    assert config.output_dir == elsewhere / "out"


def test_without_a_file() -> None:
    config = load_run(None, {**MINIMAL, "stages": "[{name: main, dataset: org/data}]", "dtype": "bfloat16"})
    assert config == RunConfig(
        model_name_or_path="org/base", stages=(Stage(name="main", dataset="org/data"),), dtype="bfloat16"
    )


def test_a_mapping_is_merged_and_a_list_replaced(folder: Path) -> None:
    config = load_run(folder / "run.yaml", {"training": {"seed": 1}, "stages": [{"name": "one", "dataset": "org/d"}]})
    assert config.training == {"learning_rate": 0.001, "per_device_train_batch_size": 32, "seed": 1}
    assert [stage.name for stage in config.stages] == ["one"]


@pytest.mark.parametrize("spelled", ["1e-3", "1E-3", "1.0e-3", "+.1e-2", "0.001"])
def test_a_float_with_an_exponent_is_a_number(tmp_path: Path, spelled: str) -> None:
    config = load_run(minimal(tmp_path, f"training: {{learning_rate: {spelled}}}\npeft: {{lora_dropout: {spelled}}}\n"))
    assert config.peft is not None
    assert config.training["learning_rate"] == config.peft["lora_dropout"] == 0.001


def test_a_number_where_text_is_meant_is_told(tmp_path: Path) -> None:
    # a commit that looks like a number in scientific notation
    assert "line 5: revision: inf: expected a valid string. Put it in quotes" in problems(
        minimal(tmp_path, "revision: 12e4567\n")
    )
    assert load_run(minimal(tmp_path, "revision: '12e4567'\n")).revision == "12e4567"


def test_words_are_no_switches(tmp_path: Path) -> None:
    # YAML 1.2 (core schema): true and false are the only booleans
    config = load_run(minimal(tmp_path, "training: {eval_strategy: no, optim: off}\nledger: off\nattribution: off\n"))
    assert config.training == {"eval_strategy": "no", "optim": "off"}
    assert (config.ledger, config.attribution) == ("off", "off")


def test_text_of_the_command_line_is_read_alike() -> None:
    overrides = {"training.learning_rate": "2e-5", "training.save_strategy": "no", "peft.target_modules": "[q_proj]"}
    config = load_run(None, MINIMAL | overrides)
    assert config.training == {"learning_rate": 2e-5, "save_strategy": "no"}
    assert config.peft == {"target_modules": ["q_proj"]}


def test_a_problem_names_its_line(folder: Path) -> None:
    text = """model_name_or_path: ./base
stages:
  - name: early
    dataset: early.jsonl
    num_train_epochs: none
  - {name: main, dataset: main.jsonl,
     epochs: 3}
  - {name: last}
training:
  run_name: 2024-01-02
seed: -1
judge:
  api_key: sk-secret
  base_url: http://h/v1
"""
    told = problems(write(folder, text), {"seed": "-2"})
    # in the order of the lines, read off the text by hand; what the command line gave has none
    assert [line.partition(": ")[0] for line in told.splitlines()[1:]] == [
        "  - seed",
        "  - run.yaml line 5",
        "  - run.yaml line 7",
        "  - run.yaml line 8",
        "  - run.yaml line 10",
        "  - run.yaml line 12",
        "  - run.yaml line 13",
    ]
    assert "line 8: stages.2.dataset: missing" in told and "line 12: judge.model: missing" in told
    assert "sk-secret" not in told


def test_columns_for_all_data_or_for_a_stage(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text('{"qa": {"file_name": "qa.json"}}')
    path = write(
        tmp_path,
        "model_name_or_path: org/base\n"
        "columns: {prompt: question, completion: answer}\n"
        "stages:\n"
        "  - {name: a, dataset: org/data}\n"
        "  - {name: b, dataset: dataset_info.json#qa, columns: {text: body}}\n",
    )
    config = load_run(path, {"columns.prompt": "ask"})
    assert config.columns == {"prompt": "ask", "completion": "answer"}
    assert [stage.columns for stage in config.stages] == [None, {"text": "body"}]
    assert config.stages[1].dataset == f"{tmp_path / 'dataset_info.json'}#qa"
    told = problems(path, {"stages.1.columns": {"promt": "x"}, "stages.0.dataset": "none.json#qa", "columns.text": ""})
    assert "columns has no promt; what may be named are prompt, completion" in told
    assert "stages.0.dataset" in told and "none.json: correct the path" in told and "columns.text" in told


def test_every_problem_is_told_at_once(folder: Path) -> None:
    text = problems(
        write(
            folder,
            """
model_name_or_path: ./bas
stages:
  - {name: a/b, dataset: early.jsonl, num_train_epochs: 0, epochs: 3}
output_dirr: x
seed: -1
criterion: recal
max_length: many
chat_template: template.jinja
""",
        ),
    )
    assert text.splitlines()[0].endswith("run.yaml: 9 problems")
    for told in (
        "model_name_or_path: './bas': expected a file or folder that exists",
        "stages.0.name: 'a/b': expected text that matches",
        "stages.0.num_train_epochs: 0: expected greater than 0",
        "stages.0.epochs: expected a known key. Did you mean num_train_epochs",
        "output_dirr: expected a known key. Did you mean output_dir",
        "seed: -1: expected greater than or equal to 0",
        "criterion: 'recal': expected 'auto', 'recall', 'option', 'spans' or 'paper'. Did you mean recall",
        "max_length: 'many': expected a valid integer",
        "chat_template: 'template.jinja': expected a file or folder that exists",
    ):
        assert told in text


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("learning_rate: 1.0\n", "Did you mean training.learning_rate"),
        ("nonsense_of_mine: 1\n", "the trainer's own settings go under training"),
        ("seed: true\n", "seed: true: expected a number, not true or false"),
        ("revision: 1.10\n", "Put it in quotes"),
        ("training: 3\n", "training: 3: expected a valid mapping"),
        ("judge: {base_url: 'http://h/v1', model: m, timeout: .nan}\n", "judge.timeout"),
        (
            "knowledge_sources: [{kind: wikidat}]\n",
            "knowledge_sources.0.kind: (not shown): expected wikidata or searxng",
        ),
        ("knowledge_sources: [{kind: wikidat}]\n", "Did you mean wikidata"),
        ("knowledge_sources: [{base_url: 'http://h'}]\n", "knowledge_sources.0.kind"),
        ("knowledge_sources: [{kind: searxng}]\n", "knowledge_sources.0.base_url: missing"),
        ("knowledge_sources: [{kind: wikidata, tiemout: 3}]\n", "knowledge_sources.0.tiemout: expected a"),
        ("heldout: ~no-such-user-anywhere/x\n", "heldout: '~no-such-user-anywhere/x': expected a file or folder"),
        ("heldout: ../nothing\n", "heldout: '../nothing': expected a file or folder that exists"),
    ],
)
def test_a_problem_names_key_value_and_fix(tmp_path: Path, more: str, told: str) -> None:
    assert told in problems(minimal(tmp_path, more))


def test_stages_need_names_of_their_own(tmp_path: Path) -> None:
    text = problems(write(tmp_path, "model_name_or_path: b\nstages: [{name: a, dataset: d}, {name: a, dataset: e}]\n"))
    assert "two stages are called 'a'" in text
    assert "no stage" in problems(write(tmp_path, "model_name_or_path: b\nstages: []\n"))
    assert "stages: missing" in problems(write(tmp_path, "model_name_or_path: b\n"))


@pytest.mark.parametrize(("spelled", "meant"), [("off", "off"), ("'off'", "off"), ("training", "training")])
def test_off_is_a_word_of_the_ledger(folder: Path, spelled: str, meant: str) -> None:
    run = folder / "run.yaml"
    run.write_text(f"{DESIGN}ledger: {spelled}\n")
    assert load_run(run).ledger == meant
    assert load_run(run, {"ledger": "off"}).ledger == "off"
    with pytest.raises(UptakeError, match="ledger: true: expected 'off', 'training' or 'epochs'"):
        load_run(run, {"ledger": True})


def test_an_index_beyond_the_stages(folder: Path) -> None:
    assert "expected an index below 2" in problems(folder / "run.yaml", {"stages.2.dataset": "d"})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"seed: 1\nseed: 2\n", "line 2, column 1: the key 'seed' stands here a second time"),
        (b"training: {a: 1, b: {c: 1, c: 2}}\n", "line 1, column 28: the key 'c' stands here a second time"),
        (b"stages: [1\n", "line 2, column 1"),
        (b"", "holds no mapping"),
        (b"- 1\n", "holds no mapping"),
        (b"seed: \xff\n", "byte 6 is not UTF-8"),
        (b"seed: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        (b"seed: 2024-13-45\n", "not YAML"),
        (b"stages: ,[a]\n{}: 1", "line"),
        (b"? [a]\n: 1\n", "line 1, column 3: a list or a mapping stands where a key is due"),
        (b"output_dir: ''\n", "output_dir: '': expected a folder. Name one, or leave the key out"),
        (b"training: {1: a, 0x1: sk-secret}\n", "line 1, column 18: a key stands here a second time"),
        (b"a: 1\n---\nb: 2\n", "line 2, column 1: expected a single document"),
        (b"training: &a {b: *a}\n", "line 1, column 11: an anchor holds itself"),
        (b"training: &a [[1, *a]]\n", "an anchor holds itself"),
    ],
)
def test_what_is_no_run_file(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    text = problems(path)
    assert told in text and "sk-secret" not in text


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    path = minimal(tmp_path, "")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_run(path).model_name_or_path == "org/base"


def test_an_anchor_may_be_used_twice(tmp_path: Path) -> None:
    shared = "stages: [{name: a, dataset: d, training: &t {k: [1]}}, {name: b, dataset: d, training: *t}]\n"
    config = load_run(write(tmp_path, "model_name_or_path: org/base\n" + shared))
    assert [stage.training for stage in config.stages] == [{"k": [1]}] * 2


def test_data_are_no_run_file(tmp_path: Path) -> None:
    for name, content in (("train.jsonl", '{"id": 1}\n'), ("train.json", "[1]")):
        (tmp_path / name).write_text(content)
        told = problems(tmp_path / name)
        assert f"--dataset {tmp_path / name}" in told
    (tmp_path / "run.json").write_text('{"model_name_or_path": "b", "stages": [{"name": "a", "dataset": "d"}]}')
    assert load_run(tmp_path / "run.json").model_name_or_path == "b"


@pytest.mark.parametrize(("key", "told"), [("base", "model_name_or_path"), ("tuned", "--tuned FOLDER")])
def test_what_the_command_line_names_otherwise(tmp_path: Path, key: str, told: str) -> None:
    assert told in problems(minimal(tmp_path, f"{key}: x\n"))


def test_a_run_file_that_is_not_there(tmp_path: Path) -> None:
    assert "no run file" in problems(tmp_path / "run.yaml")
    assert "expected: a YAML file" in problems(tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        "judge: {base_url: 'http://h/v1', model: m, api_key: sk-secret}\n",
        "judge: {base_url: 'http://h/v1', model: m, api_key_env: sk-secret}\n",
        "judge: {base_url: 'http://user:sk-secret@h/v1', model: m}\n",
        "knowledge_sources: [{kind: searxng, base_url: 'http://user:sk-secret@h'}]\n",
        "judge: {base_url: 'http://h/v1?api_key=sk-secret', model: m}\n",
        "judge: {base_url: 'http://h/v1#token=sk-secret', model: m}\n",
        "knowledge_sources: [{kind: searxng, base_url: 'http://h/?password=sk-secret'}]\n",
        "knowledge_sources: [{kind: wikidata, base_url: 'http://h?token=sk-secret'}]\n",
        "knowledge_sources: [{kind: llm, base_url: 'http://h/v1?key=sk-secret', model: m}]\n",
        "knowledge_sources: [{kind: llm, base_url: 'http://h/v1', model: m, api_key: sk-secret}]\n",
        "knowledge_sources: [{kind: wikidata, api_key_env: sk-secret}]\n",
        "training: {hub_token: sk-secret}\n",
        "api_key: sk-secret\n",
        "hub_token: sk-secret\n",
        "stages: [{name: a, dataset: b, training: {hub_token: sk-secret}}]\n",
        "api_key: [sk-secret\n",
    ],
)
def test_a_key_in_the_file_is_refused_and_not_repeated(tmp_path: Path, more: str) -> None:
    text = "model_name_or_path: b\n" + ("" if more.startswith("stages") else "stages: [{name: a, dataset: b}]\n")
    assert "sk-secret" not in problems(write(tmp_path, text + more))


def test_knowledge_sources_are_told_by_their_kind() -> None:
    sources = (
        "[{kind: wikidata}, {kind: searxng, base_url: 'http://h:8080'}, {kind: llm, base_url: 'http://h/v1', model: m}]"
    )
    config = load_run(None, {**MINIMAL, "knowledge_sources": sources})
    assert [type(each).__name__ for each in config.knowledge_sources] == (
        ["WikidataKnowledge", "SearXNGKnowledge", "LLMKnowledge"]
    )
    assert config.knowledge_sources[0].base_url == "https://www.wikidata.org"
    assert load_run(None, MINIMAL).knowledge_sources == ()


@pytest.mark.parametrize("key", ["corpus", "chat_template", "model_name_or_path", "stages.0.dataset"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, key: str) -> None:
    os.mkfifo(tmp_path / "rows.jsonl")
    text = problems(None, {**MINIMAL, key: str(tmp_path / "rows.jsonl")})
    assert f"{key}: " in text and "expected a regular file" in text


def test_a_key_in_an_address_is_told_where_it_belongs() -> None:
    for address in ("http://h/v1?api_key=sk-secret", "http://h/v1#sk-secret", "http://user:sk-secret@h"):
        text = problems(None, {**MINIMAL, "judge": {"base_url": address, "model": "m"}})
        assert "judge.base_url: (not shown)" in text and "judge.api_key_env" in text and "environment variable" in text


def test_a_refused_key_says_where_it_belongs() -> None:
    judge = {"base_url": "http://h/v1", "model": "m", "api_key": "sk-secret"}
    text = problems(None, {**MINIMAL, "judge": judge})
    assert "export it and give the variable's NAME as api_key_env".casefold() in text.casefold()


def test_hub_ids_stay_and_existing_paths_win(tmp_path: Path) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "data").mkdir()
    config = load_run(minimal(tmp_path, ""))
    assert config.model_name_or_path == "org/base"
    assert config.stages[0].dataset == str(tmp_path / "org" / "data")


def test_an_output_dir_that_is_a_file(tmp_path: Path) -> None:
    assert "this one is a file" in problems(minimal(tmp_path, "output_dir: run.yaml\n"))


def test_a_config_does_not_change() -> None:
    config = load_run(None, MINIMAL)
    with pytest.raises(ValidationError):
        config.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize("section", [RunConfig, Stage, Judge, Gate, Limits])
def test_every_key_is_documented(section: type[Section]) -> None:
    undocumented = [name for name, field in section.model_fields.items() if not field.description]
    assert undocumented == []


def test_the_gates_limits_are_explained_like_other_keys(tmp_path: Path) -> None:
    text = "gate:\n  max_unlearnd: 0.1\n  level: 2\n  sources:\n    a: {max_shalow: 0.1, max_forgotten: true}\n"
    told = problems(minimal(tmp_path, text))
    assert "gate.max_unlearnd: expected a known key. Did you mean max_unlearned" in told
    assert "gate.level: 2: expected less than 1" in told
    assert "gate.sources.a.max_shalow: expected a known key. Did you mean max_shallow" in told
    assert "gate.sources.a.max_forgotten: true: expected a number, not true or false" in told


def test_the_schema_describes_the_file() -> None:
    schema = json_schema()
    # JSON Schema 2020-12, section 8.1.1: the dialect is named by $schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(yaml.safe_load(DESIGN)) <= set(schema["properties"])
    assert schema["required"] == ["model_name_or_path", "stages"]
    assert schema["additionalProperties"] is False
    assert "api_key" not in schema["$defs"]["Judge"]["properties"]


def test_the_schema_says_bounds_in_its_own_words() -> None:
    # JSON Schema 2020-12 validation, section 6.2: an editor does not know pydantic's ge, gt, le, lt
    seed = json_schema()["properties"]["seed"]
    assert (seed["minimum"], seed["exclusiveMaximum"]) == (0, 2**32)
    budget, share = (json_schema()["$defs"]["Prescription"]["properties"][key] for key in ("budget", "augmented"))
    assert budget["minimum"] == 1 and (share["exclusiveMinimum"], share["maximum"]) == (0, 1)
    text = json.dumps(json_schema())
    assert [name for name in ("ge", "gt", "le", "lt") if f'"{name}":' in text] == []


def test_the_data_keys_agree_with_the_reader() -> None:
    from uptake.data import FORMATS, LoadOptions

    assert set(get_args(Format)) == set(FORMATS)
    for key in ("assistant_turns", "alpaca_prompt"):
        field = RunConfig.model_fields[key]
        for choice in get_args(field.annotation):
            assert getattr(LoadOptions(**{key: choice}), key) == choice
        assert field.default == getattr(LoadOptions(), key)


@pytest.mark.parametrize("said", ["[[replay]]", "[[[replay]], lwf]"])
def test_a_list_within_the_list_of_strategies_is_told(said: str, tmp_path: Path) -> None:
    assert "strategy: a list: a list stands in the list" in problems(minimal(tmp_path, f"strategy: {said}\n"))


def test_a_strategy_without_settings_has_its_defaults(tmp_path: Path) -> None:
    config = load_run(minimal(tmp_path, "strategy:\n  replay:\n  lwf: {k: 3}\n"))
    assert config.strategy == {"replay": {}, "lwf": {"k": 3}}


def test_two_names_for_one_column_are_told(tmp_path: Path) -> None:
    told = problems(minimal(tmp_path, "columns: {prompt: text, completion: text}\n"))
    assert "prompt and completion are both the column 'text'" in told


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1/v1",
        "http://localhost:x/v1",
        "http://localhost:99999",
        "http:///v1",
        "http://[zz]/",
        "http://①.0.0.1",
    ],
)
def test_an_address_that_no_client_can_ask_is_told(url: str, tmp_path: Path) -> None:
    run = minimal(tmp_path, f'judge: {{base_url: "{url}", model: m}}\n')
    assert "judge.base_url: (not shown): no address of a server" in problems(run)


@pytest.mark.parametrize("url", ["http://localhost:8000/v1", "http://[::1]:8000/v1", "https://müller.example/v1"])
def test_an_address_of_a_server_passes(url: str, tmp_path: Path) -> None:
    judge = load_run(minimal(tmp_path, f'judge: {{base_url: "{url}", model: m}}\n')).judge
    assert judge is not None and judge.base_url == url


LONG = ["x" * 300, "/".join(["y" * 200] * 30)]


@pytest.mark.parametrize("place", LONG)
@pytest.mark.parametrize("key", ["output_dir", "corpus", "heldout", "chat_template", "model_name_or_path"])
def test_a_path_longer_than_systems_take(key: str, place: str, tmp_path: Path) -> None:
    told = problems(minimal(tmp_path, ""), {key: place})
    assert f"{key}: a path of " in told and "expected at most 4,096 and 255" in told and len(told) < 1000
    told = problems(minimal(tmp_path, ""), {"stages.0.dataset": f"./{place}.jsonl"})
    assert "stages.0.dataset: a path of " in told


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\tb", "a\x00b", "a\udc80b", "a\u202eb"])
def test_an_output_folder_with_control_characters(name: str, tmp_path: Path) -> None:
    told = problems(minimal(tmp_path, ""), {"output_dir": name})
    assert "output_dir: " in told and "expected a path without control characters" in told and told.isascii()


def test_no_path_has_a_null_character(tmp_path: Path) -> None:
    for key in ("corpus", "model_name_or_path", "heldout"):
        assert f"{key}: " in problems(minimal(tmp_path, ""), {key: "a\x00b"})
