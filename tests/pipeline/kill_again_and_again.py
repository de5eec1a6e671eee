"""Run `uptake diagnose` in children that are killed at their n-th file, each going on where the last one stopped.

    python kill_again_and_again.py '{"args": ["diagnose", ...], "work": FOLDER, "moments": [5, 16]}'

Children are forked from one parent that has imported all that is heavy. A child is killed with SIGKILL right before
(odd moments) or right after (even ones) its n-th file takes its place. After the last moment a child runs to the end.
Prints how many children were killed, which finished parts a later child wrote again, and what a text is hashed to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch

import uptake.models.scoring.lazy
from uptake.cli import main
from uptake.pipeline.examples import cohort


def child(args: list[str], moment: int | None) -> None:
    taken = 0
    replace = Path.replace

    def counted(self: Path, target: Path) -> Path:
        nonlocal taken
        taken += 1
        if taken == moment and moment % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        done = replace(self, target)
        if taken == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    Path.replace = counted
    try:
        main(args)
    except SystemExit as leave:
        sys.stdout.flush()
        os._exit(leave.code if isinstance(leave.code, int) else 1)


def run(args: list[str], moment: int | None) -> int:
    pid = os.fork()
    if pid == 0:
        child(args, moment)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def finished(work: Path) -> dict[str, int]:
    return {
        str(path.relative_to(work)): path.stat().st_mtime_ns
        for role in ("base", "tuned")
        for path in sorted(work.glob(f"*/{role}/part-*.parquet"))
    }


def drive(args: list[str], work: Path, moments: list[int]) -> dict[str, object]:
    killed, seen, again = 0, {}, []
    for moment in [*moments, None]:
        code = run(args, moment)
        now = finished(work)
        again += [part for part, time in seen.items() if now.get(part) != time]
        seen = now
        if code == 0:
            break
        assert code == -signal.SIGKILL, code
        killed += 1
    return {"killed": killed, "again": again, "parts": len(seen), "hash": hash("hash")}


if __name__ == "__main__":
    torch.set_num_threads(1)
    cohort.PART = 8
    given = json.loads(sys.argv[1])
    # what is imported at first use is imported here once, not by every child
    uptake.models.scoring.lazy.resolve(given["args"][given["args"].index("--tuned") + 1])
    # the children's summaries go nowhere: this process tells on stdout
    told = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    result = drive(given["args"], Path(given["work"]), given["moments"])
    os.write(told, json.dumps(result).encode())
