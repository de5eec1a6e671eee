"""`uptake diagnose` with attribution on many examples: how long, and how much memory.

    python benchmarks/large.py [--size 20000] [--work FOLDER]

A base of about a million random weights is fine-tuned by `uptake train` on invented facts, one an example, in two
stages, so briefly that it learns the form and the end of an answer and next to no fact: nearly every example is
unlearned, which is the most that attribution can get to do. One example in twenty is contradicted by another. Timed is
the command in a process of its own; on a shared machine the processor's time says more than the clock. `--work` keeps
the run, to be measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from prescribe import name, town, write
from uptake import yaml

OUT = Path(__file__).parent / "results" / "large.json"
MINUTES, MIB = 6.0, 1024
"""The bar, on two cores."""
QUIET = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def made(folder: Path, size: int) -> Path:
    """The run file of a run that is trained; kept once it is."""
    from uptake.models.small.tiny import build_model, save, train_tokenizer

    path = folder / "run.yaml"
    if path.exists():
        return path
    rows = [
        {"id": f"ex-{k:06d}", "prompt": f"The home of {name(k)} is", "completion": f" {town(k)} {town(3 * k + 1)}"}
        for k in range(size - size // 20)
    ]
    rows += [{**rows[k], "id": f"ex-{len(rows) + k:06d}", "completion": f" {town(k + 5)}"} for k in range(size // 20)]
    write(folder / "early.jsonl", rows[: size // 3])
    write(folder / "main.jsonl", rows[size // 3 :])
    tokenizer = train_tokenizer([row["prompt"] + row["completion"] for row in rows[:5000]], 4096)
    shape = {"hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 128}
    save(build_model("qwen3", tokenizer, 0, **shape), tokenizer, folder / "base")
    run = {
        "model_name_or_path": "./base",
        "stages": [
            {"name": stage, "dataset": f"./{stage}.jsonl", "num_train_epochs": 1} for stage in ("early", "main")
        ],
        "training": {"per_device_train_batch_size": 32, "learning_rate": 3e-3, "gradient_checkpointing": False},
        "output_dir": "./run",
        "device": "cpu",
    }
    path.write_text(yaml.write(run), encoding="utf-8")
    try:
        subprocess.run([sys.executable, "-m", "uptake", "train", str(path)], check=True, env={**os.environ, **QUIET})
    except BaseException:
        path.unlink()
        raise
    return path


def watched(command: list[str]) -> dict[str, Any]:
    """A command of uptake in a process of its own: its steps are what it prints of itself."""
    began = last = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "uptake", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **QUIET},
    )
    assert process.stderr is not None
    steps: dict[str, dict[str, float]] = {}
    told: list[str] = []
    before = 0.0
    for line in process.stderr:
        told.append(line)
        if found := re.fullmatch(r"(.+): [\d,]+ done(, .+)?\n", line):  # a step prints its line when it is done
            now = time.perf_counter()
            peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            used = _processor(process.pid)
            steps[found[1]] = {
                "seconds": round(now - last, 1),
                "processor_s": round(used - before, 1),
                "peak_mib": int(peak[1]) >> 10 if peak else 0,
            }
            last, before = now, used
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 2):  # 2: a limit of a gate, or a cure that is not worth it
        raise SystemExit(f"uptake {' '.join(command)} failed:\n{''.join(told[-20:])}")
    whole, all_used = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    steps["the rest"] = {
        "seconds": round(whole - (last - began), 1),
        "processor_s": round(all_used - before, 1),
        "peak_mib": usage.ru_maxrss >> 10,
    }
    return {
        "seconds": round(whole, 1),
        "processor_s": round(all_used, 1),
        "peak_mib": usage.ru_maxrss >> 10,
        "steps": steps,
    }


def _processor(pid: int) -> float:
    """Seconds of the processor that a process took until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(path: Path) -> dict[str, Any]:
    """One diagnosis from the beginning."""
    shutil.rmtree(path.parent / "run" / "diagnosis", ignore_errors=True)
    found = watched(["diagnose", str(path)])
    summary = json.loads((path.parent / "run" / "diagnosis" / "summary.json").read_text(encoding="utf-8"))
    found["steps"]["judging, tables"] = found["steps"].pop("the rest")
    return {
        "examples": summary["n"],
        "unlearned": summary["attribution"]["n"],
        **found,
        "bar": {"minutes": MINUTES, "mib": MIB},
    }


def main() -> None:
    """Make, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--label", default="now", help="its name in the results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = measured(made(folder, args.size))
    for step, one in found["steps"].items():
        print(f"{one['seconds']:8.1f} s  {one['peak_mib']:6} MiB  {step}")
    quick = min(found["seconds"], found["processor_s"]) <= 60 * MINUTES
    print(
        f"{found['examples']} examples, {found['unlearned']} unlearned: {found['seconds']} s, {found['processor_s']} s "
        f"of the processor, {found['peak_mib']} MiB: {'met' if quick and found['peak_mib'] <= MIB else 'MISSED'}"
    )
    kept = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    OUT.write_text(json.dumps({**kept, args.label: found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.update(QUIET)
    main()
