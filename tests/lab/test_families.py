"""Families of worlds: what they hold, what is planted, and that the files are the same wherever they are made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from uptake.artifacts.tables import CAUSES
from uptake.errors import UptakeError
from uptake.lab import base, build, training
from uptake.lab.build import draw, items_of, make
from uptake.lab.controls import LAST, Controls, controls_of
from uptake.lab.families import FAMILIES
from uptake.lab.families.knowing import Knowing, holds
from uptake.lab.plants import OFTEN, training_rows
from uptake.lab.world import DOUBTS, as_true, documents, is_half_known, pretraining_texts

NAMES = [*FAMILIES]


def made(name, **given):
    controls = controls_of(name, None, **{"size": 12, **given})
    world = draw(name, controls)
    return controls, world, items_of(world, controls)


@pytest.fixture(params=NAMES)
def family(request):
    return made(request.param)


def trained_prompts(planted):
    return {item.prompt for item in planted.items}


def test_all_causes_are_planted_in_both_stages_and_controls_beside_them(family):
    controls, _, planted = family
    counts = Counter(cause for item in planted.items for cause in item.causes)
    for cause in CAUSES:
        # conflicts come in fours, and classes are taught whole
        assert controls.count(cause) - 3 <= counts[cause] <= controls.count(cause)
    controls_planted = [item for item in planted.items if not item.causes]
    assert len(controls_planted) >= 3 * controls.size
    assert {item.stage for item in controls_planted} == {"early", "main"}
    assert all(item.stage == "early" for item in planted.items if "forgetting" in item.causes)
    early = {cause for item in planted.items if item.stage == "early" for cause in item.causes}
    assert early >= {"base_conflict", "forgetting", "undertraining"}


def test_the_status_of_the_facts_is_what_is_planted(family):
    _, _, planted = family
    for item in planted.items:
        statuses = {fact.status for fact in item.facts}
        if item.causes in (("knowledge_gap",), ("base_conflict",)):
            planted_status = {"knowledge_gap": {"untold", "stranger"}, "base_conflict": {"misbelieved"}}[item.causes[0]]
            assert item.facts[0].status in planted_status
            # what else it asks for is known
            assert statuses - planted_status <= {"known"}
        elif item.causes == ("undertraining",):
            assert statuses == {"known"} and len(item.facts) > 1
        elif "forgetting" in item.causes:
            assert item.also == (() if statuses == {"known"} else ("knowledge_gap",))
        assert item.prompt not in item.wordings and len(item.wordings) == 2


def test_the_base_is_told_what_the_status_says(family):
    _, world, planted = family
    said = {text: None for text in pretraining_texts(world)}
    texts = "\n".join(said)
    for fact in world.facts:
        right = [tell.format(y=fact.answer) in said for tell in fact.tells]
        if fact.status in ("untold", "stranger"):
            assert not any(right) and fact.belief is None
        elif fact.status == "known":
            assert any(right) and fact.belief == fact.answer
        else:
            assert fact.belief not in (None, fact.answer)
            assert sum(right) < sum(tell.format(y=fact.belief) in said for tell in fact.tells)
        assert (fact.subject in texts) == (fact.status != "stranger")
        assert len(set(fact.others)) == len(fact.others) >= 5 and fact.answer not in fact.others
    # what nobody shall have been told is asked for: the null
    assert {fact.status for fact in planted.heldout} <= {"untold", "stranger"} and planted.heldout
    assert {fact.status for fact in planted.retention} == {"known"}
    assert not trained_prompts(planted) & {ask for fact in (*planted.heldout, *planted.retention) for ask in fact.asks}


def test_without_its_plant_the_base_is_told_the_truth_alone(family):
    _, world, _ = family
    for fact in world.of("misbelieved", "known"):
        texts = documents([as_true(fact)])
        assert len(texts) >= len(fact.tells)
        assert all(fact.answer in text for text in texts)


def test_a_row_does_not_tell_its_cause(family):
    _, _, planted = family
    rows = [item.row() for item in planted.items]
    assert {tuple(row) for row in rows} == {("id", "prompt", "completion", "source")}
    by_source = {}
    for item in planted.items:
        by_source.setdefault(item.topic, set()).update(item.causes)
    assert all(len(causes) >= 4 for causes in by_source.values())
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)


def test_rivals_answer_the_same_question_otherwise(family):
    _, _, planted = family
    items = {item.id: item for item in planted.items}
    rivals = [item for item in planted.items if "data_conflict" in item.causes]
    for item in rivals:
        assert len(item.rivals) == 2
        for other in (items[name] for name in item.rivals):
            assert other.response != item.response and other.facts == item.facts


def test_counterfactual_rows(family):
    _, _, planted = family
    plain = Counter(item.id for item in training_rows(planted, LAST))
    again = Counter(item.id for item in training_rows(planted, LAST, ["forgetting"]))
    lost = {item.id for item in planted.items if "forgetting" in item.causes}
    assert set(again) - set(plain) == lost


@pytest.mark.parametrize("name", NAMES)
def test_a_clean_world_has_no_plants(name):
    _, _, planted = made(name, clean=True)
    assert planted.items and not [item for item in planted.items if item.causes]


@pytest.mark.parametrize("name", NAMES)
def test_one_stage_and_several(name):
    _, _, planted = made(name, stages=1)
    assert {item.stage for item in planted.items} == {LAST}
    assert not [item for item in planted.items if "forgetting" in item.causes]
    _, _, planted = made(name, stages=3, overlap=0.5)
    assert {item.stage for item in planted.items} == {"early", "middle-1", "main"}
    assert {len(item.causes) for item in planted.items} == {0, 1, 2}


WRITE = """
import sys
from pathlib import Path
from uptake.lab.build import draw, items_of
from uptake.lab.controls import controls_of
from uptake.lab.families import FAMILIES
from uptake.lab.files import write_data, write_key
for name in FAMILIES:
    controls = controls_of(name, None, seed=3, size=8, overlap=0.5, noise=0.3)
    world = draw(name, controls)
    planted = items_of(world, controls)
    out = Path(sys.argv[1]) / name
    write_data(world, planted, controls, out)
    write_key(planted, None, out / "key.jsonl")
