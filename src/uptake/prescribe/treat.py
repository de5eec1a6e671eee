"""Who gets which remedy, and what the remedies say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uptake.errors import UptakeError
from uptake.prescribe.material import Material
from uptake.remedies import REMEDIES, Options, Patients
from uptake.remedies.conflict import CONFLICT, judged_wrong
from uptake.remedies.exposures import EXPOSURES
from uptake.types import Edit, Finding, Unmended

FOR_CAUSE: Mapping[str, str] = {remedy.cause: name for name, remedy in REMEDIES.items()}
"""The remedy of each cause."""


def treat(
    findings: Sequence[Finding], material: Material, options: Options, chosen: Mapping[str, str | None]
) -> tuple[list[Edit], list[Unmended]]:
    """The edits of all remedies, in the order of `REMEDIES`, and whom none of them helps.

    Args:
        findings: Examples that were not learned, the most urgent first.
        material: What there is to mend them with.
        options: The user's choices.
        chosen: By id, the remedy that an example gets; None for none. Others get what `remedy_for` says. An example
            that is given another remedy than that gets it whatever its evidence says, as in an experiment.

    Raises:
        UptakeError: A remedy is unknown.
    """
    if unknown := sorted({name for name in chosen.values() if name is not None and name not in REMEDIES}):
        raise UptakeError(f"unknown remedy {unknown[0]!r}", expected=", ".join(REMEDIES))
    patients: dict[str, list[Finding]] = {name: [] for name in REMEDIES}
    unmended: list[Unmended] = []
    for finding in findings:
        if finding.id in chosen:
            name = chosen[finding.id]
        else:
            name = remedy_for(finding)
        if name is not None:
            patients[name].append(finding)
    examples = {example.id: example for example in material.examples}
    edits: list[Edit] = []
    for name, some in patients.items():
        if some:
            given = Patients(
                findings=some,
                examples=examples,
                passes=material.passes,
                documents=material.documents,
                missing=material.missing,
                about=material.about,
                options=options,
                chosen=frozenset(one.id for one in some if one.id in chosen and name != remedy_for(one)),
            )
            treatment = REMEDIES[name].treat(given)
            edits += treatment.edits
            unmended += treatment.unmended
    return edits, unmended


def remedy_for(finding: Finding) -> str:
    """The remedy of an example that was not learned.

    That of its cause, but where it is likely the wrong one of a contradiction: documents or further exposures would
    teach what is wrong, whatever it was not learned for. Without a likely cause further exposures are what is left:
    plain fine-tuning with as many tokens would train it more often too (benchmarks/NOTES.md).
    """
    return CONFLICT.name if judged_wrong(finding) else FOR_CAUSE.get(finding.cause or "", EXPOSURES.name)
