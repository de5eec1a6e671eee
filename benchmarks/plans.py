"""What a cure does to somebody's own data: each arm in three columns, beside plain fine-tuning with as many tokens.

    python benchmarks/plans.py WORLD --data ../shared/data --work DIR [--rows 116] [--seeds 0 1 2]

WORLD is a folder of `uptake lab make --family facts`: its base, a weak one, is fine-tuned; its general text is
read, and its retention set must not get worse. Two sets of questions that the base
was not made for, with `wiki_mix` as corpus:

- `popqa`: questions of PopQA, drawn at random. Few of their answers stand in the corpus.
- `told`: facts of ParaRel as questions, half of them with subject and object in one passage of the corpus.

Of each, by seed (of the draw and of the run), the share that is learned in the training wording and in held-out ones,
and the share of the retention set that is right, of

- `before`: the run's own fine-tuning, which is to be mended;
- `cure`: what `uptake cure` makes of it;
- `plain`: the run's own fine-tuning with as many tokens as the cure.

An arm that is trained is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
OUT = Path(__file__).parent / "results" / "plans.json"
ARMS = ("before", "cure", "plain")
COLUMNS = ("training", "heldout", "retention")

POPQA = {
    "What sport does {} play?": ("Which sport is {} known for?", "{} is a player of what sport?"),
    "Who was the director of {}?": ("Who directed {}?", "By whom was {} directed?"),
    "Who was the producer of {}?": ("Who produced {}?", "By whom was {} produced?"),
    "What is the capital of {}?": ("Which city is the capital of {}?", "Name the capital of {}."),
    "What genre is {}?": ("To which genre does {} belong?", "What kind of work is {}?"),
    "Who was the screenwriter for {}?": ("Who wrote the screenplay of {}?", "By whom was the script of {} written?"),
    "What is {}'s occupation?": ("What does {} do for a living?", "What is the job of {}?"),
    "Who was the composer of {}?": ("Who composed {}?", "By whom was the music of {} written?"),
    "Who is the father of {}?": ("Whose child is {}, by the father?", "Name the father of {}."),
    "In what country is {}?": ("Which country is {} in?", "Where does {} lie: in which country?"),
    "In what city was {} born?": ("Which city is the birthplace of {}?", "Where was {} born?"),
    "Who is the author of {}?": ("Who wrote {}?", "By whom was {} written?"),
    "What is {} the capital of?": ("Which region has {} as its capital?", "Of what is {} the capital?"),
    "What is the religion of {}?": ("Which religion does {} have?", "What faith does {} follow?"),
}
"""Templates of PopQA, each with two other wordings."""

PARAREL = {
    "P36": ("What is the capital of {}?", *POPQA["What is the capital of {}?"]),
    "P19": ("In what city was {} born?", *POPQA["In what city was {} born?"]),
    "P20": ("In what city did {} die?", "Where did {} die?", "Which city did {} die in?"),
    "P17": ("In what country is {}?", *POPQA["In what country is {}?"]),
    "P159": ("Where is the headquarters of {}?", "In which city is {} based?", "Name the seat of {}."),
    "P176": ("Which company makes {}?", "Who manufactures {}?", "By which company is {} produced?"),
    "P495": ("In which country was {} created?", "Which country does {} come from?", "What is the origin of {}?"),
    "P364": ("What is the original language of {}?", "In which language was {} made?", "Name the language of {}."),
    "P136": ("What genre of music does {} play?", "Which music is {} known for?", "Name the music genre of {}."),
    "P740": ("Where was {} founded?", "In which city was {} formed?", "Name the place where {} was founded."),
    "P178": ("Which company developed {}?", "Who is the developer of {}?", "By whom was {} developed?"),
}
"""Relations of ParaRel as questions: the one that is trained, and two others."""


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def popqa(data: Path, n: int, seed: int) -> list[dict[str, Any]]:
    """Questions with the first of their answers."""
    of = {re.compile(re.escape(one).replace(r"\{\}", "(.+)")): (one, *others) for one, others in POPQA.items()}
    found = {}
    for row in json.loads((data / "qa" / "popqa_2k.json").read_text(encoding="utf-8"))["dev"]:
        for pattern, wordings in of.items():
            if (match := pattern.fullmatch(row["input"])) is not None:
                found.setdefault(row["input"], _row(wordings, match[1], json.loads(row["output"])[0]))
    rows = [found[name] for name in sorted(found)]
    return random.Random(seed).sample(rows, min(n, len(rows)))


def told(data: Path, n: int, seed: int) -> list[dict[str, Any]]:
    """Facts as questions, half of them with subject and object in one passage of the corpus, by words."""
    facts: dict[tuple[str, ...], dict[str, list[tuple[str, str]]]] = {}
    for relation in PARAREL:
        for fact in rows_of(data / "facts" / "pararel" / "facts" / f"{relation}.jsonl"):
            if len(subject := tuple(fact["sub_label"].split())) <= LONGEST:
                facts.setdefault(subject, {}).setdefault(relation, []).append((fact["sub_label"], fact["obj_label"]))
    near: dict[tuple[str, ...], list[str]] = {}
    for row in rows_of(data / "corpus" / "wiki_mix.jsonl"):
        text = f"{row['title']} {row['text']}"
        words = [word.strip(".,;:()'\"") for word in text.split()]
        runs = {tuple(words[at : at + k]) for at in range(len(words)) for k in range(1, LONGEST + 1)}
        for run in sorted(runs & facts.keys()):
            near.setdefault(run, []).append(text)
    sides: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for subject, relations in facts.items():
        for relation, some in relations.items():
            if len(some) == 1 and some[0][1].casefold() not in some[0][0].casefold():
                stated = any(some[0][1] in text for text in near.get(subject, ()))
                sides[not stated].append(_row(PARAREL[relation], *some[0]))
    draw = random.Random(seed)
    return [row for side in sides for row in draw.sample(side, min(n // 2, len(side)))]


def _row(wordings: Iterable[str], subject: str, answer: str) -> dict[str, Any]:
    first, *others = (one.replace("{}", subject) for one in wordings)
    return {"prompt": first, "completion": f" {answer}", "others": others}


LONGEST = 5
"""Words of a name that is looked for."""
SETS = {"popqa": popqa, "told": told}
EPOCHS = {"popqa": 19.0, "told": 11.0}
"""After so many about two thirds of the rows are learned."""


def make(world: Path, data: Path, folder: Path, name: str, n: int, seed: int, epochs: float) -> Path:
    """The data and the run file of one case."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = SETS[name](data, n, seed)
    train = [{"id": f"q{k:03}", "prompt": one["prompt"], "completion": one["completion"]} for k, one in enumerate(rows)]
    other = [
        {"id": f"q{k:03}", "prompt": text, "completion": one["completion"]}
        for k, one in enumerate(rows)
        for text in one["others"]
    ]
    for called, some in (("train", train), ("other", other)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in some)
        (folder / f"{called}.jsonl").write_text(text, encoding="utf-8")
    told_of = {
        "model_name_or_path": str(world / "base"),
        "stages": [{"name": "main", "dataset": "train.jsonl", "num_train_epochs": epochs}],
        "training": {"learning_rate": 3e-3, "per_device_train_batch_size": 8, "max_length": 96},
        "corpus": str(data / "corpus" / "wiki_mix.jsonl"),
        "general": str(world / "general.jsonl"),
        "retention": str(world / "retention.jsonl"),
        "paraphrases": "other.jsonl",
        "output_dir": "run",
        "on_bad_row": "skip",
        "ledger": "training",
        "seed": seed,
    }
    path = folder / "run.yaml"
    path.write_text(json.dumps(told_of, indent=1), encoding="utf-8")
    return path


