"""The summary as the page and the Markdown tell it: headline, groups by cause, places, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from uptake.attribute import UNEXPLAINED
from uptake.causes import CAUSES
from uptake.report.charts import ShareChange
from uptake.report.later import Cured
from uptake.report.rows import DiagnosisRows, Story
from uptake.stats import wilson
from uptake.text import counted

Rate: TypeAlias = Mapping[str, Any]
"""`estimate`, `low`, `high`, as in summary.json."""

NO_CAUSE = (
    "None of the five causes is likelier than not.",
    "Look at the evidence; held-out wordings, a ledger and a base model tell more.",
)


@dataclass(frozen=True, slots=True)
class Group:
    """The examples of one cause.

    Attributes:
        cause: As in the tables.
        count: Examples.
        rate: Their share of what was not learned.
        why: What the cause finds.
        remedy: What to do.
        safety: How safe that is.
        told: The most telling examples, each with its sentence.
    """

    cause: str
    count: int
    rate: Rate
    why: str
    remedy: str
    safety: str
    told: tuple[tuple[Story, str], ...]


@dataclass(frozen=True, slots=True)
class NamedAndCorrected:
    """A cause's share of what was not learned.

    Attributes:
        cause: As in the tables.
        count: Examples that are named so.
        named: Their share.
        corrected: The share by the interventions; None for `unexplained`, which is no cause.
    """

    cause: str
    count: int
    named: Rate
    corrected: Rate | None


@dataclass(frozen=True, slots=True)
class PlaceRates:
    """A source or a stage: examples, and the rates of what was not learned, learned by heart, forgotten."""

    name: str
    n: int
    unlearned: int
    rate: Rate | None
    shallow: Rate | None
    forgotten: Rate | None


def title(cause: str) -> str:
    """A cause's name as words."""
    return cause.replace("_", " ")


def telling(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Id and stage of the examples that the summary calls the most telling."""
    causes = (summary.get("attribution") or {}).get("causes", {})
    return [(one["id"], one["stage"]) for part in causes.values() for one in part.get("telling", ())]


def groups(summary: Mapping[str, Any], rows: DiagnosisRows) -> list[Group]:
    """The causes that were named, the most frequent first."""
    told = summary.get("attribution")
    if told is None or not told["n"]:
        return []
    found = []
    for name, part in {**told["causes"], UNEXPLAINED: told["unexplained"]}.items():
        if not part["count"]:
            continue
        cause = CAUSES.get(name)
        stories = tuple(
            (rows.stories[key], one["sentence"])
            for one in part.get("telling", ())
            if (key := (one["id"], one["stage"])) in rows.stories
        )
        why, remedy, safety = (cause.finds, cause.remedy, cause.safety) if cause else (*NO_CAUSE, "")
        found.append(Group(name, part["count"], part["rate"], why, remedy, safety, stories))
    return sorted(found, key=lambda group: -group.count)


def corrected(summary: Mapping[str, Any]) -> list[NamedAndCorrected]:
    """The causes with their corrected shares, the most frequently named first; none without interventions that tell."""
    shares = ((summary.get("interventions") or {}).get("shares") or {}).get("causes")
    if not shares:
        return []
    told = summary["attribution"]
    found = [
        NamedAndCorrected(name, part["count"], part["rate"], shares.get(name))
        for name, part in {**told["causes"], UNEXPLAINED: told["unexplained"]}.items()
        if part["count"] or name in shares
    ]
    return sorted(found, key=lambda one: -one.count)


def complement(rate: Rate | None) -> Rate | None:
    """The rate of the opposite."""
    if rate is None:
        return None
    return {"estimate": 1 - rate["estimate"], "low": 1 - rate["high"], "high": 1 - rate["low"]}


def places(parts: Mapping[str, Any]) -> list[PlaceRates]:
    """Sources or stages of a summary, the least learned first."""
    found = [
        PlaceRates(
            name=name,
            n=part["n"],
            unlearned=part["n"] - (part["learned"]["count"] or 0),
            rate=complement(part["learned"]["rate"]),
            shallow=part["shallow"]["rate"],
            forgotten=part["forgotten"]["rate"],
        )
        for name, part in parts.items()
    ]
    return sorted(found, key=lambda place: (-(place.rate["estimate"] if place.rate else 0.0), place.name))


def by_the_fine_tune(summary: Mapping[str, Any], rows: DiagnosisRows) -> list[ShareChange]:
    """What the fine-tune changed: its own examples, and the retention set."""
    right, known = (sum(part[side] for part in rows.before.values()) for side in (0, 1))
    after_right = sum(right for right, _ in rows.after.values())
    changes = []
    before, after = wilson(right, known), wilson(after_right, known)
    if before is not None and after is not None:
        note = f"{counted(known, 'example')}; by the answer alone, its end is not asked for"
        changes.append(_change("training examples answered rightly", before, after, note))
    answers = (summary.get("retention") or {}).get("answers")
    if answers is not None:
        note = f"{answers['lost']['count']} lost, {answers['gained']['count']} gained; exact McNemar test: "
        p_value = answers["mcnemar_p"]
        note += f"p = {p_value:.2g}" if p_value is not None else "no p-value"
        changes.append(ShareChange("retention answers that are right", answers["before"], answers["after"], note))
    return changes


def _change(label: str, before: Any, after: Any, note: str) -> ShareChange:
    first, second = ({"estimate": one.estimate, "low": one.low, "high": one.high} for one in (before, after))
    return ShareChange(label, first, second, note)


def by_the_cure(summary: Mapping[str, Any], cured: Cured | None) -> list[ShareChange]:
    """What the cure changed: rates of the two diagnoses."""
    if cured is None or cured.summary is None:
        return []
    pairs = [
        ("not learned", complement(summary["learned"]["rate"]), complement(cured.summary["learned"]["rate"])),
        ("learned in the training wording only", summary["shallow"]["rate"], cured.summary["shallow"]["rate"]),
        ("forgotten", summary["forgotten"]["rate"], cured.summary["forgotten"]["rate"]),
    ]
    changes = [ShareChange(label, before, after) for label, before, after in pairs if before and after]
    named = [(one.get("attribution") or {}).get("causes", {}) for one in (summary, cured.summary)]
    for cause in CAUSES:
        first, second = (part.get(cause) for part in named)
        if first and second and (first["count"] or second["count"]):
            n = (summary["n"], cured.summary["n"])
            shares = [wilson(part["count"] or 0, of) for part, of in zip((first, second), n, strict=True)]
            if shares[0] and shares[1]:
                changes.append(_change(f"not learned: {title(cause)}", shares[0], shares[1], ""))
    return changes
