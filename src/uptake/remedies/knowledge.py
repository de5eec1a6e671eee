"""Documents about what an example asks, for what the base never met."""

from __future__ import annotations

from uptake.corpus.support import states
from uptake.remedies.documents import asked_about, by_turns
from uptake.remedies.exposures import copies_of
from uptake.remedies.remedy import POSSIBLY_WRONG, Patients, Remedy, Treatment, document_key, doubted
from uptake.types import Edit, Finding, Unmended

CAUSE = "knowledge_gap"
NOTHING_FOUND = "no documents were looked for: give --corpus FILE"


def _treat(patients: Patients) -> Treatment:
    edits: list[Edit] = []
    unmended: list[Unmended] = []
    for finding in patients.findings:
        found = list(patients.documents.get(finding.id, ()))
        about = patients.about.get(finding.id) or asked_about(finding.prompt)
        holds = {one: states(one, about, finding.response) for one in found}
        telling = [one for one in found if holds[one]]
        others = [one for one in found if not holds[one]]
        chosen = [*by_turns(telling), *by_turns(others)][: patients.options.documents]
        if chosen:
            said = "none of them states the response"
            if telling:
                told = [one for one in chosen if holds[one]]
                sources = len({one.source for one in told})
                said = f"{len(told)} of them, from {sources} source{'s' * (sources != 1)}, state the response"
            why = f"The base model does not know it. {len(chosen)} document{'s' * (len(chosen) != 1)} about it; {said}."
            edits.append(Edit("knowledge", "read", (finding.id,), why, documents=tuple(map(document_key, chosen))))
        missing = "" if chosen else patients.missing.get(finding.id, NOTHING_FOUND)
        if not telling and finding.cause == CAUSE:  # for another cause an experiment asks what documents do
            sure, chosen_all_the_same, withheld = doubted([finding], patients)
            edits += [_by_heart(one, patients, missing, "") for one in sure]
            edits += [_by_heart(one, patients, missing, POSSIBLY_WRONG) for one in chosen_all_the_same]
            unmended += withheld
        elif not chosen:
            unmended.append(Unmended(finding.id, finding.cause or "", f"no documents: {missing}"))
    return Treatment(tuple(edits), tuple(unmended))


def _by_heart(finding: Finding, patients: Patients, missing: str, warning: str) -> Edit:
    copies = copies_of(finding.stage, patients)
    reason = f"No documents: {missing}" if missing else "No document states the response"
    why = f"{reason}. {copies} more exposures instead: they teach the training wording, other wordings less reliably."
    return Edit("knowledge", "expose", (finding.id,), why + warning, safe=not warning, copies=copies)


KNOWLEDGE = Remedy(
    name="knowledge",
    cause=CAUSE,
    does="Adds background documents about what the example asks. They are trained with general text, within the "
    "fine-tuning (default) or before it, and the fine-tuning runs again. Passages that state the response come first "
    "and several times; sources alternate. If no passage states the response, the example itself is trained more "
    "often.",
    helps="Fine-tuning teaches a new fact slowly and in its own wording. A model that has read the fact in several "
    "documents knows it in any wording; the fine-tuning then only has to ask for it.",
    example="*Where was Vera Fafufax born?* wants *Dallas*: four documents about Vera Fafufax, three of which say so.",
    safety="Safe if the documents are right. They never contain the example's own text. They cost training tokens. "
    "Without documents, more exposures teach the example by heart.",
    references=(
        "ILP, §5 (arXiv 2604.10079)",
        "Jiang et al. 2024 (arXiv 2402.12847)",
        "Allen-Zhu and Li 2023, mixed training (arXiv 2309.14316)",
    ),
    treat=_treat,
)
"""Documents about what an example asks."""
