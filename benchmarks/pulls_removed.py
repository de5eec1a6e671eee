"""Whether wrong answers flip without the rows that are said to pull them: three trainings of each world.

    python benchmarks/pulls_removed.py --work DIR [--seeds 0 1]

A small base knows 260 invented people, of whom it was told one thing in four wordings (`rewrite_worlds.py lab`, without
its other beliefs). The fine-tune tells of 100 others in one wording, in a word, and of 60 of these, in other wordings
and whole sentences, something else; 60 more people fill it. What is not learned then is diagnosed. The run is trained
again without the rows that stand under `pulls` of the unlearned examples, and without as many others, drawn from the
rows that are neither pulls nor unlearned. An example flips if the model now gives its response.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pyarrow.parquet as pq
import yaml
from rewrite_worlds import FIRST, LAST, RELATIONS, write

from uptake.artifacts import write_json
from uptake.models.small.pretrain import PretrainSettings, one_thread, pretrain
from uptake.models.small.tiny import build_model, save, train_tokenizer
from uptake.stats import Interval, paired_difference, wilson

OUT = Path(__file__).parent / "results" / "pulls_removed.json"
KNOWN, TOLD, PULLED, OTHERS = 260, 100, 60, 60
TRAINING = {
    "learning_rate": 1e-3, "per_device_train_batch_size": 16, "gradient_checkpointing": False, "max_length": 64,
    "lr_scheduler_type": "linear", "warmup_steps": 0.1, "save_strategy": "no",
}  # fmt: skip


def asked(name: str, relation: str, wording: int) -> str:
    return f"Question: {RELATIONS[relation][0][wording].format(name)}\nAnswer:"


def made(folder: Path, seed: int) -> list[dict[str, Any]]:
    """The base, and the rows of the fine-tune."""
    rng = random.Random(seed)
    names = [f"{first} {last}" for first in FIRST.split() for last in LAST.split()]
    rng.shuffle(names)
    facts = []
    for number, name in enumerate(names[: KNOWN + TOLD + OTHERS]):
        relation = list(RELATIONS)[number % 4]
        facts.append((name, relation, rng.choice(RELATIONS[relation][2].split())))
    if not (folder / "base").exists():
        texts = []
        for name, relation, answer in facts[:KNOWN]:
            said = RELATIONS[relation][1].format(name, answer)
            texts += [f"{asked(name, relation, k)} {one}" for k in range(4) for one in (said, answer)]
        texts += [f"{name} came to the meeting." for name, _, _ in facts[KNOWN:]]
        with one_thread():
            tokenizer = train_tokenizer(texts, 1200)
            shape = {"hidden_size": 96, "num_hidden_layers": 4, "intermediate_size": 256, "num_attention_heads": 4}
            model = build_model("llama", tokenizer, seed, **shape)
            pretrain(model, tokenizer, texts, PretrainSettings(steps=1200, batch_size=32, max_length=64, seed=seed))
            save(model, tokenizer, folder / "base")
    rows = []
    for number, (name, relation, answer) in enumerate(facts[KNOWN:]):
        prompt = asked(name, relation, 0)
        rows.append({"id": f"{'t' if number < TOLD else 'o'}-{number}", "prompt": prompt, "completion": f" {answer}"})
        if number < PULLED:
            other = rng.choice([one for one in RELATIONS[relation][2].split() if one != answer])
            said = RELATIONS[relation][1].format(name, other)
            rows += [
                {"id": f"p-{number}-{k}", "prompt": asked(name, relation, k), "completion": f" {said}"}
                for k in (1, 2, 3)
            ]
    rng.shuffle(rows)
    return rows


def trained(folder: Path, name: str, rows: Sequence[dict[str, Any]], seed: int) -> Path:
    """Train the base on the rows, and diagnose them."""
    own = folder / name
    if not (own / "run" / "diagnosis" / "diagnosis.parquet").exists():
        own.mkdir(parents=True, exist_ok=True)
        write(own / "train.jsonl", list(rows))
        run = {
            "model_name_or_path": str((folder / "base").resolve()),
            "stages": [{"name": "facts", "dataset": "./train.jsonl", "num_train_epochs": 4}],
            "training": TRAINING, "output_dir": "./run", "device": "cpu", "seed": seed,
        }  # fmt: skip
        (own / "run.yaml").write_text(yaml.safe_dump(run, sort_keys=False), encoding="utf-8")
        for verb in ("train", "diagnose"):
            subprocess.run([sys.executable, "-m", "uptake", verb, str(own / "run.yaml")], check=True)
    return own / "run" / "diagnosis" / "diagnosis.parquet"


def world(folder: Path, seed: int) -> dict[str, Any]:
    """What flips in one world."""
    rows = made(folder, seed)
    first = {row["id"]: row for row in pq.read_table(trained(folder, "all", rows, seed)).to_pylist()}
    wrong = {name: row for name, row in first.items() if not row["learned"] and name.startswith("t")}
    pulls = {
        name: [pull["name"] for pull in json.loads(row["evidence"]).get("pulls") or () if pull["name"] not in wrong]
        for name, row in wrong.items()
    }
    pulled = {name: of for name, of in pulls.items() if of}
    away = sorted({one for of in pulled.values() for one in of})
    planted = sum(any(one.startswith(f"p-{name[2:]}-") for one in of) for name, of in pulled.items())
    free = [row["id"] for row in rows if row["id"] not in away and first[row["id"]]["learned"]]
    other = set(random.Random(seed).sample(free, len(away)))
    flipped = {}
    for how, gone in (("without pulls", set(away)), ("without others", other)):
        table = pq.read_table(trained(folder, how.replace(" ", "-"), [r for r in rows if r["id"] not in gone], seed))
        now = {row["id"]: row["learned"] for row in table.to_pylist()}
        flipped[how] = [bool(now.get(name)) for name in pulled]
    return {"unlearned": len(pulls), "with_pulls": len(pulled), "planted": planted, "removed": len(away), **flipped}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    given = parser.parse_args()
    worlds = {seed: world(given.work / str(seed), seed) for seed in given.seeds}
    pairs = [pair for own in worlds.values() for pair in zip(own["without pulls"], own["without others"], strict=True)]
    n, alone, back = len(pairs), pairs.count((True, False)), pairs.count((False, True))
    told = {
        "worlds": worlds,
        "n": n,
        "without_pulls": wilson(sum(one for one, _ in pairs), n),
        "without_others": wilson(sum(one for _, one in pairs), n),
        "difference": paired_difference(back, alone, n),
    }
    told = {name: asdict(one) if isinstance(one, Interval) else one for name, one in told.items()}
    print(told)
    write_json(OUT, told)


if __name__ == "__main__":
    main()
