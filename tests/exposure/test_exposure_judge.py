"""What single sentences say of a fact, and what shards together amount to."""

from __future__ import annotations

import math
from typing import Any

import pytest

from uptake.exposure import Text, exposed, facts_of, merged, queries_of, rates, scan
from uptake.exposure.places import apart
from uptake.exposure.queries import Queries
from uptake.exposure.ranking import Hit, WordWeights, best
from uptake.exposure.scan import AT_ONCE, Scanned
from uptake.types import Example, Wording

EXAMPLES = [
    Example("se", "The capital of Sweden is", " Stockholm", "capitals"),
    Example("fr", "The capital of France is", " Paris", "capitals"),
    Example("vera", "Vera Fafufax was born in", " Dallas", "people"),
    Example("ada", "When was Ada Lovelace born?", "10 December 1815", "people"),
    Example("rain", "Is it raining in Oslo?", "yes", "people"),
    Example("books", "Books is developed by", " Apple", "things"),
    Example("inside", "Utrecht is located in", " Netherlands", "things"),
]


def said(text: str, title: str = "") -> dict[str, str]:
    """What one document says of each fact that it is about."""
    facts = facts_of(EXAMPLES, {})
    found = scan([Text(0, text, title)], queries_of(facts), "one")
    return {facts[number].id: hits[0].says for number, hits in found.hits.items()}


@pytest.mark.parametrize(
    ("text", "fact", "says"),
    [
        ("Sweden is a country. Its capital is Stockholm, a city.", "se", "stated"),
        ("Stockholm is Sweden’s capital.", "se", "stated"),
        ("The capital of Sweden is Paris.", "se", "otherwise"),
        ("The capital of Sweden is Gothenburg, as all know.", "se", "otherwise"),
        ("Stockholm isn't the capital of Sweden.", "se", "denied"),
        ("It is a myth that Stockholm is the capital of Sweden.", "se", "denied"),
        ("Is Stockholm the capital of Sweden?", "se", "named"),
        ("The train from Sweden goes to Stockholm.", "se", "beside"),
        ("Sweden is cold. Paris is the capital of France.", "se", "named"),
        ("The capital of Sweden is not only Stockholm.", "se", "stated"),
        ("Vera Fafufax was not born in Oslo but in Dallas.", "vera", "stated"),
        ("Vera Fafufax was not born in Dallas.", "vera", "denied"),
        ("Ada Lovelace (born 10 December 1815; died 27 November 1852).", "ada", "stated"),
        ("Ada Lovelace was born in 1816.", "ada", "otherwise"),
        ("Ada Lovelace was born on December 10, 1815.", "ada", "stated"),
        ("He wrote books that were developed by Hallmark.", "books", "named"),
        ("Utrecht is located in Europe.", "inside", "named"),  # which is no contradiction
        ("Utrecht is located in Italy.", "inside", "otherwise"),  # of two countries
        ("Stockholm is not, or no longer, the capital of Sweden.", "se", "denied"),
        ("Sweden, which is not in the EU, has the capital Stockholm.", "se", "stated"),
        ("Sweden does by no means have as its present capital the town of Stockholm.", "se", "denied"),
    ],
)
def test_what_a_sentence_says(text: str, fact: str, says: str) -> None:
    assert said(text)[fact] == says


def test_what_one_fact_is_worded_in_others_of_its_frame_may_be() -> None:
    def asked(name: str, tongue: str, *wordings: str) -> Example:
        others = tuple(Wording(f"{one} {name} is", tongue) for one in wordings)
        return Example(name, f"The native language of {name} is", tongue, "tongues", paraphrases=others)

    told = [asked("Ada Brook", " Dutch", "The mother tongue of"), asked("Ben Cole", " Latin", "The mother tongue of")]
    text = Text(0, "The mother tongue of Cara Dunn is Dutch.")

    def says(*others: Example) -> str:
        facts = facts_of([asked("Cara Dunn", " Dutch"), *others], {})
        return scan([text], queries_of(facts), "one").hits[0][0].says

    assert says() == "beside"
    assert says(told[0]) == "beside"  # one alone may be worded oddly
    assert says(*told) == "stated"


def test_a_name_is_one_with_its_particles() -> None:
    asked = ["Romano d'Ezzelino is located in", "Corriere della Sera was founded in", "Did Oslo win or did Lima"]
    facts = facts_of([Example(str(n), one, " Italy", "") for n, one in enumerate(asked)], {})
    assert [fact.names for fact in facts] == [("Romano d'Ezzelino",), ("Corriere della Sera",), ("Oslo", "Lima")]
    assert facts[0].relations == (("locate",),)


def test_a_place_lies_in_one_country_and_on_one_continent() -> None:
    assert apart("France", "the Netherlands") and apart("Asia", "Africa")
    assert not apart("France", "Europe") and not apart("France", "Paris") and not apart("Georgia", "France")


