"""Which answers say the same."""

from __future__ import annotations

import pytest

from uptake.rivals import equal
from uptake.rivals.equal import compare, read_answer

# what any reader would say; the dates are those of ISO 8601's calendar
SAME = [
    ("24 months", "two years"),
    ("14 days", "2 weeks"),
    (" Paris", "paris."),
    ("1,000", "1000"),
    ("one thousand", "1000"),
    ("twenty-one", "21"),
    ("5 million", "5,000,000"),
    ("two hundred and five", "205"),
    ("3.0", "3"),
    ("12 May 1990", "1990-05-12"),
    ("May 12, 1990", "12th of May 1990"),
    ("Sept. 3, 2001", "2001/09/03"),
    ("05/12/1990", "12 May 1990"),
    ("05/12/1990", "5 December 1990"),
    ("1990", "12 May 1990"),
    ("The Beatles", "Beatles"),
    ("a guitar", "guitar"),
    ("Paris, France", "Paris"),
    ("red, green and blue", "blue, green, and red"),
    ("Spanish and Basque", "Spanish"),
    ("USA", "United States of America"),
    ("U.N.", "United Nations"),
    ("Yes, it is.", "yes"),
    ("The capital of France is Paris.", "Paris"),
    ("(B) Paris", "Paris"),
    ("東京", "東京。"),
    ("Ludwig van Beethoven", "Beethoven, Ludwig van"),
    # units by their definition: an inch is 25.4 mm (international yard and pound agreement, 1959)
    ("10 km", "10,000 metres"),
    ("1 inch", "25.4 mm"),
    ("90 minutes", "1.5 hours"),
    ("50%", "0.5"),
    ("50 %", "50 percent"),
    ("$5", "five dollars"),
    ("10 km", "10"),
    ("½", "1/2"),
    ("1/2", ".5"),
    ("1.5 million", "1,500,000"),
    ("one million two hundred thousand and six", "1200006"),
    ("10 to 12", "10-12"),
    ("first", "1st"),
    ("the twelfth century", "12th century"),
    ("one second", "1 s"),
    ("21 apples", "twenty-one apples"),
    ("3 p.m.", "15:00"),
    ("12 am", "0:00"),
    ("May 1990", "12 May 1990"),
    ("12 May", "May 12"),
    ("May 12", "12 May 1990"),
    ("1990s", "1994"),
    ("44 BC", "44 B.C."),
    ("AD 1990", "1990"),
    ("Saturday, 12 May 1990", "12 May 1990"),
    ("12 May 1990 at noon", "12 May 1990"),
    ("São Paulo", "Sao Paulo"),
    ("St. Petersburg", "Saint Petersburg"),
    ("U.S.", "United States of America"),
    ("A.C. Milan", "AC Milan"),
    ("World War II", "World War Two"),
    ("Ivory Coast (country)", "Ivory Coast"),
]

