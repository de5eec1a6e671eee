"""`uptake verify`: from a diagnosis to randomised arms, each a plan of the same cost, and from these to a verdict."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uptake.artifacts import digest, file_digest, versions
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline.applying import apply
from uptake.pipeline.cohort import Progress
from uptake.pipeline.diagnosis import read_diagnosis
from uptake.pipeline.equal_cost import Spent, filled_up
from uptake.pipeline.measuring import Questions, questions
from uptake.pipeline.plan_material import Encoding, read_material
from uptake.pipeline.prescribing import processes_of, terms_of
from uptake.pipeline.train_data import file_digests
from uptake.pipeline.verifying import Arm, Experiment, Measured, Treatment, foretold_of, verify
from uptake.prescribe import FOR_CAUSE, Budget, Material, Terms, plan
from uptake.remedies.remedy import told
from uptake.types import Edit, Finding, Plan
from uptake.verify import Assigned, Design, Key, assign, assign_to_remedies, too_few

VERIFY_VERSION = 1
"""Part of the key of what is trained: raised when the same input comes to be trained or asked otherwise."""

CONTROL = "placebo"
NOTHING = "nothing"

_MEASURED = ("paraphrases", "retention", "general", "corpus")


@dataclass(frozen=True)
class Terms_:
    """placeholder"""
