"""Does anything that is read bring the program down? Damaged files for every reader, from seeds that it wrote itself.

    python benchmarks/fuzz.py --inputs 1000000               # all readers, each by its share
    python benchmarks/fuzz.py --inputs 5000 --only ledger    # one of them
    python benchmarks/fuzz.py --reader ledger --first 4711 --inputs 1 --show   # one input again

A small run is made once (`--seeds DIR` keeps it). Each input is one of its files with one damage, drawn by seed, reader
and number, and read by whoever reads that file. It is a find where anything but `UptakeError` is raised (traceback), it
takes over 5 s of the processor or a minute by the clock (hang), memory grows by over 1 GB (growth), the process dies
(crash), or what is read is not what the file says (silent): what is read, written and read again must be the same, must
be what a plain parser makes of the bytes, and where a checksum stands for the bytes, a damage of them must be refused.
A reader has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

OUT = Path(__file__).parent / "results" / "fuzz.json"
SECONDS = 5.0
"""Of processor time: others who use the machine make nothing hang."""
WAITED = 60.0
"""By the clock."""
GROWTH = 1 << 30
KEPT = 20
"""Finds of one reader that are told with their place."""


@dataclass
class Tally:
    """What came of the inputs of one reader."""

    inputs: int = 0
    read: int = 0
    refused: int = 0
    seconds: float = 0.0
    finds: Counter[str] = field(default_factory=Counter)
    places: dict[str, str] = field(default_factory=dict)

    def find(self, kind: str, place: str, number: int, what: str) -> None:
        """Counts a find; of each place the first input is kept."""
        self.finds[kind] += 1
        if len(self.places) < KEPT:
            self.places.setdefault(f"{kind}: {place}", f"input {number}, {what}")


class _Hang(BaseException):
    """An input took too long."""


def _too_long(*_: object) -> None:
    raise _Hang


def tried(name: str, root: Path, numbers: Iterator[int] | range, seed: int, note: Path | None = None) -> Tally:
    """Read damaged files in this process.

    Args:
        name: Of the reader.
        root: A folder of seeds that may be written to.
        numbers: Of the inputs.
        seed: Of all.
        note: A file that holds the number of the input at work, for whoever finds this process dead.
    """
    from fuzz_mutations import mutant
    from fuzz_of_run import plain
    from fuzz_readers import READERS

    reader, tally = READERS[name], Tally()
    if reader.prepare is not None:
        reader.prepare(root)
    paths = sorted(path for pattern in reader.files for path in root.glob(pattern))
    if not paths:
        return tally
    whole = {path: path.read_bytes() for path in paths}
    sound = repr(plain(reader.read(root)))  # the seeds themselves are read
    signal.signal(signal.SIGALRM, _too_long)
    signal.signal(signal.SIGPROF, _too_long)
    began = time.monotonic()
    for number in numbers:
        random = Random(f"{seed} {name} {number}")
        path = random.choice(paths)
        made = mutant(whole[path], path.suffix, random)
        if note is not None:
            note.write_text(str(number))
        path.write_bytes(made.data)
        tally.inputs += 1
        what = f"{path.relative_to(root)}, {made.kind}"
        try:
            found = _outcome(lambda folder: plain(reader.read(folder)), root)
            if found.value is not None:
                tally.read += 1
                if wrong := _silent(reader, found.value[0], made, sound):
                    tally.find("silent", wrong, number, what)
            elif found.kind == "refused":
                tally.refused += 1
            if found.kind not in ("read", "refused"):
                tally.find(found.kind, found.place, number, what)
            if found.slow:
                tally.find("hang", "slow", number, what)
            if found.grew:
                tally.find("growth", f"{found.grew >> 20} MB", number, what)
        finally:
            path.write_bytes(whole[path])
    tally.seconds = time.monotonic() - began
    return tally


@dataclass(frozen=True)
class _Outcome:
    kind: str
    place: str = ""
    value: tuple[Any] | None = None
    slow: bool = False
    grew: int = 0


def _outcome(read: Any, root: Path) -> _Outcome:
    """One reading under a clock and a look at the memory."""
    from uptake.errors import UptakeError

    before, began = _memory("VmRSS"), time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITED)
    try:
        kind, place, value = "read", "", (read(root),)
    except UptakeError as error:
        kind, place, value = ("refused", "", None) if error.problem.strip() else ("traceback", "empty error", None)
    except _Hang:
        kind, place, value = "hang", _where(sys.exc_info()[2]), None
    except MemoryError:
        kind, place, value = "growth", _where(sys.exc_info()[2]), None
    except Exception as error:
        differs = type(error).__name__ == "Differs"
        kind, value = "silent" if differs else "traceback", None
        place = f"{type(error).__name__}{f' {error}' if differs else ''} at {_where(error.__traceback__)}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    slow = kind != "hang" and time.process_time() - began > SECONDS
    grew = max(0, _memory("VmHWM") - before)
    if grew > GROWTH // 4:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    return _Outcome(kind, place, value, slow, grew if grew > GROWTH else 0)


def _silent(reader: Any, read: Any, made: Any, sound: str) -> str | None:
    """How what was read is not what the file says; None where it is."""
    if reader.said is not None:
        try:
            said = reader.said(made.data)
        except (ValueError, RecursionError):
            return "read although another parser refuses it"
        if repr(said) != repr(read):
            return "not what another parser reads"
    if reader.told and not made.by_hand and repr(read) != sound:
        return "damaged bytes were read as if they were whole"
    return None


def _where(trace: Any) -> str:
    """The last place in the program."""
    own = [one for one in traceback.extract_tb(trace) if "/src/uptake/" in one.filename]
    last = (own or traceback.extract_tb(trace))[-1]
    return f"{Path(last.filename).name}:{last.lineno} {last.name}"


def _memory(name: str) -> int:
    """Bytes of this process, by /proc."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next((int(line.split()[1]) << 10 for line in file if line.startswith(name)), 0)


