"""Do 95 % intervals of the corrected shares hold the planted shares? For `benchmarks/interventions.py`.

Each family of worlds is left out of the priors in turn. Beside the model stand simpler forms, with the same tables of
the other families. Resampled runs are drawn from the sampled examples of the family left out: true shares from a
Dirichlet(1, ..., 1), examples with replacement, each with its cause, name and intervention as they were, and a sample
as `--intervene` draws it. They are no new worlds: what a world is like stays the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from uptake.attribute.shares import NAMES, Priors, counted, shares
from uptake.causes import CAUSES
from uptake.lab.share_priors import KnownItem, Table, fit_priors, tables
from uptake.stats import wilson

RESAMPLES = 200
"""Bootstrap resamples of the simpler forms."""
SIZES, SAMPLES = (60, 150, 400), (30, 60)
"""Unlearned examples of a resampled run, and how many of them are sampled."""
Ends: TypeAlias = "np.ndarray[Any, Any]"
"""By cause the estimate and the two ends of its interval."""


@dataclass(frozen=True)
class FamilyWorld:
    """The unlearned examples of a world whose cause is known."""

    name: str
    family: str
    items: Sequence[KnownItem]


@dataclass(frozen=True)
class LabTables:
    """What the other families tell.

    Attributes:
        priors: As the model takes them.
        named: How often which cause was named what, all families together.
        spoken: How often interventions spoke for what; contradictions in one row, whatever their name.
    """

    priors: Priors
    named: Table
    spoken: Table

    @classmethod
    def of(cls, families: Mapping[str, Sequence[KnownItem]]) -> LabTables:
        """From the items of each family."""
        found = [tables(items) for items in families.values()]
        named, spoken = (np.sum([pair[k] for pair in found], axis=0) for k in (0, 1))
        row = list(CAUSES).index("data_conflict")
        spoken[row] += spoken[-1]
        return cls(fit_priors(families), named, spoken[:-1])


def as_named(items: Sequence[KnownItem], lab: LabTables, seed: int) -> Ends:
    """The shares as they are named, with Wilson's interval."""
    rates = [wilson(sum(item.name == cause for item in items), len(items)) for cause in CAUSES]
    return np.array([(one.estimate, one.low, one.high) for one in rates if one is not None])


def by_model(items: Sequence[KnownItem], lab: LabTables, seed: int) -> Ends:
    """What uptake does."""
    found = shares([item.name for item in items], [item.speech for item in items], lab.priors, seed=seed)
    assert found is not None
    return np.array([(one.estimate, one.low, one.high) for one in found.values()])


def _shares_of(table: Table) -> Any:
    return (table + 0.5) / (table + 0.5).sum(axis=-1, keepdims=True)


def _solved(table: Any, seen: Any) -> Any:
    """Shares whose mixture of the table's rows is nearest to what was seen: none below 0, all together 1."""
    from scipy.optimize import nnls

    heavy = 100.0  # makes the sum 1
    found = nnls(np.vstack([table.T, heavy * np.ones(len(CAUSES))]), np.append(seen, heavy))[0]
    return found / found.sum()


def rogan_gladen(use: str) -> Callable[[Sequence[KnownItem], LabTables, int], Ends]:
    """Rogan and Gladen's correction (1978) for many classes: the lab's table inverted, bootstrap over lab and run.

    Args:
        use: `names` of all examples, `speeches` of the sampled ones, weighted by name, or `both`.
    """

    def estimated(items: Sequence[KnownItem], lab: LabTables, seed: int) -> Ends:
        rng = np.random.default_rng(seed)
        counts = counted([item.name for item in items], [item.speech for item in items])

        def once(counts: Any, named: Table, spoken: Table) -> Any:
            names = counts.sum(axis=1) / counts.sum()
            sampled = counts[:, :-1] / np.maximum(1, counts[:, :-1].sum(axis=1, keepdims=True))
            speeches = names @ sampled
            speeches = speeches / speeches.sum()
            parts = {"names": (_shares_of(named), names), "speeches": (_shares_of(spoken), speeches)}
            taken = list(parts.values()) if use == "both" else [parts[use]]
            return _solved(np.hstack([table for table, _ in taken]), np.concatenate([seen for _, seen in taken]))

        def again(table: Any) -> Any:
            return np.array([rng.multinomial(row.sum(), row / max(1, row.sum())) for row in table])

        def run_again() -> Any:  # a stratum a name: the sample is drawn by it
            totals = rng.multinomial(counts.sum(), counts.sum(axis=1) / counts.sum())
            spoken = again(counts[:, :-1])
            return np.column_stack([spoken, np.maximum(0, totals - spoken.sum(axis=1))])

        draws = [once(run_again(), again(lab.named), again(lab.spoken)) for _ in range(RESAMPLES)]
        return np.column_stack([once(counts, lab.named, lab.spoken), *np.quantile(draws, [0.025, 0.975], axis=0)])

    return estimated


