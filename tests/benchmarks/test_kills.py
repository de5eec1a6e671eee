"""What the benchmark of kills calls a find, from files made by hand, and a program that does not go on."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# the children do nothing that needs a thread of this process
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "kills.py"
    spec = importlib.util.spec_from_file_location("bench_kills", path)
    assert spec is not None and spec.loader is not None
    before = dict(os.environ)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_kills"] = module
    spec.loader.exec_module(module)
    os.environ.clear()
    os.environ.update(before)
    return module


def test_what_is_otherwise_is_a_find_but_for_times(bench: ModuleType) -> None:
    files = {"a.json": b'{"n": 1, "seconds": 0.5}', "b.parquet": b"PAR1", "c.txt": b"x"}
    known = bench.Whole(files, {"a.json": b'{"n": 1, "seconds": 0.7}'}, 1.0, 9)
    assert list(bench.differences(known, files)) == []
    assert list(bench.differences(known, files | {"a.json": b'{"n": 1, "seconds": 0.6}'})) == []
    assert list(bench.differences(known, files | {"a.json": b'{"n": 2, "seconds": 0.5}'})) == [("differs", "a.json")]
    assert list(bench.differences(known, files | {"a.json": b'{"n": 1}'})) == [("differs", "a.json")]
    found = {"b.parquet": b"PAR2", "c.txt": b"x", ".tmp": b""}
    assert list(bench.differences(known, found)) == [("left", ".tmp"), ("missing", "a.json"), ("differs", "b.parquet")]


def anew(path: Path) -> None:
    path.write_text(path.name)


def twice(path: Path) -> None:
    with path.open("a") as file:
        file.write(path.name)


def once(path: Path) -> None:
    with path.open("x") as file:
        file.write(path.name)


@pytest.mark.parametrize(("write", "finds"), [(anew, []), (twice, ["differs"] * 2), (once, ["refused"])])
def test_a_verb_that_does_not_go_on_is_found(
    bench: ModuleType, write: Callable[[Path], None], finds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(arguments: list[str]) -> None:
        folder = Path(arguments[0])
        folder.mkdir(exist_ok=True)
        try:
            for name in "abc":
                write(folder / name)
        except OSError:
            raise SystemExit(1) from None
        raise SystemExit(0)

    def child(*given: Any) -> None:
        sys.modules["uptake.cli"] = ModuleType("uptake.cli")
        sys.modules["uptake.cli"].main = main  # type: ignore[attr-defined]
        real(*given)

    real = bench._child
    monkeypatch.setattr(bench, "_child", child)
    monkeypatch.setattr(bench, "_small", lambda: None)
    verb = bench.Verb("writes", ("{}/out",), 1.0)
    before, folder = tmp_path / "before", tmp_path / "at" / "work"
    before.mkdir()
    folder.parent.mkdir()
    known = bench.whole(verb, before, folder, tmp_path / "after")
    assert (known.changes, sorted(known.files), known.times) == (4, ["out/a", "out/b", "out/c"], {})
    found = bench.trial(verb, known, before, folder, [bench.Moment(change=4)], tally := bench.Tally())
    assert tally.by_change == 1 and [kind for kind, _ in found] == finds


def test_a_child_is_killed_at_a_moment_of_its_processor_time(bench: ModuleType) -> None:
    pid = os.fork()
    if pid == 0:
        while True:
            pass
    bench._kill(pid, bench.Moment(seconds=0.05))
    _, status, used = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert 0.05 <= used.ru_utime + used.ru_stime < 2
