"""Does a verb that is killed at any moment, and run again, end as one that was not? Each verb that writes, many times.

    python benchmarks/kills.py                         # 120 kills, all verbs
    python benchmarks/kills.py --kills 40 --only cure verify     # the results of the others stay
    python benchmarks/kills.py --only train --trial 7  # one trial again; its folder is kept and told

The fuzzer's small run is made first, verb by verb, and each verb's folder before it is kept. A trial starts from that
folder, kills the verb with SIGKILL once to three times, and then runs it to its end. Half of the kills come at a moment
of its processor time, drawn over all that a whole run takes, and up to 10 ms of waiting later; the others come right
before the n-th change of a file (opened for writing, moved, removed, a folder made), n drawn over all changes of a
whole run. It is a find where the last run fails (refused), a file is another one than without kills (differs) or is
missing, or there is a file more (left). Two whole runs tell which files differ by themselves: they hold times, and only
the values that are the same in both are compared. LanceDB names its files by chance: of a table the rows are compared.
Children are forked from one parent that imported all that is heavy.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

OUT = Path(__file__).parent / "results" / "kills.json"
MOST = 3
"""Kills of one trial."""
WAIT = 0.01
"""Seconds after a moment of processor time within which the kill comes: also while it waits for the disk."""
LANCE = ".lance"
PRELOADED = (
    "trl.trainer.sft_trainer", "transformers.models.auto.modeling_auto", "transformers.models.qwen3.modeling_qwen3",
    "transformers.models.llama.modeling_llama", "transformers.models.auto.tokenization_auto", "peft", "datasets",
    "pyarrow.parquet", "rich.progress", "ruamel.yaml", "jinja2", "scipy.stats", "uptake.cli.cure",
    "uptake.cli.diagnose", "uptake.cli.lab", "uptake.cli.prescribe", "uptake.cli.report", "uptake.cli.run",
    "uptake.cli.exposure", "uptake.cli.stream", "uptake.pipeline.exposure.run", "uptake.pipeline.stream.run",
    "uptake.cli.train", "uptake.cli.verify", "uptake.models.ledger.callback", "uptake.models.scoring.hf",
    "uptake.models.scoring.live", "uptake.models.small.pretrain", "uptake.models.training.stage",
    "uptake.pipeline.cure.run", "uptake.pipeline.diagnose.run", "uptake.pipeline.prescribe.run",
    "uptake.pipeline.train.run", "uptake.pipeline.verify.run", "uptake.strategies", "uptake.lab.build",
    "uptake.lab.training",
)  # fmt: skip


@dataclass(frozen=True)
class Verb:
    """A verb as it is called here.

    Attributes:
        name: What it is called in the table.
        arguments: The command line; `{}` is the folder of the run.
        share: Of all kills.
        after: The verb whose result it starts from; None starts from data and a base.
        done: What it says where all is done, if that is an error.
        worse: Whether it may end with 2, which says that a cure is no better than none.
    """

    name: str
    arguments: tuple[str, ...]
    share: float
    after: str | None = None
    done: str | None = None
    worse: bool = False

    def ended(self, code: int) -> bool:
        """Whether it did its work."""
        return code == 0 or (self.worse and code == 2)


RUN = "{}/run.yaml"
VERBS = (
    Verb("train", ("train", RUN), 0.14),
    Verb("diagnose", ("diagnose", RUN, "--intervene", "2"), 0.15, "train"),
    Verb("prescribe", ("prescribe", RUN, "--unsafe"), 0.1, "diagnose"),
    Verb("cure", ("cure", RUN), 0.12, "prescribe", worse=True),
    Verb("verify", ("verify", RUN, "--seeds", "1", "--yes", "--unsafe"), 0.12, "cure"),
    Verb("report", ("report", "{}/run"), 0.05, "verify"),
    Verb("diff", ("diff", "{}/run/diagnosis", "{}/run/cured/diagnosis", "--out", "{}/diff.json"), 0.02, "verify"),
    Verb("run", ("run", RUN, "--unsafe"), 0.08, worse=True),
    Verb("stream", ("stream", RUN, "--output_dir", "{}/streamed", "--test_share", "0.25"), 0.08),
    Verb("exposure", ("exposure", RUN), 0.04),
    Verb("lab make", ("lab", "make", "--out", "{}/world", "--size", "2", "--seed", "7", "--confirm"), 0.06),
    Verb("lab pretrain", ("lab", "pretrain", "--text", "{}/general.txt", "--out", "{}/small", "--steps", "20",
                          "--vocab_size", "300", "--hidden_size", "32", "--num_hidden_layers", "1"),
         0.04, done="exists already"),
)  # fmt: skip
TINY = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "tie_word_embeddings": True}


@dataclass(frozen=True)
class Whole:
    """What a verb does when nobody kills it.

    Attributes:
        files: What is in the folder then, by its place.
        times: The files that a second whole run writes otherwise, and that one's.
        seconds: Of processor time.
        changes: How often it changes a file.
    """

    files: Mapping[str, bytes]
    times: Mapping[str, bytes]
    seconds: float
    changes: int


@dataclass
class Tally:
    """What came of the kills of a verb."""

    trials: int = 0
    by_time: int = 0
    by_change: int = 0
    too_late: int = 0
    finds: Counter[str] = field(default_factory=Counter)
    places: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Moment:
    """When a child is killed: after so many seconds of processor time, or before its n-th change of a file."""

    seconds: float | None = None
    wait: float = 0.0
    change: int | None = None

    def __str__(self) -> str:
        if self.change is not None:
            return f"change {self.change}"
        return f"{self.seconds:.3f} s and {1000 * self.wait:.0f} ms"


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code, what it said, its processor time, and how many files it changed."""

    code: int
    said: str
    seconds: float
    changes: int


