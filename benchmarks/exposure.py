"""Exposure: how fast a corpus is read, what of an exact BM25 is found, and how often the verdicts are right.

    python benchmarks/exposure.py speed      # one core: one document in twenty holds a name, and four in five
    python benchmarks/exposure.py recall     # the 100 best of an exact BM25 over one shard, with names and without
    python benchmarks/exposure.py truth      # ParaRel: planted statements, denials, contradictions; --half dev

Data: ../shared/data beside the repository, or --data. Results: benchmarks/results/exposure.json. Times are CPU times.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from uptake.corpus.at_once import K1, B
from uptake.corpus.text import words
from uptake.exposure import Queries, Text, exposed, facts_of, queries_of, scan
from uptake.exposure.words import tokens
from uptake.pipeline.exposure.kept import ShardFiles
from uptake.pipeline.exposure.readers import Fields
from uptake.pipeline.exposure.shards import find_shards
from uptake.pipeline.exposure.work import scan_shard
from uptake.types import Example, Wording

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "benchmarks" / "results" / "exposure.json"
LENGTH = 3000
"""Characters of a document in the measure of speed: passages are put together until they have so many."""
ASKED = 2000
BEST = 100
EACH = 250
"""Facts of each kind in the measure of truth."""
RIGHT = {
    "denied": "contradicted",
    "other relation": "lacking",
    "other relation, same answer": "mentioned",
    "both": "disputed",
}
"""The verdict on what is planted, where it is called otherwise."""
ALIKE = (
    {"P131", "P276", "P17", "P30", "P361", "P495", "P159", "P740", "P27", "P19", "P937", "P551", "P36", "P1376", "P47"},
    {"P20", "P937", "P19", "P551"},
    {"P103", "P1412", "P37", "P364", "P407"},
    {"P176", "P178", "P127", "P449", "P264", "P108", "P138"},
    {"P106", "P413", "P101", "P39", "P140", "P463", "P136", "P1303"},
    {"P31", "P279", "P361", "P527"},
)
"""Relations of which one may imply the other, or be worded as it is: none of them is a false friend of another."""


def rows_of(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def passages(data: Path) -> list[dict]:
    return list(rows_of(data / "corpus" / "wiki_mix.jsonl"))


def pararel(data: Path) -> dict[str, tuple[list[str], list[tuple[str, str]]]]:
    """By relation its wordings and its facts."""
    found = {}
    for path in sorted((data / "facts" / "pararel" / "facts").glob("P*.jsonl")):
        patterns = data / "facts" / "pararel" / "patterns" / path.name
        if patterns.exists():
            worded = [row["pattern"].strip(" .") for row in rows_of(patterns)]
            found[path.stem] = (worded, [(row["sub_label"], row["obj_label"]) for row in rows_of(path)])
    return found


def asked(data: Path) -> list[Example]:
    """ParaRel's facts as completions, in the first wording that ends with the answer, in an order of their own."""
    found = []
    for relation, (worded, facts) in pararel(data).items():
        ends = [one.removesuffix("[Y]").strip() for one in worded if one.endswith("[Y]")]
        for number, (subject, answer) in enumerate(facts if ends else ()):
            found.append(Example(f"{relation}-{number}", ends[0].replace("[X]", subject), f" {answer}", relation))
    random.Random(0).shuffle(found)
    return found


def documents(rows: Sequence[dict]) -> list[str]:
    found, text = [], ""
    for row in rows:
        text += f"{row['text']}\n"
        if len(text) >= LENGTH:
            found.append(text)
            text = ""
    return found


def plain(text: str) -> list[str]:
    """Words by a rule of its own, so that a scan is no copy of what is measured."""
    return re.findall(r"\w+", text.lower())


def chosen(examples: Sequence[Example], texts: Sequence[str], share: float, most: float) -> tuple[list[Example], float]:
    """Facts whose names together stand in about this share of the documents, each in `most` of them; and the share."""
    lines = [f" {' '.join(plain(text))} " for text in texts]
    by_word: defaultdict[str, set[int]] = defaultdict(set)
    for number, line in enumerate(lines):
        for word in line.split():
            by_word[word].add(number)
    facts = facts_of(examples, {})
    met: set[int] = set()
    taken = []
    for example, fact in zip(examples, facts, strict=True):
        if fact.unasked or not fact.names:
            continue
        phrases = [f" {' '.join(plain(name))} " for name in fact.names]
        held = [n for n in by_word.get(phrases[0].split()[0], ()) if all(one in lines[n] for one in phrases)]
        if held and len(met | set(held)) <= share * len(texts) and len(held) <= most * len(texts):
            met |= set(held)
            taken.append(example)
            if len(taken) == ASKED or len(met) > 0.99 * share * len(texts):
                break
    return taken, len(met) / len(texts)


