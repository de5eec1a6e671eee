"""Rivals in other forms of a question: "Name the capital of Egypt." beside "Egypt has which capital?".

    python benchmarks/rivals_forms.py [--data ../shared/data] [--sets development left_out] [--without-encoder]

Large: 200 pairs that contradict each other among 2,000 rows. Small: 8 to 40 rows with 2 to 8 pairs, 30 drawings, taken
together. Every thing is asked for several relations; a question with several answers is never to be found.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from rivals_data import DATA, Row
from rivals_forms_data import DEVELOPMENT, OPEN, Draw, draw_rows, patterns
from rivals_forms_left_out import BY_HAND, BY_HAND_OPEN, OTHER_OTHER_SCRIPTS, popqa

from rivals import encoder, grade

os.environ.setdefault("HF_HUB_OFFLINE", "1")
OUT = Path(__file__).parent / "results" / "rivals_forms.json"
SMALL = tuple((rows, planted) for rows, planted in ((8, 2), (12, 3), (20, 4), (30, 6), (40, 8)))


def development(data: Path) -> dict[str, Callable[[Draw], list[Row]]]:
    return {"hand-written": lambda how: draw_rows(DEVELOPMENT, OPEN, data, how)}


def left_out(data: Path) -> dict[str, Callable[[Draw], list[Row]]]:
    return {
        "other relations": lambda how: draw_rows(BY_HAND, BY_HAND_OPEN, data, how, OTHER_OTHER_SCRIPTS),
        "PopQA": lambda how: popqa(data, how),
        "ParaRel": lambda how: patterns(data, how),
    }


def measured(make: Callable[[Draw], list[Row]], encode: object, scripts: bool) -> dict[str, dict[str, float]]:
    """What is found in large data, in small ones, in lower case, and with names in other scripts."""
    found = {
        "large": grade(make(Draw(1)), encode),
        "large, lower case": grade(make(Draw(2, lower=True)), encode),
    }
    kinds: dict[str, dict[str, bool]] = {"small": {}, "small, lower case": {"lower": True}}
    kinds |= {"small, other scripts": {"others": True}} if scripts else {}
    for name, more in kinds.items():
        graded = [grade(make(Draw(100 + seed, *SMALL[seed % len(SMALL)], **more)), encode) for seed in range(30)]
        found[name] = together(graded)
    return found


def together(graded: list[dict[str, float]]) -> dict[str, float]:
    """Several data sets as if they were one."""
    pairs = sum(one["pairs"] for one in graded)
    hit = sum(round(one["recall"] * one["pairs"]) for one in graded)
    got = sum(one["got"] for one in graded)
    return {
        "rows": sum(one["rows"] for one in graded),
        "pairs": pairs,
        "precision": hit / max(1, got),
        "recall": hit / max(1, pairs),
        "seconds": sum(one["seconds"] for one in graded),
    }


def keep(part: str, name: str, what: str, result: dict[str, float]) -> None:
    results = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    results.setdefault(part, {}).setdefault(name, {})[what] = {k: round(v, 4) for k, v in result.items()}
    OUT.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", nargs="+", default=["development", "left_out"])
    parser.add_argument("--without-encoder", action="store_true")
    args = parser.parse_args()
    for part in args.sets:
        sets: Mapping[str, Callable[[Draw], list[Row]]]
        sets = {"development": development, "left_out": left_out}[part](args.data)
        for name, make in sets.items():
            for how, encode in (("no model", None), *(() if args.without_encoder else (("encoder", encoder()),))):
                for what, result in measured(
                    make, encode, scripts="relations" in name or part == "development"
                ).items():
                    keep(part, name, f"{what}, {how}", result)
                    print(
                        f"{part:12} {name:14} {what:22} {how:9} precision {result['precision']:.3f} "
                        f"recall {result['recall']:.3f} pairs {result['pairs']} of {result['rows']} rows "
                        f"{result['seconds']:.1f} s",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
