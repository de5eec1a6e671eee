"""Documents about what an example asks, for what the base never met."""

from __future__ import annotations

from uptake.remedies.documents import by_turns, sources_of, states
from uptake.remedies.remedy import Patients, Remedy, Treatment, document_key
from uptake.types import Edit, Unmended

NOTHING_FOUND = "no documents were looked for: give --corpus FILE"


def _treat(patients: Patients) -> Treatment:
    edits, unmended = [], []
    for finding in patients.findings:
        found = list(patients.documents.get(finding.id, ()))
        if not found:
            reason = patients.missing.get(finding.id, NOTHING_FOUND)
            unmended.append(Unmended(finding.id, finding.cause or "", f"no documents: {reason}"))
            continue
        telling = [one for one in found if states(one.text, finding.response)]
        others = [one for one in found if not states(one.text, finding.response)]
        chosen = [*by_turns(telling), *by_turns(others)][: patients.options.documents]
        sources = len(sources_of(chosen, finding.response))
        said = (
            f"{min(len(telling), len(chosen))} of them, of {sources} source{'s' * (sources != 1)}, hold its response"
            if telling
            else "none of them holds its response as it stands"
        )
        why = f"The base does not know it; {len(chosen)} document{'s' * (len(chosen) != 1)} about it, {said}."
        edits.append(Edit("knowledge", "read", (finding.id,), why, documents=tuple(map(document_key, chosen))))
    return Treatment(tuple(edits), tuple(unmended))


KNOWLEDGE = Remedy(
    name="knowledge",
    cause="knowledge_gap",
    does="Background documents about what the example asks are mixed into continued pre-training, most of which is "
    "general text; then the fine-tuning runs again. Documents that hold the response come first, sources by turns.",
    helps="Fine-tuning teaches a new fact slowly and in its own wording; read in several documents first, it is known "
    "in any wording, and the fine-tuning only has to ask for it.",
    example="*Where was Vera Fafufax born?* wants *Dallas*: four documents about Vera Fafufax, three of which say so.",
    safety="Safe if the documents are right; they never hold the example's own text. It costs training tokens.",
    references=("ILP, §5 (arXiv 2604.10079)", "Jiang et al. 2024 (arXiv 2402.12847)"),
    treat=_treat,
)
"""Documents about what an example asks."""
