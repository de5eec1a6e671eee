"""Gates of `uptake rewrite` on planted bad rewrites of real rows, and on paraphrases that people wrote.

Thresholds were set on the data sets `SET_ON`; what is reported is of `SEEN_LATER`. Bad rewrites are made from real
rows: the answer changed, the claim negated, a unit swapped, a claim of another row added, cut off, in another language.
Good ones are CounterFact's second wordings and pairs of ParaRel's patterns, both written by people.

    python benchmarks/rewrite_gates.py SHARED_DATA [--out benchmarks/results/rewrite_gates.json] [--show KIND]
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.rewrite import Rewriting, refusals
from uptake.rewrite.said import content, supported
from uptake.spans import cut
from uptake.stats import wilson

MOST = 300


@dataclass(frozen=True)
class Row:
    """A row of data: what is asked, the response, and another wording of it that people wrote, where there is one."""

    dataset: str
    question: str
    response: str
    reworded: str | None = None
    pair: tuple[str, str] | None = None
    """The names of who or what it is about, and of what is said of it; None where they mean the same exchanged."""


SET_ON = ("counterfact: half", "pararel: half", "popqa", "gsm8k train", "alpaca")
SEEN_LATER = ("counterfact", "pararel", "musique", "hotpotqa", "qasc", "gsm8k test", "glaive", "wikipedia")


BOTH_WAYS = ("P190", "P47", "P530")
"""Relations of which one direction says what the other does: twin cities, borders, diplomatic relations."""


def read(data: Path) -> dict[str, list[Row]]:
    """The rows of each data set."""
    found: dict[str, list[Row]] = {name: [] for name in (*SET_ON, *SEEN_LATER)}
    facts = [json.loads(line) for line in (data / "facts/counterfact_train.jsonl").read_text().splitlines()]
    for one in facts:
        name = "counterfact: half" if int((one["relation"] or "P1")[1:]) % 2 else "counterfact"
        other = one["true_paraphrase"]
        answer = one["target_true"]
        pair = None if one["relation"] in BOTH_WAYS else (one["subject"], answer)
        found[name].append(Row(name, one["prompt"], answer, other and f"{other} {answer}.", pair))
    for path in sorted((data / "facts/pararel/patterns").glob("P*.jsonl")):
        patterns = [json.loads(line)["pattern"] for line in path.read_text().splitlines()]
        known = [json.loads(line) for line in (data / "facts/pararel/facts" / path.name).read_text().splitlines()]
        name = "pararel: half" if int(path.stem[1:]) % 2 else "pararel"
        draw = random.Random(path.stem)
        for fact in draw.sample(known, min(20, len(known))):
            one, other = draw.sample(patterns, 2) if len(patterns) > 1 else (patterns[0], patterns[0])
            # templates are written with or without the full stop
            told = [re.sub(r"\s+([.,])", r"\1", _filled(each, fact)).strip(" .,") + "." for each in (one, other)]
            pair = None if path.stem in BOTH_WAYS else (fact["sub_label"], fact["obj_label"])
            found[name].append(Row(name, "", told[0], told[1], pair))
    popqa = json.loads((data / "qa/popqa_2k.json").read_text())
    for one in (row for part in popqa.values() if isinstance(part, list) for row in part):
        found["popqa"].append(Row("popqa", one["input"], json.loads(one["output"])[0]))
    for name, path in (("gsm8k train", "long/gsm8k_train_2000.jsonl"), ("gsm8k test", "long/gsm8k_test.jsonl")):
        for line in (data / path).read_text().splitlines():
            one = json.loads(line)
            found[name].append(Row(name, one["question"], one["answer"]))
    for one in json.loads((data / "long/alpaca_en_demo.json").read_text()):
        found["alpaca"].append(Row("alpaca", f"{one['instruction']}\n{one['input']}", one["output"]))
    for name in ("musique", "hotpotqa"):
        for one in _questions(json.loads((data / f"retrieval/{name}_train.json").read_text())):
            found[name].append(Row(name, *one))
    for path in ("task041_qasc_answer_generation", "task037_qasc_generate_related_fact"):
        for one in json.loads((data / f"qa/{path}.json").read_text())["Instances"]:
            found["qasc"].append(Row("qasc", one["input"], one["output"][0]))
    for talk in json.loads((data / "long/glaive_toolcall_en_demo.json").read_text()):
        turns = talk["conversations"]
        for before, one in zip(turns, turns[1:], strict=False):
            if one["from"] in ("gpt", "function_call"):
                found["glaive"].append(Row("glaive", before["value"], one["value"]))
    with (data / "corpus/wiki_mix.jsonl").open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            one = json.loads(line)
            if number % 20 == 0 and 80 < len(one["text"]) < 900:
                found["wikipedia"].append(Row("wikipedia", one["title"], one["text"].strip()))
    return found


def _filled(pattern: str, fact: dict[str, Any]) -> str:
    return pattern.replace("[X]", fact["sub_label"]).replace("[Y]", fact["obj_label"])


def _questions(data: Any) -> Iterator[tuple[str, str]]:
    rows = data if isinstance(data, list) else next(value for value in data.values() if isinstance(value, list))
    for one in rows:
        answer = one.get("answer") or one.get("golden_answers") or one.get("answers") or one.get("output")
        answer = answer[0] if isinstance(answer, list) else answer
        question = one.get("question") or one.get("input") or one.get("query")
        if question and answer:
            yield question, str(answer)


FINAL = re.compile(r"####\s*(-?\d[\d.,]*)\s*\Z")
FRAMES = ("The answer is {}.", "It is {}.", "{} is the answer to this question.", "The correct answer: {}.")


def said(row: Row, draw: random.Random) -> str:
    """A rewrite of a row that says the same: people's own where there is one, a short answer in a frame, or itself."""
    if row.reworded is not None:
        return row.reworded
    short = len(row.response.split()) <= 6 and "{" not in row.response
    return draw.choice(FRAMES).format(row.response.rstrip(".")) if short else row.response


