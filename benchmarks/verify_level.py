"""Verification: does the test of an effect keep its level, is its power as foretold, and what would a bootstrap do?

    python benchmarks/verify_level.py [--repetitions 1000] [--real runs/gate]

Simulated items: an item's recall in a training is a threshold on a latent normal value, made of the item, the item in
its arm, the training, and chance, so that trainings of one arm agree on an item more than those of different arms, and
a whole training is better or worse than another. `level`: arms that do nothing; `power`: an arm that helps, beside what
`uptake.verify.power` foretells from the correlations of the simulated items. `holm`: five causes at once. `bootstrap`:
the percentile interval of a bootstrap over items and trainings, on the same data. With --real, also level by trainings
that were really made (those of benchmarks/gate.py): trainings of one recipe are dealt into two arms, and the items that
another training of it did not learn are compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from uptake.artifacts import versions, write_json
from uptake.stats import holm, wilson
from uptake.verify import Expected, crossed_mean, power

OUT = Path(__file__).parent / "results" / "verify_level.json"
RESAMPLES = 500


@dataclass(frozen=True)
class Latent:
    """Shares of the latent variance that are due to the item and to the item in its arm; deviation of trainings."""

    item: float
    item_in_arm: float
    training: float


REALISTIC = Latent(item=0.45, item_in_arm=0.1, training=0.08)
"""Close to what 21 trainings of one recipe showed (docs/details/verify.md), arms agreeing a little less."""
CALM = Latent(item=0.45, item_in_arm=0.1, training=0.0)
WILD = Latent(item=0.45, item_in_arm=0.1, training=0.25)


def outcomes(
    rng: np.random.Generator, shape: tuple[int, int], rates: tuple[float, float], latent: Latent
) -> tuple[np.ndarray, np.ndarray]:
    """Recall (0 or 1) in the arm and in the control: items by trainings, each with the given rate in expectation."""
    units, runs = shape
    item = rng.standard_normal((units, 1)) * latent.item**0.5

    def arm(rate: float) -> np.ndarray:
        value = item + rng.standard_normal((units, 1)) * latent.item_in_arm**0.5
        value = value + rng.standard_normal((units, runs)) * (1 - latent.item - latent.item_in_arm) ** 0.5
        value = value + rng.standard_normal((1, runs)) * latent.training
        return (value < NormalDist().inv_cdf(rate) * (1 + latent.training**2) ** 0.5).astype(float)

    return arm(rates[0]), arm(rates[1])


def bootstrap_says(difference: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether the percentile interval of a bootstrap over items and trainings leaves 0 out."""
    units, runs = difference.shape
    items = rng.multinomial(units, np.full(units, 1 / units), size=RESAMPLES)
    trainings = rng.multinomial(runs, np.full(runs, 1 / runs), size=RESAMPLES)
    means = ((items @ difference) * trainings).sum(axis=1) / (units * runs)
    low, high = np.quantile(means, [0.025, 0.975])
    return bool(low > 0 or high < 0)


def p_of(difference: np.ndarray) -> tuple[float, float]:
    """Estimate and p-value of one experiment."""
    found = crossed_mean(difference, np.ones(len(difference)))
    return (0.0, 1.0) if found is None else (found.interval.estimate, found.p)


def rate(count: int, n: int) -> dict[str, Any] | None:
    interval = wilson(count, n)
    return None if interval is None else {"count": count, **asdict(interval)}


def level(repetitions: int) -> Iterator[dict[str, Any]]:
    """Arms that do nothing: how often they seem to do something."""
    settings = product((10, 30, 80), (2, 3, 5), (0.1, 0.3), (CALM, REALISTIC, WILD))
    for number, (units, runs, control, latent) in enumerate(settings):
        rng = np.random.default_rng([1, number])
        found, resampled = 0, 0
        with_bootstrap = min(repetitions, 200)
        for repetition in range(repetitions):
            one, other = outcomes(rng, (units, runs), (control, control), latent)
            found += p_of(one - other)[1] <= 0.05
            if repetition < with_bootstrap:
                resampled += bootstrap_says(one - other, rng)
        yield {
            "units": units, "trainings": runs, "control": control, "training_sd": latent.training,
            "significant": rate(found, repetitions), "bootstrap_significant": rate(resampled, with_bootstrap),
        }  # fmt: skip


def family(repetitions: int) -> dict[str, Any]:
    """Five causes at once in the same trainings, none treated: how often is any significant after Holm?"""
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(repetitions):
        one, other = outcomes(rng, (5 * 30, 3), (0.25, 0.25), REALISTIC)
        p_values = np.array([p_of((one - other)[first::5])[1] for first in range(5)])
        found += bool((holm(p_values) <= 0.05).any())
    return {"causes": 5, "items_of_each": 30, "trainings": 3, "any_significant": rate(found, repetitions)}


