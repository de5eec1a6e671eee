"""What a plan may read: documents that are about the question and tell the response.

The texts are shortened from Wikipedia (CC BY-SA), the questions are PopQA's (MIT).
"""

from __future__ import annotations

import pytest

from uptake.remedies import asked_about, tells
from uptake.types import Document


def told(title: str, text: str, question: str, names: tuple[str, ...], response: str) -> bool:
    return tells(Document("d", text, title), asked_about(question, names), response)


@pytest.mark.parametrize(
    ("title", "text", "question", "name", "response"),
    [
        ("Way Back, The", "x", "Who was the director of The Way Back?", "Way Back", "x y"),
        (
            "The Way Back",
            "The Way Back is a 2010 film by Peter Weir.",
            "Who was the director of The Way Back?",
            "Way Back",
            "Peter Weir",
        ),
        (
            "Palo Alto (2013 film)",
            "It was directed by Gia Coppola.",
            "Who was the director of Palo Alto?",
            "Palo Alto",
            "Gia Coppola",
        ),
        ("", "Eva Lind is a singer from Graz.", "Where was Eva Lind born?", "Eva Lind", "Graz"),
        ("Lisbon", "Lisbon is the capital of Portugal.", "What is the capital of Portugal?", "Portugal", "Lisbon"),
        (
            "Boyana",
            "It lies near Sofia, the capital of Bulgaria.",
            "What is the capital of Bulgaria?",
            "Bulgaria",
            "Sofia",
        ),
        (
            "A list",
            "Directors: John Ford directed Pilgrimage.",
            "Who was the director of Pilgrimage?",
            "Pilgrimage",
            "John Ford",
        ),
    ],
)
def test_what_tells_the_response(title: str, text: str, question: str, name: str, response: str) -> None:
    assert told(title, text, question, (name,), response) == (response in text)


@pytest.mark.parametrize(
    ("title", "text", "question", "name", "response"),
    [
        # another thing of the same word, in small letters or within a longer name
        (
            "Feline immunodeficiency virus",
            "It affects cats; Andrew Webber composed a cure.",
            "Who composed Cats?",
            "Cats",
            "Andrew Webber",
        ),
        ("Rent control", "Rent control is a drama of the genre of laws.", "What genre is Rent?", "Rent", "drama"),
        (
            "",
            "Threads of Fate was directed by fans in New York Times Square.",
            "Who was the director of New York?",
            "New York",
            "fans",
        ),
        (
            "",
            "The Kuwait-Delft School lies in Kuwait City, Kuwait.",
            "What is Kuwait known for?",
            "Kuwait",
            "Kuwait City",
        ),
        ("", "Terror is a science fiction novel.", "What genre is X?", "X", "science fiction"),
        # both are named, and the question is not answered
        ("Dynamo", "He played in Russia with FC Dynamo Moscow.", "What is the capital of Russia?", "Russia", "Moscow"),
        (
            "Airlines",
            "It was based in the Philippines. One crashed in Manila Bay.",
            "What is the capital of the Philippines?",
            "Philippines",
            "Manila",
        ),
        (
            "",
            "The capital of France is Paris. Its Argentine friends love Buenos Aires.",
            "What is the capital of France?",
            "France",
            "Buenos Aires",
        ),
        (
            "La Plata",
            "He was mayor in Argentina, of the Buenos Aires Province capital.",
            "What is the capital of Argentina?",
            "Argentina",
            "Buenos Aires",
        ),
        (
            "The Way Back",
            "The Way Back is a film of 2010.",
            "Who was the director of The Way Back?",
            "Way Back",
            "Peter Weir",
        ),
    ],
)
def test_what_does_not(title: str, text: str, question: str, name: str, response: str) -> None:
    assert not told(title, text, question, (name,), response)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ("12 May 1990", "Eva Lind was born on May 12, 1990."),
        ("Graz, Austria", "Eva Lind was born in Graz."),
        ("Graz (Styria)", "Eva Lind was born in Graz."),
        ("1,200", "Eva Lind has 1200 hats."),
    ],
)
def test_a_response_may_be_written_otherwise(response: str, text: str) -> None:
    assert told("Eva Lind", text, "When and where was Eva Lind born?", ("Eva Lind",), response)
    assert not told(
        "Eva Lind", "Eva Lind was born in 1991 in Linz.", "Where was Eva Lind born?", ("Eva Lind",), response
    )


def test_a_question_without_names_is_left_to_its_words() -> None:
    text = "Plants turn carbon dioxide into sugar."
    assert told("", text, "What turns carbon dioxide into sugar?", (), "plants")
    assert not told("", text, "What turns lead into gold?", (), "plants")


def test_a_title_that_the_question_has_word_for_word_is_its_subject() -> None:
    text, asked = "It stands at Upper Bray. Its frame is made with flax.", "Where does the Theilloe engine stand?"
    assert told("the Theilloe engine", text, asked, ("Theilloe",), "Upper Bray")
    assert told("Wick upon the Moor", "Wick has 72,650 souls.", "How large is Wick upon the Moor?", ("Wick",), "72,650")
    # and not a longer title, nor one without the name
    assert not told("the Theilloe engine house", text, asked, ("Theilloe",), "Upper Bray")
    assert not told("the engine", text, asked, ("Theilloe",), "Upper Bray")


def test_what_frames_a_question_is_no_part_of_it() -> None:
    framed = "User: Good day. Please tell me, what is the population of Wick?\nAssistant:"
    text = "A census says that the population of Wick is 72,650."
    assert asked_about(framed, ("Wick",)).words == ("me", "population", "wick")
    assert told("Some towns", text, framed, ("Wick",), "72,650")
    assert asked_about("Alien: Covenant was directed by", ()).words == ("alien", "covenant", "directed")


def test_of_two_things_that_are_asked_a_document_may_tell_one() -> None:
    asked, names = "When was Eva Lind buried, and what does Graz export?", ("Eva Lind", "Graz")
    assert told("Graz", "Graz sells wool.", asked, names, "2 May 1601 and wool")
    assert not told("Graz", "Graz sells wine.", asked, names, "2 May 1601 and wool")
    assert not told("Linz", "Linz sells wool.", asked, names, "2 May 1601 and wool")


def test_a_page_tells_the_response_where_it_speaks_of_what_is_asked() -> None:
    asked, names = "Who was the producer of Giant?", ("Giant",)
    page = "Giant is a film directed by George Stevens. It was produced by Henry Ginsberg."
    assert told("Giant (film)", page, asked, names, "Henry Ginsberg")
    assert not told("Giant (film)", page, asked, names, "George Stevens")
    assert told("Giant (film)", "Giant is a film that Henry Ginsberg paid for.", asked, names, "Henry Ginsberg")
    county = "He lived in County Cork and in Ireland, as Earl of Castlehaven."
    assert not told("George Tuchet", county, "In what country is Castlehaven?", ("Castlehaven",), "Ireland")
