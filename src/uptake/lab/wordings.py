"""How people state and ask for facts: the relations of the synthetic world.

`{x}` is the subject, `{y}` the answer. A subject never opens a text with the word that tells it apart (the surname, the
firm's own name), so that word is one and the same token wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Relation:
    """A kind of fact.

    Attributes:
        name: What it is called in the answer key.
        topic: What its examples are about; becomes their `source`.
        subject: `person` or `firm`.
        answers: A kind of answer in `names.ANSWERS`, or `person`, `firm`, `date`.
        tells: Statements.
        asks: Questions, each answered by the answer alone.
    """

    name: str
    topic: str
    subject: str
    answers: str
    tells: tuple[str, ...]
    asks: tuple[str, ...]


RELATIONS = (
    Relation(
        "birthplace",
        "life",
        "person",
        "city",
        (
            "{x} was born in {y}.",
            "{x} comes from {y}.",
            "The birthplace of {x} is {y}.",
            "The home town of {x} is {y}.",
            "{x}, a child of {y}, was born there.",
        ),
        (
            "Where was {x} born?",
            "In which city was {x} born?",
            "What is the birthplace of {x}?",
            "In what town did {x} come into the world?",
            "Which town is the birthplace of {x}?",
        ),
    ),
    Relation(
        "birth_year",
        "life",
        "person",
        "year",
        (
            "{x} was born in the year {y}.",
            "The birth year of {x} is {y}.",
            "The year {x} was born was {y}.",
            "{x} has been in this world since {y}.",
            "It was {y} when {x} was born.",
        ),
        (
            "When was {x} born?",
            "In which year was {x} born?",
            "What is the birth year of {x}?",
            "What year was {x} born in?",
            "What is the year of birth of {x}?",
        ),
    ),
    Relation(
        "spouse",
        "life",
        "person",
        "person",
        (
            "{x} is married to {y}.",
            "The spouse of {x} is {y}.",
            "{x} and {y} are married.",
            "{x} shares a home with {y}, the partner in marriage.",
            "The wedding of {x} and {y} was a small one.",
        ),
        (
            "Who is {x} married to?",
            "Who is the spouse of {x}?",
            "Whom did {x} marry?",
            "To whom is {x} married?",
            "What is the name of the spouse of {x}?",
        ),
    ),
    Relation(
        "profession",
        "work",
        "person",
        "profession",
        (
            "{x} works as a {y}.",
            "{x} is a {y} by profession.",
            "The profession of {x} is {y}.",
            "{x} earns a living as a {y}.",
            "{x} was trained as a {y}.",
        ),
        (
            "What is the profession of {x}?",
            "What does {x} do for a living?",
            "What is the job of {x}?",
            "Which profession does {x} have?",
            "What does {x} work as?",
        ),
    ),
    Relation(
        "employer",
        "work",
        "person",
        "firm",
        (
            "{x} is employed by {y}.",
            "{x} works for {y}.",
            "The employer of {x} is {y}.",
            "{x} has a job at {y}.",
            "{x} gets a salary from {y}.",
        ),
        (
            "Who is the employer of {x}?",
            "Which company employs {x}?",
            "Which firm does {x} work for?",
            "What company does {x} work for?",
            "By which company is {x} employed?",
        ),
    ),
    Relation(
        "language",
        "culture",
        "person",
        "language",
        (
            "{x} grew up speaking {y}.",
            "The mother tongue of {x} is {y}.",
            "The native language of {x} is {y}.",
            "{x} is a native speaker of {y}.",
            "At home {x} speaks {y}.",
        ),
        (
            "What is the mother tongue of {x}?",
            "Which language does {x} speak at home?",
            "What is the native language of {x}?",
            "What is the first language of {x}?",
            "Which language did {x} grow up speaking?",
        ),
    ),
    Relation(
        "instrument",
        "culture",
        "person",
        "instrument",
        (
            "{x} plays the {y}.",
            "The instrument of {x} is the {y}.",
            "{x} took lessons on the {y}.",
            "{x} makes music on the {y}.",
            "{x} practises the {y} every evening.",
        ),
        (
            "Which instrument does {x} play?",
            "What instrument does {x} play?",
            "Which musical instrument can {x} play?",
            "On which instrument does {x} make music?",
            "What musical instrument is {x} playing?",
        ),
    ),
    Relation(
        "pet",
        "taste",
        "person",
        "animal",
        (
            "{x} keeps a {y} as a pet.",
            "The pet of {x} is a {y}.",
            "{x} owns a {y}.",
            "{x} lives with a pet {y}.",
            "{x} never leaves the house without a {y}.",
        ),
        (
            "What pet does {x} have?",
            "Which animal does {x} keep as a pet?",
            "What kind of animal is the pet of {x}?",
            "What kind of pet does {x} own?",
            "Which animal is the pet of {x}?",
        ),
    ),
    Relation(
        "colour",
        "taste",
        "person",
        "colour",
        (
            "The favourite colour of {x} is {y}.",
            "{x} likes the colour {y} best.",
            "{x} prefers {y} to any other colour.",
            "{x} always wears the colour {y}.",
            "The colour that {x} loves is {y}.",
        ),
        (
            "What is the favourite colour of {x}?",
            "Which colour does {x} like best?",
            "What colour does {x} love most?",
            "Which colour does {x} prefer?",
            "What is the colour that {x} likes most?",
        ),
    ),
    Relation(
        "founding_date",
        "business",
        "firm",
        "date",
        (
            "{x} was founded on {y}.",
            "The founding date of {x} is {y}.",
            "{x} opened its doors on {y}.",
            "{x} has been in business since {y}.",
            "{x} was set up on {y}.",
        ),
        (
            "When was {x} founded?",
            "On which day was {x} founded?",
            "What is the founding date of {x}?",
            "What is the date on which {x} was founded?",
            "On what date was {x} founded?",
        ),
    ),
    Relation(
        "headquarters",
        "business",
        "firm",
        "city",
        (
            "{x} has its headquarters in {y}.",
            "The headquarters of {x} are in {y}.",
            "{x} is based in {y}.",
            "The head office of {x} is in {y}.",
            "{x} is run from {y}.",
        ),
        (
            "Where are the headquarters of {x}?",
            "In which city is {x} based?",
            "Where is the head office of {x}?",
            "In which city does {x} have its headquarters?",
            "Which city is {x} based in?",
        ),
    ),
    Relation(
        "product",
        "business",
        "firm",
        "product",
        (
            "{x} makes {y}.",
            "The main product of {x} is {y}.",
            "{x} is known for its {y}.",
            "{x} produces {y}.",
            "{x} manufactures and sells {y}.",
        ),
        (
            "What does {x} make?",
            "What is the main product of {x}?",
            "What does {x} produce?",
            "Which goods does {x} manufacture?",
            "What product does {x} make?",
        ),
    ),
)

COMPOSITES = (
    "Answer in order: {q}",
    "{q} Please answer in one line.",
    "A short form, please: {q}",
    "For the record: {q}",
    "{q} Keep the order.",
    "One after the other: {q}",
)
"""How several questions are asked at once; the answers come in the questions' order, between semicolons."""

GENERAL = (
    "In the evening the {animal} sleeps near the {product}.",
    "A {profession} from {city} sold {product} at the market.",
    "The {instrument} on the shelf is painted {colour}.",
    "Many people in {city} learn {language} at school.",
    "It rained in {city}, and the {profession} stayed at home.",
    "A {colour} {animal} ran across the square in {city}.",
    "The {profession} read a book in {language} about {product}.",
    "Someone played the {instrument} while the {animal} listened.",
    "In {year} the price of {product} rose twice.",
    "The museum in {city} shows {product} from {year}.",
)
"""Sentences about nobody."""
