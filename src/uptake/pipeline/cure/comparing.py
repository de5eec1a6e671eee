"""Diagnoses laid side by side: before a cure, after it, and after plain fine-tuning with as many tokens."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from uptake.artifacts.tables import CAUSES
from uptake.compare import CureColumn
from uptake.pipeline.diagnosis import Diagnosis
from uptake.pipeline.prescribe.material import plan_names
from uptake.types import Finding

LEARNED, OUT = "learned before", "removed"
"""Groups of examples beside those of the causes."""


@dataclass(frozen=True, slots=True)
class CureGroup:
    """Examples that a cure found in one state.

    Attributes:
        name: Their cause before; `learned before`; or `removed` by the plan.
        n: How many.
        before: How many were learned before.
        after: How many are now.
        heldout_n: How many have held-out wordings.
        heldout_before: Of these, the mean share of held-out wordings in which they were learned; None without any.
        heldout_after: The same now.
        plain: How many are learned by plain fine-tuning with as many tokens; None where that was not trained.
        heldout_plain: The mean share of held-out wordings then.
    """

    name: str
    n: int
    before: int
    after: int
    heldout_n: int
    heldout_before: float | None
    heldout_after: float | None
    plain: int | None = None
    heldout_plain: float | None = None


def compared(
    before: Iterable[Finding],
    after: Iterable[Finding],
    out: Collection[str] = (),
    plain: Iterable[Finding] | None = None,
) -> tuple[CureGroup, ...]:
    """The examples of two diagnoses, by what the first says of them: causes in their order, then the learned ones.

    Args:
        before: The diagnosis of the tuned model.
        after: That of the cured one.
        out: Examples that were removed, by the names that a plan calls them.
        plain: That of plain fine-tuning with as many tokens; None where there is none.
    """
    of: dict[str, list[_Triple]] = {}
    for name, one in _triples(before, after, out, plain):
        of.setdefault(name, []).append(one)
    order = [*CAUSES, *sorted(set(of) - {*CAUSES, OUT, LEARNED}), OUT, LEARNED]
    return tuple(_group(name, of[name], plain is not None) for name in order if name in of)


_Triple: TypeAlias = tuple[Finding, Finding, Finding | None]
"""An example before the cure, after it, and after plain fine-tuning."""


def _triples(
    before: Iterable[Finding], after: Iterable[Finding], out: Collection[str], plain: Iterable[Finding] | None
) -> Iterator[tuple[str, _Triple]]:
    """The examples that all diagnoses have, each with the name of its group."""
    before = list(before)
    names = plan_names((one.id, one.stage) for one in before)
    now = {(one.id, one.stage): one for one in after}
    beside = {(one.id, one.stage): one for one in plain or ()}
    for one in before:
        key = one.id, one.stage
        name = OUT if names[key] in out else LEARNED if one.learned else one.cause or "not attributed"
        if key in now and (plain is None or key in beside):
            yield name, (one, now[key], beside.get(key))


def _group(name: str, some: Sequence[_Triple], plainly: bool) -> CureGroup:
    asked = [three for three in some if None not in _shares(three)]
    means = [_mean([_shares(three)[side] for three in asked]) for side in range(2 + plainly)]
    return CureGroup(
        name=name,
        n=len(some),
        before=sum(old.learned for old, _, _ in some),
        after=sum(new.learned for _, new, _ in some),
        heldout_n=len(asked),
        heldout_before=means[0],
        heldout_after=means[1],
        plain=sum(other.learned for _, _, other in some if other is not None) if plainly else None,
        heldout_plain=means[2] if plainly else None,
    )


def _shares(three: _Triple) -> tuple[float | None, ...]:
    return tuple(_share(one) for one in three if one is not None)


def _mean(shares: Sequence[float | None]) -> float | None:
    return sum(one or 0.0 for one in shares) / len(shares) if shares else None


def in_all(
    before: Diagnosis, after: Diagnosis, out: Collection[str] = (), plain: Diagnosis | None = None
) -> tuple[CureColumn, ...]:
    """Training wording, held-out wordings and retention of all examples together.

    A column that nothing is known of is left out. Removed examples do not count: they are not to be learned.

    Args:
        before: The diagnosis of the tuned model.
        after: That of the cured one.
        out: As in `compared`.
        plain: As in `compared`.
    """
    some = [three for name, three in _triples(before, after, out, plain) if name != OUT]
    columns = []
    if n := len(some):
        all_of = _group("", some, plain is not None)
        training = CureColumn(
            "training wording",
            n,
            all_of.before / n,
            all_of.after / n,
            None if all_of.plain is None else all_of.plain / n,
            lost=sum(old.learned and not new.learned for old, new, _ in some),
            gained=sum(new.learned and not old.learned for old, new, _ in some),
        )
        columns.append(training)
        if all_of.heldout_before is not None and all_of.heldout_after is not None:
            shares = all_of.heldout_before, all_of.heldout_after, all_of.heldout_plain
            columns.append(CureColumn("held-out wordings", all_of.heldout_n, *shares))
    kept = [_retention(one.summary()) for one in (before, after, plain) if one is not None]
    known = [one for one in kept if one is not None]
    if known and len(known) == len(kept):
        (n, first), (_, second), *third = known
        columns.append(CureColumn("retention", n, first, second, third[0][1] if third else None))
    return tuple(columns)


def _share(finding: Finding) -> float | None:
    """Share of an example's held-out wordings in which it is learned."""
    held_out = finding.evidence.held_out
    return None if held_out is None else held_out.passed


def _retention(summary: Mapping[str, Any]) -> tuple[int, float] | None:
    """How many answers of the retention set are asked for, and the share that is right."""
    answers = (summary.get("retention") or {}).get("answers")
    return None if not answers or not answers["n"] else (answers["n"], answers["after"]["estimate"])
