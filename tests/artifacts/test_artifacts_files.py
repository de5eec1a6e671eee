"""Files between the steps: whole or absent, one key a folder of parts, one process a folder."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pyarrow as pa
import pytest

from uptake.artifacts import (
    Busy,
    chunks,
    digest,
    empty,
    file_digest,
    finite,
    joined,
    locked,
    open_parts,
    read_json,
    versions,
    write_bytes,
    write_json,
    write_table,
)
from uptake.artifacts.checked_tables import TableSchema
from uptake.errors import UptakeError

NUMBERS = TableSchema(pa.schema([("n", pa.int32())]))


def no_space(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_crash_before_the_rename_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_bytes(path, b"old")
    code = (
        "import os, signal, sys, pathlib\n"
        "from uptake.artifacts import write_bytes\n"
        "pathlib.Path.replace = lambda *args: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_bytes(pathlib.Path(sys.argv[1]), b'new')\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)])
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    write_bytes(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "a.json", "old")
    table = pa.table({"n": pa.array([1], pa.int32())})
    write_table(tmp_path / "t.parquet", table)
    before = file_digest(tmp_path / "t.parquet")
    monkeypatch.setattr(os, "fsync", no_space)
    for write in (
        lambda: write_json(tmp_path / "a.json", "new"),
        lambda: write_table(tmp_path / "t.parquet", table.slice(0, 0)),
    ):
        with pytest.raises(UptakeError, match="No space left on device") as caught:
            write()
        assert "the same command goes on there" in str(caught.value)
    assert read_json(tmp_path / "a.json") == "old"
    assert file_digest(tmp_path / "t.parquet") == before
    # what was half written is removed: it would take up the room that is missing
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "t.parquet"]


def test_a_disk_that_is_full_while_parquet_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # /dev/full answers every write with ENOSPC (man 4 full)
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")

    def full(path: Path) -> IO[bytes]:
        path.symlink_to("/dev/full")
        return path.open("wb")

    monkeypatch.setattr("uptake.artifacts.files.created", full)
    with pytest.raises(UptakeError, match="No space left"):
        write_table(tmp_path / "t.parquet", pa.table({"n": list(range(100_000))}))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UptakeError, match="cannot write .*file/a.json"):
        write_json(tmp_path / "file" / "a.json", 1)
    with pytest.raises(UptakeError, match="cannot write .*file"), locked(tmp_path / "file"):
        pass


def test_json_has_no_nan(tmp_path: Path) -> None:
    # RFC 8259, section 6: "Numeric values that cannot be represented in the grammar (such as Infinity and NaN) are not
    # permitted"
    value = {"a": float("-inf"), "b": [float("nan"), 1.5, (float("inf"), "NaN", True, None)]}
    assert finite(value) == {"a": None, "b": [None, 1.5, [None, "NaN", True, None]]}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {"a": None, "b": [None, 1.5, [None, "NaN", True, None]]}


def test_json_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    for name in ("broken.json", "missing.json"):
        with pytest.raises(UptakeError, match=f"cannot read .*{name}"):
            read_json(tmp_path / name)


def test_parts_belong_to_one_key(tmp_path: Path) -> None:
    parts = open_parts(tmp_path / "p", "one", NUMBERS)
    parts.write(0, [{"n": 1}, {"n": 2}])
    parts.write(1, [{"n": 3}])
    parts.write(3, [{"n": 4}])
    assert list(parts.numbers()) == [0, 1]
    assert parts.read(1) == [{"n": 3}]
    assert [parts.length(number) for number in parts.numbers()] == [2, 1]
    assert list(open_parts(tmp_path / "p", "one", NUMBERS).numbers()) == [0, 1]
    other = open_parts(tmp_path / "p", "two", NUMBERS)
    assert not any(other.has(number) for number in range(4))


def test_parts_whose_emptying_was_cut_short_are_not_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_parts(tmp_path / "p", "one", NUMBERS).write(0, [{"n": 1}])
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", no_space)
        with pytest.raises(UptakeError):
            open_parts(tmp_path / "p", "two", NUMBERS)
    assert not open_parts(tmp_path / "p", "one", NUMBERS).has(0)
    empty(tmp_path / "p")
    empty(tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_digests_tell_contents_apart(tmp_path: Path) -> None:
    values = [("a", "b"), ("ab",), ("a", ["b"]), ("a", None), ("a", "None"), (1,), ("1",), ("\ud800",)]
    assert len({digest(*value) for value in values}) == len(values)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    (tmp_path / "a").write_bytes(b"abc")
    # python -c "import hashlib; print(hashlib.blake2b(b'abc', digest_size=16).hexdigest())"
    assert file_digest(tmp_path / "a") == "cf4ab791c62b8d2b2109c90275287816"


def test_chunks_keep_the_order() -> None:
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []


def test_versions_of_what_is_not_installed_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uptake.artifacts.files.VERSIONED", ("pyarrow", "no-such-package"))
    assert versions() == {"pyarrow": pa.__version__, "no-such-package": None}


HOLD = """
import sys, time, pathlib
from uptake.artifacts import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_for_one_process_and_free_again_when_it_is_killed(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UptakeError, match="another process is at work") as caught, locked(tmp_path):
            pass
        assert "--output_dir" in str(caught.value)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with locked(tmp_path):
            pass


def test_those_at_the_same_work_share_a_folder_and_others_stay_out(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with joined(tmp_path, "one"), joined(tmp_path, "one"):
        for _ in range(2):
            with pytest.raises(Busy, match="at other work") as caught, joined(tmp_path, "another"):
                pass
        assert "CUDA_VISIBLE_DEVICES" in str(caught.value)
        with joined(tmp_path, "one"):  # who was refused has changed nothing
            pass
    with joined(tmp_path, "another"), pytest.raises(Busy), joined(tmp_path, "one"):
        pass


def test_without_locks_nothing_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with locked(tmp_path), locked(tmp_path):
        assert (tmp_path / ".lock").exists()


def test_a_damaged_part_is_told_and_a_damaged_key_is_another_key(tmp_path: Path) -> None:
    parts = open_parts(tmp_path / "parts", "key", NUMBERS)
    parts.write(0, [{"n": 1}])
    whole = parts.path(0).read_bytes()
    parts.path(0).write_bytes(whole[: len(whole) // 2])
    for read in (parts.read, parts.length):
        with pytest.raises(UptakeError, match="part-00000.parquet is damaged") as refused:
            read(0)
        assert refused.value.fix is not None and refused.value.fix.startswith(f"delete {tmp_path / 'parts'} and")
    for content in (b"", b"{", b"\xff"):
        (tmp_path / "parts" / "key.json").write_bytes(content)
        assert list(open_parts(tmp_path / "parts", "key", NUMBERS).numbers()) == []
