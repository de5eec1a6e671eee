"""Write the parts of the documentation that say what the code says: causes, remedies, verbs, keys, measured tables.

    python docs/generate.py            # write them anew
    python docs/generate.py --check    # exit 1 and name the pages that are out of date

A page marks such a part with `<!-- begin NAME -->` and `<!-- end NAME -->`; what stands between is not written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from from_code import (
    causes,
    causes_further,
    families,
    file,
    judged,
    keys,
    names,
    remedies,
    remedies_further,
    signals,
    strategies,
    strategies_catalogue,
    strategies_short,
    verbs,
)
from from_experiments import cures, remedies_short, strategies_measured, strategies_overview, verified
from from_plans import cures_of_families, documents_measured, pilots_measured, plans_measured
from from_results import ablation_of_makers, attribution, makers, makers_short, shares
from from_streams import streams_measured, streams_short

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

BLOCKS: Mapping[str, Callable[[], str]] = {
    "causes": causes,
    "causes-further": causes_further,
    "judged": judged,
    "signals": signals,
    "remedies": remedies,
    "remedies-further": remedies_further,
    "strategies": strategies,
    "strategies-catalogue": strategies_catalogue,
    "strategies-short": strategies_short,
    "strategies-overview": strategies_overview,
    "strategies-measured": strategies_measured,
    "streams-short": streams_short,
    "streams-measured": streams_measured,
    "verbs": verbs,
    "keys": keys,
    "names": names,
    "families": families,
    "attribution": attribution,
    "makers": makers,
    "makers-short": makers_short,
    "makers-ablation": ablation_of_makers,
    "shares": shares,
    "cures": cures,
    "cures-families": cures_of_families,
    "pilots-measured": pilots_measured,
    "plans-measured": plans_measured,
    "documents-measured": documents_measured,
    "verified": verified,
    "remedies-short": remedies_short,
    "ci-job": partial(file, "examples/ci/uptake.yml", "yaml"),
    "ci-run": partial(file, "examples/ci/run.yaml", "yaml"),
}
"""What can stand between a page's markers."""

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
MARKED = re.compile(r"<!-- begin ([\w-]+) -->\n.*?<!-- end \1 -->", re.DOTALL)


def written(text: str) -> str:
    """A page with its marked parts written anew.

    Raises:
        KeyError: A marker names no block.
    """
    return MARKED.sub(
        lambda found: f"<!-- begin {found[1]} -->\n\n{BLOCKS[found[1]]()}\n\n<!-- end {found[1]} -->", text
    )


def main(arguments: Sequence[str]) -> int:
    """Write all pages, or with `--check` only look at them; returns the exit code."""
    check, stale = "--check" in arguments, False
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = written(text)
        if new != text:
            stale = True
            print(f"{page.relative_to(ROOT)}: {'out of date: python docs/generate.py' if check else 'written'}")
            if not check:
                page.write_text(new, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