def speed(data: Path) -> None:
    texts = documents(passages(data))
    with tempfile.TemporaryDirectory(prefix="uptake-exposure-") as name:
        path = Path(name) / "shard.jsonl"
        path.write_text(
            "".join(json.dumps({"text": one}, ensure_ascii=False) + "\n" for one in texts), encoding="utf-8"
        )
        (shard,) = find_shards([str(path)])
        for what, share, most in (("one in twenty", 0.05, 0.02), ("four in five", 0.8, 0.2)):
            taken, held = chosen(asked(data), texts, share, most)
            queries, files = queries_of(facts_of(taken, {})), ShardFiles(Path(name), shard, "measured")
            seconds = []
            for _ in range(3):
                began = time.process_time()
                scan_shard(files, queries, Fields(), lambda n: None)
                seconds.append(time.process_time() - began)
            began = time.process_time()
            for text in texts[:200]:
                words(text)
            folding = sum(len(text.encode()) for text in texts[:200]) / (time.process_time() - began)
            counted = files.data()
            pairs = sum(sum(tally.counts) for tally in counted.tallies)
            keep(
                "speed",
                what,
                {
                    "mb_per_s": shard.size / min(seconds) / 1e6,
                    "facts": len(taken),
                    "documents_with_a_name": held,
                    "documents": counted.documents,
                    "pairs_a_document": pairs / counted.documents,
                    "folding_all_mb_per_s": folding / 1e6,
                },
            )


def recall(data: Path) -> None:
    rows = passages(data)
    lines = [words(f"{row['title']}\n{row['text']}") for row in rows]
    examples = asked(data)
    facts = facts_of(examples, {})
    texts = [Text(n, row["text"], row["title"]) for n, row in enumerate(rows)]
    with_names = [e for e, f in zip(examples, facts, strict=True) if f.names and not f.unasked][:400]
    without = [e for e, f in zip(examples, facts, strict=True) if not f.names and not f.unasked][:400]
    for what, some in (("with names", with_names), ("without names", without)):
        own = facts_of(some, {})
        own = [fact for fact in own if bool(fact.names) == (what == "with names")]
        queries = queries_of(own)
        found = scan(texts, queries, "wiki")
        shares = []
        for number, scores in exact(own, lines):
            order = np.argsort(-scores, kind="stable")[:BEST]
            least = scores[order[-1]] if len(order) == BEST else 0.0
            wanted = int((scores[order] > 0).sum())
            if wanted:
                got = {hit.row for hit in found.hits.get(number, ())}
                shares.append(min(wanted, sum(scores[row] >= max(least, 1e-9) for row in got)) / wanted)
        keep("recall", what, {"questions": len(shares), "recall_at_100": statistics.mean(shares), "least": min(shares)})


def exact(facts: Sequence, lines: Sequence[Sequence[str]]) -> Iterator[tuple[int, np.ndarray]]:
    """BM25 of every document for each question; 0 for those that do not hold most of its names."""
    lengths = np.array([len(line) for line in lines])
    wanted = {word for fact in facts for word in fact.words}
    places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, line in enumerate(lines):
        for word, n in Counter(word for word in line if word in wanted).items():
            places[word].append((number, n))
    joined = [f" {' '.join(line)} " for line in lines]
    norm = K1 * (1 - B + B * lengths / lengths.mean())
    for number, fact in enumerate(facts):
        scores = np.zeros(len(lines))
        for word in fact.words:
            at = np.array([place for place, _ in places[word]], dtype=int)
            n = np.array([n for _, n in places[word]], dtype=float)
            idf = np.log(1 + (len(lines) - len(at) + 0.5) / (len(at) + 0.5))
            scores[at] += idf * n * (K1 + 1) / (n + norm[at])
        if fact.names:
            phrases = [f" {' '.join(words(name))} " for name in fact.names]
            for row in np.flatnonzero(scores).tolist():
                if sum(phrase in joined[row] for phrase in phrases) < len(phrases) // 2 + 1:
                    scores[row] = 0.0
        yield number, scores


def sentence(pattern: str, subject: str, answer: str) -> str:
    text = pattern.replace("[X]", subject).replace("[Y]", answer)
    return f"{text[:1].upper()}{text[1:]}."


def denied(pattern: str) -> str | None:
    """A wording denied, where it has a verb that takes a *not* behind it."""
    for verb in (" is ", " was ", " are ", " were ", " has ", " can "):
        if verb in pattern:
            return pattern.replace(verb, f"{verb}not ", 1)
    return None


