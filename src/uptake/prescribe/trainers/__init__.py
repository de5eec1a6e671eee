"""A plan's settings for trainers, one file a trainer, each with shuffling and packing off.

All paths are relative to the plan's folder, in which the commands are given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptake import yaml
from uptake.prescribe.trainers.axolotl import axolotl
from uptake.prescribe.trainers.llamafactory import dataset_info, llamafactory
from uptake.prescribe.trainers.lost import lost_lines, lost_notes
from uptake.prescribe.trainers.refusals import refusals
from uptake.prescribe.trainers.settings import OF_THE_PLAN, Export, Phase, phases
from uptake.prescribe.trainers.trl import trl
from uptake.types import Plan


@dataclass(frozen=True, slots=True)
class Trainer:
    """A trainer that a plan is written for.

    Attributes:
        command: What is given on the command line before the file of settings.
        settings: The settings of a phase.
    """

    command: str
    settings: Callable[[Plan, Export, Phase], dict[str, Any]]


TRAINERS: Mapping[str, Trainer] = {
    "trl": Trainer("trl sft --config", trl),
    "llamafactory": Trainer("llamafactory-cli train", llamafactory),
    "axolotl": Trainer("axolotl train", axolotl),
}

__all__ = ["OF_THE_PLAN", "TRAINERS", "Export", "Trainer", "configs", "notes_of_trainers", "phases", "refusals"]


def notes_of_trainers(plan: Plan, made: Export) -> list[str]:
    """What the settings of other trainers cannot say of how the run was trained."""
    return lost_notes(plan, made, refusals(plan.sft, made.kind))


def configs(plan: Plan, made: Export) -> dict[str, bytes]:
    """The files of all trainers that can train the rows, by their path in the plan's folder."""
    refused = refusals(plan.sft, made.kind)
    files = {
        f"{name}/{phase}.yaml": _yaml(
            trainer.settings(plan, made, phase),
            [f"# in the folder of the plan: {trainer.command} {name}/{phase}.yaml", *lost_lines(plan, made, name)],
        )
        for name, trainer in TRAINERS.items()
        for phase in phases(plan)
        if name not in refused
    }
    if "llamafactory" in refused:
        return files
    info = json.dumps(dataset_info(plan, made.kind), indent=2) + "\n"
    return {**files, "llamafactory/dataset_info.json": info.encode()}


def _yaml(settings: Mapping[str, Any], comments: Sequence[str]) -> bytes:
    text = yaml.write(dict(settings), width=120)
    return "\n".join([*comments, text]).encode()
