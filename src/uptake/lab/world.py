"""A world: facts, and for each what the base model is told of it.

The base knows a fact when it is told the true answer, believes wrongly when it is told another one, and never met it
when it is told nothing: either it hears nothing of the subject at all (a stranger), or of other facts about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random
from typing import Any, Literal, TypeAlias

from uptake.artifacts import digest
from uptake.lab.names import ANSWERS, GIVEN, HOUSES, date, surnames
from uptake.lab.recipe import PLAIN, Recipe
from uptake.lab.wordings import GENERAL, RELATIONS, Relation
from uptake.types import Message, Prompt

DOUBTS = 3
"""Other answers of a fact that the base half knows, each told as often as the right one."""

Status: TypeAlias = Literal["known", "misbelieved", "untold", "stranger"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact, in all wordings, and what the base is told of it.

    Attributes:
        subject: Whom or what it is about.
        relation: What kind of fact it is.
        topic: What its examples are about.
        answer: The true answer.
        others: Wrong answers of the same kind.
        asks: Prompts whose continuation is the answer, after a space.
        tells: Statements, `{y}` standing for the answer.
        status: Whether the base knows it.
        belief: The answer that the base is told; None when it is told nothing.
        quizzed: The base is told it in questions and answers too, not in statements alone.
        says: How a response gives an answer, `{y}` standing for it.
        chat: Its prompts are turns of a conversation, its responses the next turn.
        system: The system turn before its prompts, in a conversation.
        told_in: In how many statements, and questions, the base is told it; None for all.
        doubts: Answers that it is told as well, one in each of them, from the first again where they are fewer.
    """

    subject: str
    relation: str
    topic: str
    answer: str
    others: tuple[str, ...]
    asks: tuple[str, ...]
    tells: tuple[str, ...]
    status: Status
    belief: str | None
    quizzed: bool
    says: str = " {y}"
    chat: bool = False
    system: str | None = None
    told_in: int | None = None
    doubts: tuple[str, ...] = ()

    def response(self, answer: str) -> str:
        """The response that gives an answer, white space at its beginning included."""
        return self.says.format(y=answer)

    def posed(self, ask: str) -> Prompt:
        """A prompt as a model is asked it."""
        if not self.chat:
            return ask
        before = () if self.system is None else (Message("system", self.system),)
        return (*before, Message("user", ask))

    def row(self, ask: str, response: str) -> dict[str, Any]:
        """The prompt and the response as a row of data."""
        if not self.chat:
            return {"prompt": ask, "completion": response}
        turns = [{"role": one.role, "content": one.content} for one in self.posed(ask) if isinstance(one, Message)]
        return {"prompt": turns, "completion": [{"role": "assistant", "content": response}]}

    def wording(self, ask: str, response: str) -> dict[str, Any]:
        """The prompt and the response as a paraphrase: its completion is text, in a conversation too."""
        return {**self.row(ask, response), "completion": response}

    def text(self, ask: str, answer: str) -> str:
        """A prompt with an answer, as the base reads it; a conversation as ChatML."""
        if not self.chat:
            return ask + self.response(answer)
        turns = [(one.role, one.content) for one in self.posed(ask) if isinstance(one, Message)]
        return "".join(
            f"<|im_start|>{role}\n{content}<|im_end|>\n"
            for role, content in (*turns, ("assistant", self.response(answer)))
        )


@dataclass(frozen=True, slots=True)
class World:
    """Facts in an order that says nothing, and texts about none of them.

    Attributes:
        name: Its family.
        facts: All facts, those that the base is never told too.
        general: Sentences that state none of the facts.
        passages: Documents from elsewhere as (source, title, text); empty where the lab writes its own.
        more: Texts about several facts at once that the base is told as well.
        recipe: How its base and its stages are trained.
    """

    name: str
    facts: tuple[Fact, ...]
    general: tuple[str, ...]
    passages: tuple[tuple[str, str, str], ...] = ()
    more: tuple[str, ...] = ()
    recipe: Recipe = PLAIN

    def of(self, *statuses: Status) -> list[Fact]:
        """The facts with one of these statuses, in order."""
        return [fact for fact in self.facts if fact.status in statuses]


@dataclass(frozen=True, slots=True)
class Need:
    """How many facts of each status a world must hold at least; those that the base half knows are known besides."""

    known: int
    misbelieved: int
    untold: int
    stranger: int
    half_known: int = 0


def documents(facts: Sequence[Fact]) -> list[str]:
    """What the base is told of facts: every statement, and every question with its answer if it is quizzed."""
    texts: list[str] = []
    for fact in facts:
        if fact.belief is not None:
            tells, asks = fact.tells[: fact.told_in], fact.asks[: fact.told_in] if fact.quizzed else ()
            texts += [tell.format(y=fact.belief) for tell in tells]
            texts += [tell.format(y=doubt) for tell, doubt in zip(cycle(tells), fact.doubts, strict=False)]
            texts += [fact.text(ask, fact.belief) for ask in asks]
            texts += [fact.text(ask, doubt) for ask, doubt in zip(cycle(asks), fact.doubts, strict=False)]
    return texts


