"""Does attribution hold in worlds of another maker? Fit on all families of worlds but one, report on that one.

    python benchmarks/families.py --worlds DIR [DIR ...] [--out FILE.json]

Each DIR is a world that was made (`uptake lab make`), trained and diagnosed (`uptake diagnose DIR/run.yaml`); its
family is the one that its `world.json` names. Every family counts as much as every other one in a fit, and every cause
of a family as much as its other causes. Nothing is ever fitted on the worlds of a pre-trained model, on a family whose
keys are not confirmed, of which all plants count, or on one without confirmed items of every cause. A table of the
published cascade stands beside where a world has one, `DIR/ilp.jsonl`: the diagnosis of
`uptake diagnose DIR/run.yaml --attribution ilp`. FILE.svg shows the confusion matrix of each family.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from confusions import pictured

from uptake.artifacts import versions, write_bytes, write_json
from uptake.artifacts.evidence import evidence_from_data
from uptake.attribute import strongest, together
from uptake.attribute.by_spans import has_causes_of_spans
from uptake.causes import CAUSES, Cause, Rows, scored
from uptake.lab.calibrate import UnlearnedItem, calibrate, family, read_items, weighted
from uptake.lab.grade_report import GradedWorld, as_data, report
from uptake.lab.key import DiagnosedItem, Entry, read_answers, read_key
from uptake.span_evidence import SpanEvidence

TABLE = Path("run", "diagnosis", "diagnosis.jsonl")
FOREIGN = "pretrained"
"""Begins the names of families on which nothing is fitted."""


OWN = {
    "knowledge_gap": ("base_doubt_here", "base_recalled", "tuned_pmi", "tuned_share"),
    "base_conflict": ("belief_steady_here", "belief_backed"),
}
ABLATIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "with everything": {},
    "what was observed is not named first": {},
    "the base is not asked in its own words": OWN,
    "beliefs are not compared across wordings": {
        "knowledge_gap": ("belief_sure", "base_gives", "tuned_pmi", "tuned_share"),
        "base_conflict": ("belief_sure", "belief_backed", "base_gives"),
    },
    "beliefs are not read on the base's own scale": {
        "knowledge_gap": ("belief_agreed", "base_gives", "tuned_pmi", "tuned_share"),
        "base_conflict": ("belief_agreed", "belief_backed", "base_gives"),
    },
    "undertraining by the share of what training took alone": {"undertraining": ("tuned_share",)},
}
"""What is left out, each time fitted anew: by cause the signals that are left."""
NOT_FIRST = "what was observed is not named first"


def is_confirmed(folder: Path) -> bool:
    """Whether its plants were tried."""
    return all(entry.confirmed is not None for entry in read_key(folder / "key.jsonl") if entry.causes)


def items_of(folders: Sequence[Path]) -> list[UnlearnedItem]:
    """The unlearned items of one family, weighted."""
    return weighted([one for each in folders for one in read_items([each], confirmed_only=is_confirmed(each))])


def answers(
    table: Path, fitted: Rows, causes: Mapping[str, Cause] = CAUSES, *, observed_first: bool = True
) -> list[DiagnosedItem]:
    """What attribution with these coefficients says of a world's examples, by the signals of a diagnosis (JSONL)."""
    found = []
    for row in (json.loads(line) for line in table.read_text(encoding="utf-8").split("\n") if line):
        if row["learned"]:
            found.append(DiagnosedItem(row["id"], True, None, dict.fromkeys(CAUSES)))
            continue
        evidence = evidence_from_data(row["evidence"])
        if has_causes_of_spans(evidence, [SpanEvidence(**one) for one in row["spans"] or ()]):
            # by rule: no coefficient has a part in it
            own = {name: row[f"cause_{name}"] for name in CAUSES}
            found.append(DiagnosedItem(row["id"], False, row["cause"], own))
            continue
        signals = evidence.signals
        each = {name: scored(cause, signals, fitted) for name, cause in causes.items()}
        scores = together({name: None if one is None else one[1] for name, one in each.items()})
        found.append(DiagnosedItem(row["id"], False, strongest(scores, signals if observed_first else None), scores))
    return found


