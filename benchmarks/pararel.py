"""Real input, end to end: a base that read ParaRel statements, fine-tuned on 1,000 facts new to it, diagnosed.

    python benchmarks/pararel.py --pararel ../shared/data/facts/pararel [--seed 0]

The base reads statements of other facts of the same relations in all human-written patterns. Each of the 1,000 facts is
trained in one pattern; the relation's other patterns that end with the object are its held-out wordings. 500 further
facts, neither read nor trained on, are the null; 500 that the base read are the retention set.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from uptake.artifacts import versions
from uptake.cli.summary import show
from uptake.config import load_run
from uptake.models.small.pretrain import PretrainSettings
from uptake.models.small.tiny import pretrain_file
from uptake.pipeline.diagnose.run import diagnose
from uptake.pipeline.train.run import train_run

TRAINED, NULL, RETENTION = 1000, 500, 500


def read_jsonl(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def endings(patterns: list[str]) -> list[str]:
    """The patterns that end with their object, so that a prompt can precede it."""
    return [pattern for pattern in patterns if pattern.replace(".", "").rstrip().endswith("[Y]")]


def example(kind: str, number: int, relation: str, fact: dict[str, str], patterns: list[str]) -> dict[str, Any]:
    asked = [pattern.partition("[Y]")[0].replace("[X]", fact["sub_label"]).rstrip() for pattern in patterns]
    completion = f" {fact['obj_label']}"
    return {
        "id": f"{kind}-{number:04}",
        "source": relation,
        "prompt": asked[0],
        "completion": completion,
        "paraphrases": asked[1:],
    }


def world(pararel: Path, out: Path, seed: int) -> None:
    """Write `pretrain.txt`, `train.jsonl`, `heldout.jsonl` and `retention.jsonl`."""
    rng = random.Random(seed)
    facts: list[tuple[str, dict[str, str], list[str]]] = []
    statements: dict[str, list[str]] = {}
    for path in sorted((pararel / "patterns").glob("*.jsonl")):
        patterns = [row["pattern"] for row in read_jsonl(path)]
        usable = endings(patterns)
        if len(usable) < 3:
            continue
        statements[path.stem] = patterns
        objects = defaultdict(set)
        for row in read_jsonl(pararel / "facts" / path.name):
            objects[row["sub_label"]].add(row["obj_label"])
        for subject in sorted(objects):
            if len(objects[subject]) == 1:
                facts.append((path.stem, {"sub_label": subject, "obj_label": min(objects[subject])}, usable))
    rng.shuffle(facts)
    trained, null = facts[:TRAINED], facts[TRAINED : TRAINED + NULL]
    read = facts[TRAINED + NULL : TRAINED + NULL + 6 * TRAINED]
    lines = [
        pattern.replace("[X]", fact["sub_label"]).replace("[Y]", fact["obj_label"]).rstrip(" .")
        for relation, fact, _ in read
        for pattern in statements[relation]
    ]
    rng.shuffle(lines)
    out.mkdir(parents=True, exist_ok=True)
    (out / "pretrain.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, some in (("train", trained), ("heldout", null), ("retention", read[:RETENTION])):
        rows = [example(name, i, relation, fact, patterns) for i, (relation, fact, patterns) in enumerate(some)]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (out / f"{name}.jsonl").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pararel", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1500, help="of pre-training")
    parser.add_argument("--num_train_epochs", type=float, default=3)
    parser.add_argument(
        "--work", type=Path, default=None, help="folder of models and tables; a temporary one if left out"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/pararel.json"))
    args = parser.parse_args()
    work = args.work or Path(tempfile.mkdtemp(prefix="uptake-pararel-"))
    took = {}
    world(args.pararel, work, args.seed)
    if not (work / "base").exists():
        start = time.perf_counter()
        settings = PretrainSettings(steps=args.steps, batch_size=64, learning_rate=3e-3, seed=args.seed)
        config = {"hidden_size": 128, "num_hidden_layers": 2, "max_position_embeddings": 256}
        pretrain_file(work / "pretrain.txt", work / "base", vocab_size=4096, settings=settings, config=config)
        took["pre-training"] = time.perf_counter() - start
    if not (work / "run/train/tuned").exists():
        start = time.perf_counter()
        training = {"num_train_epochs": args.num_train_epochs, "per_device_train_batch_size": 16, "learning_rate": 1e-3}
        stage = {"name": "tuned", "dataset": str(work / "train.jsonl")}
        given = {"model_name_or_path": str(work / "base"), "stages": [stage], "training": training, "ledger": "off"}
        train_run(load_run(None, {**given, "seed": args.seed, "output_dir": str(work / "run")}))
        took["fine-tuning"] = time.perf_counter() - start
    start = time.perf_counter()
    diagnosis = diagnose(
        base=work / "base",
        tuned=work / "run/train/tuned",
        dataset=work / "train.jsonl",
        heldout=str(work / "heldout.jsonl"),
        retention=str(work / "retention.jsonl"),
        output_dir=work,
    )
    took["diagnosis"] = time.perf_counter() - start
    print(show(diagnosis))
    print({name: f"{seconds:.0f} s" for name, seconds in took.items()})
    summary = diagnosis.summary()
    kept = {name: summary[name] for name in ("n", "learned", "shallow", "forgotten", "null", "retention", "notes")}
    report = {"seed": args.seed, "seconds": {k: round(v, 1) for k, v in took.items()}, "versions": versions(), **kept}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
