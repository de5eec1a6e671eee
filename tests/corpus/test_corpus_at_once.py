"""Many searches at once find what each finds by itself: the index is the reference."""

from __future__ import annotations

import json
from random import Random

import pytest

from uptake.corpus import DocumentNeed, Index, LocalCorpus, at_once, gather, guard, index, open_index, search
from uptake.corpus.at_once import search_all

NAMES = ("Ann Berg", "Bo", "Duran Duran", "Cy Dunn (poet)", "Łódź", "O'Brien", "東京", "Ann", "nobody", "?")
VERBS = ("lives in", "was born in", "left", "never saw", "writes of", "has a house near")
PLACES = ("Oslo", "Rome", "Łódź", "the old town of Kyiv", "東京都", "Bo", "Ann Berg's garden", "Lima, 1,200 km off")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Index:
    draw = Random(7)
    folder = tmp_path_factory.mktemp("at_once")
    rows = []
    for k in range(600):
        said = [f"{draw.choice(NAMES)} {draw.choice(VERBS)} {draw.choice(PLACES)}." for _ in range(draw.randint(1, 4))]
        title = draw.choice(("", "", draw.choice(NAMES)))
        rows.append({"id": f"d{k}", "title": title, "text": " ".join(said) + f" So says letter {k}."})
    rows.append({"id": "short", "text": "Cy Dunn"})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(text, encoding="utf-8")
    index(folder / "rows.jsonl", folder / "corpus")
    return open_index(folder / "corpus")


ASKED = [(name, fact) for name in NAMES for fact in ("", "Where does it live? Oslo", "house of Kyiv 東京", "letter 17")]


def one_by_one(found: Index, pairs: list[tuple[str, str]], k: int) -> list[list[str]]:
    return [[one.id for one in search(found, *pair, k)] for pair in pairs]


@pytest.mark.parametrize("k", [1, 5, 20])
def test_the_same_documents_in_the_same_order(corpus: Index, monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    expected = one_by_one(corpus, ASKED, k)
    assert sum(map(len, expected)) > 20 * k
    monkeypatch.setattr(at_once, "search", None)  # the index is asked nothing
    assert [[one.id for one in some] for some in search_all(corpus, [*ASKED, ASKED[0]], k)] == [*expected, expected[0]]


def test_names_that_many_documents_hold_are_asked_of_the_index(corpus: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    held = {name: len(search(corpus, name, "", 1000)) for name in NAMES}
    most = sorted(held.values())[len(held) // 2]
    monkeypatch.setattr(at_once, "COMMON", most)
    asked: list[str] = []

    def noting(found: Index, entity: str, fact: str, k: int) -> list[object]:
        asked.append(entity)
        return [*search(found, entity, fact, k)]

    monkeypatch.setattr(at_once, "search", noting)
    found = [[one.id for one in some] for some in search_all(corpus, ASKED, 5)]
    assert found == one_by_one(corpus, ASKED, 5)
    assert set(asked) == {name for name, n in held.items() if n > most} != set()


def test_few_searches_of_a_large_index_are_made_one_by_one(corpus: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "WORTH", 1)
    monkeypatch.setattr(at_once, "_best", None)
    assert [[one.id for one in some] for some in search_all(corpus, ASKED, 5)] == one_by_one(corpus, ASKED, 5)


def test_a_corpus_is_asked_for_all_needs_at_once(corpus: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = [DocumentNeed("x", ("Ann Berg", "Bo"), "Oslo"), DocumentNeed("y", ("Bo",), "letter 17")]
    known = LocalCorpus(corpus)
    expected = gather(needs, [Asked(known)], guard([]), 5)
    monkeypatch.setattr("uptake.corpus.sources.local.search", None)
    assert gather(needs, [known], guard([]), 5) == expected
    assert {each.entity for each in expected.found} == {"Ann Berg", "Bo"}


class Asked:
    """A corpus that can be asked one thing at a time."""

    def __init__(self, corpus: LocalCorpus) -> None:
        self.name, self.search = corpus.name, corpus.search