DIFFERENT = [
    ("Paris", "Lyon", "text"),
    ("1000", "10,000", "number"),
    ("12 May 1990", "12 June 1990", "date"),
    ("1991", "12 May 1990", "date"),
    ("York", "New York", "text"),
    ("South Korea", "Korea", "text"),
    ("Paris, France", "Paris, Texas", "text"),
    ("yes", "No, never.", "yes or no"),
    ("東京", "京都", "text"),
    ("It is not Paris at all.", "Paris", "text"),
    ("-5", "5", "number"),
    ("-5 °C", "5 °C", "number"),
    ("10 km", "10 miles", "number"),
    ("5 kg", "5 g", "number"),
    ("$5", "5 euros", "number"),
    ("5", "5 million", "number"),
    ("1.5", "15", "number"),
    ("1/2", "1/3", "number"),
    ("44 BC", "44", "number"),
    ("3 pm", "3 am", "time"),
    ("May 1990", "June 1990", "date"),
    ("12 May", "13 May", "date"),
    ("1990s", "1989", "date"),
    ("Louis XIV", "Louis XV", "text"),
    ("second", "third", "number"),
    ("2 apples", "3 apples", "text"),
    ("nineteen ninety", "109", "text"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_in_other_words(one: str, other: str) -> None:
    assert compare(one, other)[0] == compare(other, one)[0] == "same"


@pytest.mark.parametrize(("one", "other", "how"), DIFFERENT)
def test_different_answers(one: str, other: str, how: str) -> None:
    assert compare(one, other) == compare(other, one) == ("different", how)


@pytest.mark.parametrize(
    ("one", "other"), [("x > 0", "x < 0"), ("C#", "C"), ("C++", "C"), ("foo()", "foo[]"), ("2**3", "2*3")]
)
def test_signs_are_a_part_of_code_and_names(one: str, other: str) -> None:
    assert compare(one, other) == compare(other, one) == ("different", "signs")
    assert compare(one, one.upper().replace(" ", ""))[0] == "same"


def test_an_initial_is_no_letter_of_a_choice() -> None:
    assert compare("B. Clinton", "H. Clinton", same_prompt=True) == ("different", "choice")
    assert compare("B. Clinton", "H. Clinton")[0] == "undecided"
    assert compare("B. Paris", "Paris", same_prompt=True)[0] == "same"


def test_marks_of_indic_and_thai_words_are_a_part_of_them() -> None:
    assert compare("राम", "रोम")[0] == compare("กรุงเทพ", "กรงเทพ")[0] == "different"


def test_letters_mean_something_under_one_prompt_only() -> None:
    assert compare("A", "B") == ("undecided", "letters of choices")
    assert compare("A", "A")[0] == "undecided"
    assert compare("A", "B", same_prompt=True)[0] == "different"
    assert compare("(a)", "A", same_prompt=True)[0] == "same"


def test_lists_of_several_questions_are_not_set_against_each_other() -> None:
    assert compare("red; 1918; plumber", "red; Polish; plumber")[0] == "undecided"
    assert compare("red; 1918", "blue; Polish")[0] == "undecided"
    assert compare("red; 1918", "blue; Polish", same_prompt=True)[0] == "different"


def test_free_text_is_decided_only_by_numbers_and_negation() -> None:
    told = "The committee met in the old town hall on the second floor and approved {} new rules in a single vote"
    other = "Nobody could remember afterwards what exactly had been said, though everyone agreed it went on for hours"
    assert compare(told.format(14), told.format(15)) == ("different", "number in free text")
    assert compare(told.format(14), told.format(14) + ".")[0] == "same"
    assert compare(told.format(14), other) == ("undecided", "free text")
    negated = told.format(14).replace("and approved", "and did not approve")
    assert compare(told.format(14), negated) == ("different", "negation in free text")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "!!!",
        "31 February 2001",
        "99/99/2001",
        "½",
        "1/0",
        "1e99",
        "1e400",
        "9" * 400,
        "9" * 5000,
        "\u202e",
        "٣",
    ],
)
def test_odd_answers_are_read(text: str) -> None:
    assert compare(text, text, same_prompt=True)[0] in ("same", "undecided")
    assert compare(text, "Paris")[0] in ("different", "undecided")


def test_kinds() -> None:
    kinds = {"12 May 1990": "date", "1990": "number", "no": "polar", "C": "choice", "a; b": "list", "Ada": "text"}
    assert {text: read_answer(text).kind for text in kinds} == kinds


PLANT = "It grows in dry thickets. Its flowers open in September. Healers use its roots against gout. It is tall."


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (PLANT.replace("roots against gout", "pods against rashes"), ("different", "one sentence of several")),
        # two sentences in other words are a rewording, as far as rules can tell
        (PLANT.replace("roots", "pods").replace("tall", "small"), ("undecided", "free text")),
        (PLANT.replace("is tall", "is so tall"), ("same", "near copy")),
        ("It grows in wet bogs. It is tall.", ("undecided", "free text")),
    ],
)
def test_copies_of_which_one_sentence_says_something_else(other, expected):
    assert compare(PLANT, other) == compare(other, PLANT) == expected


RECORD = (
    '{"river": "Arve", "goods": ["amber", "barley", "copper"], "patron": "Oda Fengate", "motto": "eels flax glass"}'
)
FEW = ("different", "a few parts of a long answer")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (RECORD, RECORD.replace("barley", "juniper"), FEW),
        (RECORD, RECORD.replace("barley", "juniper").replace("Oda", "Nils"), FEW),
        (PLANT, PLANT.replace("roots", "pods").replace("tall", "small"), FEW),
        (RECORD, RECORD.replace("eels flax glass", "honey linen oats"), ("undecided", "free text")),  # too much of it
        (PLANT, PLANT.replace("grows", "grow"), ("undecided", "free text")),  # the same word
    ],
)
def test_copies_under_one_prompt_that_differ_in_a_few_parts(one, other, expected):
    assert compare(one, other, same_prompt=True) == compare(other, one, same_prompt=True) == expected


def test_long_texts_of_other_words_are_not_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    # 300 words in another order, a quarter of them others: by their words alone no copies but for a few parts
    words = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}word" for n in range(300)]
    other = [*words[75:], *(f"{word}x" for word in words[:75])]
    monkeypatch.setattr(equal, "SequenceMatcher", None)
    assert compare(" ".join(words), " ".join(other), same_prompt=True)[0] == "undecided"
    sentences = [f"It is {' '.join(words[:3])}.", f"Then {' '.join(words[3:9])}.", "It ends."]
    another = [sentences[0], f"Then {' '.join(words[9:16])}.", sentences[2]]
    assert compare(" ".join(sentences), " ".join(another))[0] == "undecided"
