"""What documents say about a fact."""

from __future__ import annotations

import pytest

from uptake.corpus import Support, states, support
from uptake.types import Document


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("", "José Martí was born in the Havana of 1853.", True),
        ("José Martí", "He was born in Havana.", True),
        ("José Martí (poet)", "Born in HAVANA", True),
        ("", "Jose Marti; havana", True),
        ("", "José Martí was born in Madrid.", False),
        ("", "Havana is a city.", False),
        ("", "Joséphine Martí lived in Havana.", False),
        ("", "José Martí lived in Old Havanatown.", False),
        ("", "José Martí died. " + "word " * 70 + "Havana is a city.", False),
        ("", "José Martí died. " + "word " * 40 + "Havana is a city.", True),
    ],
)
def test_subject_and_answer_together(title: str, text: str, expected: bool) -> None:
    assert states(Document("d", text, title), "José Martí", " Havana") is expected


@pytest.mark.parametrize(
    ("answer", "text"),
    [("1,200", "It has 1200 men."), ("the Netherlands", "It is in Netherlands."), ("東京", "東京都")],
)
def test_answers_in_other_spellings(answer: str, text: str) -> None:
    assert states(Document("d", text, "It"), "It", answer)


def test_nothing_is_never_stated() -> None:
    assert not states(Document("d", "It", "It"), "It", "...")
    assert not states(Document("d", "It"), "?", "It")


def test_votes_by_hand() -> None:
    said = [
        ("press", "Ada was born in Rome."),
        ("press", "Ada, of Rome."),
        ("forum", "Ada was born in Oslo."),
        ("forum", "Ada, of Oslo or Rome."),
        ("blog", "Ada was born in Oslo."),
        ("blog", "Ada was born in Rome."),
        ("wiki", "Ada was born in Rome."),
        ("wiki", "Bea was born in Oslo."),
    ]
    documents = [Document(str(n), text, source=source) for n, (source, text) in enumerate(said)]
    found = support(documents, "Ada", " Rome", " Oslo")
    assert found == Support(4, 2, 1, ("press", "wiki"), ("forum",))
    assert found.majority is True
    assert support(documents, "Ada", " Oslo", " Rome").majority is False
    # without a belief, or with one that is the response itself, nothing speaks against
    assert (
        support(documents, "Ada", "Rome")
        == support(documents, "Ada", "Rome", "rome.")
        == (Support(5, 0, 0, ("blog", "forum", "press", "wiki"), ()))
    )
    assert support([], "Ada", "Rome").majority is None