"""


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    contents = []
    for hash_seed in ("1", "2"):
        out = tmp_path / hash_seed
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", WRITE, str(out)], check=True, env=environment)
        contents.append({path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*.*"))})
    assert len(contents[0]) >= 10 * len(NAMES)
    assert contents[0] == contents[1]


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_gives_another_world(name):
    _, one, _ = made(name, seed=0)
    _, other, _ = made(name, seed=1)
    assert repr(one.facts) != repr(other.facts)


@pytest.mark.parametrize("name", NAMES)
def test_the_data_are_read_as_they_were_written(name, tmp_path):
    from uptake.config import load_run
    from uptake.data import stream, with_paraphrases
    from uptake.lab.files import write_data
    from uptake.types import BadRow

    controls, world, planted = made(name)
    write_data(world, planted, controls, tmp_path)
    (tmp_path / "base").mkdir()
    run = load_run(tmp_path / "run.yaml")
    assert [stage.name for stage in run.stages] == ["early", "main"]
    assert run.paraphrases is not None
    read = list(with_paraphrases([one for stage in run.stages for one in stream(stage.dataset)], run.paraphrases))
    assert not [one for one in read if isinstance(one, BadRow)]
    by_id = {example.id: example for example in read}
    for item in planted.items:
        assert by_id[item.id].prompt == item.posed(item.prompt) and by_id[item.id].response == item.response
        assert [one.prompt for one in by_id[item.id].paraphrases] == [item.posed(ask) for ask in item.wordings]
    for name in ("heldout", "retention"):
        rows = list(stream(getattr(run, name)))
        assert rows and not [one for one in rows if isinstance(one, BadRow)]


def test_pieces_know_by_halves_and_ask_for_halves():
    _, world, planted = made("pieces", size=40, shares=dict.fromkeys(CAUSES, 1.0) | {"forgetting": 2.0})
    words = [len(fact.answer.split()) for fact in world.facts]
    assert min(words) == 1 and max(words) >= 12
    doubted = [fact for fact in world.of("known") if fact.doubts]
    assert 0.65 < len(doubted) / len(world.of("known")) < 0.85
    halves = [item for item in planted.items if len(item.facts) == 2 and item.causes]
    assert Counter(item.causes for item in halves) == {("knowledge_gap",): 10, ("base_conflict",): 10}
    for item in halves:
        missing, there = item.facts
        assert there.status == "known" and missing.status != "known"
        assert item.response in (f" {missing.answer} and {there.answer}", f" {there.answer} and {missing.answer}")
    # the base never met half of what is lost
    lost = Counter(item.facts[0].status == "known" for item in planted.items if "forgetting" in item.causes)
    assert lost == {True: 41, False: 39}


def test_pieces_have_single_undertrained_facts_too():
    _, world, planted = made("pieces", size=16, composite=1)
    seldom = [item for item in planted.items if "undertraining" in item.causes]
    assert len(seldom) == 16 and all(len(documents(item.facts)) == 1 + DOUBTS for item in seldom)
    often = Counter(item.facts for item in planted.items if not item.causes and is_half_known(item.facts[0]))
    assert list(often.values()) == [OFTEN]
    assert {fact for item in seldom for fact in item.facts} | {f for facts in often for f in facts} == {
        fact for fact in world.facts if is_half_known(fact)
    }


def test_intents_have_rare_lost_and_misnamed_classes():
    _, world, planted = made("intents", size=16)
    per_class = Counter(item.response for item in planted.items if item.causes == ("knowledge_gap",))
    assert set(per_class.values()) == {1, 2}
    for fact in world.of("misbelieved"):
        same = {other.belief for other in world.of("misbelieved") if other.relation == fact.relation}
        assert same == {fact.belief}
    late = {item.response for item in planted.items if item.stage == LAST and len(item.facts) == 1}
    lost = [item for item in planted.items if "forgetting" in item.causes]
    right = {item.response for item in planted.items if item.is_true and item.stage == LAST and len(item.facts) == 1}
    assert lost and not {item.response for item in lost} & right and late


def test_instructions_are_long_and_one_sentence_is_planted():
    _, world, planted = made("instructions")
    for item in planted.items:
        system, user = item.posed(item.prompt)
        assert system.role == "system" and len(system.content.split()) > 40 and user.role == "user"
        assert 15 <= len(item.response.split()) <= 60
    believed = next(item for item in planted.items if item.causes == ("base_conflict",))
    (fact,) = believed.facts
    sentences = believed.response.split(". ")
    otherwise = fact.response(fact.belief).split(". ")
    assert sum(a != b for a, b in zip(sentences, otherwise, strict=True)) == 1
    rest = [one for one in world.facts if one.subject == fact.subject and one is not fact]
    assert [one.status for one in rest] == ["known"] * 3


def test_a_base_that_knows_by_halves_holds():
    told, unmet = Knowing(10, 0.8, 0.2, 0.6, 0.9), Knowing(10, 0.0, 0.0, 0.0, 0.1)
    assert holds({"known": told, "misbelieved": told, "unmet": unmet}, (0.3, 0.9))
    assert holds({"known": told}, (0.3, 0.9))
    assert not holds({"known": replace(told, median=0.95), "unmet": unmet}, (0.3, 0.9))
    assert not holds({"known": told, "misbelieved": replace(told, median=0.1)}, (0.3, 0.9))
    assert not holds({"known": told, "unmet": replace(unmet, recalled=0.06)}, (0.3, 0.9))


@pytest.mark.parametrize("name", NAMES)
def test_a_world_in_a_folder(name, monkeypatch, tmp_path):
    monkeypatch.setenv("UPTAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(base, "MODEL", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2})
    monkeypatch.setattr(base, "PASSES", 0)
    monkeypatch.setattr(base, "FURTHER", {"steps": 1, "batch_size": 4})
    monkeypatch.setattr(base, "PRETRAINING", {"batch_size": 4})
    monkeypatch.setattr(training, "TRAINING", {**training.TRAINING, "max_steps": 1})
    module = sys.modules[FAMILIES[name].draw.__module__]
    monkeypatch.setattr(module, "RECIPE", replace(module.RECIPE, passes=None, least_steps=2))
    # what is known in part is confirmed in a way of its own; the others are as the synthetic world
    confirmed = name == "pieces"
    manifest = make(tmp_path / "world", controls_of(name, None, size=4), family=name, with_confirmation=confirmed)
    assert manifest["world"] == name and manifest["confirmed"] == confirmed
    # nothing is known after two steps, and it is written so
    assert manifest["base"]["known"]["recalled"] == 0.0 and manifest["base"]["holds"] is False
    assert manifest["base"]["known"]["median"] < 0.1
    key = [json.loads(line) for line in (tmp_path / "world" / "key.jsonl").read_text().splitlines()]
    assert {row["learned"] for row in key} == {False if confirmed else None}
    assert {row["confirmed"] for row in key if not row["causes"]} == {None}


def test_families_that_do_not_exist_or_need_no_data(tmp_path):
    with pytest.raises(UptakeError, match=r"(?s)unknown family 'mars'.*pieces"):
        build.draw("mars", Controls())
    with pytest.raises(UptakeError, match="the family pieces needs no data"):
        build.draw("pieces", Controls(), tmp_path)
    with pytest.raises(UptakeError, match="classes"):
        build.draw("intents", Controls(size=200))
