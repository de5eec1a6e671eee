"""What a remedy is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from uptake.corpus.support import About
from uptake.types import Document, Edit, Example, Finding, Unmended

POSSIBLY_WRONG = (
    " Possibly wrong labels: the base model is sure of another answer, and no other example gives the response."
)
"""The word on edits that train such examples more often."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may choose about remedies.

    Attributes:
        unsafe: Whether examples may go out.
        documents: Documents of an example at most.
        exposures: How many times as often an undertrained example is trained.
        doubtful: Whether examples are trained more often whose label is possibly wrong.
    """

    unsafe: bool = False
    documents: int = 20
    exposures: int = 3
    doubtful: bool = False


@dataclass(frozen=True)
class Patients:
    """The examples that one remedy is to mend, and what it may know.

    Attributes:
        findings: What was found out about each of them.
        examples: All training examples, by id.
        passes: How often each stage trains its examples, in the order of the stages.
        documents: By the id of an example, what was found about what it asks.
        missing: By the id of an example, why nothing was found.
        about: By the id of an example, what it asks about; of others it is told from the words of the question.
        options: The user's choices.
        chosen: Ids of those that were given this remedy by name, whatever their evidence says.
    """

    findings: Sequence[Finding]
    examples: Mapping[str, Example]
    passes: Mapping[str, float]
    documents: Mapping[str, Sequence[Document]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, About] = field(default_factory=dict)
    options: Options = Options()
    chosen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Treatment:
    """What a remedy does.

    Attributes:
        edits: The changes.
        unmended: Whom it cannot help, and why.
    """

    edits: tuple[Edit, ...]
    unmended: tuple[Unmended, ...] = ()


@dataclass(frozen=True, slots=True)
class Remedy:
    """What mends a cause.

    Attributes:
        name: As in plans.
        cause: What it mends.
        does: What it does.
        helps: Why that helps.
        example: How it looks.
        safety: How safe it is.
        references: Where it comes from.
        treat: From examples to edits; a pure function.
    """

    name: str
    cause: str
    does: str
    helps: str
    example: str
    safety: str
    references: tuple[str, ...]
    treat: Callable[[Patients], Treatment]


def doubted(findings: Sequence[Finding], patients: Patients) -> tuple[list[Finding], list[Finding], list[Finding]]:
    """Who may be trained more often: those whose label nothing speaks against, and the others where that is chosen.

    Returns:
        Findings without doubt; those with a possibly wrong label that are trained more often all the same, by choice;
        and those that are not, of which `withheld` says why.
    """
    sure = [one for one in findings if not one.evidence.possibly_wrong_label]
    others = [one for one in findings if one.evidence.possibly_wrong_label]
    allowed = [one for one in others if patients.options.doubtful or one.id in patients.chosen]
    named = {one.id for one in allowed}
    return sure, allowed, [one for one in others if one.id not in named]


def known_before(finding: Finding) -> bool:
    """Whether the base model gave the response."""
    both = finding.evidence.compared
    return both is not None and both.base_right


def withheld(finding: Finding) -> Unmended:
    """Why an example is not trained more often than plain fine-tuning trains it."""
    believed = finding.evidence.belief
    said = "another answer" if believed is None else f"*{' '.join(believed.text.split())}*"
    why = (
        f"possibly a wrong label: the base model is sure of {said}, and no other example gives the response. It is not "
        "trained more often than plain fine-tuning with the plan's tokens would. "
        "Check it: correct its response, or set plan.doubtful: true"
    )
    return Unmended(finding.id, finding.cause or "", why)


def document_key(document: Document) -> str:
    """What a plan calls a document: ids are told apart within their source."""
    return f"{document.source}:{document.id}" if document.source else document.id