def expected_of(latent: Latent, control: float, treated: float) -> Expected:
    """The correlations of the simulated items, from a large sample of them."""
    rng = np.random.default_rng(3)
    one, other = outcomes(rng, (40_000, 2), (treated, control), Latent(latent.item, latent.item_in_arm, 0.0))
    between_runs = np.mean([np.corrcoef(arm[:, 0], arm[:, 1])[0, 1] for arm in (one, other)])
    between_arms = np.corrcoef(one[:, 0], other[:, 0])[0, 1]
    slopes = [NormalDist().pdf(NormalDist().inv_cdf(share)) for share in (control, treated)]
    run = latent.training * float(np.sqrt(np.mean(np.square(slopes))))
    return Expected(control, float(between_runs), float(between_arms), run)


def powers(repetitions: int) -> Iterator[dict[str, Any]]:
    """An arm that helps: how often is it found, and how often was that foretold?"""
    settings = product((10, 20, 40, 80), (2, 3, 5), ((0.1, 0.2), (0.25, 0.2), (0.25, 0.4), (0.4, 0.3)))
    for number, (units, runs, (control, effect)) in enumerate(settings):
        rng = np.random.default_rng([4, number])
        found = 0
        for _ in range(repetitions):
            one, other = outcomes(rng, (units, runs), (control + effect, control), REALISTIC)
            estimate, p = p_of(one - other)
            found += p <= 0.05 and estimate > 0
        foretold = power(units, runs, effect, expected_of(REALISTIC, control, control + effect))
        yield {
            "units": units, "trainings": runs, "control": control, "effect": effect, "foretold": round(foretold, 3),
            "found": rate(found, repetitions),
        }  # fmt: skip


def real(folder: Path, repetitions: int) -> dict[str, Any]:
    """Trainings of one recipe dealt into two arms: items that another training did not learn are compared."""
    import pyarrow.parquet as pq

    names = sorted(path.parent.parent for path in folder.glob("seed-*/diagnosis/summary.json"))
    tables = [pq.read_table(name / "diagnosis" / "diagnosis.parquet", columns=["id", "learned"]) for name in names]
    learned = [dict(zip(*(column.to_pylist() for column in table.columns), strict=True)) for table in tables]
    ids = sorted(learned[0])
    values = np.array([[one[id] for one in learned] for id in ids], dtype=float)
    told: dict[str, Any] = {"trainings": len(names), "examples": len(ids), "components": components(values)}
    for runs, items in product((2, 3, 5), (20, 40, None)):
        rng = np.random.default_rng([5, runs, items or 0])
        found, resampled = 0, 0
        for _ in range(repetitions):
            dealt = rng.permutation(len(names))
            flagged = np.flatnonzero(values[:, dealt[0]] == 0)
            chosen = flagged if items is None else rng.choice(flagged, items, replace=False)
            one, other = (values[np.ix_(chosen, dealt[1 + k * runs : 1 + (k + 1) * runs])] for k in (0, 1))
            found += p_of(one - other)[1] <= 0.05
            resampled += runs == 3 and bootstrap_says(one - other, rng)
        told[f"{runs} trainings, {items or 'all flagged'} items"] = {
            "significant": rate(found, repetitions),
            "bootstrap_significant": rate(resampled, repetitions) if runs == 3 else None,
        }  # fmt: skip
    return told


def components(values: np.ndarray) -> dict[str, float]:
    """What the items that a training did not learn do in the other trainings, mean over all of them."""
    rows = []
    for first in range(values.shape[1]):
        others = np.delete(values[values[:, first] == 0], first, axis=1)
        n, runs = others.shape
        mean = others.mean()
        of_item = runs * ((others.mean(axis=1) - mean) ** 2).sum() / (n - 1)
        of_run = n * ((others.mean(axis=0) - mean) ** 2).sum() / (runs - 1)
        rest = others - others.mean(axis=1)[:, None] - others.mean(axis=0) + mean
        error = (rest**2).sum() / ((n - 1) * (runs - 1))
        item, run = (of_item - error) / runs, max(0.0, (of_run - error) / n)
        rows.append((n, mean, item / (item + run + error), run**0.5))
    names = ("flagged", "control", "between_runs", "run")
    return dict(zip(names, (float(value) for value in np.mean(rows, axis=0)), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    told: dict[str, Any] = {"repetitions": args.repetitions}
    if args.real is not None:
        told["real"] = real(args.real, args.repetitions)
    told["holm"] = family(args.repetitions)
    told["power"] = list(powers(args.repetitions))
    told["largest_error_of_power"] = max(abs(one["foretold"] - one["found"]["estimate"]) for one in told["power"])
    told["level"] = list(level(args.repetitions))
    write_json(args.out, told | {"versions": versions()})
    print(args.out)


if __name__ == "__main__":
    main()
