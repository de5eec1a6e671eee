"""The stages shuffled together, for what was learned in one and lost in a later one."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.remedies.exposures import joined, left
from uptake.remedies.remedy import POSSIBLY_WRONG, Patients, Remedy, Treatment, doubted
from uptake.types import Edit, Finding


def _treat(patients: Patients) -> Treatment:
    *_, last = patients.passes
    sure, doubtful, others = doubted(patients.findings, patients)
    edits = [*_replayed(sure, patients, last, ""), *_replayed(doubtful, patients, last, POSSIBLY_WRONG)]
    return joined(edits, left("replay", others, patients))


def _replayed(findings: Sequence[Finding], patients: Patients, last: str, warning: str) -> list[Edit]:
    of: dict[str, list[str]] = {}
    for finding in findings:
        of.setdefault(finding.stage, []).append(finding.id)
    edits = []
    for stage in patients.passes:
        ids = of.get(stage, [])
        if not ids:
            continue
        lost = f"{len(ids)} example{'s were' if len(ids) != 1 else ' was'} learned and lost"
        if stage == last:
            why = f"{lost} within the stage {stage}: trained once more before its end.{warning}"
            edits.append(Edit("replay", "expose", tuple(ids), why, safe=not warning, copies=1))
        else:
            why = f"{lost} while later stages trained: the stage {stage} is shuffled into {last}.{warning}"
            edits.append(Edit("replay", "mix", tuple(ids), why, safe=not warning, stage=stage))
    return edits


REPLAY = Remedy(
    name="replay",
    cause="forgetting",
    does="Shuffles the example's stage into the last stage, instead of training it before. All its examples are "
    "trained at least as often as those of the last stage. Examples that were lost within the last stage are trained "
    "once more.",
    helps="A model forgets what it does not see while other data are trained. In shuffled data no example waits longer "
    "than the others.",
    example="*What does Ruth Tofelm work as?* was learned in the stage *early* and lost in *main*: both stages are "
    "trained in one shuffled order.",
    safety="Safe. If the last stage makes more passes over its data, the earlier stage costs more tokens than before.",
    references=("ILP, §5 (arXiv 2604.10079)", "Robins 1995, rehearsal"),
    treat=_treat,
)
"""The stages shuffled together."""
