"""YAML as it is read and written here: 1.2 when reading, and what 1.1 and 1.2 read alike when writing.

In YAML 1.2 `2e-5` is a number, and `no` and `off` are text. Other trainers and the Hugging Face hub read YAML 1.1,
where it is the other way round: what is written here puts such texts in quotes, and gives such numbers a point.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from uptake.errors import UptakeError
from uptake.text import HIDDEN, without_keys

if TYPE_CHECKING:
    from ruamel.yaml import YAML


MOST_NESTED = 100
"""So deep may lists and mappings in brackets be nested."""

_QUOTED = re.compile(r"'[^'<]{4,}'")
"""What an error of the parser quotes of the text, such as an alias; not what it expects, such as `'<block end>'`."""


class YAMLProblem(UptakeError):
    """A text that is no YAML, or holds what no YAML of ours may; never shows the text, which may hold a key."""


def read(text: str) -> Any:
    """What a YAML 1.2 text says: mappings, lists, text, numbers, true, false, null, dates; None of an empty text.

    Raises:
        YAMLProblem: The text is not YAML, gives a key twice in one mapping, has an anchor that holds itself, or half
            a character.
    """
    return read_with_lines(text)[0]


def read_with_lines(text: str) -> tuple[Any, dict[str, int]]:
    """What a YAML text says, and on which line each key stands, counted from 1.

    Args:
        text: As of `read`.

    Returns:
        The value, and the line of each key, which is dotted: `stages.0.name`.

    Raises:
        YAMLProblem: As `read`.
    """
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if _nested(text) > MOST_NESTED:
        raise YAMLProblem(f"nested more than {MOST_NESTED} deep", expected="text, `key: value` on each line")
    yaml = _yaml()
    try:
        node = yaml.compose(text)
        if node is None:
            return None, {}
        _require_sound(node, set())
        return _yaml().constructor.construct_document(node), dict(_lines(node, "", set()))
    except DuplicateKeyError as error:  # the error's own text shows values: keys that differ in spelling, as 1 and 0x1
        raise _at(error.problem_mark, "a key stands here a second time") from None
    except MarkedYAMLError as error:  # the error's whole text shows the line
        context = f"{error.context}, " if str(error.problem).startswith("but ") else ""
        raise _at(error.problem_mark, _QUOTED.sub(HIDDEN, f"{context}{error.problem}")) from None
    except (YAMLError, ValueError, RecursionError):  # ValueError: a date such as 2024-13-45
        raise YAMLProblem("not YAML", expected="text, `key: value` on each line") from None


def write(value: Any, *, flow: bool = False, width: int = 80) -> str:
    """A value as a YAML text, in the order of its keys.

    Args:
        value: Mappings, lists, text, numbers, true, false, null.
        flow: All on one line, in brackets.
        width: Longer lines are folded.
    """
    yaml = _yaml()
    yaml.default_flow_style = flow
    yaml.width = 10_000 if flow else width
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.Representer = _representer()
    out = io.StringIO()
    yaml.dump(value, out)
    return out.getvalue().removesuffix("...\n")


def _nested(text: str) -> int:
    """How deep brackets are nested, those within texts and comments too: a bound, for parsing takes their square."""
    deep = deepest = 0
    for char in text:
        if char in "[{":
            deep += 1
            deepest = max(deepest, deep)
        elif char in "]}":
            deep -= 1
    return deepest


def _yaml() -> YAML:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True)


def _at(mark: Any, problem: str) -> YAMLProblem:
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
    return YAMLProblem(f"{where}: {problem.strip().splitlines()[0]}", expected="YAML, `key: value` on each line")


def _require_sound(node: Any, seen: set[int], around: frozenset[int] = frozenset()) -> None:
    """Raises on a key given twice in one mapping, on what holds itself, and on half a character; joins halves."""
    from ruamel.yaml.nodes import MappingNode, ScalarNode

    if id(node) in around:
        raise _at(node.start_mark, "an anchor holds itself")
    if isinstance(node, ScalarNode):
        node.value = _joined(node)
    if isinstance(node, ScalarNode) or id(node) in seen:
        return
    seen.add(id(node))
    around |= {id(node)}
    names: list[str] = []
    for item in node.value:
        if isinstance(node, MappingNode):
            key, item = item
            if not isinstance(key, ScalarNode):
                raise _at(key.start_mark, "a list or a mapping stands where a key is due")
            key.value = _joined(key)
            if key.value in names:
                raise _at(key.start_mark, f"the key {without_keys(repr(key.value))} stands here a second time")
            names.append(key.value)
        _require_sound(item, seen, around)


def _joined(node: Any) -> str:
    """The text of a scalar: JSON writes a character beyond 16 bits as two escapes, which the parser takes for two."""
    value: str = node.value
    try:
        value.encode()
    except UnicodeEncodeError:
        try:
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise _at(node.start_mark, "half a character (a lone surrogate)") from None
    return value


def _lines(node: Any, key: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    """What an alias names is gone through where it stands first: a few lines of aliases may name millions of keys."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    if id(node) in seen:
        return
    if isinstance(node, MappingNode):
        seen.add(id(node))
        for name, value in node.value:
            below = f"{key}.{name.value}".lstrip(".")
            yield below, name.start_mark.line + 1
            yield from _lines(value, below, seen)
    elif isinstance(node, SequenceNode):
        seen.add(id(node))
        for number, value in enumerate(node.value):
            below = f"{key}.{number}".lstrip(".")
            yield below, value.start_mark.line + 1
            yield from _lines(value, below, seen)


def _representer() -> Any:
    """Writes text and numbers so that YAML 1.1 and 1.2 take them for the same."""
    from ruamel.yaml.nodes import ScalarNode
    from ruamel.yaml.representer import SafeRepresenter
    from ruamel.yaml.resolver import VersionedResolver

    old, new = VersionedResolver(version=(1, 1)), VersionedResolver(version=(1, 2))
    text, number = "tag:yaml.org,2002:str", "tag:yaml.org,2002:float"

    class Representer(SafeRepresenter):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def of_text(representer: Any, data: str) -> Any:
        plain = all(str(each.resolve(ScalarNode, data, (True, False))) == text for each in (old, new))
        return representer.represent_scalar(text, data, style=None if plain else "'")

    def of_number(representer: Any, data: float) -> Any:
        node = SafeRepresenter.represent_float(representer, data)
        if "e" in node.value and "." not in node.value:
            node = representer.represent_scalar(number, node.value.replace("e", ".0e", 1))
        return node

    Representer.add_representer(str, of_text)
    Representer.add_representer(float, of_number)
    return Representer