def preload() -> None:
    """Imports what is heavy; no thread is started by it."""
    import importlib

    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def called(verb: Verb, folder: Path, moment: Moment | None = None) -> Ended:
    """Runs a verb in a forked child, and kills it at a moment."""
    said, counted = folder.parent / "said", folder.parent / "changes"
    arguments = [one.format(folder) for one in verb.arguments]
    pid = os.fork()
    if pid == 0:
        _child(arguments, folder, said, counted, moment.change if moment else None)
    if moment is not None and moment.seconds is not None:
        _kill(pid, moment)
    _, status, used = os.wait4(pid, 0)
    changes = int(counted.read_text() or 0) if counted.exists() else 0
    seconds = used.ru_utime + used.ru_stime
    return Ended(os.waitstatus_to_exitcode(status), said.read_text(errors="replace"), seconds, changes)


def _kill(pid: int, moment: Moment) -> None:
    """Kills a child when it has used so much of the processor, unless it has ended before."""
    clock = (~pid << 3) | 2  # of the process, as clock_getcpuclockid(3) makes it on Linux
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.clock_gettime(clock) >= (moment.seconds or 0.0):
            time.sleep(moment.wait)
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.001)


def _child(arguments: list[str], folder: Path, said: Path, counted: Path, change: int | None) -> None:
    """Calls the program; counts what it changes below the folder, and dies before the n-th change."""
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ["UPTAKE_CACHE"] = str(folder / "cache")
    here, changes = str(folder), 0
    counted.unlink(missing_ok=True)

    def heard(event: str, given: tuple[Any, ...]) -> None:
        nonlocal changes
        if not _changes(event, given, here):
            return
        changes += 1
        if changes == change:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        _small()
        from uptake.cli import main

        sys.addaudithook(heard)
        main(arguments)
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    finally:
        here = "\0"
        sys.stdout.flush()
        counted.write_text(str(changes))
        os._exit(code)


def _small() -> None:
    """A world that is quick to make; what it learns does not matter here."""
    from uptake.lab import base, training

    base.MODEL = TINY
    base.PRETRAINING = {**base.PRETRAINING, "batch_size": 32}
    base.PASSES, base.LEAST_STEPS = 0, 10
    base.FURTHER = {**base.FURTHER, "batch_size": 16, "steps": 5}
    training.EPOCHS, training.EARLY_EPOCHS = 2, 2


