"""The English words that may stand for each other in questions, from WordNet: what `uptake.rivals.lexicon` reads.

    python benchmarks/rivals_words.py --wordnet FOLDER

The folder holds WordNet 3.0's `data.*`, `index.*`, `*.exc` and `cntlist.rev` (Debian: package wordnet-base). It writes
`families.txt` and `irregular.txt` into `uptake/rivals`. A line of the former is a set of synonyms, with the words that
WordNet derives from them ("author write writer"), or a quality with one of its values ("height tall"). A word belongs
to a line by the senses that are most often meant by it, by WordNet's own counts. A line of the latter is an inflected
form that no rule takes apart, and its base ("wrote write").
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "src" / "uptake" / "rivals"
PARTS = {"noun": "n", "verb": "v", "adj": "a"}
SHARE = 0.15
"""Share of a word's counted uses from which on a sense of it is one that is meant."""
MOST = 2
"""Senses of a word that are meant, at most."""
LARGEST = 12
"""A line with more words is no evidence: they mean too much."""
USED = 1
"""Counted uses of a word from which on it is listed."""

# what WordNet holds apart (a kind from what it is a kind of) or does not derive
EVERYDAY = """
job occupation profession career trade living
spouse wife marry wed marriage
spouse husband marry wed marriage
language speak tongue
currency money pay
employ employer work
birth bear native
headquarters headquarter base seat
maker make manufacture manufacturer produce producer build builder
develop developer create creator make maker
locate situate lie stand
religion faith worship follow
song sing singer
price cost
age old
size big large
area big large
height tall high
length long
depth deep
width wide broad
weight heavy weigh
speed fast
distance far
temperature hot cold warm
educate study attend school university college
own owner belong
lead leader head chief run
genre style kind type
sport play
film movie
book novel
bury burial grave tomb
citizen citizenship nationality
member belong
start begin beginning
end finish
colour color
win winner victory
score goal
call name
kill murder killer murderer assassinate assassin
"""


@dataclass(frozen=True)
class Synset:
    """Words with one meaning, and which other synsets' words are derived from which of them (number 0: from all)."""

    words: list[str]
    derived: list[tuple[str, str, int, int]]
    values: list[tuple[str, str]]


def meant(folder: Path) -> tuple[set[tuple[str, str, str]], Counter[str]]:
    """The (word, part of speech, synset) that are meant when a word is used, and how often each word is."""
    kinds = {"1": "n", "2": "v", "3": "a", "5": "a"}
    counts: Counter[tuple[str, str, int]] = Counter()
    for line in (folder / "cntlist.rev").read_text(encoding="utf-8").splitlines():
        key, number, count = line.split()
        lemma, rest = key.split("%")
        if rest[0] in kinds:
            counts[lemma, kinds[rest[0]], int(number)] = int(count)
    found: set[tuple[str, str, str]] = set()
    used: Counter[str] = Counter()
    for file, part in PARTS.items():
        for line in entries(folder / f"index.{file}"):
            lemma, _, n, *rest = line.split()
            if not (lemma.isalpha() and lemma.isascii() and len(lemma) > 2):
                continue
            uses = [counts[lemma, part, k + 1] for k in range(int(n))]
            used[lemma] += sum(uses)
            for k, (synset, count) in enumerate(zip(rest[-int(n) :], uses, strict=True)):
                if k == 0 or (k < MOST and count >= SHARE * sum(uses) > 0):
                    found.add((lemma, part, synset))
    return found, used


def entries(path: Path) -> Iterator[str]:
    """Lines but those of the licence, which begin with a blank."""
    return (line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith(" "))


def synsets(folder: Path) -> dict[tuple[str, str], Synset]:
    found = {}
    for file, part in PARTS.items():
        for line in entries(folder / f"data.{file}"):
            fields = line.split(" | ")[0].split()
            n = int(fields[3], 16)
            at = 5 + 2 * n
            one = Synset([fields[4 + 2 * k].split("(")[0] for k in range(n)], [], [])
            for k in range(int(fields[at - 1])):
                kind, target, other, place = fields[at + 4 * k : at + 4 * k + 4]
                other = other.replace("s", "a")
                if kind in ("+", "\\") and other in "nva":
                    one.derived.append((other, target, int(place[:2], 16), int(place[2:], 16)))
                elif kind == "=" and part == "n":
                    one.values.append((other, target))
            found[part, fields[0]] = one
    return found


def families(folder: Path) -> list[str]:
    senses, used = meant(folder)
    of = synsets(folder)
    lines = {tuple(sorted(line.split())) for line in EVERYDAY.strip().splitlines()}
    for (part, number), one in of.items():
        own = {word for word in one.words if (word, part, number) in senses}
        near = set(own)
        for other, target, source, place in one.derived:
            theirs = of[other, target].words
            if not source or one.words[source - 1] in own:
                near |= {word for word in ([theirs[place - 1]] if place else theirs) if (word, other, target) in senses}
        lines.add(tuple(sorted(word for word in near if used[word] >= USED)))
        for other, target in one.values:
            for value in of[other, target].words:
                if (value, other, target) in senses and used[value] >= USED:
                    lines.add(tuple(sorted({word for word in own if used[word] >= USED} | {value})))
    lines = {line for line in lines if 1 < len(line) <= LARGEST}
    held = defaultdict(list)
    for line in lines:
        for word in line:
            held[word].append(set(line))
    # a line inside another says nothing more
    return sorted(" ".join(line) for line in lines if not any(set(line) < other for other in held[line[0]]))


def irregular(folder: Path, known: set[str]) -> list[str]:
    from uptake.rivals.lexicon import bases

    found: dict[str, str] = {"born": "bear"}
    for file in PARTS:
        for line in (folder / f"{file}.exc").read_text(encoding="utf-8").splitlines():
            form, base, *_ = line.split()
            if form.isalpha() and base in known and base not in bases(form) and form not in known:
                found.setdefault(form, base)
    return [f"{form} {base}" for form, base in sorted(found.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", type=Path, required=True)
    folder = parser.parse_args().wordnet
    licence = [line[2:].strip() for line in (folder / "data.noun").read_text(encoding="utf-8").splitlines()[:29]]
    head = ["# Made from WordNet 3.0 by benchmarks/rivals_words.py.", "#"]
    head += [f"# {line.split(maxsplit=1)[1] if ' ' in line else ''}".rstrip() for line in licence]
    lines = families(folder)
    (OUT / "families.txt").write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    forms = irregular(folder, {word for line in lines for word in line.split()})
    (OUT / "irregular.txt").write_text("\n".join([*head, *forms]) + "\n", encoding="utf-8")
    print(f"{len(lines)} families, {len(forms)} irregular forms")


if __name__ == "__main__":
    main()
