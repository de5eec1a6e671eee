"""From findings to a plan, and the plan as files that any trainer can use; see docs/prescribe.md."""

from __future__ import annotations

from uptake.prescribe.files import (
    TRAINED,
    asked_for,
    changed,
    content_of,
    found_plan,
    read_plan,
    refuse_changed,
    require_rows,
    write_plan,
)
from uptake.prescribe.material import Budget, Count, Material, Terms
from uptake.prescribe.order import kept_apart
from uptake.prescribe.plan import plan
from uptake.prescribe.rows import kind_of
from uptake.prescribe.trainers import OF_THE_PLAN, TRAINERS, Export, notes_of_trainers
from uptake.prescribe.treat import FOR_CAUSE

__all__ = [
    "FOR_CAUSE",
    "OF_THE_PLAN",
    "TRAINED",
    "TRAINERS",
    "Budget",
    "Count",
    "Export",
    "Material",
    "Terms",
    "asked_for",
    "changed",
    "content_of",
    "found_plan",
    "kept_apart",
    "kind_of",
    "notes_of_trainers",
    "plan",
    "read_plan",
    "refuse_changed",
    "require_rows",
    "write_plan",
]
