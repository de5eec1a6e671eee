import errno
import os
from pathlib import Path

import pytest

from uptake.artifacts import Spool
from uptake.errors import UptakeError


def test_texts_come_back_in_any_order_and_leave_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    spool = Spool(folder)
    texts = ["", "a\nb", "東京 👩\u200d🔬", "x" * 100_000, "end"]
    for text in texts:
        spool.append(text)
    order = (3, 0, 4, 2, 1, 3)
    assert [spool[position] for position in order] == [texts[position] for position in order]
    spool[1] = "longer than it was before"
    spool.append("after that")
    assert [spool[position] for position in range(len(spool))] == [
        "", "longer than it was before", *texts[2:], "after that"
    ]  # fmt: skip
    assert list(folder.iterdir()) == []
    spool.close()
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")  # answers every write with ENOSPC (man 4 full)
    if not full.exists():
        pytest.skip("needs /dev/full")
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full.open("r+b", buffering=0))
    spool = Spool(tmp_path)
    with pytest.raises(UptakeError, match="No space left on device\n.*the same command goes on there"):
        spool.append("text")
    spool.close()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(UptakeError, match=f"cannot write {tmp_path}: Permission denied"):
        Spool(tmp_path)
