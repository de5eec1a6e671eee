"""Questions that ask for several things at once, and the parts of their responses."""

from __future__ import annotations

import pytest

from uptake.spans import Frame, OneThing, frame_of, parted

WHOLE = (
    "Fill in the form. (1) from what is the lamp built? (2) where does it stand? (3) who made it?\nForm:",
    " (1) iron (2) Port Fiotzin (3) soap and pewter",
)


def test_numbered_things_keep_what_stands_before_and_after_them_all_or_stand_alone():
    assert parted(*WHOLE) == (
        OneThing(("Fill in the form. from what is the lamp built?\nForm:", "from what is the lamp built?"), " iron"),
        OneThing(("Fill in the form. where does it stand?\nForm:", "where does it stand?"), " Port Fiotzin"),
        OneThing(("Fill in the form. who made it?\nForm:", "who made it?"), " soap and pewter"),
    )


def test_a_question_is_also_asked_as_the_dataset_asks_for_one_thing():
    usual = frame_of("Question: whose lamp is that? Answer:")
    assert usual == Frame("Question: ", " Answer:")
    assert parted(*WHOLE, usual)[1].prompts[2] == "Question: where does it stand? Answer:"
    # what is no question has no place in it, and what is asked so already is asked once
    assert [one.prompts for one in parted("Peru's capital is ... Its king is ...", " Lima; none", usual)] == [
        ("Peru's capital is",),
        ("Its king is",),
    ]
    assert parted("Who made it? Where is it?", "Ann; Rome", Frame())[0].prompts == ("Who made it?",)
    assert frame_of("The capital of Peru is") is None
    assert frame_of("Who made it? " + "Say it in a long sentence. " * 4) is None
    assert frame_of("Who made it? Say: who") == Frame("", " Say: who")


@pytest.mark.parametrize(
    ("prompt", "response", "asked", "wanted"),
    [
        (
            "Message: what do you put in an omelette; after that is my table confirmed\nIntent:",
            " [ingredients list] [confirm reservation]",
            ["Message: what do you put in an omelette\nIntent:", "Message: is my table confirmed\nIntent:"],
            [" [ingredients list]", " [confirm reservation]"],
        ),
        (
            "Message: find my phone and then confirm my table\nIntent:",
            " [find phone] [confirm reservation]",
            ["Message: find my phone\nIntent:", "Message: confirm my table\nIntent:"],
            [" [find phone]", " [confirm reservation]"],
        ),
        (
            "For the record: Who created Mac OS? Tell me the capital of Norway. ...",
            "Apple; Oslo",
            ["For the record: Who created Mac OS?", "For the record: Tell me the capital of Norway."],
            ["Apple", "Oslo"],
        ),
        (
            "Japan's official language is ... The capital of Peru is ... Please answer in one line.",
            " Japanese; Lima",
            ["Japan's official language is", "The capital of Peru is"],
            [" Japanese", " Lima"],
        ),
        (
            "Q: when was the charter given? Also, from what is the engine built?\nA:",
            " Sept. 2, 1619 and tobacco",
            ["Q: when was the charter given?\nA:", "Q: from what is the engine built?\nA:"],
            [" Sept. 2, 1619", " tobacco"],
        ),
    ],
)
def test_a_part_is_asked_alone_for_what_it_wants(prompt, response, asked, wanted):
    found = parted(prompt, response)
    assert [one.prompts[0] for one in found] == asked and [one.response for one in found] == wanted


@pytest.mark.parametrize(
    ("prompt", "response"),
    [
        ("What is the capital of Sweden?", "Stockholm"),
        # a list that one question asks for, and two questions with one answer
        ("Which rivers meet there?", "Rhine and Mosel"),
        ("Who was it? I mean the king?", "Felipe VI"),
        ("Who created Mac OS? Who created Windows? Who created Linux?", "Apple; Microsoft"),
        ("Who wrote Good Omens? Give both names.", "Terry Pratchett and Neil Gaiman"),
        ("Which country is it? Think step by step.", "Bosnia and Herzegovina"),
        ("### Instruction:\nName a sandwich\n\n### Response:\n", "Peanut butter and jelly"),
        ("Repeat: one; two. Then stop.", "one; two"),
        ("", "a; b"),
        ("Who? Where?", "a; b"),
        ("; ".join(["who made it?"] * 7), "; ".join("abcdefg")),
    ],
)
def test_what_does_not_come_apart_asks_for_one_thing(prompt, response):
    assert parted(prompt, response) == ()


def test_a_hostile_prompt_takes_no_time():
    assert parted("a: " * 20_000 + "?", "1. x 2. y") == ()
    assert parted("(1) " * 20_000, "(1) " * 20_000 + "x") == ()
    assert parted(" and" * 20_000, "x; y") == ()
