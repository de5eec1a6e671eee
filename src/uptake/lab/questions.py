"""How real facts are asked for: questions for a chat, sentences to be completed for plain text.

`{x}` is the subject, `{y}` the answer. A model that was pre-trained elsewhere is asked what it knows in these words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RelationWording:
    """The wordings of one relation.

    Attributes:
        questions: Questions of a chat.
        openings: Beginnings of a sentence that the answer completes.
        sentence: The answer in a sentence.
        invented: A subject that does not exist; `{n}` is an invented name.
    """

    questions: tuple[str, ...]
    openings: tuple[str, ...]
    sentence: str
    invented: str


ASKING: Mapping[str, RelationWording] = {
    "capital": RelationWording(
        (
            "What is the capital of {x}?",
            "Which city is the capital of {x}?",
            "Name the capital of {x}.",
            "What is {x}'s capital city?",
            "Tell me the capital of {x}.",
        ),
        (
            "The capital of {x} is",
            "The capital city of {x} is",
            "{x}'s capital is",
            "{x} has its capital in",
            "The city that is the capital of {x} is",
        ),
        "The capital of {x} is {y}.",
        "the Province of {n}",
    ),
    "developer": RelationWording(
        (
            "Which company developed {x}?",
            "Who is the developer of {x}?",
            "Name the company that developed {x}.",
            "By which company was {x} developed?",
            "Who created {x}?",
        ),
        (
            "{x} was developed by",
            "The developer of {x} is",
            "{x} is a product of",
            "{x} was created by",
            "The company that developed {x} is",
        ),
        "{x} was developed by {y}.",
        "{n} Quest",
    ),
    "manufacturer": RelationWording(
        (
            "Which company makes the {x}?",
            "Who is the manufacturer of the {x}?",
            "Name the company that makes the {x}.",
            "By which company is the {x} made?",
            "Who produces the {x}?",
        ),
        (
            "The {x} is made by",
            "The manufacturer of the {x} is",
            "The {x} is produced by",
            "The {x} is a product of",
            "The company that makes the {x} is",
        ),
        "The {x} is made by {y}.",
        "{n} 400",
    ),
    "official language": RelationWording(
        (
            "What is the official language of {x}?",
            "Which language is official in {x}?",
            "Name the official language of {x}.",
            "What is {x}'s official language?",
            "Tell me the official language of {x}.",
        ),
        (
            "The official language of {x} is",
            "In {x}, the official language is",
            "{x}'s official language is",
            "The law in {x} defines as its official language",
            "The language that is official in {x} is",
        ),
        "The official language of {x} is {y}.",
        "the Republic of {n}",
    ),
    "headquarters": RelationWording(
        (
            "In which city is the headquarters of {x}?",
            "Where is {x} based?",
            "Name the city where {x} has its headquarters.",
            "Which city is home to {x}?",
            "Where are the headquarters of {x} located?",
        ),
        (
            "The headquarters of {x} is in",
            "{x} is based in",
            "{x} is headquartered in",
            "{x} has its headquarters in",
            "The city where {x} is based is",
        ),
        "The headquarters of {x} is in {y}.",
        "{n} Industries",
    ),
    "country": RelationWording(
        (
            "In which country is {x}?",
            "Which country is {x} in?",
            "Name the country where {x} is located.",
            "What country does {x} belong to?",
            "Tell me the country in which {x} lies.",
        ),
        (
            "{x} is located in the country of",
            "{x} is a place in",
            "The country where {x} lies is",
            "{x} lies in",
            "{x} belongs to the country of",
        ),
        "{x} is in {y}.",
        "{n} District",
    ),
}
"""The relations of the facts that come with uptake."""
