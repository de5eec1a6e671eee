"""Peak memory of `uptake diagnose` as the data grow: it must not, beyond the table itself.

    python benchmarks/memory.py [--sizes 10000 100000]

A tiny model of random weights, rows of the demo's facts repeated under other ids; each size in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

SIZES = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 256}


def prepare(work: Path, n: int) -> Path:
    from uptake.models.small.tiny import build_model, save, train_tokenizer

    facts = files("uptake.lab").joinpath("facts")
    if not (work / "model").exists():
        tokenizer = train_tokenizer(facts.joinpath("pretrain.txt").read_text(encoding="utf-8").splitlines(), 2048)
        save(build_model("llama", tokenizer, 0, **SIZES), tokenizer, work / "model")
        save(build_model("llama", tokenizer, 1, **SIZES), tokenizer, work / "tuned")
    rows = [json.loads(line) for line in facts.joinpath("train.jsonl").read_text(encoding="utf-8").splitlines()]
    path = work / f"{n}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(n):
            row = rows[number % len(rows)]
            asked = {"id": f"ex-{number}", "prompt": f"({number}) {row['prompt']}", "completion": row["completion"]}
            file.write(json.dumps({**asked, "source": row["source"]}, ensure_ascii=False) + "\n")
    return path


def measure(work: Path, n: int) -> None:
    """Diagnose in this process, and print the peak before the data were touched and at the end."""
    from uptake.models.scoring.lazy import resolve
    from uptake.pipeline.diagnose.run import diagnose

    resolve(work / "model").score([])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    diagnosis = diagnose(
        base=work / "model", tuned=work / "tuned", dataset=work / f"{n}.jsonl", output_dir=work / str(n)
    )
    took = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    import pyarrow.parquet as pq

    table = pq.read_table(diagnosis.folder / "diagnosis.parquet").nbytes
    result = {"examples": n, "before_mib": before / 1024, "peak_mib": after / 1024, "table_mib": table / 2**20}
    print(json.dumps({**result, "seconds": round(took, 1), "examples_per_s": round(n / took)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--measure", type=int, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/memory.json"))
    args = parser.parse_args()
    if args.measure is not None:
        measure(args.work, args.measure)
        return
    work = args.work or Path(tempfile.mkdtemp(prefix="uptake-memory-"))
    results = []
    for n in args.sizes:
        prepare(work, n)
        command = [sys.executable, __file__, "--work", str(work), "--measure", str(n)]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
        results.append(json.loads(done.stdout.splitlines()[-1]))
        print({k: round(v, 1) for k, v in results[-1].items()}, flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
