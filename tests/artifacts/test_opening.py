from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import uptake
from uptake.artifacts import created, joined, kept, locked, refuse_links, write_bytes, write_json, write_table
from uptake.errors import UptakeError

WRITERS: dict[str, Callable[[Path], None]] = {
    "bytes": lambda path: write_bytes(path, b"new"),
    "json": lambda path: write_json(path, {"new": 1}),
    "table": lambda path: write_table(path, pa.table({"new": [1]})),
}


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("theirs")
    return path


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", ["a.file", ".a.file.partial"])
@pytest.mark.parametrize("link", ["symbolic", "hard", "dangling"])
def test_a_link_in_the_place_of_a_file_is_replaced(
    kind: str, name: str, link: str, victim: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    before = victim.read_bytes()
    if link == "hard":
        os.link(victim, run / name)
    else:
        (run / name).symlink_to(victim if link == "symbolic" else tmp_path / "made")
    WRITERS[kind](run / "a.file")
    assert victim.read_bytes() == before
    assert not (tmp_path / "made").exists()
    assert [path.name for path in run.iterdir()] == ["a.file"]
    assert not (run / "a.file").is_symlink() and b"new" in (run / "a.file").read_bytes()


def test_two_processes_that_make_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the other one makes the file between our unlink and our open
    unlink, times = Path.unlink, iter(range(2))

    def raced(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok=missing_ok)
        if next(times, None) is not None:
            path.write_bytes(b"theirs")

    monkeypatch.setattr(Path, "unlink", raced)
    with created(tmp_path / "a") as file:
        file.write(b"ours")
    assert (tmp_path / "a").read_bytes() == b"ours"


@pytest.mark.parametrize("mode", ["ab", "a+b", "r+b"])
def test_what_is_appended_to_is_no_link(mode: str, victim: Path, tmp_path: Path) -> None:
    with kept(tmp_path / "own", mode) as file:
        file.write(b"one")
    with kept(tmp_path / "own") as file:
        file.write(b"two")
    assert (tmp_path / "own").read_bytes() == b"onetwo"
    for name, leads_to in (("link", victim), ("dangling", tmp_path / "made")):
        (tmp_path / name).symlink_to(leads_to)
        with pytest.raises(OSError, match="symbolic link"):
            kept(tmp_path / name, mode)
    assert victim.read_text() == "theirs" and not (tmp_path / "made").exists()


def test_locks_are_no_links(victim: Path, tmp_path: Path) -> None:
    for name in (".lock", ".work", ".door"):
        (tmp_path / name).symlink_to(victim)
    with pytest.raises(UptakeError, match="symbolic link"), locked(tmp_path):
        pass
    with pytest.raises(UptakeError, match="symbolic link"), joined(tmp_path, "some work"):
        pass
    assert victim.read_text() == "theirs"


@pytest.mark.parametrize(
    "name",
    ["diagnosis", "diagnosis/work", "diagnosis/work/base/train", "train", "train/.main.work", "ledger/main", ".plan"],
)
def test_a_link_in_the_place_of_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    run, theirs = tmp_path / "run", tmp_path / "theirs"
    theirs.mkdir()
    (run / name).parent.mkdir(parents=True)
    (run / name).symlink_to(theirs)
    with pytest.raises(UptakeError, match=f"{name} is a symbolic link"):
        refuse_links(run)


def test_files_that_a_trainer_writes_are_no_links(victim: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "train" / ".main.work" / "checkpoints" / "checkpoint-3"
    checkpoint.mkdir(parents=True)
    (checkpoint / "optimizer.pt").symlink_to(victim)
    with pytest.raises(UptakeError, match=r"optimizer\.pt is a symbolic link"):
        refuse_links(tmp_path)


def test_links_of_the_user_that_are_followed(tmp_path: Path) -> None:
    # the whole run on another disk; a trained model that lies elsewhere; folders that uptake does not write
    disk = tmp_path / "disk"
    for name in ("models/main", "run/train", "mine"):
        (disk / name).mkdir(parents=True)
    (disk / "run" / "train" / "main").symlink_to(disk / "models" / "main")
    (disk / "run" / "data").symlink_to(disk / "mine")
    (tmp_path / "run").symlink_to(disk / "run")
    refuse_links(tmp_path / "run")
    write_bytes(tmp_path / "run" / "a", b"1")
    assert (disk / "run" / "a").read_bytes() == b"1"


def test_a_system_without_o_nofollow(victim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uptake.artifacts.opening._HERE", 0)  # Windows has none
    (tmp_path / "a").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        kept(tmp_path / "a")
    created(tmp_path / "a").close()
    assert victim.read_text() == "theirs"


WRITES = re.compile(
    r"""\.write_(bytes|text)\(|\bopen\([^)]*["'][wax]b?\+?["']|\.(touch|symlink_to)\(|copyfile\(|copytree\("""
)
ELSEWHERE = {
    "cli/out.py": "what an option names: /dev/stdout is a link",
    "lab/base.py": "into a new folder",
    "models/training/memory.py": "what lay there is removed first",
    "models/training/policy.py": "into a new folder",
    "pipeline/leaderboard/work.py": "into a new folder",
    "prescribe/files.py": "into a new folder",
}


def test_files_are_written_by_the_functions_that_follow_no_link() -> None:
    source = Path(uptake.__file__).parent
    found = set()
    for path in sorted(source.rglob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if WRITES.search(line) and "beside" not in line:  # `beside` comes from `replacing`
                found.add(path.relative_to(source).as_posix())
    assert found == set(ELSEWHERE)
