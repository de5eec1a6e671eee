"""Read the run file, lay the command line over it, and tell every problem at once.

Relative paths in the file are relative to the file's folder, so that a run works from anywhere; relative paths on the
command line are relative to where the command runs. What does not exist and does not look like a path (`./`, `../`,
`/`, `~`, or a data file's suffix) is taken for an id on the Hugging Face hub.
"""

from __future__ import annotations

import difflib
import os
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from uptake import yaml
from uptake.config.exposure import CorpusScan, locate_corpus
from uptake.config.lines import given, line, plain
from uptake.config.schema import (
    Gate,
    Judge,
    Limits,
    LLMKnowledge,
    Prescription,
    RunConfig,
    SearXNGKnowledge,
    Section,
    Stage,
    WikidataKnowledge,
    named_settings,
)
from uptake.config.secrets import is_sensitive
from uptake.config.spread import SpreadOver
from uptake.config.trainer_fields import elsewhere
from uptake.errors import UptakeError
from uptake.text import HIDDEN, counted, without_keys

DATA_KEYS = ("corpus", "general", "heldout", "retention", "paraphrases")
MODEL_KEYS = ("model_name_or_path", "embedding_model_name_or_path", "nli_model_name_or_path")
PATH_KEYS = ("output_dir", "chat_template")
DATA_SUFFIXES = (".jsonl", ".json", ".parquet", ".csv", ".txt")

LONGEST_NAME, LONGEST_PATH = 255, 4096
"""Bytes that file systems take for a name, and systems for a path."""

_HOLD_KEYS = ("judge", "knowledge_sources")
"""Sections in whose place or in which somebody may write a key of his."""
_NO_TEXT = ("bool_parsing", "float_parsing", "int_from_float", "int_parsing", "literal_error")
_NO_TEXT_LONGER = 24
"""What is no number or none of some words is shown as far as a typing error would be."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the value of a key.

    Attributes:
        key: The key, dotted.
        told: The value, what was expected, and the fix.
    """

    key: str
    told: str


