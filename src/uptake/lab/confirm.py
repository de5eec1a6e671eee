"""Confirm an answer key: train the world as it is and, for each cause, the world without its plants.

A plant is confirmed when its item is not learned as things are and is learned where the plant is left out. That is an
intervention, not a reading of signals, and needs the generator of the world: nobody else can do it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from uptake.artifacts import digest, versions, write_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.lab import RECALLED
from uptake.artifacts.tables import CAUSES
from uptake.lab.base import Asked, Base, Tell, cache_folder, further, recalled, tell_more
from uptake.lab.controls import LAST, Controls
from uptake.lab.plants import Item, Planted, training_rows
from uptake.lab.training import epochs, peft_of, train_stages, training_of
from uptake.lab.world import World, as_true, documents

IN_THE_BASE = ("knowledge_gap", "base_conflict")
"""Causes whose plants are in what the base was told."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of an item.

    Attributes:
        learned: Recalled with its end after all stages.
        learned_then: Recalled with its end after its own stage.
        learned_without: Recalled with its end in the world without its plants: after its own stage, or after all of
            them if `forgetting` was planted in it; None for a control.
        either_alone: Where it has two causes, whether each of them alone keeps it from being recalled so; None for an
            item with fewer.
        wordings: Share of its held-out wordings in which it is recalled after all stages; None without any.
    """

    learned: bool
    learned_then: bool
    learned_without: bool | None
    wordings: float | None
    either_alone: bool | None = None

    def confirmed(self, causes: Sequence[str]) -> bool | None:
        """Whether the plants are why it is not learned; None for a control."""
        if not causes:
            return None
        # what was learned in its own stage and is gone was forgotten, and what was not learned there was not
        as_planted = not self.learned and self.learned_then == ("forgetting" in causes)
        return as_planted and bool(self.learned_without) and self.either_alone is not False


@dataclass(frozen=True, slots=True)
class _Counterfactual:
    """A world to train: without which causes, which of two rivals stays, and for which items it decides."""

    without: tuple[str, ...]
    keep_true: bool = True
    items: tuple[Item, ...] = field(default=(), repr=False)


def confirm(world: World, planted: Planted, controls: Controls, base: Base, tell: Tell) -> dict[str, Mark]:
    """Train the world and its counterfactuals, and mark every item; what was trained before comes from the cache.

    Args:
        world: The world.
        planted: Its items.
        controls: What it is made of.
        base: Its base model.
        tell: Told of the progress.

    Returns:
        A mark for each item's id.
    """
    plain = _Counterfactual((), items=planted.items)
    outcome = _outcome(plain, world, planted, controls, base, tell)
    without: dict[str, bool] = {}
    alone: dict[str, bool] = {}
    for counterfactual in _counterfactuals(planted):
        learned = _outcome(counterfactual, world, planted, controls, base, tell)
        for item in counterfactual.items:
            recalled_then = learned[_decides(item)][item.id]
            if len(counterfactual.without) == len(item.causes):
                without[item.id] = recalled_then
            else:
                alone[item.id] = alone.get(item.id, True) and not recalled_then
    marks = {}
    for item in planted.items:
        reworded = [outcome["reworded"][f"{item.id}/{n}"] for n in range(len(item.wordings))]
        marks[item.id] = Mark(
            learned=outcome[LAST][item.id],
            learned_then=outcome[item.stage][item.id],
            learned_without=without.get(item.id),
            wordings=sum(reworded) / len(reworded) if reworded else None,
            either_alone=alone.get(item.id),
        )
    return marks


def _decides(item: Item) -> str:
    """The stage after which an item should be recalled."""
    return LAST if "forgetting" in item.causes else item.stage


def _counterfactuals(planted: Planted) -> list[_Counterfactual]:
    """One world a cause (two where one of two rivals goes), and one for each combination that some item has."""
    groups: dict[tuple[tuple[str, ...], bool], list[Item]] = {}
    for item in planted.items:
        causes = tuple(sorted(item.causes, key=CAUSES.index))
        singly = [(cause,) for cause in causes] if len(causes) > 1 else []
        for without in (causes, *singly) if causes else ():
            keep_true = item.is_true or "data_conflict" not in without
            groups.setdefault((without, keep_true), []).append(item)
    return [_Counterfactual(causes, keep, tuple(items)) for (causes, keep), items in sorted(groups.items(), key=_order)]


def _order(group: tuple[tuple[tuple[str, ...], bool], list[Item]]) -> tuple[int, list[int], bool]:
    (causes, keep_true), _ = group
    return len(causes), [CAUSES.index(cause) for cause in causes], not keep_true


def _outcome(
    one: _Counterfactual, world: World, planted: Planted, controls: Controls, base: Base, tell: Tell
) -> Mapping[str, Mapping[str, bool]]:
    """Which items each stage's model recalls; `reworded` holds the last one's answers to held-out wordings."""
    stages = {
        stage: training_rows(planted, stage, one.without, keep_true=one.keep_true) for stage in controls.stage_names
    }
    told = _told(one.without, world, planted, controls.seed)
    rows = {stage: [item.row() for item in items] for stage, items in stages.items()}
    key = digest(
        base.key,
        rows,
        told,
        training_of(controls, world.recipe),
        [epochs(stage, world.recipe) for stage in stages],
        further(base, told, world.recipe),
        controls.seed,
        versions(),
        *filter(None, [peft_of(controls)]),
    )
    place = cache_folder() / "outcomes" / f"{key}.json"
    if place.exists():
        return read_record(place, RECALLED, fix=f"delete {place}: it is trained anew")
    with tempfile.TemporaryDirectory(prefix="uptake-lab-") as name:
        folder = Path(name)
        start = str(tell_more(base, told, folder / "base", controls.seed, world.recipe, tell)) if told else base.place
        models = train_stages(start, stages, folder / "stages", controls, world.recipe, tell)
        outcome = {stage: recalled(model, _asked(planted.items)) for stage, model in models.items()}
        if not one.without:
            outcome["reworded"] = recalled(models[LAST], _reworded(planted.items))
    write_json(place, outcome)
    return outcome


def _told(without: Collection[str], world: World, planted: Planted, seed: int) -> list[str]:
    """What the base is told further: the truth about the planted facts, among as much of what it was told before."""
    planted_facts = [
        as_true(fact)
        for item in planted.items
        if any(cause in item.causes and cause in without for cause in IN_THE_BASE) and item.is_true
        for fact in item.facts
        if fact.status != "known"  # of an item that is known in part, the rest
    ]
    if not planted_facts:
        return []
    mended = {(fact.subject, fact.relation) for fact in planted_facts}
    rest = [fact for fact in world.facts if (fact.subject, fact.relation) not in mended]
    new, old = documents(planted_facts), [*documents(rest), *world.more, *world.general]
    return new * 2 + Random(f"told {seed}").sample(old, min(len(old), 2 * len(new)))


def _asked(items: Sequence[Item]) -> list[Asked]:
    return [(item.id, item.posed(item.prompt), item.response) for item in items]


def _reworded(items: Sequence[Item]) -> list[Asked]:
    return [(f"{item.id}/{n}", item.posed(ask), item.response) for item in items for n, ask in enumerate(item.wordings)]
