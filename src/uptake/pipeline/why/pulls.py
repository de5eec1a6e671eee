"""What pulls the unlearned examples of a run the other way: other rows and documents that hold what the model says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from uptake.corpus.pulls import PullSearch, WrongAnswer
from uptake.corpus.rows import documents
from uptake.corpus.text import words
from uptake.data.files import find_files
from uptake.data.shown import prompt_text, response_text
from uptake.evidence import Pull
from uptake.pipeline.examples.cohort import Cohort
from uptake.types import Document, Finding

SPANS = 3
"""Wrong spans of an example that are looked for, the most informative ones."""
LONGEST = 24
"""Words of an answer that is looked for as a whole."""
BEFORE, ASKED = 160, 2000
"""Characters of the response before a wrong span, and of a prompt's end, that say what is asked about."""
MOST = 100_000_000
"""Characters of documents that are read: a larger corpus is for `uptake exposure`."""


@dataclass(frozen=True)
class Pulls:
    """What was found.

    Attributes:
        of: By the example's position, the strongest pulls.
        notes: What the reader should know.
    """

    of: Mapping[int, tuple[Pull, ...]]
    notes: tuple[str, ...] = ()


def wrong_answers(position: int, finding: Finding) -> list[WrongAnswer]:
    """What the tuned model says instead of an example's response: in the places of its wrong spans, or as a whole."""
    asked = finding.prompt[-ASKED:]
    wrong = sorted((one for one in finding.spans or () if one.wrong), key=lambda one: -(one.information or 0.0))
    if wrong:
        said = [(one.said_instead or one.top or "", one.start) for one in wrong[:SPANS]]
        before = {start: finding.wanted[max(0, start - BEFORE) : start] for _, start in said}
        return [WrongAnswer(position, text, asked, before[start]) for text, start in said if text.strip()]
    answer = finding.evidence.tuned_answer or ""
    return [WrongAnswer(position, answer, asked)] if 0 < len(words(answer)) <= LONGEST else []


def find_pulls(wrong: list[WrongAnswer], train: Cohort, corpus: str | None) -> Pulls:
    """Look through the training rows, and the corpus where it lies on this machine, for texts that pull.

    Args:
        wrong: The wrong answers.
        train: The training examples.
        corpus: The run's corpus; None without one.
    """
    if not wrong:
        return Pulls({})
    search, kept = PullSearch(wrong), dict[int, tuple[str, str, str | None]]()
    for example in train:
        search.count(f"{prompt_text(example.prompt)}\n{response_text(example)}")
    for position, example in enumerate(train):
        text = f"{prompt_text(example.prompt)}\n{response_text(example)}"
        if search.read(position, text, owner=position):
            kept[position] = ("row", example.id, example.stage)
    characters = 0
    for number, document in enumerate(_documents(corpus), train.n):
        characters += len(document.text)
        if characters > MOST:
            break
        # how common a word is was told by the rows
        if search.read(number, f"{document.title}\n{document.text}"):
            kept[number] = ("document", document.where or document.id, None)
    of: dict[int, list[Pull]] = {}
    for one, found in zip(wrong, search.best(), strict=True):
        for held in found:
            kind, name, stage = kept[held.number]
            of.setdefault(one.owner, []).append(
                Pull(
                    "row" if kind == "row" else "document",
                    name,
                    stage,
                    one.text.strip(),
                    held.matched,
                    held.near,
                    held.excerpt,
                    held.score,
                )
            )
    cut = f"pulls: of the corpus only the first {MOST:,} characters were read" if characters > MOST else None
    notes = tuple(one for one in (cut, search.note()) if one is not None)
    strongest = {owner: tuple(sorted(some, key=lambda pull: -pull.score)[:SPANS]) for owner, some in of.items()}
    return Pulls(strongest, notes)


def _documents(corpus: str | None) -> Iterator[Document]:
    """The documents of a corpus on this machine; a row that cannot be used is `uptake prescribe`'s to tell."""
    if corpus is None or not Path(corpus).exists():
        return
    for file in find_files(corpus, "train"):
        yield from (one for one in documents(file) if isinstance(one, Document))
