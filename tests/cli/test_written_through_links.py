"""No verb writes through a link that lies in the output folder under a name that it writes.

What a verb writes is learned from a first run: the files that it leaves, and those that Python opened to write while it
ran (`sys.audit`). Then the folder is put back, a link to another file is laid under each of these names, and the verb
is run again: it may refuse, and the other files must be as they were.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from small_models import write_rows
from train_runs import CITIES, EARLY, MAIN, write_run
from uptake.artifacts import refuse_links
from uptake.cli import main
from uptake.config import RunConfig
from uptake.errors import UptakeError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:resource_tracker:UserWarning"),
]

THEIRS = b"not uptake's\n"
RERUNS = 60


@dataclass
class Opened:
    """The files below a folder that are opened to be written, as long as there is one."""

    folder: Path | None = None
    names: set[str] = field(default_factory=set)

    def hear(self, event: str, args: tuple[object, ...]) -> None:
        if self.folder is None or event != "open" or not isinstance(args[0], str | bytes | os.PathLike):
            return
        path, flags = os.path.abspath(os.fsdecode(args[0])), args[2]
        if os.path.isdir(path):  # a file without a name is opened by that of its folder
            return
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR) and path.startswith(f"{self.folder}{os.sep}"):
            self.names.add(os.path.relpath(path, self.folder))


OPENED = Opened()
sys.addaudithook(OPENED.hear)  # it cannot be taken away again; without a folder it does nothing


@dataclass(frozen=True)
class Verb:
    """A verb on a run: its arguments, and its output folder."""

    args: tuple[str, ...]
    folder: Path

    def run(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
        with pytest.raises(SystemExit) as leave:
            main(list(self.args))
        code = int(leave.value.code or 0)
        judged = self.args[0] == "cure" and code == 2  # a cure that is not worth it is done all the same
        return 0 if judged else code, capsys.readouterr().err


def written(verb: Verb, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The names that a verb writes, those that it makes beside them and renames among them; it is run for that."""
    before = {name: (verb.folder / name).stat().st_mtime_ns for name in names_in(verb.folder)}
    OPENED.folder, OPENED.names = verb.folder.resolve(), set()
    try:
        code, err = verb.run(capsys)
    finally:
        OPENED.folder = None
    assert code == 0, err
    left = {name for name in names_in(verb.folder) if (verb.folder / name).stat().st_mtime_ns != before.get(name)}
    found = {*left, *OPENED.names}
    return sorted({*found, *(str(Path(one).with_name(f".{Path(one).name}.partial")) for one in left)})


def names_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def check(verb: Verb, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> int:
    """Lay the links, and run the verb until it is through; the number of links. What the first run did is left."""
    kept, done, victims = (tmp_path / name for name in ("as-it-was", "done", "victims"))
    shutil.copytree(verb.folder, kept) if verb.folder.exists() else kept.mkdir()
    names = written(verb, capsys)
    shutil.copytree(verb.folder, done)
    victims.mkdir()
    put_back(kept, verb.folder)
    laid = list(lay(verb.folder, names, victims))
    for _ in range(RERUNS):
        code, err = verb.run(capsys)
        assert all(one.read_bytes() == THEIRS for one in victims.iterdir()), err
        if code == 0:
            break
        assert "bug in uptake" not in err
        blamed = [
            path for path in laid if path.is_symlink() and any(told(one, err) for one in above(path, verb.folder))
        ]
        assert blamed, err
        for path in blamed:
            path.unlink()
            for one in above(path, verb.folder)[1:]:  # a stage's empty folder is a trained stage without its files
                if not os.listdir(one):
                    one.rmdir()
    assert code == 0, err
    links_to_folders(verb, names, kept, capsys)
    put_back(done, verb.folder)
    return len(laid)


def lay(folder: Path, names: list[str], victims: Path) -> Iterator[Path]:
    """Links under the names, each to a file of its own; not where the verb reads what lies there."""
    for number, path in enumerate(folder / name for name in names):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            (victims / str(number)).write_bytes(THEIRS)
            path.symlink_to(victims / str(number))
            yield path


def told(path: Path, err: str) -> bool:
    """Whether an error tells of a path, or of one in a training's folder, of which one file is told for all."""
    [*_, work] = [one for one in (path, *path.parents) if one.name.startswith(".") and one.name.endswith(".work")] or [
        path
    ]
    return re.search(rf"{re.escape(str(path))}(?![\w./-])", err) is not None or (work != path and f"{work}/" in err)


def links_to_folders(verb: Verb, names: list[str], kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each folder that the verb makes, as a link: all are refused in the same way, so that the verb is run for one."""
    theirs, run = kept.with_name("theirs"), False
    theirs.mkdir()
    for folder in sorted({one for name in names for one in above(verb.folder / name, verb.folder)[1:]}):
        put_back(kept, verb.folder)
        replaced = folder.name in (".plan.partial", ".plan.old") or ".plan.partial" in folder.parts
        trained = folder.parent.name == "train" and not folder.name.startswith(".")
        if folder.exists() or replaced or trained:
            continue
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(theirs)
        with pytest.raises(UptakeError, match="symbolic link"):
            refuse_links(verb.folder)
        if not run:
            code, err = verb.run(capsys)
            assert code == 1 and "symbolic link" in err
            run = True
        assert os.listdir(theirs) == [], folder


def above(path: Path, folder: Path) -> list[Path]:
    """A path and the folders that hold it, below a folder, from the inside out."""
    return [path, *(one for one in path.parents if one != folder and one.is_relative_to(folder))]


def put_back(kept: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)


@pytest.fixture
def run(trainable: Path, tmp_path: Path) -> Path:
    keys = {
        "general": "./general.jsonl",
        "retention": "./retention.jsonl",
        "heldout": "./heldout.jsonl",
        "ledger": "epochs",
    }
    path = write_run(tmp_path / "run", trainable, stages=[{"name": "main", "dataset": "./main.jsonl"}], **keys)
    write_rows(path.parent / "general.jsonl", [{"text": f"The road to {city} is long."} for city in CITIES])
    write_rows(path.parent / "retention.jsonl", EARLY[:3])
    write_rows(path.parent / "heldout.jsonl", EARLY[3:6])
    write_rows(path.parent / "main.jsonl", MAIN[:6])
    return path


def test_train_diagnose_and_report(run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    least = {"train": 20, "diagnose": 10, "report": 4}
    for name, options in (("train", ()), ("diagnose", ()), ("report", ("--card",))):
        (tmp_path / name).mkdir()
        n = check(Verb((name, str(run), *options), run.parent / "run"), capsys, tmp_path / name)
        print(name, n)
        assert n >= least[name]


@pytest.mark.parametrize("verb", ["prescribe", "cure", "verify"])
def test_what_comes_after(
    verb: str, diagnosed: Callable[..., RunConfig], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    folder = diagnosed().output_dir
    if verb == "cure":  # its own names alone
        assert Verb(("prescribe", str(folder.parent / "run.yaml")), folder).run(capsys)[0] == 0
    options = {
        "verify": ("--seeds", "1", "--yes", "--training.learning_rate", "1e-3"),
        "cure": ("--plan.plain", "false"),  # which is trained and diagnosed by what trains and diagnoses the other
    }.get(verb, ())
    (tmp_path / verb).mkdir()
    assert check(Verb((verb, str(folder.parent / "run.yaml"), *options), folder), capsys, tmp_path / verb) >= 10
