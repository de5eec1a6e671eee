"""What the benchmarks measured, as Markdown: tables of `benchmarks/results/attribution.json` and its neighbours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from from_code import one_line, plain, table

from uptake.causes import CAUSES, SIGNALS

ATTRIBUTION = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "attribution.json"
FAMILIES = ATTRIBUTION.with_name("families.json")
INTERVENTIONS = ATTRIBUTION.with_name("interventions.json")
WAYS: Mapping[str, str] = {
    "evidence": "with everything",
    "no_ledger": "without a ledger",
    "no_paraphrases": "without held-out wordings",
    "no_base": "without the base",
    "ilp": "by the fixed rules of the ILP paper",
    "ilp_encoder": "by these rules, with a sentence encoder",
}
"""How `benchmarks/attribution.py` diagnoses a world, in words, in the order of the tables."""

SETS: Mapping[str, str] = {
    "development": "the coefficients were fitted on these",
    "unseen": "nothing was fitted on these, or chosen by them",
    "settings": "half the size, LoRA of another rank, other shares and learning rates; nothing was fitted on these",
    "more settings": "noise in the prompts, and items with two causes; nothing was fitted on these",
    "facts": "real facts in human-written wordings; nothing was fitted on real facts",
    "clean": "nothing was planted",
    "pieces": "another maker: names of several tokens, half-known facts; nothing was fitted on these",
    "intents": "another maker: messages of people and their class; nothing was fitted on these",
    "instructions": "another maker: responses of several sentences; nothing was fitted on these",
}
"""The sets of worlds of `benchmarks/attribution.py`, in words."""

MAKERS: Mapping[str, str] = {
    "synthetic": "invented people, one word answers",
    "facts": "real facts in human-written wordings",
    "pieces": "names of many tokens, answers of 1 to 30, a base that knows by halves",
    "intents": "utterances and their classes",
    "instructions": "long responses to a long instruction",
    "pretrained: text": "SmolLM2-135M-Instruct, real facts as plain text",
    "pretrained: chat": "SmolLM2-135M-Instruct, real facts as a chat",
}
"""The families of worlds, in words, in the order of the table."""


def attribution() -> str:
    """The measured tables of `benchmarks/results/attribution.json`."""
    return measured(json.loads(ATTRIBUTION.read_text(encoding="utf-8")))


def shares() -> str:
    """How often intervals of the shares by cause hold what was planted: `benchmarks/results/interventions.json`."""
    found = json.loads(INTERVENTIONS.read_text(encoding="utf-8"))["shares"]
    kinds = {"worlds": f"{len(found['single'])} worlds", "resampled": "resampled runs"}
    head = ["", *(f"{words}: {what}" for words in kinds.values() for what in ("held", "width", "error"))]
    rows = [
        [way, *(f"{found[kind][way][what]:.2f}" for kind in kinds for what in ("holds", "width", "error"))]
        for way in found["worlds"]
    ]
    return table(head, rows)


def makers() -> str:
    """The table of `benchmarks/results/families.json`: each family left out of the fit."""
    causes = (f"`{cause}`" for cause in CAUSES)
    rows = [[*row, *f1] for row, f1 in _makers()]
    head = ["left out", "items", "macro-F1 [95 %]", "ILP paper's rules, as we read them", *causes, "calibration error"]
    return table(head, rows)


def makers_short() -> str:
    """The same without the single causes."""
    return table(
        ["left out", "items", "macro-F1 [95 %]", "ILP paper's rules, as we read them"], [row for row, _ in _makers()]
    )


def _makers() -> Iterator[tuple[list[str], list[str]]]:
    found = json.loads(FAMILIES.read_text(encoding="utf-8"))["families"]
    for name, words in MAKERS.items():
        if (one := found.get(name)) is not None:
            macro = one["left_out"]["named"]["macro_f1"]
            whole = f"{macro['estimate']:.2f} [{macro['low']:.2f}, {macro['high']:.2f}]"
            cascade = _short(one["cascade"]["named"]["macro_f1"]) if "cascade" in one else "-"
            items = f"{one['items']}" + ("" if one["confirmed"] else " (not confirmed)")
            causes = one["left_out"]["named"]["causes"].values()
            f1 = [f"{_short(each['f1'])} ({each['n']})" if each["f1"] else "-" for each in causes]
            off = [each["ece"]["estimate"] for each in one["left_out"]["scores"]["causes"].values() if each["ece"]]
            yield [f"`{name}`: {words}", items, whole, cascade], [*f1, f"{min(off):.2f} to {max(off):.2f}"]


def ablation_of_makers() -> str:
    """What single parts of the method are worth, from `benchmarks/results/families.json`."""
    found = json.loads(FAMILIES.read_text(encoding="utf-8"))["ablation"]
    names = [name for name in MAKERS if name in found]
    rows = [[what, *(f"{found[name][what]:.2f}" for name in names)] for what in found[names[0]]]
    return table(["macro-F1", *(f"`{name}`" for name in names)], rows)


def _short(one: Mapping[str, float] | None) -> str:
    return "-" if one is None else f"{one['estimate']:.2f}"


def _counts(named: Mapping[str, Any]) -> str:
    planted = sum(cause["n"] for cause in named["causes"].values())
    return f"{planted:,} confirmed unlearned items and {named['items'] - planted:,} controls"


def measured(results: Mapping[str, Any]) -> str:
    """The tables of what `benchmarks/attribution.py` wrote."""
    parts = []
    for name, one in results["sets"].items():
        part = one["evidence"]["clean"] or one["evidence"]["named"]
        parts += [f"## Worlds: {name}", f"{part['worlds']} worlds: {SETS[name]}."]
        parts += _planted(one) if one["evidence"]["clean"] is None else _clean(one)
    parts += ["## Without one signal", "All coefficients fitted anew with the signal left out.", _ablation(results)]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return "\n\n".join([*parts, f"Measured with {versions}."])


def _clean(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"Of {one['evidence']['clean']['named']['n']:,} examples so many are named a cause, or none (`unexplained`):"
    shares = ((words, one[way]["clean"]) for way, words in WAYS.items() if way in one)
    rows = [[words, _share(clean["named"]), _share(clean["unexplained"])] for words, clean in shares]
    yield table(["diagnosed", "a cause [95 %]", "unexplained [95 %]"], rows)


def _planted(one: Mapping[str, Any]) -> Iterator[str]:
    named = one["evidence"]["named"]
    yield f"{_counts(named)}. F1 of the cause that is named:"
    rows = [[words, *_grades(one[way]["named"])] for way, words in WAYS.items() if way in one]
    yield table(["diagnosed", "macro-F1 [95 %]", *(f"`{cause}`" for cause in CAUSES)], rows)
    confusion = named["confusion"]
    counts = zip(confusion["planted"], confusion["planted_by_told"], strict=True)
    head = "With everything, a row what was planted, a column what was named"
    yield f"{head} (`none`: no cause; `beside`: one that holds as well, unplanted):"
    yield table(["", *confusion["told"]], [[planted, *map(str, row)] for planted, row in counts])
    scores = one["evidence"]["scores"]["causes"]
    rows = [[f"`{cause}`", *(_estimate(scores[cause][name]) for name in ("auroc", "ece"))] for cause in CAUSES]
    yield "Its scores, taken for probabilities: how well they rank, and how far they are off on average (ten bins)."
    yield table(["score", "AUROC", "expected calibration error"], rows)
    if wrong := one.get("most_wrong"):
        yield "What was most wrong:"
        cells = [[plain(row["prompt"]), plain(row["response"]), *row["planted"][:1], row["named"]] for row in wrong]
        yield table(["asked", "wanted", "planted", "named"], [[one_line(cell) for cell in row] for row in cells])


def _share(one: Mapping[str, float]) -> str:
    return f"{one['estimate']:.1%} [{100 * one['low']:.1f}, {100 * one['high']:.1f}]"


def _grades(named: Mapping[str, Any]) -> list[str]:
    macro = named["macro_f1"]
    whole = f"{macro['estimate']:.3f} [{macro['low']:.3f}, {macro['high']:.3f}]"
    return [whole, *(_estimate(named["causes"][cause]["f1"]) for cause in CAUSES)]


def _estimate(one: Mapping[str, float] | float | None) -> str:
    value = one["estimate"] if isinstance(one, Mapping) else one
    return "-" if value is None else f"{value:.3f}"


def _ablation(results: Mapping[str, Any]) -> str:
    found = {name: _estimate(one["macro_f1"]) for name, one in results["ablation"].items()}
    rows = [[f"`{name}`" if name in SIGNALS else name, value] for name, value in found.items()]
    return table(["left out", "macro-F1"], sorted(rows, key=lambda row: row[1]))
