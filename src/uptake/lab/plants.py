"""Plant the causes of incomplete learning in fine-tuning data, and know what was planted where.

An item's row says nothing of its cause: ids come from the shuffled order of all items, sources are topics, and every
cause is drawn from the same relations. What a plant is, and what the world without it is:

| cause | planted as | without it |
|---|---|---|
| `knowledge_gap` | a fact that the base never met | the base is told it |
| `base_conflict` | the true answer, where the base was told another | the base is told the truth |
| `data_conflict` | the same question in several wordings with two answers | the rivals are taken out |
| `forgetting` | a fact that the base knows, in an early stage only | it comes again in the last stage |
| `undertraining` | known facts asked several at once, a form that the base never saw | each comes several times |

Where an undertrained item asks for one fact alone, that is one of which the base read a single statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from math import perm
from random import Random
from typing import Any

from uptake.artifacts.tables import CAUSES
from uptake.errors import UptakeError
from uptake.lab.controls import LAST, Controls
from uptake.lab.wordings import COMPOSITES
from uptake.lab.world import Fact, Need, World, is_half_known
from uptake.types import Prompt

SLACK = 12
"""Facts of a subject at most: as many may be set apart beyond what is needed."""
RIVALS = 4
"""Items of a data conflict: two with the true answer, two with a wrong one."""
ASKED_IN, HELD_OUT = 3, 2
"""Wordings of a data conflict's items; and those of every item that are never trained on, where there are so many."""
EARLY_ONE_IN = 5
"""Of each cause but `forgetting`, one item (or conflict) in so many lies in an earlier stage."""
REPEATS = 8
"""How often an undertrained item comes in the world where it is not."""
OFTEN = 16
"""How often a composite comes that is a control; there are half as many such items as undertrained ones."""


@dataclass(frozen=True, slots=True)
class Item:
    """A training example and what was planted in it.

    Attributes:
        id: Its id in the data.
        stage: The stage that trains it.
        prompt: What is asked.
        response: The response, a leading space of it included.
        topic: Its `source`.
        facts: The facts that it asks for.
        wordings: Held-out prompts for the same response.
        causes: What was planted; empty for a control.
        rivals: Ids of the items that ask the same and answer otherwise.
        is_true: The response is what is true in this world.
        also: Causes that hold besides those that are planted: a wrong rival contradicts what the base knows.
    """

    id: str
    stage: str
    prompt: str
    response: str
    topic: str
    facts: tuple[Fact, ...]
    wordings: tuple[str, ...]
    causes: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    is_true: bool = True
    also: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """The row of the stage's data file."""
        return {"id": self.id, **self.facts[0].row(self.prompt, self.response), "source": self.topic}

    def posed(self, ask: str) -> Prompt:
        """One of its prompts as a model is asked it."""
        return self.facts[0].posed(ask)


@dataclass(frozen=True, slots=True)
class Planted:
    """All training items of a world, and facts that no item asks for.

    Attributes:
        items: In an order that says nothing.
        retention: Known facts: what must not get worse.
        spare: All known facts of some more subjects, for general text; undertrained items ask for several of them.
        heldout: Facts that the base never met: what can be guessed without being told.
    """

    items: tuple[Item, ...]
    retention: tuple[Fact, ...]
    spare: tuple[Fact, ...]
    heldout: tuple[Fact, ...]


