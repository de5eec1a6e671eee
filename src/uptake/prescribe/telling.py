"""What a plan says of its edits once it is known what it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from uptake.prescribe.material import Material
from uptake.text import counted, fitting
from uptake.types import Edit

KNOWLEDGE = "knowledge"
NAMED = 3
"""So many of the names are said that documents are wanted about."""


def untold(edits: Sequence[Edit], material: Material) -> list[str]:
    """What is said of gaps of which no document tells the response, and what would help."""
    own = [edit for edit in edits if edit.remedy == KNOWLEDGE]
    read = {edit.examples[0] for edit in own if edit.action == "read"}
    heart = [edit.examples[0] for edit in own if edit.examples[0] not in read]
    if not heart:
        return []
    n = len(heart) + len(read)
    about = [" and ".join(material.about[name].names) for name in heart if name in material.about]
    named = ", ".join(f"*{' '.join(one.split())}*" for one in list(dict.fromkeys(filter(None, about)))[:NAMED])
    such = f" (such as those about {named})" if named else ""
    some = f"{len(heart)} of {counted(n, 'gap')} {fitting(len(heart), 'has', 'have')}"
    return [
        f"{some} no document that tells the response{such}: "
        "nothing is read for them, and more exposures are what is left, which teach the training wording. "
        f"What would help: {material.advice}"
    ]


def exposed(
    edits: Sequence[Edit], row: Mapping[str, int], trained: Sequence[float], before: Sequence[float]
) -> list[Edit]:
    """The edits with how often their examples are trained: what a remedy asks for is not what there is room for.

    Args:
        edits: Those of a plan.
        row: The row of each example.
        trained: How often the plan trains each row.
        before: How often the run did.
    """
    told = []
    for edit in edits:
        if edit.action == "expose":
            one = row[edit.examples[0]]
            each = "Each is trained" if len(edit.examples) > 1 else "It is trained"
            edit = replace(edit, why=f"{edit.why} {each} {trained[one]:g} times instead of {before[one]:g}.")
        told.append(edit)
    return told
