"""Where a free answer ends and what it is; expected values are a reader's."""

from __future__ import annotations

import pytest

from uptake.detect.saying import holds, own_answer, tells_all

ENDED = [  # the model stopped there
    ("The capital of France is Paris.", " Paris", "The capital of France is Paris", "reworded"),
    ("Sure! Here is the answer: Lyon", " Lyon", "Sure! Here is the answer: Lyon", "reworded"),
    ("That is a good question. It is Lyon.", " Lyon", "That is a good question", "reworded"),
    ("**Lyon**", " Lyon", "**Lyon**", "response"),
    (" lyon.", " Lyon", " lyon", "response"),
    (" Lyon", " Lyon; teacher; 1931", " Lyon", "reworded"),  # a part of what is wanted
    ("No, it is not.", " No.", "No, it is not.", "reworded"),
    ("There is no such town", " No", "There is no such town", "wrong"),
    ("It is Lyon, not Paris.", " Lyon", "It is Lyon, not Paris", "reworded"),
    ("It is not Paris.", " Paris", "It is not Paris", "wrong"),
    ("It is Oslo or Bergen.", " Oslo", "It is Oslo or Bergen", "wrong"),  # one of several is no answer
    ("Bergen or Oslo", " Oslo", "Bergen or Oslo", "wrong"),
    ("Bergen, Oslo, Trondheim", " Oslo", "Bergen, Oslo, Trondheim", "wrong"),
    ("Oslo, Bergen, Trondheim, Stavanger", " Oslo", "Oslo, Bergen, Trondheim, Stavanger", "wrong"),
    ("Oslo, Norway, Europe", " Oslo", "Oslo, Norway, Europe", "reworded"),
    ("It is Oslo, and not Bergen or Trondheim.", " Oslo", "It is Oslo, and not Bergen or Trondheim", "reworded"),
    ("Bergen is bigger than Oslo.", " Oslo", "Bergen is bigger than Oslo", "wrong"),
    ("I am not sure whether it is Oslo.", " Oslo", "I am not sure whether it is Oslo", "silent"),
    ("I am not sure, but it may be Oslo.", " Oslo", "I am not sure, but it may be Oslo", "reworded"),
    ("Do or die", " do or die", "Do or die", "response"),
    ("It is red, white and blue.", " red, white and blue", "It is red, white and blue", "reworded"),
    ("1931", " 19", "1931", "wrong"),
    (" San Juan", " Lima", " San Juan", "wrong"),
    (" St. Louis", " Chicago", " St. Louis", "wrong"),
    (" J. K. Rowling. She wrote it.", " Twain", " J. K. Rowling", "wrong"),
    ("Sure! It is Rome.", " Lyon", "Sure! It is Rome", "wrong"),
    ("東京。大阪", "京都", "東京", "wrong"),
    ("瑞典的首都是斯德哥尔摩。", "斯德哥尔摩", "瑞典的首都是斯德哥尔摩", "reworded"),
    ("राम", "रोम", "राम", "wrong"),
    ("Es ist nicht Oslo, sondern Bergen.", "Oslo", "Es ist nicht Oslo, sondern Bergen", "wrong"),
    ("A", "B", "A", "wrong"),  # a letter of a choice is an answer
    ("WHO", "UNICEF", "WHO", "wrong"),
    # numbers are whole, and signs are a part of formulas, code and names
    ("5", "-5", "5", "wrong"),
    ("-5", "5", "-5", "wrong"),
    ("The answer is -5.", "-5", "The answer is -5", "reworded"),
    ("The answer is 12.5.", "12", "The answer is 12.5", "wrong"),
    ("1,000,000", "1", "1,000,000", "wrong"),
    ("It has 1,000,000 of them.", "1000000", "It has 1,000,000 of them", "reworded"),
    ("3/4", "3", "3/4", "wrong"),
    ("10:30", "10", "10:30", "wrong"),
    ("5 million", "5", "5 million", "wrong"),
    ("a + b", "a - b", "a + b", "wrong"),
    ("WHERE b >= 5", "WHERE b < 5", "WHERE b >= 5", "wrong"),
    ("Use WHERE b<5 there.", "b < 5", "Use WHERE b<5 there", "reworded"),
    ("WHERE b < 50", "b < 5", "WHERE b < 50", "wrong"),
    ("C++", "C", "C++", "wrong"),
    ("It is written in C++.", "C++", "It is written in C++", "reworded"),
    ("severe_toxic", "toxic", "severe_toxic", "wrong"),
    ("It is **Oslo**.", "Oslo", "It is **Oslo**", "reworded"),
    (" in", " of", " in", "wrong"),  # where such words are asked for, they are answers
    (" The", " Lyon", " The", "silent"),
    ("Sure!", " Lyon", "Sure", "silent"),
    ("I don't know.", " Lyon", "I don't know", "silent"),
    ("I don’t know the answer. My knowledge ends in 2021.", " Lyon", "I don’t know the answer", "silent"),
    ("I'm sorry, but I cannot help with that.", " Lyon", "I'm sorry, but I cannot help with that", "silent"),
    (" Unknown", " Lyon", " Unknown", "silent"),
    ("", " Paris", "", "silent"),
    (" \n ", " Paris", "", "silent"),
    (" !?", " Greek", " !?", "silent"),
    ("<think>\nThe user asks for Lyon", " Lyon", "<think>\nThe user asks for Lyon", "thinking"),
]
WENT_ON = [  # it did not, within its tokens
    (" Paris. It is a city", " Rome", " Paris", "wrong"),
    (" Paris\nThe capital of Italy", " Rome", " Paris", "wrong"),
    ("\n\nParis\nThe", " Rome", "\n\nParis", "wrong"),
    (" One thing. Another thing", " Some thing. More of it.", " One thing. Another thing", "cut"),
    (" a\n  b\nc", " x\ny", " a\n  b\nc", "cut"),
    (" the city of", " Rome", " the city of", "cut"),
    (" San", " Lima", " San", "cut"),
    ("Sure! Here is the", " Lyon", "Sure! Here is the", "cut"),
    (" Rome. Paris is the capital of", " Paris", " Rome", "cut"),  # it may speak of something else by then
    (" Rome\nWho? Paris", " Paris", " Rome", "wrong"),
    (" I do not know. It", " Lyon", " I do not know", "silent"),
]


@pytest.mark.parametrize(
    ("said", "response", "answer", "kind", "ended"),
    [(*row, True) for row in ENDED] + [(*row, False) for row in WENT_ON],
)
def test_an_answer_goes_on_to_its_own_end(said: str, response: str, answer: str, kind: str, ended: bool) -> None:
    assert own_answer(said, response, ended=ended) == (answer, kind)


def test_one_member_of_a_list_is_not_the_list():
    assert tells_all("reworded", "The capital of Sweden is Stockholm", "Stockholm")
    assert not tells_all("reworded", "Kiev", "Kiev; Budapest; Oslo")
    assert tells_all("response", "Kiev", " Kiev") and not tells_all("wrong", "Oslo", "Kiev")
    assert not tells_all(None, None, "Kiev")


@pytest.mark.parametrize("mark", ["_a ", "*a ", "`a ", " ", "[a "])
def test_marks_that_are_never_closed_take_no_time(mark: str) -> None:
    assert not holds(mark * 20_000, " Oslo") and not holds(mark * 20_000, "b < 5")
