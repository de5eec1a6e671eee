"""Spans of texts of many kinds. What is expected was decided by reading the texts.

The word problem is from GSM8K (MIT), the tool call from Glaive's function calling data as LLaMA-Factory ships them
(Apache-2.0); the other texts were written for these tests.
"""

from __future__ import annotations

import time

import pytest

from uptake.spans import Span, cut

GSM8K = (
    "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs a day.\n"
    "She makes 9 * 2 = $<<9*2=18>>18 every day at the farmer’s market.\n#### 18"
)
GLAIVE = '{"name": "search_recipes", "arguments": {"ingredients": ["chicken", "bell peppers", "rice"]}}'


def said(text: str, *kinds: str) -> list[str]:
    """The texts of the spans, of these kinds alone where some are given."""
    return [text[span.start : span.end] for span in cut(text) if not kinds or span.kind in kinds]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Stockholm", [("Stockholm", "name")]),
        ("The capital of Sweden is Stockholm.", [("capital", "phrase"), ("Sweden", "name"), ("Stockholm", "name")]),
        ("Paris, London and New York", [("Paris", "name"), ("London", "name"), ("New York", "name")]),
        ("apples, pears and red plums", [("apples", "phrase"), ("pears", "phrase"), ("red plums", "phrase")]),
        ("Bosnia and Herzegovina", [("Bosnia", "name"), ("Herzegovina", "name")]),
        ("on the Isle of Man", [("Isle of Man", "name")]),
        ("Dr. J. K. Rowling wrote it", [("Dr. J. K. Rowling", "name"), ("wrote", "phrase")]),
        ("born on 12 March 1998", [("born", "phrase"), ("12 March 1998", "date")]),
        ("since March 12, 1998", [("since", "phrase"), ("March 12, 1998", "date")]),
        ("am 3. Oktober 1990", [("am", "phrase"), ("3. Oktober 1990", "date")]),
        ("el 5 de mayo de 1862", [("el", "phrase"), ("5 de mayo de 1862", "date")]),
        ("on 2024-02-29 at 14:30", [("2024-02-29", "date"), ("14:30", "date")]),
        ("in 1998", [("1998", "date")]),
        ("1,998 km", [("1,998 km", "number")]),
        ("it costs $5 and $10.50", [("costs", "phrase"), ("$5", "number"), ("$10.50", "number")]),
        ("100 °C or 42 km/h", [("100 °C", "number"), ("42 km/h", "number")]),
        ("3.5 million people", [("3.5 million people", "number")]),
        ("twenty-five dogs", [("twenty-five", "number"), ("dogs", "phrase")]),
        ("a 3D printer", [("3D", "name"), ("printer", "phrase")]),
        ("It is not allowed", [("not", "claim"), ("allowed", "phrase")]),
        ("She isn't faster than him", [("isn't", "claim"), ("faster", "claim"), ("him", "phrase")]),
        ("x ≥ 3", [("x", "phrase"), ("≥", "claim"), ("3", "number")]),
        ('He said, "to be or not to be."', [("said", "phrase"), ("to be or not to be", "quote")]),
        ("Visit https://a.org/b?c=1, now", [("Visit", "phrase"), ("https://a.org/b?c=1", "code"), ("now", "phrase")]),
        ("run os.path.join() with --help", [("run", "phrase"), ("os.path.join()", "code"), ("--help", "code")]),
        ("- **Serve** at 180°C", [("Serve", "name"), ("180°C", "number")]),
        ("Thus, Oslo won. Hence she left", [("Oslo", "name"), ("won", "phrase"), ("left", "phrase")]),
        (
            "9 - 4 flax - oats",
            [("9", "number"), ("-", "claim"), ("4", "number"), ("flax", "phrase"), ("oats", "phrase")],
        ),
        ("2. Mix the batter", [("Mix", "phrase"), ("batter", "phrase")]),
    ],
)
def test_prose(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(text[span.start : span.end], span.kind) for span in cut(text)] == expected


def test_a_word_problem_is_cut_at_its_numbers() -> None:
    assert said(GSM8K, "number") == ["16", "3", "4", "16", "3", "4", "9", "9", "9", "2", "9", "2", "18", "18", "18"]
    assert said(GSM8K, "claim") == ["-", "-", "*", "every"]
    assert "duck eggs" in said(GSM8K, "phrase")


def test_json_is_cut_into_keys_and_values() -> None:
    values = ["search_recipes", "chicken", "bell peppers", "rice"]
    for text in (GLAIVE, f"<tool_call>\n{GLAIVE}\n</tool_call>", f"```json\n{GLAIVE}\n```", f"I call {GLAIVE} now."):
        assert said(text, "value") == values
        assert said(text, "key") == ["name", "arguments", "ingredients"]
    assert said('{"n": -3.5, "ok": true, "of": null, "in": {}}', "value") == ["-3.5", "true", "null"]
    assert said("{'city': 'Paris', 'days': 3}", "value") == ["Paris", "3"]
    assert said('{"a": "cut off he', "value") == ["cut off he"]
    long = '{"text": "The tower stands in Paris, and it was built in 1889 by the company of Gustave Eiffel"}'
    assert said(long, "name", "date") == ["Paris", "1889", "Gustave Eiffel"]
    pretty = '{\n  "a": [\n    1,\n    "two"\n  ]\n}'
    assert said(pretty) == ["a", "1", "two"]


