"""Lost tests one by one: when they were lost, in which forms they are still right, and which rows pulled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from small_models import write_rows
from uptake.data import LoadOptions
from uptake.models.places.settings import LoadSettings
from uptake.models.scoring.lazy import Lazy
from uptake.pipeline.asking.answers import Asking
from uptake.pipeline.examples.check import token_check
from uptake.pipeline.examples.cohort import BadRows, Cohort, ingest
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.stream import lettered
from uptake.pipeline.stream.asked import Examined, TestSet
from uptake.pipeline.stream.lettered import Lettered, ask_lettered
from uptake.pipeline.stream.lost import lost_lines, lost_tests, read_lost, write_lost
from uptake.pipeline.stream.reading import ItemsRead
from uptake.pipeline.stream.replaced import Replaced, replaced_tests
from uptake.pipeline.stream.result import lost_items, summarised
from uptake.types import Example, Probe, Score

CAPITALS = {"Sweden": "Stockholm", "Norway": "Oslo", "Finland": "Helsinki", "Denmark": "Copenhagen"}


def quiet(step: str, done: int, total: int) -> None:
    pass


def cohort(folder: Path, name: str, rows: Sequence[Example]) -> Cohort:
    bad = BadRows(folder / "bad.jsonl")
    check = token_check([], None, "text")
    return ingest(name, rows, folder / "work", check, bad_rows=bad, on_bad_row="error", progress=quiet)


@pytest.fixture
def early(tmp_path: Path) -> TestSet:
    rows = [Example(land, f"The capital of {land} is", f" {city}", "s") for land, city in CAPITALS.items()]
    return TestSet("early", cohort(tmp_path, "test-early", rows), np.zeros(4, bool), False)


def read(right: str, said: Sequence[str | None], freely: str | None = None) -> ItemsRead:
    unasked = np.full(len(right), -1, np.int8)
    flags = np.array([one == "1" for one in right])
    forms = unasked if freely is None else np.array([int(one) for one in freely], np.int8)
    return ItemsRead(flags, forms, unasked, np.zeros(len(right)), tuple(said))


def test_what_was_lost_in_which_stage_and_what_pulled(early: TestSet, tmp_path: Path):
    """Sweden and Finland are lost in main. A row of main says Gothenburg of Sweden; that of early pulled nothing."""
    main = TestSet(
        "main", cohort(tmp_path, "test-main", [Example("x", "Is it?", " yes", "s")]), np.ones(1, bool), False
    )
    nothing = [None] * 4
    found = {
        "test-early": [
            read("0000", nothing),
            read("1110", nothing),
            read("0101", [" Gothenburg", None, " Turku", None], "0000"),
        ],
        "test-main": [read(right, [None]) for right in "001"],
    }
    asked = Examined((early, main), None, None, (), (Replaced.none(4), Replaced.none(1)))
    assert lost_items(asked, found)["test-early"].tolist() == [True, False, True, False]
    chosen = {name: Lettered(np.full(n, -1, np.int8), np.zeros(n)) for name, n in (("test-early", 4), ("test-main", 1))}
    chosen["test-early"].right[0] = 1
    rows = {
        "early": [{"id": "e", "prompt": "The harbour of Sweden is", "completion": " Gothenburg"}],
        "main": [
            {"id": "m", "prompt": "The fair of Sweden is in", "completion": " Gothenburg"},
            {"id": "n", "prompt": "Bread is", "completion": " brown"},
        ],
    }
    files = {name: str(write_rows(tmp_path / f"{name}.jsonl", some)) for name, some in rows.items()}
    data = DataSets(files, None, None, None, None, LoadOptions(), "error")
    lost = lost_tests(asked, found, chosen, data)
    assert [(one.id, one.lost_in, one.said, one.lettered, one.freely) for one in lost] == [
        ("Sweden", "main", " Gothenburg", True, False),
        ("Finland", "main", " Turku", None, False),
    ]
    assert [pull["id"] for pull in lost[0].pulls] == ["m"] and lost[1].pulls == ()
    write_lost(tmp_path, lost)
    assert read_lost(tmp_path) == lost
    assert lost_lines(lost, 1) == [
        'Sweden of early ("Stockholm"): lost in main; then said "Gothenburg", as row m does: "the fair of sweden is in '
        'gothenburg"; still right as a lettered choice'
    ]


def test_what_a_later_stage_replaces_is_counted_apart(early: TestSet, tmp_path: Path):
    """Stage main moves two seats, one of them said otherwise; stage last moves Finland's back. Oslo is taught again.

    Nothing of Sweden is lost: its old answer went when it had to. Of Denmark all is lost.
    """
    moved = [
        {"id": "m", "prompt": "the capital of Sweden is", "completion": " Gothenburg"},
        {"id": "n", "prompt": "Its seat", "completion": " Turku", "paraphrases": ["The capital of Finland is"]},
        {"id": "o", "prompt": "The capital of Norway is", "completion": " Oslo, Norway"},
    ]  # fmt: skip
    rows = {"early": [{"prompt": "Bread is", "completion": " brown"}], "main": moved}
    rows["last"] = [{"prompt": "The capital of Finland is", "completion": " Helsinki"}]
    files = {name: str(write_rows(tmp_path / f"{name}.jsonl", some)) for name, some in rows.items()}
    data = DataSets(files, None, None, None, None, LoadOptions(), "error")
    away = replaced_tests([early.cohort], data)
    assert (away[0].by.tolist(), away[0].answers) == ([2, 0, 0, 0], ((" Gothenburg",), (), (), ()))
    nothing = [None] * 4
    reads = [read("0000", nothing), read("1111", nothing), read("0110", ["Gothenburg, Sweden", None, None, " Oslo"])]
    other = TestSet(
        "main", cohort(tmp_path, "test-main", [Example("x", "Is it?", " yes", "s")]), np.ones(1, bool), False
    )
    found = {"test-early": reads, "test-main": [read(right, [None]) for right in "001"]}
    asked = Examined((early, other), None, None, (), (away[0], Replaced.none(1)))
    letters = {
        one.cohort.name: Lettered(np.full(one.cohort.n, -1, np.int8), np.zeros(one.cohort.n)) for one in asked.tests
    }
    assert lost_items(asked, found)["test-early"].tolist() == [False, False, False, True]
    assert [one.id for one in lost_tests(asked, found, letters, data)] == ["Denmark"]
    told = summarised(asked, found, letters, [{}, {}], 0)
    assert [row["tests"][0]["right"]["estimate"] for row in told["rows"]] == pytest.approx([0, 1, 2 / 3])
    assert told["metrics"]["forgetting"]["estimate"] == pytest.approx(1 / 3)
    fate = told["fates"][0]
    assert (fate["n"], fate["lost"], fate["replaced"], fate["updated"], fate["outdated"]) == (3, 1, 1, 1, 0)
    # and where all of a stage is replaced, nothing is told of it, and the other stages are still told
    all_of_it = Replaced(np.full(4, 2), ((" Gothenburg",),) * 4)
    told = summarised(replace(asked, replaced=(all_of_it, Replaced.none(1))), found, letters, [{}, {}], 0)
    assert told["rows"][2]["tests"][0] == {"n": 0, "right": None, "elicited": None, "nll": None}
    assert told["metrics"]["forgetting"] is None and told["metrics"]["accuracy"]["estimate"] == 1.0


def test_lettered_choices_are_the_response_among_other_answers(
    early: TestSet, trainable: Path, monkeypatch: pytest.MonkeyPatch
):
    """Who likes Stockholm best, and then A, knows the capital of Sweden alone; in each order one letter is right."""
    asked: list[Probe] = []

    def score(probes: Iterator[Probe], model: Any) -> Iterator[Score]:
        for probe in probes:
            asked.append(probe)
            shown = {line[0]: line[3:] for line in str(probe.prompt).split("\n")[1:-1]}
            letters = [one.text.strip() for one in probe.candidates]
            likes = tuple(-1.0 if shown[one] == "Stockholm" else -2.0 - ord(one) for one in letters)
            ones = (1,) * len(likes)
            yield Score(probe.example_id, probe.wording, likes, ones, ones, probe.right, False)

    monkeypatch.setattr(lettered, "score", score)
    model, wanted = Lazy.find(str(trainable), LoadSettings(device="cpu")), np.array([True, True, False, False])
    for _ in range(2):
        [found] = ask_lettered(model, [early.cohort], {"test-early": wanted}, Asking(), quiet).values()
        assert found.right.tolist() == [1, 0, -1, -1] and found.chance.tolist() == [0.25, 0.25, 0.0, 0.0]
        assert [one.example_id for one in asked] == ["Sweden"] * 4 + ["Norway"] * 4  # and once alone
    assert str(asked[0].prompt).endswith("\nAnswer:")
