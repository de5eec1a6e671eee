"""What a remedy is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from uptake.corpus.support import About
from uptake.types import Document, Edit, Example, Finding, Unmended


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may choose about remedies.

    Attributes:
        unsafe: Whether examples may go out.
        documents: Documents of an example at most.
        exposures: How many times as often an undertrained example is trained.
    """

    unsafe: bool = False
    documents: int = 20
    exposures: int = 3


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
    """

    findings: Sequence[Finding]
    examples: Mapping[str, Example]
    passes: Mapping[str, float]
    documents: Mapping[str, Sequence[Document]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, About] = field(default_factory=dict)
    options: Options = Options()


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


def document_key(document: Document) -> str:
    """What a plan calls a document: ids are told apart within their source."""
    return f"{document.source}:{document.id}" if document.source else document.id
