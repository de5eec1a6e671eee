"""The house rules that no linter knows: what is public, what an import costs, how long things are, what README says."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import uptake

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "uptake"
FILES = sorted(PACKAGE.rglob("*.py"))

READS_THE_RUN_FILE = "pipeline/run_file.py"
"""Beside the `run.py` of each step, what may take a run file; everything else takes the records that it needs."""


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def functions(path: Path) -> Iterator[FunctionNode]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, FunctionNode):
            yield node


def code_lines(function: FunctionNode) -> int:
    """Lines from `def` to the end, without the docstring: what is explained well is not long."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None and first.end_lineno is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def parameters(function: FunctionNode) -> int:
    given = function.args
    names = [arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    extra = [arg for arg in (given.vararg, given.kwarg) if arg is not None]
    return len([arg for arg in names if arg not in ("self", "cls")]) + len(extra)


def takes_run_file(source: str) -> list[str]:
    """What is annotated as a run file in a source: parameters, and fields of records, each by name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            if "RunConfig" in ast.unparse(node.annotation):
                found.append(node.arg if isinstance(node, ast.arg) else ast.unparse(node.target))
    return found


def readme_tree(text: str) -> dict[str, set[str]]:
    """The entries of README's tree below `src/uptake/`: for each folder ("" is the package) the names listed in it."""
    lines = [line.translate(str.maketrans("│├└─", "    ")) for line in text.splitlines()]
    start = next((number for number, line in enumerate(lines) if line.strip().startswith("src/uptake/")), None)
    if start is None:
        return {}
    entries: dict[str, set[str]] = {"": set()}
    path: list[tuple[int, str]] = [(len(lines[start]) - len(lines[start].lstrip()), "")]
    for line in lines[start + 1 :]:
        indent = len(line) - len(line.lstrip())
        if not line.strip() or line.strip().startswith("```") or indent <= path[0][0]:
            break
        while indent <= path[-1][0]:
            path.pop()
        entry, parent = line.split()[0], path[-1][1]
        entries.setdefault(parent, set()).add(entry.rstrip("/"))
        if entry.endswith("/"):
            path.append((indent, f"{parent}{entry}"))
    return entries


def test_public_names_are_few_and_documented() -> None:
    assert len(uptake.__all__) <= 15
    assert sorted(uptake.__all__) == sorted(uptake.PUBLIC)
    assert set(uptake.__all__) <= set(dir(uptake))
    undocumented = [public for public in uptake.__all__ if not (getattr(uptake, public).__doc__ or "").strip()]
    assert undocumented == []


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nope'; it has .*UptakeError"):
        uptake.nope  # noqa: B018


def test_importing_uptake_imports_nothing_heavy() -> None:
    code = "import sys, uptake; print([m for m in ('torch', 'transformers', 'numpy', 'pyarrow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    long = {function.name: code_lines(function) for function in functions(path) if code_lines(function) > 60}
    assert long == {}
    if "cli" not in path.relative_to(PACKAGE).parts:  # a verb has as many parameters as it has options
        wide = {function.name: parameters(function) for function in functions(path) if parameters(function) > 7}
        assert wide == {}


def test_only_the_steps_themselves_take_a_run_file() -> None:
    taking = {}
    for path in sorted((PACKAGE / "pipeline").rglob("*.py")):
        step = path.name == "run.py" and path.parent.parent.name == "pipeline"
        if not step and path.relative_to(PACKAGE).as_posix() != READS_THE_RUN_FILE:
            taking[path.relative_to(PACKAGE).as_posix()] = takes_run_file(path.read_text(encoding="utf-8"))
    assert {name for name, found in taking.items() if found} == set()


def test_few_functions_take_a_run_file() -> None:
    taking = []
    for path in FILES:
        for function in functions(path):
            given = function.args
            annotations = [arg.annotation for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            if any(one is not None and "RunConfig" in ast.unparse(one) for one in annotations):
                taking.append(f"{name(path)} {function.name}")
    assert len(taking) <= 23, taking


@pytest.mark.parametrize(
    "source",
    [
        "def f(config: RunConfig): ...",
        "def f(*, config: RunConfig | None = None): ...",
        "async def f(config: 'RunConfig'): ...",
        "class A:\n    def f(self, config: schema.RunConfig): ...",
        "@dataclass\nclass A:\n    config: RunConfig",
    ],
)
def test_a_run_file_is_seen_wherever_it_is_taken(source: str) -> None:
    assert takes_run_file(source) == ["config"]
    assert takes_run_file("from uptake.config import RunConfig\ndef f(config: Stage) -> RunConfig: ...") == []


def test_a_class_name_means_one_thing() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                where[node.name].append(name(path))
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def named_evidence(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=name)):
            return name == "evidence"
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=name), *_]):
            return name == "evidence"
        case ast.BoolOp(values=[first, *_]):
            return named_evidence(first)
    return False


def read_by_key(code: str) -> list[int]:
    """Lines in which something that is called evidence is read by a string."""
    found = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Subscript(value=read, slice=ast.Constant(value=str())):
                pass
            case ast.Call(func=ast.Attribute(value=read, attr="get" | "pop"), args=[ast.Constant(value=str()), *_]):
                pass
            case ast.Compare(left=ast.Constant(value=str()), ops=[ast.In() | ast.NotIn()], comparators=[read]):
                pass
            case _:
                continue
        if named_evidence(read):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "path", [path for path in FILES if name(path).split("/")[0] not in ("artifacts", "report")], ids=name
)
def test_evidence_is_a_record_and_read_by_its_fields(path: Path) -> None:
    # its keys are those of a file: where files are written and read they are known, and nowhere else
    assert read_by_key(path.read_text(encoding="utf-8")) == []


def test_a_reading_of_evidence_by_key_is_seen() -> None:
    bad = (
        'evidence["logprob"]',
        'one.evidence.get("causes", {})',
        '(one.evidence or {})["causes"]',
        '"signals" in finding.evidence',
        'row["evidence"]["signals"]',
        'row.get("evidence").get("signals")',
    )
    for code in bad:
        assert read_by_key(code), code
    for code in ("evidence.logprob", 'evidence.causes["forgetting"]', 'row["evidence"]', "told[evidence]"):
        assert read_by_key(code) == [], code


def test_the_tree_in_the_readme_is_the_architecture() -> None:
    readme = ROOT / "README.md"
    tree = readme_tree(readme.read_text(encoding="utf-8")) if readme.is_file() else {}
    if not tree:
        pytest.skip("README.md has no tree of src/uptake/ yet")
    missing = [f"{folder}{entry}" for folder, names in tree.items() for entry in names]
    missing = [entry for entry in missing if not (PACKAGE / entry).exists()]
    assert missing == []
    there = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or list(path.glob("*.py"))}
    assert there - {"__init__.py", "__main__.py"} <= tree[""]


def test_the_tree_is_read_as_it_is_written() -> None:
    # a tree in the style of DESIGN, and in that of the command `tree`
    plain = "    src/uptake/\n      types.py  records\n      data/     formats\n        load.py\n      score.py\n\nend"
    drawn = "```\nsrc/uptake/\n├── types.py   records\n├── data/\n│   └── load.py\n└── score.py\n```\n"
    expected = {"": {"types.py", "data", "score.py"}, "data/": {"load.py"}}
    assert readme_tree(plain) == readme_tree(drawn) == expected
