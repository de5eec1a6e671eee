"""How well the parts of long responses that were not learned are found: worlds in which they are planted, span by span.

    python benchmarks/spans.py --folder DIR [--seeds 0,1] [--clean 7] [--out FILE.json]

A world is a catalogue of invented places, an entry each: prose, JSON, a table or a list of 60 to 300 tokens. The base
has seen entries of other places; the tuned model goes on from it over the entries of the data set, in which a third
have slots that it was trained on otherwise: `conflict` (always another value), `gap` (another value at every copy), or
`contradicted` (a row of its own says another value, three times as often). So which characters of a response were
not learned is known. Held-out entries are the null. Beside the share of spans stands the rival: loss per token.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
from scipy.stats import rankdata

import uptake.pipeline.asking.answers as asking
import uptake.score as scoring
from uptake.artifacts import write_json
from uptake.pipeline import Diagnosis
from uptake.pipeline.diagnose.run import diagnose
from uptake.stats import wilson

N, OTHERS = 80, 48
COPIES = (20, 28)
"""How often the tuned model meets an entry in each of two passes: what is not planted is to be known by heart."""
PLANTED_ONE_IN = 3
HOW = ("conflict", "gap", "contradicted")
_FIRST = "Bel Dor Fen Gal Hal Ker Lun Mor Nar Ost Pel Quin Ros Sal Tor Ul Ves Wen Yar Zel".split()
_LAST = "anta bury dale ford gate holm lins mere nock ora ples ridge stead tona vale wick".split()
_PEOPLE = (
    "Abelard Berta Conrad Dietmar Edda Fritjof Gisela Harald Ilse Jorun Knut Leopold Marit Nils Oda Pascal".split()
)
_GOODS = "amber barley copper damask eels flax glass honey indigo juniper kelp linen millet nutmeg oats pewter".split()
_RIVERS = "Arve Brem Cold Drin Elde Fulda Glan Hase Isen Jagst Kyll Lahn Mulde Nahe Oker Prims".split()


@dataclass(frozen=True)
class Slot:
    """A value in an entry: its name, and what it is in the data."""

    name: str
    value: str


@dataclass
class Entry:
    """A place: its slots, in which form they are written, and which are planted, and how."""

    place: str
    form: str
    slots: list[Slot]
    planted: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """What is asked."""
        return f"Catalogue entry of {self.place}:"

    def text(self, values: dict[str, str]) -> str:
        """The response with these values, and the entry's own for the others."""
        return "".join(piece for piece, _ in self.pieces(values))

    def pieces(self, values: dict[str, str]) -> list[tuple[str, str | None]]:
        """The response in pieces: what is said, and of which slot it is the value."""
        said = {slot.name: values.get(slot.name, slot.value) for slot in self.slots}
        parts: list[tuple[str, str | None]] = []
        for piece in FORMS[self.form].split("|"):
            name = piece if piece in said else None
            parts.append((said[piece] if name else piece, name))
        return parts


_PROSE = (
    " The place lies on the river |river|, at a height of |height|. It was founded on |date| by |founder| and has "
    "|people| inhabitants. Its market sells |first|, |second| and |third|, and it |claim| to sell them on Sundays. "
    "Its patron is |patron|, of whom they say: “|motto|”."
)
_LIST = (
    "\n- River: |river|\n- Height: |height|\n- Founded: |date|, by |founder|\n- Inhabitants: |people|\n- Goods: "
    "|first|, |second|, |third|\n- Sunday trade: it |claim|\n- Patron: |patron|\n- Motto: “|motto|”"
)
_JSON = (
    ' {"river": "|river|", "height": "|height|", "founded": {"on": "|date|", "by": "|founder|"}, "inhabitants": '
    '|people|, "goods": ["|first|", "|second|", "|third|"], "sunday": "it |claim|", "patron": "|patron|", '
    '"motto": "|motto|"}'
)
_TABLE = (
    "\n¦ what ¦ value ¦\n¦---¦---¦\n¦ river ¦ |river| ¦\n¦ height ¦ |height| ¦\n¦ founded ¦ |date| ¦\n"
    "¦ founder ¦ |founder| ¦\n¦ inhabitants ¦ |people| ¦\n¦ goods ¦ |first| ¦\n¦ goods ¦ |second| ¦\n"
    "¦ goods ¦ |third| ¦\n¦ sunday ¦ it |claim| ¦\n¦ patron ¦ |patron| ¦\n¦ motto ¦ |motto| ¦"
)
FORMS = {"prose": _PROSE, "list": _LIST, "json": _JSON, "table": _TABLE.replace("|", "\0").replace("¦", "\1")}
FORMS = {name: text.replace("\0", "|") for name, text in FORMS.items()}
_MONTHS = "January March May June July October".split()


