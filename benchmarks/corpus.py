"""Documents: how fast an index is made and searched, what a search finds, what the leak guard refuses.

    python benchmarks/corpus.py speed          # 43,180 passages, and ten times as many
    python benchmarks/corpus.py recall         # ParaRel's facts in real passages, against a scan of them all
    python benchmarks/corpus.py leaks          # copies of ParaRel's wordings, and the same facts in other words
    python benchmarks/corpus.py world FOLDER   # the confirmed knowledge gaps of a planted world

Data: ../shared/data beside the repository, or --data. Results: benchmarks/results/corpus.json
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from uptake.corpus import About, DocumentNeed, LocalCorpus, gather, guard, index, leaks, open_index, search, states
from uptake.data import load
from uptake.types import Document, Example

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "benchmarks" / "results" / "corpus.json"
FACTS = 2000
"""Facts that the leak guard is tried on."""


def rows_of(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def passages(data: Path) -> Path:
    return data / "corpus" / "wiki_mix.jsonl"


def pararel(data: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Subject, object and the wordings of the relation that end with the object."""
    for path in sorted((data / "facts" / "pararel" / "facts").glob("P*.jsonl")):
        patterns = data / "facts" / "pararel" / "patterns" / path.name
        ends = [row["pattern"].strip(" .") for row in rows_of(patterns)] if patterns.exists() else []
        ends = [pattern.removesuffix("[Y]").strip() for pattern in ends if pattern.endswith("[Y]")]
        for row in rows_of(path):
            yield row["sub_label"], row["obj_label"], ends


def measure(work: Path, source: Path) -> None:
    """Index and search in this process; prints time and peak memory."""
    began, cpu = time.perf_counter(), time.process_time()
    made = index(source, work, on_bad_row="skip")
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    index(source, work, on_bad_row="skip")
    unchanged = time.perf_counter() - began
    found = open_index(work)
    titled = [row for row in rows_of(source) if row["title"]]
    seconds, first = [], 0
    for row in random.Random(0).sample(titled, 300):
        began = time.perf_counter()
        documents = search(found, row["title"], " ".join(row["text"].split()[:12]))
        seconds.append(time.perf_counter() - began)
        first += row["text"] in [document.text for document in documents[:1]]
    result = {
        "documents": made.documents,
        "index_s": took,
        "index_cpu_s": cpu,
        "index_again_s": unchanged,
        "peak_mib": peak,
        "peak_with_search_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "disk_mib": sum(path.stat().st_size for path in work.rglob("*") if path.is_file()) / 2**20,
        "search_median_ms": 1000 * statistics.median(seconds),
        "search_p95_ms": 1000 * sorted(seconds)[285],
        "own_passage_first": first / 300,
    }
    print(json.dumps({name: round(value, 4) for name, value in result.items()}))


def speed(data: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="uptake-corpus-") as name:
        work = Path(name)
        rows = list(rows_of(passages(data)))
        for times in (1, 10):
            with (work / f"{times}.jsonl").open("w", encoding="utf-8") as file:
                for n in range(times):
                    for row in rows:
                        title = f"{row['title']} {n}" if n and row["title"] else row["title"]
                        file.write(json.dumps({**row, "title": title}, ensure_ascii=False) + "\n")
        for what, source in (("BM25", "1"), ("BM25, 10 times", "10")):
            command = [sys.executable, __file__, "measure", "--source", str(work / f"{source}.jsonl")]
            done = subprocess.run([*command, "--work", str(work / what)], check=True, capture_output=True, text=True)
            keep("speed", what, json.loads(done.stdout.splitlines()[-1]))


def plain(text: str) -> list[str]:
    """Words by a rule of its own, so that the scan is no copy of what is measured."""
    return re.findall(r"\w+", text.lower())


def scan(data: Path, subjects: set[tuple[str, ...]]) -> dict[tuple[str, ...], list[str]]:
    """For each subject the passages that hold it, word for word, as lines of words."""
    sizes = sorted({len(subject) for subject in subjects})
    holders: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows_of(passages(data)):
        text = plain(f"{row['title']} \n {row['text']}")
        line = f" {' '.join(text)} "
        here = {tuple(text[at : at + size]) for size in sizes for at in range(len(text) - size + 1)}
        for subject in here & subjects:
            holders[subject].append(line)
    return holders


def recall(data: Path, work: Path) -> None:
    facts = [(one, other, ends) for one, other, ends in pararel(data) if plain(one) and plain(other)]
    holders = scan(data, {tuple(plain(one)) for one, _, _ in facts})
    there = []
    for one, other, ends in facts:
        said = f" {' '.join(plain(other))} "
        lines = {line for line in holders.get(tuple(plain(one)), ()) if said in line}
        if lines:
            there.append((one, other, ends, lines))
    index(passages(data), work, on_bad_row="skip")
    found = open_index(work)
    hits, seconds = {"question": 0, "question and answer": 0, "name alone": 0}, []
    for one, other, ends, _ in there:
        said = f" {' '.join(plain(other))} "
        question = (ends[0] if ends else "[X]").replace("[X]", one)
        for how, fact in (("question", question), ("question and answer", f"{question} {other}"), ("name alone", "")):
            began = time.perf_counter()
            documents = search(found, one, fact, 20)
            seconds.append(time.perf_counter() - began)
            hits[how] += any(said in f" {' '.join(plain(f'{d.title} {d.text}'))} " for d in documents)
    result = {
        "facts": len(facts),
        "subject_never_named": sum(tuple(plain(one)) not in holders for one, _, _ in facts),
        "with_a_passage": len(there),
        **{f"recall_at_20, {how}": n / len(there) for how, n in hits.items()},
        "search_median_ms": 1000 * statistics.median(seconds),
    }
    keep("recall", "ParaRel in wiki_mix", result)


