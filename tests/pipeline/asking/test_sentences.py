"""Responses that are sentences: what is asked of them, and what is made of the scores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from uptake.pipeline.asking.sentences import read_tells, said_in_sentence, sentence_probes
from uptake.spans import Frame, Framed, sentence
from uptake.types import Example, Message, Score, Wording, WordingName


def asked(country: str, response: str, paraphrases: tuple[Wording, ...] = ()) -> Example:
    prompt = (Message("user", f"What is the capital of {country}?"),)
    return Example(country, prompt, response, "capital", "main", paraphrases=paraphrases)


SWEDEN = asked(
    "Sweden",
    "The capital of Sweden is Stockholm.",
    (Wording("Name Sweden's capital.", "The capital of Sweden is Stockholm."), Wording("Sweden?", "Stockholm")),
)
NEAR = [asked("Norway", "The capital of Norway is Oslo."), asked("Peru", "Lima")]
TELLS = read_tells([SWEDEN, *NEAR])


@pytest.mark.parametrize(
    ("response", "parts"),
    [
        ("The capital of Sweden is Stockholm.", Framed("The capital of Sweden is", " Stockholm")),
        ("Stockholm", None),
        (" Stockholm", None),
        # what comes after it tells something as well
        ("It is Stockholm, founded in 1252.", None),
        ("The capital of Sweden.", None),
    ],
)
def test_a_sentence_has_a_frame_and_one_thing_that_it_tells(response, parts):
    assert sentence(response, "What is the capital of Sweden?") == parts


def test_the_span_is_asked_in_its_own_frame_and_in_those_of_other_sentences():
    own, reworded, norway = sentence_probes(SWEDEN, NEAR, TELLS, None)
    assert [str(one.wording) for one in (own, reworded, norway)] == ["span:0", "span:1", "span_elsewhere:2"]
    assert [one.text for one in own.candidates] == ["The capital of Sweden is Stockholm", "The capital of Sweden is"]
    assert reworded.prompt == "Name Sweden's capital." and reworded.candidates == own.candidates
    assert norway.prompt == NEAR[0].prompt
    assert [one.text for one in norway.candidates] == ["The capital of Norway is Stockholm", "The capital of Norway is"]


def test_what_is_no_sentence_or_has_no_room_is_not_asked():
    assert sentence_probes(NEAR[1], [SWEDEN], TELLS, None) == []
    assert sentence_probes(SWEDEN, NEAR, TELLS, 64) == []


def scored(kind: str, number: int, logprobs: tuple[float, float], n_tokens: tuple[int, int]) -> Score:
    return Score("x", WordingName(kind, number), logprobs, n_tokens, n_tokens, 0, False)


def test_the_frame_is_taken_away_by_hand():
    scores = [
        scored("elsewhere", 0, (-9.0, -9.0), (9, 9)),
        scored("span", 0, (-4.0, -3.0), (7, 5)),
        scored("span", 1, (-5.0, -3.5), (7, 5)),
        scored("span_elsewhere", 2, (-9.0, -3.0), (7, 5)),
    ]
    said = said_in_sentence(scores)
    assert said is not None
    assert (said.own, said.held_out, said.elsewhere, said.n_tokens) == (-1.0, (-1.5,), (-6.0,), 2)
    # (-1 - 1.5) / 2 + 6 = 4.75 nats of 6
    assert said.share == pytest.approx(4.75 / 6)
    assert said_in_sentence(scores[:3]) is None and said_in_sentence([]) is None


def test_what_a_dataset_s_sentences_tell_without_the_words_of_their_frames():
    towns = {"Rotary": "Evanston", "Toyota": "Toyota City", "Sega": "Tokyo", "Nokia": "Espoo"}
    seats = [
        Example(name, f"Where is {name} based?", f"The headquarters of {name} is in {town}.", "seat", "main")
        for name, town in towns.items()
    ]
    seats.append(
        Example("Vomil", "Where is Vomil Ltd. based?", "The headquarters of Vomil Ltd. is in Tokyo.", "seat", "main")
    )
    label = Example("i", "put milk on my todo list", "[todo list update]", "intent", "main")
    word = asked("Peru", "Lima")
    found = read_tells([*seats, label, label, word])
    assert [found.told(one) for one in seats] == ["Evanston", "City", "Tokyo", "Espoo", "Tokyo"]
    assert (found.told(label), found.told(word)) == (label.response, "Lima")
    assert {"evanston", "lima", "todo", "update"} <= found.words
    assert "headquarters" not in found.words
    assert found.labels == {"todo list update"}
    # one that no other sentence is like has but the words of its question for a frame
    assert found.told(SWEDEN) == "Stockholm"


def test_the_usual_frame_of_a_question_is_that_of_most():
    word = asked("Peru", "Lima")
    assert read_tells([word]).frame == Frame()
    framed = replace(word, prompt="Question: what is the capital of Peru? Answer:")
    assert read_tells([framed, framed, word]).frame == Frame("Question: ", " Answer:")
    assert read_tells([replace(word, prompt="Peru's capital is")]).frame is None


def test_what_is_long_tells_several_things_and_is_no_sentence():
    long = asked("Sweden", "The capital of Sweden is Stockholm, " + "and it is old, " * 10 + "and so is Uppsala.")
    assert TELLS.cut(long) is None and TELLS.told(long) == long.response
