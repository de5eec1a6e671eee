"""YAML: PyYAML, which reads YAML 1.1 as other trainers and the hub do, reads what we write as we do."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml as pyyaml

from uptake import yaml

VALUE: dict[str, Any] = {
    "words": ["off", "no", "y", "on", "true", "null", "~", "="],
    "numbers in text": ["1e-5", "2.5", "0o17", "017", "1_000", "12:30:45", "2024-01-01", "0x1F"],
    "rates": [2e-5, 1e22, 0.1, -3.0],
    "y": {"nested": [{"a": None, "b": True}, [], {}]},
    "text": ["", "a: b", "- a", "über\nzwei", "it's", "a #b", "x" * 200, "the quick brown fox " * 10],
}


def test_both_versions_read_alike_what_is_written() -> None:
    for flow in (False, True):
        text = yaml.write(VALUE, flow=flow)
        assert pyyaml.safe_load(text) == yaml.read(text) == VALUE
        assert list(yaml.read(text)) == list(VALUE)


def test_what_needs_no_quotes_is_written_as_by_pyyaml() -> None:
    plain = {"b": "text", "a": [1, {"x": 2, "z": [3.5, 2e-5]}], "c": {"d": None, "e": False}, "f": "off"}
    assert yaml.write(plain) == pyyaml.safe_dump(plain, sort_keys=False)
    assert yaml.write(plain, flow=True) == pyyaml.safe_dump(plain, sort_keys=False, default_flow_style=True)


def test_one_list_used_twice_is_written_twice() -> None:
    shared = [1]
    assert yaml.write({"a": shared, "b": shared}) == "a:\n- 1\nb:\n- 1\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # YAML 1.2.2, section 10.3.2 (core schema), and what 1.1 makes of the same
        ("2e-5", 2e-5),
        ("1e3", 1000.0),
        ("no", "no"),
        ("off", "off"),
        ("yes", "yes"),
        ("12:30:45", "12:30:45"),
        ("true", True),
        ("~", None),
        ("", None),
        ("[q_proj, v_proj]", ["q_proj", "v_proj"]),
    ],
)
def test_yaml_1_2_is_read(text: str, value: Any) -> None:
    assert yaml.read(text) == value and type(yaml.read(text)) is type(value)


def test_every_key_has_its_line() -> None:
    text = "a: 1\nb:\n  - c: 2\n    d: {e: 3}\n  - 4\n"
    lines = {"a": 1, "b": 2, "b.0": 3, "b.0.c": 3, "b.0.d": 4, "b.0.d.e": 4, "b.1": 5}
    assert yaml.read_with_lines(text)[1] == lines


@pytest.mark.parametrize("text", ["a: 'sk-secret", "- sk-secret\nb: 1", "a: sk-secret: b", "{a: sk-secret, a: b}"])
def test_an_error_does_not_show_the_text(text: str) -> None:
    with pytest.raises(yaml.YAMLProblem, match="line 1|line 2") as caught:
        yaml.read(text)
    assert "sk-secret" not in str(caught.value)


def test_aliases_of_aliases_are_gone_through_once():
    """Thirty lines that name 8^30 keys; without a limit they would be listed to the end of time."""
    aliases = [f"a{k + 1}: &a{k + 1} {{{', '.join(f'k{j}: *a{k}' for j in range(8))}}}\n" for k in range(30)]
    value, lines = yaml.read_with_lines("a0: &a0 {x: 1}\n" + "".join(aliases))
    assert value["a2"]["k1"]["k7"] == {"x": 1}
    assert (lines["a0.x"], lines["a30"], lines["a30.k7"]) == (1, 31, 31)


def test_the_halves_of_a_character_are_joined_as_json_means_them() -> None:
    # json.dumps gives two escapes for what has no place in 16 bits (RFC 8259, section 7)
    value = {"\U0001f600": ["\U0001f600", "é \U0001d49c", {"a": "\ufffd"}]}
    assert yaml.read(json.dumps(value)) == value
    assert yaml.read('"\\U0001f600"') == "\U0001f600" and yaml.read("'\\ud83d'") == "\\ud83d"


@pytest.mark.parametrize("text", ['a: "\\ud83d"', 'a: ["x", "\\ude00\\ud83d"]', '"\\ud83d": 1', '"\\udcff"'])
def test_half_a_character_is_refused_where_it_stands(text: str) -> None:
    with pytest.raises(yaml.YAMLProblem, match="line 1, column [0-9]+: half a character"):
        yaml.read(text)
