"""What every strategy of the table must say of itself, and how its settings are chosen and refused."""

from __future__ import annotations

import ast
import io
import json
import tokenize
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from members import ACTING, ALWAYS, NOTHING, OTHER

import uptake.strategies
from uptake.config.schema import named_settings
from uptake.errors import UptakeError
from uptake.strategies import STRATEGIES
from uptake.strategies.choose import choose
from uptake.text import shown

MOST_LINES = 80
FOLDER = Path(uptake.strategies.__file__).parent


def test_all_members_are_tested():
    assert ACTING.keys() == OTHER.keys() == STRATEGIES.keys()
    assert STRATEGIES.keys() - NOTHING.keys() == set(ALWAYS)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_member_documents_itself(name: str):
    one = STRATEGIES[name]
    assert one.name == name and one.revision >= 1
    assert all(len(text) > 30 and text.endswith(".") for text in (one.does, one.helps, one.costs))
    assert one.references and all(one.references)
    for key, field in one.settings.model_fields.items():
        assert field.description and field.description.endswith("."), key
        assert not field.is_required(), key


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_example_is_one(name: str):
    found = choose(named_settings(yaml.safe_load(STRATEGIES[name].example)["strategy"]))
    assert [one.strategy.name for one in found] == [name]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/*.py")), ids=lambda path: path.stem)
def test_a_member_is_short(path: Path):
    assert code_lines(path.read_text()) <= MOST_LINES


def test_every_file_of_the_folder_is_in_the_table():
    members = {path.stem for path in FOLDER.glob("*/*.py") if path.stem != "__init__"}
    assert members == STRATEGIES.keys()
    for path in sorted(FOLDER.glob("*/*.py")):
        if path.stem != "__init__":
            module = import_module(f"uptake.strategies.{path.parent.name}.{path.stem}")
            assert getattr(module, path.stem.upper()) is STRATEGIES[path.stem]


def code_lines(text: str) -> int:
    """Lines that hold code: no blank ones, no comments, no docstrings."""
    strings = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    blank = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in blank
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - strings)


def test_lines_are_counted_as_one_counts_them_by_hand():
    text = '"""Doc."""\n\n# why\nx = (\n    1,  # one\n)\n\n\ndef f():\n    """Two\n    lines."""\n    return x\n'
    assert code_lines(text) == 5


@pytest.mark.parametrize("name", STRATEGIES)
def test_settings_come_back_as_they_went(name: str):
    for settings in ({}, ACTING[name], OTHER[name]):
        [chosen] = choose({name: settings})
        [again] = choose({name: json.loads(json.dumps(chosen.identity()))["settings"]})
        assert again.settings == chosen.settings and again.identity() == chosen.identity()
        assert all(chosen.identity()["settings"][key] == value for key, value in settings.items())


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_setting_is_a_part_of_the_identity(name: str):
    [default] = choose({name: {}})
    assert default.identity() == choose({name: {}})[0].identity()
    assert OTHER[name].keys() == STRATEGIES[name].settings.model_fields.keys()
    for key, value in OTHER[name].items():
        assert choose({name: {key: value}})[0].identity() != default.identity(), key


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_no_setting_is_refused_with_the_one_that_was_meant(name: str):
    for key in STRATEGIES[name].settings.model_fields:
        with pytest.raises(UptakeError) as told:
            choose({name: {f"{key}s": 1}})
        assert str(told.value) == f"strategy.{name}.{key}s: no such setting. Did you mean {key}?"


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_value_of_a_wrong_type_is_refused(name: str):
    for key, field in STRATEGIES[name].settings.model_fields.items():
        for value in ("much", True, [1], -1):
            with pytest.raises(UptakeError) as told:
                choose({name: {key: value}})
            assert str(told.value).startswith(f"strategy.{name}.{key}: {shown(value)}: expected ")
            assert str(field.description) in str(told.value)


def test_what_is_no_strategy_is_refused_with_the_one_that_was_meant():
    with pytest.raises(
        UptakeError, match="strategy: there is no 'repaly'\n.*replay, .*lwf.*\nfix: did you mean replay"
    ):
        choose({"repaly": {}})
    with pytest.raises(UptakeError, match=r"strategy: there is no 'magic'\n.*\nfix: docs/strategies.md"):
        choose({"magic": {}})


@pytest.mark.parametrize("name", NOTHING)
def test_a_setting_that_does_nothing_gives_no_hooks(name: str):
    [chosen] = choose({name: NOTHING[name]})
    assert chosen.hooks().idle
    assert not choose({name: ACTING[name]})[0].hooks().idle