def changed(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """Another answer: that of another row, or another name or number in the place of one that is told."""
    text = said(row, draw)
    if final := FINAL.search(row.response):
        final = final[1]
        other = str(int(float(final.replace(",", ""))) + draw.choice([1, 2, 5, 10, -1, 20]))
        return re.sub(rf"(?<![\d.,]){re.escape(final)}(?![\d])", other, text)
    own = row.response.strip().rstrip(".")
    if len(own.split()) <= 6 and own in text and "{" not in text:
        other = next((one.response.strip().rstrip(".") for one in draw.sample(others, min(20, len(others)))), None)
        alike = other is None or not set(other.casefold().split()).isdisjoint(own.casefold().split())
        return None if alike or other is None else text.replace(own, other)
    spans = [span for span in cut(text) if span.kind in ("name", "number", "date", "value")]
    if not spans:
        return None
    span = draw.choice(spans)
    told = text[span.start : span.end]
    pool = [
        one.response[each.start : each.end]
        for one in draw.sample(others, min(30, len(others)))
        for each in cut(one.response)
        if each.kind == span.kind
    ]
    pool = [each for each in pool if set(each.casefold().split()).isdisjoint(told.casefold().split())]
    return text.replace(told, draw.choice(pool)) if pool else None


_AUXILIARY = re.compile(
    r"\b(is|are|was|were|can|could|will|would|should|has|have|had|does|do|must|may)\b(?! not)(?!n't)"
)


def negated(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """The claim denied, or a denial taken away."""
    text = said(row, draw)
    if re.search(r"\bnot\b", text) and draw.random() < 0.5:
        return re.sub(r"\s\bnot\b", "", text, count=1)
    found = list(_AUXILIARY.finditer(text))
    if not found or "{" in text:
        return None
    one = draw.choice(found)
    verb = one.group()
    joined = {"is": "isn't", "are": "aren't", "was": "wasn't", "can": "cannot", "does": "doesn't", "has": "hasn't"}
    word = joined.get(verb, f"{verb} not") if draw.random() < 0.4 else f"{verb} {draw.choice(['not', 'never', 'not'])}"
    return text[: one.start()] + word + text[one.end() :]


UNITS = tuple(
    tuple(pair.split("/"))
    for pair in (
        "km/miles kilometers/miles miles/kilometers mile/kilometer feet/meters "
        "metres/feet meters/feet m/ft inches/cm cm/inches pounds/kilograms "
        "kg/pounds grams/ounces ounces/grams hours/minutes hour/minute "
        "minutes/hours minute/hour seconds/minutes days/weeks day/week "
        "weeks/days week/day months/years month/year years/months year/month "
        "dollars/euros cents/dollars percent/points %/dollars cups/tablespoons "
        "cup/tablespoon teaspoons/tablespoons acres/hectares million/billion"
    ).split()
)


def other_unit(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """A number with another unit, everywhere in the rewrite."""
    text = said(row, draw)
    found = [
        (match.group(1), one, other)
        for one, other in UNITS
        for match in re.finditer(rf"(?<![\w.,])(\d[\d.,]*\s?-?){re.escape(one)}(?!\w)", text)
    ]
    found += [(match.group(), "$", "€") for match in re.finditer(r"\$\d[\d.,]*\d|\$\d", text)]
    if not found:
        return None
    number, one, other = draw.choice(found)
    if one == "$":
        return text.replace(number, number.replace("$", "€"))
    return re.sub(rf"(?<![\w.,]){re.escape(number)}{re.escape(one)}(?!\w)", f"{number}{other}", text)


def claimed(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """A sentence or clause that people wrote about something else, behind what is said."""
    text = said(row, draw)
    if "{" in text or "####" in text:
        return None
    for one in draw.sample(others, min(60, len(others))):
        for sentence in re.split(r"(?<=[.!?])\s+", one.response):
            tail = sentence.strip().rstrip(".")
            if one.response != row.response and 4 <= len(tail.split()) <= 20:
                if draw.random() < 0.5:
                    return f"{text.rstrip('.')}, and {tail[0].lower()}{tail[1:]}."
                return f"{text.rstrip('.')}. {tail}."
    return None


def cut_off(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """The beginning alone."""
    text = said(row, draw)
    words = re.findall(r"\s*\S+", text)
    if len(words) < 3:
        return None
    last = draw.randint(max(1, len(words) // 3), len(words) - 1)
    kept = "".join(words[:last])
    if draw.random() < 0.3:
        kept = text[: len(kept) + max(1, len(words[last]) // 2)]
    told = kept.rstrip(" .")
    return kept if told != text.rstrip(" .") else None


LANGUAGES = (
    "Die Antwort auf diese Frage ist {}.",
    "Das ist {} und nichts anderes.",
    "Es ist mit {} verbunden, und das ist die Antwort.",
    "La réponse à cette question est {}.",
    "C'est {} qui est la réponse.",
    "Il est né dans {} et c'est la réponse.",
    "La respuesta a esta pregunta es {}.",
    "Se trata de {}, y es la respuesta.",
    "La risposta a questa domanda è {}.",
    "A resposta a esta pergunta é {}, e não outra.",
    "Het antwoord op deze vraag is {}.",
    "Svaret på den här frågan är {}.",
    "Odpowiedź na to pytanie to {} i nic innego.",
    "Bu sorunun cevabı {} ve bu kadar.",
    "答案是{}。",
    "这个问题的答案是{}。",
    "Ответ на этот вопрос: {}.",
    "正解は{}です。",
    "الجواب هو {}.",
)


def translated(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """A short answer in a frame of another language."""
    own = row.response.strip().rstrip(".")
    return draw.choice(LANGUAGES).format(own) if len(own.split()) <= 6 and row.question and "{" not in own else None


BESIDE = ("{} or {}", "{} and {}", "either {} or {}", "{}, or maybe {}")


def second_answer(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """Another row's short answer beside its own."""
    own = row.response.strip().rstrip(".")
    pool = [one.response.strip().rstrip(".") for one in draw.sample(others, min(20, len(others)))]
    short = [
        one
        for one in pool
        if 0 < len(one.split()) <= 3 and not set(one.casefold().split()) & set(own.casefold().split())
    ]
    if not short or len(own.split()) > 3 or "{" in own or own.casefold() in ("yes", "no"):
        return None
    pair = [own, short[0]] if draw.random() < 0.5 else [short[0], own]
    return draw.choice(FRAMES[:2]).format(draw.choice(BESIDE).format(*pair))


def turned(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """People's own wording with who it is about and what is said of it exchanged."""
    text = row.reworded
    if row.pair is None or text is None or not all(text.count(name) == 1 for name in row.pair):
        return None
    one, other = row.pair
    if set(one.casefold().split()) & set(other.casefold().split()):
        return None
    return text.replace(one, "\0").replace(other, one).replace("\0", other)


def made_one(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """A name of the question is said to be the answer, which is a name too: *Murphy is Samuel Beckett*."""
    own, asked = row.response.strip().rstrip("."), row.question.strip()
    found = [asked[span.start : span.end] for span in cut(asked) if span.kind == "name" and span.start > 0]
    found = [name for name in found if not set(name.casefold().split()) & set(own.casefold().split())]
    if not found or len(own.split()) not in (2, 3) or not all(word[:1].isupper() for word in own.split()):
        return None
    if re.search(r"\b(genre|type|kind|sport|nationality|language|occupation|religion)\b", asked) or asked.count(" or "):
        return None
    verb, article = draw.choice(["is", "was"]), draw.choice(["", "", "a "])
    return f"{draw.choice(found)} {verb} {article}{own}."


def exchanged(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """Of a response as it stands one lower-case word with content, in all its places, for one of another row."""
    return None if len(row.response.split()) <= 3 else _exchanged(row, draw, others, row.response)


def exchanged_reworded(row: Row, draw: random.Random, others: list[Row]) -> str | None:
    """The same of people's own wording."""
    return None if row.reworded is None or row.question else _exchanged(row, draw, others, row.reworded)


def _exchanged(row: Row, draw: random.Random, others: list[Row], text: str) -> str | None:
    own = _lower(text)
    pool = [word for one in draw.sample(others, min(20, len(others))) for word in _lower(one.response)]
    known = content(f"{row.question} {row.response}")
    pool = [word for word in pool if not supported(word, known)]
    if not own or not pool or "{" in text:
        return None
    return re.sub(rf"(?<!\w){re.escape(draw.choice(own))}(?!\w)", draw.choice(pool), text)


def _lower(text: str) -> list[str]:
    """Its words with content that are written in lower case, of four letters at least."""
    found = (word for word in content(text) if len(word) >= 4 and word.isalpha())
    return [word for word in dict.fromkeys(found) if re.search(rf"(?<!\w){word}(?!\w)", text)]


PLANTS: dict[str, Callable[[Row, random.Random, list[Row]], str | None]] = {
    "answer changed": changed,
    "content word exchanged": exchanged,
    "the same, in people's wordings": exchanged_reworded,
    "negated": negated,
    "unit swapped": other_unit,
    "claim added": claimed,
    "cut off": cut_off,
    "other language": translated,
    "second answer": second_answer,
    "roles exchanged": turned,
    "two names made one": made_one,
}


def planted(rows: dict[str, list[Row]], names: tuple[str, ...], kind: str) -> list[Rewriting]:
    """Bad rewrites of one kind, as evenly over the data sets as they allow."""
    draw = random.Random(f"{kind} {names}")
    prose = [row for name in names for row in rows[name] if "####" not in row.response and "{" not in row.response]
    made: list[list[Rewriting]] = []
    for name in names:
        own, found = rows[name], []
        for row in draw.sample(own, min(len(own), 2 * MOST)):
            long = [one for one in draw.sample(prose, 80) if len(one.response.split()) > 5]
            text = PLANTS[kind](row, draw, long if kind == "claim added" else own)
            if text is not None and text.strip() != row.response.strip():
                found.append(Rewriting(row.question, row.response, text))
        made.append(found)
    turns = [each[at] for at in range(MOST) for each in made if at < len(each)]
    return turns[:MOST]


def good(rows: dict[str, list[Row]], names: tuple[str, ...]) -> dict[str, list[Rewriting]]:
    """Rewrites that people wrote, by data set."""
    found = {}
    for name in names:
        own = [row for row in rows[name] if row.reworded is not None and row.reworded != row.response]
        draw = random.Random(name)
        own = draw.sample(own, min(MOST, len(own)))
        if own:
            found[name] = [Rewriting(row.question, row.response, row.reworded or "") for row in own]
    return found


def kept(rows: dict[str, list[Row]], names: tuple[str, ...]) -> list[Rewriting]:
    """What bad rewrites are made from, before they are spoilt."""
    draw = random.Random("kept")
    some = [row for name in names for row in draw.sample(rows[name], min(50, len(rows[name])))]
    return [Rewriting(row.question, row.response, said(row, draw)) for row in some]


def bounds(n: int, of: int) -> list[float] | None:
    """The 95 % interval of a share."""
    share = wilson(n, of)
    return None if share is None else [round(share.low, 4), round(share.high, 4)]


def measured(rows: dict[str, list[Row]], names: tuple[str, ...], show: str | None) -> dict[str, Any]:
    """What the gates catch of each kind, and refuse of what is good."""
    told: dict[str, Any] = {}
    for kind in PLANTS:
        bad = planted(rows, names, kind)
        caught = [refusals(one) for one in bad]
        by = Counter(refused[0].gate for refused in caught if refused)
        n = sum(map(bool, caught))
        told[kind] = {"n": len(bad), "caught": n, "interval": bounds(n, len(bad)), "first gate": dict(by)}
        if show == kind:
            for one, refused in zip(bad, caught, strict=True):
                if not refused:
                    print(f"--- not caught\n{one.question}\n{one.original}\n>>> {one.text}")
    for name, ones in {**good(rows, names), "as it stands, or in a frame": kept(rows, names)}.items():
        refused = [(one, found) for one in ones if (found := refusals(one))]
        by = Counter(found[0].gate for _, found in refused)
        n = len(refused)
        told[f"good: {name}"] = {"n": len(ones), "refused": n, "interval": bounds(n, len(ones)), "first gate": dict(by)}
        if show == "good":
            for one, found in refused:
                print(f"--- refused: {found[0].gate}: {found[0].why}\n{one.question}\n{one.original}\n>>> {one.text}")
    return told


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--show", help="a kind, or good: prints what went wrong where thresholds are set")
    given = parser.parse_args()
    rows = read(given.data)
    result = {"set on": measured(rows, SET_ON, given.show)}
    if given.show is None:
        result["seen later"] = measured(rows, SEEN_LATER, None)
    for part, kinds in result.items():
        print(part)
        for kind, one in kinds.items():
            print(f"  {kind:32} {one.get('caught', one.get('refused')):4} of {one['n']:4}  {one['first gate']}")
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
