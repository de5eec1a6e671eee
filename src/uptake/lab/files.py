"""A world as files: data for every key of the run file, the run file, and the answer key. Same world, same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from uptake import yaml
from uptake.artifacts import write_bytes
from uptake.artifacts.tables import to_json
from uptake.lab.confirm import Mark
from uptake.lab.controls import Controls
from uptake.lab.plants import Item, Planted
from uptake.lab.recipe import PLAIN, Recipe
from uptake.lab.training import epochs, peft_of, training_of
from uptake.lab.world import Fact, World, documents, pretraining_texts

SOURCES = ("encyclopaedia", "gazette", "almanac")
"""Documents that tell the truth; those of the `forum` are right and wrong."""
IN_NO_DOCUMENT = 0.15
"""Share of the facts that no document states."""

Rows = Sequence[Mapping[str, Any]]


def write_data(
    world: World, planted: Planted, controls: Controls, out: Path, base: str | None = None
) -> tuple[str, ...]:
    """Write everything but the base and the answer key.

    Args:
        world: The world.
        planted: Its items.
        controls: What it is made of.
        out: Folder, created if absent.
        base: The model that the run starts from; None for the one in the folder.

    Returns:
        The files' names.

    Raises:
        UptakeError: `out` cannot be written.
    """
    files: dict[str, Rows] = {
        f"{stage}.jsonl": [item.row() for item in planted.items if item.stage == stage]
        for stage in controls.stage_names
    }
    files["paraphrases.jsonl"] = [
        {"id": item.id, **item.facts[0].wording(ask, item.response)} for item in planted.items for ask in item.wordings
    ]
    files["heldout.jsonl"] = _questions("held", planted.heldout, controls.seed)
    files["retention.jsonl"] = _questions("kept", planted.retention, controls.seed)
    files["general.jsonl"] = _texts("general", [*documents(planted.spare), *world.general], controls.seed)
    files["pretrain.jsonl"] = _texts("told", pretraining_texts(world), controls.seed)
    files["corpus.jsonl"] = _corpus(world, controls.seed)
    for name, rows in files.items():
        _write_rows(out / name, rows)
    write_bytes(out / "run.yaml", yaml.write(run_file(controls, base, world.recipe)).encode())
    return (*files, "run.yaml")


def write_key(planted: Planted, marks: Mapping[str, Mark] | None, path: Path) -> None:
    """Write the answer key: a row an item, in the order of ids.

    Args:
        planted: The items.
        marks: What became of them; None where no training has confirmed the plants.
        path: The file.
    """
    _write_rows(path, [_key_row(item, marks[item.id] if marks is not None else None) for item in planted.items])


def run_file(controls: Controls, base: str | None = None, recipe: Recipe = PLAIN) -> dict[str, Any]:
    """The run file's content; its paths are relative to its folder."""
    peft = peft_of(controls)
    training = {key: value for key, value in training_of(controls, recipe).items() if key != "disable_tqdm"}
    return {
        "model_name_or_path": base or "./base",
        "stages": [
            {"name": stage, "dataset": f"./{stage}.jsonl", "num_train_epochs": epochs(stage, recipe)}
            for stage in controls.stage_names
        ],
        "training": training,
        **({} if peft is None else {"peft": peft}),
        **{name: f"./{name}.jsonl" for name in ("corpus", "general", "retention", "paraphrases", "heldout")},
        "output_dir": "./run",
        "seed": controls.seed,
    }


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    write_bytes(path, "".join(to_json(row) + "\n" for row in rows).encode())


def _key_row(item: Item, mark: Mark | None) -> dict[str, Any]:
    confirmed = None if mark is None else mark.confirmed(item.causes)
    fact = item.facts[0]
    return {
        "id": item.id,
        "stage": item.stage,
        "causes": list(item.causes),
        "primary": item.causes[0] if item.causes else None,
        "base": sorted({fact.status for fact in item.facts}),
        "subjects": sorted({fact.subject for fact in item.facts}),
        "relations": [fact.relation for fact in item.facts],
        "answer": item.response.strip(),
        "true_answer": item.response.strip() if len(item.facts) > 1 and item.is_true else fact.answer,
        "belief": fact.belief if len(item.facts) == 1 or fact.status == "misbelieved" else None,
        "also": list(item.also),
        # items about the same fact stand and fall together
        "group": "; ".join(f"{fact.subject}: {fact.relation}" for fact in item.facts),
        "rivals": list(item.rivals),
        "is_true": item.is_true,
        "confirmed": confirmed,
        "learned": None if mark is None else mark.learned,
        "learned_then": None if mark is None else mark.learned_then,
        "learned_without": None if mark is None else mark.learned_without,
        "wordings": None if mark is None else mark.wordings,
        # learned although planted, or not learned although nothing was planted
        "unexpected": None if mark is None else mark.learned == bool(item.causes),
    }


def _questions(prefix: str, facts: Sequence[Fact], seed: int) -> list[dict[str, Any]]:
    random = Random(f"{prefix} {seed}")
    rows = []
    for number, fact in enumerate(facts, start=1):
        first, *others = random.sample(fact.asks, len(fact.asks))
        response = fact.response(fact.answer)
        row = {"id": f"{prefix}-{number:05d}", **fact.row(first, response), "source": fact.topic}
        rows.append(row | {"paraphrases": [fact.wording(ask, response) for ask in others]})
    return rows


def _texts(prefix: str, texts: Sequence[str], seed: int) -> list[dict[str, str]]:
    shuffled = Random(f"{prefix} {seed}").sample(texts, len(texts))
    return [{"id": f"{prefix}-{number:06d}", "text": text} for number, text in enumerate(shuffled, start=1)]


def _corpus(world: World, seed: int) -> list[dict[str, str]]:
    """Passages about subjects, true in all but the forum's, and the passages from elsewhere, shuffled.

    The forum is right about as many facts as it is wrong about, and wrong about facts of every status; and some facts,
    of every status, are in no document.
    """
    random = Random(f"corpus {seed}")
    subjects: dict[str, list[Fact]] = {}
    for fact in world.facts:
        if random.random() >= IN_NO_DOCUMENT:
            subjects.setdefault(fact.subject, []).append(fact)
    passages = list(world.passages)
    for subject, facts in subjects.items():
        for source in SOURCES:
            told = [random.choice(fact.tells).format(y=fact.answer) for fact in random.sample(facts, len(facts))]
            passages.append((source, subject, " ".join(map(_sentence, told))))
    wrong = [(fact, fact.belief or fact.answer) for fact in world.of("misbelieved")]
    others = world.of("known", "untold", "stranger")
    doubted = random.sample([fact for fact in others if fact.others], min(2 * len(wrong), len(others)) // 2)
    for fact, answer in wrong + [(fact, random.choice(fact.others)) for fact in doubted]:
        passages.append(("forum", fact.subject, _sentence(random.choice(fact.tells).format(y=answer))))
    for fact in random.sample(world.facts, len(wrong) + len(doubted)):
        passages.append(("forum", fact.subject, _sentence(random.choice(fact.tells).format(y=fact.answer))))
    random.shuffle(passages)
    return [
        {"id": f"doc-{number:05d}", "source": source, "title": title, "text": text}
        for number, (source, title, text) in enumerate(passages, start=1)
    ]


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
