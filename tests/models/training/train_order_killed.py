"""`train_killed.py` for runs that follow a schedule: its children train a run file's stages, the last by a schedule.

python train_order_killed.py '[{"args": ["run.yaml"], "moments": [["step", 2], ["state", 1]]}, ...]'
"""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "pipeline" / "train")]

from train_runs import MAIN, scheduled  # noqa: E402
from uptake.config import load_run  # noqa: E402
from uptake.pipeline.train import run  # noqa: E402
from uptake.schedule import Resampling, Schedule, Stopping  # noqa: E402
from uptake.types import Example  # noqa: E402

SCHEDULE = Schedule(
    conflicts=tuple(combinations([row["id"] for row in MAIN[:3]], 2)),
    sources={row["id"]: "odd" if k % 2 else "even" for k, row in enumerate(MAIN)},
    resampling=Resampling(),
    stop=Stopping("gl", alpha=0.0),
    every=2,
)
# the answers of others: likelier at first, as answers at all, and the less likely the more is learned by heart
VALIDATION = [
    Example(row["id"], row["prompt"], other["completion"], "wrong")
    for row, other in zip(MAIN, MAIN[4:] + MAIN[:4], strict=True)
]


def train(args: list[str]) -> None:
    run.train(scheduled(load_run(Path(args[0])), SCHEDULE, VALIDATION))
    raise SystemExit(0)


if __name__ == "__main__":
    import train_killed

    from uptake.models.training.stop import ProgressiveStop

    train_killed.main = train  # what the children call
    train_killed.PLACES["done"] = (
        ProgressiveStop,
        "on_train_end",
        None,
    )  # training ended, its last checkpoint is whole
    train_killed.drive()
