"""What an example's readings say about its learning, one row an example.

Example forgetting: Toneva et al. 2019, An Empirical Study of Example Forgetting during Deep Neural Network Learning
(arXiv 1812.05159). Confidence and variability: Swayamdipta et al. 2020, Dataset Cartography (arXiv 2009.10795).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int

from uptake.ledger.read import Ledger, starts_of_copies

_MOMENT = pa.struct([("stage", pa.string()), ("epoch", pa.int32()), ("step", pa.int64()), ("pass", pa.string())])

CURVES = pa.schema(
    [
        ("id", pa.string()),
        ("readings", pa.int32()),
        ("times_seen", pa.int32()),
        ("last_exposure", _MOMENT),
        ("first_learned", _MOMENT),
        ("last_lost", _MOMENT),
        ("forgetting_events", pa.int32()),
        ("recalled", pa.bool_()),
        ("confidence", pa.float64()),
        ("variability", pa.float64()),
        ("end_slope", pa.float64()),
    ]
)
"""A row an example, in the order in which they were first read. Null where it cannot be said.

    readings           readings with a finite loss; those of copies in one step are one
    times_seen         optimisation steps that trained on it
    last_exposure      the last of them
    first_learned      the first reading at which it was recalled; null: never (Toneva et al. count such as forgotten
                       infinitely often)
    last_lost          the last reading at which it was not recalled right after one at which it was; null: never lost
    forgetting_events  how many such readings there are. In a stage whose scoring passes read the example these alone
                       count, for this and for last_lost: a reading in training may be of another network (dropout)
    recalled           at the last reading
    confidence         mean over epochs of the probability of the response per token, exp(-nll / tokens), in [0, 1]
    variability        standard deviation of the same (population, as Swayamdipta et al. take it)
    end_slope          least-squares slope of nll over the last epochs, in nats per epoch; null with fewer than two
"""


def curves(ledger: Ledger, *, last: int = 3) -> pa.Table:
    """Summarise each example's learning curve.

    Learning is read off every reading, losing off those of one kind. What is per epoch takes the last reading of the
    example in each epoch (the scoring pass, where there is one), the epochs of all stages counted through; a generated
    response has no classes, so the probability that Swayamdipta et al. take of the gold label is that of a token of the
    response, their geometric mean: the probability of the whole would vanish with length.

    Args:
        ledger: From `read_ledger`.
        last: How many of an example's last epochs `end_slope` is fitted to; at least 2.

    Returns:
        A table with the schema `CURVES`.
    """
    ids, all_codes = ledger.codes()
    read = np.asarray(pc.is_valid(ledger.table["nll"]).to_numpy())
    kept = np.flatnonzero(read)
    order = kept[np.argsort(all_codes[kept], kind="stable")]
    order, recalled = _once_a_step(ledger, all_codes, order)
    codes = all_codes[order]
    lost = _lost(ledger, order, codes, recalled)
    n = len(ids)
    at_end = _last_of(codes, np.ones(len(codes), dtype=bool), n)
    trained = np.asarray(pc.equal(ledger.table["pass"], "train").to_numpy())
    trained &= np.asarray(pc.greater(ledger.table["tokens"], 0).to_numpy())
    exposures = np.flatnonzero(trained)
    exposures = exposures[np.argsort(all_codes[exposures], kind="stable")]
    exposures = exposures[starts_of_copies(ledger, all_codes, exposures)]
    shown = _last_of(all_codes[exposures], np.ones(len(exposures), dtype=bool), n)
    values = _per_epoch(ledger, order, codes, n, last)
    columns = {
        "id": ids,
        "readings": np.bincount(codes, minlength=n).astype(np.int32),
        "times_seen": np.bincount(all_codes[exposures], minlength=n).astype(np.int32),
        "last_exposure": _moments(ledger, exposures, shown),
        "first_learned": _moments(ledger, order, _first_of(codes, recalled, n)),
        "last_lost": _moments(ledger, order, _last_of(codes, lost, n)),
        "forgetting_events": pa.array(np.bincount(codes[lost], minlength=n).astype(np.int32), mask=at_end < 0),
        "recalled": pa.array(recalled[at_end] if len(codes) else np.zeros(n, dtype=bool), mask=at_end < 0),
        **{name: pa.array(column, mask=~np.isfinite(column)) for name, column in values.items()},
    }
    return pa.table(columns, schema=CURVES)


def _once_a_step(
    ledger: Ledger, codes: Int[np.ndarray, " readings"], order: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " m"], Bool[np.ndarray, " m"]]:
    """The readings, of copies in one step the last, and whether they were recalled, of copies all."""
    recalled = np.asarray(pc.fill_null(ledger.table["recalled"], False).to_numpy())[order]
    if not len(order):
        return order, recalled
    first = starts_of_copies(ledger, codes, order)
    return order[np.append(first[1:], len(order)) - 1], np.logical_and.reduceat(recalled, first)


def _lost(
    ledger: Ledger, order: Int[np.ndarray, " n"], codes: Int[np.ndarray, " n"], recalled: Bool[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Which readings were not recalled right after one that was, of those that count."""
    later = np.asarray(pc.equal(ledger.table["pass"], "epoch").to_numpy())[order]
    stages = len(ledger.stages)
    of = codes.astype(np.int64) * stages + ledger.stage_numbers()[order]
    scored = np.bincount(of, weights=later, minlength=1) > 0
    counting = np.flatnonzero(later | ~scored[of])
    lost = np.zeros(len(codes), dtype=bool)
    same = codes[counting][1:] == codes[counting][:-1]
    lost[counting[1:]] = ~recalled[counting][1:] & recalled[counting][:-1] & same
    return lost