def _part(arguments: argparse.Namespace, name: str, first: int, inputs: int, root: Path) -> Tally:
    """Inputs of a reader in a process of its own; one that kills it is a find, and the rest goes on."""
    whole = Tally()
    last, deadline = first + inputs, time.monotonic() + arguments.seconds
    while first < last and time.monotonic() < deadline:
        note, out = root / ".number", root / ".tally"
        out.unlink(missing_ok=True)
        note.unlink(missing_ok=True)
        command = [
            sys.executable, __file__, "--reader", name, "--first", str(first), "--inputs", str(min(2000, last - first)),
            "--seed", str(arguments.seed), "--seeds", str(arguments.seeds), "--root", str(root),
        ]  # fmt: skip
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        if out.exists():
            told = json.loads(out.read_text())
            _add(whole, Tally(**{**told, "finds": Counter(told["finds"])}))
            first += told["inputs"]
            if not told["inputs"]:
                break
        elif not note.exists():
            raise SystemExit(f"{name}: the seeds themselves cannot be read:\n{ended.stderr[-3000:]}")
        else:
            number = int(note.read_text())
            whole.inputs += number - first + 1
            whole.find("crash", f"the process ended with {ended.returncode}: {ended.stderr[-200:]}", number, "")
            first = number + 1
            _fresh(arguments.seeds, root)
    return whole


def _add(whole: Tally, part: Tally) -> None:
    for name in ("inputs", "read", "refused", "seconds"):
        setattr(whole, name, getattr(whole, name) + getattr(part, name))
    whole.finds.update(part.finds)
    for place, what in part.places.items():
        if len(whole.places) < KEPT:
            whole.places.setdefault(place, what)


