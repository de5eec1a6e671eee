"""How often what flips an example speaks for its planted cause, and for the cause that is named.

    python benchmarks/interventions.py WORLD... [--n 100] [--out FILE.json]

Each WORLD was made by `uptake lab make --confirm` and trained by `uptake train`. It is diagnosed with --intervene N in
its own folder; what is there already is not computed again. Counted as planted are confirmed items with one cause.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from uptake.artifacts import write_json
from uptake.artifacts.tables import CAUSES
from uptake.attribute import UNEXPLAINED
from uptake.attribute.interventions import Outcome, summarise_outcomes
from uptake.cli.progress import progress_bar
from uptake.config import load_run
from uptake.evidence import TREATMENTS
from uptake.lab.key import read_key
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


def measured(outcomes: Sequence[Outcome], seed: int = 0) -> dict[str, Any]:
    """The table by cause and the agreement, and which of two causes needs fewer exposures."""
    of = {cause: [one for one in outcomes if one.cause == cause] for cause in CAUSES}
    gaps = of["knowledge_gap"]
    return {
        **summarise_outcomes(outcomes, (*CAUSES, UNEXPLAINED), seed=seed),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", nargs="+", type=Path)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    results: dict[str, Any] = {}
    pooled: dict[str, list[Outcome]] = {"named": [], "planted": []}
    for world in args.worlds:
        config = load_run(world / "run.yaml", {"intervene": str(args.n)})
        tuned = config.output_dir / "train" / config.stages[-1].name
        with progress_bar() as progress:
            named = outcomes_of(diagnose_run(config, str(tuned), progress=progress))
        causes = {
            one.id: one.causes[0] for one in read_key(world / "key.jsonl") if one.confirmed and len(one.causes) == 1
        }
        planted = [replace(one, cause=causes[one.id]) for one in named if one.id in causes]
        for by, outcomes in (("named", named), ("planted", planted)):
            pooled[by] += outcomes
            results[f"{world.name}, by the cause {by}"] = measured(outcomes)
    if len(args.worlds) > 1:
        results |= {f"all, by the cause {by}": measured(outcomes) for by, outcomes in pooled.items()}
    for name, found in results.items():
        print(shown(name, found))
    if args.out is not None:
        write_json(args.out, results)


if __name__ == "__main__":
    main()
