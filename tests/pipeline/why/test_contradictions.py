"""The rivals of a run: judged by whom the run file names, found once and kept."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from llm_server import KEY, Server, completion
from uptake.causes import Rival
from uptake.config import Judge
from uptake.errors import UptakeError
from uptake.models.served import from_judge
from uptake.pipeline.examples.cohort import BadRows, Cohort, ingest
from uptake.pipeline.why.contradictions import Comparers, Contradictions, find_contradictions, read_groups
from uptake.rivals import Rivalry, Side
from uptake.types import Example

BORN = [
    ("In which country was Ada Kron born?", " Holland"),
    ("In which country was Ada Kron born?", " Netherlands"),
    ("When was Ada Kron born?", " 1901"),
    ("When was Ada Kron born?", " 1902"),
]


def cohort(folder: Path, rows: Sequence[tuple[str, str]] = BORN) -> Cohort:
    return ingest(
        "train",
        [Example(f"ex-{n}", prompt, response, "test") for n, (prompt, response) in enumerate(rows)],
        folder,
        lambda examples: [None] * len(examples),
        bad_rows=BadRows(folder / "bad_rows.jsonl"),
        on_bad_row="error",
        progress=lambda step, done, total: None,
    )


def asking(url: str) -> Comparers:
    return Comparers(llm=from_judge(Judge(base_url=url, model="judge", api_key_env="JUDGE_KEY", max_retries=0)))


def test_the_judge_is_asked_once_about_what_rules_leave_open(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    server.replies = [completion(json.dumps({"result": "same"}))]
    examples, path = cohort(tmp_path), tmp_path / "rivals.json"
    unjudged = find_contradictions(Comparers(), examples, None, None, None, path)
    assert sorted(unjudged.of) == [0, 1, 2, 3]
    assert sorted(map(sorted, read_groups(tmp_path))) == [
        [("ex-0", "main"), ("ex-1", "main")], [("ex-2", "main"), ("ex-3", "main")],
    ]  # fmt: skip
    judged = find_contradictions(asking(server.url), examples, None, None, None, path)
    assert sorted(judged.of) == [2, 3]  # one country by two names; the years no judge is asked about
    assert len(server.requests) == 1
    assert find_contradictions(asking(server.url), examples, None, None, None, path) == judged
    path.unlink()
    assert find_contradictions(asking(server.url), examples, None, None, None, path) == judged
    assert len(server.requests) == 1
    assert not any(KEY.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_all_examples_of_a_group_are_kept_and_not_only_the_first_that_are_named(tmp_path: Path) -> None:
    assert read_groups(tmp_path) == []
    rows = [Example(f"a-{n}", "When was Ada Kron born?", f" {1900 + n // 6}", "test") for n in range(12)]
    examples = ingest(
        "train", rows, tmp_path, lambda some: [None] * len(some), bad_rows=BadRows(tmp_path / "bad_rows.jsonl"),
        on_bad_row="error", progress=lambda step, done, total: None,
    )  # fmt: skip
    found = find_contradictions(Comparers(), examples, None, None, None, tmp_path / "rivals.json")
    rival = found.rival(0)
    assert rival is not None and len(rival.ids) == 5 and rival.n == 6
    assert [sorted(group) for group in read_groups(tmp_path)] == [sorted((one.id, "main") for one in rows)]


def test_a_cross_encoder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    named = Comparers(cross_encoder=str(tmp_path))
    with pytest.raises(UptakeError, match="cannot load the cross-encoder"):
        find_contradictions(named, cohort(tmp_path), None, None, None, tmp_path / "rivals.json")


@pytest.mark.parametrize("kept", ["[]", '{"members": [["a"]]}', '{"members": [1]}', '{"mem'])
def test_damaged_groups_are_told_with_what_makes_them_anew(tmp_path: Path, kept: str) -> None:
    (tmp_path / "rivals.json").write_text(kept)
    with pytest.raises(UptakeError, match="rivals.json") as caught:
        read_groups(tmp_path)
    assert "uptake diagnose" in str(caught.value)
    found = find_contradictions(Comparers(), cohort(tmp_path), None, None, None, tmp_path / "rivals.json")
    assert sorted(found.of) == [0, 1, 2, 3] and len(read_groups(tmp_path)) == 2


def test_a_question_with_too_many_answers_is_told_of(tmp_path: Path) -> None:
    many = [("Tell me a random animal.", f" {chr(97 + n)}zq") for n in range(21)]
    found = find_contradictions(Comparers(), cohort(tmp_path, [*BORN, *many]), None, None, None, tmp_path / "r.json")
    assert sorted(found.of) == [0, 1, 2, 3]
    (note,) = found.notes()
    assert note.startswith("1 question has more than 20 different answers: ")


def test_a_later_stage_replaces_an_earlier_one_and_not_the_reverse():
    sides = (Side("old", (0, 1)), Side("new", (2,)))
    group = Rivalry(sides, (), 1.0, "text", "ambiguous", (), "why")
    ids, asked = {p: f"ex-{p}" for p in range(3)}, dict.fromkeys(range(3), "question")

    def by(group: Rivalry, *stages: str) -> list[str | None]:
        told = Contradictions((group,), dict.fromkeys(range(3), 0), ids, asked, "key", stages=dict(enumerate(stages)))
        return [told.rival(p).replaced for p in range(3)]

    assert by(group, "early", "early", "main") == ["main", "main", None]
    assert by(group, "early", "main", "main") == [None] * 3  # main teaches both: they contradict each other
    assert by(replace(group, probability=0.8), "early", "early", "main") == [None] * 3


def test_what_thousands_of_examples_have_in_common_is_read_once():
    # with all ids anew for each example it takes a square of time, and of memory
    n = 6_000
    sides = tuple(Side(f"answer{k}", tuple(range(k, n, 3))) for k in range(3))
    group = Rivalry(sides, (), 1.0, "text", "mislabelled", (4, 5), "why")
    places = range(n)
    ids, asked = {p: f"ex-{p}" for p in places}, {p: f"question{p % 2}" for p in places}
    found = Contradictions((group,), dict.fromkeys(places, 0), ids, asked, "key")
    start = time.process_time()
    rivals = [found.rival(p) for p in places]
    apart = [found.apart(p) for p in places]
    questions = [found.questions(p) for p in places]
    assert time.process_time() - start < 1
    assert rivals[4] == Rival(
        ("ex-0", "ex-2", "ex-3", "ex-5", "ex-6"), 4_000, ("answer0", "answer2"), 1.0, "mislabelled", True, "why"
    )
    assert [one.wrong for one in rivals[3:7]] == [False, True, True, False]
    assert len(apart[0]) == n and all(one is apart[0] for one in apart)
    assert questions[0] == ("question1", "question0")
    assert (found.rival(n), found.apart(n)) == (None, frozenset())