def _fresh(seeds: Path, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(seeds, root)


def _one(arguments: argparse.Namespace) -> None:
    """What a process of `_part` does."""
    used = _memory("VmSize")
    limit = used + (16 << 30)  # so much is promised to threads and libraries; what asks for more is stopped
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    numbers = range(arguments.first, arguments.first + arguments.inputs)
    tally = tried(arguments.reader, arguments.root, numbers, arguments.seed, arguments.root / ".number")
    (arguments.root / ".tally").write_text(json.dumps(vars(tally)))
    if arguments.show:
        print(json.dumps(vars(tally), indent=1))


def main() -> None:
    """Parse, mutate, read, tell."""
    from fuzz_readers import READERS
    from fuzz_seeds import made

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="over all readers")
    parser.add_argument("--seconds", type=float, default=1e9, help="at most, for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", help="readers whose names begin so")
    parser.add_argument("--seeds", type=Path, help="folder of the run that is mutated; made if it is not there")
    parser.add_argument("--keep", type=Path, help="add the numbers to this file, under the name of --label")
    parser.add_argument("--round", type=int, default=20_000, help="inputs after which the numbers are written")
    parser.add_argument("--label", default="now")
    parser.add_argument("--reader", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--show", action="store_true", help="with --reader: print what came of it")
    arguments = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as temporary:
        arguments.seeds = made(arguments.seeds or Path(temporary) / "seeds")
        arguments.root, given = arguments.root or Path(temporary) / "root", arguments.root
        if given is None:
            _fresh(arguments.seeds, arguments.root)
        if arguments.reader:
            _one(arguments)
            return
        chosen = {name: one for name, one in READERS.items() if name.startswith(arguments.only or "")}
        whole, end = _kept(arguments), arguments.first + arguments.inputs
        while arguments.first < end:
            some = min(arguments.round, end - arguments.first)
            for name, tally in _round(arguments, chosen, some).items():
                _add(whole.setdefault(name, Tally()), tally)
            arguments.first += some
            _keep(arguments, whole)
    sys.exit(1 if any(one.finds for one in whole.values()) else 0)


def _round(arguments: argparse.Namespace, chosen: Mapping[str, Any], inputs: int) -> dict[str, Tally]:
    """Each reader's share of some inputs."""
    shares = sum(one.share for one in chosen.values())
    tallies: dict[str, Tally] = {}
    for name, one in chosen.items():
        some = max(1, round(inputs * one.share / shares))
        tallies[name] = _part(arguments, name, arguments.first, some, arguments.root)
        _tell({name: tallies[name]}, head=len(tallies) == 1)
        _fresh(arguments.seeds, arguments.root)
    whole = Tally()
    for tally in tallies.values():
        _add(whole, tally)
    _tell({"all": whole}, head=False)
    return {**tallies, "all": whole}


def _kept(arguments: argparse.Namespace) -> dict[str, Tally]:
    """What was done under the label before; what is done now begins after its numbers."""
    there = json.loads(arguments.keep.read_text()) if arguments.keep and arguments.keep.exists() else {}
    if arguments.label not in there:
        return {}
    kept = there[arguments.label]
    arguments.first = max(arguments.first, kept.get("next", 0))
    return {name: Tally(**{**one, "finds": Counter(one["finds"])}) for name, one in kept["readers"].items()}


def _keep(arguments: argparse.Namespace, whole: Mapping[str, Tally]) -> None:
    """Write the numbers so far."""
    if arguments.keep:
        there = json.loads(arguments.keep.read_text()) if arguments.keep.exists() else {}
        readers = {name: vars(one) for name, one in whole.items()}
        there[arguments.label] = {"seed": arguments.seed, "next": arguments.first, "readers": readers}
        arguments.keep.write_text(json.dumps(there, indent=1) + "\n", encoding="utf-8")


KINDS = ("traceback", "hang", "growth", "silent", "crash")


def _tell(tallies: dict[str, Tally], *, head: bool) -> None:
    if head:
        print(
            f"{'reader':<28} {'inputs':>8} {'read':>8} {'refused':>8} {'/s':>6}"
            + "".join(f" {kind:>9}" for kind in KINDS)
        )
    for name, one in tallies.items():
        rate = one.inputs / one.seconds if one.seconds else 0.0
        finds = "".join(f" {one.finds[kind]:>9}" for kind in KINDS)
        print(f"{name:<28} {one.inputs:>8} {one.read:>8} {one.refused:>8} {rate:>6.0f}{finds}", flush=True)
        for place, what in one.places.items() if name != "all" else ():
            print(f"    {place} ({what})", flush=True)


if __name__ == "__main__":
    os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
    main()
