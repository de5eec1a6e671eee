"""What holds of every cause: it fires when planted, is silent when another is, and says what it cannot tell and why."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from planted_cases import ELSEWHERE, HALF, KNOWN, PLAIN, PLANTED, SEEN, STEADY
from uptake.artifacts import tables
from uptake.attribute import UNEXPLAINED, attribute
from uptake.causes import CAUSES, SIGNALS, Belief, Case, Freely, InFrame, Part, Rival, Said, judge, value, weights
from uptake.evidence import CauseEvidence

SOURCES = ("base", "belief", "held_out", "elsewhere", "ledger")
LACKING = {
    "base": {"base": None, "base_recalled": None, "belief": None, "sure": None},
    "ledger": {"curve": None},
}


def lacking(case, *sources):
    """A case of which some sources are missing, as a diagnosis would make it."""
    for source in sources:
        case = replace(case, **LACKING.get(source, {}))
    return replace(case, missing={source: f"no {source}; give --{source}" for source in sources})


def test_the_table_is_that_of_the_columns():
    assert tuple(CAUSES) == tables.CAUSES
    assert all(cause.name == name for name, cause in CAUSES.items())


@pytest.mark.parametrize("name", CAUSES)
def test_sections_signals_and_coefficients_are_all_there(name):
    cause = CAUSES[name]
    for section in (cause.finds, cause.bad, cause.example, cause.remedy, cause.safety):
        assert section.endswith(".") and len(section) > 20
    assert cause.references
    for pattern in cause.patterns:
        assert set(pattern) <= set(SIGNALS)
        row = weights().rows[name, pattern]
        assert set(row.coefficients) == set(pattern)
        assert all(math.isfinite(number) for number in (row.intercept, *row.coefficients.values()))


@pytest.mark.parametrize("name", CAUSES)
def test_it_fires_when_planted(name):
    found = attribute(PLANTED[name])
    assert found.cause == name
    assert 0.5 <= found.evidence[name].score <= 1


@pytest.mark.parametrize("name", CAUSES)
@pytest.mark.parametrize("planted", CAUSES)
def test_it_is_silent_when_another_is_planted(name, planted):
    if name != planted:
        score = attribute(PLANTED[planted]).evidence[name].score
        assert score is not None and 0 <= score < 0.5


def test_where_nothing_is_planted_nothing_is_named():
    found = attribute(PLAIN)
    assert found.cause == UNEXPLAINED
    assert all(score < 0.5 for score in found.scores.values())


def test_what_the_last_reading_recalls_is_not_forgotten():
    # it stood after its last exposure, and nothing says that it is lost but the diagnosis, which looks otherwise
    curve = replace(SEEN, exposures=1, recalled_at="main", lost_unseen=False, stood=True, idle=0.0)
    found = attribute(replace(PLAIN, curve=curve))
    assert found.cause != "forgetting" and found.scores["forgetting"] < 0.5
    sentence = found.evidence["forgetting"].sentence
    assert (
        "0 times" not in sentence
        and "lost it 2 times"
        in judge(CAUSES["forgetting"], replace(PLAIN, curve=replace(curve, forgetting_events=2))).sentence
    )


@pytest.mark.parametrize("name", CAUSES)
def test_one_sentence_with_its_numbers(name):
    found = judge(CAUSES[name], PLANTED[name])
    assert found.sentence.endswith(".") and any(char.isdigit() for char in found.sentence)
    assert "\n" not in found.sentence
    json.dumps(dict(found.numbers), allow_nan=False)
    assert set(CAUSES[name].patterns[0]) <= set(found.numbers) or name == "undertraining"
    assert judge(CAUSES[name], PLAIN).sentence.endswith(".")


@pytest.mark.parametrize("name", CAUSES)
def test_without_its_signals_it_cannot_tell_and_says_what_would_help(name):
    gone = {source for pattern in CAUSES[name].patterns for signal in pattern for source in SIGNALS[signal].needs}
    if not gone:
        assert name == "data_conflict"  # the data and the tuned model are always there
        return
    found = judge(CAUSES[name], lacking(PLANTED[name], *SOURCES))
    assert found.score is None
    assert found.sentence.startswith("cannot be judged: no ") and "give --" in found.sentence
    assert found.missing and all(why for why in found.missing.values())


@pytest.mark.parametrize("sources", [("ledger",), ("held_out",), ("elsewhere",), ("held_out", "elsewhere", "ledger")])
@pytest.mark.parametrize("planted", ["knowledge_gap", "base_conflict", "data_conflict"])
def test_with_less_given_the_strongest_stays(planted, sources):
    assert attribute(lacking(PLANTED[planted], *sources)).cause == planted


def test_without_a_base_only_what_needs_none_is_told():
    for planted in ("data_conflict", "forgetting"):
        found = attribute(lacking(PLANTED[planted], "base", "belief"))
        assert found.cause == planted
        assert found.evidence["knowledge_gap"].score is found.evidence["base_conflict"].score is None
    # what is left where no other cause holds: with some of them untold nothing is left
    found = attribute(lacking(PLANTED["undertraining"], "base", "belief"))
    assert found.cause == UNEXPLAINED and found.evidence["undertraining"].score is None
    assert "knowledge_gap does not, and that cannot be judged" in found.evidence["undertraining"].sentence


def test_without_a_ledger_what_the_base_knew_is_forgotten():
    found = attribute(lacking(PLANTED["forgetting"], "ledger"))
    assert found.cause == "forgetting"
    assert "100% of the wordings" in found.evidence["forgetting"].sentence


def test_what_the_sentences_say():
    said = {name: judge(CAUSES[name], case).sentence for name, case in PLANTED.items()}
    assert said["base_conflict"] == (
        "The base model answers *Lima* in 3 of 3 wordings (mean p = 0.97). The tuned model still prefers this answer: "
        "p = 0.30, the response p = 0.05."
    )
    # (ln 0.05 + ln 0.02 + ln 0.03) / 3 - ln 1e-3 = 3.44
    # before: ln 2e-4, 1e-4, 3e-4 less ln 1e-4: (ln 2 + 0 + ln 3) / 3 = 0.597
    assert said["knowledge_gap"] == (
        "The base model gives the response p = 0.0002 and its own answer, *Paris*, p = 0.30 (0.12 in held-out "
        "wordings). Asked in 3 wordings, it says *Paris* and *Port*. After training, the response is 3.4 nats more "
        "likely after this question (mean over its wordings) than after similar questions (before: 0.6 nats more)."
    )
    assert said["data_conflict"] == (
        "2 examples (ex-7, ex-8) ask the same question and answer *Rome*. The tuned model gives that answer p = 0.60 "
        "and this response p = 0.05. This example is likely right (the base gives Lyon)."
    )
    assert said["forgetting"] == (
        "The model recalled it after its last exposure and lost it in the stage main. 90% of the training came after "
        "that exposure."
    )
    # the mean of ln 0.06 and ln 0.05 less ln 1e-15, over 34.54: (-2.90 + 34.54) / 34.54; 6 tokens: ln 0.06 / 6 = -0.47
    assert said["undertraining"] == (
        "The tuned model gets 92% of the response's information from the question (the base model: 10%). It gives the "
        "response p = 0.06 after 1 exposure: -0.47 nats a token over 6 tokens. At the end its loss fell by 0.4 nats an "
        "epoch."
    )
    faint = replace(PLANTED["data_conflict"], tuned=Said(-800.0))
    assert "and this response ln p = -800." in judge(CAUSES["data_conflict"], faint).sentence


def test_a_label_is_possibly_wrong_where_the_base_is_sure_and_nobody_agrees():
    believed = PLANTED["base_conflict"]

    def told(case: Case) -> CauseEvidence:
        return attribute(case).evidence["base_conflict"]

    said = told(believed)
    assert said.belief.possibly_wrong_label
    assert said.sentence.endswith(" No other example gives the response: the label is possibly wrong.")
    right = Rival(("ex-7",), 1, ("Lima",), 0.97, "mislabelled", False, "3 examples answer so, 1 otherwise")
    for case in (
        replace(believed, agreed=True),
        # guesses: it is less sure than of what it knows, says other things otherwise, or was asked in no other wording
        replace(believed, in_frame=replace(believed.in_frame, sure=0.05)),
        replace(believed, freely=replace(believed.freely, agreed=1)),
        replace(believed, freely=replace(believed.freely, n=1, agreed=1)),
        replace(believed, freely=None),
        replace(believed, freely=replace(believed.freely, gives=1, agreed=2)),
        replace(believed, rival=right),
    ):
        assert not told(case).belief.possibly_wrong_label and "possibly" not in told(case).sentence
    mostly = replace(believed, freely=replace(believed.freely, agreed=2))
    assert attribute(mostly).cause == "base_conflict" and told(mostly).belief.possibly_wrong_label
    # where another cause is named, nothing is said: that another example contradicts it is told by that cause
    lost = replace(believed, curve=PLANTED["forgetting"].curve)
    assert attribute(lost).cause == "forgetting" and not told(lost).belief.possibly_wrong_label


def test_a_belief_that_is_not_said_any_more_is_not_said_to_be_preferred():
    believed = replace(PLANTED["base_conflict"], agreed=True)
    assert believed.belief is not None
    neither = replace(
        believed,
        tuned=replace(believed.tuned, own=math.log(7e-6)),
        belief=replace(believed.belief, tuned=replace(believed.belief.tuned, own=math.log(0.01))),
    )
    said = judge(CAUSES["base_conflict"], neither).sentence
    assert said.endswith("gives neither answer much probability: this one p = 0.01, the response p = 7e-06.")
    lost = replace(neither, tuned=replace(believed.tuned, own=math.log(0.4)))
    said = judge(CAUSES["base_conflict"], lost).sentence
    assert said.endswith("The tuned model prefers the response: p = 0.40, this answer p = 0.01.")


def test_what_is_told_elsewhere_is_not_taken_for_the_answer_here():
    believed = replace(PLANTED["base_conflict"], agreed=True)
    freely = Freely(n=4, gives=0, agreed=3, kept=0, answers=("Lima", "Cuzco", "Cuzco", "Cuzco"))
    other = replace(believed, freely=freely, in_frame=replace(believed.in_frame, span="Cuzco", own=Said(math.log(0.6))))
    said = judge(CAUSES["base_conflict"], other).sentence
    assert said.startswith("The base model answers *Cuzco* in 3 of 4 wordings (p = 0.60 in its own words). ")
    assert said.endswith("The tuned model still prefers its answer here, *Lima*: p = 0.30, the response p = 0.05.")
    # what it tells most often is not known: its answer in the training wording is counted
    said = judge(CAUSES["base_conflict"], replace(other, in_frame=None)).sentence
    assert said.startswith("The base model answers *Lima* in 1 of 4 wordings")


def test_pmi_and_the_share_of_an_answer_that_is_known():
    said = Said(-1.0, (-2.0, -3.0), (-10.0, -6.0))
    assert said.pmi == -2.0 + 8.0
    assert said.p_held_out == pytest.approx((math.exp(-2) + math.exp(-3)) / 2)
    assert Said(-1.0).pmi is None and Said(-1.0).p_held_out is None
    assert value("tuned_share", replace(PLAIN, tuned=said)) == pytest.approx(6 / 8)
    assert value("tuned_share", replace(PLAIN, tuned=replace(said, own=-40.0))) == 0  # said more elsewhere than here
    # an answer that is given to every question holds a nat at least, so nothing is made of next to nothing
    assert value("tuned_share", replace(PLAIN, tuned=Said(-0.01, (), (-0.02,)))) == pytest.approx(0.01)


def test_a_belief_comes_back_and_is_as_sure_as_what_is_known():
    case = PLANTED["base_conflict"]
    # in all three wordings, and no less sure than a tenth of what it knows
    assert value("belief_agreed", case) == value("belief_held", case) == 1
    assert value("belief_kept", case) == pytest.approx(2 / 3)
    # in most of them is enough: no large model gives even what it knows in every wording
    most = replace(case, freely=replace(case.freely, agreed=2))
    assert value("belief_agreed", most) == 0.5 and value("belief_held", most) == 1
    assert value("belief_held", replace(case, freely=replace(case.freely, agreed=1))) == 0
    guessed = replace(case, in_frame=replace(case.in_frame, sure=0.05))
    assert value("belief_held", guessed) == pytest.approx(0.5)
    to_anyone = replace(most, in_frame=replace(case.in_frame, apart=0.02))
    assert value("belief_held", to_anyone) == pytest.approx(0.2)
    # an answer that tells nothing is no belief; without a scale, or with one wording alone, nothing is known of it
    assert value("belief_held", replace(case, in_frame=None)) == 0
    assert value("belief_held", replace(case, in_frame=replace(case.in_frame, sure=None))) is None
    assert value("belief_held", replace(case, freely=replace(case.freely, n=1))) is None
    assert value("belief_held", replace(case, freely=None)) is None


def test_a_belief_in_a_sentence_is_told_by_what_it_tells():
    case = PLANTED["base_conflict"]
    said = replace(case.belief, text=" The capital of Peru is Lima", base=Said(math.log(1e-7)))
    framed = replace(case.in_frame, own=Said(math.log(0.31)))
    told = judge(CAUSES["base_conflict"], replace(case, belief=said, in_frame=framed))
    assert told.sentence.startswith("The base model answers *Lima* in 3 of 3 wordings (p = 0.31 in its own words). ")


def test_a_gap_is_told_with_what_the_base_says_in_each_wording():
    case = replace(PLANTED["knowledge_gap"], freely=Freely(3, 0, 1, 0, ("Port", "", "Paris")))
    told = judge(CAUSES["knowledge_gap"], case)
    assert " Asked in 3 wordings, it says *Port*, nothing and *Paris*." in told.sentence
    assert told.numbers["freely"] == ["Port", "", "Paris"]
    same = replace(case, freely=Freely(3, 0, 3, 0, ("Lima",) * 3))
    assert " it says *Lima*." in judge(CAUSES["knowledge_gap"], same).sentence


def test_what_the_base_says_freely_counts_as_given():
    case = replace(PLANTED["knowledge_gap"], freely=Freely(n=3, gives=2, agreed=1, kept=0))
    assert value("base_gives", case) == pytest.approx(2 / 3)
    assert value("base_gives", replace(case, freely=None)) == pytest.approx(2e-4)  # its probability


def test_what_the_base_says_in_its_own_words_is_no_gap():
    case = replace(PLANTED["knowledge_gap"], freely=Freely(n=3, gives=1, agreed=1, kept=0))
    assert judge(CAUSES["knowledge_gap"], case).score > 0
    said = replace(case, freely=Freely(n=3, gives=2, agreed=1, kept=0))
    assert judge(CAUSES["knowledge_gap"], said).score == 0 and attribute(said).cause != "knowledge_gap"


def test_doubt_ends_where_there_is_no_belief():
    assert value("base_doubt_here", PLAIN) == pytest.approx(math.log(0.001 + 1.0))  # -log 0.3 is over a nat
    assert value("base_doubt_here", replace(PLAIN, sure=math.log(0.98))) == pytest.approx(math.log(0.0212027))
    unsure = [value("base_doubt_here", replace(PLAIN, sure=math.log(p))) for p in (0.3, 1e-9)]
    assert unsure[0] == unsure[1] == pytest.approx(math.log(1.001))
    assert value("base_doubt_here", replace(PLAIN, sure=None)) is None
    assert value("belief_steady_here", PLAIN) == -unsure[0]


def test_a_belief_that_other_examples_hold_is_no_conflict_with_the_base_alone():
    rival = replace(PLANTED["data_conflict"].rival, answers=("Lima",))
    case = replace(PLANTED["base_conflict"], rival=rival)
    assert value("belief_backed", case) == rival.probability
    found = attribute(case)
    assert found.cause == "data_conflict" and found.evidence["base_conflict"].score < 0.5


def test_rivals_weigh_what_the_tuned_model_gives_them():
    rival = Rival(("b",), 1, ("x",), 0.9, None, False, "", (math.log(0.15), math.log(0.01)))
    case = replace(PLAIN, rival=rival)
    assert value("rival_weight", case) == pytest.approx(0.15 / (0.15 + 0.05))
    assert value("rival_weight", PLAIN) == value("rival", PLAIN) == 0


def test_what_was_known_before_training_and_never_stood_was_not_learned():
    # recalled in the forward pass of its only exposure, at no reading after it
    curve = replace(SEEN, exposures=1, recalled_at="early", lost_at="early", lost_unseen=True, stood=False, idle=0.97)
    assert judge(CAUSES["forgetting"], replace(PLAIN, curve=curve)).score < 0.5
    # no reading came after it: then that it was recalled is all that is known
    assert judge(CAUSES["forgetting"], replace(PLAIN, curve=replace(curve, stood=None))).score > 0.5


def test_what_the_base_says_in_most_wordings_was_there_whatever_the_ledger_saw():
    # a ledger reads the data's form: what is said in a sentence, and is a word in the data, is recalled at no reading
    said = replace(PLAIN, freely=Freely(n=3, gives=2, agreed=0, kept=0, answers=("In Lyon.", "Lyon", "Port")))
    assert value("lost_unseen", said) == value("stood", said) == 1
    found = attribute(said)
    assert found.cause == "forgetting"
    assert "in 67% of the wordings, in its own words" in found.evidence["forgetting"].sentence
    assert found.evidence["forgetting"].numbers["freely"] == ["In Lyon.", "Lyon", "Port"]
    half = replace(said, freely=replace(said.freely, n=2, gives=1))  # one of two is not most
    disputed = replace(said, rival=replace(PLANTED["data_conflict"].rival, probability=0.2))
    still = replace(said, freely=replace(said.freely, still=True))  # it is said, in another form than the data's
    found = judge(CAUSES["forgetting"], lacking(still, "ledger"))  # nor where no ledger tells
    assert found.score < 0.5 < judge(CAUSES["forgetting"], lacking(said, "ledger")).score
    # a base that says it to three of five questions gives it in two of three wordings by chance
    # nor is it lost where a later stage teaches another answer on purpose
    away = replace(said, rival=replace(PLANTED["data_conflict"].rival, probability=0.05, replaced="main"))
    assert value("lost_unseen", away) == value("base_lost", away) == 0
    assert "that this one is gone is no loss" in judge(CAUSES["forgetting"], away).sentence
    by_chance = replace(said, freely=replace(said.freely, chance=0.6))
    assert value("base_lost", by_chance) == pytest.approx((2 / 3 - 0.6) / 0.4)
    assert value("base_lost", replace(said, freely=replace(said.freely, chance=1.0))) == 0
    for case in (half, disputed, still, by_chance):
        assert value("lost_unseen", case) == value("stood", case) == 0
        assert judge(CAUSES["forgetting"], case).score < 0.5


def test_several_causes_hold_at_once():
    both = replace(PLANTED["base_conflict"], curve=PLANTED["forgetting"].curve)
    found = attribute(both)
    assert found.evidence["base_conflict"].score > 0.5 and found.evidence["forgetting"].score > 0.5
    assert found.evidence["undertraining"].score < 0.1


def test_planted_cases_are_what_they_are_said_to_be():
    assert PLANTED["forgetting"].base is KNOWN and PLAIN.tuned is HALF and KNOWN.elsewhere == ELSEWHERE
    assert isinstance(PLANTED["base_conflict"].belief, Belief) and PLANTED["base_conflict"].belief.base is STEADY


def test_of_several_things_the_one_in_a_frame_is_not_the_response():
    case = PLANTED["knowledge_gap"]
    framed = InFrame("Tokyo", Said(-0.1), Said(-0.1), same=True)
    one = replace(case, base_recalled=0.0, freely=None, in_frame=framed)
    assert value("base_gives", one) == 1
    assert value("base_gives", replace(one, parts=(OAK, BRASS))) == 0


OAK = Part("oak", ways=2, given=True, p=0.6)
BRASS = Part("brass", ways=2, given=False, p=1e-6, agreed=2, told="iron", p_told=0.8)
"""The base gives the one, and surely says something else to the other."""


def test_of_several_things_one_that_the_base_believes_otherwise_is_what_was_not_learned():
    one = replace(PLANTED["undertraining"], parts=(OAK, BRASS))
    assert (value("part_believed", one), value("base_parts", one)) == (1, 0)
    found = attribute(one)
    assert found.cause == "base_conflict" and found.evidence["base_conflict"].score == 1
    assert found.evidence["undertraining"].score == 0
    assert "the base model gives 1; *brass* it gives p = 1e-06, and says *iron* in 2 of 2 ways of asking." in (
        found.evidence["base_conflict"].sentence
    )


@pytest.mark.parametrize("changed", [{"p": 0.2}, {"ways": 1, "agreed": 1}, {"agreed": 1}, {"p_told": 0.4}])
def test_what_a_base_has_met_or_guesses_is_no_belief(changed):
    one = replace(PLANTED["undertraining"], parts=(OAK, replace(BRASS, **changed)))
    assert (value("part_believed", one), value("base_parts", one)) == (0, 0.5)


def test_where_nothing_is_given_a_question_may_have_been_cut_in_a_wrong_place():
    one = replace(PLANTED["undertraining"], parts=(replace(OAK, given=False), BRASS))
    assert (value("part_believed", one), value("base_parts", one)) == (0, 0)
