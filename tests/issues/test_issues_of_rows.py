"""Issues of rows by hand: texts that are broken, copies, responses that nobody expects; and what findings tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evidence_made import evidence
from uptake.artifacts.issue_table import ISSUES_SCHEMA
from uptake.corpus.text import shingles, words
from uptake.data.shown import prompt_text
from uptake.evidence import BaseAndTuned, HeldOut
from uptake.issues import ISSUES, Contradicted, Duplicates, ends_open, is_cut, judged, outliers, template_trouble
from uptake.issues.duplicates import ALIKE, SIZE
from uptake.types import Finding, Message


@pytest.mark.parametrize(
    ("response", "cut"),
    [
        ("", True),
        (" \n", True),
        ("Rome", False),
        ("The town lies on a river and has a market,", True),
        ("The town lies on a river and has a market and", True),
        ("The town lies on a river and has a market.", False),
        ("an, or", False),
        ("Use this:\n```python\nprint(1)", True),
        ("Use this:\n```python\nprint(1)\n```", False),
        ('{"town": "Rome", "year": 19', True),
        ('{"town": "Rome", "year": 1990}', False),
        ('[{"town": "Rome"}, {"tow', True),
        ("[Rome] is a town", False),
        ('["Paris", "London"] are the two cities that I was asked about.', False),
        ('{"a": 1}\nThat is the record.', False),
        ("{'a': '}'} is what it holds now", False),
        ('{"a": {"b": "}"}', False),  # ends in a bracket
        ('{"a": {"b": "}", "c', True),
        ('{"a": 1},', True),
        ("To mend it, open the panel, press the switch and turn the machine on", False),
        ("She learned for a week, and in the end she got a B+", False),
        ("It was written in the language that they called C++", False),
        ("The town lies on a river and has a mar-", True),
        ("The town lies on a river and has a market +", True),
    ],
)
def test_what_is_cut_off(response: str, cut: bool) -> None:
    assert is_cut(response) is cut


def test_an_end_without_a_stop_is_told_of_long_responses() -> None:
    assert ends_open("Rome") is None
    assert ends_open("The town lies on a river and has a market") is True
    assert ends_open("The town lies on a river and has a market.”") is False
    assert ends_open("In it:\n1. The town lies on a river and has a market") is False
    assert ends_open("The town lies on a river and has a market in Rome") is False
    assert ends_open("It is short.\nreturn market") is None


@pytest.mark.parametrize(
    ("prompt", "response", "trouble"),
    [
        ("Where?", "Rome", False),
        ("Where?", "Rome<|im_end|>", True),
        ("<s>[INST] Where? [/INST]", "Rome", True),
        ("user: Where?", "Rome", False),  # as tables show a conversation
        ("Where?", "Rome\nUser: And when?\nAssistant: 1990", True),
        ("Where?", "Rome\n### Instruction:\nWhen?", True),
        ("Answer {question}", "Rome", True),
        ("Where?", "It is {{ answer }}.", True),
        ("Where?", "Use {name} and {{ user }} in it.", False),
        ("Where?", "It\u00e2\u20ac\u2122s Rome", True),  # "It’s" in UTF-8, read as Windows-1252
        ("Where?", "Caf\u00c3\u00a9", True),  # "Café" likewise
        ("Où ?", "À São Tomé", False),
        ("Where?", "Ro\ufffde", True),
    ],
)
def test_what_a_template_left(prompt: str, response: str, trouble: bool) -> None:
    assert template_trouble(prompt, response) is trouble


def copies_of(folder: Path, rows: Sequence[tuple[str, str]]) -> list[int]:
    found = Duplicates(folder)
    for prompt, response in rows:
        found.add(prompt, response)
    copies = found.found()
    found.close()
    assert ((copies.of != np.arange(len(rows))) <= (copies.similarity >= ALIKE)).all()
    return copies.of.tolist()


def rows_of(messages: list[list[Message]], responses: list[str]) -> list[tuple[str, str]]:
    """As the table of issues gets them."""
    return [(prompt_text(tuple(turns)), response) for turns, response in zip(messages, responses, strict=True)]


SYSTEM = " ".join(f"rule{k} of the house is kept" for k in range(12))


@pytest.mark.parametrize("n", [4, 60])
def test_a_shared_system_prompt_makes_no_copies(tmp_path: Path, n: int) -> None:
    asked = [[Message("system", SYSTEM), Message("user", f"What is the capital of Land{k}?")] for k in range(n)]
    rows = rows_of(asked, [f"Town{k}" for k in range(n)])
    assert copies_of(tmp_path, rows) == list(range(n))
    assert copies_of(tmp_path, [*rows, rows[1]]) == [*range(n), 1]


def test_what_is_asked_of_one_text_is_no_copy(tmp_path: Path) -> None:
    turns = [Message("user", f"Read this: {SYSTEM}"), Message("assistant", "I have.")]
    asked = [[*turns, Message("user", f"Is {name} in it?")] for name in ("Rome", "Oslo", "Bern")]
    assert copies_of(tmp_path, rows_of(asked, ["No"] * 3)) == [0, 1, 2]
    assert copies_of(tmp_path, [(f"{SYSTEM} Where?", "Rome"), (f"{SYSTEM} Where?", "Oslo")]) == [0, 1]


def test_an_instruction_with_few_labels_makes_no_copies(tmp_path: Path) -> None:
    rows = [(f"{SYSTEM}\nText: word{k} word{k}b", ("good", "bad")[k % 2]) for k in range(80)]
    assert copies_of(tmp_path, rows) == list(range(80))
    long = [(f"{SYSTEM}\nText: " + " ".join(f"w{k}x{n}" for n in range(30)), "good") for k in range(40)]
    near = (long[7][0] + " also", "good")
    assert copies_of(tmp_path, [*long, near]) == [*range(40), 7]


def test_rows_without_words_are_copies_of_their_equals(tmp_path: Path) -> None:
    assert copies_of(tmp_path, [("+", "="), ("?", "!"), ("🙂", "🙃"), ("?", "!"), ("", "")]) == [0, 1, 2, 1, 4]


def test_near_copies_are_those_of_jaccard(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    vocabulary = [f"w{k}" for k in range(400)]
    texts = [" ".join(random.choice(vocabulary, 60)) for _ in range(40)]
    texts += [text.rsplit(" ", changed)[0] for changed, text in zip((1, 3, 6, 20, 40), texts, strict=False)]
    texts += [texts[9], texts[9]]
    found = Duplicates(tmp_path)
    for text in texts:
        found.add("Tell me.", text)
    copies = found.found()
    found.close()
    runs = [frozenset(shingles(words(f"Tell me.\n{text}"), SIZE)) for text in texts]
    for k in range(40, len(texts)):
        alike = max(len(runs[k] & other) / len(runs[k] | other) for n, other in enumerate(runs) if n != k)
        # four standard errors of 128 orders; of pairs that are less alike many share no band, and are not looked at
        assert (alike < 0.5 and copies.similarity[k] == 0) or copies.similarity[k] == pytest.approx(
            alike, abs=4 * math.sqrt(max(alike * (1 - alike), 1e-9) / 128)
        )
        assert (copies.of[k] != k) == (alike >= ALIKE)
    assert copies.of[[45, 46]].tolist() == [9, 9] and copies.of[9] == 9
    assert (copies.similarity[10:40] < ALIKE).all()


def test_outliers_are_those_of_their_length() -> None:
    random = np.random.default_rng(2)
    short, long = random.normal(6, 1, 60), random.normal(2, 0.2, 60)
    surprise = np.concatenate([short, long, [6.0, np.nan]])
    surprise[[3, 70]] = 14.0, 6.0  # both would be far from usual among their own; 6 is usual among short ones
    lengths = np.array([4] * 60 + [100] * 61 + [4])
    scores = outliers(surprise, lengths)
    assert np.flatnonzero(scores < 0.5).tolist() == [3, 70, 120] and np.isnan(scores[-1])
    middle, spread = np.median(short_ := surprise[:60]), np.median(np.abs(surprise[:60] - np.median(surprise[:60])))
    assert scores[3] == pytest.approx(1 / (1 + 0.6745 * (14 - middle) / spread / 3.5)) and len(short_) == 60
    assert np.isnan(outliers(surprise[:20], lengths[:20])).all()


def finding(**changed: object) -> Finding:
    told = replace(evidence(), logprob=-4.0, n_tokens=2, compared=BaseAndTuned(True, False, -1.0))
    one = Finding("x", "s", "main", "", "", False, False, True, math.exp(-4.0), None, told)
    return replace(one, **changed)  # type: ignore[arg-type]


def test_what_findings_tell() -> None:
    told = judged(finding(), None, compared=True)
    assert told["not_learned"] == (True, pytest.approx(math.exp(-2)))
    assert told["forgotten"] == (True, pytest.approx(math.exp(-1.5)))
    assert told["shallow"] == (None, None) and told["partly_learned"] == (None, None)
    assert told["contradicted"] == (False, 1.0) and told["mislabelled"] == (False, 1.0)
    held = replace(finding().evidence, held_out=HeldOut(4, 3, 0.3, 0.95))
    told = judged(finding(learned=True, shallow=True, forgotten=None, evidence=held), None, compared=False)
    assert told["shallow"] == (True, 0.25) and told["forgotten"] == (None, None)
    assert told["contradicted"] == (None, None) and told["ambiguous"] == (None, None)
    spans = finding(learned_share=0.76, evidence=replace(finding().evidence, criterion="spans"))
    told = judged(spans, Contradicted(0.9, "mislabelled", True), compared=True)
    assert told["not_learned"] == (True, 0.76) and told["partly_learned"] == (True, pytest.approx(0.8))
    assert told["contradicted"] == (True, pytest.approx(0.1)) and told["mislabelled"] == (True, pytest.approx(0.1))
    told = judged(finding(), Contradicted(0.9, "mislabelled", False), compared=True)
    assert told["mislabelled"] == (False, 1.0) and told["ambiguous"] == (False, 1.0)
    assert judged(finding(), Contradicted(0.9, "ambiguous", False), compared=True)["ambiguous"][0] is True


def test_the_table_has_the_issues() -> None:
    assert [name[3:-6] for name in ISSUES_SCHEMA.names if name.startswith("is_")] == list(ISSUES)
