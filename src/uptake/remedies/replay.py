"""The stages shuffled together, for what was learned in one and lost in a later one."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.remedies.remedy import POSSIBLY_WRONG, Patients, Remedy, Treatment, doubted
from uptake.types import Edit, Finding


def _treat(patients: Patients) -> Treatment:
    *_, last = patients.passes
    sure, doubtful, withheld = doubted(patients.findings, patients)
    edits = (*_replayed(sure, patients, last, ""), *_replayed(doubtful, patients, last, POSSIBLY_WRONG))
    return Treatment(edits, withheld)


def _replayed(findings: Sequence[Finding], patients: Patients, last: str, warning: str) -> list[Edit]:
    of: dict[str, list[str]] = {}
    for finding in findings:
        of.setdefault(finding.stage, []).append(finding.id)
    edits = []
    for stage in patients.passes:
        ids = of.get(stage, [])
        if not ids:
            continue
        lost = f"{len(ids)} of its examples {'was' if len(ids) == 1 else 'were'} learned and lost"
        if stage == last:
            why = f"{lost} within the stage {stage}: they are seen again until its end.{warning}"
            edits.append(Edit("replay", "expose", tuple(ids), why, safe=not warning, copies=1))
        else:
            why = f"{lost} while later stages trained: the stage {stage} is shuffled into {last}.{warning}"
            edits.append(Edit("replay", "mix", tuple(ids), why, safe=not warning, stage=stage))
    return edits


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
