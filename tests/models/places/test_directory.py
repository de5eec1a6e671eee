"""What is beside a directory while it is made, and what killed processes left there."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from uptake.errors import UptakeError
from uptake.models.places.directory import new_directory


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_goes(tmp_path: Path, gone: int) -> None:
    others = [f".a.{os.getppid()}.part", f".ab.{gone}.part", f".a.{gone}.parts", ".a.b.part", f".a.{gone}.{gone}.part"]
    for name in (f".a.{gone}.part", *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("x")
    (tmp_path / f".a.0{gone}.part").symlink_to(tmp_path / others[0])
    with new_directory(tmp_path / "a") as folder:
        (folder / "whole").write_text("x")
    assert {path.name for path in tmp_path.iterdir()} == {"a", f".a.0{gone}.part", *others}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["whole"]
    assert all((tmp_path / name / "half").is_file() for name in others)


def test_what_somebody_is_at_work_on_stays(tmp_path: Path, gone: int) -> None:
    """A process of another machine, on the same disk: its number says nothing here."""
    held = tmp_path / f".a.{gone}.part"
    held.mkdir()
    descriptor = os.open(held, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with new_directory(tmp_path / "a"):
        pass
    assert held.is_dir()
    os.close(descriptor)
    with new_directory(tmp_path / "a2"):
        pass
    assert held.is_dir()  # of another directory
    (tmp_path / "a").rmdir()
    with new_directory(tmp_path / "a") as folder:
        inside = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(inside, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(inside)
    assert not held.exists()


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UptakeError, match="exists already"), new_directory(tmp_path / "a"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
