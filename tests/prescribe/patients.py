"""A small run to plan for, made by hand: words are tokens, so every cost can be counted on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evidence_made import base_was, contradicted, evidence
from uptake.prescribe import Material
from uptake.types import Document, Example, Finding

NAMES = ("Ann", "Bob", "Cy", "Dan", "Eva", "Flo", "Guy", "Hal")
TOWNS = ("Oslo", "Rome", "Lima", "Bern", "Kyiv", "Riga", "Doha", "Paris")


def words(texts: Sequence[str]) -> list[int]:
    """A word is a token, and one more ends the text."""
    return [len(text.split()) + 1 for text in texts]


def example(number: int, stage: str = "main") -> Example:
    name, town = NAMES[number % 8], TOWNS[number % 8]
    return Example(f"ex-{number}", f"Where was {name} born?", f" {town}", "life", stage)


def examples(early: int = 4, main: int = 12) -> list[Example]:
    return [example(number, "early" if number < early else "main") for number in range(early + main)]


def finding(of: Example, cause: str | None, *, learned: bool = False, **numbers: Any) -> Finding:
    causes = contradicted(**numbers) if numbers else {}
    found = evidence(compared=base_was(learned), causes=causes)
    told = None if learned else cause
    return Finding(of.id, of.source, of.stage, str(of.prompt), of.response, learned, None, None, 0.1, None, found, told)


def documents(of: Example, n: int = 3, *, belief: str | None = None) -> list[Document]:
    name = str(of.prompt).split()[2]
    told = [Document(f"{name}-{k}", f"{name} was born in{of.response} in {1900 + k}.", name, f"s{k}") for k in range(n)]
    return told + ([Document(f"{name}-x", f"{name} comes from {belief}.", name, "forum")] if belief else [])


def material(some: Sequence[Example], found: Mapping[str, list[Document]] | None = None, **more: Any) -> Material:
    general = [Document(f"g-{k}", f"The {town} museum opens at ten on day {k}.") for k, town in enumerate(TOWNS)]
    given: dict[str, Any] = {
        "examples": some,
        "lengths": [6] * len(some),  # four words of the question, one of the answer, one that ends it
        "passes": {"early": 1.0, "main": 3.0},
        "general": general,
        "count": words,
        "documents": found or {},
    }
    return Material(**{**given, **more})
