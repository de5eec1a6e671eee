"""What methods keep from stage to stage: named by content, carried on, and refused where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from uptake.artifacts import file_digest
from uptake.errors import UptakeError
from uptake.models.training.memory import INDEX, Memory

TABLE = pa.table({"id": ["a", "b"], "tokens": [[1, 2], [3]]})
TENSORS = {"b": torch.arange(3.0), "a": torch.zeros(2, 2, dtype=torch.int64)}


def kept(folder: Path) -> Memory:
    memory = Memory.read(None)
    memory.of("replay").keep("0", TABLE)
    memory.of("ema").keep("mean", TENSORS)
    memory.write(folder)
    return Memory.read(folder)


def test_what_is_kept_is_found_under_the_methods_own_name(tmp_path: Path):
    memory = kept(tmp_path / "memory")
    assert memory.of("replay").table("0") == TABLE
    found = memory.of("ema").tensors("mean")
    assert found is not None and all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)
    assert memory.of("replay").table("1") is None and memory.of("ema").table("0") is None
    assert memory.of("replay").tensors("0") is None  # a table is no tensors
    for name, file in json.loads((tmp_path / "memory" / INDEX).read_text()).items():
        assert name in ("replay.0", "ema.mean") and file_digest(tmp_path / "memory" / file) == Path(file).stem


def test_its_digest_is_that_of_the_content(tmp_path: Path):
    one, two = kept(tmp_path / "one"), kept(tmp_path / "two")
    assert one.digest == two.digest is not None
    two.of("replay").keep("0", TABLE.slice(1))
    two.write(tmp_path / "three")
    assert Memory.read(tmp_path / "three").digest != one.digest
    assert Memory().digest is None


def test_the_next_stage_has_what_was_kept_before_as_links(tmp_path: Path):
    memory = kept(tmp_path / "one")
    memory.of("replay").keep("1", TABLE.slice(1))
    memory.of("ema").keep("mean", {"a": torch.ones(1)})
    memory.write(tmp_path / "two")
    again = Memory.read(tmp_path / "two")
    assert again.of("replay").table("0") == TABLE and again.of("replay").table("1") == TABLE.slice(1)
    mean = again.of("ema").tensors("mean")
    assert mean is not None and mean.keys() == {"a"}
    file = memory.files["replay.0"]
    assert (tmp_path / "one" / file).stat().st_ino == (tmp_path / "two" / file).stat().st_ino
    assert memory.files["ema.mean"] not in {path.name for path in (tmp_path / "two").iterdir()}  # it was replaced


def test_where_there_are_no_links_the_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def none(*_: object) -> None:
        raise OSError("no links here")

    memory = kept(tmp_path / "one")
    monkeypatch.setattr("os.link", none)
    memory.write(tmp_path / "two")
    assert Memory.read(tmp_path / "two").digest == memory.digest
    file = memory.files["replay.0"]
    assert (tmp_path / "one" / file).stat().st_ino != (tmp_path / "two" / file).stat().st_ino


def test_nothing_is_written_where_there_is_nothing_to_keep(tmp_path: Path):
    Memory().write(tmp_path / "memory")
    assert not (tmp_path / "memory").exists()
    assert Memory.read(tmp_path / "memory").digest is None


@pytest.mark.parametrize("how", ["cut off", "missing", "other", "elsewhere", "index", "no JSON"])
def test_what_is_not_as_it_was_written_is_refused(how: str, tmp_path: Path):
    folder = tmp_path / "train" / "early" / "memory"
    file = folder / kept(folder).files["replay.0"]
    if how == "cut off":
        file.write_bytes(file.read_bytes()[:-1])
    elif how == "missing":
        file.unlink()
    elif how == "other":
        file.write_bytes(b"something else")
    elif how == "no JSON":
        (folder / INDEX).write_text((folder / INDEX).read_text()[:-4])
    else:
        index = ["no", "mapping"] if how == "index" else {"replay.0": f"../{file.name}"}
        file.rename(folder.parent / file.name)
        (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(UptakeError, match=r"the memory in .* cannot be used") as told:
        Memory.read(folder)
    assert told.value.fix is not None and str(folder.parent) in told.value.fix and "trains these" in told.value.fix
