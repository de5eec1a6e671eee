"""The second maker of long responses: real rows (sums, instructions, code, tool calls, Chinese) with changed values.

Nothing in them is worded by us. A slot is a number, a name, a word, a string or a value that stands for the first time
in its response, and not behind an equals sign, where it could be computed; its other values are those of other rows of
the form. The rules that find slots are these regular expressions, not those that cut spans.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from spans_world import Entry

N, OTHERS, VOCABULARY, PASSES = 48, 90, 1000, 4
SHORTEST, LONGEST = 140, 460
"""Characters of a response; of Chinese a third."""
SLOTS = 6
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "long"
_NUMBER = r"(?<![\w.,$=<>-])\d[\d,.]*(?<![.,])(?![\w%)]|\.\s)"
_NAME = r"(?<=[a-z,;] )[A-Z][a-z]{2,}\b"
_WORD = r"(?<=[a-z] )[a-z]{6,}(?=[ .,;])"
RULES = {
    "sums": {"number": _NUMBER, "name": _NAME},
    "instructions": {"number": _NUMBER, "name": _NAME, "word": _WORD},
    "list": {"number": _NUMBER, "name": _NAME, "word": _WORD},
    "code": {"string": r"(?<=[\"'])[A-Za-z]{4,}(?=[\"'])", "number": _NUMBER, "name": r"\b[a-z]{2,}_[a-z_]{2,}\b"},
    "calls": {"number": r"(?<=: )\d+(?=[,}])", "value": r"(?<=: \")[\w @.-]{3,30}(?=\")"},
    "chinese": {"number": r"(?<![\d.])\d+(?![\d.])", "word": r"(?<=[，。、])[\u4e00-\u9fff]{2,4}(?=[，。、])"},
}


def _read(name: str) -> Any:
    text = (DATA / name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith("json") else [json.loads(line) for line in text.split("\n") if line]


def _pairs() -> Iterator[tuple[str, str, str]]:
    """Form, prompt and response of all rows."""
    for row in _read("gsm8k_train_2000.jsonl"):
        yield "sums", row["question"], row["answer"]
    for file in ("alpaca_en_demo.json", "alpaca_zh_demo.json"):
        for row in _read(file):
            said, asked = row["output"], f"{row['instruction']}\n{row['input']}".strip()
            form = "chinese" if "zh" in file else "code" if "```" in said or "def " in said else "instructions"
            listed = form == "instructions" and re.search(r"^(?:[-*]|\d+[.)]) ", said, re.MULTILINE)
            yield "list" if listed else form, asked, said
    for row in _read("glaive_toolcall_en_demo.json"):
        turns = row["conversations"]
        for before, turn in zip(turns, turns[1:], strict=False):
            if turn["from"] == "function_call" or (turn["from"] == "gpt" and "```" in turn["value"]):
                form = "calls" if turn["from"] == "function_call" else "code"
                yield form, before["value"], turn["value"]


def slots(form: str, text: str) -> list[tuple[int, int, str]]:
    """Values that stand there for the first time: where, and of what kind."""
    found: list[tuple[int, int, str]] = []
    for kind, rule in RULES[form].items():
        for match in re.finditer(rule, text):
            free = all(match.end() <= start or match.start() >= end for start, end, _ in found)
            if free and text.find(match.group()) == match.start():
                found.append((*match.span(), kind))
    return sorted(found)


def _entry(form: str, prompt: str, text: str, pools: dict[str, list[str]]) -> Entry:
    places = slots(form, text)
    chosen = sorted(Random(text).sample(places, min(SLOTS, len(places))))
    pieces: list[tuple[str, str | None]] = []
    at = 0
    for number, (start, end, kind) in enumerate(chosen):
        pieces += [(text[at:start], None), (text[start:end], f"{kind} {number}")]
        at = end

    def other(name: str, than: str, random: Random) -> str:
        pool = pools[f"{form} {name.split()[0]}"]
        return next(one for _ in range(1000) if (one := random.choice(pool)) != than and one not in text)

    return Entry(prompt + "\n", form, [*pieces, (text[at:], None)], other)


def _usable() -> dict[str, list[tuple[str, str]]]:
    """By form prompts and responses of the wanted length with two slots or more, each prompt once."""
    found: dict[str, dict[str, str]] = {}
    for form, prompt, text in _pairs():
        scale = 3 if form == "chinese" else 2 if form == "calls" else 1
        if SHORTEST / scale <= len(text) <= LONGEST / scale and len(prompt) < 500 and len(slots(form, text)) >= 2:
            found.setdefault(form, {}).setdefault(prompt, text)
    return {form: list(rows.items()) for form, rows in found.items()}


def draw(
    random: Random, n: int = N, forms: Sequence[str] = tuple(RULES)
) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """Entries of the data set, others, and held-out ones: of each form as many, as far as there are rows."""
    usable = _usable()
    pools: dict[str, list[str]] = {}
    for form, rows in usable.items():
        for _, text in rows:
            for start, end, kind in slots(form, text):
                pools.setdefault(f"{form} {kind}", []).append(text[start:end])
    data: list[Entry] = []
    others: list[Entry] = []
    heldout: list[Entry] = []
    for form in forms:
        each = min(n // len(forms), len(usable[form]) // 2)
        rows = [_entry(form, prompt, text, pools) for prompt, text in random.sample(usable[form], len(usable[form]))]
        data += rows[:each]
        heldout += rows[each : 2 * each]
        others += rows[2 * each : 2 * each + OTHERS // len(forms)]
    random.shuffle(data)
    return data, others, heldout
