"""Examples that contradict each other: the wrong one out, or never both in one step."""

from __future__ import annotations

from uptake.evidence import Contradiction
from uptake.remedies.remedy import Patients, Remedy, Treatment
from uptake.types import Edit, Finding, Unmended


def _treat(patients: Patients) -> Treatment:
    edits: list[Edit] = []
    unmended: list[Unmended] = []
    gone: set[str] = set()
    for finding in patients.findings:
        known = finding.evidence.contradiction
        rivals = () if known is None else tuple(name for name in known.rivals if name in patients.examples)
        if known is None or not rivals:
            reason = "no other example is known to contradict it"
            unmended.append(Unmended(finding.id, finding.cause or "", reason))
        elif not known.names_the_wrong_one or not patients.options.unsafe:
            edits.append(_apart(finding, rivals, known.n))
            if judged_wrong(finding):
                reason = "another example contradicts it and it is likely wrong: correct its response, or give --unsafe"
                unmended.append(Unmended(finding.id, finding.cause or "", reason))
        else:
            wrong = (finding.id,) if judged_wrong(finding) else rivals
            out = tuple(name for name in wrong if name not in gone)
            gone.update(out)
            if out:
                edits.append(_drop(finding, out, known))
            if judged_wrong(finding):
                reason = "it is removed: another example contradicts it and it is likely wrong"
                unmended.append(Unmended(finding.id, finding.cause or "", reason))
    return Treatment(tuple(edits), tuple(unmended))


def judged_wrong(finding: Finding) -> bool:
    """Whether an example is likely the wrong one of a contradiction, whatever it was not learned for."""
    known = finding.evidence.contradiction
    return known is not None and known.names_the_wrong_one and known.likely_wrong


def _apart(finding: Finding, rivals: tuple[str, ...], n: int) -> Edit:
    more = f" ({n - len(rivals)} more are not named)" if n > len(rivals) else ""
    why = f"It and {', '.join(rivals)} answer one question differently{more}. All stay, but never in the same step."
    return Edit("conflict", "apart", (finding.id,), why, others=rivals)


def _drop(finding: Finding, out: tuple[str, ...], known: Contradiction) -> Edit:
    why = f"Removed as likely wrong: {', '.join(out)} ({known.why})."
    return Edit("conflict", "drop", (finding.id,), why, safe=False, others=out)


CONFLICT = Remedy(
    name="conflict",
    cause="data_conflict",
    does="With --unsafe, removes the example that is judged wrong. Without --unsafe, and if both answers may be right, "
    "keeps all in conflict-free batches: they never share an optimisation step.",
    helps="No model can learn two answers to one question. In one step they cancel each other. In different steps the "
    "model learns the later one, which only hides the conflict. What really helps is to remove the wrong example, or "
    "to change the questions so that they differ.",
    example="*Where was Leon Fubrusk born?* wants *Santa Cruz*, another example wants *Lima*, and the base model "
    "answers *Lima* with p = 0.97. With --unsafe the first example is removed.",
    safety="Conflict-free batches are safe. Removing an example loses it, so it happens only with --unsafe. Look at "
    "the pair first. Your files are not changed.",
    references=("ILP, §5 (arXiv 2604.10079)", "docs/rivals.md"),
    treat=_treat,
)
"""The wrong one out, or never both in one step."""
