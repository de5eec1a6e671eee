"""Gates on rewrites. Expected verdicts are a reader's; benchmarks/rewrite_gates.py measures them on real rows."""

from __future__ import annotations

import pytest

from uptake.rewrite import GATES, Rewriting, refusals

CAPITAL = "What is the capital of Sweden?"
WORKED = "Each pack has 4 pens.\nSo 3 packs have 3*4 = <<3*4=12>>12 pens.\n#### 12"
CALL = '{"name": "find", "arguments": {"from": "Oslo", "seats": 2}}'
CODE = "Use this:\n```python\ndef f(x):\n    return x + 1\n```\nIt adds one."
LOOP = "```python\nfor i in some:\n    if i:\n        n += 1\n        m -= 1\nprint(n)\n```"
SQL = "```sql\nSELECT a FROM t WHERE a < b -- the smaller ones\n```"
PEOPLE = '[{"name": "Anna", "age": 30}, {"name": "Bob", "age": 40}]'
WRAPPED = '{"name": "move", "arguments": "{\\"src\\": \\"a.txt\\", \\"dst\\": \\"b.txt\\"}"}'
DOSE = "The patient should take aspirin with food twice a day."

GOOD = [
    (CAPITAL, "Stockholm", "The capital of Sweden is Stockholm."),
    (CAPITAL, "Stockholm", "Stockholm is the capital city of Sweden."),
    ("Who wrote it?", "Jane Austen", "It was written by Jane Austen."),
    ("When was it built?", "12 May 1990", "It was built on May 12, 1990."),
    ("How long is it?", "5 km", "It is 5 kilometers long."),
    ("How many are there?", "twelve", "There are 12 of them."),
    ("Does it work?", "yes", "Yes, it does."),
    ("Which one?\n(A) a cat (B) a dog", "B", "The answer is B."),
    ("", "Anna Meier died in Paris.", "Anna Meier passed away in Paris."),
    ("Is Oslo or Bergen the capital?", "Oslo", "Oslo is the capital."),
    ("Which is Bosnia and Herzegovina's capital?", "Sarajevo", "Bosnia and Herzegovina's capital is Sarajevo."),
    ("", "It is not safe to drink.", "Drinking it isn't safe."),
    ("", "Damascus is a twin city of Cairo.", "Cairo is a twin city of Damascus."),
    ("Who is Batman?", "Bruce Wayne", "Batman is Bruce Wayne."),
    ("What is Madrid the capital of?", "Spain", "Madrid is the capital of Spain."),
    ("Who directed The Hole?", "Tsai Ming-liang", "The Hole was directed by Tsai Ming-liang."),
    ("What genre is Sublime?", "horror film", "Sublime is a horror film."),
    ("In what country is Cave?", "Italy", "Cave is in Italy."),
    ("How many pens?", WORKED, "A pack has 4 pens, so that 3 packs have 3*4 = 12 pens.\n#### 12"),
    ("Find it.", CALL, '{"name": "find", "arguments": {"seats": 2, "from": "Oslo"}}'),
    ("Add one.", CODE, CODE.replace("It adds one.", "This adds one.")),
    ("Add one.", CODE, CODE.replace("x + 1", "x+1  # one more")),
    ("Ask.", SQL, SQL.replace(" -- the smaller ones", "").replace(" WHERE", "\nWHERE")),
    (
        "Who?",
        f"```json\n{PEOPLE}\n```",
        f"```json\n{PEOPLE}\n```".replace('"name": "Bob", "age": 40', '"age": 40, "name": "Bob"'),
    ),
    ("Open it.", WRAPPED, WRAPPED.replace(', \\"dst', ',\\"dst')),
    ("瑞典的首都是什么？", "斯德哥尔摩", "瑞典的首都是斯德哥尔摩。"),
    ("スウェーデンの首都はどこですか？", "ストックホルムです", "スウェーデンの首都はストックホルムです。"),
    ("", "瑞典的首都是斯德哥尔摩。", "斯德哥尔摩是瑞典的首都。"),
    ("What helps?", DOSE, "Twice a day, the patient should take aspirin with food."),
    ("", "The physician wrote a big book.", "The doctor wrote a large book."),
    ("What does the pump move?", "hot water from the boiler tank", "The pump moves hot water from the boiler tank."),
    ("", "भारत की राजधानी दिल्ली है।", "दिल्ली भारत की राजधानी है।"),
]

