"""Make the utterances of `uptake lab make --family intents` from CLINC150: what people say, and which intent it has.

Run from the repository root, with CLINC150's `data_full.json` and `domains.json` in DIR:

    python examples/intents/make.py --clinc150 DIR --out src/uptake/lab/families/intents_data/utterances.jsonl

The same CLINC150 gives the same bytes. What the file holds is told in `README.md` beside it.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path

SEED = 0
DOMAINS = ("banking", "credit_cards", "kitchen_and_dining", "home", "auto_and_commute", "travel", "utility")
PER_INTENT = 14
LENGTH = range(15, 61)
"""Characters of an utterance."""


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clinc150", type=Path, required=True, help="folder of CLINC150")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = json.loads((args.clinc150 / "data_full.json").read_text(encoding="utf-8"))["train"]
    domains = json.loads((args.clinc150 / "domains.json").read_text(encoding="utf-8"))
    times = Counter(text for text, _ in rows)
    by_intent: dict[str, list[str]] = {}
    for text, intent in rows:
        # four texts carry two intents
        if times[text] == 1 and len(text) in LENGTH and text.isascii():
            by_intent.setdefault(intent, []).append(text)
    draw = random.Random(SEED)
    lines = []
    for domain in DOMAINS:
        for intent in sorted(domains[domain]):
            texts = draw.sample(by_intent[intent], PER_INTENT)
            lines.append(json.dumps({"intent": intent.replace("_", " "), "domain": domain, "texts": texts}) + "\n")
    args.out.write_text("".join(lines), encoding="utf-8")
    print(f"{args.out}: {len(lines)} intents")


if __name__ == "__main__":
    main()
