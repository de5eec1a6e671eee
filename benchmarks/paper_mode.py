"""The paper's rule exact and sampled, on 1,000 real items: do 5 real samples flag as many as (1 - p)^5 says?

    python benchmarks/paper_mode.py --demo runs/demo [--seeds 0 1 2]

Takes the demo's tuned model and its 1,000 examples (trained, held out, retention), draws 5 samples of each per seed,
and counts those that 0 of 5 flags, in all and by the exact probability of one right sample.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path

import numpy as np

from uptake.pipeline.diagnose.run import diagnose


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, required=True, help="output folder of `uptake demo`")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/paper_mode.json"))
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="uptake-paper-"))
    names = ("train", "heldout", "retention")
    rows = [json.loads(line) for name in names for line in (args.demo / f"{name}.jsonl").open(encoding="utf-8")]
    data = work / "items.jsonl"
    data.write_text("".join(json.dumps({**row, "paraphrases": []}) + "\n" for row in rows), encoding="utf-8")
    results = []
    for seed in args.seeds:
        diagnosis = diagnose(
            tuned=args.demo / "tuned",
            dataset=data,
            output_dir=work / str(seed),
            criterion="paper",
            paper_mode="sampled",
            seed=seed,
        )
        findings = list(diagnosis)
        p = np.array([finding.evidence.paper.p_sample for finding in findings])
        exact = (1 - p) ** 5
        stated = np.array([finding.evidence.paper.p_flag for finding in findings])
        assert np.allclose(exact, stated), "p_flag is not (1 - p)^5"
        flagged = np.array([finding.evidence.paper.successes == 0 for finding in findings])
        z = (flagged.sum() - exact.sum()) / math.sqrt((exact * (1 - exact)).sum())
        by_p = []
        for low, high in ((0, 0.05), (0.05, 0.2), (0.2, 0.35), (0.35, 0.6), (0.6, 1.0001)):
            some = (p >= low) & (p < high)
            by_p.append([low, high, int(some.sum()), int(flagged[some].sum()), round(float(exact[some].sum()), 1)])
        row = {"seed": seed, "items": len(p), "flagged": int(flagged.sum()), "expected": round(float(exact.sum()), 1)}
        results.append({**row, "z": round(float(z), 2), "p_below_0.2": int((p < 0.2).sum()), "by_p": by_p})
        print(results[-1], flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