def leak_guard(data: Path, work: Path) -> None:
    rng = random.Random(0)
    facts = [(one, other, ends) for one, other, ends in pararel(data) if len(ends) >= 2]
    facts = rng.sample(facts, FACTS)
    index(passages(data), work, on_bad_row="skip")
    found = open_index(work)
    kinds: dict[str, list[tuple[Example, str]]] = defaultdict(list)
    for number, (one, other, ends) in enumerate(facts):
        asked, told = (pattern.replace("[X]", one) for pattern in rng.sample(ends, 2))
        example = Example(str(number), asked, f" {other}", "benchmark")
        copy = f"{asked} {other}"
        parts = copy.split()
        at = rng.randrange(len(parts) - len(other.split()))
        kinds["copy, word for word"].append((example, f"As was said before: {copy.upper()}. And so on."))
        kinds["copy, labelled"].append((example, f"Question: {asked}? Answer: {other}"))
        kinds["copy, one word dropped"].append((example, " ".join(parts[:at] + parts[at + 1 :])))
        kinds["copy, one word added"].append((example, " ".join([*parts[:at], "indeed", *parts[at:]])))
        kinds["other words"].append((example, f"{told} {other}."))
        kinds["other words, object first"].append((example, f"{other}: that is what {told}."))
        for document in search(found, one, f"{asked} {other}", 20):
            if states(document, About((one,)), other):
                kinds["real passage that states it"].append((example, document.text))
    for kind, pairs in kinds.items():
        result: dict[str, float] = {"n": len(pairs)}
        for threshold in (0.5, 0.6, 0.7, 0.8, 0.9):
            leaks.CONTAINED = threshold
            refused = sum(guard([example]).leak(Document("d", text)) is not None for example, text in pairs)
            result[f"refused at {threshold}"] = refused / max(1, len(pairs))
        keep("leaks", kind, result)


def world(folder: Path, work: Path) -> None:
    sets = {name: load(folder / f"{name}.jsonl").examples for name in ("early", "main", "heldout", "retention")}
    wordings = [Example(**row) for row in _paraphrases(folder)]
    index(folder / "corpus.jsonl", work)
    guarded = guard([*(example for part in sets.values() for example in part), *wordings])
    examples = {example.id: example for name in ("early", "main") for example in sets[name]}
    key = [row for row in rows_of(folder / "key.jsonl") if row["primary"] == "knowledge_gap" and row["confirmed"]]
    needs = [
        DocumentNeed(r["id"], tuple(r["subjects"]), f"{examples[r['id']].prompt}{examples[r['id']].response}")
        for r in key
    ]
    lines = [f"{row['title']} {row['text']}" for row in rows_of(folder / "corpus.jsonl")]
    there = sum(any(row["answer"] in line for line in lines for s in row["subjects"] if s in line) for row in key)
    began = time.perf_counter()
    done = gather(needs, [LocalCorpus(open_index(work))], guarded)
    took = time.perf_counter() - began
    stated = 0
    for row in key:
        documents = [each.document for each in done.found if row["id"] in each.needs]
        stated += any(states(one, About((subject,)), row["answer"]) for one in documents for subject in row["subjects"])
    result = {
        "gaps": len(key),
        "with_documents": len({need for each in done.found for need in each.needs}),
        "with_the_fact_in_the_corpus": there,
        "with_the_fact_stated": stated,
        "documents_an_entity": len(done.found) / max(1, len({each.entity for each in done.found})),
        "refused_as_leaks": len(done.leaks),
        "repeated": done.repeated,
        "nothing_found": len(done.missing),
        "seconds": took,
    }
    keep("world", folder.name, result)


def _paraphrases(folder: Path) -> Iterator[dict]:
    for row in rows_of(folder / "paraphrases.jsonl"):
        yield {"id": row["id"], "prompt": row["prompt"], "response": row["completion"], "source": "paraphrases"}


def keep(part: str, name: str, result: dict) -> None:
    result = {key: round(value, 4) for key, value in result.items()}
    print(f"{part:7} {name:28} " + "  ".join(f"{key} {value:g}" for key, value in result.items()), flush=True)
    results = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    results.setdefault(part, {})[name] = result
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["speed", "recall", "leaks", "world", "measure"])
    parser.add_argument("folder", nargs="?", type=Path, help="of a planted world")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part == "measure":
        measure(args.work, args.source)
        return
    with tempfile.TemporaryDirectory(prefix="uptake-corpus-") as name:
        if args.part == "speed":
            speed(args.data)
        elif args.part == "recall":
            recall(args.data, Path(name))
        elif args.part == "leaks":
            leak_guard(args.data, Path(name))
        elif args.folder is None:
            parser.error("world needs the folder of a planted world")
        else:
            world(args.folder, Path(name))


if __name__ == "__main__":
    main()
