"""How many of the unlearned examples have each cause: what all are named and what interventions on some say, together.

A latent-class model, as for a disease and two tests of which neither is a gold standard (Joseph, Gyorkos and Coupal
1995, American Journal of Epidemiology 141:263). Of each unlearned example:

- its true cause t ~ π, one of the five; π ~ Dirichlet(½, ..., ½), Jeffreys' prior;
- the cause that it is named, `unexplained` among them: n ~ C[t];
- what its intervention speaks for, where it was sampled: s ~ S[t], independent of n given t, but for one thing: a
  contradiction of which no rival was found is neither named so nor trained without its rivals, so S has a row of its
  own for contradictions that are named otherwise.

The rows of C and S have Dirichlet priors, fitted on worlds whose causes are known: as wide as families of worlds
differ, so that the run's own examples move them. The sample is drawn by the names. These are known of all examples and
in the likelihood, so that the draw needs no weights. What a share is of is finite: the run's own unlearned examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from uptake.artifacts import read_json
from uptake.attribute.evidence import UNEXPLAINED
from uptake.causes import CAUSES
from uptake.stats import Interval

PATH = Path(__file__).with_name("priors.json")
"""The priors that come with uptake: `python benchmarks/interventions.py --priors`."""
NAMES = (*CAUSES, UNEXPLAINED)
"""What an example may be named."""
SPEECHES: tuple[tuple[str, ...], ...] = (
    (),
    ("data_conflict",),
    ("forgetting",),
    ("forgetting", "undertraining"),
    ("knowledge_gap", "base_conflict"),
    ("knowledge_gap", "undertraining"),
)
"""What an intervention may speak for: `uptake.attribute.interventions.speaks_for`; () where it does not teach it."""

SPOKEN_OF = (*CAUSES, "data_conflict named otherwise")
"""Rows of what interventions speak for."""

JEFFREYS = 0.5
"""Dirichlet parameter of each true share: with 1 in its place, shares near 0 were missed (benchmarks/NOTES.md)."""
CHAINS = 64
"""Chains of the sampler, each from its own draw of the priors."""
BURN_IN = 300
"""Steps that are thrown away."""
KEPT = 200
"""Steps that are kept of each chain: another seed moves an end of an interval by up to 0.03."""
AUGMENTED = 200
"""Examples without an intervention that have a latent cause in a step, at most: of more the chains mix too slowly. With
200 the ends of intervals were within 0.1 of those with 1000 and ten times the steps, mostly further out."""
FLAT = 1.0
"""Dirichlet parameter of each name where nothing is known of the names."""

Rows: TypeAlias = Float[np.ndarray, "_ _"]
"""Dirichlet parameters: a row is a Dirichlet, a column a class."""


@dataclass(frozen=True)
class Priors:
    """What is known beforehand.

    Attributes:
        named: Of the names that a cause's examples get; rows are `CAUSES`, columns `NAMES`.
        spoken: Of what interventions speak for; rows are `SPOKEN_OF`, columns `SPEECHES`.
        fitted_on: JSON data: the families and how many items of each.
    """

    named: Rows
    spoken: Rows
    fitted_on: Mapping[str, Any]

    def without_names(self) -> Priors:
        """The same, but that nothing is known of the names: where causes are told in another way than in the fit."""
        return Priors(np.full_like(self.named, FLAT), self.spoken, self.fitted_on)

    def as_data(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "fitted_on": dict(self.fitted_on),
            "named": _by_name(tuple(CAUSES), NAMES, self.named),
            "spoken": _by_name(SPOKEN_OF, tuple(map(" ".join, SPEECHES)), self.spoken),
        }


def _by_name(rows: Sequence[str], columns: Sequence[str], values: Rows) -> dict[str, dict[str, float]]:
    return {row: dict(zip(columns, each, strict=True)) for row, each in zip(rows, values.tolist(), strict=True)}


def read_priors(path: Path) -> Priors:
    """Read a file of priors.

    Raises:
        UptakeError: It is missing or broken.
    """
    data = read_json(path)
    named = np.array([[data["named"][cause][name] for name in NAMES] for cause in CAUSES], dtype=float)
    spoken = np.array([[data["spoken"][row][" ".join(one)] for one in SPEECHES] for row in SPOKEN_OF], dtype=float)
    return Priors(named, spoken, data["fitted_on"])


@cache
def priors() -> Priors:
    """Those that come with uptake."""
    return read_priors(PATH)


def spoken_row(name: str, cause: str) -> int:
    """Which row of `SPOKEN_OF` tells what interventions on examples of a cause speak for that have a name."""
    return len(CAUSES) if cause == "data_conflict" != name else list(CAUSES).index(cause)


def counted(names: Sequence[str], speeches: Sequence[tuple[str, ...] | None]) -> Int[np.ndarray, "names classes"]:
    """Unlearned examples by name and by what the intervention speaks for, the last column without one.

    Args:
        names: Of each example.
        speeches: Of each; None where it was not sampled.
    """
    counts = np.zeros((len(NAMES), len(SPEECHES) + 1), dtype=int)
    for name, speech in zip(names, speeches, strict=True):
        counts[NAMES.index(name), len(SPEECHES) if speech is None else SPEECHES.index(speech)] += 1
    return counts


def shares(
    names: Sequence[str], speeches: Sequence[tuple[str, ...] | None], known: Priors, *, seed: int = 0
) -> dict[str, Interval] | None:
    """The share of each cause among the unlearned examples: posterior mean, and 95 % interval by its quantiles.

    Args:
        names: The cause that each unlearned example is named.
        speeches: What the intervention on each speaks for; None where it was not sampled.
        known: What is known beforehand.
        seed: Of the sampler.

    Returns:
        By cause; n is the number of unlearned examples. None where there are none, or none was sampled.
    """
    if all(speech is None for speech in speeches):
        return None
    counts = counted(names, speeches)
    draws = posterior(counts, known, seed=seed)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    numbers = zip(CAUSES, draws.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
    return {cause: Interval(mean, least, most, int(counts.sum())) for cause, mean, least, most in numbers}


def on_what(n: int, sampled: int) -> str:
    """What corrected shares of `n` unlearned examples rest on, for readers."""
    return (
        f"Corrected: the true share of each cause among all {n:,}, estimated from the interventions on {sampled:,} of "
        "them. The interval allows for wrong names and for interventions that tell little. It is assumed that each "
        "example has one of the five causes."
    )


def posterior(
    counts: Int[np.ndarray, "names classes"], known: Priors, *, seed: int = 0
) -> Float[np.ndarray, "draws causes"]:
    """Draws of the shares by Gibbs sampling: the causes of the examples given π, C and S, then these given the causes.

    Args:
        counts: From `counted`; at least one example.
        known: The priors.
        seed: Of all draws.

    Returns:
        A row a draw; each sums to 1.
    """
    rng = np.random.default_rng(seed)
    few = _at_most(counts, AUGMENTED)
    name, speech = np.nonzero(counts)  # a cell each
    row = np.array([[spoken_row(NAMES[n], cause) for cause in CAUSES] for n in name])
    of_name = np.eye(len(NAMES))[name]
    # where not sampled, what an intervention would speak for is in no row
    of_speech = np.eye(len(SPOKEN_OF))[row][..., None] * np.eye(len(SPEECHES) + 1)[speech, None, None, :-1]

    def dirichlet(parameters: Any) -> Any:
        drawn = np.maximum(rng.standard_gamma(parameters), np.finfo(float).tiny)
        return drawn / drawn.sum(axis=-1, keepdims=True)

    prevalence = dirichlet(np.full((CHAINS, len(CAUSES)), JEFFREYS))
    named, spoken = (dirichlet(np.tile(rows, (CHAINS, 1, 1))) for rows in (known.named, known.spoken))
    kept = []
    for step in range(BURN_IN + KEPT):
        said = np.concatenate([spoken, np.ones((CHAINS, len(SPOKEN_OF), 1))], axis=-1)
        # chains x cells x causes
        p = prevalence[:, None] * named[:, :, name].swapaxes(1, 2) * said[:, row, speech[:, None]]
        p /= p.sum(axis=-1, keepdims=True)
        causes = rng.multinomial(few[name, speech], p)
        if step >= BURN_IN:
            whole = causes if few is counts else rng.multinomial(counts[name, speech], p)
            kept.append(whole.sum(axis=1) / counts.sum())
        prevalence = dirichlet(JEFFREYS + causes.sum(axis=1))
        named = dirichlet(known.named + np.einsum("kct,cn->ktn", causes, of_name))
        spoken = dirichlet(known.spoken + np.einsum("kct,ctrs->krs", causes, of_speech, optimize=True))
    return np.concatenate(kept)


def _at_most(counts: Int[np.ndarray, "names classes"], n: int) -> Int[np.ndarray, "names classes"]:
    """The same with at most about `n` examples without an intervention, in the same proportions."""
    unsampled = int(counts[:, -1].sum())
    if unsampled <= n:
        return counts
    few = counts.copy()
    few[:, -1] = np.rint(counts[:, -1] * (n / unsampled)).astype(int)
    return few
