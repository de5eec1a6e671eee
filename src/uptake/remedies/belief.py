"""Documents that side with the response, for what the base believes otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.remedies.documents import asked_about, by_turns, sources_of
from uptake.remedies.exposures import beside, plainly
from uptake.remedies.remedy import Patients, Remedy, Treatment, document_key
from uptake.remedies.stated import tells
from uptake.types import Document, Edit, Finding, Unmended, normalised

CAUSE = "base_conflict"
NOTHING_FOUND = "no documents were looked for: give --corpus FILE"


def _treat(patients: Patients) -> Treatment:
    edits: list[Edit] = []
    unmended: list[Unmended] = []
    for finding in patients.findings:
        found = patients.documents.get(finding.id, ())
        one = _edit(finding, found, patients) if found else patients.missing.get(finding.id, NOTHING_FOUND)
        if isinstance(one, Edit):
            edits += [one, beside("belief", finding, patients)]
        else:
            if finding.cause == CAUSE:  # else an experiment asks what documents do
                edits.append(plainly("belief", finding, patients))
            unmended.append(Unmended(finding.id, finding.cause or "", f"no authoritative documents: {one}"))
    return Treatment(tuple(edits), tuple(unmended))


def _edit(finding: Finding, found: Sequence[Document], patients: Patients) -> Edit | str:
    """The edit, or why there is none."""
    belief = _belief(finding)
    about = patients.about.get(finding.id) or asked_about(finding.prompt)
    backing = sources_of(found, about, finding.response)
    if not backing:
        return f"none of {len(found)} found states the response"
    against = () if belief is None else sources_of(found, about, belief)
    shown = "" if belief is None else f"*{' '.join(belief.split())}*"
    if len(against) >= len(backing):
        return (
            f"too many sources state the base model's answer: {len(against)} state {shown}, {len(backing)} the "
            "response; check whether the example is right"
        )
    right = [one for one in found if tells(one, about, finding.response)]
    chosen = [one for one in right if not (belief and tells(one, about, belief))]
    if not chosen:
        return f"every document that states the response also states {shown}"
    chosen = by_turns(chosen)[: patients.options.documents]
    base = "The base model gives another answer" if belief is None else f"The base model answers {shown}"
    why = (
        f"{base}. {len(backing)} source{'s' * (len(backing) != 1)} state{'s' * (len(backing) == 1)} the response"
        + (f", {len(against)} the base model's answer" if belief is not None else "")
        + f". {len(chosen)} document{'s' * (len(chosen) != 1)} used."
    )
    return Edit("belief", "read", (finding.id,), why, documents=tuple(map(document_key, chosen)))


def _belief(finding: Finding) -> str | None:
    """What the base says instead; None where it is not known, or is the response in other words."""
    believed = finding.evidence.belief
    said = finding.evidence.base_answer if believed is None or not believed.text else believed.text
    if said is None or normalised(said) in ("", normalised(finding.response)):
        return None
    return said


BELIEF = Remedy(
    name="belief",
    cause=CAUSE,
    does="Adds documents that state the response and not the base model's wrong answer. They are trained with general "
    "text, within the fine-tuning (default) or before it, and the fine-tuning runs again, with the example itself more "
    "often. All that only if more sources state the response than the wrong answer.",
    helps="Many documents taught the wrong answer, and documents can correct it in every wording. Examples alone "
    "correct it in their own wording.",
    example="*What pet does Nina Lilosk have?* wants *raven*, the base model says *goat*: three sources state *raven*, "
    "one states *goat*.",
    safety="If sources disagree, check which answer is right. If as many sources state the base model's answer, "
    "nothing is done. Documents cost training tokens.",
    references=("ILP, §5, ratio α (arXiv 2604.10079)",),
    treat=_treat,
)
"""Documents that side with the response."""