def em(items: Sequence[KnownItem], lab: LabTables, seed: int) -> Ends:
    """The same latent classes by EM, the lab's examples counted as the run's own; bootstrap over lab and run."""
    rng = np.random.default_rng(seed)
    own = counted([item.name for item in items], [item.speech for item in items])

    def again(table: Any) -> Any:
        draws = [rng.multinomial(row.sum(), row / max(1, row.sum()), size=RESAMPLES) for row in table]
        return np.concatenate([table[None], np.stack(draws, axis=1)])

    # the first of each is what was seen, the others are resampled
    flat = rng.multinomial(own.sum(), own.ravel() / own.sum(), size=RESAMPLES)
    counts = np.concatenate([own[None], flat.reshape(-1, *own.shape)])
    lab_named, lab_spoken = again(lab.named), again(lab.spoken)
    prevalence, named, spoken = np.full((len(counts), len(CAUSES)), 0.2), _shares_of(lab_named), _shares_of(lab_spoken)
    for _ in range(100):
        said = np.concatenate([spoken, np.ones((*spoken.shape[:2], 1))], axis=-1)
        p = np.einsum("kt,ktn,ktc->knct", prevalence, named, said)
        causes = counts[..., None] * p / p.sum(axis=-1, keepdims=True)
        prevalence = causes.sum(axis=(1, 2)) / own.sum()
        named = _shares_of(lab_named + causes.sum(axis=2).swapaxes(1, 2))
        spoken = _shares_of(lab_spoken + causes[:, :, :-1].sum(axis=1).swapaxes(1, 2))
    return np.column_stack([prevalence[0], *np.quantile(prevalence[1:], [0.025, 0.975], axis=0)])


WAYS: Mapping[str, Callable[[Sequence[KnownItem], LabTables, int], Ends]] = {
    "as named": as_named,
    "Rogan-Gladen, names": rogan_gladen("names"),
    "Rogan-Gladen, interventions": rogan_gladen("speeches"),
    "Rogan-Gladen, both": rogan_gladen("both"),
    "EM and bootstrap": em,
    "latent classes": by_model,
}


def planted(items: Sequence[KnownItem]) -> Any:
    """The true shares."""
    return np.array([sum(item.cause == cause for item in items) / len(items) for cause in CAUSES])


def resampled(worlds: Sequence[FamilyWorld], size: int, sampled: int, rng: np.random.Generator) -> list[KnownItem]:
    """A run of examples that were sampled in worlds of one family, each drawn as if all of its world's had been."""
    pool, weight = [], []
    for world in worlds:
        every = Counter(item.name for item in world.items)
        own = [item for item in world.items if item.speech is not None]
        drawn = Counter(item.name for item in own)
        pool += own
        weight += [every[item.name] / drawn[item.name] for item in own]
    there = [cause for cause in CAUSES if any(item.cause == cause for item in pool)]
    each = rng.multinomial(size, rng.dirichlet(np.ones(len(there))))
    chosen: list[int] = []
    for cause, n in zip(there, each, strict=True):
        p = np.array([w if item.cause == cause else 0.0 for item, w in zip(pool, weight, strict=True)])
        chosen += rng.choice(len(pool), size=n, p=p / p.sum()).tolist()
    items = [pool[k] for k in rng.permutation(chosen)]
    queues: dict[str, list[int]] = {name: [] for name in NAMES}
    for position, item in enumerate(items):
        queues[item.name].append(position)
    order = sorted((turn, name, position) for name, own in queues.items() for turn, position in enumerate(own))
    kept = {position for _, _, position in order[:sampled]}
    return [item if position in kept else KnownItem(item.cause, item.name, None) for position, item in enumerate(items)]


