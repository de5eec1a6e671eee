"""How long planning takes, and how it grows with the findings.

    python benchmarks/prescribe.py [--sizes 10000 30000 100000]

A run of two stages with one fact an example, a tokenizer of 4,096 tokens, and a diagnosis in which every example
failed: each fifth of them for one cause, in pairs that contradict each other, and six documents about each name. Each
size in a process of its own. Timed: the whole of `uptake prescribe` (reading, tokens, documents from an index, plan,
files), and parts of it; on a shared machine the time of the processor says more than the clock.
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
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
OUT = Path(__file__).parent / "results" / "prescribe.json"
CAUSES = ("knowledge_gap", "base_conflict", "data_conflict", "forgetting", "undertraining")
SYLLABLES = ("ba", "do", "fi", "gu", "ka", "le", "mo", "nu", "pi", "ra", "se", "to", "vu", "wi", "xa", "zo")


def name(number: int) -> str:
    parts = [SYLLABLES[number >> shift & 15] for shift in (16, 12, 8, 4, 0)]
    return f"{''.join(parts[:2]).capitalize()} {''.join(parts[2:]).capitalize()}"


def town(number: int) -> str:
    return f"{SYLLABLES[number % 16]}{SYLLABLES[number * 7 % 16]}{SYLLABLES[number * 5 % 13]}".capitalize()


def write(path: Path, rows: object) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def make(folder: Path, size: int) -> Path:
    """A run file of a run whose examples all failed."""
    import yaml

    from uptake.detect import Settings, calibrate, summarise
    from uptake.evidence import BaseAndTuned, CauseEvidence, Contradiction, Evidence, WrongBelief
    from uptake.models.small.tiny import build_model, save, train_tokenizer
    from uptake.pipeline.diagnosis import Collector, write_diagnosis
    from uptake.types import Finding

    folder.mkdir(parents=True)
    rows = [
        {"id": f"ex-{k}", "prompt": f"In what town was {name(k)} born?", "completion": f" {town(k)}"}
        for k in range(size)
    ]
    write(folder / "early.jsonl", rows[: size // 3])
    write(folder / "main.jsonl", rows[size // 3 :])
    said = ("comes from", "was born in", "is a child of", "grew up in", "is at home in", "has a house in")
    write(
        folder / "corpus.jsonl",
        (
            {"id": f"d-{k}-{n}", "title": name(k), "text": f"{name(k)} {verb} {town(k)}.", "source": f"s{n}"}
            for k in range(size)
            if k % 5 < 2
            for n, verb in enumerate(said)
        ),
    )
    write(
        folder / "general.jsonl", ({"text": f"The road from {town(k)} to {town(3 * k)} is long."} for k in range(5000))
    )
    texts = [row["prompt"] + row["completion"] for row in rows[:5000]]
    tokenizer = train_tokenizer(texts, 4096)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}
    save(build_model("llama", tokenizer, 0, **shape), tokenizer, folder / "base")
    run = {
        "model_name_or_path": "./base",
        "stages": [
            {"name": "early", "dataset": "./early.jsonl", "num_train_epochs": 1},
            {"name": "main", "dataset": "./main.jsonl", "num_train_epochs": 3},
        ],
        "training": {"per_device_train_batch_size": 16, "gradient_accumulation_steps": 2},
        "corpus": "./corpus.jsonl",
        "general": "./general.jsonl",
        "output_dir": "./run",
        "device": "cpu",
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(run), encoding="utf-8")

    def findings() -> object:
        for k, row in enumerate(rows):
            cause = CAUSES[k % 5]
            rival = f"ex-{k + 5 if (k // 5) % 2 == 0 else k - 5}"
            causes = {one: CauseEvidence(0.5, "x" * 150, {}, {}) for one in CAUSES}
            belief = WrongBelief(f" {town(k + 1)}")
            causes["base_conflict"] = replace(causes["base_conflict"], belief=belief)
            if cause == "data_conflict":
                known = Contradiction((rival,), 1, verdict="ambiguous", why="equal votes")
                causes[cause] = replace(causes[cause], contradiction=known)
            compared = BaseAndTuned(False, False, -6.0)
            evidence = Evidence("recall", False, -5.0, 2, compared=compared, base_answer=" x", causes=causes)
            stage = "early" if k < size // 3 else "main"
            yield Finding(
                row["id"], stage, stage, row["prompt"], row["completion"], False, None, None, 0.01, None, evidence,
                cause, dict.fromkeys(CAUSES, 0.5),
            )  # fmt: skip

    collected, settings = Collector(findings(), folder / "run" / "diagnosis"), Settings()
    summary = summarise(collected, calibrate(iter(()), None, None, settings), settings)
    told = {
        "models": {"tuned": {"name": "x", "fingerprint": "x"}},
        "data": {"train": {"n": size, "content": "x", "bad_rows": 0}},
        "settings": {
            "stages": [{"name": "early"}, {"name": "main"}],
            **{name: getattr(settings, name) for name in ("criterion", "normalisation", "seed")},
        },
        "versions": {},
    }
    write_diagnosis(folder / "run" / "diagnosis", collected, {**summary, "run": told})
    return folder / "run.yaml"


def measure(run: Path) -> dict[str, object]:
    """One planning, timed."""
    from uptake.config import load_run
    from uptake.pipeline.prescribe import material as plan_material
    from uptake.pipeline.prescribe import run as prescribing
    from uptake.prescribe import kept_apart
    from uptake.schedule import violations

    config = load_run(run)
    import uptake.models.training.start  # noqa: F401  (torch and transformers: not what is measured)

    seconds: dict[str, float] = {}

    def timed(label: str) -> None:
        module = prescribing if hasattr(prescribing, label) else plan_material
        inner = getattr(module, label)

        def outer(*args: object, **kwargs: object) -> object:
            start = time.perf_counter()
            found = inner(*args, **kwargs)
            seconds[label] = round(time.perf_counter() - start, 2)
            return found

        setattr(module, label, outer)

    for label in ("plan", "write_plan", "entities", "_gathered"):
        timed(label)
    began, cpu = time.perf_counter(), time.process_time()
    done = prescribing.prescribe_run(config)
    whole, used = time.perf_counter() - began, time.process_time() - cpu
    names = {one.id: row for row, one in enumerate({one.id: one for one in done.plan.sft}.values())}
    apart = kept_apart(done.plan.edits, names)
    order = [names[one.id] for one in done.plan.sft]
    cost = done.plan.cost
    return {
        "findings": len({one.id for one in done.plan.sft if one.stage != "texts"}),
        "rows": len(done.plan.sft),
        "edits": len(done.plan.edits),
        "seconds": round(whole, 1),
        "cpu_seconds": round(used, 1),
        "of_these": seconds,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "tokens_of_plain": round(cost.total / cost.plain, 3),
        "violations": violations(order, apart, done.plan.step),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        print(json.dumps(measure(args.run)))
        return
    results = []
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            run = make(Path(folder) / "run", size)
            command = [sys.executable, __file__, "--run", str(run)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(results[-1]), flush=True)
    OUT.write_text(json.dumps({"planning": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
