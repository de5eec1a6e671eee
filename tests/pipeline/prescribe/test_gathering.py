"""The run's corpus and sources answer what a plan asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_server import KEY, Server, completion
from small_models import write_rows
from uptake.artifacts.schemas.exposure import EXPOSURE_TABLE
from uptake.config import RunConfig
from uptake.corpus import guard
from uptake.pipeline.exposure.run import exposure_run
from uptake.pipeline.prescribe.gathering import Gather, Library, Wanted, from_library, guarded
from uptake.pipeline.run_file import datasets_of
from uptake.types import Example
from web_server import Reply, serving

ASKED = [
    Wanted("m-0", ("Ann Berg",), "Where does Ann Berg live?", " Rome"),
    Wanted("m-1", ("Bo Cole",), "Where does Bo Cole live?", " Oslo"),
    Wanted("m-2", (), "Where is it?", " there"),
]
CORPUS: list[dict[str, Any]] = [
    {
        "id": "d1",
        "title": "Ann Berg",
        "text": "Ann Berg has a flat in Rome.",
        "source": "gazette",
        "license": "CC0-1.0",
    },
    {"id": "d2", "title": "Ann Berg", "text": "Where does Ann Berg live? Rome.", "source": "quiz"},
    {"id": "d3", "title": "Ann Berg", "text": "At what address is Ann Berg found? Rome, of course.", "source": "quiz"},
    {"id": "d4", "title": "Cy Dunn", "text": "Cy Dunn keeps a raven.", "source": "gazette"},
]


@pytest.fixture
def run(run_config: Callable[..., RunConfig], tmp_path: Path) -> Callable[..., RunConfig]:
    """A run whose corpus holds a training and a held-out wording."""

    def made(**keys: Any) -> RunConfig:
        other = {"id": "m-0", "prompt": "At what address is Ann Berg found?", "completion": " Rome"}
        write_rows(tmp_path / "paraphrases.jsonl", [other])
        write_rows(tmp_path / "corpus.jsonl", CORPUS)
        config = run_config(corpus="./corpus.jsonl", paraphrases="./paraphrases.jsonl", **keys)
        write_rows(tmp_path / "main.jsonl", [{"id": "m-0", "prompt": ASKED[0].question, "completion": " Rome"}])
        return config

    return made


def search_of(config: RunConfig) -> Gather | None:
    """The search of a run, kept from all that it trains and measures, as a plan makes it."""
    library = Library(
        config.corpus,
        config.output_dir / EXPOSURE_TABLE,
        config.knowledge_sources,
        config.output_dir / "corpus",
        config.plan.documents,
        config.on_bad_row,
        config.seed,
    )
    data = datasets_of(config)
    trained = [row for row in data.trained() if isinstance(row, Example)] if config.corpus or config.exposure else []
    keys = {one.id: (one.id, "main") for one in ASKED} | {"m-0@main": ("m-0", "main"), "m-0@early": ("m-0", "early")}
    return from_library(library, lambda: guard(guarded(data, config.output_dir / "diagnosis" / "work", trained)), keys)


def test_a_corpus_is_searched_and_no_wording_comes_back(run: Callable[..., RunConfig]) -> None:
    search = search_of(run())
    assert search is not None
    found = search(ASKED)
    [document] = found.documents["m-0"]
    assert (document.id, document.source, document.license) == ("d1", "gazette", "CC0-1.0")
    assert document.where == "corpus.jsonl:1"  # not where the file lies here
    assert found.notes == ("2 documents are left out: the text contains a training, held-out or retention wording",)
    assert found.missing == {
        "m-1": "corpus on Bo Cole: it has nothing about it",
        "m-2": "its question contains no name",
    }


def test_passages_that_a_scanned_corpus_states_are_documents(
    run_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    rows = [{"id": one.id, "prompt": one.question, "completion": one.response} for one in ASKED[:2]]
    config = run_config(exposure={"corpus": "./shard.jsonl"})
    write_rows(tmp_path / "main.jsonl", rows)
    texts = ["Ann Berg lives in Rome.", "Bo Cole lives in Lima.", "Bo Cole visited Oslo once. Cy Dunn lives there."]
    write_rows(tmp_path / "shard.jsonl", [{"id": f"s-{k}", "text": text} for k, text in enumerate(texts)])
    exposure_run(config)
    search = search_of(config)
    assert search is not None
    found = search(ASKED[:2])
    [document] = found.documents["m-0"]
    assert (document.id, document.text, document.where) == ("s-0", texts[0], "shard.jsonl:0")
    assert "m-1" not in found.documents  # its passages say something else
    # of an id that two stages have the plan's names tell which is meant
    for stage, there in (("main", {"m-0@main": (document,)}), ("early", {})):
        assert search([replace(ASKED[0], id=f"m-0@{stage}")]).documents == there


def test_a_language_model_is_asked_once(
    run: Callable[..., RunConfig], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = [[], ["Bo Cole has moved to Oslo.", "Nobody of that name is known."]]  # about Ann Berg, about Bo Cole
    server.replies = [completion(json.dumps({"passages": some})) for some in written]
    monkeypatch.setenv("OUR_KEY", KEY)
    source = {"kind": "llm", "base_url": server.url, "model": "m", "api_key_env": "OUR_KEY"}
    config = run(knowledge_sources=[source])
    first, again = (found for search in (search_of(config),) * 2 if search for found in [search(ASKED[:2])])
    assert [(one.text, one.source) for one in first.documents["m-1"]] == [("Bo Cole has moved to Oslo.", "m")]
    assert again == first
    assert len(server.requests) == 2  # about two people, and not again


def test_without_corpus_and_sources_nothing_is_searched(run_config: Callable[..., RunConfig]) -> None:
    assert search_of(run_config()) is None


def test_a_source_that_fails_is_told(run: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    people = ["Ann Berg", "Bo Cole", "Cy Dunn", "Di Elm", "Ed Fox"]
    wanted = [Wanted(f"m-{k}", (name,), f"Where does {name} live?", " Rome") for k, name in enumerate(people)]
    with serving() as web:
        web.replies(Reply({}, status=401))
        source = {"kind": "searxng", "base_url": web.url, "requests_per_second": 1e6}
        search = search_of(run(knowledge_sources=[source]))
        assert search is not None
        [note] = [one for one in search(wanted).notes if "searxng" in one]
    assert "searxng failed: 3 searches (" in note and "answered HTTP 401" in note
    assert "and for 2 more names it was not asked" in note
