"""How often what flips an example speaks for its planted cause, and for the cause that is named; corrected shares.

    python benchmarks/interventions.py WORLD... [--n 60] [--fitted WORLD...] [--runs 60] [--out FILE.json] [--priors]

Each WORLD was made by `uptake lab make` and trained by `uptake train`. It is diagnosed with --intervene N in its own
folder; what is there already is not computed again. With --fitted, causes are named by coefficients that are fitted on
those of these worlds that are of another family. Counted as planted are items with one cause: confirmed ones, and all
in a world that was not confirmed. Then each family is left out of the priors of the corrected shares in turn: how often
do the 95 % intervals hold the planted shares, in the worlds and in resampled runs? --priors writes the priors that come
with uptake, fitted on all families.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from shares_coverage import FamilyWorld, lines, measured_shares

from uptake.artifacts import versions, write_json
from uptake.artifacts.tables import CAUSES
from uptake.attribute import UNEXPLAINED
from uptake.attribute.interventions import Outcome, summarise_outcomes
from uptake.attribute.shares import PATH
from uptake.cli.progress import progress_bar
from uptake.config import load_run
from uptake.evidence import TREATMENTS
from uptake.lab.calibrate import calibrated, family
from uptake.lab.key import read_key
from uptake.lab.share_priors import KnownItem, fit_priors
from uptake.pipeline import Diagnosis
from uptake.pipeline.diagnose.run import diagnose_run


def outcomes_of(diagnosis: Diagnosis) -> list[Outcome]:
    """The outcomes that a diagnosis wrote."""
    return [
        Outcome(
            finding.id,
            finding.stage,
            finding.cause or UNEXPLAINED,
            told.courses,
            told.told,
            told.told_other,
        )
        for finding in diagnosis
        if (told := finding.evidence.interventions) is not None
    ]


def quicker(some: Iterable[Outcome], others: Iterable[Outcome]) -> float | None:
    """AUROC of exposures: P(one of the former needs fewer than one of the latter) + half of P(as many)."""
    never = 10**6
    a, b = ([one.courses["more_steps"].exposures or never for one in side] for side in (some, others))
    wins = [(x < y) + 0.5 * (x == y) for x in a for y in b]
    return sum(wins) / len(wins) if wins else None


def measured(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The table by cause and the agreement, and which of two causes needs fewer exposures."""
    of = {cause: [one for one in outcomes if one.cause == cause] for cause in CAUSES}
    gaps = of["knowledge_gap"]
    return {
        **summarise_outcomes(outcomes, (*CAUSES, UNEXPLAINED)),
        "fewer_exposures_than_gaps": {
            cause: quicker(of[cause], gaps) for cause in ("base_conflict", "forgetting", "undertraining")
        },
    }


def shown(name: str, found: dict[str, Any]) -> str:
    """A line a cause."""
    lines = [f"{name}: {json.dumps(found['agreement'])}"]
    for cause, part in found["causes"].items():
        cells = [f"{t} {p['held']['count']}/{p['n']}" for t in TREATMENTS if (p := part[t]) is not None]
        told = part["in_context"]
        cells += [] if told is None else [f"told {told['flipped']} (another {told['by_another']})/{told['n']}"]
        lines.append(f"  {cause:15} {', '.join(cells)}; speaks for {part['speaks_for']}; agrees {part['agrees']}")
    return "\n".join([*lines, f"  fewer exposures than gaps: {found['fewer_exposures_than_gaps']}"])


def causes_known(world: Path) -> dict[str, str]:
    """Of the examples with one planted cause, that cause; where the world was confirmed, of the confirmed ones."""
    planted = [one for one in read_key(world / "key.jsonl") if one.causes]
    confirmed = all(one.confirmed is not None for one in planted)
    return {one.id: one.causes[0] for one in planted if len(one.causes) == 1 and (one.confirmed or not confirmed)}


def known_items(diagnosis: Diagnosis, causes: Mapping[str, str]) -> list[KnownItem]:
    """The unlearned examples whose cause is known, with their names and what the interventions on them say."""
    return [
        KnownItem(
            causes[finding.id],
            finding.cause or UNEXPLAINED,
            None if (told := finding.evidence.interventions) is None else told.speaks_for,
        )
        for finding in diagnosis
        if not finding.learned and finding.id in causes
    ]


def name_without(kind: str, fitted: Sequence[Path], work: Path) -> None:
    """From here on causes are named by coefficients fitted on the worlds of other families."""
    module = importlib.import_module("uptake.causes.weights")
    path = work / f"weights-{kind}.json"
    write_json(path, calibrated([world for world in fitted if family(world) != kind]).as_data())
    module.PATH = path  # type: ignore[attr-defined]
    module.weights.cache_clear()


def diagnosed(world: Path, n: int, fitted: Sequence[Path]) -> Diagnosis:
    """A world's diagnosis with interventions."""
    config = load_run(world / "run.yaml", {"intervene": str(n)})
    if fitted:
        name_without(family(world), fitted, world)
    tuned = config.output_dir / "train" / config.stages[-1].name
    with progress_bar() as progress:
        return diagnose_run(config, str(tuned), progress=progress)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", nargs="+", type=Path)
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--fitted", nargs="*", type=Path, default=[])
    parser.add_argument("--runs", type=int, default=60, help="resampled runs of each family")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "interventions.json")
    parser.add_argument("--priors", action="store_true", help="write the priors that come with uptake")
    args = parser.parse_args()
    reactions: dict[str, Any] = {}
    pooled: dict[str, list[Outcome]] = {"named": [], "planted": []}
    worlds = []
    for world in args.worlds:
        diagnosis, causes = diagnosed(world, args.n, args.fitted), causes_known(world)
        named = outcomes_of(diagnosis)
        planted = [replace(one, cause=causes[one.id]) for one in named if one.id in causes]
        for by, outcomes in (("named", named), ("planted", planted)):
            pooled[by] += outcomes
            reactions[f"{world.name}, by the cause {by}"] = measured(outcomes)
        worlds.append(FamilyWorld(world.name, family(world), known_items(diagnosis, causes)))
    every = {f"all, by the cause {by}": measured(outcomes) for by, outcomes in pooled.items()}
    for name, found in (reactions | every).items():
        print(shown(name, found))
    families = {
        world.family: [item for one in worlds if one.family == world.family for item in one.items] for world in worlds
    }
    results: dict[str, Any] = {"reactions": every, "versions": versions()}
    if len(families) > 2:
        results["shares"] = measured_shares(worlds, args.runs)
        print("\n".join(lines(results["shares"])))
    write_json(args.out, results)
    if args.priors:
        write_json(PATH, fit_priors(families).as_data())


if __name__ == "__main__":
    main()
