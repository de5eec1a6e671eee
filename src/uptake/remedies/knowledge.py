"""Documents about what an example asks, for what the base never met."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.remedies.documents import asked_about, by_turns
from uptake.remedies.exposures import beside, copies_of, left
from uptake.remedies.remedy import POSSIBLY_WRONG, Patients, Remedy, Treatment, document_key, doubted
from uptake.remedies.stated import tells
from uptake.text import counted, fitting
from uptake.types import Document, Edit, Finding, Unmended

CAUSE = "knowledge_gap"
NOTHING_FOUND = "no documents were looked for: give --corpus FILE"


def _treat(patients: Patients) -> Treatment:
    edits: list[Edit] = []
    unmended: list[Unmended] = []
    for finding in patients.findings:
        found = patients.documents.get(finding.id, ())
        about = patients.about.get(finding.id) or asked_about(finding.prompt)
        telling = by_turns([one for one in found if tells(one, about, finding.response)])
        if telling:
            edits += [_read(finding, telling[: patients.options.documents]), beside("knowledge", finding, patients)]
            continue
        why = f"none of {len(found)} found tells the response" if found else ""
        why = why or patients.missing.get(finding.id, NOTHING_FOUND)
        if finding.cause != CAUSE:  # an experiment asks what documents do
            unmended.append(Unmended(finding.id, finding.cause or "", f"no documents: {why}"))
            continue
        sure, chosen_all_the_same, others = doubted([finding], patients)
        edits += [_by_heart(one, patients, why, "") for one in sure]
        edits += [_by_heart(one, patients, why, POSSIBLY_WRONG) for one in chosen_all_the_same]
        plain = left("knowledge", others, patients)
        edits += plain.edits
        unmended += plain.unmended
    return Treatment(tuple(edits), tuple(unmended))


def _read(finding: Finding, chosen: Sequence[Document]) -> Edit:
    n, sources = len(chosen), len({one.source for one in chosen})
    told = f"{counted(n, 'document')}, from {counted(sources, 'source')}, {fitting(n, 'tells', 'tell')} the response."
    why = f"The base model does not know it. {told}"
    return Edit("knowledge", "read", (finding.id,), why, documents=tuple(map(document_key, chosen)))


def _by_heart(finding: Finding, patients: Patients, why: str, warning: str) -> Edit:
    copies = copies_of(finding.stage, patients)
    left = "More exposures instead: they teach the training wording, other wordings less reliably."
    why = f"No documents: {why}. {left}{warning}"
    return Edit("knowledge", "expose", (finding.id,), why, safe=not warning, copies=copies)


KNOWLEDGE = Remedy(
    name="knowledge",
    cause=CAUSE,
    does="Adds background documents that name what the example asks about and tell the response; no others are read. "
    "They are trained with general text, within the fine-tuning (default) or before it, and the fine-tuning runs "
    "again. They are read several times; sources alternate. The example itself is trained more often as well; if no "
    "document tells the response, that is all.",
    helps="Fine-tuning teaches a new fact slowly and in its own wording. A model that has read the fact in several "
    "documents knows it in any wording; the fine-tuning teaches how it is asked for.",
    example="*Where was Vera Fafufax born?* wants *Dallas*: three documents about Vera Fafufax say so.",
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