def graded(folders: Sequence[Path], tables: Sequence[Sequence[DiagnosedItem]]) -> dict[str, Any]:
    """The grades of the worlds of a family, with `uptake lab grade`'s own measures."""
    worlds = []
    for folder, table in zip(folders, tables, strict=True):
        key = read_key(folder / "key.jsonl")
        if not is_confirmed(folder):
            learned = {row.id for row in table if row.learned}
            # planted and learned, or a control and not learned: unexpected, and left out as in confirmed worlds
            key = [_taken(entry) for entry in key if bool(entry.causes) != (entry.id in learned)]
        worlds.append(GradedWorld(key, table))
    data: dict[str, Any] = as_data(report(worlds))
    return data


def _taken(entry: Entry) -> Entry:
    return replace(entry, confirmed=True) if entry.causes else entry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "families.json")
    args = parser.parse_args()
    families: dict[str, list[Path]] = {}
    for folder in args.worlds:
        families.setdefault(family(folder), []).append(folder)
    items = {name: items_of(folders) for name, folders in families.items()}
    fitting = [
        name
        for name, some in families.items()
        if FOREIGN not in name
        and all(map(is_confirmed, some))
        and {c for one in items[name] for c in one.causes} >= {*CAUSES}
    ]
    results: dict[str, Any] = {}
    ablated: dict[str, dict[str, float]] = {}
    print(f"{'family left out':<20}{'items':>6}  macro-F1 (the published cascade)   F1 by cause", flush=True)
    for name, folders in families.items():
        others = [one for other, each in items.items() if other != name and other in fitting for one in each]
        fitted = calibrate(others)
        left_out = graded(folders, [answers(folder / TABLE, fitted) for folder in folders])
        results[name] = {
            "worlds": len(folders),
            "confirmed": all(map(is_confirmed, folders)),
            "items": sum(each["n"] for each in left_out["named"]["causes"].values()),
            "left_out": left_out,
        }
        ablated[name] = ablation(folders, others)
        tables = [folder / "ilp.jsonl" for folder in folders]
        if all(path.exists() for path in tables):
            results[name]["cascade"] = graded(folders, [read_answers(path) for path in tables])
        print(_line(name, results[name]), flush=True)
    for what in ABLATIONS:
        print(f"{what:<56}" + " ".join(f"{name[:12]} {each[what]:.2f} " for name, each in ablated.items()), flush=True)
    write_json(args.out, {"families": results, "ablation": ablated, "versions": versions()})
    matrices = {f"{name}, left out": one["left_out"]["named"] for name, one in results.items()}
    write_bytes(args.out.with_suffix(".svg"), pictured(matrices).encode())


def ablation(folders: Sequence[Path], others: Sequence[UnlearnedItem]) -> dict[str, float]:
    """Macro-F1 of a family that is left out of the fit, without one thing at a time."""
    found = {}
    for what, instead in ABLATIONS.items():
        causes = {
            name: replace(one, patterns=(instead[name], *one.patterns[1:])) if name in instead else one
            for name, one in CAUSES.items()
        }
        fitted = calibrate(others, causes=causes)
        tables = [answers(path / TABLE, fitted, causes, observed_first=what != NOT_FIRST) for path in folders]
        found[what] = graded(folders, tables)["named"]["macro_f1"]["estimate"]
    return found


def _line(name: str, one: Mapping[str, Any]) -> str:
    named = one["left_out"]["named"]
    macro = named["macro_f1"]
    cascade = f"{one['cascade']['named']['macro_f1']['estimate']:.2f}" if "cascade" in one else "-"
    f1 = " ".join(f"{each['f1']['estimate']:.2f}" if each["f1"] else "-" for each in named["causes"].values())
    shown = f"{macro['estimate']:.2f} [{macro['low']:.2f}, {macro['high']:.2f}]"
    return f"{name:<20}{one['items']:>6}  {shown} ({cascade})   {f1}"


if __name__ == "__main__":
    main()
