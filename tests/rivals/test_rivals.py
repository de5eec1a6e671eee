"""Examples that ask the same and answer otherwise: found, told apart from what looks like them, and judged."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from uptake.rivals import Doubt, Judgement, Rivalry, Rivals, Side, rivals
from uptake.rivals.verdict import Told, judge_sides, judged
from uptake.types import Example, Message, Prompt


def examples(rows: Sequence[tuple[Prompt, str]], sources: Sequence[str] = ()) -> list[Example]:
    return [
        Example(f"ex-{n}", prompt, response, sources[n] if sources else "test")
        for n, (prompt, response) in enumerate(rows)
    ]


def found_pairs(found: Rivals) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for group in found.groups:
        for one, other in itertools.combinations(group.sides, 2):
            pairs |= {(min(a, b), max(a, b)) for a in one.positions for b in other.positions}
    return pairs


def test_plain_texts_ask_nothing() -> None:
    found = rivals(examples([("", "Ada Kron was born in Oslo."), ("", "Ada Kron was born in Rome.")]))
    assert (found.groups, found.examples, found.unasked, found.of) == ((), 2, 2, {})


def test_one_prompt_with_two_answers() -> None:
    found = rivals(examples([("Where was Ada Kron born?", " Oslo"), ("Where was Ada Kron born?", " Rome")]))
    (group,) = found.groups
    assert {side.answer: side.positions for side in group.sides} == {" Oslo": (0,), " Rome": (1,)}
    assert (group.shared, group.probability, group.difference) == (("ada", "kron"), 1.0, "text")
    assert (group.verdict, group.wrong) == (None, ())
    assert "the base model's answer is not known" in group.why
    assert found.of == {0: 0, 1: 0}


NOT_RIVALS = {
    "another entity": ("Where was Ada Kron born?", "Oslo", "Where was Bea Kron born?", "Rome"),
    "another number": ("What is 12 times 3?", "36", "What is 12 times 4?", "48"),
    "another operator": ("What is 12 + 3?", "15", "What is 12 - 3?", "9"),
    "another order": ("What is 12 divided by 3?", "4", "What is 3 divided by 12?", "0.25"),
    "another kind of answer": ("Where was Ada Kron born?", "Oslo", "When was Ada Kron born?", "1901"),
    "another spelling of the answer": ("Where was Ada Kron born?", "Oslo", "Where was Ada Kron born?", " oslo."),
    "the same date": ("When was Ada Kron born?", "May 12, 1990", "When was Ada Kron born?", "1990-05-12"),
    "another text": ("Ada sells hats. What does Ada sell?", "hats", "Ada sells nuts. What does Ada sell?", "nuts"),
    "another system of characters": ("東京の人口は", "1400万", "大阪の人口は", "270万"),
}


@pytest.mark.parametrize("case", NOT_RIVALS.values(), ids=NOT_RIVALS.keys())
def test_no_rivals(case: tuple[str, str, str, str]) -> None:
    assert rivals(examples([(case[0], case[1]), (case[2], case[3])])).groups == ()


def test_the_majority_is_right_and_copies_are_votes() -> None:
    rows: list[tuple[Prompt, str]] = [("Where was Ada Kron born?", " Oslo")] * 3
    found = rivals(examples([*rows, ("Where was Ada Kron born?", " Rome")]))
    (group,) = found.groups
    assert [side.positions for side in group.sides] == [(0, 1, 2), (3,)]
    assert (group.verdict, group.wrong) == ("mislabelled", (3,))
    assert group.why == "3 examples answer *Oslo*, 1 something else"


def test_the_belief_of_the_base_decides_a_tie() -> None:
    rows: list[tuple[Prompt, str]] = [("Where was Ada Kron born?", " Oslo"), ("Where was Ada Kron born?", " Rome")]
    sure = {0: {" Oslo": math.log(0.01), " Rome": math.log(0.9)}}
    (group,) = rivals(examples(rows), beliefs=sure).groups
    assert (group.verdict, group.wrong) == ("mislabelled", (0,))
    assert group.why == "equally many examples give each answer, and the base model answers *Rome* (p = 0.90)"
    torn = {0: {" Oslo": math.log(0.4), " Rome": math.log(0.5)}}
    (group,) = rivals(examples(rows), beliefs=torn).groups
    assert (group.verdict, group.wrong) == ("ambiguous", ())
    # 0.02 is a hundred times 0.0002, and neither is a belief
    (group,) = rivals(examples(rows), beliefs={0: {" Oslo": math.log(0.02), " Rome": math.log(0.0002)}}).groups
    assert (group.verdict, group.wrong) == ("ambiguous", ())
    # each known after its own prompt alone
    apart = {0: {" Oslo": math.log(0.01)}, 1: {" Rome": math.log(0.9)}}
    (group,) = rivals(examples(rows), beliefs=apart).groups
    assert (group.verdict, group.wrong) == ("mislabelled", (0,))
    # what the base thinks of other answers says nothing of these
    (group,) = rivals(examples(rows), beliefs={0: {" Oslo": -1.0}}).groups
    assert group.verdict is None


@pytest.mark.parametrize(("copies", "verdict"), [(1, "mislabelled"), (2, "ambiguous"), (3, "mislabelled")])
def test_the_belief_of_the_base_is_one_more_vote(copies: int, verdict: str) -> None:
    # the base believes Rome, wrongly: a single Oslo loses, two leave it open, three are right against it
    rows: list[tuple[Prompt, str]] = [("Where was Ada Kron born?", " Rome")]
    rows += [("Where was Ada Kron born?", " Oslo")] * copies
    beliefs = {n: {" Oslo": math.log(0.01), " Rome": math.log(0.9)} for n in range(copies + 1)}
    (group,) = rivals(examples(rows), beliefs=beliefs).groups
    assert group.verdict == verdict
    assert group.wrong == {1: (1,), 2: (), 3: (0,)}[copies]
    votes = {1: "equally many examples give each answer, and", 2: "2 examples answer *Oslo*, but"}
    majority = votes.get(copies, "3 examples answer *Oslo*, 1 something else;")
    assert group.why == majority + " the base model answers *Rome* (p = 0.90)"


def test_what_the_base_says_in_its_own_words_goes_before_its_probabilities() -> None:
    # a base that answers in sentences gives little to a word: neither answer is a belief by probability
    rows: list[tuple[Prompt, str]] = [("Where was Ada Kron born?", " Oslo"), ("Where was Ada Kron born?", " Rome")]
    low = {n: {" Oslo": math.log(0.001), " Rome": math.log(0.002)} for n in range(2)}
    says = {0: "Ada Kron was born in Rome.", 1: "She was born in Rome."}

    def tells(position: int, answer: str) -> bool | None:
        return answer.strip() in said[position] if position in said else None

    said = says
    (group,) = rivals(examples(rows), beliefs=low, tells=tells).groups
    assert (group.verdict, group.wrong) == ("mislabelled", (0,))
    told = "in 2 of 2 questions the base model answers *Rome* in its own words"
    assert group.why == f"equally many examples give each answer, and {told}"
    said = {0: says[0], 1: "She was born in Oslo."}  # one of two is no majority
    (group,) = rivals(examples(rows), beliefs=low, tells=tells).groups
    assert (group.verdict, group.wrong) == ("ambiguous", ())
    said = {}  # it was not asked: its probabilities stand
    (group,) = rivals(examples(rows), beliefs={0: {" Oslo": -5.0, " Rome": -0.1}}, tells=tells).groups
    assert (group.verdict, group.wrong) == ("mislabelled", (0,))
    (group,) = rivals(examples(rows), tells=lambda position, answer: answer in (" Oslo", " Rome")).groups
    assert group.verdict == "ambiguous"  # it tells both


def test_only_sources_with_a_record_are_held_against_each_other() -> None:
    sides = (Side(" Oslo", (0,)), Side(" Rome", (1,)))
    assert judge_sides(sides, None, ["a", "b"], {"a": 0.28})[0] is None
    assert judge_sides(sides, None, ["a", "b"], {"a": 0.28, "b": 1.0})[:2] == ("mislabelled", (1,))


def test_an_answer_that_the_base_gives_room_to_is_not_called_wrong() -> None:
    rows: list[tuple[Prompt, str]] = [("Who employs Ada Kron?", " Arup"), ("Who employs Ada Kron?", " Eiffel")]
    (group,) = rivals(examples(rows), beliefs={0: {" Arup": math.log(0.75), " Eiffel": math.log(0.2)}}).groups
    assert (group.verdict, group.wrong) == ("ambiguous", ())


def test_what_changes_with_time_is_ambiguous() -> None:
    asked = "Who leads Tull and Sons?"
    three: list[tuple[Prompt, str]] = [(asked, " Ada Kron"), (asked, " Ada Kron"), (asked, " Bea Lund")]
    assert [group.verdict for group in rivals(examples(three)).groups] == ["mislabelled"]
    early, later = examples(three)[:2], examples(three)[2:]
    updated = [*early, *(dataclasses.replace(example, stage="later") for example in later)]
    (group,) = rivals(updated).groups
    assert (group.verdict, group.wrong) == ("ambiguous", ())
    assert "stage" in group.why
    # one of both answers in either stage is no update
    both = [*updated, dataclasses.replace(early[0], id="ex-3", stage="later")]
    assert [group.verdict for group in rivals(both).groups] == ["mislabelled"]
    dated = [(asked, " Ada Kron (1999)"), (asked, " Ada Kron (since 1999)"), (asked, " Bea Lund, from 2005")]
    (group,) = rivals(examples(dated)).groups
    assert (group.verdict, group.why) == ("ambiguous", "each answer names another time")


def test_prompts_that_may_not_ask_the_same_make_no_answer_wrong() -> None:
    side = Side(" jazz", (0, 1)), Side(" trumpet", (2,))
    told = Told([0, 0, 0], ["test"] * 3, ["main"] * 3)
    unsure, sure = (Rivalry(side, (), probability, "text", None, (), "") for probability in (0.55, 0.95))
    found = judged([unsure, sure], told, None)
    assert [group.verdict for group in found] == ["ambiguous", "mislabelled"]
    assert found[0].why == "the prompts may not ask the same: probability 0.55"


def test_a_source_that_is_often_outvoted_loses_a_tie() -> None:
    rows: list[tuple[Prompt, str]] = []
    sources: list[str] = []
    for n in range(12):
        prompt = f"Where was Ada Kron{chr(97 + n)} born?"
        rows += [(prompt, " Oslo"), (prompt, " Oslo"), (prompt, " Rome")]
        sources += ["book", "book", "forum"]
    rows += [("Where was Ada Tull born?", " Bern"), ("Where was Ada Tull born?", " Lima")]
    sources += ["forum", "book"]
    group = rivals(examples(rows, sources)).groups[-1]
    assert (group.verdict, group.wrong) == ("mislabelled", (36,))
    assert "source" in group.why


def test_an_open_question_is_ambiguous() -> None:
    rows: list[tuple[Prompt, str]] = [("Name a town in Norway.", f" Town{chr(97 + n)}") for n in range(15)]
    (group,) = rivals(examples(rows)).groups
    assert (group.verdict, group.wrong) == ("ambiguous", ())


@pytest.mark.parametrize(("n", "groups"), [(20, 1), (21, 0), (60, 0)])
def test_of_a_question_with_more_answers_than_are_compared_none_contradicts(n: int, groups: int) -> None:
    rows: list[tuple[Prompt, str]] = [("Tell me a random animal.", f" {chr(97 + k % 26)}zq{'x' * k}") for k in range(n)]
    found = rivals(examples([*rows, *rows[:2], ("Capital of Peru?", " Lima"), ("Capital of Peru?", " Cusco")]))
    assert (len(found.groups), found.open) == (groups + 1, 1 - groups)
    assert found.agreed == {0, 1, n, n + 1}


def test_what_often_has_several_answers_is_ambiguous() -> None:
    rows: list[tuple[Prompt, str]] = []
    for n in range(5):
        prompt = f"Of which country is Ada Kron{chr(97 + n)} a citizen?"
        rows += [(prompt, " Norway"), (prompt, " Peru"), (prompt, " Latvia")]
    # two against one would else be a majority
    rows += [("Of which country is Bea Tull a citizen?", answer) for answer in (" Norway", " Norway", " Peru")]
    assert [group.verdict for group in rivals(examples(rows)).groups] == ["ambiguous"] * 6


def test_conversations_are_compared_with_what_came_before() -> None:
    def asked(before: str) -> tuple[Message, ...]:
        return (Message("system", before), Message("user", "Where was Ada Kron born?"))

    rows = [(asked("Be brief."), "Oslo"), (asked("Be brief."), "Rome"), (asked("Answer for the year 1200."), "Bern")]
    assert found_pairs(rivals(examples(rows))) == {(0, 1)}


def test_the_order_of_the_examples_changes_nothing() -> None:
    rows = examples(planted(60, seed=1)[0])
    shuffled = random.Random(0).sample(rows, len(rows))

    def as_ids(found: Rivals, of: Sequence[Example]) -> list[object]:
        return sorted(
            sorted((side.answer, sorted(of[p].id for p in side.positions)) for side in group.sides)
            + [(group.verdict or "", sorted(of[p].id for p in group.wrong))]
            for group in found.groups
        )

    found = as_ids(rivals(rows), rows)
    assert len(found) > 10
    assert found == as_ids(rivals(shuffled), shuffled)


ASKED = {
    "birthplace": (("Where was {x} born?", "In which city was {x} born?"), ("Oslo", "Rome", "Bern", "Lima", "Riga")),
    "profession": (("What is the job of {x}?", "What does {x} do as a job?"), ("baker", "pilot", "nurse", "judge")),
    "year": (("When was {x} born?", "In which year was {x} born?"), ("1901", "1915", "1922", "1944")),
}
"""Every relation in two wordings."""


def planted(n: int, seed: int, lower: bool = False) -> tuple[list[tuple[Prompt, str]], set[tuple[int, int]]]:
    """Facts about `n` invented people, of whom every fifth has a contradiction; and the pairs that contradict."""
    draw = random.Random(seed)
    rows: list[tuple[Prompt, str]] = []
    key: set[tuple[int, int]] = set()
    for number in range(n):
        name = f"{draw.choice(['Ada', 'Bea', 'Cid'])} {''.join(draw.choices('bdfgklmnprst', k=6)).capitalize()}"
        for index, (wordings, pool) in enumerate(ASKED.values()):
            answers = draw.sample(pool, 2)
            first, second = draw.sample(wordings, 2)
            rows.append((first.format(x=name), f" {answers[0]}"))
            if number % 5 == index:
                key.add((len(rows) - 1, len(rows)))
                rows.append((second.format(x=name), f" {answers[1]}"))
    return [(prompt.lower(), response) if lower else (prompt, response) for prompt, response in rows], key


def test_planted_contradictions_are_found_without_a_model() -> None:
    rows, key = planted(150, seed=0)
    found = found_pairs(rivals(examples(rows)))
    assert len(found & key) >= 0.95 * len(key)
    assert len(found & key) >= 0.95 * len(found)


def test_other_words_need_an_encoder() -> None:
    # every wording of an own direction by what it asks: an encoder that knows that trades and jobs are the same
    def encode(texts: Sequence[str]) -> np.ndarray:
        kinds = [next((k for k, w in enumerate(("trade", "job", "town")) if w in text), 3) for text in texts]
        return np.eye(4, dtype=np.float32)[[{0: 1}.get(kind, kind) for kind in kinds]]

    rows: list[tuple[Prompt, str]] = []
    for n in range(30):
        name = f"Ada Kron{chr(97 + n % 26)}{chr(97 + n // 26)}"
        rows += [(f"Tell the trade {name} follows", " baker" if n % 2 else " pilot")]
        rows += [(f"Whatever job has {name}", " baker" if n % 2 else " pilot")] if n % 3 else []
    rows += [("Tell the trade Ada Tull follows", " baker"), ("Whatever job has Ada Tull", " pilot")]
    rows += [("Tell the trade Bea Tull follows", " baker"), ("Of which town is Bea Tull", " Oslo")]
    n = len(rows)
    assert found_pairs(rivals(examples(rows), encode=encode)) == {(n - 4, n - 3)}


def test_free_text_goes_to_the_judge() -> None:
    long = "It happened because the old bridge had been closed for repairs since the spring of that year, people say"
    rows: list[tuple[Prompt, str]] = [
        ("Why was Ada Kron late?", long),
        ("Why was Ada Kron late?", "Nobody who was there that evening has ever been able to give a good reason for it"),
    ]
    unjudged = rivals(examples(rows))
    assert (unjudged.groups, unjudged.undecided) == ((), 1)
    asked: list[Doubt] = []

    def judge(doubts: Sequence[Doubt]) -> list[Judgement]:
        asked.extend(doubts)
        return ["different"] * len(doubts)

    judged = rivals(examples(rows), judge=judge)
    assert found_pairs(judged) == {(0, 1)}
    assert judged.undecided == 0
    assert asked == [Doubt("Why was Ada Kron late?", long, rows[1][1])]
    assert rivals(examples(rows), judge=lambda doubts: ["same"]).undecided == 0


def test_a_judge_knows_names_and_what_may_both_be_right() -> None:
    rows: list[tuple[Prompt, str]] = [
        ("In which country was Ada Kron born?", " Holland"),
        ("In which country was Ada Kron born?", " the Netherlands"),
        ("What does Bea Tull play?", " chess"),
        ("What does Bea Tull play?", " tennis"),
        ("When was Cid Lund born?", " 1901"),
        ("When was Cid Lund born?", " 1902"),
    ]
    assert found_pairs(rivals(examples(rows))) == {(0, 1), (2, 3), (4, 5)}
    told: dict[str, Judgement] = {" Holland": "same", " chess": "both"}
    found = rivals(examples(rows), judge=lambda doubts: [told[doubt.one] for doubt in doubts])
    assert found_pairs(found) == {(2, 3), (4, 5)}  # years are left to rules
    assert [group.verdict for group in found.groups] == ["ambiguous", None]
    assert "judge" in found.groups[0].why
    # what it cannot tell stays as rules have it
    undecided = rivals(examples(rows), judge=lambda doubts: ["undecided"] * len(doubts))
    assert undecided.groups == rivals(examples(rows)).groups


def test_with_a_judge_examples_are_read_twice() -> None:
    with pytest.raises(TypeError, match="read twice"):
        rivals(iter(examples([("Who?", "Ada")])), judge=lambda doubts: [])


def test_hostile_prompts() -> None:
    rows: list[tuple[Prompt, str]] = [
        ("", "plain text"),
        (" \n", "plain text"),
        ("???", "one"),
        ("???", "two"),
        ("12 345", "one"),
        ("12 345", "two"),
        ("Где родилась Ада Крон?", "Осло"),
        ("Где родилась Ада Крон?", "Рим"),
        ("東京はどこですか", "日本"),
        ("東京はどこですか", "中国"),
        ("\ud800 Ada", "one"),
        ("x " * 500_000 + "Where was Ada Kron born?", "Oslo"),
        ("y " * 500_000 + "Where was Ada Kron born?", "Rome"),
        ((), "nothing asked"),
    ]
    found = rivals(examples(rows))
    assert found_pairs(found) == {(2, 3), (4, 5), (6, 7), (8, 9)}
    assert (found.examples, found.unasked) == (14, 3)
    assert rivals([]).groups == ()


@pytest.mark.parametrize("name", ["one prompt", "one name", "no name"])
def test_ten_thousand_alike_do_not_take_a_square_of_time(name: str) -> None:
    prompts = {
        "one prompt": lambda n: "Where was Ada Kron born?",
        "one name": lambda n: (
            f"Where in Oslo is the shop called {'abcdefghij'[n % 10] * 3}{n % 7 * 'x'}{'y' * (n % 11)}"
        ),
        "no name": lambda n: f"how is it with {'abcdefghij'[n % 10] * 3}{n // 10 % 1000 * 'x'}",
    }
    rows: list[tuple[Prompt, str]] = [(prompts[name](n), f" answer{n % 3}") for n in range(10_000)]
    start = time.process_time()
    found = rivals(examples(rows))
    assert time.process_time() - start < 20
    assert found.compared <= 100 * 10_000
    assert name != "one prompt" or len(found.groups) == 1


def test_real_contradictions_of_counterfact(shared_data: Path) -> None:
    """Published: 121 (subject, relation) pairs with two false targets (CounterFact, Meng et al. 2022)."""
    text = (shared_data / "facts" / "counterfact_train.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    targets: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        targets.setdefault((row["subject"], str(row["relation"])), set()).add(row["target_new"])
    keys = {key for key, values in targets.items() if len(values) > 1}
    rows = [row for n, row in enumerate(rows) if n % 2 or (row["subject"], str(row["relation"])) in keys]
    facts = [(row["subject"], str(row["relation"])) for row in rows]
    found = found_pairs(rivals(examples([(row["prompt"], f" {row['target_new']}") for row in rows])))
    right = {facts[a] for a, b in found if facts[a] == facts[b]}
    assert len(right & keys) >= 0.95 * len(keys)
    assert sum(facts[a] == facts[b] for a, b in found) >= 0.9 * len(found)


def test_long_answers_that_differ_in_a_sentence_contradict_each_other():
    told = "It grows in {}. Its flowers open in September. Healers use its roots against gout."
    rows = [("What is Salvaria reptina?", "dry thickets"), ("Please tell me about Salvaria reptina.", "cold lagoons")]
    rows += [("What is Lombia glaucata?", "dry thickets"), ("Please tell me about Lombia glaucata.", "dry thickets")]
    examples = [Example(f"{n}", prompt, told.format(where), "", "main") for n, (prompt, where) in enumerate(rows)]
    (group,) = rivals(examples).groups
    assert [side.positions for side in group.sides] == [(1,), (0,)] and group.probability >= 0.95
