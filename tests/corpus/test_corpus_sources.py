"""Wikidata, SearXNG and a language model, each against a local server that speaks its protocol.

The answers have the form of https://www.wikidata.org/w/api.php (`wbsearchentities`, `wbgetentities`), of
https://docs.searxng.org/dev/search_api.html and of OpenAI's chat completions. What is told of Douglas Adams is true.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_server import Server, completion
from uptake.config.schema import LLMKnowledge, SearXNGKnowledge, WikidataKnowledge
from uptake.corpus import KnowledgeSource, SourceError, open_sources
from uptake.corpus.sources.statements import Statement, sentence, time_in_words
from uptake.errors import UptakeError
from uptake.models.served import background, from_judge
from web_server import Reply, WebServer

LABELS = {
    "P19": "place of birth",
    "P31": "instance of",
    "P101": "field of work",
    "P106": "occupation",
    "P569": "date of birth",
    "P2048": "height",
    "P1411": "nominated for",
    "Q350": "Cambridge",
    "Q5": "human",
    "Q36180": "writer",
    "Q28389": "screenwriter",
    "Q11573": "metre",
    "Q60": "New York City",
    "Q2539": "machine learning",
    "Q3": "Hugo Award",
}


def claim(name: str, value: Any, datatype: str = "wikibase-item", rank: str = "normal") -> dict[str, Any]:
    if datatype == "wikibase-item":
        value = {"entity-type": "item", "numeric-id": int(value[1:]), "id": value}
    kind = {"wikibase-item": "wikibase-entityid", "external-id": "string"}.get(datatype, datatype)
    snak = {"snaktype": "value", "property": name, "hash": "0", "datavalue": {"value": value, "type": kind}}
    return {"mainsnak": {**snak, "datatype": datatype}, "type": "statement", "id": f"{name}$1", "rank": rank}


def day(time: str, precision: int = 11) -> dict[str, Any]:
    model = "http://www.wikidata.org/entity/Q1985727"
    return {"time": time, "timezone": 0, "before": 0, "after": 0, "precision": precision, "calendarmodel": model}


def item(number: str, label: str, description: str, *claims: dict[str, Any]) -> dict[str, Any]:
    by_property: dict[str, list[dict[str, Any]]] = {}
    for each in claims:
        by_property.setdefault(each["mainsnak"]["property"], []).append(each)
    return {
        "type": "item",
        "id": number,
        "labels": {"en": {"language": "en", "value": label}},
        "descriptions": {"en": {"language": "en", "value": description}},
        "aliases": {},
        "claims": by_property,
    }


ADAMS = item(
    "Q42",
    "Douglas Adams",
    "English science fiction writer and humourist",
    claim("P31", "Q5"),
    claim("P19", "Q350"),
    claim("P569", day("+1952-03-11T00:00:00Z"), "time"),
    claim("P106", "Q36180"),
    claim("P106", "Q28389"),
    claim("P106", "Q60", rank="deprecated"),
    claim("P2048", {"amount": "+1.96", "unit": "http://www.wikidata.org/entity/Q11573"}, "quantity"),
    claim("P1411", "Q3"),
    claim("P214", "113230702", "external-id"),
    {"mainsnak": {"snaktype": "somevalue", "property": "P20", "datatype": "wikibase-item"}, "rank": "normal"},
)
NAMESAKE = item("Q43", "Doug Adams", "professor", claim("P31", "Q5"), claim("P101", "Q2539"))


def wikidata(query: dict[str, str]) -> Reply:
    """What the API answers to the two requests that are made."""
    assert query["format"] == "json"
    if query["action"] == "wbsearchentities":
        assert (query["type"], query["language"]) == ("item", "en")
        hits = [
            {
                "id": "Q42",
                "label": "Douglas Adams",
                "match": {"type": "label", "language": "en", "text": "Douglas Adams"},
            },
            {"id": "Q44", "label": "Douglas Adams Ltd", "match": {"type": "label", "text": "Douglas Adams Ltd"}},
            {"id": "Q43", "label": "Doug Adams", "match": {"type": "alias", "text": "Douglas Adams"}},
        ]
        found = hits if query["search"] == "Douglas Adams" else []
        return Reply({"searchinfo": {"search": query["search"]}, "search": found, "success": 1})
    assert query["action"] == "wbgetentities"
    ids = query["ids"].split("|")
    assert len(ids) <= 50  # the API's limit
    if query["props"] == "labels":
        entities = {
            each: {"id": each, "labels": {"en": {"language": "en", "value": LABELS[each]}}}
            if each in LABELS
            else {"id": each, "missing": ""}
            for each in ids
        }
    else:
        entities = {each["id"]: each for each in (ADAMS, NAMESAKE) if each["id"] in ids}
    return Reply({"entities": entities, "success": 1})


def opened(section: Any, tmp_path: Path) -> KnowledgeSource:
    (source,) = open_sources([section], tmp_path / "cache")
    assert isinstance(source, KnowledgeSource)
    return source


@pytest.fixture
def wiki(served: WebServer, tmp_path: Path) -> KnowledgeSource:
    served.script = wikidata
    return opened(WikidataKnowledge(kind="wikidata", base_url=served.url, requests_per_second=1e6), tmp_path)


def test_statements_become_sentences_with_their_provenance(wiki: KnowledgeSource, served: WebServer) -> None:
    first, second = wiki.search("Douglas Adams", "Where was Douglas Adams born? Cambridge", 20)
    # the fact's own sentence first, then who it is; of P106 all that is not deprecated
    assert first.text.startswith(
        "Douglas Adams was born in Cambridge. Douglas Adams: English science fiction writer and humourist."
    )
    together = f"{first.text} {second.text}"
    for told in (
        "Douglas Adams is an instance of human.",
        "Douglas Adams was born on 11 March 1952.",
        "Douglas Adams works or worked as writer.",
        "Douglas Adams works or worked as screenwriter.",
        "The height of Douglas Adams is 1.96 metre.",
        "Douglas Adams is nominated for Hugo Award.",
    ):
        assert told in together
    assert "New York" not in together and "113230702" not in together
    assert (first.title, first.source, first.license) == ("Douglas Adams", "wikidata", "CC0-1.0")
    assert (first.id, second.id, first.where) == ("Q42#1", "Q42#2", f"{served.url}/wiki/Q42")
    # the fact is nobody's business: only the name is sent
    assert all("Cambridge" not in str(query) for _, query, _ in served.requests)
    asked = len(served.requests)
    assert wiki.search("Douglas Adams", "", 1) == [wiki.search("Douglas Adams", "", 9)[0]]
    assert len(served.requests) == asked


def test_the_fact_tells_namesakes_apart(wiki: KnowledgeSource) -> None:
    (professor,) = wiki.search("Douglas Adams", "The field of work of Douglas Adams is machine learning", 20)
    assert professor.id == "Q43#1"
    # found under an alias: told under the name that was asked for
    assert professor.title == "Douglas Adams"
    assert "Douglas Adams is also known as Doug Adams. Douglas Adams: professor." in professor.text
    assert "The field of work of Douglas Adams is machine learning." in professor.text
    assert wiki.search("Douglas Adams", "", 1)[0].id == "Q42#1"  # Wikidata's own order


def test_a_name_that_nothing_has(wiki: KnowledgeSource, served: WebServer) -> None:
    assert wiki.search("Nobody Atall", "", 20) == []
    assert len(served.requests) == 1


def test_wikidata_is_busy_or_refuses(served: WebServer, wiki: KnowledgeSource, pauses: list[float]) -> None:
    lag = Reply({"error": {"code": "maxlag", "info": "Waiting for a server: 6 seconds lagged."}})
    served.replies(lag, Reply({"search": [], "success": 1}))
    assert wiki.search("Ada", "", 20) == []
    assert pauses[0] == 1.0
    served.replies(Reply({"error": {"code": "badvalue", "info": "Unrecognized value."}}))
    with pytest.raises(SourceError, match="refused the request .badvalue"):
        wiki.search("Bea", "", 20)
    served.replies(Reply([]))
    with pytest.raises(SourceError, match="something other than a JSON object"):
        wiki.search("Cid", "", 20)


@pytest.mark.parametrize("broken", [None, [], 1, "x", {"P31": None}, {"P31": [1]}, {"P31": [{"rank": "normal"}]}])
def test_claims_of_any_shape_do_no_harm(served: WebServer, wiki: KnowledgeSource, broken: Any) -> None:
    def script(query: dict[str, str]) -> Reply:
        if query.get("props", "").startswith("labels|"):
            return Reply({"entities": {"Q42": {**ADAMS, "claims": broken}, "Q43": None}})
        return wikidata(query)

    served.script = script
    (found,) = wiki.search("Douglas Adams", "", 20)
    assert found.text == "Douglas Adams: English science fiction writer and humourist."


@pytest.mark.parametrize(
    ("time", "precision", "expected"),
    [
        ("+1952-03-11T00:00:00Z", 11, "11 March 1952"),
        ("+1952-03-00T00:00:00Z", 10, "March 1952"),
        ("+1952-00-00T00:00:00Z", 9, "1952"),
        ("+1950-00-00T00:00:00Z", 8, "the 1950s"),
        ("-0044-03-15T00:00:00Z", 11, "15 March 44 BC"),
        ("+1900-00-00T00:00:00Z", 7, None),
        ("+1952-00-00T00:00:00Z", 11, "1952"),
        ("soon", 11, None),
    ],
)
def test_times_by_their_precision(time: str, precision: int, expected: str | None) -> None:
    assert time_in_words(day(time, precision)) == expected


def test_sentences_of_any_property() -> None:
    labels = {"P1": "head of state", "P2": "named after", "P3": "has edition", "P4": "participant in", "Q1": "Ada"}
    told = [sentence("Rome", Statement(f"P{n}", "Q1", None), labels) for n in range(1, 6)]
    assert told == [
        "The head of state of Rome is Ada.",
        "The named after of Rome is Ada.",
        "Rome has edition: Ada.",
        "Rome is participant in Ada.",
        None,
    ]
    assert sentence("Ada", Statement("P569", None, "1815"), {}) == "Ada was born in 1815."


RESULTS = {
    "query": "x",
    "number_of_results": 0,
    "results": [
        {
            "url": "https://en.wikipedia.org/wiki/A",
            "title": "Ada Bly",
            "content": "Ada Bly was a chemist.",
            "engine": "b",
        },
        {"url": "https://example.org/b", "title": "Others", "content": "Bea Bly.", "engine": "b"},
        {"url": "https://example.org/c", "title": "Ada Bly", "content": "", "engine": "b"},
        {"url": "https://example.org/d", "title": "Bly", "content": "On ADA BLY and others.", "engine": "c"},
        {"url": "https://example.org/d", "title": "Bly", "content": "On Ada Bly again.", "engine": "d"},
        {"url": None, "title": None, "content": None},
        7,
    ],
    "answers": [],
    "infoboxes": [
        {
            "infobox": "Ada Bly",
            "id": "https://www.wikidata.org/entity/Q1",
            "content": "A chemist.",
            "attributes": [{"label": "Born:", "value": "1901"}, {"label": "Image", "image": {}}],
        }
    ],
    "unresponsive_engines": [],
}


@pytest.fixture
def searxng(served: WebServer, tmp_path: Path) -> KnowledgeSource:
    section = SearXNGKnowledge(kind="searxng", base_url=f"{served.url}/", requests_per_second=1e6, max_retries=1)
    return opened(section, tmp_path)


def test_excerpts_that_name_the_entity(served: WebServer, searxng: KnowledgeSource) -> None:
    served.replies(Reply(RESULTS))
    found = searxng.search("Ada Bly", "What was her trade?", 20)
    assert [(each.source, each.text) for each in found] == [
        ("www.wikidata.org", "A chemist. Born: 1901."),
        ("en.wikipedia.org", "Ada Bly was a chemist."),
        ("example.org", "On ADA BLY and others."),
    ]
    assert found[1].where == "https://en.wikipedia.org/wiki/A"
    assert [each.license for each in found] == [None] * 3
    path, query, _ = served.requests[0]
    assert path == "/search"
    assert query == {"q": '"Ada Bly" What was her trade?', "format": "json", "language": "en"}
    assert searxng.search("Ada Bly", "What was her trade?", 1) == found[:1]
    assert len(served.requests) == 1


def test_searxng_without_json_and_without_engines(
    served: WebServer, searxng: KnowledgeSource, pauses: list[float]
) -> None:
    served.replies(Reply("", 403, {"Content-Type": "text/html"}))
    with pytest.raises(SourceError, match=r"formats: \[html, json\]"):
        searxng.search("Ada", "", 20)
    # nobody answered: not the same as nothing found, and not kept
    silent = {**RESULTS, "results": [], "infoboxes": [], "unresponsive_engines": [["google", "timeout"]]}
    served.replies(Reply(silent), Reply(RESULTS))
    assert len(searxng.search("Ada Bly", "", 20)) == 3
    served.replies(Reply({"query": "x"}))
    with pytest.raises(SourceError, match="no SearXNG result list"):
        searxng.search("Cid", "", 20)


def test_a_language_model_writes(server: Server, tmp_path: Path) -> None:
    texts = [" Ada Bly was a chemist. ", "She liked tea.", "Ada Bly was a chemist.", "Ada Bly died in Rome.", " "]
    server.replies = [completion(json.dumps({"passages": texts}))]
    section = LLMKnowledge(kind="llm", base_url=server.url, model="writer", requests_per_second=1e6)
    (source,) = open_sources([section], tmp_path, lambda given: partial(background, from_judge(given)))
    found = source.search("Ada Bly", "her trade", 20)
    # those that name her, each once
    assert [each.text for each in found] == ["Ada Bly was a chemist.", "Ada Bly died in Rome."]
    assert [(each.source, each.license, each.title) for each in found] == [("writer", None, "Ada Bly")] * 2
    assert source.search("Ada Bly", "her trade", 20) == found
    (request,) = server.requests
    assert json.loads(request["messages"][1]["content"]) == {"entity": "Ada Bly", "fact": "her trade", "n": 20}
    server.replies = [completion("no JSON")]
    with pytest.raises(UptakeError, match="did not answer in the form"):
        source.search("Bea", "", 20)
    with pytest.raises(ValueError, match="no function"):
        open_sources([section], tmp_path)


def test_labels_are_asked_for_fifty_at_a_time(served: WebServer, wiki: KnowledgeSource) -> None:
    # 9 properties of 8 values each are told: 81 labels
    many = item("Q42", "Ada", "a town", *(claim(f"P{p}", f"Q{p}{v:02}") for p in range(1001, 1010) for v in range(20)))

    def script(query: dict[str, str]) -> Reply:
        if query["action"] == "wbsearchentities":
            return Reply({"search": [{"id": "Q42", "label": "Ada"}]})
        if query["props"] != "labels":
            return Reply({"entities": {"Q42": many}})
        ids = query["ids"].split("|")
        assert len(ids) <= 50
        return Reply({"entities": {each: {"labels": {"en": {"value": f"label {each}"}}} for each in ids}})

    served.script = script
    found = wiki.search("Ada", "", 99)
    assert len(served.requests) == 4
    assert sum(each.text.count("The label P") for each in found) == 72


def test_a_missing_key_is_told_before_anything_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIKI_KEY", raising=False)
    with pytest.raises(UptakeError, match="WIKI_KEY, which is not set"):
        open_sources([WikidataKnowledge(kind="wikidata", api_key_env="WIKI_KEY")], tmp_path)