def load_run(path: Path | str | None, overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """Reads the run file and lays the overrides over it.

    Args:
        path: The YAML file; None takes everything from the overrides.
        overrides: Keys and values that beat the file's. A key may be dotted (`training.learning_rate`,
            `stages.0.dataset`). A mapping is merged into the file's, anything else replaces it. Text, as it comes from
            a command line, is read as the key wants it.

    Raises:
        UptakeError: The file cannot be read; or else one error that lists every problem with its key, value and fix.
    """
    problems: list[Problem] = []
    tree: dict[str, Any] = {}
    lines: dict[str, int] = {}
    if path is not None:
        tree, lines = _read_file(Path(path))
        _locate(tree, Path(path).resolve().parent, problems)
    patch = _unfold(_spelled_out(overrides or {}), problems)
    _locate(patch, Path.cwd(), problems)
    merged = _merge(_named(tree), patch, "", problems)
    if path is not None:
        merged.setdefault("output_dir", str(Path(path).resolve().parent / RunConfig.model_fields["output_dir"].default))
    problems += [problem for key, part in _free(merged) for problem in _odd(part, key)]
    try:
        config = RunConfig.model_validate(merged)
    except ValidationError as error:
        problems += [_explain(dict(item)) for item in error.errors(include_url=False)]
    from_file = {key: line for key, line in lines.items() if not given(plain(key), overrides or {})}
    if problems:
        where = str(path) if path is not None else "the options"
        numbered = sorted(((line(problem.key, from_file), problem) for problem in problems), key=lambda each: each[0])
        at = {line: f"{Path(path).name} line {line}: " for line in lines.values()} if path is not None else {}
        told = [f"  - {at.get(line, '')}{without_keys(problem.key)}: {problem.told}" for line, problem in numbered]
        raise UptakeError("\n".join((f"{where}: {counted(len(problems), 'problem')}", *told)))
    if path is not None:
        name, in_order = Path(path).name, reversed(from_file.items())  # of a list's members, the list itself stays
        config._lines.update({plain(key): f"{name} line {line}: " for key, line in in_order})
        config._lines.update(dict.fromkeys(overrides or {}, ""))
    return config


def _read_file(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The run file's keys, and the line of each."""
    of_data = f"data go with --dataset: uptake diagnose --tuned TUNED --dataset {path} --output_dir runs/first"
    if path.suffix.lower() in DATA_SUFFIXES and path.suffix.lower() != ".json":  # JSON is YAML too
        raise UptakeError(f"{path} looks like data, not like a run file", expected="a YAML file", fix=of_data)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UptakeError(f"no run file {path}", fix="check the path; `uptake config-schema` lists the keys") from None
    except UnicodeDecodeError as error:
        raise UptakeError(f"{path}: byte {error.start} is not UTF-8", fix="save the file as UTF-8") from None
    except OSError as error:
        raise UptakeError(f"{path}: {error.strerror}", expected="a YAML file") from None
    try:
        tree, lines = yaml.read_with_lines(text)
    except yaml.YAMLProblem as error:
        raise UptakeError(f"{path}: {error.problem}", expected=error.expected) from None
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise UptakeError(
            f"{path}: holds no mapping of names",
            expected="`key: value` on each line",
            fix=of_data if path.suffix.lower() == ".json" else None,
        )
    return tree, lines


def _spelled_out(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`strategy: "replay, ema"` beside `strategy.replay.share` becomes `strategy.ema: {}` with it."""
    below = [key for key in overrides if key.startswith("strategy.")]
    names = overrides.get("strategy")
    if not below or not isinstance(names, str):
        return dict(overrides)
    kept = {key: value for key, value in overrides.items() if key != "strategy"}
    bare: dict[str, Any] = {f"strategy.{name.strip()}": {} for name in names.split(",")}
    return {key: value for key, value in bare.items() if not any(b.startswith(f"{key}.") for b in below)} | kept


def _named(tree: dict[str, Any]) -> dict[str, Any]:
    """A list of strategies as a mapping, into which settings from the command line can be merged."""
    try:
        return {**tree, "strategy": named_settings(tree["strategy"])} if "strategy" in tree else tree
    except (ValueError, TypeError):
        return tree  # told with the other problems


def _unfold(overrides: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """`{"a.b": 1}` becomes `{"a": {"b": 1}}`; text becomes what its key wants, as far as the key alone tells."""
    tree: dict[str, Any] = {}
    for dotted, value in overrides.items():
        *parents, last = dotted.split(".")
        if isinstance(value, str):
            try:
                value = _parse(value, free=dotted.split(".")[0] in ("training", "peft") or ".training." in dotted)
            except yaml.YAMLProblem:
                problems.append(Problem(dotted, "expected YAML. Close every bracket and quote."))
                continue
        node = tree
        for parent in parents:
            below = node.setdefault(parent, {})
            if not isinstance(below, dict):  # --peft null --peft.r 8
                below = node[parent] = {}
            node = below
        node[last] = value
    return tree


def _parse(text: str, *, free: bool) -> Any:
    """Text of the command line as YAML where the key does not say what it wants, else as it stands for pydantic."""
    if text == "null":
        return None
    return yaml.read(text) if free or text[:1] in ("[", "{") else text


def _merge(base: Any, patch: Any, key: str, problems: list[Problem]) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    if isinstance(base, list) and all(name.isdigit() for name in patch):
        merged = list(base)
        for name, value in patch.items():
            if int(name) >= len(base):
                have = f"an index below {len(base)}, counting from 0"
                problems.append(_problem(f"{key}.{name}", value, have, f"number the {key} from 0"))
            else:
                merged[int(name)] = _merge(base[int(name)], value, f"{key}.{name}", problems)
        return merged
    below = base if isinstance(base, Mapping) else {}
    return {**below, **{k: _merge(below.get(k), v, f"{key}.{k}".lstrip("."), problems) for k, v in patch.items()}}


def _free(tree: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The sections whose keys are the trainers', with their full keys."""
    stages = tree.get("stages")
    for name in ("training", "peft"):
        yield name, tree.get(name)
    for number, stage in enumerate(stages) if isinstance(stages, list | tuple) else ():
        if isinstance(stage, dict):
            yield f"stages.{number}.training", stage.get("training")


def _odd(value: Any, key: str) -> Iterator[Problem]:
    """Problems of values that no setting takes and no manifest can hold: YAML reads 2024-01-02 as a date."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if not isinstance(name, str):
                yield _problem(key, value, "text as keys", f"put {name!r} in quotes")
            else:
                yield from _odd(item, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _odd(item, f"{key}.{number}")
    elif not isinstance(value, str | int | float | None):
        yield _problem(key, value, "text, a number, true, false, null, a list or a mapping", "put it in quotes")


def _places(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Every place of a path or hub id: the mapping that holds it, its key there, its full key."""
    for key in (*MODEL_KEYS, *DATA_KEYS, *PATH_KEYS):
        yield tree, key, key
    stages = tree.get("stages")
    named = stages.items() if isinstance(stages, dict) else enumerate(stages) if isinstance(stages, list) else ()
    for name, stage in named:
        if isinstance(stage, dict):
            yield stage, "dataset", f"stages.{name}.dataset"
            yield stage, "test", f"stages.{name}.test"


def _locate(tree: dict[str, Any], folder: Path, problems: list[Problem]) -> None:
    """Makes relative paths absolute, in place, and notes the files that are not there."""
    locate_corpus(tree.get("exposure"), folder)
    for holder, key, full in _places(tree):
        value = holder.get(key)
        if not isinstance(value, str | Path):
            continue
        if not str(value):
            if key == "output_dir":
                problems.append(_problem(full, "", "a folder", "name one, or leave the key out"))
            continue
        text = str(value)
        path = folder / os.path.expanduser(text)  # Path.expanduser raises for ~nobody
        if (wrong := wrong_path(path, written=key == "output_dir")) is not None:
            problems.append(Problem(full, wrong))
            continue
        file, described, _ = text.rpartition(".json#")  # LLaMA-Factory's dataset_info.json#name
        if described and not path.exists():
            if (folder / os.path.expanduser(f"{file}.json")).is_file():
                holder[key] = str(path)
            else:
                problems.append(_problem(full, text, "a file that exists", f"no {file}.json: correct the path"))
            continue
        if key == "output_dir" or path.exists():
            holder[key] = str(path)
            if key == "output_dir" and path.exists() and not path.is_dir():
                problems.append(_problem(full, text, "a folder", "give another path: this one is a file"))
            elif key == "chat_template" and path.is_dir():
                problems.append(_problem(full, text, "a file", "name the file in it that holds the template"))
            elif path.exists() and not path.is_dir() and not path.is_file():
                problems.append(_problem(full, text, "a regular file", "write what comes out of it to a file"))
            continue
        looks_local = text.startswith(("./", "../", "/", "~")) or text.endswith(DATA_SUFFIXES)
        if looks_local or key == "chat_template":
            missing = without_keys(str(path))
            problems.append(_problem(full, text, "a file or folder that exists", f"no {missing}: correct the path"))


def wrong_path(path: Path, *, written: bool) -> str | None:
    """What is wrong with a path that no system, or no library that writes there, takes; None for one that may be.

    Args:
        path: The path.
        written: Whether a run is written there.
    """
    names = [len(os.fsencode(name)) for name in path.parts]
    if max(names) > LONGEST_NAME or len(os.fsencode(path)) > LONGEST_PATH:
        return (
            f"a path of {len(os.fsencode(path)):,} bytes, whose longest name has {max(names):,}: expected at most "
            f"{LONGEST_PATH:,} and {LONGEST_NAME}. Give a shorter one."
        )
    if "\0" in str(path) or (written and not str(path).isprintable()):
        return f"{ascii(str(path)[-80:])}: expected a path without control characters. Name another one."
    return None


def _problem(key: str, value: Any, expected: str, fix: str) -> Problem:
    return Problem(key, f"{_shown(key, value)}: expected {expected}. {fix[:1].upper()}{fix[1:]}.")


def _shown(key: str, value: Any) -> str:
    names = key.split(".")
    if names[0] in _HOLD_KEYS or any(map(is_sensitive, names)) or without_keys(str(value)) != str(value):
        return HIDDEN
    if isinstance(value, dict | list | tuple):  # may hold somebody's key further down
        return _kind(value)
    return _YAML_NAMES[value] if isinstance(value, bool | None) else _short.repr(value)


def _kind(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "text" if isinstance(value, str) else _short.repr(value)


_YAML_NAMES = {None: "null", True: "true", False: "false"}
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


_ELSEWHERE = {
    "base": "the base model is model_name_or_path here",
    "tuned": "a model trained elsewhere is named on the command line: uptake diagnose RUN.YAML --tuned FOLDER",
    "dataset": "data sets are named in stages: [{name: main, dataset: FILE}]",
}
"""Options of the command line that a run file says otherwise."""


_KNOWLEDGE: dict[str, type[Section]] = {
    "wikidata": WikidataKnowledge,
    "searxng": SearXNGKnowledge,
    "llm": LLMKnowledge,
}


def _section_at(loc: tuple[Any, ...]) -> type[Section]:
    """The section of the run file that holds the key at `loc`."""
    if loc[0] == "judge" and len(loc) > 1:
        return Judge
    if loc[0] == "knowledge_sources" and len(loc) > 2:
        return _KNOWLEDGE[loc[2]]
    own: dict[Any, type[Section]] = {"plan": Prescription, "exposure": CorpusScan, "spread": SpreadOver}
    if loc[0] in own and len(loc) > 1:
        return own[loc[0]]
    if loc[0] == "gate" and len(loc) > 1:
        return Limits if loc[1] == "sources" and len(loc) > 3 else Gate
    return Stage if loc[0] == "stages" and len(loc) > 2 else RunConfig


def _explain(error: dict[str, Any]) -> Problem:
    """One pydantic error as key, value, what was expected, and the fix."""
    loc, kind, value = error["loc"], error["type"], error["input"]
    if not loc:  # of the run file as a whole: a key that is no text
        return Problem("the run file", f"{error['msg']}.")
    name, section = str(loc[-1]), _section_at(loc)
    if loc[0] == "knowledge_sources":
        loc = (*loc[:2], *loc[3:])  # without the kind, which is no key
    key = ".".join(map(str, loc))
    if kind.startswith("union_tag"):
        close = difflib.get_close_matches(str(error["ctx"].get("tag")), _KNOWLEDGE, n=1)
        return _problem(f"{key}.kind", None, " or ".join(_KNOWLEDGE), f"did you mean {close[0]}" if close else "add it")
    field = section.model_fields.get(name)
    about = (field.description or "") if field else ""
    if kind == "extra_forbidden":
        if name == "api_key":
            return _problem(key, None, "no key in a file", "export it and give the variable's NAME as api_key_env")
        if name in _ELSEWHERE and section is RunConfig:
            return _problem(key, value, "a key of the run file", _ELSEWHERE[name])
        if (
            section is RunConfig
            and (home := elsewhere(name))
            and not difflib.get_close_matches(name, section.model_fields, n=1, cutoff=0.9)
        ):
            return Problem(key, f"expected a key of the run file. Did you mean {home}, or --{home} as an option.")
        within = [field for field in section.model_fields if name in field]  # epochs: num_train_epochs
        close = difflib.get_close_matches(name, section.model_fields, n=1) or within[:1]
        known = f"did you mean {close[0]}" if close else f"the keys are {', '.join(section.model_fields)}"
        hint = "" if section is not RunConfig or close else "; the trainer's own settings go under training"
        told = known + hint
        return Problem(key, f"expected a known key. {told[:1].upper()}{told[1:]}.")  # of what is meant nothing is known
    if kind == "missing":
        return Problem(key, f"missing. Add it: {about}")
    if kind == "value_error":
        return Problem(key, f"{_shown(key, value)}: {error['msg'].removeprefix('Value error, ')}.")
    expected = error["msg"].removeprefix("Input should be ").replace("dictionary", "mapping").replace("tuple", "list")
    fix = about.rstrip(".") or "correct the value"
    if kind == "literal_error" and isinstance(value, str) and field:
        choices = [str(choice) for part in (field.annotation, *get_args(field.annotation)) for choice in get_args(part)]
        fix = f"did you mean {close[0]}" if (close := difflib.get_close_matches(value, choices, n=1)) else fix
    if kind == "string_pattern_mismatch":
        expected = f"text that matches {error['ctx']['pattern']}"
        if name == "base_url":
            expected = "http:// or https:// and a host, without user name, `?` and `#`"
            fix = (
                f"a key belongs in an environment variable, whose NAME is given as {key.removesuffix(name)}api_key_env"
            )
    wants_parts = expected.startswith(("a valid mapping", "a valid list"))  # their text may be anything, a key too
    if wants_parts or (kind in _NO_TEXT and len(str(value)) > _NO_TEXT_LONGER):
        return Problem(key, f"{_kind(value)}: expected {expected}. {fix[:1].upper()}{fix[1:]}.")
    if kind == "string_type" and isinstance(value, bool | int | float):
        fix = "put it in quotes: YAML reads it as something else"
    return _problem(key, value, expected, fix)
