"""TempLAMA as a stream of seven years: a small model that knows 2012's facts, and each year's changes as a stage.

    python benchmarks/conflicts_world.py TEMPLAMA_FOLDER OUT [--seed N] [--cross] [--per-relation N]

`OUT` gets the base, the data of each stage, its test in another wording, the facts that never change, and `key.jsonl`:
of each row the old answer, which the model was told.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

GAP = "<extra_id_0>"
YEARS = range(2013, 2020)
RELATIONS: Mapping[str, tuple[tuple[str, str], tuple[str, ...]]] = {
    "team": (("", f" plays for {GAP}."), ("{} plays for", "The club of {} is", "{} is a player of", "{} belongs to")),
    "employer": (
        ("", f" works for {GAP}."),
        ("{} works for", "The employer of {} is", "{} is employed by", "{} earns a living at"),
    ),
    "party": (
        ("", f" is a member of the {GAP}."),
        ("{} is a member of", "The party of {} is", "{} has joined", "{} sits for"),
    ),
    "position": (
        ("", f" holds the position of {GAP}."),
        ("{} holds the position of", "The position of {} is", "{} serves as", "{} was made"),
    ),
    "owner": (
        ("", f" is owned by {GAP}."),
        ("{} is owned by", "The owner of {} is", "{} belongs to the property of", "{} was bought by"),
    ),
    "coach": (
        (f"{GAP} is the head coach of ", "."),
        ("The head coach of {} is", "{} is coached by", "{} has as its coach", "{} is trained by"),
    ),
}
"""Of each relation how TempLAMA asks for it, and the wordings that a model is asked in here."""


def facts(folder: Path, per_relation: int, random: Random) -> dict[str, list[tuple[str, dict[int, str]]]]:
    """By relation, names with their answer in each year; one answer a year, and known before 2013."""
    answers: dict[str, dict[int, set[str]]] = {}
    for path in sorted(folder.glob("templama_train_*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                said = row["output"].replace(GAP, "").replace("<extra_id_1>", "").strip()
                answers.setdefault(row["input"], {}).setdefault(int(row["date"]), set()).add(said)
    found: dict[str, list[tuple[str, dict[int, str]]]] = {}
    for relation, ((before, after), _) in RELATIONS.items():
        names = []
        for asked, years in answers.items():
            name = asked.removeprefix(before).removesuffix(after)
            alone = all(len(said) == 1 for said in years.values())
            if asked == before + name + after and name and alone and min(years) < YEARS.start:
                names.append((name, {year: next(iter(said)) for year, said in sorted(years.items())}))
        found[relation] = random.sample(names, min(per_relation, len(names)))
    return found


def rows(found: Mapping[str, list[tuple[str, dict[int, str]]]]) -> Iterable[dict[str, Any]]:
    """A row a fact and year in which it is new: name, relation, year, answer, old answer; the first has year 0."""
    for relation, names in found.items():
        for name, years in names:
            old = None
            for year, said in years.items():
                if year > YEARS[-1]:
                    break
                when = 0 if year < YEARS.start else year
                if said != old and (when or max(y for y in years if y < YEARS.start) == year):
                    yield {"name": name, "relation": relation, "year": when, "answer": said, "old": old}
                    old = said
                elif not when:
                    old = None


def example(row: Mapping[str, Any], wording: int, name: str) -> dict[str, Any]:
    """A row as training data: a prompt to be completed."""
    ask = RELATIONS[row["relation"]][1][wording].format(row["name"])
    return {"id": name, "prompt": ask, "completion": f" {row['answer']}", "source": row["relation"]}


def write(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines), encoding="utf-8")


def make(folder: Path, out: Path, seed: int, per_relation: int, cross: bool, base: Path | None, steps: int) -> None:
    """Write the world.

    Args:
        folder: TempLAMA's files.
        out: Where it goes.
        seed: Of what is drawn.
        per_relation: Names of each relation.
        cross: Each stage mixes the relations of its year; else each stage has one relation of its own, over all years.
        base: A base that is there already; None trains one.
        steps: Of its training.
    """
    from uptake.models.small.tiny import PretrainSettings, pretrain_file

    out.mkdir(parents=True)
    found = facts(folder, per_relation, Random(seed))
    every = list(rows(found))
    told = [one for one in every if one["year"] == 0]
    changed = {(one["name"], one["relation"]) for one in every if one["year"]}
    texts = [
        f"{RELATIONS[one['relation']][1][k].format(one['name'])} {one['answer']}" for one in told for k in range(4)
    ]
    Random(seed).shuffle(texts)
    (out / "pretrain.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    if base is None:
        shape = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}
        settings = PretrainSettings(steps=steps, batch_size=64, learning_rate=3e-3, max_length=48, seed=seed)
        pretrain_file(out / "pretrain.txt", out / "base", vocab_size=2048, settings=settings, config=shape)
        base = out / "base"
    kept = [one for one in told if (one["name"], one["relation"]) not in changed]
    write(
        out / "retention.jsonl",
        [
            example(one, 0, f"kept-{n}") | {"paraphrases": [_wording(one, k) for k in (1, 2)]}
            for n, one in enumerate(kept)
        ],
    )
    write(out / "general.jsonl", [{"text": text} for text in texts[: len(texts) // 8]])
    names = [str(year) for year in YEARS] if cross else list(found)
    stages = []
    for stage in names:
        new = [one for one in every if one["year"] and stage in (str(one["year"]), one["relation"])]
        ids = [f"{stage}-{n}" for n in range(len(new))]
        write(out / f"{stage}.jsonl", [example(one, 0, name) for one, name in zip(new, ids, strict=True)])
        write(
            out / f"{stage}-test.jsonl", [example(one, 1, f"test-{name}") for one, name in zip(new, ids, strict=True)]
        )
        write(out / f"{stage}-key.jsonl", [{"id": name, **one} for one, name in zip(new, ids, strict=True)])
        stages.append(f"- {{name: y{stage}, dataset: ./{stage}.jsonl, test: ./{stage}-test.jsonl}}")
    (out / "run.yaml").write_text(
        f"model_name_or_path: {base}\nstages:\n" + "\n".join(stages) + "\n"
        "training: {learning_rate: 0.001, num_train_epochs: 5, per_device_train_batch_size: 16, max_length: 64,\n"
        "  warmup_steps: 0.1, lr_scheduler_type: linear, gradient_checkpointing: false}\n"
        f"retention: ./retention.jsonl\ngeneral: ./general.jsonl\noutput_dir: ./run\nseed: {seed}\n",
        encoding="utf-8",
    )


def _wording(row: Mapping[str, Any], wording: int) -> dict[str, str]:
    one = example(row, wording, "")
    return {"prompt": one["prompt"], "completion": one["completion"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-relation", type=int, default=80)
    parser.add_argument("--cross", action="store_true")
    parser.add_argument("--base", type=Path)
    parser.add_argument("--steps", type=int, default=1800)
    given = parser.parse_args()
    make(given.folder, given.out, given.seed, given.per_relation, given.cross, given.base, given.steps)