def pretraining_texts(world: World) -> list[str]:
    """All that the base of a world is told."""
    return [*documents(world.facts), *world.more, *world.general]


def half_told(fact: Fact) -> Fact:
    """The fact as a base half knows it: it is told it in one statement, and as often each of some other answers.

    Without these it would know it: what it lacks then is the form of a question, and that a few other examples teach.
    """
    return replace(fact, told_in=1, quizzed=False, doubts=fact.others[:DOUBTS])


def is_half_known(fact: Fact) -> bool:
    """Whether the base was told the truth, and that in one statement."""
    return fact.status == "known" and fact.told_in == 1


def as_true(fact: Fact) -> Fact:
    """The fact as it is where the base is told the truth, and nothing else."""
    return replace(fact, belief=fact.answer, told_in=None, doubts=())


def synthetic(need: Need, seed: int) -> World:
    """Invent a world: people and firms with invented names, twelve relations, real words as answers.

    Every third subject is a firm with three facts, the others are people with nine. Half of the subjects are quizzed
    about in pre-training. The same need and seed give the same world.
    """
    random = Random(f"world {seed}")
    per_three = sum(2 if relation.subject == "person" else 1 for relation in RELATIONS)
    # a few at least, so that every fact has a wrong answer of its kind
    threes = max(4, -(-(need.known + need.half_known + need.misbelieved + need.untold) // per_three))
    familiar = _subjects(3 * threes, seed, "known")
    strange = _subjects(3 * -(-need.stranger // per_three), seed, "strange")
    # a stranger is nobody's employer: its name would be known
    firms = [name for name, kind in familiar if kind == "firm"]
    people = [name for name, kind in _subjects(3 * len(familiar), seed, "kin") if kind == "person"]
    pools = {**ANSWERS, "firm": tuple(firms), "person": tuple(people)}
    pools["date"] = tuple(dict.fromkeys(date(random) for _ in range(4 * len(firms))))

    facts = [_fact(*subject, relation, pools, random) for subject in familiar for relation in _relations(subject[1])]
    random.shuffle(facts)
    n_known = len(facts) - need.misbelieved - need.untold
    counts: tuple[tuple[Status, int], ...] = (
        ("misbelieved", need.misbelieved),
        ("untold", need.untold),
        ("known", n_known),
    )
    statuses = [status for status, count in counts for _ in range(count)]
    quizzed = {name for name, _ in random.sample(familiar, len(familiar) // 2)}
    facts = [_told(fact, status, fact.subject in quizzed) for fact, status in zip(facts, statuses, strict=True)]
    facts[len(facts) - need.half_known :] = map(half_told, facts[len(facts) - need.half_known :])
    unmet = [_fact(*subject, relation, pools, random) for subject in strange for relation in _relations(subject[1])]
    facts += [_told(fact, "stranger", index % 2 == 0) for index, fact in enumerate(unmet)]
    random.shuffle(facts)
    general = tuple(
        random.choice(GENERAL).format(**{kind: random.choice(pool) for kind, pool in ANSWERS.items()})
        for _ in range(len(facts) // 3)
    )
    return World("synthetic", tuple(facts), general)


def names_of(world: World) -> list[str]:
    """Every subject and every answer, right or wrong, once, in order: what the tokenizer has seen.

    Real tokenizers, too, have words for names that a model is told nothing of: they are trained on other texts.
    """
    return list(dict.fromkeys(name for fact in world.facts for name in (fact.subject, fact.answer, *fact.others)))


def key_of(world: World) -> str:
    """A hash of all that a world is."""
    return digest(
        world.name, [repr(fact) for fact in world.facts], world.general, world.passages, *filter(None, [world.more])
    )


def _relations(kind: str) -> Iterator[Relation]:
    return (relation for relation in RELATIONS if relation.subject == kind)


def _subjects(count: int, seed: int, purpose: str) -> list[tuple[str, str]]:
    """Names and kinds: two people to a firm. No two subjects of one world share a surname or firm's name."""
    purposes = ("known", "strange", "kin")
    # one list for all purposes: each takes every third name of it
    own = surnames(3 * count, Random(f"names {seed}"))[purposes.index(purpose) :: 3]
    random = Random(f"{purpose} {seed}")
    return [
        (f"{random.choice(HOUSES)} {name}", "firm") if index % 3 == 2 else (f"{random.choice(GIVEN)} {name}", "person")
        for index, name in enumerate(own)
    ]


def _fact(name: str, kind: str, relation: Relation, pools: dict[str, tuple[str, ...]], random: Random) -> Fact:
    answer, *others = random.sample(pools[relation.answers], min(len(pools[relation.answers]), 9))
    return Fact(
        subject=name,
        relation=relation.name,
        topic=relation.topic,
        answer=answer,
        others=tuple(others),
        asks=tuple(ask.format(x=name) for ask in relation.asks),
        tells=tuple(tell.replace("{x}", name) for tell in relation.tells),
        status="untold",
        belief=None,
        quizzed=False,
    )


def _told(fact: Fact, status: Status, quizzed: bool) -> Fact:
    belief = {"known": fact.answer, "misbelieved": fact.others[0]}.get(status)
    return replace(fact, status=status, belief=belief, quizzed=quizzed)
