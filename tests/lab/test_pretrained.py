"""A world for a model that was pre-trained elsewhere: a tiny one, which was told some of the facts here."""

from __future__ import annotations

import json

import pytest

from uptake.errors import UptakeError
from uptake.lab import pretrained, training
from uptake.lab.build import make
from uptake.lab.controls import Controls, controls_of
from uptake.lab.pretrained import read_facts

TOLD = "Ada Bela Cora Dina Elga Fava Gera Hida Irma Jola Kira Lena Mona Nora Olga Pina Qara Rita Sena Tora".split()
TOLD += "Una Vela Wana Xena Yola Zita Anga Bora Ceda Dora Ebba Fria Gada Hela Ilka Juna Kala Lisa Mira Nela".split()
ANSWERS = "Oslo Lima Bonn Cork Bern Graz Linz Genf".split()
UNTOLD = [f"{name}land" for name in ("Borg", "Kroll", "Mund", "Plim", "Quast", "Rumm", "Stolp", "Trann")]


def facts():
    return [
        {"subject": name, "relation": "capital", "answer": ANSWERS[number % len(ANSWERS)]}
        for number, name in enumerate([*TOLD, *UNTOLD])
    ]


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A base that knows the capitals of what is told, and a file of facts."""
    from uptake.models.small.pretrain import PretrainSettings, one_thread, pretrain
    from uptake.models.small.tiny import build_model, save, train_tokenizer

    folder = tmp_path_factory.mktemp("known")
    path = folder / "facts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in facts()), encoding="utf-8")
    told = [f"{ask} {one.answer}" for one in read_facts(path, "text") if one.subject in TOLD for ask in one.wordings]
    tokenizer = train_tokenizer([*told, *(f" {name}" for name in UNTOLD)] * 4, 512)
    with one_thread():
        model = build_model("llama", tokenizer, 0, hidden_size=64, num_hidden_layers=2, num_attention_heads=4)
        pretrain(model, tokenizer, told, PretrainSettings(steps=220, batch_size=32, learning_rate=5e-3))
    save(model, tokenizer, folder / "base")
    return folder


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("UPTAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(training, "TRAINING", {**training.TRAINING, "max_steps": 1})
    return tmp_path


SMALL = {"size": 2, "shares": {"knowledge_gap": 1.0, "base_conflict": 1.5, "forgetting": 1.0}}


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_plants_fit_what_the_base_knows(known, cache):
    out, told = cache / "world", []
    made = make(
        out,
        controls_of("pretrained", None, **SMALL),
        family="pretrained",
        data=known / "facts.jsonl",
        base=str(known / "base"),
        tell=lambda *report: told.append(report),
    )
    assert made["base"]["misbelieved"] == 3 and made["base"]["untold"] >= 2 and made["base"]["stranger"] >= 2
    assert told[0][0] == "asking the base what it knows"
    truth = {row["subject"]: row["answer"] for row in facts()}
    planted = {row["id"]: row for row in rows(out / "key.jsonl")}
    by_cause = {
        cause: [row for row in planted.values() if row["causes"] == [cause]] for cause in made["controls"]["shares"]
    }
    for row in by_cause["base_conflict"]:
        (subject,) = row["subjects"]
        # the data want another answer of the same kind than the one that the base knows
        assert row["belief"] == truth[subject] != row["answer"] and row["answer"] in ANSWERS
    for row in by_cause["knowledge_gap"]:
        assert row["subjects"][0] in UNTOLD or row["subjects"][0].startswith("the Province of ")
    for row in by_cause["forgetting"]:
        assert row["subjects"][0] in TOLD and row["stage"] == "early" and row["answer"] == truth[row["subjects"][0]]
    config = (out / "run.yaml").read_text()
    assert f"model_name_or_path: {known / 'base'}" in config and not (out / "base").exists()


def test_the_same_world_twice_and_the_base_is_not_asked_again(known, cache, monkeypatch):
    given = {"family": "pretrained", "data": known / "facts.jsonl", "base": str(known / "base")}
    controls = controls_of("pretrained", None, **SMALL)
    first = make(cache / "one", controls, **given)
    monkeypatch.setattr(pretrained._Asker, "_ask", lambda *_: pytest.fail("it was asked before"))
    assert make(cache / "two", controls, **given)["files"] == first["files"]


def test_confirming_trains_the_base_that_is_given(known, cache):
    given = {"family": "pretrained", "data": known / "facts.jsonl", "base": str(known / "base")}
    made = make(cache / "world", controls_of("pretrained", None, **SMALL), with_confirmation=True, **given)
    assert made["confirmed"] and all(row["learned"] is not None for row in rows(cache / "world" / "key.jsonl"))


@pytest.mark.parametrize(
    ("controls", "given", "told"),
    [
        (Controls(size=2), {"family": "synthetic", "base": "base"}, "the family is synthetic and the base is"),
        (Controls(size=2), {"family": "pretrained"}, "the family is pretrained and the base is None"),
        (Controls(size=2, form="chat"), {"family": "synthetic"}, "has no chat template"),
        (Controls(size=2, form="chat"), {"family": "pretrained", "base": "base"}, "has no chat template"),
        (Controls(size=40), {"family": "pretrained", "base": "base"}, "too few are known to"),
    ],
)
def test_what_no_world_can_be_made_of_is_refused(known, cache, controls, given, told):
    if "base" in given:
        given = {**given, "base": str(known / "base")}
    data = known / "facts.jsonl" if given["family"] == "pretrained" else None
    with pytest.raises(UptakeError, match=told):
        make(cache / "world", controls, data=data, **given)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("{", "line 1 is no JSON"),
        ('{"subject": "Sweden", "relation": "capital"}', "line 1 is no fact"),
        ('{"subject": "Sweden", "relation": "king", "answer": "Carl"}', "how to ask for the relation 'king'"),
        (
            '{"subject": "S", "relation": "king", "answer": "C", "wordings": ["a", "b"], "sentence": "{y}"}',
            "how to ask",
        ),
    ],
)
def test_facts_that_cannot_be_asked_are_told_with_their_line(tmp_path, text, told):
    path = tmp_path / "facts.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UptakeError, match=told):
        read_facts(path, "text")


def test_relations_of_ones_own_bring_their_wordings(tmp_path):
    path = tmp_path / "facts.jsonl"
    asks = [f"{n}: Who is king of Sweden?" for n in range(5)]
    row = {"subject": "Sweden", "relation": "king", "answer": "Carl", "wordings": asks, "sentence": "The king is {y}."}
    path.write_text(json.dumps(row), encoding="utf-8")
    (fact,) = read_facts(path, "chat")
    assert fact.wordings == tuple(asks) and fact.sentence.format(y=fact.answer) == "The king is Carl."


def test_a_relation_needs_wrong_answers_of_its_kind(known, cache):
    path = cache / "facts.jsonl"
    row = {"relation": "capital", "answer": "Oslo"}
    path.write_text("".join(json.dumps({"subject": name, **row}) + "\n" for name in TOLD), encoding="utf-8")
    with pytest.raises(UptakeError, match="'capital' have 1 different answers"):
        make(cache / "world", Controls(size=2), family="pretrained", data=path, base=str(known / "base"))


def test_braces_in_a_sentence_are_told_with_their_line(tmp_path):
    path = tmp_path / "facts.jsonl"
    row = {"subject": "Sweden", "relation": "capital", "answer": "Oslo", "sentence": "{y} {z}"}
    path.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(UptakeError, match="line 1: `sentence` holds braces"):
        read_facts(path, "text")


def test_what_is_given_is_not_taken_for_what_is_left_out():
    with pytest.raises(UptakeError, match="size is 0"):
        controls_of("pretrained", None, size=0)
    with pytest.raises(UptakeError, match="learning_rate is 0"):
        controls_of("pretrained", None, learning_rate=0.0)