def _changes(event: str, given: tuple[Any, ...], folder: str) -> bool:
    if event == "open":
        path, _, flags = given
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        return bool(writes) and str(path).startswith(folder)
    return event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate") and str(
        given[0]
    ).startswith(folder)


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder, with their bytes, and the rows of LanceDB's tables."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if any(one.suffix == LANCE for one in path.relative_to(folder).parents):
            continue
        if path.suffix == LANCE:
            found[str(path.relative_to(folder))] = _rows(path)
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def _rows(table: Path) -> bytes:
    """The rows of a table of LanceDB, read in a child: the library starts threads."""
    with tempfile.NamedTemporaryFile() as told:
        pid = os.fork()
        if pid == 0:
            try:
                import lancedb

                rows = lancedb.connect(str(table.parent)).open_table(table.stem).to_arrow().to_pylist()
                Path(told.name).write_text(repr(sorted(map(repr, rows))), encoding="utf-8")
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        return told.read() or b"not readable"


def restored(before: Path, folder: Path) -> None:
    """The folder as it was before the verb, at the same place."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(before, folder, symlinks=True)


def whole(verb: Verb, before: Path, folder: Path, after: Path) -> Whole:
    """Runs a verb twice without killing it; `after` holds the folder that the first one leaves."""
    runs = []
    for _ in range(2):
        restored(before, folder)
        ended = called(verb, folder)
        if not verb.ended(ended.code):
            raise SystemExit(f"uptake {verb.name} failed:\n{ended.said}")
        runs.append((files(folder), ended))
        if len(runs) == 1:
            restored(folder, after)
    (one, ended), (two, _) = runs
    if one.keys() != two.keys():
        raise SystemExit(f"uptake {verb.name} wrote other files the second time: {sorted(one.keys() ^ two.keys())}")
    times = {name: two[name] for name in one if one[name] != two[name]}
    return Whole(one, times, ended.seconds, ended.changes)


def differences(known: Whole, found: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """What is otherwise than in a whole run: the kind of the find and the file."""
    for name in sorted(known.files.keys() | found.keys()):
        if name not in found:
            yield "missing", name
        elif name not in known.files:
            yield "left", name
        elif found[name] != known.files[name] and not _by_time(known, name, found[name]):
            yield "differs", name


def _by_time(known: Whole, name: str, found: bytes) -> bool:
    """Whether a file differs in values alone in which two whole runs differ too."""
    if name not in known.times:
        return False
    one, two, now = (_values(name, raw) for raw in (known.files[name], known.times[name], found))
    if one is None or two is None or now is None:
        return False
    return one.keys() == now.keys() and all(now[key] == one[key] for key in one if one[key] == two.get(key))


def _values(name: str, raw: bytes) -> dict[str, Any] | None:
    """The values of a file of JSON, JSON Lines or text, by their place."""
    text = raw.decode("utf-8", errors="replace")
    try:
        if name.endswith(".json"):
            return dict(_flat("", json.loads(text)))
        if name.endswith(".jsonl"):
            return dict(_flat("", [json.loads(line) for line in text.splitlines()]))
    except ValueError:
        return None
    return {str(number): line for number, line in enumerate(text.splitlines())}


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(f"{place}/{key}", one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _flat(f"{place}/{number}", one)
    else:
        yield place, value


def moments(random: Random, known: Whole) -> list[Moment]:
    """One to three, each of a kind of its own."""
    drawn = []
    for _ in range(random.randint(1, MOST)):
        if random.random() < 0.5:
            drawn.append(Moment(random.uniform(0.0, known.seconds), random.uniform(0.0, WAIT)))
        else:
            drawn.append(Moment(change=random.randint(1, known.changes)))
    return drawn


def trial(
    verb: Verb, known: Whole, before: Path, folder: Path, stops: Sequence[Moment], tally: Tally
) -> list[tuple[str, str]]:
    """Kills a verb at these moments, runs it to its end, and holds what it left beside a whole run."""
    restored(before, folder)
    tally.trials += 1
    for moment in [*stops, None]:
        ended = called(verb, folder, moment)
        if ended.code == -signal.SIGKILL:
            tally.by_time += moment is not None and moment.change is None
            tally.by_change += moment is not None and moment.change is not None
            continue
        if not verb.ended(ended.code) and not (verb.done and verb.done in ended.said):
            return [("refused", f"exit code {ended.code}: {ended.said.strip()[-600:]}")]
        tally.too_late += moment is not None
        if moment is not None:  # it was done before: the last run of all finds nothing to do
            continue
    return list(differences(known, files(folder)))


def tried(verb: Verb, known: Whole, before: Path, folder: Path, kills: int, seed: int, only: int | None) -> Tally:
    """Trials of a verb until it was killed so often."""
    tally, number = Tally(), only or 0
    while tally.by_time + tally.by_change < kills:
        stops = moments(Random(f"{seed} {verb.name} {number}"), known)
        found = trial(verb, known, before, folder, stops, tally)
        tally.finds.update(kind for kind, _ in found)
        told = "; ".join(f"{kind} {place}" for kind, place in found[:6])
        if found:
            tally.places.append(f"trial {number}, killed at {', '.join(map(str, stops))}: {told}")
            print(f"  {verb.name}: {tally.places[-1]}", flush=True)
        if only is not None:
            print(f"  {folder} is as the trial left it")
            break
        number += 1
    return tally


def prepare(folder: Path) -> None:
    """Data and a base, as the fuzzer makes them, in a child: the parent starts no threads."""
    pid = os.fork()
    if pid == 0:
        import fuzz_seeds

        folder.mkdir(parents=True)
        fuzz_seeds.data_files(folder)
        fuzz_seeds.base_model(folder / "base")
        run = json.loads(Path(fuzz_seeds.run_file(folder)).read_text(encoding="utf-8"))
        run["training"] |= {"save_strategy": "steps", "save_steps": 3}
        (folder / "run.yaml").write_text(json.dumps(run, indent=1), encoding="utf-8")
        shutil.copy(folder / "data" / "general.txt", folder / "general.txt")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def measured(work: Path, kills: int, seed: int, only: Sequence[str], number: int | None) -> dict[str, Tally]:
    """All verbs, one after the other; a verb that is not asked for is run once where others start from it."""
    folder, start = work / "at" / "work", work / "start"
    prepare(folder)
    restored(folder, start)
    tallies, needed = {}, set(only)
    for verb in reversed(VERBS):  # and those whose results they start from
        needed |= {verb.after} if verb.name in needed and verb.after else set()
    for verb in VERBS:
        if only and verb.name not in needed:
            continue
        before = start if verb.after is None else work / verb.after
        began = time.monotonic()
        known = whole(verb, before, folder, work / verb.name)
        if only and verb.name not in only:
            continue
        tally = tried(verb, known, before, folder, max(1, round(kills * verb.share)), seed, number)
        tallies[verb.name] = tally
        print(
            f"{verb.name:<13} {known.seconds:5.1f} s, {known.changes:4d} changes, {len(known.files):4d} files"
            f" ({len(known.times)} with times); {tally.trials:3d} trials, {tally.by_time:3d} kills by time,"
            f" {tally.by_change:3d} by change, {tally.too_late:2d} too late: {dict(tally.finds) or 'all the same'}"
            f" ({time.monotonic() - began:.0f} s)",
            flush=True,
        )
        print(f"{'':<13} with times: {', '.join(known.times) or 'none'}", flush=True)
    return tallies


def main() -> None:
    """Make, kill, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=120, help="of all verbs together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[], choices=[verb.name for verb in VERBS])
    parser.add_argument("--trial", type=int, help="one trial of the verbs in --only again")
    parser.add_argument("--work", type=Path, help="an empty folder for all that is made; kept")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    preload()
    with tempfile.TemporaryDirectory() as temporary:
        work = (args.work or Path(temporary)).resolve()
        tallies = measured(work, args.kills, args.seed, args.only, args.trial)
    if args.trial is None:
        told = json.loads(args.out.read_text(encoding="utf-8")) if args.only and args.out.exists() else {}
        told |= {
            name: {
                "seed": args.seed,
                "trials": tally.trials,
                "kills_by_time": tally.by_time,
                "kills_by_change": tally.by_change,
                "too_late": tally.too_late,
                "finds": dict(tally.finds),
                "places": tally.places,
            }
            for name, tally in tallies.items()
        }
        args.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    finds = sum(sum(tally.finds.values()) for tally in tallies.values())
    kills = sum(tally.by_time + tally.by_change for tally in tallies.values())
    print(f"{kills} kills, {finds} finds")
    sys.exit(1 if finds else 0)


if __name__ == "__main__":
    main()
