"""The stages shuffled together, for what was learned in one and lost in a later one."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.remedies.exposures import copies_of, joined, left
from uptake.remedies.remedy import POSSIBLY_WRONG, Patients, Remedy, Treatment, doubted, known_before
from uptake.text import counted, fitting
from uptake.types import Edit, Finding


def _treat(patients: Patients) -> Treatment:
    *_, last = patients.passes
    sure, doubtful, others = doubted(patients.findings, patients)
    edits = [*_replayed(sure, patients, last, ""), *_replayed(doubtful, patients, last, POSSIBLY_WRONG)]
    return joined(edits, left("replay", others, patients))


def _replayed(findings: Sequence[Finding], patients: Patients, last: str, warning: str) -> list[Edit]:
    of: dict[str, list[Finding]] = {}
    for finding in findings:
        of.setdefault(finding.stage, []).append(finding)
    edits = []
    for stage in patients.passes:
        some = of.get(stage, [])
        if not some:
            continue
        ids = tuple(one.id for one in some)
        if stage == last:
            why = f"{_lost(some)} within the stage {stage}.{warning}"
            copies = copies_of(stage, patients)
            edits.append(Edit("replay", "expose", ids, why, safe=not warning, copies=copies))
        else:
            when = f"while the stage {stage} or a later one trained"
            why = f"{_lost(some)} {when}: the stage {stage} is shuffled into {last}.{warning}"
            edits.append(Edit("replay", "mix", ids, why, safe=not warning, stage=stage))
    return edits


def _lost(findings: Sequence[Finding]) -> str:
    """That they were lost, and what they were before: what the base knew need not have been learned."""
    known = sum(known_before(one) for one in findings)
    n = len(findings)
    were = f"{counted(n, 'example')} {fitting(n, 'was', 'were')}"
    if known == n:
        return f"{were} known to the base model and lost"
    return f"{were} learned and lost" if not known else f"{were} lost, {known} of them known to the base model before,"


REPLAY = Remedy(
    name="replay",
    cause="forgetting",
    does="Shuffles the example's stage into the last stage, instead of training it before. All its examples are "
    "trained at least as often as those of the last stage. Examples that were lost within the last stage are trained "
    "more often.",
    helps="A model forgets what it does not see while other data are trained. In shuffled data no example waits longer "
    "than the others.",
    example="*What does Ruth Tofelm work as?* was learned in the stage *early* and lost in *main*: both stages are "
    "trained in one shuffled order.",
    safety="Safe. If the last stage makes more passes over its data, the earlier stage costs more tokens than before.",
    references=("ILP, §5 (arXiv 2604.10079)", "Robins 1995, rehearsal"),
    treat=_treat,
)
"""The stages shuffled together."""