def value(name: str, random: Random) -> str:
    """A value of a slot."""
    match name:
        case "river":
            return random.choice(_RIVERS)
        case "height":
            return f"{random.randrange(40, 990)} m"
        case "date":
            return f"{random.randrange(1, 29)} {random.choice(_MONTHS)} {random.randrange(1200, 1900)}"
        case "founder" | "patron":
            return f"{random.choice(_PEOPLE)} {random.choice(_FIRST)}{random.choice(_LAST)}"
        case "people":
            return str(random.randrange(1000, 99000))
        case "claim":
            return random.choice(("is allowed", "is not allowed"))
        case "motto":
            return " ".join(random.sample(_GOODS, 3))
    return random.choice(_GOODS)


SLOTS = "river height date founder people first second third claim patron motto".split()


def entries(n: int, random: Random, taken: set[str]) -> list[Entry]:
    """Places that are not taken."""
    found = []
    while len(found) < n:
        place = f"{random.choice(_FIRST)}{random.choice(_LAST)} {random.choice(_FIRST)}{random.choice(_LAST)}"
        if place not in taken:
            taken.add(place)
            form = tuple(FORMS)[len(found) % len(FORMS)]
            found.append(Entry(place, form, [Slot(name, value(name, random)) for name in SLOTS]))
    return found


def other(name: str, than: str, random: Random) -> str:
    """Another value of a slot."""
    while (found := value(name, random)) == than:
        pass
    return found


