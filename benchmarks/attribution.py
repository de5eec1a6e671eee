"""How often the cause that is named is the one that was planted: worlds by seed and setting, and what is given away.

    python benchmarks/attribution.py --seeds 10 11 12 --settings default [--work runs/attribution] [--develop 0 1 2]

Each world is made with its confirmation, trained and diagnosed as `uptake diagnose` does it, and graded as `uptake lab
grade` does. Beside the evidence stand the published cascade on the same items, and diagnoses of the same model without
its ledger, its base or its held-out wordings. With --develop, each signal is left out in turn: the coefficients are
fitted anew on these worlds, and graded on the others. Results are written after each world. What is there already is
not computed again, so a killed run goes on. The picture FILE.svg is the confusion matrix of all worlds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from uptake.artifacts import read_json, versions, write_bytes, write_json
from uptake.attribute import strongest, together
from uptake.causes import CAUSES, Cause, Weights, scored
from uptake.cli.progress import progress_bar
from uptake.config import load_run
from uptake.lab.build import make
from uptake.lab.calibrate import calibrate, read_items
from uptake.lab.grade_report import World, as_data, report
from uptake.lab.key import Answered, read_answers, read_key
from uptake.lab.plants import Controls
from uptake.pipeline import diagnose_run

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "small": {"size": 60},
    "shares": {"shares": {"knowledge_gap": 1.6, "forgetting": 1.2, "data_conflict": 0.8}},
    "noise": {"noise": 0.2},
    "stages": {"stages": 3},
}
"""Controls of the worlds that differ from the defaults."""
WAYS: Mapping[str, Mapping[str, Any]] = {
    "ilp": {"attribution": "ilp"},
    "evidence": {},
    "no_ledger": {"ledger": False},
    "no_paraphrases": {"paraphrases": None},
    "no_base": {"base": False},
}
"""Ways of diagnosing one trained model; of those that write to one folder the last one's tables stay there."""


def world(name: str, args: argparse.Namespace) -> Path:
    """Make, confirm and train one world; what is there already is kept."""
    setting, _, seed = name.partition("-")
    out: Path = args.work / name
    with progress_bar() as progress:
        make(out, Controls(seed=int(seed), **SETTINGS[setting]), with_confirmation=True, tell=progress)
        config = load_run(out / "run.yaml")
        if not (config.output_dir / "train" / config.stages[-1].name / "config.json").exists():
            from uptake.pipeline.train import train_run

            train_run(config, progress)
    return out


def diagnosed(out: Path, way: str, args: argparse.Namespace) -> Path:
    """Diagnose a trained world in one way; returns the table's path."""
    given = dict(WAYS[way])
    has_base, ledger = given.pop("base", True), given.pop("ledger", True)
    run = out / "run"
    if args.embedding is not None:
        given["embedding_model_name_or_path"] = args.embedding
    if way not in ("evidence", "ilp"):  # the ledger lies where the output goes
        output_dir = out / way
        given["output_dir"] = str(output_dir)
        if ledger and not (output_dir / "ledger").exists():
            shutil.copytree(run / "ledger", output_dir / "ledger")
    config = load_run(out / "run.yaml", given)
    tuned = run / "train" / config.stages[-1].name
    with progress_bar() as progress:
        diagnosis = diagnose_run(config, str(tuned), has_base=has_base, progress=progress)
    kept = out / f"{way}.jsonl"
    shutil.copy(diagnosis.folder / "diagnosis.jsonl", kept)
    return kept


def without(cause: Cause, signal: str) -> Cause:
    """A cause whose patterns lack a signal; patterns that become equal are one."""
    patterns = (tuple(name for name in pattern if name != signal) for pattern in cause.patterns)
    return replace(cause, patterns=tuple(dict.fromkeys(pattern for pattern in patterns if pattern)))


