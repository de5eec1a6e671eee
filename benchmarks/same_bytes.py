"""Does a change of the code leave every result as it was? Digests of a whole run, to be held beside earlier ones.

    python benchmarks/same_bytes.py            # holds today's digests against results/same_bytes.json
    python benchmarks/same_bytes.py --keep     # writes them there

Makes the demo's world, trains both stages, diagnoses, prescribes, cures and verifies it (one training an arm), all on
one thread, and digests what came of it: the weights of every model, the ledger, the rows of the plan, and by column the
tables of the diagnosis and of the verdict. A new column is told and is no difference; one that is gone is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
OUT = Path(__file__).parent / "results" / "same_bytes.json"
WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
LINES = ("plan/sft.jsonl", "plan/cpt.jsonl", "plan/edits.jsonl")
TABLES = ("diagnosis/diagnosis.parquet", "cured/diagnosis/diagnosis.parquet", "verdict/matrix.parquet")
JSONS = {"plan/plan.json": ("cost", "step", "training"), "verdict/verdict.json": ("comparisons", "sentence")}


def made(folder: Path) -> Path:
    """The demo, verified."""
    run = folder / "world" / "run.yaml"
    where = ["--output_dir", str(folder)]
    for verb in (["demo", *where], ["verify", str(run), *where, "--seeds", "1", "--unsafe", "--yes", "--matrix"]):
        subprocess.run([sys.executable, "-m", "uptake", *verb], check=True, stdout=subprocess.DEVNULL)
    return folder


def digests(folder: Path) -> dict[str, str]:
    """What there is below a run's folder, by its place there."""
    return dict(sorted((*_weights(folder), *_ledgers(folder), *_tables(folder), *_texts(folder))))


def _of(data: Any, folder: Path | None = None) -> str:
    """The digest of bytes or of JSON data; of a number its first six digits, of a path what lies below `folder`."""
    raw = data if isinstance(data, bytes) else json.dumps(_rounded(data), sort_keys=True, default=str).encode()
    if folder is not None:
        raw = raw.replace(str(folder.resolve()).encode(), b"RUN")
    return hashlib.blake2b(raw, digest_size=12).hexdigest()


def _rounded(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _rounded(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_rounded(value) for value in data]
    if isinstance(data, str) and data.startswith("{"):  # JSON in a column
        return _rounded(json.loads(data))
    return float(f"{data:.6g}") if isinstance(data, float) else data


def _weights(folder: Path) -> Iterator[tuple[str, str]]:
    for name in WEIGHTS:
        for path in sorted(folder.rglob(name)):
            yield f"weights {path.relative_to(folder).parent}", _of(path.read_bytes())


def _ledgers(folder: Path) -> Iterator[tuple[str, str]]:
    from uptake.ledger import read_ledger

    table = read_ledger(folder).table
    order = [(name, "ascending") for name in ("stage", "step", "pass", "id")]
    yield from _columns("ledger", table.sort_by(order), folder)


def _tables(folder: Path) -> Iterator[tuple[str, str]]:
    import pyarrow.parquet as pq

    paths = [folder / name for name in TABLES] + sorted((folder / "verdict").rglob("outcomes*.parquet"))
    for path in paths:
        if path.exists():
            yield from _columns(str(path.relative_to(folder)), pq.read_table(path), folder)


def _columns(name: str, table: Any, folder: Path) -> Iterator[tuple[str, str]]:
    for column in table.column_names:
        yield f"{name} {column}", _of(table[column].to_pylist(), folder)


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for name in LINES:
        if (folder / name).exists():
            yield name, _of((folder / name).read_bytes(), folder)
    for name, keys in JSONS.items():
        told = json.loads((folder / name).read_text(encoding="utf-8"))
        for key in keys:
            yield f"{name} {key}", _of(told.get(key), folder)


def main() -> None:
    """Make, digest, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="write the digests instead of comparing them")
    parser.add_argument("--made", type=Path, help="folder of a run that was made before; nothing is made")
    parser.add_argument("--work", type=Path, help="folder of the run; a run that is there is gone on with")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        now = digests(args.made or made(args.work or Path(temporary)))
    if args.keep:
        OUT.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
        print(f"{len(now)} digests kept")
        return
    before = json.loads(OUT.read_text(encoding="utf-8"))
    for name in sorted(now.keys() - before.keys()):
        print(f"new        {name}")
    wrong = [name for name in before if before[name] != now.get(name)]
    for name in wrong:
        print(f"{'gone' if name not in now else 'different':<10} {name}")
    print(f"{len(before) - len(wrong)} of {len(before)} digests are the same")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