BAD = [
    ("facts", "谁发明了电话？", "亚历山大·贝尔", "电话是托马斯·爱迪生发明的。"),
    ("facts", "スウェーデンの首都はどこですか？", "ストックホルム", "スウェーデンの首都はコペンハーゲンです。"),
    ("exchanged", "What helps?", DOSE, DOSE.replace("aspirin", "ibuprofen")),
    (
        "exchanged",
        "What helps?",
        f"{DOSE} Aspirin is safe.",
        f"{DOSE} Aspirin is safe.".replace("aspirin", "ibuprofen"),
    ),
    (
        "negation",
        "What does the pump move?",
        "hot water from the boiler tank",
        "The pump moves cold water from the boiler tank.",
    ),
    (
        "exchanged",
        "",
        "The frame is made of steel, and rests on stone.",
        "The frame is made of wood, and rests on stone.",
    ),
    (
        "exchanged",
        "What treats dehydration?",
        "oral rehydration salts and zinc",
        "Dehydration is treated with oral rehydration salts and iron.",
    ),
    ("exchanged", "", "عاصمة السويد هي ستوكهولم.", "عاصمة السويد هي كوبنهاغن."),
    ("exchanged", "", "เมืองหลวงของสวีเดนคือสตอกโฮล์ม", "เมืองหลวงของสวีเดนคือโคเปนเฮเกน"),
    ("exchanged", "", "瑞典的首都是斯德哥尔摩。它很大。", "瑞典的首都是哥本哈根。它很大。"),
    ("exchanged", "", "भारत की राजधानी दिल्ली है।", "भारत की राजधानी मुंबई है।"),
    ("facts", CAPITAL, "Stockholm", "The capital of Sweden is Oslo."),
    ("facts", CAPITAL, "Stockholm", "The capital of Sweden is Stock."),
    ("negation", CAPITAL, "Stockholm", "The capital of Sweden is not Stockholm."),
    ("language", CAPITAL, "Stockholm", "Die Hauptstadt von Schweden ist Stockholm, und das ist nicht neu."),
    ("language", CAPITAL, "Stockholm", "瑞典的首都是Stockholm。"),
    ("language", "瑞典的首都是什么？", "斯德哥尔摩是瑞典的首都。", "Stockholm is the capital of Sweden."),
    ("numbers", CAPITAL, "Stockholm", "The capital of Sweden is Stockholm, which was founded in 1252."),
    ("added", CAPITAL, "Stockholm", "The capital of Sweden is Stockholm, and its mayor is Anna Lind."),
    (
        "added",
        CAPITAL,
        "Stockholm",
        "The capital of Sweden is Stockholm. Tourists love its narrow old streets.",
    ),
    ("added", CAPITAL, "Stockholm", "The rewritten answer is Stockholm."),
    ("roles", CAPITAL, "Stockholm", "Sweden is the capital of Stockholm."),
    ("roles", CAPITAL, "Stockholm", "Sweden is Stockholm's capital."),
    ("roles", CAPITAL, "Stockholm", "Sweden is Stockholm."),
    ("roles", "Who directed The Hole?", "Tsai Ming-liang", "The Hole directed Tsai Ming-liang."),
    ("roles", "Who directed The Hole?", "Tsai Ming-liang", "Tsai Ming-liang was directed by The Hole."),
    ("roles", "Who is the author of Murphy?", "Samuel Beckett", "The author of Murphy is a Samuel Beckett."),
    ("roles", "What is Madrid the capital of?", "Spain", "Spain is the capital of Madrid."),
    ("ends", CAPITAL, "Stockholm", "The capital of Sweden is Stockholm and the"),
    ("ends", CAPITAL, "Stockholm", "The capital of Sweden is Stockholm"),
    ("ends", CAPITAL, "Stockholm", ""),
    ("numbers", "", "The race is 5 km long and starts at noon.", "The race is 5 miles long and starts at noon."),
    ("numbers", "", "It costs $40 to join the club.", "It costs €40 to join the club."),
    ("numbers", "", "Bake the bread for 10 - 12 minutes.", "Bake the bread for 10 - 12 hours."),
    ("numbers", "", "Mix 3 cups of flour with water.", "Mix 3 tablespoons of flour with water."),
    ("numbers", "", "The team won 14 games in spring.", "In spring the team won games."),
    ("negation", "", "Wash it before you peel it.", "Wash it after you peel it."),
    ("negation", "", "It is not safe to drink.", "It is safe to drink."),
    ("negation", "", "Yes, it is made of stainless steel.", "novels , and the other one ."),
    ("ends", "", "Yes, it is made of stainless steel.", "Yes, <unk> made of stainless steel."),
    ("ends", "", "It is Oslo.", "It is Oslo.<|im_end|>"),
    ("negation", "", "The bridge was sold to the city.", "The bridge was never sold to the city."),
    ("facts", "Does it work?", "yes", "No, it doesn't."),
    ("facts", "Which one?\n(A) a cat (B) a dog", "B", "The answer is C."),
    ("facts", "How many pens?", WORKED, "A pack has 4 pens, so that 3*4 = 12, and 12/3 = 4.\n#### 4"),
    ("ends", "How many pens?", WORKED, "A pack has 4 pens, so that 3 packs have 3*4 = 12 pens."),
    ("records", "Find it.", CALL, '{"name": "find", "arguments": {"seats": 3, "from": "Oslo"}}'),
    ("records", "Find it.", CALL, '{"name": "find", "arguments": {"seats": 2}}'),
    ("records", "Find it.", CALL, '{"name": "find", "arguments": {"seats": 2, "from": "Oslo"'),
    ("code", "Add one.", CODE, CODE.replace("return x + 1", "return x +")),
    ("code", "Add one.", CODE, CODE.replace("x + 1", "x - 2")),
    ("code", "Add one.", CODE, "This adds one to x and gives it back."),
    ("code", "Take one.", CODE.replace("x + 1", "x - 1"), CODE.replace("x + 1", "1 - x")),
    ("code", "Add one.", CODE, CODE.replace("x + 1", "x == 1")),
    ("code", "Add one.", CODE, CODE.replace("f(x)", "f(y)")),
    ("code", "Add one.", "def f(x):\n    return x - 1", "def f(x):\n    return 1 - x"),
    ("code", "Ask.", SQL, SQL.replace("a < b", "b < a")),
    ("code", "Count.", LOOP, LOOP.replace("        n += 1", "    n += 1")),
    ("records", "Who?", PEOPLE, PEOPLE.replace("30", "x").replace("40", "30").replace("x", "40")),
    ("records", "Where?", '{"cities": ["Paris"]}', '{"cities": ["Paris", "Lyon"]}'),
    ("records", "Where?", '["Paris", "Lyon"]', '["Lyon", "Paris"]'),
    ("records", "Open it.", '{"path": "/home/Ada"}', '{"path": "/HOME/ada"}'),
    ("records", "Open it.", WRAPPED, WRAPPED.replace("b.txt", "B.txt")),
    ("length", CAPITAL, "Stockholm", "The capital of Sweden is Stockholm. " * 6),
    ("alone", "What does Ann play?", "piano", "Ann plays the guitar and the piano."),
    ("alone", "Which animal is it?", "lion", "The animal is a lion or an eagle."),
    ("alone", "What is her job?", "nurse", "She is perhaps a nurse."),
    ("alone", "Who won, Anna or Ben?", "Anna", "Ben won against Anna."),
    ("facts", "", "Anna Meier died in Paris, where she had worked.", "The woman died there, where she had worked."),
]


