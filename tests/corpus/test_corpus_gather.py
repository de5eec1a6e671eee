"""Gathering documents from several sources."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from uptake.corpus import DocumentNeed, Missing, SourceError, gather, guard
from uptake.types import Document, Example

NOTHING = guard([])


@dataclass
class Given:
    """A source that gives what it was given, and notes what it was asked."""

    name: str
    documents: dict[str, list[str]]
    fails: tuple[str, ...] = ()
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    def search(self, entity: str, fact: str, k: int) -> list[Document]:
        self.asked.append((entity, fact, k))
        if entity in self.fails:
            raise SourceError(f"{self.name} is down")
        texts = self.documents.get(entity, [])
        return [Document(f"{entity}-{n}", text, source=self.name) for n, text in enumerate(texts)][:k]


def facts(name: str, n: int, what: str = "item") -> list[str]:
    """Texts with no run of three words in common."""
    return [f"{name} {what}{k} alpha{k} {name} beta{k} gamma{k}" for k in range(n)]


def test_sources_take_turns_up_to_n() -> None:
    one, two = Given("one", {"Ada": facts("Ada", 9)}), Given("two", {"Ada": facts("Ada", 2, "thing")})
    found = gather([DocumentNeed("x", ("Ada",), "her trade")], [one, two], NOTHING, n=5).found
    assert [each.provider for each in found] == ["one", "two", "one", "two", "one"]
    assert one.asked == [("Ada", "her trade", 5)]
    assert {(each.entity, each.needs) for each in found} == {("Ada", ("x",))}


def test_an_entity_of_several_examples_is_asked_about_for_each_fact() -> None:
    one = Given("one", {"Ada": facts("Ada", 3)})
    needs = [
        DocumentNeed("x", ("Ada",), "trade"),
        DocumentNeed("y", ("Ada", "Ada"), "town"),
        DocumentNeed("z", ("Ada",), "trade"),
    ]
    done = gather(needs, [one], NOTHING)
    assert one.asked == [("Ada", "trade", 20), ("Ada", "town", 20)]
    assert [each.needs for each in done.found] == [("x", "y", "z")] * 3


def test_copies_are_left_out_and_counted() -> None:
    text = "Ada Bly was a chemist who was born in the town of Rome in the spring of 1901 and lived there"
    one = Given("one", {"Ada": [text, text.upper() + "!", f"{text} for long.", "Ada Bly was a chemist who was born"]})
    two = Given("two", {"Ada": [text], "Bea": [text]})
    done = gather([DocumentNeed("x", ("Ada", "Bea"))], [one, two], NOTHING)
    # by hand: 16 of 19 words' 18 runs ... the longer copy shares 18 of its 20 runs (0.9), the shorter all of its 6
    assert [(each.entity, each.document.text) for each in done.found] == [("Ada", text)]
    assert done.repeated == 5
    assert Missing("Ada", "two", "1 document: nothing new") in done.missing


def test_a_longer_text_is_no_copy_of_a_shorter() -> None:
    short = "Ada Bly was a chemist."
    one = Given("one", {"Ada": [short, f"{short} She found out how salt dissolves in oil and water alike."]})
    assert len(gather([DocumentNeed("x", ("Ada",))], [one], NOTHING).found) == 2


def test_a_document_about_two_entities_stands_under_both() -> None:
    @dataclass
    class Same(Given):
        def search(self, entity: str, fact: str, k: int) -> list[Document]:
            return [Document("both", "Ada and Bea founded a firm together.", source=self.name)]

    done = gather([DocumentNeed("x", ("Ada",)), DocumentNeed("y", ("Bea",))], [Same("one", {})], NOTHING)
    assert [(each.entity, each.needs) for each in done.found] == [("Ada", ("x",)), ("Bea", ("y",))]
    assert len(done.documents) == 1
    assert (done.missing, done.repeated) == ((), 0)


def test_leaks_are_refused_and_counted() -> None:
    guarded = guard([Example("x", "What was the trade of Ada Bly?", " chemist", "m")])
    leak, good = "What was the trade of Ada Bly? A chemist.", "Ada Bly worked as a chemist in Rome."
    done = gather(
        [DocumentNeed("x", ("Ada Bly",))],
        [Given("one", {"Ada Bly": [leak, good]}), Given("two", {"Ada Bly": [leak]})],
        guarded,
    )
    assert [each.document.text for each in done.found] == [good]
    assert [(each.item, each.document.source) for each in done.leaks] == [("x", "one"), ("x", "two")]
    assert done.missing == (Missing("Ada Bly", "two", "1 document: the text contains a guarded wording"),)


def test_what_was_not_found_and_why() -> None:
    one, two = Given("one", {"Ada": facts("Ada", 1)}), Given("two", {}, fails=("Ada",))
    done = gather([DocumentNeed("x", ("Ada", "Bea"))], [one, two], NOTHING)
    assert done.missing == (
        Missing("Ada", "two", "two is down"),
        Missing("Bea", "one", "it has nothing about it"),
        Missing("Bea", "two", "it has nothing about it"),
    )


def test_a_source_that_keeps_failing_is_left_alone() -> None:
    names = tuple(f"E{n}" for n in range(6))
    broken, good = Given("broken", {}, fails=names), Given("good", {name: facts(name, 1) for name in names})
    done = gather([DocumentNeed("x", names)], [broken, good], NOTHING)
    assert len(broken.asked) == 3
    assert len(done.found) == 6
    assert [each.reason for each in done.missing] == ["broken is down"] * 3 + [
        "not asked: it failed 3 times in a row"
    ] * 3


@pytest.mark.parametrize("needs", [[], [DocumentNeed("x", ())]])
def test_nothing_needed(needs: list[DocumentNeed]) -> None:
    done = gather(needs, [Given("one", {})], NOTHING)
    assert (done.found, done.missing, done.leaks, done.repeated) == ((), (), (), 0)
