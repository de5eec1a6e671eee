"""A plan to be read by people: what changes, why, for whom, at what cost, and what is not mended."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby

from uptake.prescribe.actions import ACTIONS
from uptake.prescribe.rows import kind_of
from uptake.prescribe.trainers import TRAINERS, phases, refusals
from uptake.remedies import REMEDIES
from uptake.text import counted
from uptake.types import Edit, Plan, Unmended

SHOWN = 20
"""Edits of a remedy, and unmended examples of a reason, that are written out; the rest is in plan.json."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def escaped(text: str) -> str:
    """Anybody's text as one line of Markdown that shows it and does nothing else."""
    line = " ".join(text.split())
    seen = "".join(" " if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") else sign for sign in line)
    return _SPECIAL.sub(r"\\\1", seen).replace("&", "&amp;")


def plan_markdown(plan: Plan) -> str:
    """The text of `plan.md`."""
    parts = [_head(plan), _table(plan.edits), *_details(plan.edits), _unmended(plan.unmended), _how(plan)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _head(plan: Plan) -> str:
    cost = plan.cost
    lines = [
        "# Plan",
        "",
        f"From the {plan.start} model: "
        + (f"continued pre-training on {counted(len(plan.cpt), 'text')}, then " if len(phases(plan)) > 1 else "")
        + f"fine-tuning on {counted(len(plan.sft), 'row')} in the order given, {counted(plan.step, 'row')} a step"
        + (f"; {len(plan.cpt):,} of them are texts that are read." if plan.cpt and plan.reading == "within" else "."),
        "",
        "| tokens | |",
        "|---|--:|",
        f"| the run's own fine-tuning | {cost.plain:,} |",
        f"| this plan may cost | {cost.limit:,} |",
        f"| fine-tuning | {cost.sft:,} |",
        f"| documents | {cost.documents:,} |",
        f"| general text | {cost.general:,} |",
        f"| **all of the plan** | **{cost.total:,}** |",
    ]
    if plan.cost.plain:
        lines[-1] = f"| **all of the plan, {cost.total / cost.plain:.2f} times the run's own** | **{cost.total:,}** |"
    return "\n".join([*lines, "", *(f"- {escaped(note)}" for note in plan.notes)]).rstrip()


def _table(edits: Sequence[Edit]) -> str:
    if not edits:
        return "Nothing is changed."
    lines = ["| remedy | what | edits | examples | tokens | safe |", "|---|---|--:|--:|--:|---|"]
    for (name, action), some in _grouped(edits):
        examples = len({one for edit in some for one in edit.examples})
        safe = "yes" if all(edit.safe for edit in some) else "**no**: " + _risk(some)
        tokens = sum(edit.tokens or 0 for edit in some)
        lines.append(f"| {name} | {ACTIONS[action]} | {len(some):,} | {examples:,} | {tokens:+,} | {safe} |")
    return "\n".join(lines)


def _risk(edits: Sequence[Edit]) -> str:
    actions = {edit.action for edit in edits if not edit.safe}
    return "examples are removed" if "drop" in actions else "labels that are possibly wrong are trained"


def _grouped(edits: Iterable[Edit]) -> list[tuple[tuple[str, str], list[Edit]]]:
    order = {name: place for place, name in enumerate(REMEDIES)}
    ranked = sorted(edits, key=lambda edit: (order[edit.remedy], edit.action))
    return [(key, list(some)) for key, some in groupby(ranked, key=lambda edit: (edit.remedy, edit.action))]


def _details(edits: Sequence[Edit]) -> list[str]:
    parts = []
    for (name, action), some in _grouped(edits):
        remedy = REMEDIES[name]
        lines = [f"## {name}: {ACTIONS[action]}", "", f"{remedy.does} {remedy.safety}", ""]
        for edit in some[:SHOWN]:
            named = ", ".join(map(escaped, edit.examples[:5])) + (", …" if len(edit.examples) > 5 else "")
            lines.append(f"- {named}: {escaped(edit.why)} {edit.tokens or 0:+,} tokens.")
        if len(some) > SHOWN:
            lines.append(f"- and {len(some) - SHOWN:,} more, in plan.json")
        parts.append("\n".join(lines))
    return parts


def _unmended(unmended: Sequence[Unmended]) -> str:
    if not unmended:
        return ""
    lines = [f"## Not fixed: {counted(len({one.id for one in unmended}), 'example')}", ""]
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in unmended:
        reasons.setdefault((one.cause, one.reason), []).append(one.id)
    ranked = sorted(reasons.items(), key=lambda item: -len(item[1]))
    for (cause, reason), ids in ranked[:SHOWN]:
        shown = ", ".join(map(escaped, ids[:10])) + (", …" if len(ids) > 10 else "")
        lines.append(f"- {len(ids):,} × {cause or 'no cause'}: {escaped(reason)}: {shown}")
    if len(ranked) > SHOWN:
        lines.append(f"- and {sum(len(ids) for _, ids in ranked[SHOWN:]):,} more, in plan.json")
    return "\n".join(lines)


def _how(plan: Plan) -> str:
    refused = refusals(plan.sft, kind_of(plan.sft))
    lines = ["## Train it", "", "In this folder, `uptake cure run.yaml`, or one of:", ""]
    for name, trainer in TRAINERS.items():
        if name in refused:
            continue
        lines.append("    " + " && ".join(f"{trainer.command} {name}/{phase}.yaml" for phase in phases(plan)))
    if refused:
        names = {"trl": "TRL", "llamafactory": "LLaMA-Factory", "axolotl": "Axolotl"}
        lines += ["", *(f"- No settings for {names[name]}: {escaped(why)}." for name, why in refused.items())]
    if plan.peft is not None and len(phases(plan)) > 1 and "trl" not in refused:
        merged = "merge `../trl/cpt` into `../trl/cpt-merged` before the second"
        lines += ["", f"TRL's command line cannot continue to train an adapter: {merged}."]
    return "\n".join(lines)
