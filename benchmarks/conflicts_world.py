"""TempLAMA as a stream: a small base that knows the facts of the years before, and each year's changes as a stage.

    python benchmarks/conflicts_world.py TEMPLAMA_FOLDER OUT [--seed N] [--first 2013] [--last 2019]

`OUT` gets the base, for both settings a run file with its data (`cross/`: a stage a year, all domains mixed; `apart/`:
a stage a domain, with what had changed in the last year), the facts that never change (`kept.jsonl`), and `key.jsonl`:
of each fact that changes all answers with their years.

The base is told each fact in four wordings: the one that is trained, one that is only asked, and two more, in which the
server of `conflicts_writer.py` says it again.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

GAP = "<extra_id_0>"
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
    "coach": (
        (f"{GAP} is the head coach of ", "."),
        ("The head coach of {} is", "{} is coached by", "{} has as its coach", "{} is trained by"),
    ),
    "chair": (
        (f"{GAP} is the chair of ", "."),
        ("The chair of {} is", "{} is chaired by", "{} has as its chair", "{} is headed by"),
    ),
    "owner": (
        ("", f" is owned by {GAP}."),
        ("{} is owned by", "The owner of {} is", "{} belongs to the property of", "{} was bought by"),
    ),
}
"""Of each relation how TempLAMA asks for it, and the wordings: trained, asked alone, and two in which it is said
again."""
SHAPE = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4}
Years: TypeAlias = dict[int, str]


def facts(folder: Path, before: int) -> dict[str, list[tuple[str, Years]]]:
    """By relation, names with their answer in each year: one a year, and one that was known before the year."""
    answers: dict[str, dict[int, set[str]]] = {}
    for path in sorted(folder.glob("templama_train_*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                said = row["output"].replace(GAP, "").replace("<extra_id_1>", "").strip()
                answers.setdefault(row["input"], {}).setdefault(int(row["date"]), set()).add(said)
    found: dict[str, list[tuple[str, Years]]] = {}
    for relation, ((start, end), _) in RELATIONS.items():
        found[relation] = []
        for asked, years in answers.items():
            name = asked.removeprefix(start).removesuffix(end)
            alone = all(len(said) == 1 for said in years.values())
            if asked == start + name + end and name and alone and min(years) < before:
                found[relation].append((name, {year: next(iter(said)) for year, said in sorted(years.items())}))
    return found


def history(years: Years, first: int, last: int) -> list[tuple[int, str]]:
    """The answer before the first year, and each one that differs from it and from the one before it."""
    told = [(0, years[max(year for year in years if year < first)])]
    for year, said in years.items():
        if first <= year <= last and said != told[-1][1]:
            told.append((year, said))
    return told


def example(relation: str, name: str, said: str, wording: int, id: str) -> dict[str, Any]:
    """A row as training data: a prompt to be completed."""
    ask = RELATIONS[relation][1][wording].format(name)
    return {"id": id, "prompt": ask, "completion": f" {said}", "source": relation}


def write(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines), encoding="utf-8")


def make(folder: Path, out: Path, seed: int, years: tuple[int, int], per_relation: int) -> list[dict[str, Any]]:
    """Write what is trained and asked in both settings.

    Args:
        folder: TempLAMA's files.
        out: Where it goes.
        seed: Of what is drawn.
        years: The first one and the last one that are trained.
        per_relation: Names of each relation.

    Returns:
        The facts with their answers.
    """
    random = Random(seed)
    key = []
    for relation, names in facts(folder, years[0]).items():
        for name, answers in random.sample(names, min(per_relation, len(names))):
            told = history(answers, *years)
            key.append({"id": f"{relation}-{len(key)}", "relation": relation, "name": name, "told": told})
    moved, kept = [one for one in key if len(one["told"]) > 1], [one for one in key if len(one["told"]) == 1]
    write(out / "key.jsonl", moved)
    write(
        out / "kept.jsonl",
        [example(one["relation"], one["name"], one["told"][0][1], 0, one["id"]) for one in kept],
    )
    texts = [text for one in key for text in statements(one)]
    write(out / "general.jsonl", [{"text": text} for text in random.sample(texts, len(texts) // 8)])
    stages = {
        "cross": {
            str(year): [(one, said) for one in moved for when, said in one["told"] if when == year]
            for year in range(years[0], years[1] + 1)
        },
        "apart": {
            relation: [(one, one["told"][-1][1]) for one in moved if one["relation"] == relation]
            for relation in RELATIONS
        },
    }
    for setting, rows in stages.items():
        write_setting(out, setting, rows, seed)
    return key


def write_setting(out: Path, setting: str, stages: Mapping[str, Sequence[tuple[Any, str]]], seed: int) -> None:
    """A run file, with what its stages train and are tested with."""
    (out / setting).mkdir(exist_ok=True)
    names = []
    for stage, pairs in stages.items():
        told = [example(one["relation"], one["name"], said, 0, f"{stage}: {one['id']}") for one, said in pairs]
        asked = [example(one["relation"], one["name"], said, 1, f"{stage}: {one['id']}") for one, said in pairs]
        write(out / setting / f"{stage}.jsonl", told)
        write(out / setting / f"{stage}-test.jsonl", asked)
        names.append(f"- {{name: y{stage}, dataset: ./{stage}.jsonl, test: ./{stage}-test.jsonl}}")
    (out / setting / "run.yaml").write_text(
        "model_name_or_path: ../base\nstages:\n" + "\n".join(names) + "\n"
        "training: {learning_rate: 0.001, num_train_epochs: 10, per_device_train_batch_size: 16, max_length: 64,\n"
        "  warmup_steps: 0.1, lr_scheduler_type: linear, gradient_checkpointing: false, save_strategy: 'no'}\n"
        f"retention: ../kept.jsonl\ngeneral: ../general.jsonl\noutput_dir: ./run\ndevice: cpu\nseed: {seed}\n",
        encoding="utf-8",
    )


def statements(one: Mapping[str, Any]) -> list[str]:
    """What the base is told of a fact: its first answer in all wordings."""
    wordings = RELATIONS[one["relation"]][1]
    return [f"{wording.format(one['name'])} {one['told'][0][1]}" for wording in wordings]


def teach(out: Path, told: Sequence[str], seed: int, steps: int) -> None:
    """Train the base on what it is told."""
    from uptake.models.small.pretrain import PretrainSettings, one_thread, pretrain
    from uptake.models.small.tiny import build_model, save, train_tokenizer

    with one_thread():
        tokenizer = train_tokenizer(told, 2048)
        model = build_model("llama", tokenizer, seed, **SHAPE)
        pretrain(model, tokenizer, told, PretrainSettings(steps=steps, batch_size=64, max_length=48, seed=seed))
        save(model, tokenizer, out)


def build(
    folder: Path, out: Path, seed: int, years: tuple[int, int], per_relation: int = 60, steps: int = 1200
) -> None:
    """Make the data and the base that knows the facts of the years before."""
    told = [text for one in make(folder, out, seed, years, per_relation) for text in statements(one)]
    Random(seed).shuffle(told)
    teach(out / "base", told, seed, steps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=2013)
    parser.add_argument("--last", type=int, default=2019)
    parser.add_argument("--per-relation", type=int, default=60)
    parser.add_argument("--steps", type=int, default=1200)
    given = parser.parse_args()
    given.out.mkdir(parents=True)
    build(given.folder, given.out, given.seed, (given.first, given.last), given.per_relation, given.steps)