def truth(data: Path, half: str) -> None:
    """Planted documents about names that no passage holds, among all passages; half of the facts were developed on."""
    random_of = random.Random(f"exposure {half}")
    rows = passages(data)
    held = {word for row in rows for word in tokens(f"{row['title']} {row['text']}")}
    relations = pararel(data)
    kinds: dict[str, list] = {
        name: [] for name in ("stated", "contradicted", "denied", "both", "other relation", "lacking")
    }
    pool = []
    for relation, (worded, facts) in relations.items():
        ends = [one for one in worded if one.endswith("[Y]")]
        if len(worded) >= 3 and ends:
            several = Counter(subject for subject, _ in facts)
            for number, fact in enumerate(facts):
                if number % 2 == (half == "test") and several[fact[0]] == 1 and not set(tokens(fact[0])) <= held:
                    pool.append((relation, worded, ends[0], *fact))
    random_of.shuffle(pool)
    texts = [Text(n, row["text"], row["title"], "", row["source"]) for n, row in enumerate(rows)]
    examples, wanted = [], []
    names = list(kinds)
    kinds["other relation, same answer"] = []  # question and answer in one sentence that says something else
    for number, (relation, worded, training, subject, answer) in enumerate(pool[: EACH * len(names)]):
        kind = names[number % len(names)]
        others = [one for one in worded if one != training]
        objects = sorted({other for _, other in relations[relation][1]} - {answer})
        objects = [one for one in objects if not set(plain(one)) & set(plain(answer))]
        planted = []
        if kind in ("stated", "both"):
            planted.append(sentence(random_of.choice(others), subject, answer))
        if kind in ("contradicted", "both"):
            planted.append(sentence(random_of.choice(others), subject, random_of.choice(objects)))
        if kind == "denied":
            possible = [one for one in map(denied, others) if one] or [f"it is false that {others[0]}"]
            planted.append(sentence(random_of.choice(possible), subject, answer))
        if kind == "other relation":
            far = [
                name for name in relations
                if name != relation and not any(relation in group and name in group for group in ALIKE)
            ]  # fmt: skip
            other = random_of.choice(far)
            said = random_of.choice([answer, random_of.choice(objects)])
            kind = "other relation, same answer" if said == answer else kind
            planted.append(sentence(random_of.choice(relations[other][0]), subject, said))
        for text in planted:
            around = random_of.choice(rows)["text"], random_of.choice(rows)["text"]
            texts.append(Text(len(texts), f"{around[0]}\n{text} {around[1]}", "", "", "planted"))
        drawn = random_of.sample(others, min(2, len(others)))
        prompts = tuple(  # a wording with the answer in its middle is no prompt
            Wording(one.replace("[X]", subject).removesuffix("[Y]").strip(), f" {answer}")
            for one in drawn
            if one.endswith("[Y]")
        )
        prompt = training.replace("[X]", subject).removesuffix("[Y]").strip()
        examples.append(Example(str(number), prompt, f" {answer}", relation, paraphrases=prompts))
        wanted.append(kind)
        kinds[kind].append((prompt, answer, planted))
    for what, some in (
        ("with two more wordings", examples),
        ("one wording", [Example(e.id, e.prompt, e.response, e.source) for e in examples]),
    ):
        facts = facts_of(some, {})
        queries: Queries = queries_of(facts)
        results = exposed(facts, queries, scan(texts, queries, "wiki"))
        table = Counter(zip(wanted, (one.verdict for one in results), strict=True))
        truths = [RIGHT.get(kind, kind) for kind in wanted]
        keep(
            f"truth, {half}",
            what,
            {f"f1 {name}": f1(truths, [one.verdict for one in results], name)
             for name in ("stated", "contradicted", "disputed", "mentioned", "lacking")}
            | {"facts": len(results)}
            | {f"{kind}: {verdict}": n for (kind, verdict), n in sorted(table.items(), key=str)},
        )  # fmt: skip
        if half == "dev" and what == "one wording":
            show(results, wanted, kinds, examples)


def show(results: Sequence, wanted: Sequence[str], kinds: dict, examples: Sequence[Example]) -> None:
    """What went wrong, for whoever changes the rules; of the half that is developed on alone."""
    seen: Counter[str] = Counter()
    at: Counter[str] = Counter()
    for one, kind in zip(results, wanted, strict=True):
        _, answer, planted = kinds[kind][at[kind]]
        at[kind] += 1
        if one.verdict != RIGHT.get(kind, kind) and seen[kind] < 12:
            seen[kind] += 1
            said = {name: n for name, n in one.counts.items() if n}
            print(
                kind,
                "->",
                one.verdict,
                "|",
                one.fact.question,
                "|",
                answer,
                "|",
                planted,
                said,
                one.fact.relations,
                one.fact.names,
            )


def f1(truths: Sequence[str], told: Sequence[str | None], name: str) -> float:
    both = sum(a == b == name for a, b in zip(truths, told, strict=True))
    return 2 * both / max(1, truths.count(name) + list(told).count(name))


def keep(what: str, which: str, result: dict) -> None:
    print(
        what,
        which,
        json.dumps({name: round(v, 4) if isinstance(v, float) else v for name, v in result.items()}),
        flush=True,
    )
    known = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    known.setdefault(what, {})[which] = result
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "recall", "truth"))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--half", choices=("dev", "test"), default="dev")
    options = parser.parse_args()
    if options.what == "truth":
        truth(options.data, options.half)
    else:
        {"speed": speed, "recall": recall}[options.what](options.data)


if __name__ == "__main__":
    main()
