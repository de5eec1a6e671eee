"""The family `pieces`: names and answers of several tokens, and a base that knows what it knows by halves.

What differs from the synthetic world besides every word: nothing is one token; answers have one token to about thirty;
the base is told a fact in two to four statements and sometimes told otherwise, so that it gives the answer with a
probability of about 0.3 to 0.9; the early stage also teaches facts that the base never met, which are learned there and
lost; and some responses are known in part, `A and B` where the base never met B, or believes another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from uptake.lab.controls import REAL_SHARES, Controls
from uptake.lab.families.family import Family, in_wordings, so_many
from uptake.lab.families.pieces_words import ANSWERS, FRAMES, NAMES, PROPERTIES, SEVERAL, TWO, Property
from uptake.lab.plants import (
    EARLY_ONE_IN,
    OFTEN,
    RIVALS,
    Draw,
    Item,
    Planted,
    alternate,
    apart,
    doubled,
    n_seldom,
    named,
)
from uptake.lab.recipe import Recipe
from uptake.lab.world import Fact, Status, World, documents, half_told, is_half_known

RECIPE = Recipe(
    model={"max_position_embeddings": 256},
    vocab_size=1536,
    whole_names=False,
    passes=18,
    least_steps=500,
    max_length=192,
    early_epochs=3,
)
OWN = {"size": 16, "shares": REAL_SHARES}
PARTLY_ONE_IN = 4
"""Of the gaps and the conflicts with the base, one in so many is the half of a response whose other half is known."""
TAUGHT_IN = 3
"""Wordings in which the early stage teaches what the base never met."""
REPEATED = 16
"""Rows of what the base never met and is taught often enough: controls."""
OTHERS = 8
"""Wrong answers of a fact."""
ANSWER_NAMES = 40
"""Places and people that are answers."""
SLACK = 12
_BY_NAME = {one.name: one for one in PROPERTIES}
_STATEMENTS = (2, 3, 3, 4)
_DOUBTS = (0, 1, 1, 2)
_QUIZZED = 0.85


def draw(controls: Controls) -> World:
    """Draw the world that the controls need."""
    random = Random(f"pieces {controls.seed}")
    n = _Counts(controls)
    per_three = len(PROPERTIES)
    taken: set[str] = set()
    pools = {kind: _names(kind, ANSWER_NAMES, taken, random) for kind in ("place", "person")}
    familiar = _facts(-(-(n.known + n.half_known + n.misbelieved + n.unmet // 2) // per_three), taken, pools, random)
    strange = _facts(-(-(n.unmet - n.unmet // 2) // per_three), taken, pools, random)
    practice = _facts(-(-n.known // (4 * per_three)), taken, pools, random)

    random.shuffle(familiar)
    n_known = len(familiar) - n.misbelieved - n.unmet // 2
    statuses = so_many(("misbelieved", n.misbelieved), ("untold", n.unmet // 2), ("known", n_known))
    quizzed = {fact.subject: random.random() < _QUIZZED for fact in familiar}
    facts = [
        _told(fact, status, quizzed[fact.subject], random) for fact, status in zip(familiar, statuses, strict=True)
    ]
    facts[len(facts) - n.half_known :] = map(half_told, facts[len(facts) - n.half_known :])
    facts += [replace(fact, status="stranger") for fact in strange]
    random.shuffle(facts)
    told = [replace(fact, status="known", belief=fact.answer, quizzed=True) for fact in practice]
    general = documents(told)
    # the form of two questions at once is known; that of several is not
    for _ in range(2 * len(told)):
        one, other = random.sample(told, 2)
        general.append(f"{_asked_two(one, other, random)} {one.answer} and {other.answer}")
    return World("pieces", tuple(facts), tuple(general), recipe=RECIPE)


def plant(world: World, controls: Controls) -> Planted:
    """Draw the items.

    Raises:
        UptakeError: The world has too few facts.
    """
    random = Random(f"plants of pieces {controls.seed}")
    n = _Counts(controls)
    known, spare = apart([fact for fact in world.of("known") if not is_half_known(fact)], controls.size)
    unmet = [fact for pair in alternate(world.of("untold"), world.of("stranger")) for fact in pair]
    take = Draw({"known": known, "misbelieved": world.of("misbelieved"), "unmet": unmet}, random, 2)
    last, *earlier = reversed(controls.stage_names)

    def stage(number: int) -> str:
        return random.choice(earlier) if earlier and number % EARLY_ONE_IN == 0 else last

    items = [take.item(fact, last) for fact in take.facts("unmet", n.gaps - n.partly_gaps)]
    items += [take.item(fact, stage(at)) for at, fact in enumerate(take.facts("misbelieved", n.beliefs), start=1)]
    for pool, count in (("unmet", n.partly_gaps), ("misbelieved", n.partly_beliefs)):
        cause = {"unmet": "knowledge_gap", "misbelieved": "base_conflict"}[pool]
        pairs = zip(take.facts(pool, count), take.facts("known", count), strict=True)
        items += [_two(missing, there, last, (cause,), random) for missing, there in pairs]
    for at, fact in enumerate(take.in_conflict(controls), start=1):
        items += take.rivals(fact, stage(at))
    items += [take.item(fact, random.choice(earlier), "forgetting") for fact in take.facts("known", n.forgotten)]
    for fact in take.facts("unmet", n.taught):
        items += in_wordings(take.item(fact, random.choice(earlier)), TAUGHT_IN, ("forgetting",), random)

    for early in reversed(earlier):
        for fact in take.facts("known", controls.size // len(earlier)):
            items += [take.item(fact, early), take.item(fact, last)]
    items += [take.item(fact, last) for fact in take.facts("known", controls.size)]
    for _ in range(n.pairs):
        one, other = take.facts("known", 2)
        items.append(_two(one, other, last, (), random))
    for fact in take.facts("unmet", n.often):
        items += (in_wordings(take.item(fact, last), TAUGHT_IN, (), random) * REPEATED)[:REPEATED]
    retention, heldout = take.facts("known", controls.size), take.facts("unmet", controls.size)
    if controls.composite == 1:
        items += _singles(take, list(filter(is_half_known, world.facts)), controls, stage, last, random)
    else:
        items += _composites(spare, controls, stage, last, random)
    random.shuffle(items)
    return Planted(named(items, controls, random), tuple(retention), tuple(spare), tuple(heldout))


class _Counts:
    """How many facts of each kind the controls take."""

    def __init__(self, controls: Controls) -> None:
        self.gaps = controls.count("knowledge_gap")
        self.partly_gaps = self.gaps // PARTLY_ONE_IN
        believed = controls.count("base_conflict")
        self.partly_beliefs = believed // PARTLY_ONE_IN
        self.beliefs = believed - self.partly_beliefs
        forgetting = controls.count("forgetting")
        self.taught = forgetting // 2 // TAUGHT_IN
        self.forgotten = forgetting - self.taught * TAUGHT_IN
        self.pairs = controls.size // 2
        self.often = 0 if controls.clean else -(-controls.size // 12)
        twice = doubled(controls)
        conflicts = controls.count("data_conflict") // RIVALS
        self.misbelieved = believed + twice
        self.unmet = self.gaps + self.taught + self.often + twice + controls.size
        halves = self.partly_gaps + self.partly_beliefs
        self.half_known = sum(n_seldom(controls)) if controls.composite == 1 else 0
        self.known = self.forgotten + conflicts + halves + 2 * self.pairs + 4 * controls.size + SLACK


def _names(kind: str, count: int, taken: set[str], random: Random) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        name = NAMES[kind](random)
        if name not in taken:
            taken.add(name)
            found.append(name)
    return found


def _facts(threes: int, taken: set[str], pools: dict[str, list[str]], random: Random) -> list[Fact]:
    """All facts about so many places, crafts and people, none of them told yet."""
    return [
        _fact(name, one, pools, random)
        for kind in NAMES
        for name in _names(kind, threes, taken, random)
        for one in PROPERTIES
        if one.subject == kind
    ]


def _fact(name: str, one: Property, pools: dict[str, list[str]], random: Random) -> Fact:
    def answer() -> str:
        return random.choice(pools[one.answers]) if one.answers in pools else ANSWERS[one.answers](random)

    right = answer()
    others: dict[str, None] = {}
    while len(others) < OTHERS:
        other = answer()
        if one.answers == "pair" and len(others) % 2:  # every other one is half right
            other = f"{right.split(' and ')[0]} and {other.split(' and ')[1]}"
        if other != right and len(set(other.split(" and "))) == len(other.split(" and ")):
            others[other] = None
    asks = random.sample(one.asks, len(one.asks))
    return Fact(
        subject=name,
        relation=one.name,
        topic={"place": "gazetteer", "craft": "museum", "person": "parish"}[one.subject],
        answer=right,
        others=tuple(others),
        asks=tuple(random.choice(FRAMES).format(q=ask.format(x=name)) for ask in asks),
        tells=tuple(tell.replace("{x}", name) for tell in random.sample(one.tells, len(one.tells))),
        status="untold",
        belief=None,
        quizzed=False,
    )


def _told(fact: Fact, status: Status, quizzed: bool, random: Random) -> Fact:
    """The fact as the base is told it: in so many statements, some of which say otherwise."""
    if status == "untold":
        return replace(fact, status=status)
    belief = fact.answer if status == "known" else fact.others[0]
    told_in = random.choice(_STATEMENTS)
    n_doubts = random.choice(_DOUBTS)
    against = [other for other in (fact.answer, *fact.others) if other != belief]
    doubts = tuple(random.sample(against, n_doubts))
    return replace(fact, status=status, belief=belief, quizzed=quizzed, told_in=told_in, doubts=doubts)


def _question(fact: Fact, random: Random) -> str:
    """One of its questions without a frame."""
    return random.choice(_BY_NAME[fact.relation].asks).format(x=fact.subject)


def _asked_two(first: Fact, second: Fact, random: Random) -> str:
    return random.choice(TWO).format(a=_question(first, random), b=_question(second, random))


def _two(missing: Fact, there: Fact, stage: str, causes: tuple[str, ...], random: Random) -> Item:
    """An item that asks for two facts at once, in any order; the key names the missing one first."""
    first, second = random.sample((missing, there), 2)
    prompts: dict[str, None] = {}
    while len(prompts) < 3:
        prompts[_asked_two(first, second, random)] = None
    prompt, *wordings = prompts
    response = f" {first.answer} and {second.answer}"
    return Item("", stage, prompt, response, missing.topic, (missing, there), tuple(wordings), causes)


def _composites(
    spare: list[Fact], controls: Controls, stage: Callable[[int], str], last: str, random: Random
) -> list[Item]:
    """Several known facts at once, in a form that the base never saw: each once, or often enough."""
    count, often = n_seldom(controls)
    chosen: dict[tuple[Fact, ...], None] = {}
    while len(chosen) < count + often:
        chosen.setdefault(tuple(random.sample(spare, controls.composite)))
    items: list[Item] = []
    for at, facts in enumerate(chosen):
        one = _composite(facts, random)
        if at < count:
            items.append(replace(one, stage=stage(at), causes=("undertraining",)))
        else:
            again = [one, *(_composite(facts, random) for _ in range(OFTEN - 1))]
            fresh = [other.prompt if other.prompt not in one.wordings else one.prompt for other in again]
            items += [replace(one, stage=last, prompt=prompt) for prompt in fresh]
    return items


def _singles(
    take: Draw, facts: list[Fact], controls: Controls, stage: Callable[[int], str], last: str, random: Random
) -> list[Item]:
    """Single facts that the base half knows: each once, or often enough."""
    count, _ = n_seldom(controls)
    items: list[Item] = []
    for at, fact in enumerate(random.sample(facts, len(facts))):
        if at < count:
            items.append(take.item(fact, stage(at), "undertraining"))
        else:
            items += (in_wordings(take.item(fact, last), TAUGHT_IN, (), random) * OFTEN)[:OFTEN]
    return items


def _composite(facts: tuple[Fact, ...], random: Random) -> Item:
    frames = random.sample(SEVERAL, 3)
    prompt, *wordings = (
        frame.format(q=" ".join(f"({at}) {_question(fact, random)}" for at, fact in enumerate(facts, start=1)))
        for frame in frames
    )
    response = "".join(f" ({at}) {fact.answer}" for at, fact in enumerate(facts, start=1))
    return Item("", "", prompt, response, facts[0].topic, facts, tuple(wordings))


FAMILY = Family(
    does="names and answers of several tokens, half-known facts, responses known in part, an early stage that teaches",
    draw=draw,
    plant=plant,
    knows=(0.3, 0.9),
    own=OWN,
)