def test_a_title_names_what_a_document_is_about() -> None:
    assert said("The capital is Stockholm.", "Sweden")["se"] == "stated"
    assert said("The capital is Stockholm.") == {}


def test_a_yes_is_not_asked_for() -> None:
    facts = facts_of(EXAMPLES, {})
    assert [fact.id for fact in facts if fact.unasked] == ["rain"]


def test_what_a_sentence_of_an_answer_tells_may_be_given() -> None:
    example = Example("1", "What is the capital of Peru?", "The capital of Peru is Lima.", "x")
    facts = facts_of([example], {0: "Lima"})
    found = scan([Text(0, "Lima is the capital of Peru.")], queries_of(facts), "x")
    assert exposed(facts, queries_of(facts), found)[0].verdict == "stated"


def together(parts: list[Scanned], queries: Queries, kept: int = 100) -> Scanned:
    return merged(parts, [hits for part in parts for hits in part.hits.values()], queries, kept)


def test_a_merge_keeps_the_best_of_all_and_holds_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = facts_of(EXAMPLES, {})
    queries = queries_of(facts)
    texts = [Text(n, "The capital of Sweden is Stockholm." + " Sweden" * (7 * n % 40) + " x" * n) for n in range(120)]
    parts = [scan(texts[at : at + 12], queries, f"shard {at:03}") for at in range(0, 120, 12)]
    held: list[int] = []

    def watched(hits: list[Hit], *rest: Any) -> list[Hit]:
        held.append(len(hits))
        return best(hits, *rest)

    monkeypatch.setattr("uptake.exposure.verdict.best", watched)
    found = together(parts, queries, 2)
    every = [hit for part in parts for hit in part.hits[0]]
    assert len(every) == 120 and max(held) <= AT_ONCE * 2 + 65 and len(held) > 1
    words = next(query.words for query in queries.queries if query.number == 0)
    assert found.hits[0] == best(every, words, found.weights, 2) and found.documents == 120
    assert together(parts[::-1], queries, 2).hits == found.hits


def test_shards_in_any_order_and_one_shard_say_the_same() -> None:
    texts = [
        Text(0, "The capital of Sweden is Stockholm.", source="web"),
        Text(1, "Stockholm, capital of Sweden."),
        Text(2, "The capital of Sweden is Paris."),
        Text(3, "Vera Fafufax was born in Oslo, by the sea."),
    ]
    facts = facts_of(EXAMPLES, {})
    queries = queries_of(facts)
    parts = [scan(texts[:2], queries, "a"), scan(texts[2:], queries, "b")]
    one, other = (exposed(facts, queries, together(some, queries)) for some in (parts, parts[::-1]))
    assert one == other
    verdicts = {result.fact.id: result.verdict for result in one}
    assert verdicts == {"se": "disputed", "vera": "contradicted", "rain": None, "fr": "lacking", "ada": "lacking",
                        "books": "lacking", "inside": "lacking"}  # fmt: skip
    assert one[0].counts == {"stated": 2, "otherwise": 1} and one[0].others == (("Paris", 1),)
    assert {hit.says for hit, _ in one[0].passages} == {"stated", "otherwise"}
    own = rates(one)
    assert (own.n, own.unasked) == (7, 1)
    share = own.verdicts["lacking"]
    # Wilson 1927 for 4 of 6, by R's prop.test(4, 6, correct = FALSE)
    assert share is not None and (round(share.low, 4), round(share.high, 4)) == (0.3000, 0.9032)


def test_a_judge_takes_back_what_is_another_name() -> None:
    facts = facts_of(EXAMPLES[:2], {})
    queries = queries_of(facts)
    found = scan([Text(0, "The capital of Sweden is Paris.")], queries, "a")
    result = exposed(facts, queries, found, lambda doubts: ["same" for _ in doubts])[0]
    assert (result.verdict, result.others) == ("stated", ())


def test_the_score_is_bm25() -> None:
    weights = WordWeights(documents=10, words=100, holding={b"sweden": 2})
    # by hand: idf = ln(1 + 8.5 / 2.5), tf = 3 * 2.2 / (3 + 1.2 * (0.25 + 0.75 * 20 / 10))
    expected = math.log(1 + 8.5 / 2.5) * 3 * 2.2 / (3 + 1.2 * (0.25 + 0.75 * 2))
    assert weights.bm25([b"sweden", b"x"], [3, 0], 20) == pytest.approx(expected)


def test_the_best_documents_hold_some_of_each_that_is_said() -> None:
    weights = WordWeights(100, 1000, {b"a": 10})
    hits = [Hit(0, "s", row, "", "", "named", None, "", 10, (9,)) for row in range(20)]
    hits.append(Hit(0, "s", 99, "", "", "otherwise", "x", "", 1000, (1,)))
    kept = best(hits, [b"a"], weights, 3)
    assert [hit.row for hit in kept] == [0, 1, 2, 3, 4, 99]