def ablations(develop: Sequence[Path], worlds: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each signal the grades without it: fitted anew on the worlds of `develop`, graded on the others."""
    items = read_items(develop)
    for signal in ("", *dict.fromkeys(name for cause in CAUSES.values() for p in cause.patterns for name in p)):
        causes = {name: without(cause, signal) for name, cause in CAUSES.items()}
        fitted = Weights(calibrate(items, causes=causes), {})
        yield (
            signal or "all signals",
            graded([World(read_key(out / "key.jsonl"), list(_answers(out, causes, fitted))) for out in worlds]),
        )


def _answers(out: Path, causes: Mapping[str, Cause], fitted: Weights) -> Iterator[Answered]:
    for line in (out / "evidence.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["learned"]:
            yield Answered(row["id"], True, None, dict.fromkeys(CAUSES))
            continue
        found = {name: scored(cause, row["evidence"]["signals"], fitted) for name, cause in causes.items()}
        scores = together({name: None if one is None else one[1] for name, one in found.items()})
        yield Answered(row["id"], False, strongest(scores), scores)


def graded(worlds: Sequence[World]) -> dict[str, Any]:
    """What `uptake lab grade` says, as data."""
    data: dict[str, Any] = as_data(report(worlds))
    return data


def told(name: str, data: Mapping[str, Any]) -> str:
    """One line: the mean F1 and that of each cause."""
    named = data["named"]
    f1 = "  ".join(f"{cause} {_value(one['f1'])}" for cause, one in named["causes"].items())
    return f"{name:<22} macro-F1 {_value(named['macro_f1'])}  {f1}"


def _value(interval: Mapping[str, float] | None) -> str:
    return "-" if interval is None else f"{interval['estimate']:.3f}"


def picture(confusion: Mapping[str, Any]) -> str:
    """The confusion matrix as SVG: a row what was planted, a column what was named; darker: more of the row."""
    rows, columns, counts = confusion["planted"], confusion["told"], confusion["planted_by_told"]
    side, left, top = 76, 130, 100
    body = []
    for x, column in enumerate(columns):
        at = left + side * x + side / 2
        body.append(f'<text transform="translate({at},{top - 8}) rotate(-35)">{escape(column)}</text>')
    for y, planted in enumerate(rows):
        body.append(f'<text x="{left - 8}" y="{top + side * y + side / 2}" text-anchor="end">{escape(planted)}</text>')
        for x, n in enumerate(counts[y]):
            share = n / max(1, sum(counts[y]))
            ink = "white" if share > 0.5 else "#1b3a57"
            body.append(
                f'<rect x="{left + side * x}" y="{top + side * y}" width="{side - 2}" height="{side - 2}" '
                f'fill="#1b3a57" fill-opacity="{0.04 + 0.96 * share:.3f}"/>'
                f'<text x="{left + side * x + side / 2 - 1}" y="{top + side * y + side / 2 + 5}" '
                f'text-anchor="middle" fill="{ink}">{n}</text>'
            )
    width, height = left + side * len(columns) + 60, top + side * len(rows) + 10
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join([f'{head} font-family="sans-serif" font-size="13">', *body, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10, 20)))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=["default"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--develop", type=int, nargs="*", default=[], help="seeds of the worlds of the ablation's fits")
    parser.add_argument("--embedding", default=None, help="sentence-transformers model")
    parser.add_argument("--work", type=Path, default=Path("runs/attribution"), help="folder of the worlds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "attribution.json")
    args = parser.parse_args()
    results: dict[str, Any] = read_json(args.out) if args.out.exists() else {"worlds": {}}
    done: list[Path] = []
    for setting in args.settings:
        for seed in args.seeds:
            out = world(f"{setting}-{seed}", args)
            done.append(out)
            key = read_key(out / "key.jsonl")
            one = {way: graded([World(key, read_answers(diagnosed(out, way, args)))]) for way in args.ways}
            results["worlds"][out.name] = one
            for way, data in one.items():
                print(told(f"{out.name} {way}", data), flush=True)
            write_json(args.out, {**results, "versions": versions()})
    for way in args.ways:
        worlds = [World(read_key(out / "key.jsonl"), read_answers(out / f"{way}.jsonl")) for out in done]
        results.setdefault("together", {})[way] = graded(worlds)
        print(told(f"all {len(done)} {way}", results["together"][way]), flush=True)
    if args.develop:
        develop = [world(f"default-{seed}", args) for seed in args.develop]
        results["ablation"] = {}
        for name, data in ablations(develop, done):
            results["ablation"][name] = data["named"]
            print(told(name, data), flush=True)
    write_json(args.out, {**results, "versions": versions()})
    write_bytes(args.out.with_suffix(".svg"), picture(results["together"]["evidence"]["named"]["confusion"]).encode())


if __name__ == "__main__":
    main()