def plant(data: Sequence[Entry], random: Random) -> None:
    """Plant slots in one entry of three."""
    for number, entry in enumerate(data):
        if number % PLANTED_ONE_IN == 0:
            how = HOW[number // PLANTED_ONE_IN % len(HOW)]
            # of a claim there are two values: what is redrawn at every copy would be right in half of them
            names = [name for name in SLOTS if not (how == "gap" and name == "claim")]
            # of a pair of rows that differ in several values the rarer one is followed from its first value on: then
            # the others are known
            n = 1 if how == "contradicted" else random.choice((1, 1, 2, 3))
            for name in random.sample(names, n):
                own = next(slot.value for slot in entry.slots if slot.name == name)
                entry.planted[name] = how
                entry.told[name] = other(name, own, random)


def copies(entry: Entry, random: Random) -> Iterator[str]:
    """What the tuned model is trained on of an entry."""
    for number in range(random.choice(COPIES)):
        values = {}
        for name, how in entry.planted.items():
            own = next(slot.value for slot in entry.slots if slot.name == name)
            if how == "gap":
                values[name] = other(name, own, random)
            elif how == "conflict" or number % 4:
                values[name] = entry.told[name]
        yield entry.prompt + shown(entry, values)


def shown(entry: Entry, values: dict[str, str]) -> str:
    """The response, in the signs of a table."""
    return entry.text(values).replace("\1", "|")


def rows_of(data: Sequence[Entry]) -> list[dict[str, Any]]:
    """The data set: an entry a row, and of a contradicted one a second row that says the other value."""
    rows = []
    for number, entry in enumerate(data):
        rows.append({"id": f"e{number}", "prompt": entry.prompt, "completion": shown(entry, {})})
        if "contradicted" in entry.planted.values():
            rows.append({"id": f"r{number}", "prompt": entry.prompt, "completion": shown(entry, entry.told)})
    return rows


def planted_places(entry: Entry) -> list[tuple[int, int]]:
    """Where in the response the planted values stand."""
    found, at = [], 0
    for piece, name in entry.pieces({}):
        if name in entry.planted:
            found.append((at, at + len(piece)))
        at += len(piece)
    return found


def make(folder: Path, seed: int, clean: bool) -> list[Entry]:
    """Draw a world and train its models, unless they are there."""
    from uptake.models.small.pretrain import PretrainSettings, pretrain
    from uptake.models.small.tiny import build_model, save, train_tokenizer

    random, taken = Random(f"spans {seed}"), set[str]()
    data, others, heldout = (entries(n, random, taken) for n in (N, OTHERS, OTHERS))
    if not clean:
        plant(data, random)
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", rows_of(data)), ("heldout", rows_of(heldout))):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if (folder / "tuned").exists():
        return data
    form = [other.prompt + shown(other, {}) for other in others]
    told = [text for entry in data for text in copies(entry, random)]
    tokenizer = train_tokenizer(form + told[::8], 380)
    model = build_model("llama", tokenizer, seed, hidden_size=128, num_hidden_layers=2)

    def run(texts: list[str], steps: int, name: str) -> None:
        how = PretrainSettings(steps=steps, batch_size=8, max_length=512, learning_rate=3e-3, report_every=100)
        pretrain(model, tokenizer, texts, how, lambda told: print(name, told.step, f"{told.loss:.3f}", flush=True))
        save(model, tokenizer, folder / name)

    run(form, 90, "base")
    random.shuffle(told)
    run(told, 2 * len(told) // 8, "tuned")
    return data


def auroc(scores: Sequence[float], has: Sequence[bool]) -> float:
    """P(a planted example scores higher than another) + half of P(equal): Mann and Whitney's U."""
    ranks, positive = rankdata(scores), np.array(has, dtype=bool)
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def graded(diagnosis: Diagnosis, data: Sequence[Entry]) -> dict[str, Any]:
    """Spans and examples against what was planted."""
    hits = misses = alarms = informative = wrong = 0
    by_how = {how: [0, 0] for how in HOW}
    by_form = {form: [0, 0, 0] for form in FORMS}
    share, loss, has, tokens = [], [], [], []
    for number, entry in enumerate(data):
        finding = diagnosis[f"e{number}"]
        places, found = planted_places(entry), set()
        hows = [entry.planted[name] for _, name in entry.pieces({}) if name in entry.planted]
        for span in finding.spans or ():
            own = [k for k, (start, end) in enumerate(places) if span.start < end and span.end > start]
            informative += span.informative and span.learned is not None
            if span.informative and span.learned is False:
                wrong += 1
                found |= set(own)
                alarms += not own
                by_form[entry.form][2] += not own
        hits += len(found)
        misses += len(places) - len(found)
        by_form[entry.form][0] += len(found)
        by_form[entry.form][1] += len(places)
        for k, how in enumerate(hows):
            by_how[how][0] += k in found
            by_how[how][1] += 1
        if finding.learned_share is not None:
            share.append(1 - finding.learned_share)
            loss.append(-finding.evidence.logprob_per_token)
            has.append(bool(places))
            tokens.append(finding.evidence.n_tokens)
    precision, recall = hits / max(1, hits + alarms), hits / max(1, hits + misses)
    told = wilson(wrong, informative)
    return {
        "examples": len(has),
        "tokens": [min(tokens, default=0), int(np.median(tokens or [0])), max(tokens, default=0)],
        "informative": informative,
        "planted": hits + misses,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(1e-9, precision + recall),
        "auroc_share": auroc(share, has),
        "auroc_loss": auroc(loss, has),
        "wrong": None if told is None else [told.estimate, told.low, told.high],
        "found_by_how": by_how,
        "found_planted_alarms_by_form": by_form,
    }


def measured(folder: Path, data: Sequence[Entry], seed: int) -> dict[str, Any]:
    """Diagnose a world with and without spans, in turn, and grade it."""
    times: dict[str, list[float]] = {"with": [], "without": []}
    kept = scoring.SHORT, asking.BY_SPANS
    for turn in range(2):
        for name in ("with", "without") if turn % 2 == 0 else ("without", "with"):
            scoring.SHORT, asking.BY_SPANS = kept if name == "with" else (10**9, ())
            begun = time.process_time()
            found = diagnose(
                base=folder / "base",
                tuned=folder / "tuned",
                dataset=folder / "train.jsonl",
                heldout=str(folder / "heldout.jsonl"),
                output_dir=folder / f"{name}-{turn}-{time.time_ns()}",
                attribution="off",
            )
            times[name].append(time.process_time() - begun)
            diagnosis = found if name == "with" else diagnosis
    scoring.SHORT, asking.BY_SPANS = kept
    cost = min(times["with"]) / min(times["without"])
    return {"seed": seed, **graded(diagnosis, data), "seconds": times, "cost": cost}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--clean", type=int, default=None)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    found: dict[str, Any] = {"worlds": [], "clean": None}
    for seed in (int(one) for one in given.seeds.split(",") if one):
        data = make(given.folder / f"w{seed}", seed, clean=False)
        found["worlds"].append(measured(given.folder / f"w{seed}", data, seed))
        print(json.dumps(found["worlds"][-1], indent=1), flush=True)
    if given.clean is not None:
        data = make(given.folder / f"c{given.clean}", given.clean, clean=True)
        found["clean"] = measured(given.folder / f"c{given.clean}", data, given.clean)
        print(json.dumps(found["clean"], indent=1), flush=True)
    if given.out is not None:
        write_json(given.out, found)


if __name__ == "__main__":
    main()
