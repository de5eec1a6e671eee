"""The same seed gives the same world, base, marks and grades, whatever the hash seed and the number of threads."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# of everything just enough that some items are learned
SHAPE = {"hidden_size": 256, "num_hidden_layers": 1, "num_attention_heads": 2, "tie_word_embeddings": True}
STEPS, EPOCHS = 10, 8
TRAINING = {
    "learning_rate": 3e-3,
    "lr_scheduler_type": "constant",
    "per_device_train_batch_size": 8,
    "gradient_checkpointing": False,
    "logging_strategy": "no",
    "disable_tqdm": True,
    "max_length": 96,
}
DATA = "early main paraphrases heldout retention general pretrain corpus".split()


def make(out: Path) -> None:
    """A world whose base reads little, confirmed, and the grades of an attribution that hashes make up."""
    from uptake.artifacts.tables import CAUSES
    from uptake.cli import app
    from uptake.lab import base, build, training
    from uptake.lab.controls import Controls

    base.MODEL = SHAPE
    base.PRETRAINING = {**base.PRETRAINING, "batch_size": 32}
    base.PASSES, base.LEAST_STEPS = 0, STEPS
    base.FURTHER = {**base.FURTHER, "batch_size": 16, "steps": 5}
    training.TRAINING, training.EPOCHS, training.EARLY_EPOCHS = TRAINING, EPOCHS, EPOCHS
    build.make(out, Controls(seed=7, size=2, shares={"base_conflict": 0}, noise=0.2), with_confirmation=True)

    rows = []
    for line in (out / "key.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        chance = hashlib.sha256(row["id"].encode()).digest()
        scores = {f"cause_{cause}": chance[k] / 255 for k, cause in enumerate(CAUSES)}
        rows.append({"id": row["id"], "learned": row["learned"], "cause": CAUSES[chance[5] % 5], **scores})
    (out / "made-up.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    grade = ["lab", "grade", str(out), "--diagnosis", "made-up.jsonl", "--all", "--json", str(out / "grade.json")]
    app(grade, standalone_mode=False)


@pytest.mark.slow
def test_two_processes_make_the_same_world(tmp_path):
    import forked  # here: this file is a script as well, which does not find it

    commands, environments = [], []
    for threads in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": "11",
            "OMP_NUM_THREADS": threads,
            "RAYON_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "true",
            "UPTAKE_CACHE": str(tmp_path / f"cache-{threads}"),
        }
        commands.append([__file__, str(tmp_path / threads)])
        environments.append(environment)
    command = [sys.executable, *commands[0]]
    with subprocess.Popen(command, env=environments[0], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        done = forked.python(*commands[1], env=environments[1])  # its hash seed is that of the server
        said, _ = process.communicate()
    assert process.returncode == done.returncode == 0, said.decode() + done.stderr
    seeds = [(tmp_path / threads / "hash").read_text() for threads in ("1", "2")]
    assert seeds[0] != seeds[1]

    one, two = tmp_path / "1", tmp_path / "2"
    names = [f"{name}.jsonl" for name in (*DATA, "key", "made-up")]
    names += ["run.yaml", "world.json", "grade.json", "base/model.safetensors", "base/tokenizer.json"]
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name

    # nothing would be shown by a base that learns nothing, or by grades of nothing
    key = [json.loads(line) for line in (one / "key.jsonl").read_text(encoding="utf-8").splitlines()]
    marks = [row[mark] for row in key for mark in ("learned", "learned_then", "learned_without")]
    assert True in marks and False in marks
    grade = json.loads((one / "grade.json").read_text(encoding="utf-8"))
    assert grade["named"]["macro_f1"] is not None and grade["scores"]["macro"]["auroc"] is not None


if __name__ == "__main__":
    from transformers import Trainer  # noqa: F401
    from trl import SFTTrainer  # noqa: F401

    gc.freeze()  # the modules are not looked at whenever a model goes
    make(Path(sys.argv[1]))
    (Path(sys.argv[1]) / "hash").write_text(str(hash("hash")))
