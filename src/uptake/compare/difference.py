"""What changed between two diagnoses: learned, lost, another cause, and whether that is more than chance.

Two trainings never agree on every example. Under the null hypothesis, the two models know as much, an example that
changed is as likely to have been learned as to have been lost, and McNemar's exact test says how improbable their
counts are. Lucky guesses among options fall out of it, since they are as often gained as lost; how many of the lost
they explain is subtracted in `rate_adjusted` (see `uptake.detect.retention`, after Harmon et al. 2025, arXiv
2510.17776). What the test does not know is that two trainings with different seeds differ as a whole, a little more
than example by example: docs/details/diff.md has the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from uptake.compare.pairs import Judged, Pairs
from uptake.detect import Change, Settings, summarise_retention
from uptake.stats import holm, paired_difference

LEARNED, UNEXPLAINED = "learned", "unexplained"
"""How the table of causes calls what has none."""

MEASURES: Mapping[str, Callable[[Judged], bool | None]] = {
    "learned": lambda one: one.learned,
    "not_shallow": lambda one: None if one.shallow is None or not one.learned else not one.shallow,
    "not_forgotten": lambda one: None if one.forgotten is None else not one.forgotten,
}
"""What is compared, each so that true is good; None: not known of this example."""


def difference(pairs: Pairs, *, seed: int = 0) -> dict[str, Any]:
    """Compare two diagnoses.

    Args:
        pairs: The matched examples.
        seed: Of the bootstrap behind the chance-adjusted rates.

    Returns:
        JSON-serialisable: `n`, one entry for each of `MEASURES`, `causes`, `newly_learned`, `newly_lost`,
        `changed_cause`, `differing`, `only_before`, `only_after`; the keys are explained in docs/diff.md. What concerns
        causes is None where one of the diagnoses names none.
    """
    # without attribution every example would seem to have lost its cause, or found one
    told = all(any(two[place].cause for two in pairs.both) for place in (0, 1))
    moved = [(old, new) for old, new in pairs.both if _state(old) != _state(new)]
    counted = Counter((_state(old), _state(new)) for old, new in pairs.both if not (old.learned and new.learned))
    causes = [{"before": old, "after": new, "n": counted[old, new]} for old, new in sorted(counted)]
    changed = [_entry(old, new) for old, new in moved if not old.learned and not new.learned]
    return {
        "n": len(pairs.both),
        **{name: _measure(pairs, name, seed) for name in MEASURES},
        "causes": causes if told else None,
        "newly_learned": [_entry(old, new) for old, new in moved if new.learned],
        "newly_lost": [_entry(old, new) for old, new in moved if old.learned],
        "changed_cause": changed if told else None,
        "differing": [{"id": id, "stage": stage} for id, stage in pairs.differing],
        "only_before": [{"id": id, "stage": stage} for id, stage in pairs.only_before],
        "only_after": [{"id": id, "stage": stage} for id, stage in pairs.only_after],
    }


def changes(pairs: Iterable[tuple[Judged, Judged]], measure: str, group: str | None) -> Iterator[Change]:
    """The examples of which a measure is known before and after, as `detect` counts them.

    Args:
        pairs: The matched examples.
        measure: One of `MEASURES`.
        group: `source` or `stage`; None for all as one.
    """
    value = MEASURES[measure]
    for old, new in pairs:
        before, after = value(old), value(new)
        if before is None or after is None:
            continue
        # guesses among options matter where the options themselves decide
        chance = measure == "learned" and old.criterion == new.criterion == "option" and old.n_options == new.n_options
        yield Change(
            id=old.id,
            source="" if group is None else getattr(new, group),
            kind="option" if chance else "recall",
            before=before,
            after=after,
            n_options=new.n_options if chance else None,
            nll_before=0.0,
            nll_after=0.0,
        )


def unlike(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What two summaries say that makes their diagnoses differ for other reasons than the models.

    Args:
        before: `summary.json` of the earlier diagnosis.
        after: That of the later one.

    Returns:
        Sentences; empty when both were judged alike.
    """
    notes = []
    old, new = before.get("rule") or {}, after.get("rule") or {}
    if old.get("end") != new.get("end"):
        which = "later" if new.get("end") else "earlier"
        notes.append(f"the end of the response counts in the {which} diagnosis alone: judge both with --response_end")
    run_before, run_after = before.get("run") or {}, after.get("run") or {}
    for key in ("criterion", "normalisation", "option_form", "response_end"):
        one, other = ((run.get("settings") or {}).get(key) for run in (run_before, run_after))
        if one != other:
            notes.append(f"{key} is {one} in the earlier diagnosis and {other} in the later one")
    for key, what, supply in _MEASURED:
        known = [(summary.get(key) or {}).get("rate") is not None for summary in (before, after)]
        if known[0] != known[1]:
            which = "earlier" if known[0] else "later"
            notes.append(f"{what} was measured in the {which} diagnosis alone, so it is not compared: {supply} to both")
    one, other = (_fingerprint(run, "base") for run in (run_before, run_after))
    if one != other and None not in (one, other):
        notes.append("the base models differ, so what is forgotten is measured from different points")
    one, other = (_fingerprint(run, "tuned") for run in (run_before, run_after))
    if one is not None and one == other:
        notes.append("both are diagnoses of the same weights")
    return notes


_MEASURED = (
    ("shallow", "what was learned in its training wording only", "give paraphrases"),
    ("forgotten", "what was forgotten", "give the base model"),
)
"""What a diagnosis can lack: its key in the summary, in words, and what supplies it."""


def _fingerprint(run: Mapping[str, Any], role: str) -> str | None:
    model = (run.get("models") or {}).get(role)
    return None if model is None else model.get("fingerprint")


def _state(one: Judged) -> str:
    return LEARNED if one.learned else one.cause or UNEXPLAINED


def _entry(old: Judged, new: Judged) -> dict[str, str]:
    return {"id": new.id, "stage": new.stage, "source": new.source, "before": _state(old), "after": _state(new)}


def _measure(pairs: Pairs, name: str, seed: int) -> dict[str, Any] | None:
    """One measure: in all, by source and by stage; None when it is known of no example in both."""
    whole = _groups(pairs, name, None, seed)
    if not whole:
        return None
    return {**whole[""], **{f"by_{group}": _groups(pairs, name, group, seed) for group in ("source", "stage")}}


def _groups(pairs: Pairs, name: str, group: str | None, seed: int) -> dict[str, Any]:
    found = summarise_retention(changes(pairs.both, name, group), Settings(seed=seed))["by_source"]
    names = sorted(found)
    told = {one: _answers(found[one]["answers"]) for one in names}
    adjusted = holm(np.array([told[one]["p"] for one in names], dtype=float))
    for one, p in zip(names, adjusted if group else (), strict=bool(group)):
        told[one]["p_holm"] = float(p)
    return told


def _answers(answers: Mapping[str, Any]) -> dict[str, Any]:
    lost, gained, n = answers["lost"], answers["gained"], answers["n"]
    change = paired_difference(lost["count"], gained["count"], n)
    kept: Sequence[str] = ("count", "rate", "rate_adjusted")
    return {
        "n": n,
        "before": answers["before"],
        "after": answers["after"],
        "change": None if change is None else asdict(change),
        "lost": {key: lost[key] for key in kept},
        "gained": {key: gained[key] for key in kept},
        "p": answers["mcnemar_p"],
    }
