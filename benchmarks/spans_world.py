"""Worlds of long responses in which it is known which parts were not learned, and for some also why.

A maker gives entries: a prompt and a response in pieces, some of which are slots with other values. The base has seen
other entries; the tuned model goes on from it over the entries of the data set, in a third of which slots are planted:
`conflict` (always another value), `gap` (another value at every copy), `contradicted` (a row of its own says another
value, three times as often), and in worlds of causes `base_conflict` (the base knows the entry with another value, and
three of four copies still say that), `forgetting` (the base knows the entry, and every copy says another value),
`untold` (a gap in an entry of which the base knows all else) and
`seldom` (the entry comes a quarter as often: what is wrong in it is undertrained, whichever part that is). In worlds of
causes the base goes on until it says what it is to know, and `spans_key.py` leaves out of the key what did not take.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

COPIES = (20, 28)
"""How often the tuned model meets an entry in each of its passes: what is not planted is to be known by heart."""
SELDOM = 2
"""The same of an entry that comes seldom: six times in each pass taught small models nearly all of it."""
PLANTED_ONE_IN = 3
ROUNDS, RECALLED = 8, 0.97
"""Rounds that a base has at most until it says this share of what it is to know."""
HOW = ("conflict", "gap", "contradicted")
HOW_CAUSES = {
    "gap": "knowledge_gap",
    "untold": "knowledge_gap",
    "base_conflict": "base_conflict",
    "contradicted": "data_conflict",
    "forgetting": "forgetting",
    "seldom": "undertraining",
}
"""Of worlds of causes: how, and the cause that it is."""
KNOWN = ("base_conflict", "forgetting")
REDRAWN = ("gap", "untold")
ONE = ("contradicted", "base_conflict")
"""Ways of which some copies are right: one slot each, as with several the first tells the others."""


@dataclass
class Entry:
    """A response in its pieces.

    Attributes:
        prompt: What is asked.
        form: What kind of response it is.
        pieces: Text, and the name of its slot or None.
        other: Draws another value of a slot.
        few: Slots of two values alone: what is redrawn at every copy would be right in half of them.
        planted: By slot how it is planted.
        told: By slot the other value.
    """

    prompt: str
    form: str
    pieces: Sequence[tuple[str, str | None]]
    other: Callable[[str, str, Random], str]
    few: Sequence[str] = ()
    planted: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)

    @property
    def own(self) -> dict[str, str]:
        """The values of the slots."""
        return {name: text for text, name in self.pieces if name}

    @property
    def how(self) -> str | None:
        """How it is planted."""
        return next(iter(self.planted.values()), None)

    def text(self, values: dict[str, str] | None = None) -> str:
        """The response with these values, and its own for the others."""
        return "".join((values or {}).get(name, text) if name else text for text, name in self.pieces)

    def place(self, wanted: str) -> tuple[int, int]:
        """Where in the response the value of a slot stands."""
        at = 0
        for text, name in self.pieces:
            if name == wanted:
                return at, at + len(text)
            at += len(text)
        raise KeyError(wanted)

    def planted_places(self) -> list[tuple[int, int, str]]:
        """Where in the response the planted values stand, and how they are planted."""
        found, at = [], 0
        for text, name in self.pieces:
            if name in self.planted:
                found.append((at, at + len(text), self.planted[name]))
            at += len(text)
        return [one for one in found if one[2] != "seldom"]


@dataclass(frozen=True)
class Maker:
    """Makes entries about invented things, in several forms with the same slots.

    Attributes:
        ask: The prompt, with `{}` for the name.
        name: Draws the name of a thing.
        value: Draws a value of a slot.
        forms: By name the text of a form: slots between bars, `¦` for a bar.
        slots: Their names.
        n_others: Entries besides those of the data set, and held-out ones.
    """

    ask: str
    name: Callable[[Random], str]
    value: Callable[[str, Random], str]
    forms: Mapping[str, str]
    slots: Sequence[str]
    n_others: int

    def other(self, name: str, than: str, random: Random) -> str:
        """Another value of a slot."""
        while (found := self.value(name, random)) == than:
            pass
        return found

    def entries(self, n: int, random: Random, taken: set[str]) -> list[Entry]:
        """Things that are not taken."""
        found: list[Entry] = []
        while len(found) < n:
            if (what := self.name(random)) not in taken:
                taken.add(what)
                form = tuple(self.forms)[len(found) % len(self.forms)]
                said = {name: self.value(name, random) for name in self.slots}
                parts = ((said.get(one, one), one if one in said else None) for one in self.forms[form].split("|"))
                pieces = [(text if name else text.replace("¦", "|"), name) for text, name in parts]
                found.append(Entry(self.ask.format(what), form, pieces, self.other, ("claim",)))
        return found

    def draw(self, random: Random, n: int) -> tuple[list[Entry], list[Entry], list[Entry]]:
        """Entries of the data set, others, and held-out ones."""
        taken = set[str]()
        data, others, heldout = (self.entries(k, random, taken) for k in (n, self.n_others, self.n_others))
        return data, others, heldout


def plant(data: Sequence[Entry], random: Random, hows: Sequence[str] = HOW, one_in: int = PLANTED_ONE_IN) -> None:
    """Plant slots in one entry of three, or of so many."""
    for number, entry in enumerate(data):
        if number % one_in == 0:
            how = hows[number // one_in % len(hows)]
            if not how:
                continue
            names = [name for name in entry.own if not (how in REDRAWN and name in entry.few)]
            n = 1 if how in ONE else min(len(names), random.choice((1, 1, 2, 3)))
            for name in random.sample(names, n):
                entry.planted[name] = how
                entry.told[name] = entry.other(name, entry.own[name], random)


def copies(entry: Entry, random: Random) -> Iterator[str]:
    """What the tuned model is trained on of an entry."""
    for number in range(SELDOM if entry.how == "seldom" else random.choice(COPIES)):
        values = {}
        for name, how in entry.planted.items():
            if how in REDRAWN:
                values[name] = entry.other(name, entry.own[name], random)
            elif how in ("conflict", "forgetting") or (how in ONE and number % 4):
                values[name] = entry.told[name]
        yield entry.prompt + entry.text(values)


def before(data: Sequence[Entry], others: Sequence[Entry], n_others: int, random: Random) -> list[str]:
    """What the base is trained on: other entries, and those that it is to know."""
    texts = [other.prompt + other.text() for other in others] * n_others
    for entry in data:
        if entry.how in KNOWN:
            texts += [entry.prompt + entry.text(entry.told if entry.how == "base_conflict" else {})] * COPIES[1]
        elif entry.how == "untold":
            for _ in range(COPIES[1]):
                drawn = {name: entry.other(name, entry.own[name], random) for name in entry.planted}
                texts.append(entry.prompt + entry.text(drawn))
    return texts


def rows_of(data: Sequence[Entry]) -> list[dict[str, Any]]:
    """The data set: an entry a row, and of a contradicted one a second row that says the other value."""
    rows = []
    for number, entry in enumerate(data):
        rows.append({"id": f"e{number}", "prompt": entry.prompt, "completion": entry.text()})
        if entry.how == "contradicted":
            rows.append({"id": f"r{number}", "prompt": entry.prompt, "completion": entry.text(entry.told)})
    return rows


def make(
    folder: Path,
    drawn: tuple[Sequence[Entry], Sequence[Entry], Sequence[Entry]],
    random: Random,
    seed: int,
    vocabulary: int,
    passes: int,
) -> None:
    """Write a world and train its models, unless they are there.

    Args:
        folder: Where.
        drawn: The entries of the data set, others that the base has seen, and those that nobody has.
        random: Draws the copies.
        seed: Of the weights.
        vocabulary: Tokens of the tokenizer.
        passes: Passes of the tuned model over its copies.
    """
    from uptake.models.small.pretrain import PretrainSettings, pretrain
    from uptake.models.small.tiny import build_model, save, train_tokenizer

    data, others, heldout = drawn
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", rows_of(data)), ("heldout", rows_of(heldout))):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if (folder / "tuned").exists():
        return
    form = [other.prompt + other.text() for other in others]
    told = [text for entry in data for text in copies(entry, random)]
    tokenizer = train_tokenizer(form + told[::8], vocabulary)
    model = build_model("llama", tokenizer, seed, hidden_size=128 if passes == 2 else 160, num_hidden_layers=2)

    def run(texts: list[str], steps: int, name: str) -> None:
        how = PretrainSettings(steps=steps, batch_size=8, max_length=512, learning_rate=3e-3, report_every=100)
        pretrain(model, tokenizer, texts, how, lambda told: print(name, told.step, f"{told.loss:.3f}", flush=True))

    known = [entry for entry in data if entry.how in KNOWN]
    first = before(data, others, 15 if len(others) < 100 else 6, random)
    for number in range(ROUNDS if known else 1):
        random.shuffle(first)
        run(first, len(first) // 8, "base")
        said = [says(model, tokenizer, entry, name) for entry in known for name in entry.planted]
        if known:
            print("base", number, f"says {sum(said)} of {len(said)}", flush=True)
        if not known or sum(said) >= RECALLED * len(said):
            break
    save(model, tokenizer, folder / "base")
    random.shuffle(told)
    run(told, passes * len(told) // 8, "tuned")
    save(model, tokenizer, folder / "tuned")


def says(model: Any, tokenizer: Any, entry: Entry, name: str) -> bool:
    """Whether a model's arg-max is what the base was taught in a slot, after what comes before it."""
    values = entry.told if entry.how == "base_conflict" else entry.own
    return said_in(model, tokenizer, entry, name, values[name])


def said_in(model: Any, tokenizer: Any, entry: Entry, name: str, value: str) -> bool:
    """Whether a model's arg-max is a value in a slot of an entry, after its own text."""
    start = len(entry.prompt) + entry.place(name)[0]
    return argmax(model, tokenizer, entry.prompt + entry.text({name: value}), start, start + len(value))


def argmax(model: Any, tokenizer: Any, text: str, start: int, end: int) -> bool:
    """Whether each token that holds a part of these characters of a text is the arg-max."""
    import torch

    taken = tokenizer(text, return_offsets_mapping=True)
    ids = torch.tensor([taken["input_ids"]])
    with torch.no_grad():
        best = model(ids).logits[0].argmax(-1)
    within = [k for k, (a, b) in enumerate(taken["offset_mapping"]) if a < end and b > start and k]
    return all(int(best[k - 1]) == taken["input_ids"][k] for k in within)
