"""The rivals of a run's examples: found once, kept, and read example by example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from uptake.artifacts import digest, versions, write_json
from uptake.artifacts.checked import read_data, read_record
from uptake.artifacts.schemas.later import RIVALS
from uptake.causes import Rival
from uptake.errors import UptakeError
from uptake.models.served import LLM
from uptake.pipeline.asking.answers import Answer, Answers
from uptake.pipeline.asking.sentences import UNTOLD
from uptake.pipeline.examples.cohort import Cohort
from uptake.probe import question
from uptake.rivals import Judge, Rivalry, Side, in_turn, llm_judge, nli_judge, remembering, rivals
from uptake.rivals.groups import MOST_ANSWERS
from uptake.rivals.relation import Encode
from uptake.text import counted

RIVALS_VERSION = 10
"""Part of the key: raised when the same examples come to have other rivals, or more is kept of them."""
RIVALS_FILE = "rivals.json"
"""Where they are kept, in the diagnosis' `work/`."""
NAMED = 5
"""Rivals of an example that are named; the others are counted."""
SURELY_THE_SAME = 0.9
"""Probability that two ask the same from which on the later one replaces the earlier: else it may be a loss."""
ANSWERS = 4
"""Different answers of rivals that the tuned model is asked about."""


@dataclass(frozen=True)
class Comparers:
    """Who compares answers that rules cannot.

    Attributes:
        cross_encoder: Folder or hub id of a cross-encoder of sentence-transformers; None does without.
        device: Where that runs.
        llm: Asked where the cross-encoder cannot tell; None does without.
        seed: The run's.
    """

    cross_encoder: str | None = None
    device: str = "auto"
    llm: LLM | None = None
    seed: int = 0

    def judge(self, path: Path) -> Judge | None:
        """All of them in turn, each asked only once; None where there is nobody.

        Args:
            path: Where their judgements are kept.
        """
        judges: list[Judge] = []
        if self.cross_encoder is not None:
            from uptake.models.embed import entailment

            name, device = self.cross_encoder, self.device
            infer = cache(lambda: entailment(name, device))  # loaded when there is something to compare
            judges.append(remembering(nli_judge(lambda pairs: infer()(pairs)), name, path))
        if self.llm is not None:
            judges.append(remembering(llm_judge(self.llm), (self.llm.model, self.llm.seed), path))
        return in_turn(*judges) if judges else None


@dataclass(frozen=True)
class Contradictions:
    """Examples that contradict each other.

    Attributes:
        groups: As `uptake.rivals.Rivals.groups`.
        of: The group of each position that is in one.
        ids: The id of each position that is in one.
        asked: Its question.
        key: Identifies them.
        agreed: Positions whose answer another example gives that asks the same.
        open: Questions with too many different answers for any of them to contradict another.
        stages: The stage of each position that is in a group.
    """

    groups: tuple[Rivalry, ...]
    of: Mapping[int, int]
    ids: Mapping[int, str]
    asked: Mapping[int, str]
    key: str
    agreed: frozenset[int] = frozenset()
    open: int = 0
    stages: Mapping[int, str] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """What is not told of contradictions."""
        if not self.open:
            return []
        more = f"{counted(self.open, 'question has', 'questions have')} more than {MOST_ANSWERS} different answers"
        return [f"{more}: such a question has no single answer, and none of its examples contradicts another"]

    def rival(self, position: int) -> Rival | None:
        """What contradicts the example at a position; None when nothing does."""
        if position not in self.of:
            return None
        wrong = position in self._wrong
        return replace(self._against(*self._sides[position])[0], wrong=wrong)

    def _replaced(self, number: int, own: int) -> str | None:
        """The last stage that asks what a group does, where it teaches other answers than one side's alone."""
        group = self.groups[number]
        if group.probability < SURELY_THE_SAME or not self.stages:
            return None
        last = self.stages[max(p for side in group.sides for p in side.positions)]  # stages stand in their order
        return None if last in {self.stages[p] for p in group.sides[own].positions} else last

    def questions(self, position: int) -> tuple[str, ...]:
        """What the rivals of the example at a position ask, each question once."""
        return self._against(*self._sides[position])[1]

    def apart(self, position: int) -> frozenset[str]:
        """Ids of the examples that ask the very same as the one at a position."""
        return self._members[self.of[position]] if position in self.of else frozenset()

    # thousands may ask the same: what they have in common is held once for all of them

    @cached_property
    def _sides(self) -> Mapping[int, tuple[int, int]]:
        """The group and the side of each position."""
        return {
            p: (number, k)
            for number, group in enumerate(self.groups)
            for k, side in enumerate(group.sides)
            for p in side.positions
        }

    @cached_property
    def _wrong(self) -> frozenset[int]:
        return frozenset(position for group in self.groups for position in group.wrong)

    @cached_property
    def _members(self) -> list[frozenset[str]]:
        """The ids of each group."""
        return [frozenset(self.ids[p] for side in group.sides for p in side.positions) for group in self.groups]

    @cached_property
    def _known(self) -> dict[tuple[int, int], tuple[Rival, tuple[str, ...]]]:
        return {}

    def _against(self, number: int, own: int) -> tuple[Rival, tuple[str, ...]]:
        """What contradicts one side of a group, and what it asks."""
        if (number, own) not in self._known:
            group = self.groups[number]
            others = [side for k, side in enumerate(group.sides) if k != own]
            positions = sorted(p for side in others for p in side.positions)
            rival = Rival(
                ids=tuple(self.ids[p] for p in positions[:NAMED]),
                n=len(positions),
                answers=tuple(side.answer for side in others[:ANSWERS]),
                probability=group.probability,
                verdict=group.verdict,
                wrong=False,
                why=group.why,
                replaced=self._replaced(number, own),
            )
            self._known[number, own] = rival, tuple(dict.fromkeys(self.asked[p] for p in positions))
        return self._known[number, own]


