"""The family `instructions`: one long instruction before every question, and responses of several sentences.

Who asks for a plant of a garden gets four sentences, each with a fact of its own, by a conversation's template and
after a system turn that is the same for all. What is planted is in one of the sentences: the base knows the
other three. So a response is lost by a few of its tokens, and what is said of the whole of it says little. A data
conflict is two entries that differ in one sentence; an undertrained form tells of two plants at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from uptake.lab.controls import Controls
from uptake.lab.families.family import Family, in_wordings, so_many
from uptake.lab.families.instructions_words import (
    ASKS,
    AT_ONCE,
    INSTRUCTION,
    PARTS,
    TOGETHER,
    EntrySentence,
    answer,
    plant_name,
)
from uptake.lab.plants import EARLY_ONE_IN, OFTEN, RIVALS, Draw, Item, Planted, alternate, doubled, named
from uptake.lab.recipe import Recipe
from uptake.lab.world import Fact, Status, World

RECIPE = Recipe(
    model={"max_position_embeddings": 320},
    vocab_size=4096,
    chat=True,
    passes=14,
    least_steps=450,
    max_length=256,
    early_epochs=3,
)
OWN = {"size": 12, "composite": 2}
ENTRIES_ONE_IN = 2
"""One in so many plants that the base knows wholly is told in entries as well, in two wordings."""
STRANGER_ONE_IN = 3
"""Of the gaps, one in so many is a plant of which the base never heard; of the others it lacks one sentence."""
TAUGHT_IN = 3
"""Wordings in which the early stage teaches what the base never met."""
OTHERS = 6
SLACK = 4


class _PlantCounts:
    """How many plants of each status the controls take."""

    def __init__(self, controls: Controls) -> None:
        n, twice = controls.count, doubled(controls)
        self.misbelieved = n("base_conflict") + twice
        self.taught = n("forgetting") // 2 // TAUGHT_IN
        self.forgotten = n("forgetting") - self.taught * TAUGHT_IN
        unmet = n("knowledge_gap") + twice + controls.size + self.taught
        self.stranger = unmet // STRANGER_ONE_IN
        self.untold = unmet - self.stranger
        self.known = self.forgotten + n("data_conflict") // RIVALS + 4 * controls.size + SLACK


def draw(controls: Controls) -> World:
    """Draw the world that the controls need."""
    random = Random(f"instructions {controls.seed}")
    n = _PlantCounts(controls)
    statuses = so_many(
        ("known", n.known), ("misbelieved", n.misbelieved), ("untold", n.untold), ("stranger", n.stranger)
    )
    names: dict[str, None] = {}
    while len(names) < len(statuses):
        names[plant_name(random)] = None
    facts: list[Fact] = []
    more: list[str] = []
    for number, (name, status) in enumerate(zip(names, statuses, strict=True)):
        asked, others = _plant(name, status, random)
        facts += [asked, *others]
        if status == "known" and number % ENTRIES_ONE_IN == 0:
            more += [asked.text(ask, asked.answer) for ask in random.sample(asked.asks, 2)]
    random.shuffle(facts)
    return World("instructions", tuple(facts), (), more=tuple(more), recipe=RECIPE)


def plant(world: World, controls: Controls) -> Planted:
    """Draw the items.

    Raises:
        UptakeError: The world has too few plants.
    """
    random = Random(f"plants of instructions {controls.seed}")
    asked = [
        fact for fact in world.facts if fact.asks
    ]  # the other sentences of an entry are facts that nobody asks for
    pools = {status: [fact for fact in asked if fact.status == status] for status in ("known", "misbelieved")}
    untold = [fact for fact in asked if fact.status == "untold"]
    strange = [fact for fact in asked if fact.status == "stranger"]
    pools["unmet"] = [fact for pair in alternate(untold, strange) for fact in pair]
    take = Draw(pools, random, 2)
    last, *earlier = reversed(controls.stage_names)

    def stage(number: int) -> str:
        return random.choice(earlier) if earlier and number % EARLY_ONE_IN == 0 else last

    items: list[Item] = []
    for pool, cause in (("unmet", "knowledge_gap"), ("misbelieved", "base_conflict")):
        for at, fact in enumerate(take.facts(pool, controls.count(cause)), start=1):
            items.append(take.item(fact, stage(at)))
    for at, fact in enumerate(take.in_conflict(controls), start=1):
        items += take.rivals(fact, stage(at))
    n = _PlantCounts(controls)
    items += [take.item(fact, random.choice(earlier), "forgetting") for fact in take.facts("known", n.forgotten)]
    for fact in take.facts("unmet", n.taught):
        items += in_wordings(take.item(fact, random.choice(earlier)), TAUGHT_IN, ("forgetting",), random)
    for early in reversed(earlier):
        for fact in take.facts("known", controls.size // len(earlier)):
            items += [take.item(fact, early), take.item(fact, last)]
    items += [take.item(fact, last) for fact in take.facts("known", controls.size)]
    retention, heldout = take.facts("known", controls.size), take.facts("unmet", controls.size)
    spare = take.facts("known", controls.size)
    items += _composites(spare, _answers(world), controls, stage, last, random)
    random.shuffle(items)
    return Planted(named(items, controls, random), tuple(retention), tuple(spare), tuple(heldout))


def _plant(name: str, status: Status, random: Random) -> tuple[Fact, list[Fact]]:
    """The entry of a plant, as a fact whose answer is in one of its sentences, and the facts of the other sentences."""
    answers = {part.name: answer(part.name, random) for part in PARTS}
    missing = random.choice(PARTS)
    says = " ".join(part.sentence if part is missing else part.sentence.format(y=answers[part.name]) for part in PARTS)
    facts = [
        _fact(name, part, answers[part.name], status if part is missing or status == "stranger" else "known", random)
        for part in PARTS
    ]
    entry = facts.pop(PARTS.index(missing))
    asks = tuple(ask.format(x=name) for ask in random.sample(ASKS, len(ASKS)))
    return replace(entry, asks=asks, says=says, chat=True, system=INSTRUCTION), facts


def _fact(name: str, part: EntrySentence, right: str, status: Status, random: Random) -> Fact:
    others: dict[str, None] = {}
    while len(others) < OTHERS:
        if (other := answer(part.name, random)) != right:
            others[other] = None
    return Fact(
        subject=name,
        relation=part.name,
        topic="garden",
        answer=right,
        others=tuple(others),
        asks=(),
        tells=tuple(tell.replace("{x}", name) for tell in part.tells),
        status=status,
        belief={"known": right, "misbelieved": next(iter(others))}.get(status),
        quizzed=False,
    )


def _answers(world: World) -> dict[tuple[str, str], str]:
    """What is true of each plant in each sentence."""
    return {(fact.subject, fact.relation): fact.answer for fact in world.facts}


def _composites(
    spare: Sequence[Fact],
    answers: dict[tuple[str, str], str],
    controls: Controls,
    stage: Callable[[int], str],
    last: str,
    random: Random,
) -> list[Item]:
    """Several known plants at once, in a form that the base never saw: each once, or often enough."""
    count = controls.count("undertraining")
    chosen: dict[tuple[Fact, ...], None] = {}
    while len(chosen) < count + -(-count // (2 * OFTEN)):
        chosen.setdefault(tuple(random.sample(spare, controls.composite)))
    items: list[Item] = []
    for at, facts in enumerate(chosen):
        names = [fact.subject for fact in facts]
        prompt, *wordings = random.sample([form.format(x=AT_ONCE.join(names)) for form in TOGETHER], len(TOGETHER))
        where = ", ".join(f"{name} in {answers[name, 'habitat']}" for name in names)
        who = ", ".join(f"{name} by {answers[name, 'author']}" for name in names)
        response = f"They grow apart: {where}. They were described apart: {who}."
        one = Item("", stage(at), prompt, response, facts[0].topic, facts, tuple(wordings), ("undertraining",))
        items += [one] if at < count else [replace(one, stage=last, causes=())] * OFTEN
    return items


FAMILY = Family(
    does="a long instruction before every question, responses of four sentences of which one is planted",
    draw=draw,
    plant=plant,
    knows=(0.1, 0.9),
    own=OWN,
)
