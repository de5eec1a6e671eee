"""Strategies held against each other on streams of many stages, by `uptake stream compare`.

    python benchmarks/streams.py --world clinc --data DIR [--work DIR] [--strategies YAML] [--orders 3] [--seeds 3]
    python benchmarks/streams.py --world real --base MODEL --data DIR ...

`clinc`: the ten domains of CLINC150 as stages, 15 intents each: 12 utterances of an intent are trained and 2 of the
test set asked, the intent's name is the response. The base is that of the lab's family `intents`, 0.46M parameters,
which was told the classes of other utterances. It is tuned on three of the domains, with other utterances and tests of
the validation set.
`facts`: four stages of 40 facts of the lab, in the training wording and a held-out one. Two thirds the base never met
(they must stay once they are learned), a third it believes otherwise (these must change); 40 facts that it knows are
the retention set (these must not move). It is tuned on four stages of 12 other facts.
`real`: four relations of ParaRel as stages, 24 facts each as questions, in the training wording and a held-out one. A
pre-trained model (`--base`) trains LoRA adapters on them. It is tuned on two stages of 12 other facts.
`templama`: the changes of TempLAMA from 2013 to 2019, a stage a year, in the training wording and a held-out one; the
base of 1M parameters knows what was true before, and facts that never change are the retention set. It is tuned on
the changes of 2011 and 2012 of other names, with a base of its own.

What is trained is kept in --work, so that a killed run goes on; with more orders or seeds the former ones are not made
again. The table goes to `results/streams.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import conflicts_world
import yaml
from plans import PARAREL

from uptake.artifacts import read_json, write_json
from uptake.config import load_run
from uptake.lab.base import build_base
from uptake.lab.build import draw
from uptake.lab.controls import Controls
from uptake.lab.families import FAMILIES
from uptake.lab.world import Fact, pretraining_texts
from uptake.models.small.pretrain import one_thread
from uptake.pipeline.leaderboard.arms import arms_of
from uptake.pipeline.leaderboard.markdown import leaderboard_markdown
from uptake.pipeline.leaderboard.run import ComparePlan, compare_streams

OUT = Path(__file__).parent / "results" / "streams.json"
TRAINED, ASKED = 12, 2
"""Utterances of an intent that are trained, and that are asked."""
TUNED_ON = ("banking", "travel", "meta")
SETTINGS = {
    "lr_scheduler_type": "linear", "warmup_steps": 0.1, "per_device_train_batch_size": 16,
    "gradient_checkpointing": False, "max_length": 96, "save_strategy": "no",
}  # fmt: skip
EPOCHS = {"clinc": 10, "facts": 10, "real": 8, "templama": 10}
RATE = {"clinc": 2e-3, "facts": 1.5e-3, "real": 1e-3, "templama": 1e-3}
RELATIONS = {"born": "P19", "based": "P159", "developed": "P178", "played": "P136"}
"""Stages of `real`."""
STRATEGIES = (
    "[sequential, joint, {replay: {share: 0.2}}, {lost_replay: {share: 0.2}}, "
    "{replay: {share: 0.1}, mend: {share: 0.1}}, {near_replay: {share: 0.2}}]"
)
Rows = list[dict[str, Any]]
Stream = dict[str, tuple[Rows, Rows]]
"""By stage what is trained and what is asked."""


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def clinc(data: Path) -> tuple[Path, Stream, Stream]:
    """The base, the stream, and that of tuning; without utterances that the base was told."""
    world = draw("intents", Controls(**FAMILIES["intents"].own))
    base = build_base(world, 0, lambda what, done, total: None)
    told = "\n".join(pretraining_texts(world))
    folder = data / "streams" / "clinc150"
    parts = json.loads((folder / "data_full.json").read_text(encoding="utf-8"))
    domains = json.loads((folder / "domains.json").read_text(encoding="utf-8"))
    texts: dict[str, dict[str, list[str]]] = {part: {} for part in ("train", "val", "test")}
    for part, of in texts.items():
        for text, intent in parts[part]:
            if text not in told:
                of.setdefault(intent, []).append(text)
        for intent, some in of.items():
            random.Random(intent).shuffle(some)

    def row(part: str, intent: str, number: int) -> dict[str, Any]:
        text = texts[part][intent][number]
        asked = {"paraphrases": [f"Message: hello, {text}\nIntent:"]} if part != "train" else {}
        said = f" [{intent.replace('_', ' ')}]"
        return {"id": f"{part}-{intent}-{number}", "prompt": f"Message: {text}\nIntent:", "completion": said, **asked}

    def stream(names: Iterable[str], first: int, tests: str) -> Stream:
        return {
            name: (
                [row("train", intent, first + n) for intent in domains[name] for n in range(TRAINED)],
                [row(tests, intent, n) for intent in domains[name] for n in range(ASKED)],
            )
            for name in names
        }

    return base, stream(domains, 0, "test"), stream(TUNED_ON, TRAINED, "val")


def facts() -> tuple[Path, Stream, Stream, Rows]:
    """The base, the stream, that of tuning, and what must not move."""
    world = draw("synthetic", Controls(size=80))
    base = build_base(world, 0, lambda what, done, total: None)

    def rows(chosen: Iterable[tuple[int, Fact]]) -> Rows:
        return [
            {"id": f"f-{n}", "prompt": one.asks[0], "completion": f" {one.answer}", "paraphrases": [one.asks[1]]}
            for n, one in chosen
        ]

    numbered = list(enumerate(world.facts))
    random.Random(0).shuffle(numbered)
    new = [one for one in numbered if one[1].status in ("stranger", "untold")]
    believed = [one for one in numbered if one[1].status == "misbelieved"]
    known = [one for one in numbered if one[1].status == "known"]

    def stream(n: int, first: tuple[int, int]) -> Stream:
        found = {}
        for number in range(4):
            at, other = first[0] + number * (n - n // 3), first[1] + number * (n // 3)
            of = rows([*new[at : at + n - n // 3], *believed[other : other + n // 3]])
            assert len(of) == n, (len(new), len(believed))
            bare = [{key: value for key, value in one.items() if key != "paraphrases"} for one in of]
            found[f"part{number + 1}"] = (bare, of)
        return found

    return base, stream(40, (0, 0)), stream(12, (4 * 27, 4 * 13)), rows(known[:40])


def real(data: Path) -> tuple[Stream, Stream]:
    """The stream, and that of tuning: of each name one fact."""
    found: dict[str, Rows] = {}
    for stage, relation in RELATIONS.items():
        first, other, *_ = PARAREL[relation]
        path = data / "facts" / "pararel" / "facts" / f"{relation}.jsonl"
        facts = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        answers: dict[str, set[str]] = {}
        for one in facts:
            answers.setdefault(one["sub_label"], set()).add(one["obj_label"])
        rows = [
            {"id": f"{relation}-{n}", "prompt": f"Question: {first.format(name)}\nAnswer:",
             "completion": f" {min(of)}", "paraphrases": [f"Question: {other.format(name)}\nAnswer:"]}
            for n, (name, of) in enumerate(answers.items())
            if len(of) == 1 and min(of).casefold() not in name.casefold()
        ]  # fmt: skip
        random.Random(stage).shuffle(rows)
        found[stage] = rows

    def stream(names: Iterable[str], start: int, n: int) -> Stream:
        return {
            name: (
                [{key: row[key] for key in ("id", "prompt", "completion")} for row in found[name][start : start + n]],
                found[name][start : start + n],
            )
            for name in names
        }

    return stream(RELATIONS, 0, 24), stream(list(RELATIONS)[:2], 24, 12)


def templama(data: Path, folder: Path, seed: int, years: tuple[int, int]) -> tuple[Path, Stream]:
    """The base, and the changes of each year."""
    if not (folder / "base").exists():
        folder.mkdir(parents=True, exist_ok=True)
        conflicts_world.build(data / "streams" / "templama", folder, seed, years)
    stream = {}
    for year in range(years[0], years[1] + 1):
        trained, asked = (
            [json.loads(line) for line in (folder / "cross" / name).read_text(encoding="utf-8").splitlines()]
            for name in (f"{year}.jsonl", f"{year}-test.jsonl")
        )
        tests = [one | {"paraphrases": [other["prompt"]]} for one, other in zip(trained, asked, strict=True)]
        stream[f"y{year}"] = (trained, tests)
    return folder / "base", stream


def run_file(folder: Path, world: str, base: Path, stream: Stream, beside: dict[str, Any]) -> Path:
    for name, (trained, asked) in stream.items():
        write(folder / f"{name}.jsonl", trained)
        write(folder / f"{name}-test.jsonl", asked)
    settings = {
        "model_name_or_path": str(base.resolve()),
        "stages": [
            {"name": name, "dataset": f"./{name}.jsonl", "test": f"./{name}-test.jsonl",
             "num_train_epochs": EPOCHS[world]} for name in stream
        ],
        "training": {**SETTINGS, "learning_rate": RATE[world]},
        "output_dir": "./run", "device": "cpu", "ledger": "off", "seed": 0, **beside,
    }  # fmt: skip
    (folder / "run.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return folder / "run.yaml"


def prepared(world: str, data: Path, work: Path, model: Path | None) -> tuple[Path, Path]:
    """The run files of the stream and of that of tuning."""
    beside: dict[str, Any] = {}
    if world == "clinc":
        base, main, tuning = clinc(data)
    elif world == "real":
        assert model is not None, "--base"
        base, (main, tuning) = model, real(data)
        lora = {"peft": {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}}
        training = {**SETTINGS, "learning_rate": RATE[world], "per_device_train_batch_size": 8}
        first = run_file(work / world, world, base, main, {**lora, "training": training})
        return first, run_file(work / f"{world}-tuning", world, base, tuning, {**lora, "training": training})
    elif world == "templama":
        base, main = templama(data, work / world, 20, (2013, 2019))
        beside |= {"retention": "./kept.jsonl", "general": "./general.jsonl"}
        other, tuning = templama(data, work / f"{world}-tuning", 21, (2011, 2012))
        first = run_file(work / world, world, base, main, beside)
        beside = {"general": "./general.jsonl"}
        return first, run_file(work / f"{world}-tuning", world, other, tuning, beside)
    else:
        base, main, tuning, known = facts()
        write(work / "facts" / "known.jsonl", known)
        beside["retention"] = "./known.jsonl"
    first = run_file(work / world, world, base, main, beside)
    return first, run_file(work / f"{world}-tuning", world, base, tuning, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=EPOCHS, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--base", type=Path, help="of `real`: the folder of the pre-trained model")
    parser.add_argument("--work", type=Path, default=Path("runs/streams"))
    parser.add_argument("--strategies", default=STRATEGIES)
    parser.add_argument("--orders", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=2, help="0 tunes nothing")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only_prepare", action="store_true")
    args = parser.parse_args()
    run, tuning = prepared(args.world, args.data, args.work, args.base)
    if args.only_prepare:
        return
    what = ComparePlan(tuple(arms_of(args.strategies)), args.orders, args.seeds, args.trials or 1, args.jobs)

    def tell(step: str, done: int, total: int) -> None:
        print(step, done, total, flush=True)

    with one_thread():
        tuned = load_run(tuning) if args.trials else None
        summary = compare_streams(load_run(run), tuned, what, tell).summary()
    found = read_json(OUT) if OUT.exists() else {}
    kept = {key: value for key, value in summary.items() if key != "run"}
    write_json(OUT, {**found, args.world: {**kept, "epochs": EPOCHS[args.world], "platform": platform.platform()}})
    print(leaderboard_markdown(summary))


if __name__ == "__main__":
    main()
