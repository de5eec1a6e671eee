"""The stages shuffled together, for what was learned in one and lost in a later one."""

from __future__ import annotations

from uptake.remedies.remedy import Patients, Remedy, Treatment
from uptake.types import Edit


def _treat(patients: Patients) -> Treatment:
    *_, last = patients.passes
    of: dict[str, list[str]] = {}
    for finding in patients.findings:
        of.setdefault(finding.stage, []).append(finding.id)
    edits = []
    for stage in patients.passes:
        ids = of.get(stage, [])
        if not ids:
            continue
        lost = f"{len(ids)} of its examples {'was' if len(ids) == 1 else 'were'} learned and lost"
        if stage == last:
            why = f"{lost} within the stage {stage}: they are seen again until its end."
            edits.append(Edit("replay", "expose", tuple(ids), why, copies=1))
        else:
            why = f"{lost} while later stages trained: the stage {stage} is shuffled into {last}."
            edits.append(Edit("replay", "mix", tuple(ids), why, stage=stage))
    return Treatment(tuple(edits))


REPLAY = Remedy(
    name="replay",
    cause="forgetting",
    does="The stage of the example is no longer trained before the last one but shuffled into it, all its examples at "
    "least as often as those of the last stage. What was lost within the last stage is seen once more.",
    helps="What is lost is what is not seen while other data train; shuffled, nothing waits longer than the rest.",
    example="*What does Ruth Tofelm work as?*, learned in the stage *early* and lost in *main*: one order of both.",
    safety="Safe. Where the last stage makes more passes, the earlier one comes to cost more tokens.",
    references=("ILP, §5 (arXiv 2604.10079)", "Robins 1995, rehearsal"),
    treat=_treat,
)
"""The stages shuffled together."""