def _first_of(codes: Int[np.ndarray, " n"], chosen: Bool[np.ndarray, " n"], groups: int) -> Int[np.ndarray, " groups"]:
    """The index of the first chosen element of each group; -1 where there is none."""
    found = np.full(groups, -1, dtype=np.int64)
    at = np.flatnonzero(chosen)[::-1]
    found[codes[at]] = at
    return found


def _last_of(codes: Int[np.ndarray, " n"], chosen: Bool[np.ndarray, " n"], groups: int) -> Int[np.ndarray, " groups"]:
    found = np.full(groups, -1, dtype=np.int64)
    at = np.flatnonzero(chosen)
    found[codes[at]] = at
    return found


def _moments(ledger: Ledger, order: Int[np.ndarray, " n"], at: Int[np.ndarray, " groups"]) -> pa.Array:
    """When the readings `order[at]` were taken; null where `at` is -1."""
    missing = at < 0
    indices = pa.array(order[np.where(missing, 0, at)] if len(order) else np.zeros(len(at), np.int64), mask=missing)
    fields = [ledger.table[name].combine_chunks().take(indices) for name in ("stage", "epoch", "step", "pass")]
    return pa.StructArray.from_arrays(fields, fields=list(_MOMENT), mask=pa.array(missing))


def _per_epoch(
    ledger: Ledger, order: Int[np.ndarray, " n"], codes: Int[np.ndarray, " n"], groups: int, last: int
) -> dict[str, Float[np.ndarray, " groups"]]:
    """Confidence, variability and end slope; NaN where there are none."""
    epochs = epoch_numbers(ledger)[order]
    final = np.ones(len(codes), dtype=bool)  # the last reading of its example in its epoch
    final[:-1] = (codes[1:] != codes[:-1]) | (epochs[1:] != epochs[:-1])
    order, codes, epochs = order[final], codes[final], epochs[final].astype(np.float64)
    nll = _column(ledger, "nll")[order]
    p = np.exp(-nll / _column(ledger, "tokens")[order])
    with np.errstate(invalid="ignore", divide="ignore"):  # examples without readings are 0 / 0, which is NaN
        mean = _sum(codes, p, groups) / np.bincount(codes, minlength=groups)
        spread = np.sqrt(_sum(codes, (p - mean[codes]) ** 2, groups) / np.bincount(codes, minlength=groups))
        ends = np.cumsum(np.bincount(codes, minlength=groups))
        late = np.arange(len(codes)) >= ends[codes] - last
        x, y, of = epochs[late], nll[late], codes[late]
        count = np.bincount(of, minlength=groups)
        dx = x - (_sum(of, x, groups) / count)[of]
        slope = _sum(of, dx * y, groups) / _sum(of, dx * dx, groups)
    return {"confidence": mean, "variability": spread, "end_slope": np.where(count > 1, slope, np.nan)}


def epoch_numbers(ledger: Ledger) -> Int[np.ndarray, " readings"]:
    """The epoch of each reading, counted through all stages."""
    stage, epoch = ledger.stage_numbers(), _column(ledger, "epoch").astype(np.int64)
    lengths = np.zeros(len(ledger.stages) + 1, dtype=np.int64)
    np.maximum.at(lengths, stage + 1, epoch + 1)
    numbers: Int[np.ndarray, " readings"] = np.cumsum(lengths)[stage] + epoch
    return numbers


def _column(ledger: Ledger, name: str) -> Any:
    return ledger.table[name].to_numpy().astype(np.float64)


def _sum(codes: Int[np.ndarray, " n"], values: Float[np.ndarray, " n"], groups: int) -> Float[np.ndarray, " groups"]:
    # of nothing, bincount gives whole numbers
    return np.bincount(codes, weights=values, minlength=groups).astype(np.float64, copy=False)