def need(controls: Controls) -> Need:
    """How many facts of each status the controls take."""
    n = {cause: controls.count(cause) for cause in CAUSES}
    twice = doubled(controls)
    unmet = n["knowledge_gap"] + twice + controls.size
    asked = 2 * controls.size + n["forgetting"] + n["data_conflict"] // RIVALS
    half_known = sum(n_seldom(controls)) if controls.composite == 1 else 0
    known = asked + 2 * controls.size + SLACK
    return Need(known, n["base_conflict"] + twice, -(-unmet // 2), -(-unmet // 2), half_known)


def n_seldom(controls: Controls) -> tuple[int, int]:
    """How many undertrained items there are, and how many like them that come often enough."""
    count = controls.count("undertraining")
    return count, -(-count // (2 * OFTEN))


def plant(world: World, controls: Controls) -> Planted:
    """Draw the items of a world.

    Raises:
        UptakeError: The world has too few facts for the controls.
    """
    random = Random(f"plants {controls.seed}")
    gaps = [fact for pair in alternate(world.of("untold"), world.of("stranger")) for fact in pair]
    known, spare = apart([fact for fact in world.of("known") if not is_half_known(fact)], controls.size)
    pools = {"known": known, "misbelieved": world.of("misbelieved"), "unmet": gaps}
    draw = Draw(pools, random, min(HELD_OUT, min(len(fact.asks) for fact in world.facts) - ASKED_IN))
    last, *earlier = reversed(controls.stage_names)
    turns = cycle(reversed(earlier))

    def stage(number: int) -> str:
        """Most lie in the last stage. Some do not: that an example came early must not say that it was forgotten."""
        return next(turns) if earlier and number % EARLY_ONE_IN == 0 else last

    items: list[Item] = []
    for pool, cause in (("unmet", "knowledge_gap"), ("misbelieved", "base_conflict")):
        for number, fact in enumerate(draw.facts(pool, controls.count(cause)), start=1):
            items.append(draw.item(fact, stage(number)))
    for number, fact in enumerate(draw.in_conflict(controls), start=1):
        items += draw.rivals(fact, stage(number))
    items += [draw.item(fact, next(turns), "forgetting") for fact in draw.facts("known", controls.count("forgetting"))]
    # controls of an earlier stage come again in the last: what is trained early is not always forgotten
    for early in reversed(earlier):
        for fact in draw.facts("known", controls.size // len(earlier)):
            items += [draw.item(fact, early), draw.item(fact, last)]
    items += [draw.item(fact, last) for fact in draw.facts("known", controls.size)]
    retention = draw.facts("known", controls.size)
    heldout = draw.facts("unmet", controls.size)
    if controls.composite == 1:
        composites = draw.singles(list(filter(is_half_known, world.facts)), controls)
    else:
        composites = draw.composites(spare, controls)
    often = len(composites) - controls.count("undertraining")
    for number, composite in enumerate(composites[often:], start=1):
        items.append(replace(composite, stage=stage(number), causes=("undertraining",)))
    # and some come often enough: not everything that asks for several facts is undertrained
    items += [control for composite in composites[:often] for control in draw.repeated(composite, last)]
    random.shuffle(items)
    return Planted(named(items, controls, random), tuple(retention), tuple(spare), tuple(heldout))


def training_rows(planted: Planted, stage: str, without: Collection[str] = (), *, keep_true: bool = True) -> list[Item]:
    """What a stage trains, in order; or would train in the world without the plants of some causes.

    Args:
        planted: The items.
        stage: The stage.
        without: Causes whose plants are left out. Those of `knowledge_gap` and `base_conflict` lie in the base.
        keep_true: Which of two rivals stays where `data_conflict` is left out.
    """
    rows: list[Item] = []
    for item in planted.items:
        again = "forgetting" in item.causes and "forgetting" in without and stage == LAST
        if item.stage != stage and not again:
            continue
        if "data_conflict" in item.causes and "data_conflict" in without and item.is_true != keep_true:
            continue
        often = REPEATS if "undertraining" in item.causes and "undertraining" in without else 1
        rows += [item] * often
    return rows


def doubled(controls: Controls) -> int:
    """Conflicts in the data about what the base never met or believes wrongly."""
    return round(controls.overlap * controls.count("data_conflict")) // RIVALS


def apart(facts: Sequence[Fact], count: int) -> tuple[list[Fact], list[Fact]]:
    """The facts without those of whole subjects that hold at least `count` together, and those."""
    by_subject: dict[str, list[Fact]] = {}
    for fact in facts:
        by_subject.setdefault(fact.subject, []).append(fact)
    apart: list[Fact] = []
    for group in by_subject.values():
        if len(apart) < count:
            apart += group
    subjects = {fact.subject for fact in apart}
    return [fact for fact in facts if fact.subject not in subjects], apart


def alternate(first: Sequence[Fact], second: Sequence[Fact]) -> Iterator[tuple[Fact, ...]]:
    """Pairs while both last, then what is left of the longer."""
    short = min(len(first), len(second))
    yield from zip(first, second, strict=False)
    yield from ((fact,) for fact in (*first[short:], *second[short:]))


class Draw:
    """Takes facts from the pools, none twice, and words them."""

    def __init__(self, pools: dict[str, list[Fact]], random: Random, held_out: int) -> None:
        self._pools = pools
        self._random = random
        self._held_out = held_out

    def facts(self, pool: str, count: int) -> list[Fact]:
        """The next facts of a pool: `known`, `misbelieved` or `unmet`."""
        if len(self._pools[pool]) < count:
            raise UptakeError(
                f"the world has {len(self._pools[pool])} {pool} facts left where {count} are needed",
                fix="make it smaller: a lower --size or lower --shares",
            )
        taken = self._pools[pool][:count]
        del self._pools[pool][:count]
        return taken

    def in_conflict(self, controls: Controls) -> list[Fact]:
        """Known facts, and the share that overlaps from the other two pools by turns."""
        count, twice = controls.count("data_conflict") // RIVALS, doubled(controls)
        facts = self.facts("unmet", twice // 2) + self.facts("misbelieved", twice - twice // 2)
        return facts + self.facts("known", count - twice)

    def item(self, fact: Fact, stage: str, *causes: str) -> Item:
        """An item that asks for a fact; what its status plants comes after the causes given."""
        ask, *others = self._random.sample(fact.asks, len(fact.asks))
        if fact.status == "misbelieved":
            causes = (*causes, "base_conflict")
        elif fact.status in ("untold", "stranger"):
            causes = (*causes, "knowledge_gap")
        wordings = tuple(others[: self._held_out])
        return Item("", stage, ask, fact.response(fact.answer), fact.topic, (fact,), wordings, causes)

    def rivals(self, fact: Fact, stage: str) -> list[Item]:
        """Two items with the true answer and two with another, in three wordings: in one of them both are given."""
        asked = self._random.sample(fact.asks, len(fact.asks))
        held_out = tuple(asked[ASKED_IN : ASKED_IN + self._held_out])
        right = replace(self.item(fact, stage, "data_conflict"), wordings=held_out)
        # the base's belief is no rival: the conflict would then be with the base
        wrong = next(answer for answer in fact.others if answer != fact.belief)
        also = ("base_conflict",) if fact.status == "known" else ()
        false = replace(right, response=fact.response(wrong), is_true=False, also=also)
        return [replace(right, prompt=ask) for ask in asked[:2]] + [replace(false, prompt=ask) for ask in asked[1:3]]

    def composites(self, facts: Sequence[Fact], controls: Controls) -> list[Item]:
        """Several known facts asked at once, about one subject where it has so many; first the ones to be repeated."""
        by_subject: dict[str, list[Fact]] = {}
        for fact in facts:
            by_subject.setdefault(fact.subject, []).append(fact)
        count, k = controls.count("undertraining"), controls.composite
        rich = [group for group in by_subject.values() if len(group) >= k]
        if sum(perm(len(group), k) for group in rich) < 2 * count:  # too few to ask about one subject at a time
            rich = []
        if count and not rich and len(facts) < k:
            raise UptakeError(f"the world has no {k} known facts left to ask for at once", fix="a lower --composite")
        chosen: dict[tuple[Fact, ...], None] = {}
        for _ in range(8 * count):  # no two ask for the same facts, as far as there are enough
            if len(chosen) < sum(n_seldom(controls)):
                chosen.setdefault(tuple(self._random.sample(self._random.choice(rich) if rich else facts, k)))
        if len(chosen) < count:
            raise UptakeError(f"the world has too few known facts for {count} times {k}", fix="a lower --composite")
        return [self._composite(facts) for facts in chosen]

    def singles(self, facts: Sequence[Fact], controls: Controls) -> list[Item]:
        """Single facts of those that the base half knows; first the ones to be repeated."""
        return [self.item(fact, "") for fact in self._random.sample(facts, sum(n_seldom(controls)))]

    def _composite(self, facts: tuple[Fact, ...]) -> Item:
        asked = [self._random.sample(fact.asks, len(fact.asks)) for fact in facts]
        frames = self._random.sample(COMPOSITES, 1 + self._held_out)
        prompt, *others = (
            frame.format(q=" ".join(_closed(asks[index % len(asks)]) for asks in asked))
            for index, frame in enumerate(frames)
        )
        response = ("" if facts[0].chat else " ") + "; ".join(fact.answer for fact in facts)
        return Item("", "", prompt, response, facts[0].topic, facts, tuple(others))

    def repeated(self, composite: Item, stage: str) -> list[Item]:
        """As many items that ask for the same facts, in frames that are not held out."""
        if len(composite.facts) == 1:
            again = [self._random.choice(composite.facts[0].asks) for _ in range(OFTEN - 1)]
        else:
            again = [self._composite(composite.facts).prompt for _ in range(OFTEN - 1)]
        held_out = set(composite.wordings)
        prompts = [composite.prompt, *(prompt if prompt not in held_out else composite.prompt for prompt in again)]
        return [replace(composite, stage=stage, prompt=prompt) for prompt in prompts]


def _closed(ask: str) -> str:
    """A prompt that more can follow: one to be completed gets its gap shown."""
    return ask if ask.endswith("?") else f"{ask} ..."


def named(items: Sequence[Item], controls: Controls, random: Random) -> tuple[Item, ...]:
    """Ids in the items' order, rivals told of each other, and the slips of the pen."""
    named = [replace(item, id=f"ex-{number:05d}") for number, item in enumerate(items, start=1)]
    groups: dict[tuple[str, str], list[Item]] = {}
    for item in named:
        if "data_conflict" in item.causes:
            groups.setdefault((item.facts[0].subject, item.facts[0].relation), []).append(item)
    for index, item in enumerate(named):
        if "data_conflict" in item.causes:
            group = groups[item.facts[0].subject, item.facts[0].relation]
            rivals = tuple(other.id for other in group if other.is_true != item.is_true)
            named[index] = item = replace(item, rivals=rivals)
        if random.random() < controls.noise:
            named[index] = replace(item, prompt=slip(item.prompt, random))
    return tuple(named)


def slip(prompt: str, random: Random) -> str:
    """The prompt with two neighbouring letters of a lower-case word swapped; names stay as they are."""
    words = prompt.split(" ")
    places = [
        (index, at)
        for index, word in enumerate(words)
        if word.isalpha() and word.islower()
        for at in range(len(word) - 1)
        if word[at] != word[at + 1]
    ]
    if not places:
        return prompt
    index, at = random.choice(places)
    word = words[index]
    words[index] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)