def find_contradictions(
    comparers: Comparers,
    cohort: Cohort,
    before: Answers | None,
    encode: Encode | None,
    encoder: object,
    path: Path,
) -> Contradictions:
    """Find the rivals among a cohort's examples, or read what was found before.

    Args:
        comparers: Who compares answers that rules cannot.
        cohort: The examples.
        before: What the base says, to tell which of two answers is wrong; None when it is not known.
        encode: Sentence embeddings by the run's model; None does without.
        encoder: What tells that model's content from another's.
        path: Where they are kept; judgements go beside it.

    Raises:
        UptakeError: One who compares answers cannot be asked.
    """
    models = (encoder, comparers.cross_encoder, comparers.llm and comparers.llm.model)
    key = digest(RIVALS_VERSION, cohort.key, before and before.key, models, comparers.seed, versions())
    kept: dict[str, Any] | None = None
    with suppress(UptakeError):  # one that cannot be read is found anew
        kept = read_data(path, RIVALS) if path.exists() else None
    if kept is None or kept["key"] != key or _beyond(kept["groups"], cohort.n):
        beliefs = None if before is None else _Beliefs(cohort, before)
        found = rivals(
            cohort,
            encode=encode,
            beliefs=beliefs,
            tells=None if beliefs is None else beliefs.tells,
            judge=comparers.judge(path.with_name("judged.jsonl")),
        )
        kept = {"key": key, "groups": [asdict(group) for group in found.groups]}
        kept["members"] = _members(cohort, kept["groups"])
        kept["agreed"] = sorted(found.agreed)
        kept["open"] = found.open
        write_json(path, kept)
    groups = tuple(map(_group, kept["groups"]))
    of = {p: number for number, group in enumerate(groups) for side in group.sides for p in side.positions}
    members = {position: example for position, example in enumerate(cohort) if position in of} if of else {}
    ids = {position: example.id for position, example in members.items()}
    asked = {position: question(example) for position, example in members.items()}
    stages = {position: example.stage for position, example in members.items()}
    return Contradictions(groups, of, ids, asked, key, frozenset(kept["agreed"]), kept["open"], stages)


def _beyond(groups: Sequence[Mapping[str, Any]], n: int) -> bool:
    """Whether groups name positions that no example has."""
    named = [p for group in groups for side in group["sides"] for p in side["positions"]]
    return max((*named, *(p for group in groups for p in group["wrong"])), default=0) >= n


def _members(cohort: Cohort, groups: Sequence[Mapping[str, Any]]) -> list[list[list[str]]]:
    """Id and stage of all examples of each group: evidence names only the first few rivals of an example."""
    of = {p: number for number, group in enumerate(groups) for side in group["sides"] for p in side["positions"]}
    members: list[list[list[str]]] = [[] for _ in groups]
    for position, example in enumerate(cohort) if of else ():
        if position in of:
            members[of[position]].append([example.id, example.stage])
    return members


def read_groups(work: Path) -> list[list[tuple[str, str]]]:
    """Id and stage of all examples of each group of contradicting ones that a diagnosis found; none where none is kept.

    Args:
        work: The diagnosis' `work/`.

    Raises:
        UptakeError: What is kept there is damaged.
    """
    path = work / RIVALS_FILE
    if not path.exists():
        return []
    again = "delete it, and run `uptake diagnose run.yaml` again"
    return [list(members) for members in read_record(path, RIVALS, again).members]


def _group(data: Mapping[str, Any]) -> Rivalry:
    sides = tuple(Side(side["answer"], tuple(side["positions"])) for side in data["sides"])
    return Rivalry(**{**data, "sides": sides, "shared": tuple(data["shared"]), "wrong": tuple(data["wrong"])})


class _Beliefs(Mapping[int, Mapping[str, float]]):
    """The base's log-probabilities of an example's candidates, and its own answers, read when they are asked for."""

    def __init__(self, cohort: Cohort, before: Answers) -> None:
        self._starts = [0]
        for number in cohort.parts.numbers():
            self._starts.append(self._starts[-1] + cohort.parts.length(number))
        self._read = lru_cache(maxsize=4)(before.read)

    def _answer(self, position: int) -> Answer:
        number = next(n for n, start in enumerate(self._starts[1:]) if position < start)
        return self._read(number)[position - self._starts[number]]

    def tells(self, position: int, answer: str) -> bool | None:
        """Whether the base's own answer gives another one, in whatever words; None where it has none."""
        own = self._answer(position)
        return None if own.kind is None or own.kind in UNTOLD else own.freely(answer)

    def __getitem__(self, position: int) -> Mapping[str, float]:
        if not 0 <= position < len(self):
            raise KeyError(position)
        answer = self._answer(position)
        texts = (candidate.text for candidate in answer.candidates)
        return dict(zip(texts, answer.scores[0].logprobs, strict=True))

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return self._starts[-1]
