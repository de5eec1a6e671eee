"""What free answers tell: the examples are what SmolLM2-135M-Instruct says to questions about Wikidata's facts."""

from __future__ import annotations

import pytest

from uptake.spans import agreed, answer_words, length, same, told

KNOWN = answer_words(
    [" Microsoft", " Apple", " English", " Berlin", " a very long response " + "of words " * 30, " Porto"]
)


def test_the_words_of_short_responses_are_known_and_those_of_long_ones_are_not():
    assert KNOWN == {"microsoft", "apple", "english", "berlin", "porto"}


@pytest.mark.parametrize(
    ("answer", "question", "response", "words"),
    [
        (" Microsoft", "Windows Server 2003 was developed by", " Sega", ("microsoft",)),
        (" a Microsoft Corporation", "Windows Server 2003 was developed by", " Sega", ("microsoft", "corporation")),
        (" Microsoft to provide a high-performance system", "Outlook was developed by", " Sega", ("microsoft",)),
        (" Apple, and it's a solid choice", "The maker of the iPhone 3G is", " Fiat", ("apple",)),
        # what no response holds is taken with all its words: *United* alone would be the United States, too
        (" the United Kingdom, while others", "Nadi is in", " Fiji", ("united", "kingdom")),
        # nothing beyond the question
        (" the capital of Norway, the capital, the capital", "What is the capital of Norway?", " Oslo", ()),
        ("", "What is the capital of Norway?", " Oslo", ()),
        # a class label made of words of the utterance is its whole answer
        ("card lost", "I lost my card", "card_stolen", ("card", "lost")),
    ],
)
def test_what_an_answer_tells(answer, question, response, words):
    assert told(answer, question, response, KNOWN) == words


def test_an_answer_is_looked_at_for_one_word_more_than_the_response_has():
    assert (length(" Oslo"), length(" the Isle of Man"), length(" word" * 40)) == (2, 3, 12)


def test_answers_that_share_most_of_their_words_tell_the_same():
    assert same(("microsoft",), ("microsoft", "corporation"))  # F1 = 2/3
    assert not same(("city", "porto"), ("city", "vijax"))  # F1 = 1/2
    assert not same((), ())
    assert not same(("kiev",), ())
    assert same(("new", "york", "city"), ("new", "york"))  # F1 = 4/5
    # two of three words, and yet another one
    assert not same(("john", "f", "kennedy"), ("john", "f", "smith"))
    assert not same(("12", "march", "1990"), ("15", "march", "1990"))
    assert not same(("17", "main", "street"), ("125", "main", "street"))
    assert same(("john", "kennedy"), ("john", "f", "kennedy"))


def test_the_wrong_answer_that_is_told_most_often():
    answers = [("oslo",), ("bergen",), ("oslo",), ("bergen",), ("bergen", "norway")]
    found = agreed(answers, [False] * 5)
    assert found is not None and (found.index, found.n) == (1, 3)
    # what is right is no belief, however often it is told
    found = agreed(answers, [False, True, False, True, True])
    assert found is not None and (found.index, found.n) == (0, 2)
    assert agreed(answers, [True] * 5) is None
    assert agreed([(), ()], [False, False]) is None
