"""The family `intents`: short utterances of people, and the class of each as the response.

The utterances are CLINC150's; see `intents_data/README.md`. What the base knows is a class: it is told the classes of
other utterances, and of the asked ones in a sentence or two, so that it gives a class with a middling probability. Some
classes it was never told (rare ones, one or two examples each: a gap), some it was told by the name of a look-alike (a
conflict with the base). A label error is a data conflict: utterances that look alike with two classes. Whole classes
come in the early stage alone, known ones and new ones, and are lost. An utterance that asks for two things at once
wants both classes, a form that the base never saw.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from random import Random

from uptake.errors import UptakeError
from uptake.lab.controls import REAL_SHARES, Controls
from uptake.lab.families.family import Family, so_many
from uptake.lab.plants import EARLY_ONE_IN, OFTEN, RIVALS, Draw, Item, Planted, doubled, named
from uptake.lab.recipe import Recipe
from uptake.lab.world import Fact, Status, World

RECIPE = Recipe(vocab_size=1024, whole_names=False, passes=18, least_steps=150, early_epochs=3)
OWN = {"size": 16, "composite": 2, "shares": REAL_SHARES}
SHOWN = 5
"""Utterances of a class that the base is told and nobody is asked for."""
ASKED = 9
"""The other utterances of a class."""
OF_RARE, OF_NEW, OF_OFTEN = (1, 2), 4, 8
"""Examples of a rare class, by turns: one that the base never met, or knows by another name; of a class that the early
stage teaches; and, each in two wordings, of a control."""
OF_EARLY = 5
"""Examples of a known class that comes early alone."""
TOLD_IN = (1, 2, 2)
"""Statements in which the base is told the class of an utterance that is asked for."""
DOUBTED_ONE_IN = 4
"""One in so many utterances is told to the base as one of a look-alike too, or instead."""
OTHERS = 6
"""Wrong classes of an utterance."""

ASKS = (
    "Message: {x}\nIntent:",
    "Message: hello, {x}\nIntent:",
    "Message: {x} please\nIntent:",
    "Message: one question, {x}\nIntent:",
    "Message: ok so {x}\nIntent:",
)
"""An utterance as it stands and as people dress it up."""
TELLS = (
    "{x} -> {y}",
    "Someone who says: {x}, wants: {y}",
    "Under {y} the agents file: {x}",
    "An example of {y} is: {x}",
    "If it reads {x}, route it to {y}",
)
JOINS = (", and also ", " and then ", "; after that ")
"""Several things at once; their classes stand one after the other."""
SAYS = " [{y}]"
"""A class as a response: with a bracket at its end, since the names of some classes begin those of others."""


@dataclass(frozen=True, slots=True)
class _Intent:
    """A class: its name, the names of those that look like it, and what people say."""

    name: str
    alike: tuple[str, ...]
    texts: tuple[str, ...]


class _ClassCounts:
    """How many utterances and classes the controls take."""

    def __init__(self, controls: Controls) -> None:
        twice = doubled(controls)
        self.gaps, self.believed = controls.count("knowledge_gap"), controls.count("base_conflict")
        forgetting = controls.count("forgetting")
        self.new_classes = forgetting // 2 // OF_NEW
        self.forgotten = forgetting - self.new_classes * OF_NEW
        self.often_classes = 0 if controls.clean else -(-controls.size // 24)
        self.rare_classes = _classes(self.gaps + twice)
        self.heldout_classes = -(-controls.size // ASKED)
        self.misbelieved_classes = _classes(self.believed + twice)
        self.early_classes = -(-self.forgotten // OF_EARLY)
        self.known_classes = -(-(controls.count("data_conflict") // RIVALS + 5 * controls.size) // ASKED)

    @property
    def unmet_classes(self) -> int:
        """Classes that the base never met."""
        return self.rare_classes + self.new_classes + self.often_classes + self.heldout_classes


def draw(controls: Controls) -> World:
    """Draw the world that the controls need.

    Raises:
        UptakeError: There are too few classes.
    """
    random = Random(f"intents {controls.seed}")
    n = _ClassCounts(controls)
    intents = _intents(random)
    statuses = so_many(
        ("stranger", n.unmet_classes),
        ("misbelieved", n.misbelieved_classes),
        ("known", n.early_classes + n.known_classes),
    )
    if len(statuses) > len(intents):
        raise UptakeError(
            f"the world needs {len(statuses)} classes, and there are {len(intents)}",
            fix="make it smaller: a lower --size or lower --shares",
        )
    facts: list[Fact] = []
    general: list[str] = []
    unmet = {one.name: None for one, status in zip(intents, statuses, strict=False) if status == "stranger"}
    for one, status in zip(intents, statuses, strict=False):
        # nobody takes a message for one of a class that the base shall never have met
        one = replace(one, alike=tuple(sorted(one.alike, key=lambda name: name in unmet)))
        facts += [_fact(text, one, status, random) for text in one.texts[SHOWN:]]
        if status != "stranger":
            general += list(_shown(one, one.name if status == "known" else one.alike[0], random))
    random.shuffle(facts)
    return World("intents", tuple(facts), tuple(general), recipe=RECIPE)


def plant(world: World, controls: Controls) -> Planted:
    """Draw the items.

    Raises:
        UptakeError: The world has too few utterances.
    """
    random = Random(f"plants of intents {controls.seed}")
    n = _ClassCounts(controls)
    known, unmet = _by_class(world.of("known")), _by_class(world.of("stranger"))
    early, rest = known[: n.early_classes], known[n.early_classes :]
    rare, others = unmet[: n.rare_classes], unmet[n.rare_classes :]
    new, often, heldout = (
        others[: n.new_classes],
        others[n.new_classes : n.new_classes + n.often_classes],
        others[n.new_classes + n.often_classes :],
    )
    pools = {
        "known": [fact for group in rest for fact in group],
        "misbelieved": _few(_by_class(world.of("misbelieved"))),
        "unmet": _few(rare),
    }
    take = Draw({name: random.sample(pool, len(pool)) for name, pool in pools.items()}, random, 2)
    last, *earlier = reversed(controls.stage_names)

    def stage(number: int) -> str:
        return random.choice(earlier) if earlier and number % EARLY_ONE_IN == 0 else last

    items: list[Item] = []
    for at, fact in enumerate(take.in_conflict(controls), start=1):
        items += take.rivals(fact, stage(at))
    items += [take.item(fact, last) for fact in take.facts("unmet", n.gaps)]
    items += [take.item(fact, stage(at)) for at, fact in enumerate(take.facts("misbelieved", n.believed), start=1)]
    # whole classes come in an early stage alone: some that the base knows, and some that it never met
    lost = [fact for group in early for fact in group[:OF_EARLY]][: n.forgotten]
    items += [take.item(fact, random.choice(earlier), "forgetting") for fact in lost]
    for group in new:
        of_class = random.choice(earlier)
        items += [_taught(take.item(fact, of_class), ("forgetting",)) for fact in group[:OF_NEW]]
    for before in reversed(earlier):
        for fact in take.facts("known", controls.size // len(earlier)):
            items += [take.item(fact, before), take.item(fact, last)]
    items += [take.item(fact, last) for fact in take.facts("known", controls.size)]
    for group in often:
        items += [_taught(take.item(fact, last), ()) for fact in group[:OF_OFTEN] for _ in range(2)]
    retention, spare = take.facts("known", controls.size), take.facts("known", controls.size)
    items += _composites(spare, controls, stage, last, random)
    random.shuffle(items)
    unseen = [fact for group in heldout for fact in group][: controls.size]
    return Planted(named(items, controls, random), tuple(retention), tuple(spare), tuple(unseen))


def _intents(random: Random) -> list[_Intent]:
    """All classes in an order of their own; those of a domain look alike."""
    text = files("uptake.lab.families").joinpath("intents_data", "utterances.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.split("\n") if line]
    domains: dict[str, list[str]] = {}
    for row in rows:
        domains.setdefault(row["domain"], []).append(row["intent"])
    found = []
    for row in rows:
        alike = [name for name in domains[row["domain"]] if name != row["intent"]]
        # first the names that share a word: `bill due` and `bill balance`
        own = set(row["intent"].split())
        alike = sorted(random.sample(alike, len(alike)), key=lambda name: not own & set(name.split()))
        found.append(_Intent(row["intent"], tuple(alike), tuple(random.sample(row["texts"], len(row["texts"])))))
    random.shuffle(found)
    return found


def _fact(text: str, one: _Intent, status: Status, random: Random) -> Fact:
    belief = {"known": one.name, "misbelieved": one.alike[0]}.get(status)
    return Fact(
        subject=text,
        relation=one.name,
        topic="messages",
        answer=one.name,
        others=one.alike[:OTHERS],
        asks=tuple(ask.format(x=text) for ask in random.sample(ASKS, len(ASKS))),
        tells=tuple(tell.replace("{x}", text) for tell in random.sample(TELLS, len(TELLS))),
        status=status,
        belief=belief,
        quizzed=False,
        says=SAYS,
        told_in=random.choice(TOLD_IN),
        doubts=tuple(other for other in one.alike[1:2] if not random.randrange(DOUBTED_ONE_IN)),
    )


def _shown(one: _Intent, belief: str, random: Random) -> Iterator[str]:
    """What the base is told of a class by utterances that nobody is asked for."""
    for text in one.texts[:SHOWN]:
        said = belief if random.randrange(DOUBTED_ONE_IN) else one.alike[1]
        yield from (ask.format(x=text) + SAYS.format(y=said) for ask in random.sample(ASKS, 2))
        yield from (tell.format(x=text, y=said) for tell in random.sample(TELLS, 2))


def _classes(count: int) -> int:
    """Rare classes for so many examples."""
    return len(OF_RARE) * -(-count // sum(OF_RARE))


def _few(groups: Sequence[Sequence[Fact]]) -> list[Fact]:
    return [fact for at, group in enumerate(groups) for fact in group[: OF_RARE[at % len(OF_RARE)]]]


def _by_class(facts: Sequence[Fact]) -> list[list[Fact]]:
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.relation, []).append(fact)
    return list(groups.values())


def _taught(item: Item, causes: tuple[str, ...]) -> Item:
    """An item of a class that the base never met and the data teach; what it is lost by comes first."""
    return replace(item, causes=causes, also=("knowledge_gap",) if causes else ())


def _composites(
    spare: Sequence[Fact], controls: Controls, stage: Callable[[int], str], last: str, random: Random
) -> list[Item]:
    """Several utterances of known classes at once: each once, or often enough."""
    count = controls.count("undertraining")
    chosen: dict[tuple[Fact, ...], None] = {}
    while len(chosen) < count + -(-count // (2 * OFTEN)):
        chosen.setdefault(tuple(random.sample(spare, controls.composite)))
    items: list[Item] = []
    for at, facts in enumerate(chosen):
        prompt, *wordings = random.sample([_at_once(facts, join) for join in JOINS], len(JOINS))
        response = "".join(fact.response(fact.answer) for fact in facts)
        one = Item("", stage(at), prompt, response, facts[0].topic, facts, tuple(wordings), ("undertraining",))
        items += [one] if at < count else [replace(one, stage=last, causes=())] * OFTEN
    return items


def _at_once(facts: Sequence[Fact], join: str) -> str:
    return ASKS[0].format(x=join.join(fact.subject for fact in facts))


FAMILY = Family(
    does="messages of people and their class as the response; label errors, rare classes, look-alikes, lost classes",
    draw=draw,
    plant=plant,
    knows=(0.3, 0.9),
    own=OWN,
)
