"""A plan on disk: whole or absent, read back as it was, the same bytes again, and never over somebody's changes."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
from patients import documents, examples, finding, material

from uptake.errors import UptakeError
from uptake.prescribe import (
    Export,
    Terms,
    asked_for,
    content_of,
    files,
    found_plan,
    kind_of,
    plan,
    read_plan,
    refuse_changed,
    write_plan,
)
from uptake.prescribe.files import gone
from uptake.prescribe.markdown import escaped, plan_markdown
from uptake.prescribe.rows import axolotl_row, ended_row, example_from_row, sft_row
from uptake.types import Example, Message, Plan

SOME = examples()
MADE = Export(model="../../base", max_length=64, kind="plain", eos="</s>")


def drawn() -> Plan:
    found = {one.id: documents(one) for one in SOME[4:8]}
    causes = ("forgetting", "knowledge_gap", "undertraining", "data_conflict")
    some = [finding(one, cause) for one, cause in zip(SOME[3:7], causes, strict=True)]
    training = {"learning_rate": 1e-3, "per_device_train_batch_size": 4}
    return plan(some, material(SOME, found), Terms(step=4, model="./base", training=training, seed=3, reading="before"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_plan_is_read_back_as_it_was(tmp_path: Path) -> None:
    made = drawn()
    write_plan(tmp_path / "plan", made, MADE, "key")
    assert read_plan(tmp_path / "plan") == made
    assert found_plan(tmp_path / "plan", "key") == made
    assert found_plan(tmp_path / "plan", "another") is None
    assert found_plan(tmp_path / "none", "key") is None


def test_the_files_are_those_that_are_documented(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    found = contents(tmp_path / "plan")
    trainers = {f"{tool}/{phase}.yaml" for tool in ("trl", "llamafactory", "axolotl") for phase in ("cpt", "sft")}
    beside = {"llamafactory/dataset_info.json", "llamafactory/sft.jsonl"}
    assert set(found) == {"plan.json", "plan.md", "cpt.jsonl", "sft.jsonl", *trainers, *beside}
    head = json.loads(found["plan.json"])
    assert list(head) == [
        "version", "key", "asked", "start", "model", "step", "texts", "reading", "rows", "cost", "training", "peft",
        "versions", "content", "files", "notes", "unmended", "edits", "pilot",
    ]  # fmt: skip
    assert set(head["files"]) == set(found) - {"plan.json"}
    page = Path(__file__).parents[2] / "docs" / "details" / "prescribe.md"
    named = page.read_text(encoding="utf-8")
    assert [key for key in head if f"`{key}`" not in named] == []


def test_the_same_plan_has_the_same_bytes(tmp_path: Path) -> None:
    write_plan(tmp_path / "one", drawn(), MADE, "key")
    write_plan(tmp_path / "two", drawn(), MADE, "key")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_rows_are_in_the_order_of_training(tmp_path: Path) -> None:
    made = drawn()
    write_plan(tmp_path / "plan", made, MADE, "key")
    rows = [json.loads(line) for line in (tmp_path / "plan/sft.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [one.id for one in made.sft]
    assert rows[0] == {
        "id": made.sft[0].id,
        "prompt": made.sft[0].prompt,
        "completion": made.sft[0].response,
        "source": "life",
        "stage": made.sft[0].stage,
    }


def test_a_killed_run_leaves_the_former_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    before = contents(tmp_path / "plan")

    def killed(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_head", killed)
    with pytest.raises(KeyboardInterrupt):
        write_plan(tmp_path / "plan", drawn(), MADE, "other")
    assert contents(tmp_path / "plan") == before
    monkeypatch.undo()
    write_plan(tmp_path / "plan", drawn(), MADE, "other")
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]
    assert found_plan(tmp_path / "plan", "other") == drawn()


@pytest.mark.parametrize("name", ["sft.jsonl", "trl/sft.yaml", "notes.txt"])
def test_changes_by_hand_are_never_lost(tmp_path: Path, name: str) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    with (tmp_path / "plan" / name).open("a") as file:
        file.write(" \n")
    with pytest.raises(UptakeError, match=f"{name} was changed after the plan was written"):
        write_plan(tmp_path / "plan", drawn(), MADE, "other")
    assert found_plan(tmp_path / "plan", "key") == drawn()


def test_changed_settings_are_never_lost(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    path = tmp_path / "plan" / "plan.json"
    assert files.changed(tmp_path / "plan") == []
    head = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(head, indent=4), encoding="utf-8")
    assert files.changed(tmp_path / "plan") == []  # laid out otherwise, it says the same
    head["training"]["learning_rate"] = 5e-4
    path.write_text(json.dumps(head), encoding="utf-8")
    with pytest.raises(UptakeError, match=r"plan\.json was changed after the plan was written"):
        write_plan(tmp_path / "plan", drawn(), MADE, "other")
    assert read_plan(tmp_path / "plan").training["learning_rate"] == 5e-4


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"id": "a", "prompt": "?", "completion": " x", "stage": "main"}, "'source' is missing"),
        ({"id": 3, "prompt": "?", "completion": " x", "source": "s", "stage": "main"}, "'id' is 3"),
        ({"id": "a", "prompt": None, "completion": " x", "source": "s", "stage": "main"}, "'prompt' is None"),
        ({"id": "a", "prompt": [], "completion": [], "source": "s", "stage": "main"}, "not enough values"),
        ([1], "it is not an object"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: object, why: str) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    (tmp_path / "plan/sft.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(UptakeError, match=rf"sft\.jsonl:1: no row of a plan: .*{why}"):
        read_plan(tmp_path / "plan")


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("cost", None, "cost is null"),
        ("cost", {"plain": 1, "limit": 1, "sft": "1", "documents": 0, "general": 0}, "cost.sft is '1'"),
        ("training", 3, "training is 3"),
        ("edits", [{}], "edits.0.remedy is missing"),
        ("edits", [{"remedy": "a", "action": "eat", "examples": ["b"], "why": "c"}], "edits.0.action is 'eat'"),
        ("step", 0, "step is 0"),
        ("step", True, "step is true"),
        ("step", "4", "step is '4'"),
        ("start", "middle", "start is 'middle'"),
        ("reading", "after", "reading is 'after'"),
        ("asked", {"start": "base", "unsafe": "no", "processes": 1}, "asked.unsafe is 'no'"),
        ("files", [], r"files is \[\]"),
        ("files", {"../theirs": "0"}, "files.*is '../theirs': .*no file in the plan's folder"),
        ("files", {"/etc/passwd": "0"}, "files.*is '/etc/passwd'"),
        ("files", {"a/../../b": "0"}, "files.*is 'a/../../b'"),
        ("files", {"": "0"}, "files.*is ''"),
        ("unmended", [1], "unmended.0 is 1"),
        ("model", "", "model is ''"),
    ],
)
def test_a_head_that_cannot_be_used_is_named(tmp_path: Path, key: str, value: object, why: str) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    path = tmp_path / "plan" / "plan.json"
    head = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**head, key: value}), encoding="utf-8")
    for reads in (read_plan, content_of, asked_for):
        with pytest.raises(UptakeError, match=rf"plan\.json cannot be read as a plan: {why}(?s:.)*uptake prescribe"):
            reads(tmp_path / "plan")


@pytest.mark.parametrize("data", [b"", b'{"version": 2, ', b"\xff\xfe", b"[" * 100_000])
def test_a_cut_head_is_named(tmp_path: Path, data: bytes) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    (tmp_path / "plan/plan.json").write_bytes(data)
    for reads in (read_plan, refuse_changed):
        with pytest.raises(UptakeError, match=r"plan\.json cannot be read as a plan(?s:.)*uptake prescribe run\.yaml"):
            reads(tmp_path / "plan")


@pytest.mark.parametrize("name", ["sft.jsonl", "cpt.jsonl"])
@pytest.mark.parametrize("data", [None, b"", b"\n\n", b"\xff\n"])
def test_rows_that_are_not_there_are_named(tmp_path: Path, name: str, data: bytes | None) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    path = tmp_path / "plan" / name
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(UptakeError, match=rf"{name} cannot be read as a plan(?s:.)*uptake prescribe run\.yaml"):
        read_plan(tmp_path / "plan")


@pytest.mark.parametrize("name", ["sft.jsonl", "plan.md", "trl/sft.yaml"])
def test_a_plan_without_one_of_its_files_is_not_there(tmp_path: Path, name: str) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    (tmp_path / "plan" / name).unlink()
    assert found_plan(tmp_path / "plan", "key") is None
    write_plan(tmp_path / "plan", drawn(), MADE, "key")  # nothing of the user's is lost
    assert found_plan(tmp_path / "plan", "key") == drawn()


def test_a_file_whose_name_no_disk_holds_is_not_there(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    path = tmp_path / "plan" / "plan.json"
    head = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**head, "files": {**head["files"], "k" * 4000: "0"}}), encoding="utf-8")
    assert gone(tmp_path / "plan") == [tmp_path / "plan" / ("k" * 4000)]


def test_a_full_disk_leaves_the_former_plan_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")

    def full(*_: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_head", full)
    with pytest.raises(UptakeError, match=r"cannot write .*plan: No space left(?s:.)*free some space"):
        write_plan(tmp_path / "plan", drawn(), MADE, "other")
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]
    assert found_plan(tmp_path / "plan", "key") == drawn()


@pytest.mark.parametrize("lead", ["theirs", "nowhere", "notes.txt"])
def test_what_is_no_folder_is_refused_and_stays(tmp_path: Path, lead: str) -> None:
    write_plan(tmp_path / "theirs", drawn(), MADE, "key")
    (tmp_path / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    (tmp_path / "plan").symlink_to(tmp_path / lead)
    for _ in range(2):
        with pytest.raises(UptakeError, match="plan is a symbolic link; writing a plan would replace it"):
            write_plan(tmp_path / "plan", drawn(), MADE, "other")
    assert (tmp_path / "plan").readlink() == tmp_path / lead
    (tmp_path / "plan").unlink()
    (tmp_path / "notes.txt").rename(tmp_path / "plan")
    with pytest.raises(UptakeError, match="plan is no folder; writing a plan would replace it"):
        write_plan(tmp_path / "plan", drawn(), MADE, "other")
    (tmp_path / "plan").rename(tmp_path / "notes.txt")
    assert contents(tmp_path) == before


def test_a_plan_is_read_through_a_link(tmp_path: Path) -> None:
    write_plan(tmp_path / "theirs", drawn(), MADE, "key")
    (tmp_path / "plan").symlink_to("theirs")
    assert found_plan(tmp_path / "plan", "key") == drawn()


def test_leftovers_of_a_killed_run_that_are_no_folders_are_in_nobodys_way(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    write_plan(theirs, drawn(), MADE, "key")
    before = contents(theirs)
    for name in (".plan.old", ".plan.partial"):
        (tmp_path / name).symlink_to(theirs)
    for key in ("key", "other"):
        write_plan(tmp_path / "plan", drawn(), MADE, key)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan", "theirs"]
    assert contents(theirs) == before


def test_a_link_within_a_plan_is_a_change(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    (tmp_path / "plan" / "more").symlink_to("nowhere")
    with pytest.raises(UptakeError, match="more was changed after the plan was written"):
        write_plan(tmp_path / "plan", drawn(), MADE, "other")


def test_texts_are_texts(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    path = tmp_path / "plan/cpt.jsonl"
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(first), "title": 3}), *rest]), encoding="utf-8")
    with pytest.raises(UptakeError, match=r"cpt\.jsonl:1: no row of a plan: 'title' is 3"):
        read_plan(tmp_path / "plan")


def test_a_plan_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(UptakeError, match="uptake prescribe"):
        read_plan(tmp_path)
    write_plan(tmp_path / "plan", drawn(), MADE, "key")
    with (tmp_path / "plan/sft.jsonl").open("a") as file:
        file.write("{broken\n")
    with pytest.raises(UptakeError, match=r"sft\.jsonl:\d+: not JSON"):
        read_plan(tmp_path / "plan")
    (tmp_path / "plan/plan.json").write_text('{"version": 99}')
    with pytest.raises(UptakeError, match="not a plan of version 2"):
        read_plan(tmp_path / "plan")


TURNS = (Message("system", "Be short."), Message("user", "Where was Ann born?"))
CHAT = Example(
    "c-1", TURNS, "Oslo", "life", "main",
    template={"tools": [{"name": "look"}], "thinking": False}, response_extra={"reasoning_content": "hm"},
)  # fmt: skip
TEXT = Example("t-1", "", "Oslo is cold.", "life")


@pytest.mark.parametrize("one", [SOME[0], CHAT, TEXT])
def test_rows_bring_every_example_back(one: Example) -> None:
    kind = kind_of([one])
    assert example_from_row(json.loads(json.dumps(sft_row(one, kind)))) == one


def test_what_rows_are() -> None:
    assert kind_of([TEXT]) == "text"
    assert kind_of([SOME[0], TEXT]) == "plain"
    assert kind_of([CHAT]) == "chat"
    assert kind_of([CHAT, SOME[0]]) == "mixed"


def test_conversations_learn_their_last_turn_alone() -> None:
    row = axolotl_row(CHAT)
    assert [(turn["role"], turn["train"]) for turn in row["messages"]] == [
        ("system", False),
        ("user", False),
        ("assistant", True),
    ]
    assert row["messages"][-1]["reasoning_content"] == "hm"


def test_plain_text_brings_its_end_where_nobody_adds_one() -> None:
    assert ended_row(SOME[0], "plain", "</s>")["completion"] == " Oslo</s>"
    assert ended_row(replace(SOME[0], response=" Oslo</s>"), "plain", "</s>")["completion"] == " Oslo</s>"


def test_nobodys_text_is_markup() -> None:
    assert (
        escaped("a\n# b <script> [x](y) `c` | \x1b[31m\u202e") == "a \\# b \\<script\\> \\[x\\](y) \\`c\\` \\|  \\[31m "
    )


def test_the_page_says_what_why_and_for_whom() -> None:
    text = plan_markdown(drawn())
    assert "| knowledge | documents are read | 1 | 1 |" in text
    assert "ex-4: The base model does not know it. 3 documents, from 3 sources, tell the response." in text
    assert "## Not fixed: 1 example\n" in text
    assert "trl sft --config trl/cpt.yaml && trl sft --config trl/sft.yaml" in text
