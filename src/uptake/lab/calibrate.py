"""Fit the coefficients of the causes' scores on worlds whose answer key is known.

Each cause and each of its patterns of signals is a logistic regression with an L2 penalty on the coefficients of the
standardised signals, by Newton's method. Positives are the confirmed items of the cause, negatives those of the others.
An unlearned example in which nothing was planted is a negative of the gap and the conflicts: the base knows its facts,
and nothing contradicts it. Whether it was forgotten or trained too little nobody knows, nor why an item was not learned
whose plant is not confirmed: these say nothing. The causes that hold only where no other does are fitted last, each
item weighted by the probability that no other cause holds of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from uptake.artifacts.checked import blaming, read_data
from uptake.artifacts.evidence import evidence_from_text
from uptake.artifacts.schemas.lab import WORLD
from uptake.artifacts.tables import to_json
from uptake.causes import CAUSES, Cause, FittedOn, Logistic, Rows, Weights, scored, spared
from uptake.errors import UptakeError
from uptake.evidence import Evidence
from uptake.lab.key import read_key

PENALTY = 1.0
"""λ: the log-likelihood summed over items is reduced by λ/2 times the sum of the squared standardised coefficients."""
STEPS = 100
"""Newton steps at most."""
CLOSE = 1e-9
"""Newton stops when no coefficient moves more."""


RULED = 0.5
"""How much less an item weighs of which a rule says that the cause cannot be about it: half, as it also shows what a
response looks like that training has tied to its question."""
OF_TRAINING = ("forgetting", "undertraining")
"""Causes that an example may have in which nothing was planted."""


@dataclass(frozen=True, slots=True)
class UnlearnedItem:
    """An unlearned example of a world.

    Attributes:
        causes: What was planted, all of it confirmed; empty where nothing was.
        perhaps: Causes of which nobody knows whether they hold.
        signals: Its signals; None where one was missing.
        n_tokens: Length of the response in tokens.
        weight: How much it counts.
    """

    causes: tuple[str, ...]
    perhaps: tuple[str, ...]
    signals: Mapping[str, float | None]
    n_tokens: int
    weight: float = 1.0


def read_items(
    folders: Sequence[Path], diagnosis: Path = Path("run", "diagnosis"), *, confirmed_only: bool = True
) -> list[UnlearnedItem]:
    """Read the unlearned examples of worlds, with what is known about why.

    Args:
        folders: Worlds that are trained and diagnosed.
        diagnosis: Folder of the diagnosis in each.
        confirmed_only: Take planted items whose plants are confirmed; else all of them.

    Raises:
        UptakeError: A diagnosis is missing or has no signals, or a key is not confirmed.
    """
    items = []
    for folder in folders:
        entries = {entry.id: entry for entry in read_key(folder / "key.jsonl")}
        if confirmed_only and any(entry.causes and entry.confirmed is None for entry in entries.values()):
            raise UptakeError(f"the answer key of {folder} is not confirmed", fix="uptake lab make --confirm")
        for row in _rows(folder / diagnosis / "diagnosis.jsonl"):
            entry = entries.get(row["id"])
            if entry is None or row["learned"] or (confirmed_only and entry.causes and not entry.confirmed):
                continue
            evidence = _evidence(row, folder / diagnosis)
            if not evidence.signals:
                raise UptakeError(f"{folder / diagnosis} has no signals", fix="uptake diagnose --attribution evidence")
            # a belief that a rival shares is no conflict with the base: `also` is not asked here
            perhaps = () if entry.causes else OF_TRAINING
            items.append(UnlearnedItem(entry.causes, perhaps, evidence.signals, evidence.n_tokens))
    return items


def _evidence(row: Mapping[str, Any], where: Path) -> Evidence:
    with blaming(where, "uptake diagnose the world first"):
        return evidence_from_text(to_json(row["evidence"]))


def _rows(path: Path) -> list[dict]:  # type: ignore[type-arg]
    try:
        return [
            json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line
        ]  # not splitlines: JSON holds U+2028
    except (OSError, ValueError, RecursionError) as error:
        raise UptakeError(f"cannot read {path}: {error}", fix="run `uptake diagnose` on the world first") from None


def calibrate(
    items: Sequence[UnlearnedItem], *, penalty: float = PENALTY, causes: Mapping[str, Cause] = CAUSES
) -> dict[tuple[str, tuple[str, ...]], Logistic]:
    """Fit every pattern of every cause.

    Args:
        items: From `read_items`.
        penalty: λ.
        causes: What is fitted.

    Raises:
        UptakeError: A cause has no item with all signals of one of its patterns, or every item has it.
    """
    rows: dict[tuple[str, tuple[str, ...]], Logistic] = {}
    each = np.array([item.weight for item in items])
    alone = each.copy()
    for cause in sorted(causes.values(), key=lambda cause: cause.residual):
        has = np.array([cause.name in item.causes for item in items], dtype=float)
        for pattern in cause.patterns:
            whole = [
                index
                for index, item in enumerate(items)
                if cause.name not in item.perhaps and all(item.signals[name] is not None for name in pattern)
            ]
            values = np.array([[items[index].signals[name] for name in pattern] for index in whole], dtype=float)
            if not 0 < has[whole].sum() < len(whole):
                raise UptakeError(
                    f"{int(has[whole].sum())} of {len(whole)} items have {cause.name}",
                    expected="some that have it and some that have not, with the signals " + ", ".join(pattern),
                    fix="name more worlds, diagnosed with base, ledger and paraphrases",
                )
            rest = np.array([1 - RULED * spared(cause, items[index].signals) for index in whole])
            weight = (alone if cause.residual else each)[whole] * rest
            intercept, coefficients = fit(values, has[whole], weight, penalty)
            rows[cause.name, pattern] = Logistic(intercept, dict(zip(pattern, coefficients.tolist(), strict=True)))
        if not cause.residual:
            alone *= [1 - _score(cause, item, rows) for item in items]
    return {(name, pattern): rows[name, pattern] for name, cause in causes.items() for pattern in cause.patterns}


def _score(cause: Cause, item: UnlearnedItem, rows: Rows) -> float:
    """The score of an item; 0 where none can be told, as in an attribution."""
    found = scored(cause, item.signals, rows)
    return 0.0 if found is None else found[1]


def fit(
    values: Float[np.ndarray, "items signals"],
    has: Float[np.ndarray, " items"],
    weight: Float[np.ndarray, " items"],
    penalty: float,
) -> tuple[float, Float[np.ndarray, " signals"]]:
    """Logistic regression with an L2 penalty, by Newton's method (iteratively reweighted least squares).

    Maximises Σ weight · log-likelihood − λ/2 Σ w², w the coefficients of the signals standardised to mean 0 and
    standard deviation 1; the intercept is not penalised.

    Returns:
        The intercept and the coefficients in the signals' own units.
    """
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    design = np.column_stack([np.ones(len(values)), (values - mean) / scale])
    ridge = penalty * np.diag([0.0, *np.ones(values.shape[1])])
    solution = np.zeros(design.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ solution, -500, 500)))
        gradient = design.T @ (weight * (has - p)) - ridge @ solution
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 5.0 / max(1e-12, float(np.abs(step).max())))  # far off, a full step overshoots
        solution += step
        if np.abs(step).max() < CLOSE:
            break
    else:
        raise UptakeError(f"the fit did not converge in {STEPS} steps", fix="name more worlds")
    coefficients = solution[1:] / scale
    return float(solution[0] - coefficients @ mean), coefficients


FAMILY = 100.0
"""What the items of one family of worlds weigh together in a fit."""
FEWEST = 10
"""Items of a cause from which on it weighs in full: two of them do not speak for their whole family."""


def family(folder: Path) -> str:
    """The family of a world; of a pre-trained model's worlds text and chat are two."""
    made = read_data(folder / "world.json", WORLD)
    form = made["controls"].get("form")
    return f"{made['world']}: {form}" if form and made["world"] == "pretrained" else str(made["world"])


def weighted(items: Sequence[UnlearnedItem]) -> list[UnlearnedItem]:
    """The items of one family, so weighted that each of its causes counts as much as its other ones.

    Families differ in how many worlds and examples they have, and in how many examples of a cause were not learned;
    that is no reason to believe one more than another.
    """
    counts = Counter(item.causes[:1] for item in items)
    return [replace(item, weight=FAMILY / len(counts) / max(FEWEST, counts[item.causes[:1]])) for item in items]


def calibrated(folders: Sequence[Path]) -> Weights:
    """Fit on worlds, every family as much as every other; raises as `read_items` and `calibrate`."""
    items: list[UnlearnedItem] = []
    families: dict[str, list[Path]] = {}
    for folder in folders:
        families.setdefault(family(folder), []).append(folder)
    for some in families.values():
        items += weighted(read_items(some))
    worlds = []
    for folder in folders:
        manifest = read_data(folder / "world.json", WORLD)
        worlds.append({"world": manifest["world"], "controls": manifest["controls"]})
    counts = {name: sum(name in item.causes for item in items) for name in CAUSES}
    longest = max(item.n_tokens for item in items)
    return Weights(calibrate(items), FittedOn(worlds, len(items), counts, longest, PENALTY))