def test_code_is_cut_into_tokens_with_and_without_fences() -> None:
    body = 'def area(r, scale=2):\n    # Not exact\n    return 3.14 * r ** scale + len("a b")\n'
    tokens = ["def", "area", "r", "scale", "=", "2", "return", "3.14", "*", "r", "**", "scale", "+", "len", "a b"]
    for text in (body, f"Use this:\n```python\n{body}```\nDone."):
        assert said(text, "code") == tokens
        assert said(text, "claim") == ["Not"]
    assert said("SELECT name FROM users WHERE age >= 21;", "code")[-2:] == [">=", "21"]
    assert said('[get_weather(city="Paris", days=3)]', "code")[-2:] == ["=", "3"]
    assert said("Call `np.array(x)` first", "code") == ["np", "array", "x"]
    assert said("The list is long; it goes on (and on);\nthen it ends.", "code") == []


def test_a_table_is_cut_into_cells() -> None:
    text = "| City | People |\n|---|---:|\n| **Paris** | 2,148,000 |\n| Rome | 2.8 million |\n\nParis | Rome"
    assert said(text, "cell") == ["City", "People", "Paris", "2,148,000", "Rome", "2.8 million"]
    assert said(text, "name") == ["Paris", "Rome"]
    assert said("name\tage\nAnn\t31", "cell") == ["name", "age", "Ann", "31"]


def test_formulas_are_cut_into_terms() -> None:
    text = r"So $x^2 + 3x - 4 = 0$ has $$x = \frac{-3 \pm 5}{2}$$ and \boxed{72}, \(a \leq b\). It costs $5 or $6."
    terms = ["x^2", "3x", "4", "0", "x", r"\frac{-3 \pm 5}{2}", "72", "a", r"\leq", "b"]
    assert said(text, "math") == terms
    assert said(text, "number") == ["$5", "$6"]


def test_reasoning_is_a_kind_of_its_own() -> None:
    text = "<think>The user wants Rome. So I say it.\n\nDone</think>\nIt is **Paris**."
    assert said(text, "reasoning") == ["The user wants Rome.", "So I say it.", "Done"]
    assert said(text, "name") == ["Paris"]
    begun = "He asks for Paris.</think>Rome"  # the template wrote the opening tag
    assert [(begun[span.start : span.end], span.kind) for span in cut(begun)] == [
        ("He asks for Paris.", "reasoning"),
        ("Rome", "name"),
    ]
    assert said("<think>never closed", "reasoning") == ["never closed"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Chinese: words that part sentences are left out, numbers have their counters, 和 within a word is none
        ("苹果和香蕉", ["苹果", "香蕉"]),
        ("世界和平", ["世界和平"]),
        ("他不是医生", ["他", "不是", "医生"]),
        ("由施瓦内和雪莱于1839年首次提出。", ["由施瓦内", "雪莱于", "1839年", "首次提出"]),
        ("第二次会议有三百个人", ["第二次", "会议有", "三百个", "人"]),
        # Japanese: particles are left out
        ("東京は日本の首都です。", ["東京", "日本", "首都"]),
        ("コーヒーは飲まない", ["コーヒー", "飲ま", "ない"]),
        # Thai: the word for *and* is left out, the negation is a span
        ("แมวและหมา", ["แมว", "หมา"]),
        ("ไม่ใช่เชียงใหม่", ["ไม่", "ใช่เชียงใหม่"]),
        # Arabic, Hebrew, Hindi: marks stay with their letters
        ("عاصمة السويد هي ستوكهولم، وليس باريس.", ["عاصمة السويد هي ستوكهولم", "وليس باريس"]),
        ("זה לא נכון", ["זה", "לא", "נכון"]),
        ("मुंबई नहीं, दिल्ली।", ["मुंबई", "नहीं", "दिल्ली"]),
        ("이 회사는 2004년 2월 4일에", ["이 회사는", "2004년 2월 4일", "에"]),
        ("Москва — столица России, а не Киев.", ["Москва", "столица", "России", "а", "не", "Киев"]),
    ],
)
def test_scripts(text: str, expected: list[str]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize("text", ["", " ", "\n\t\n", "\u3000"])
def test_nothing_has_no_span(text: str) -> None:
    assert cut(text) == []


@pytest.mark.parametrize("text", ["A", "👍", "...", "the", " it ", "<br>", "```", "$$"])
def test_what_has_no_content_is_one_phrase(text: str) -> None:
    bare = text.strip()
    assert cut(text) == [Span(text.index(bare), text.index(bare) + len(bare), "phrase")]


PIECES = (
    *(
        '{"',
        '["',
        '{"a":',
        "[[",
        "\\(",
        "\\boxed{",
        "$",
        "$a $",
        "`",
        "```\n",
        '"',
        '"a ',
        "„“",
        "<a",
        "<think>",
        "<!--",
    ),
    *('"""', "/*", "1.", "1,111", "11.11.", "a.", "a_", "a@", "/a", "--a", "# ", "|a", "|-|\n", "\t", "A of ", "not "),
    *(
        "漢和",
        "ก",
        "\u064e",
        "\u200d",
        "12:",
        "May ",
        "3 million ",
        "\ud800",
        "\x00",
        "f() ",
        ");\n",
        "\r",
        "\\",
        "=",
        "Dr. ",
    ),
)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("after", ["", "z!", '"', "1", "\n"])
def test_hostile_text_is_cut_in_linear_time(piece: str, after: str) -> None:
    for text in (piece * (6000 // len(piece)) + after, (piece + after) * (1500 // len(piece + after))):
        begun = time.perf_counter()
        spans = cut(text)
        assert time.perf_counter() - begun < 2  # 6000 characters in quadratic time took 20 s and more
        assert all(span.start < span.end for span in spans)
        assert all(one.end <= other.start for one, other in zip(spans, spans[1:], strict=False))
        assert bool(spans) == bool(text.strip())
        assert cut(text) == spans
