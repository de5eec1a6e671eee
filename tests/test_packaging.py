"""What pyproject.toml declares is what is imported, and the files that are built from it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from lowest import lowest

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, GROUPS = PYPROJECT["project"], PYPROJECT["dependency-groups"]
EXTRAS = PROJECT["optional-dependencies"]

OTHERWISE = {"markdown_it": "markdown-it-py", "ruamel": "ruamel.yaml", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Packages whose name is not that of the module."""
UNSEEN = {"accelerate", "beartype", "pandas", "peft", "pytest-cov", "pytest-xdist"}
"""Declared and hardly imported: what others of them need, pytest's plugins, and what checks types while tests run."""

OF_USERS = {"mlflow", "pandas", "trackio", "wandb"}
"""Trackers, which whoever names them in `report_to` has: transformers asks for them, too; pandas is for MLflow."""


def name(requirement: str) -> str:
    return re.split(r"[\s\[<>=!;~]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def declared(requirements: Iterable[object]) -> set[str]:
    return {name(each) for each in requirements if isinstance(each, str)} - {"uptake"}


CORE, EXTRA = declared(PROJECT["dependencies"]), declared(one for some in EXTRAS.values() for one in some)
GROUP = declared(one for some in GROUPS.values() for one in some)


def imports(path: Path) -> Iterator[str]:
    """The packages that a file imports, but for those that only its annotations name."""

    def walk(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "importorskip"
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)
        for child in ast.iter_child_nodes(node):
            yield from walk(child)

    for module in walk(ast.parse(path.read_text(encoding="utf-8"))):
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "uptake":
            yield OTHERWISE.get(top, top.lower().replace("_", "-"))


def imported(*folders: str) -> dict[str, str]:
    """Every package that the files of these folders import, and one of the files; not their own modules."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    own = {path.stem.lower().replace("_", "-") for path in files if "src" not in folders}
    found = {package: str(path.relative_to(ROOT)) for path in files for package in imports(path)}
    return {package: path for package, path in found.items() if package not in own}


def test_every_import_of_the_package_is_declared() -> None:
    assert {package: path for package, path in imported("src").items() if package not in CORE | EXTRA | OF_USERS} == {}


def test_every_import_of_tests_and_benchmarks_is_declared() -> None:
    known = CORE | EXTRA | GROUP | OF_USERS
    found = imported("tests", "benchmarks", "docs")
    assert {package: path for package, path in found.items() if package not in known} == {}


def test_nothing_is_declared_that_is_not_imported() -> None:
    assert (CORE | EXTRA) - imported("src").keys() - UNSEEN == set()
    tools = declared([*GROUPS["docs"], *GROUPS["dev"]])
    assert declared(GROUPS["test"]) - imported("tests", "benchmarks", "docs").keys() - UNSEEN - tools == set()


def test_the_core_needs_no_torch() -> None:
    assert "torch" not in CORE | declared([*EXTRAS["llm"], *EXTRAS["corpus"]])
    assert {name(one) for one in EXTRAS["all"]} == {"uptake"}
    apart = ("ray", "vllm", "all")  # Ray is large, and vLLM pins torch
    assert EXTRAS["all"] == [f"uptake[{','.join(extra for extra in EXTRAS if extra not in apart)}]"]


def test_the_command_line_says_which_extra_a_package_comes_with() -> None:
    from uptake.cli import EXTRAS as SAID

    said = {extra: declared(packages) for extra, packages in SAID.items()}
    assert said == {extra: declared(needed) for extra, needed in EXTRAS.items() if extra != "all"}


def test_versions_that_are_installed_are_allowed() -> None:
    pinned = dict(line.lower().replace("_", "-").split("==") for line in (ROOT / "constraints.txt").read_text().split())
    assert (CORE | EXTRA | GROUP) - pinned.keys() == set()


def test_the_lowest_versions_are_the_floors() -> None:
    given = ["a-b>=1.2,<3", "c[x]>=4.0.1", "torch>=2.5", "uptake[train]", "d==5"]
    assert list(lowest(given)) == ["a-b==1.2", "c==4.0.1"]