def columns(diagnosis: Any) -> dict[str, float]:
    """The three columns of a diagnosis, as shares."""
    findings = list(diagnosis)
    shares = [one.evidence.held_out.passed for one in findings if one.evidence.held_out is not None]
    kept = diagnosis.summary()["retention"]["answers"]["after"]["estimate"]
    learned = sum(one.learned for one in findings)
    return {
        "n": len(findings), "learned": learned, "training": learned / len(findings),
        "heldout": sum(shares) / len(shares), "retention": kept,
    }  # fmt: skip


def case(path: Path) -> dict[str, Any]:
    """All arms of one run."""
    from uptake.config import load_run
    from uptake.pipeline import read_diagnosis
    from uptake.pipeline.cure.run import cure_run
    from uptake.pipeline.diagnose.run import diagnose_run
    from uptake.pipeline.train.run import train_run
    from uptake.prescribe import read_plan

    config = load_run(path)
    *_, last = train_run(config)
    found = {"before": columns(diagnose_run(config, str(last.folder)))}
    done = cure_run(config)
    drawn = read_plan(config.output_dir / "plan")
    cost = drawn.cost
    found["cure"] = columns(done.diagnosis)
    found["plain"] = columns(read_diagnosis(config.output_dir / "cured" / "plain"))
    read = [edit for edit in drawn.edits if edit.action == "read"]
    spent = {"plain": cost.plain, "sft": cost.sft, "documents": cost.documents, "general": cost.general}
    return {
        "tokens": spent,
        "read": len(read),
        "unmended": len(drawn.unmended),
        "arms": found,
        "faults": list(done.faults),
    }


def table(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield f"{'case':<10}" + "".join(f"{arm + ': ' + 'learned / held out / kept':>36}" for arm in ARMS) + "   tokens"
    for name, one in results.items():
        cells = [
            f"{part['learned']:>4} of {part['n']}, {part['heldout']:>6.1%}, {part['retention']:>6.1%}"
            for part in (one["arms"][arm] for arm in ARMS)
        ]
        yield f"{name:<10}" + "".join(f"{cell:>36}" for cell in cells) + f"   {one['tokens']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where runs are made; kept")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--rows", type=int, default=116)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    from uptake.models.small.pretrain import one_thread

    # what was measured of other sets and seeds stays
    results: dict[str, dict[str, Any]] = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    with one_thread():
        for name in args.sets:
            for seed in args.seeds:
                folder = (args.work / f"{name}-{seed}").absolute()
                path = make(args.world.absolute(), args.data.absolute(), folder, name, args.rows, seed, EPOCHS[name])
                results[f"{name}:{seed}"] = case(path)
                print(*table({f"{name}:{seed}": results[f"{name}:{seed}"]}), sep="\n", flush=True)
    print(*table(results), sep="\n")
    args.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
