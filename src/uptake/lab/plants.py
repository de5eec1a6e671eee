"""Plant the causes of incomplete learning in fine-tuning data, and know what was planted where.

An item's row says nothing of its cause: ids come from the shuffled order of all items, sources are topics, and every
cause is drawn from the same relations. What a plant is, and what the world without it is:

| cause | planted as | without it |
|---|---|---|
| `knowledge_gap` | a fact that the base never met | the base is told it |
| `base_conflict` | the true answer, where the base was told another | the base is told the truth |
| `data_conflict` | the same question in four wordings with two answers | the rivals are taken out |
| `forgetting` | a fact that the base knows, in an early stage only | it comes again in the last stage |
| `undertraining` | known facts asked several at once, a form that the base never saw | each comes several times |
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from random import Random
from typing import Any

from uptake.artifacts.tables import CAUSES
from uptake.errors import UptakeError
from uptake.lab.wordings import COMPOSITES
from uptake.lab.world import Fact, Need, World

LAST = "main"
"""The last stage."""
SHARES: Mapping[str, float] = {**dict.fromkeys(CAUSES, 1.0), "data_conflict": 1.5, "forgetting": 2.0}
"""Of two answers one is often learned all the same, and most of what came early is kept: it takes more such items."""
SLACK = 12
"""Facts of a subject at most: as many may be set apart beyond what is needed."""
RIVALS = 4
"""Items of a data conflict: two wordings with the true answer, two others with a wrong one."""
EARLY_ONE_IN = 5
"""Of what the base never met or believes wrongly, one item in so many lies in an earlier stage."""
REPEATS = 8
"""How often an undertrained item comes in the world where it is not."""


@dataclass(frozen=True, slots=True)
class Controls:
    """What a world is made of.

    Attributes:
        seed: Of every draw.
        size: Items of a cause at share 1; the four items of a data conflict count as four.
        shares: Share of `size` that each cause gets; a cause that is not named has its share in `SHARES`.
        stages: Fine-tuning stages; with one there is no forgetting.
        noise: Share of the training prompts with a slip of the pen, in [0, 1].
        overlap: Share of the items of `forgetting` and `data_conflict` whose fact the base never met or believes
            wrongly, in [0, 1]: they have two causes.
        composite: Facts that an undertrained item asks for at once, 2 or more.
        clean: No plants at all.
    """

    seed: int = 0
    size: int = 120
    shares: Mapping[str, float] = field(default_factory=dict)
    stages: int = 2
    noise: float = 0.0
    overlap: float = 0.0
    composite: int = 3
    clean: bool = False

    def __post_init__(self) -> None:
        """Raise UptakeError for controls that no world can have."""
        for name, least in (("seed", 0), ("size", 1), ("stages", 1), ("composite", 2)):
            if getattr(self, name) < least:
                raise UptakeError(f"{name} is {getattr(self, name)}", expected=f"{least} or more")
        for name in ("noise", "overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise UptakeError(f"{name} is {getattr(self, name)}", expected="a share in [0, 1]")
        for cause, share in self.shares.items():
            if cause not in CAUSES:
                raise UptakeError(f"shares names {cause!r}", expected=f"one of {', '.join(CAUSES)}")
            if not share >= 0:
                raise UptakeError(f"the share of {cause} is {share}", expected="0 or more")

    def count(self, cause: str) -> int:
        """How many items a cause gets."""
        if self.clean or (cause == "forgetting" and self.stages == 1):
            return 0
        return round(self.size * self.shares.get(cause, SHARES[cause]))

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The stages in order: `early`, `middle-1`, ..., `main`."""
        if self.stages == 1:
            return (LAST,)
        return ("early", *(f"middle-{n}" for n in range(1, self.stages - 1)), LAST)


