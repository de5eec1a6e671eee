"""One stream of a run file with another strategy, order, seed, length and learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from uptake.artifacts import digest
from uptake.errors import UptakeError
from uptake.pipeline.leaderboard.arms import Trial
from uptake.pipeline.leaderboard.work import BoardRun
from uptake.pipeline.train.rows import file_digests

JOINT = "joint"
"""Each of its stages starts from the base and trains all rows so far: of its last model the others say nothing."""


@dataclass(frozen=True)
class StreamFile:
    """A stream to be varied.

    Attributes:
        settings: Its run file's keys, as JSON has them.
        content: Identifies its data and the base model, where they are files.
    """

    settings: Mapping[str, Any]
    content: str

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> StreamFile:
        """A stream from a run file's keys.

        Raises:
            UptakeError: A stage has strategies of its own, or says in steps how long it is trained.
        """
        names = [settings[key] for key in ("model_name_or_path", "retention", "general")]
        for number, stage in enumerate(settings["stages"]):
            names += [stage["dataset"], stage["test"]]
            if stage["strategy"] is not None:
                raise UptakeError(
                    f"stages.{number}.strategy is given, and strategies are compared in all stages",
                    fix="leave it out: --strategies says what is compared",
                )
            if "max_steps" in {**settings["training"], **stage["training"]}:
                raise UptakeError(
                    "max_steps says how long a stage is trained, and its length is changed to bring all to equal cost",
                    fix="set num_train_epochs instead",
                )
        return cls(settings, digest([file_digests(name) for name in names if name is not None]))

    def varied(
        self,
        folder: Path,
        trial: Trial,
        *,
        what: Literal["cost", "stream"] = "stream",
        order: Sequence[int] | None = None,
        seed: int = 0,
        length: float | Mapping[str, float] = 1.0,
    ) -> BoardRun:
        """A run of it.

        Args:
            folder: Where it goes.
            trial: The strategies, and what the learning rate is multiplied by.
            what: As in `BoardRun`.
            order: The places of the stages in the file, in the order in which they are trained; None for the file's.
            seed: What is added to the run's.
            length: What the epochs are multiplied by: of all stages, or of each by its name.
        """
        found: dict[str, Any] = deepcopy(dict(self.settings))
        found |= {
            "output_dir": str(folder),
            "strategy": trial.as_data()["strategy"],
            "seed": (found["seed"] + seed) % 2**32,
            "test_seed": found["seed"] if found["test_seed"] is None else found["test_seed"],  # the same tests for all
            "stages": [found["stages"][place] for place in order or range(len(found["stages"]))],
        }
        for one in (found, *found["stages"]):
            if "learning_rate" in one["training"]:
                one["training"]["learning_rate"] *= trial.rate
        last = list(trial.chain) == [JOINT] and trial.chain[JOINT].get("start", "base") == "base"
        for number, stage in enumerate(found["stages"], start=1):
            own = length[stage["name"]] if isinstance(length, Mapping) else length
            stage["num_train_epochs"] = round(stage["num_train_epochs"] * own, 4)
            if last and number < len(found["stages"]):
                stage["training"]["max_steps"] = 1
        return BoardRun(found, what, last, self.content)

    def require_rate(self) -> None:
        """Refuse a stream with a stage whose learning rate would not be tuned with the others'.

        Raises:
            UptakeError: A stage has none, of its own or of the run.
        """
        if "learning_rate" in self.settings["training"]:
            return
        without = [one["name"] for one in self.settings["stages"] if "learning_rate" not in one["training"]]
        if without:
            raise UptakeError(
                f"the learning rate is varied, and the run file has none for {', '.join(without)}",
                expected="training: {learning_rate: ...} of the run, or of each stage, in each run file",
                fix="set it to what you would take for plain fine-tuning",
            )


def orders_of(stages: int, n: int, seed: int) -> list[list[int]]:
    """Orders of stages: the file's, and others that a seed draws, all different.

    Args:
        stages: How many stages there are.
        n: How many orders.
        seed: Of the draws.

    Raises:
        UptakeError: There are not so many.
    """
    rng, found = Random(seed), [list(range(stages))]
    for _ in range(1000 * n):
        if len(found) == n:
            return found
        drawn = rng.sample(range(stages), stages)
        if drawn not in found:
            found.append(drawn)
    if len(found) == n:
        return found
    raise UptakeError(f"{stages} stages have no {n} orders", fix="give a smaller --orders")