@pytest.mark.parametrize(("question", "original", "text"), GOOD)
def test_what_says_the_same_passes(question: str, original: str, text: str) -> None:
    assert refusals(Rewriting(question, original, text)) == ()


@pytest.mark.parametrize(("gate", "question", "original", "text"), BAD)
def test_what_says_something_else_is_refused_by_its_gate(gate: str, question: str, original: str, text: str) -> None:
    assert gate in [one.gate for one in refusals(Rewriting(question, original, text))]


def test_every_gate_refuses_something_and_says_why_in_words() -> None:
    assert {gate for gate, *_ in BAD} == set(GATES)
    for _, question, original, text in BAD:
        assert all(len(one.why) > 8 for one in refusals(Rewriting(question, original, text)))


def test_what_was_cut_by_its_room_is_refused_however_it_looks() -> None:
    whole = "The capital of Sweden is Stockholm."
    assert [one.gate for one in refusals(Rewriting(CAPITAL, "Stockholm", whole, ended=False))] == ["ends"]


@pytest.mark.parametrize("text", ["{" * 1500, "((((" * 500, "\x00\ud800 a", "`" * 1500, "不" * 1000, "1." * 1000])
def test_texts_of_any_kind_are_judged(text: str) -> None:
    assert isinstance(refusals(Rewriting("q", text, text + " b")), tuple)
    assert isinstance(refusals(Rewriting(text, "yes", text)), tuple)