@dataclass(frozen=True, slots=True)
class Item:
    """A training example and what was planted in it.

    Attributes:
        id: Its id in the data.
        stage: The stage that trains it.
        prompt: What comes before the response.
        response: The response, leading space included.
        topic: Its `source`.
        facts: The facts that it asks for.
        wordings: Held-out prompts for the same response.
        causes: What was planted; empty for a control.
        rivals: Ids of the items that ask the same and answer otherwise.
        is_true: The response is what is true in this world.
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

    def row(self) -> dict[str, Any]:
        """The row of the stage's data file."""
        return {"id": self.id, "prompt": self.prompt, "completion": self.response, "source": self.topic}


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
    doubled = _doubled(controls, "forgetting") + _doubled(controls, "data_conflict")
    unmet = n["knowledge_gap"] + doubled + controls.size
    asked = 2 * controls.size + n["forgetting"] + n["data_conflict"] // RIVALS
    return Need(asked + 2 * controls.size + SLACK, n["base_conflict"] + doubled, -(-unmet // 2), -(-unmet // 2))


def plant(world: World, controls: Controls) -> Planted:
    """Draw the items of a world.

    Raises:
        UptakeError: The world has too few facts for the controls.
    """
    random = Random(f"plants {controls.seed}")
    gaps = [fact for pair in _alternate(world.of("untold"), world.of("stranger")) for fact in pair]
    known, spare = _apart(world.of("known"), controls.size)
    pools = {"known": known, "misbelieved": world.of("misbelieved"), "unmet": gaps}
    draw = _Draw(pools, random)
    last, *earlier = reversed(controls.stage_names)
    items: list[Item] = []
    turns = cycle(reversed(earlier))
    for pool, cause in (("unmet", "knowledge_gap"), ("misbelieved", "base_conflict")):
        for number, fact in enumerate(draw.facts(pool, controls.count(cause)), start=1):
            # that an example came early must not say that it was forgotten
            early = bool(earlier) and number % EARLY_ONE_IN == 0
            items.append(draw.item(fact, next(turns) if early else last))
    for fact in draw.mixed("data_conflict", controls, items_per_fact=RIVALS):
        items += draw.rivals(fact, last)
    items += [draw.item(fact, next(turns), "forgetting") for fact in draw.mixed("forgetting", controls)]
    # controls of an earlier stage come again in the last: what is trained early is not always forgotten
    for stage in reversed(earlier):
        for fact in draw.facts("known", controls.size // len(earlier)):
            items += [draw.item(fact, stage), draw.item(fact, last)]
    items += [draw.item(fact, last) for fact in draw.facts("known", controls.size)]
    retention = draw.facts("known", controls.size)
    heldout = draw.facts("unmet", controls.size)
    items += draw.composites(spare, controls, last)
    random.shuffle(items)
    return Planted(_named(items, controls, random), tuple(retention), tuple(spare), tuple(heldout))


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


def _doubled(controls: Controls, cause: str) -> int:
    return round(controls.overlap * controls.count(cause))


def _apart(facts: Sequence[Fact], count: int) -> tuple[list[Fact], list[Fact]]:
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


def _alternate(first: Sequence[Fact], second: Sequence[Fact]) -> Iterator[tuple[Fact, ...]]:
    """Pairs while both last, then what is left of the longer."""
    short = min(len(first), len(second))
    yield from zip(first, second, strict=False)
    yield from ((fact,) for fact in (*first[short:], *second[short:]))


class _Draw:
    """Takes facts from the pools, none twice, and words them."""

    def __init__(self, pools: dict[str, list[Fact]], random: Random) -> None:
        self._pools = pools
        self._random = random

    def facts(self, pool: str, count: int) -> list[Fact]:
        if len(self._pools[pool]) < count:
            raise UptakeError(
                f"the world has {len(self._pools[pool])} {pool} facts left where {count} are needed",
                fix="make it smaller: a lower --size or lower --shares",
            )
        taken = self._pools[pool][:count]
        del self._pools[pool][:count]
        return taken

    def mixed(self, cause: str, controls: Controls, items_per_fact: int = 1) -> list[Fact]:
        """Known facts, and the share that overlaps from the other two pools by turns."""
        count = controls.count(cause) // items_per_fact
        doubled = min(count, _doubled(controls, cause) // items_per_fact)
        facts = self.facts("unmet", doubled // 2) + self.facts("misbelieved", doubled - doubled // 2)
        return facts + self.facts("known", count - doubled)

    def item(self, fact: Fact, stage: str, *causes: str) -> Item:
        asked = self._random.randrange(len(fact.asks))
        others = (*fact.asks[:asked], *fact.asks[asked + 1 :])
        if fact.status == "misbelieved":
            causes = tuple(dict.fromkeys((*causes, "base_conflict")))
        elif fact.status in ("untold", "stranger"):
            causes = tuple(dict.fromkeys((*causes, "knowledge_gap")))
        return Item("", stage, fact.asks[asked], f" {fact.answer}", fact.topic, (fact,), others, causes)

    def rivals(self, fact: Fact, stage: str) -> list[Item]:
        asked = self._random.sample(fact.asks, len(fact.asks))
        right = replace(self.item(fact, stage, "data_conflict"), wordings=tuple(asked[RIVALS:]))
        # the base's belief is no rival: the conflict would then be with the base
        wrong = next(answer for answer in fact.others if answer != fact.belief)
        return [
            replace(right, prompt=ask) if index % 2 else replace(right, prompt=ask, response=f" {wrong}", is_true=False)
            for index, ask in enumerate(asked[:RIVALS])
        ]

    def composites(self, facts: Sequence[Fact], controls: Controls, stage: str) -> list[Item]:
        """Several known facts asked at once, about one subject where it has so many."""
        by_subject: dict[str, list[Fact]] = {}
        for fact in facts:
            by_subject.setdefault(fact.subject, []).append(fact)
        count, k = controls.count("undertraining"), controls.composite
        rich = [group for group in by_subject.values() if len(group) >= k]
        if count and not rich and len(facts) < k:
            raise UptakeError(f"the world has no {k} known facts left to ask for at once", fix="a lower --composite")
        items = []
        for _ in range(count):
            chosen = tuple(self._random.sample(self._random.choice(rich) if rich else facts, k))
            asked = [self._random.sample(fact.asks, len(fact.asks)) for fact in chosen]
            frames = self._random.sample(COMPOSITES, 4)
            prompts = [
                frame.format(q=" ".join(_closed(asks[index % len(asks)]) for asks in asked))
                for index, frame in enumerate(frames)
            ]
            response = " " + "; ".join(fact.answer for fact in chosen)
            items.append(Item("", stage, prompts[0], response, chosen[0].topic, chosen, tuple(prompts[1:])))
        return [replace(item, causes=("undertraining",)) for item in items]


def _closed(ask: str) -> str:
    """A prompt that more can follow: one to be completed gets its gap shown."""
    return ask if ask.endswith("?") else f"{ask} ..."


def _named(items: Sequence[Item], controls: Controls, random: Random) -> tuple[Item, ...]:
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