def measured_shares(worlds: Sequence[FamilyWorld], runs: int) -> dict[str, Any]:
    """Coverage, mean width and mean error of each way: over the worlds, and over `runs` resampled runs a family."""
    families = list(dict.fromkeys(world.family for world in worlds))
    own: dict[str, dict[str, list[Any]]] = {kind: {way: [] for way in WAYS} for kind in ("worlds", "resampled")}
    of_family: dict[str, dict[str, list[Any]]] = {name: {way: [] for way in WAYS} for name in families}
    single: dict[str, Any] = {}
    for family in families:
        rest = {
            other: [item for world in worlds if world.family == other for item in world.items]
            for other in families
            if other != family
        }
        lab, mine = LabTables.of(rest), [world for world in worlds if world.family == family]
        for world in mine:
            found = {way: estimate(world.items, lab, 0) for way, estimate in WAYS.items()}
            truth = planted(world.items)
            for way, ends in found.items():
                own["worlds"][way].append(_scored(ends, truth))
            single[world.name] = _told(world, truth, found)
        rng = np.random.default_rng(0)
        for run in range(runs):
            items = resampled(mine, int(rng.choice(SIZES)), int(rng.choice(SAMPLES)), rng)
            for way, estimate in WAYS.items():
                score = _scored(estimate(items, lab, run), planted(items))
                own["resampled"][way].append(score)
                of_family[family][way].append(score)
    return {
        **{kind: {way: _summary(scores) for way, scores in ways.items()} for kind, ways in own.items()},
        "resampled_by_family": {
            name: {way: _summary(scores) for way, scores in ways.items()} for name, ways in of_family.items()
        },
        "single": single,
    }


def _scored(ends: Ends, truth: Any) -> Any:
    """By cause whether the interval holds the truth, its width, and the error of the estimate."""
    slack = 1e-9
    holds = (ends[:, 1] <= truth + slack) & (truth <= ends[:, 2] + slack)
    return np.stack([holds, ends[:, 2] - ends[:, 1], np.abs(ends[:, 0] - truth)])


def _summary(scores: Sequence[Any]) -> dict[str, Any]:
    if not scores:
        return {"n": 0}
    each = np.array(scores)
    holds = {cause: float(value) for cause, value in zip(CAUSES, each[:, 0].mean(axis=0), strict=True)}
    numbers = dict(zip(("holds", "width", "error"), map(float, each.mean(axis=(0, 2))), strict=True))
    return {"n": len(scores) * len(CAUSES), **numbers, "holds_by_cause": holds}


def _told(world: FamilyWorld, truth: Any, found: Mapping[str, Ends]) -> dict[str, Any]:
    return {
        "n": len(world.items),
        "sampled": sum(item.speech is not None for item in world.items),
        "planted": dict(zip(CAUSES, truth.tolist(), strict=True)),
        **{way: dict(zip(CAUSES, ends.tolist(), strict=True)) for way, ends in found.items()},
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """The measured shares for a terminal."""
    told = []
    for kind in ("worlds", "resampled"):
        for way, one in found[kind].items():
            if one["n"]:
                numbers = f"holds {one['holds']:.3f}, width {one['width']:.3f}, error {one['error']:.3f}"
                told.append(f"{kind:10} {way:30} {one['n']:5} intervals: {numbers}")
    for name, ways in found["resampled_by_family"].items():
        one = ways["latent classes"]
        if one["n"]:
            told.append(f"  {name:20} latent classes: holds {one['holds']:.3f}, width {one['width']:.3f}")
    return told
