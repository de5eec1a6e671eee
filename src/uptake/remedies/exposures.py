"""More exposures of the affected examples alone, for what was on its way."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.remedies.remedy import POSSIBLY_WRONG, Patients, Remedy, Treatment, doubted, withheld
from uptake.text import fitting
from uptake.types import Edit, Finding, Unmended

AS_PLAIN = 0
"""Further exposures of an edit that wants as many as plain fine-tuning with the plan's tokens gives."""
WITHOUT_CAUSE = (None, "unexplained")
"""What a finding has for a cause where none was sought, or none is likely."""


def copies_of(stage: str, patients: Patients) -> int:
    """How many more exposures an example of a stage gets: so many times what the examples of the longest stage got."""
    most = max(patients.passes.values())
    return max(1, round(patients.options.exposures * most - patients.passes[stage]))


def beside(remedy: str, finding: Finding, patients: Patients) -> Edit:
    """The same for an example that documents are read for."""
    why = "More exposures beside its documents: these teach other wordings, the example its own."
    return Edit(remedy, "expose", (finding.id,), why, copies=copies_of(finding.stage, patients))


def plainly(remedy: str, finding: Finding, patients: Patients) -> Edit:
    """As many exposures as plain fine-tuning with the plan's tokens gives, for an example that is not mended.

    All that the plan does for others would else be taken from it, and it would fall behind plain fine-tuning
    (benchmarks/NOTES.md, "Documents and the row itself"). How many that is, is known when the plan's cost is:
    `AS_PLAIN` stands for it.
    """
    why = "As many exposures as plain fine-tuning with the plan's tokens gives, and no more: nothing else mends it."
    return Edit(remedy, "expose", (finding.id,), why, copies=AS_PLAIN)


def left(remedy: str, findings: Sequence[Finding], patients: Patients) -> Treatment:
    """What examples get of which the label is possibly wrong: what plain fine-tuning gives them."""
    return Treatment(tuple(plainly(remedy, one, patients) for one in findings), tuple(map(withheld, findings)))


def joined(edits: Sequence[Edit], others: Treatment, unmended: Sequence[Unmended] = ()) -> Treatment:
    """Edits, and what `left` says of other examples of the same remedy."""
    return Treatment((*edits, *others.edits), (*unmended, *others.unmended))


def _treat(patients: Patients) -> Treatment:
    sure, doubtful, others = doubted(patients.findings, patients)
    edits = [*_exposed(sure, patients, ""), *_exposed(doubtful, patients, POSSIBLY_WRONG)]
    return joined(edits, left("exposures", others, patients))


def _exposed(findings: Sequence[Finding], patients: Patients, warning: str) -> list[Edit]:
    of: dict[tuple[str, bool], list[str]] = {}
    for finding in findings:
        of.setdefault((finding.stage, finding.cause in WITHOUT_CAUSE), []).append(finding.id)
    edits = []
    for stage, passes in patients.passes.items():
        for unknown in (False, True):
            if ids := of.get((stage, unknown), []):
                copies, n = copies_of(stage, patients), len(ids)
                found = "not learned, for no cause that is known," if unknown else "partly learned"
                why = (
                    f"{n} example{'s' * (n != 1)} of the stage {stage} {fitting(n, 'was', 'were')} {found} after "
                    f"{passes:g} pass{'es' * (passes != 1)}.{warning}"
                )
                edits.append(Edit("exposures", "expose", tuple(ids), why, safe=not warning, copies=copies))
    return edits


EXPOSURES = Remedy(
    name="exposures",
    cause="undertraining",
    does="Trains the affected examples, and no others, more often. The extra copies are spread evenly over the "
    "training, never two in one step.",
    helps="These examples need more of the same training. More epochs of everything would teach the rest by heart and "
    "cost what the model knew before.",
    example="A question for three facts at once was trained three times. It is trained six more times, spread over the "
    "whole training.",
    safety="Safe in small numbers. An example whose label is possibly wrong is trained no more often than plain "
    "fine-tuning would, unless you choose that. The strategy early_stop can also end a stage when the validation loss "
    "rises.",
    references=("ILP, §5 (arXiv 2604.10079)", "Prechelt 1998, Early Stopping"),
    treat=_treat,
)
"""More exposures of the affected examples alone."""
