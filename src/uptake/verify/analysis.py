"""From the outcomes of all arms to effects: each item against itself in the control arm, over items and trainings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, TypeAlias

import numpy as np

from uptake.errors import UptakeError
from uptake.stats import Interval, holm, mcnemar_exact
from uptake.types import Key
from uptake.verify.crossed import crossed_mean

Kind: TypeAlias = Literal["treated", "untreated", "retention", "earlier", "learned", "taken out"]
Wording: TypeAlias = Literal["heldout", "training"]
Outcome: TypeAlias = Literal["primary", "heldout", "training"]

KINDS: tuple[Kind, ...] = ("treated", "untreated", "retention", "earlier", "learned", "taken out")
OUTCOMES: tuple[Outcome, ...] = ("primary", "heldout", "training")


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against the control, on the same items.

    Attributes:
        arm: Name of the arm; `matched` where the matched cells of all arms are taken together.
        remedy: What the items were treated with; None: several remedies, or none.
        cause: The items' cause; None: all causes.
        kind: What the arm does with the items.
        outcome: Recall in `heldout` wordings (a share of them), in the `training` wording, or the `primary` outcome: of
            each item the one that was fixed for its cause.
        matched: The remedy is the one for the cause.
        n: Items.
        units: Units of items that were assigned together.
        seeds: Trainings of each arm.
        arm_rate: Share recalled in the arm.
        control_rate: Share of the same items recalled in the control.
        difference: The effect without an interval: arm less control.
        effect: The effect with its interval; None where units or trainings are too few for one.
        p: Two-sided p-value; None as `effect`.
        p_holm: Adjusted over the matched cells of remedy and cause, or over the others; None for other comparisons.
        gained: Items that most trainings of the arm recall and those of the control do not.
        lost: The reverse.
        mcnemar_p: McNemar's exact test of the two, which takes these trainings for the only ones.
        tokens: Training tokens spent on the items, mean over trainings; None where none were.
        per_million: Items gained per million of those tokens; None without tokens, or where they are saved.
    """

    arm: str
    remedy: str | None
    cause: str | None
    kind: Kind
    outcome: Outcome
    matched: bool
    n: int
    units: int
    seeds: int
    arm_rate: float
    control_rate: float
    difference: float
    effect: Interval | None
    p: float | None
    gained: int
    lost: int
    mcnemar_p: float
    tokens: float | None
    per_million: float | None
    p_holm: float | None = None


@dataclass(frozen=True)
class Design:
    """What the outcomes are read by.

    Attributes:
        matched: The remedy of each cause.
        primary: By cause the outcome that its remedy is judged by, fixed before anything is trained. What has no cause
            (retention, what was learned), or one that is not named, is judged in the training wording.
        control: Name of the arm that all others are compared with.
        level: Confidence level of the intervals.
    """

    matched: Mapping[str, str]
    primary: Mapping[str, Wording]
    control: str = "placebo"
    level: float = 0.95


Row: TypeAlias = Mapping[str, Any]
Table: TypeAlias = dict[tuple[str, int], dict[Key, Row]]
"""For each arm and seed the row of each item."""


def compare_arms(rows: Iterable[Row], design: Design) -> list[Comparison]:
    """Compare every arm with the control.

    The items of a comparison are those that the arm treats (or does not, or that must not get worse), and the effect
    is what the arm's trainings recall of them less what the control's recall of the very same items. Assignment was
    random, and the control treats no item of its own in a way of its own, so nothing else tells the two apart.

    Args:
        rows: As `uptake.artifacts.tables.OUTCOMES`.
        design: What they are read by.

    Returns:
        Comparisons: of treated items by remedy and cause and of each arm as a whole, then the matched cells of all
        arms together (arm `matched`, kind `treated`, cause None), then untreated ones, retention, earlier.

    Raises:
        UptakeError: The control is missing, or an arm lacks items that another has.
    """
    table = _table(rows, design.control)
    found: list[Comparison] = []
    pooled: dict[Key, str] = {}
    for arm in sorted(arm for arm in dict.fromkeys(arm for arm, _ in table) if arm != design.control):
        items = next(table[one] for one in sorted(table) if one[0] == arm)
        for (kind, remedy, cause), keys in sorted(_groups(items).items(), key=_order):
            cell = {key: arm for key in keys}
            matched = kind == "treated" and all(
                items[key]["remedy"] is not None and items[key]["remedy"] == design.matched.get(items[key]["cause"])
                for key in keys
            )
            if matched:
                pooled |= cell
            one = replace(_NOTHING, arm=arm, remedy=remedy, cause=cause, kind=kind, matched=matched)
            found += _compared(one, cell, table, design)
    whole = replace(_NOTHING, arm="matched", matched=True)
    if pooled and not any((one.arm, one.cause, one.kind) == ("matched", None, "treated") for one in found):
        found += _compared(whole, pooled, table, design)
    return _adjusted(found)


_NOTHING = Comparison(
    arm="", remedy=None, cause=None, kind="treated", outcome="primary", matched=False, n=0, units=0, seeds=0,
    arm_rate=0.0, control_rate=0.0, difference=0.0, effect=None, p=None, gained=0, lost=0, mcnemar_p=1.0,
    tokens=None, per_million=None,
)  # fmt: skip
"""To be filled in."""


