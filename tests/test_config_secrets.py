"""No error shows a key: neither where it does not belong, nor where the key of the run file is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from uptake.cli import main
from uptake.config import Judge
from uptake.config.secrets import is_secret, is_sensitive
from uptake.errors import UptakeError
from uptake.models.served import from_judge
from uptake.text import HIDDEN, holds_key, shown, without_key, without_keys

KEYS = ("sk-proj-Very0Secret1", "correcthorsebatterystaple")
"""One that looks like a key, and one that may be any word."""

RUN = "model_name_or_path: ./base\nstages: [{name: main, dataset: ./train.jsonl}]\n"
JUDGE = "judge: {base_url: 'http://h/v1', model: m, %s}"

FILES = [
    "foo: KEY", "openai_api_key: KEY", "authorization: Bearer KEY", "private_key: KEY", "Password: KEY", "apikey: KEY",
    "headers: {Authorization: KEY}", "headers: 'Authorization: KEY'", "credentials: {user: a, pass: KEY}", "1: KEY",
    "judge: KEY", "judge: [KEY]", "judge: http://h/v1?key=KEY", "judge: {1: KEY}", JUDGE % "foo: KEY",
    JUDGE % "api_key: KEY", JUDGE % "api-key: KEY", JUDGE % "api_kye: KEY", JUDGE % "api_key_env: '$KEY'",
    JUDGE % "headers: {x: KEY}", JUDGE % "timeout: KEY", JUDGE % "max_retries: KEY", JUDGE % "model: [KEY]",
    "judge: {base_url: 'http://u:KEY@h', model: m}", "judge: {base_url: 'http://h?token=KEY', model: m}",
    "knowledge_sources: KEY", "knowledge_sources: [KEY]", "knowledge_sources: [{kind: KEY}]",
    "knowledge_sources: [{kind: wikidata, token: KEY}]", "knowledge_sources: [{kind: wikidata, contact: 'a KEY'}]",
    "seed: KEY", "max_length: KEY", "trust_remote_code: KEY", "criterion: KEY", "columns: KEY",
    "columns: {prompt: [KEY]}",
    "gate: {foo: KEY}", "gate: {max_unlearned: KEY}", "gate: {sources: {a: KEY}}", "plan: KEY", "plan: {foo: KEY}",
    "plan: {budget: KEY}", "output_dir: [KEY]", "corpus: [KEY]",
    "training: KEY", "training: {foo: KEY}", "training: {hub_token: KEY}", "training: {a: {api_key: KEY}}",
    "training: {headers: {x: KEY}}", "training: {learning_rate: KEY}",
    "training: {model_init_kwargs: KEY}", "training: {deepspeed: {wandb: {api_key: KEY}}}",
    "peft: KEY", "peft: {token: KEY}", "peft: {a: [{api_key: KEY}]}",
    "strategy: KEY", "strategy: [KEY, KEY]", "strategy: [[KEY]]", "strategy: {replay: {share: KEY}}",
    "strategy: {replay: {api_key: KEY}}", "stages: [{name: main, dataset: ./train.jsonl, token: KEY}]", "stages: KEY",
    "api_key: 'KEY", "api_key: [KEY", "api_key: !foo KEY", "api_key: *KEY", "api_key: !!KEY a", "api_key: @KEY",
    "api_key: &KEY\n  a: *KEY", "api_key: KEY\napi_key: KEY", 'api_key: "KEY\\q"', "api_key:\t- KEY\n\tKEY",
]  # fmt: skip
"""What stands in a run file; one that names `stages` or is no YAML stands alone."""

OPTIONS = [
    ("--judge", "{api_key: KEY"), ("--judge", "{api_key: KEY}"), ("--judge", "KEY"), ("--judge.api_key", "KEY"),
    ("--judge.key", "KEY"), ("--judge.headers.authorization", "KEY"), ("--judge.timeout", "KEY"), ("--api_key", "KEY"),
    ("--judge.base_url", "http://u:KEY@h"), ("--foo", "KEY"), ("--api-key=KEY",), ("--seed", "KEY"),
    ("--seed", "{a: KEY}"),
    ("--training.hub_token", "KEY"), ("--training", "{hub_token: KEY"), ("--training.foo.token", "KEY"),
    ("--stages", "[{name: a, dataset: b, api_key: KEY}]"), ("--stages.9.name", "KEY"), ("--stages.0.token", "KEY"),
    ("--knowledge_sources", "[{kind: wikidata, api_key: KEY}]"), ("--knowledge_sources", "[{api_key: KEY"),
    ("--peft", "KEY"), ("--peft", "{a: KEY"), ("--gate", "{a: KEY}"), ("--columns", "{a: KEY}"), ("--strategy", "KEY"),
    ("--strategy", "{replay: {token: KEY}}"), ("--strategy.replay.token", "KEY"),
]  # fmt: skip

IN_THE_PLACE_OF_A_NAME = [
    ("KEY",),
    ("--KEY", "1"),
    ("--judge.KEY", "1"),
    ("--judge.KEY",),
    ("--corpus", "./x?token=KEY"),
]


def told(capsys: pytest.CaptureFixture[str], folder: Path, text: str, *options: str) -> str:
    (folder / "base").mkdir(exist_ok=True)
    (folder / "train.jsonl").write_text('{"prompt": "q", "completion": " a"}\n')
    (folder / "run.yaml").write_text(text)
    with pytest.raises(SystemExit) as leave:
        main(["validate", str(folder / "run.yaml"), *options])
    out, err = capsys.readouterr()
    assert leave.value.code != 0 and "bug in uptake" not in err
    return out + err


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("text", FILES)
def test_a_run_file(key: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = text.replace("KEY", key)
    run = f"model_name_or_path: ./base\n{text}\n" if text.startswith("stages") else f"{RUN}{text}\n"
    assert key not in told(capsys, tmp_path, run)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("options", OPTIONS)
def test_the_command_line(
    key: str, options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert key not in told(capsys, tmp_path, RUN, *(one.replace("KEY", key) for one in options))


@pytest.mark.parametrize("options", IN_THE_PLACE_OF_A_NAME)
def test_what_looks_like_a_key_in_the_place_of_a_name(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # of names all are shown that do not look like a key: an error that does not name the key is of no use
    assert KEYS[0] not in told(capsys, tmp_path, RUN, *(one.replace("KEY", KEYS[0]) for one in options))
    assert KEYS[0] not in told(capsys, tmp_path, f"{RUN}{KEYS[0]}: 1\n{KEYS[0]}: 2\n")


@pytest.mark.parametrize("key", ["hf_AbCdEfGhIjKlMnOp", "correcthorsebatterystaple"])
def test_a_key_instead_of_the_name_of_its_variable(key: str) -> None:
    with pytest.raises(UptakeError) as caught:
        from_judge(Judge(base_url="http://h/v1", model="m", api_key_env=key))
    assert key not in str(caught.value)
    with pytest.raises(UptakeError, match="names NO_SUCH_KEY_0, which is not set"):
        from_judge(Judge(base_url="http://h/v1", model="m", api_key_env="NO_SUCH_KEY_0"))


@pytest.mark.parametrize(
    "key",
    # shapes from the documentation of OpenAI, Anthropic, Hugging Face, GitHub, GitLab, AWS, Google, Slack; RFC 7519
    [
        "sk-proj-AbC123def456", "sk-ant-api03-AbC-123", "hf_abcdefghijklmnopqr", "ghp_abcdefghijklmnop1234",
        "glpat-abcdefghijkl1234", "AKIAIOSFODNN7EXAMPLE", "AIzaSyA1234567890abcd", "xoxb-1234567890-abc",
        "eyJ0eXAiOiJKV1QiLA.eyJpc3MiOiJqb2UifQ.dBjftJeZ4CVP",
    ],
)  # fmt: skip
def test_what_looks_like_a_key(key: str) -> None:
    assert without_keys(f"got '{key}', expected") == f"got '{HIDDEN}', expected"


@pytest.mark.parametrize(
    "text",
    [
        "hf-internal-testing/tiny-random-LlamaForCausalLM", "meta-llama/Llama-3.1-8B-Instruct",
        "runs/sk-learn-data.jsonl",
        "training.learning_rate: 'fast'", "https://www.wikidata.org/w/api.php", "task-specific tokens=5", "hub_token",
        "http://localhost:8000/v1", "Basic settings", "the key 'model_name_or_path' stands here twice",
    ],
)  # fmt: skip
def test_what_looks_like_none(text: str) -> None:
    assert without_keys(text) == text


def test_a_known_key_however_it_is_quoted() -> None:
    key = 'a"key/of+mine-0123456789'
    # by hand: JSON escapes the quote; RFC 3986, 2.1 writes the quote %22, the slash %2F, the plus %2B; RFC 4648 base 64
    forms = (key, 'a\\"key/of+mine-0123456789', "a%22key%2Fof%2Bmine-0123456789", "YSJrZXkvb2YrbWluZS0wMTIzNDU2Nzg5")
    for form in forms:
        assert without_key(f"<{form}>", key) == "<(key)>" and holds_key(f"<{form}>", key)
    assert without_key("the key ends in e-0123456789.", key) == "the key ends in (key)."
    assert without_key("nothing of it", key) == "nothing of it" and without_key("as it is", None) == "as it is"
    assert not holds_key("EMPTY", "EMPTY")  # what servers without keys are given


def test_names_of_settings() -> None:
    for name in (
        "api_key",
        "apikey",
        "API-KEY",
        "hub_token",
        "x_secret",
        "authorization",
        "headers",
        "passwd",
        "Cookie",
    ):
        assert is_sensitive(name), name
    for name in ("max_new_tokens", "eos_token", "learning_rate", "keep_going", "monkey_business"):
        assert not is_sensitive(name), name
    assert is_secret("api_key") and not is_secret("headers")


def test_values_of_settings() -> None:
    assert [shown(one) for one in ("fast", 1.5, None, True, {"a": "b"}, ["b"])] == [
        "'fast'", "1.5", "None", "True", "a mapping", "a list",
    ]  # fmt: skip
    assert [shown(key) for key in KEYS] == ["text", "text"]