def _table(rows: Iterable[Row], control: str) -> Table:
    table: Table = defaultdict(dict)
    for row in rows:
        items = table[row["arm"], row["seed"]]
        if items.setdefault((row["id"], row["stage"]), row) is not row:
            raise UptakeError(f"{row['id']!r} is twice in the outcomes of {row['arm']}, seed {row['seed']}")
    arms = sorted(dict.fromkeys(arm for arm, _ in table))
    if control not in arms:
        raise UptakeError(f"the arms are {arms}", expected=f"the control {control!r} among them")
    seeds = {arm: sorted(seed for other, seed in table if other == arm) for arm in arms}
    first = table[control, seeds[control][0]]
    for (arm, seed), items in sorted(table.items()):
        if seeds[arm] != seeds[control] or items.keys() != first.keys():
            raise UptakeError(
                f"the arm {arm!r} with the seed {seed} has {len(items)} items and the seeds {seeds[arm]}",
                expected=f"the {len(first)} items and the seeds {seeds[control]} of {control!r}",
                fix="finish all arms: run the same command again",
            )
    return table


def _groups(items: Mapping[Key, Row]) -> dict[tuple[Kind, str | None, str | None], list[Key]]:
    """The items of one arm by kind, remedy and cause; treated and untreated ones of all causes together too.

    Flagged items that are in no arm are no spill-over: among them are wrong examples, which to learn is no success.
    """
    groups: dict[tuple[Kind, str | None, str | None], list[Key]] = defaultdict(list)
    for key in sorted(items):
        row = items[key]
        kind: Kind = row["kind"]
        if kind == "untreated" and row["unit"] is None:
            continue
        groups[kind, None, None].append(key)
        if kind == "treated" and row["remedy"] is not None:
            groups[kind, row["remedy"], row["cause"]].append(key)
        elif kind in ("treated", "untreated"):
            groups[kind, None, row["cause"]].append(key)
    return groups


def _order(item: tuple[tuple[Kind, str | None, str | None], list[Key]]) -> tuple[int, str, str]:
    kind, remedy, cause = item[0]
    return KINDS.index(kind), cause or "", remedy or ""


def _compared(about: Comparison, cell: Mapping[Key, str], table: Table, design: Design) -> list[Comparison]:
    """A comparison by each outcome that is known of its items; `cell` says in which arm each item is looked at."""
    seeds = sorted(seed for arm, seed in table if arm == design.control)
    first = table[design.control, seeds[0]]
    found = []
    for outcome in OUTCOMES:
        name = {key: _name(first[key], outcome, design) for key in cell}
        keys = [key for key in sorted(cell) if first[key][name[key]] is not None]
        if not keys:
            continue
        values, controls = (
            np.array([[_recalled(table[of[key], seed], key, name[key]) for seed in seeds] for key in keys])
            for of in (cell, dict.fromkeys(keys, design.control))
        )
        codes = {unit: number for number, unit in enumerate(dict.fromkeys(_unit(first[key]) for key in keys))}
        unit = np.array([codes[_unit(first[key])] for key in keys])
        totals = np.zeros((len(codes), len(seeds)))
        np.add.at(totals, unit, values - controls)
        sizes = np.bincount(unit).astype(float)
        mean = crossed_mean(totals, sizes, level=design.level)
        after, before = 2 * values.mean(axis=1) > 1, 2 * controls.mean(axis=1) > 1
        gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
        difference = float((values - controls).mean())
        tokens = _tokens(table, cell, seeds, keys)
        found.append(
            replace(
                about,
                outcome=outcome,
                n=len(keys),
                units=len(codes),
                seeds=len(seeds),
                arm_rate=float(values.mean()),
                control_rate=float(controls.mean()),
                difference=difference,
                effect=None if mean is None else mean.interval,
                p=None if mean is None else mean.p,
                gained=gained,
                lost=lost,
                mcnemar_p=mcnemar_exact(lost, gained),
                tokens=tokens,
                per_million=difference * len(keys) / tokens * 1e6 if tokens and tokens > 0 else None,
            )
        )
    return found


def _name(row: Row, outcome: Outcome, design: Design) -> str:
    """The column that holds an outcome of an item."""
    wording = design.primary.get(row["cause"], "training") if outcome == "primary" else outcome
    return f"recalled_{wording}"


def _recalled(items: Mapping[Key, Row], key: Key, name: str) -> float:
    row = items[key]
    if row[name] is None:
        raise UptakeError(
            f"{key[0]!r} has no {name} in the arm {row['arm']!r} with the seed {row['seed']}, and has it elsewhere",
            expected="every item measured alike in every arm",
        )
    return float(row[name])


def _unit(row: Row) -> str:
    # what is not assigned is on its own
    return row["unit"] if row["unit"] is not None else f"{row['id']} ({row['stage']})"


def _tokens(table: Table, cell: Mapping[Key, str], seeds: Sequence[int], keys: Sequence[Key]) -> float | None:
    spent = [table[cell[key], seed][key]["tokens"] for key in keys for seed in seeds]
    known = [one for one in spent if one is not None]
    return sum(known) / len(seeds) if known else None


def _adjusted(found: list[Comparison]) -> list[Comparison]:
    """Holm over the matched cells, which are the claims, and over the others; each outcome apart."""
    for outcome, matched in product(OUTCOMES, (True, False)):
        cells = [
            place
            for place, one in enumerate(found)
            if (one.outcome, one.matched) == (outcome, matched) and one.remedy and one.cause and one.p is not None
        ]
        p_values = np.array([found[place].p for place in cells], dtype=float)
        for place, p in zip(cells, holm(p_values), strict=True):
            found[place] = replace(found[place], p_holm=float(p))
    return found
