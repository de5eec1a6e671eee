"""RUNGS: ways to rewrite, each with more generation than the one before; and which draft each of them takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from uptake.rewrite.draft import Draft, How

RungName: TypeAlias = Literal["original", "template", "guided", "best_of_k", "policy"]
RUNG_NAMES: tuple[RungName, ...] = get_args(RungName)

Knows: TypeAlias = Literal["said", "form", "new", "conflict", "long", "unknown"]
"""What the base has of a response before it is trained.

`said`: it says just that. `form`: it is right in its own words, so that the row teaches a form. `new`: it has no
answer. `conflict`: it says something else. `long`: a free response, of which that cannot be told. `unknown`: it was
not asked.
"""
KNOWS: tuple[Knows, ...] = get_args(Knows)


@dataclass(frozen=True, slots=True)
class Rung:
    """A way to rewrite.

    Attributes:
        drafts: Which drafts it may take.
        least: Whether it takes the one that is likeliest under the base; else the first one in the order of `drafts`.
        does: What it does.
    """

    drafts: tuple[How, ...]
    least: bool
    does: str


RUNGS: Mapping[RungName, Rung] = {
    "original": Rung((), False, "the responses of the data"),
    "template": Rung(("template",), False, "the base is shown the response and says it in its own words, once"),
    "guided": Rung(
        ("own", "frame", "template"),
        False,
        "the base answers by itself; where that is not right, the response takes the place of what it tells; where "
        "that cannot be, as `template`",
    ),
    "best_of_k": Rung(
        ("own", "frame", "template", "sampled_frame", "sample", "served"),
        True,
        "of k drafts that pass the gates, the one that is likeliest under the base",
    ),
    "policy": Rung(
        ("policy",),
        True,
        "an adapter is trained to rewrite (GRPO); of k drafts of it that pass the gates, the likeliest under the base; "
        "where it does not beat best_of_k at equal generation, as `best_of_k`",
    ),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of a response.

    Attributes:
        draft: The draft that takes its place; None where the original stays.
        why: Why the original stays; None where it does not.
    """

    draft: Draft | None
    why: str | None


FORM = "the base says it in its own words already: the row teaches a form, which is not rewritten"
SAID = "the base says just that already"
NO_DRAFT = "nothing was written"
LIKELIER = "no draft is likelier under the base"


def exempt(knows: Knows, keep_form: bool) -> str | None:
    """Why a response is not rewritten at all; None where it may be.

    Args:
        knows: What the base has of it.
        keep_form: Whether rows stay that the base answers rightly in other words.
    """
    if knows == "said":
        return SAID
    return FORM if knows == "form" and keep_form else None


def choose(rung: RungName, drafts: Sequence[Draft], nll: float | None) -> Choice:
    """The draft that takes a response's place.

    Args:
        rung: How it is chosen.
        drafts: All that were made, gates asked.
        nll: Of the original, in nats a token.

    Returns:
        The first that passes, or the likeliest of those; the original where none passes. Where a rung takes the
        likeliest, the original stays that is likelier still.
    """
    takes = RUNGS[rung]
    own = [draft for draft in drafts if draft.how in takes.drafts]
    passed = [draft for draft in own if draft.refused == ()]
    if not passed:
        return Choice(None, _refused(own))
    if not takes.least:
        return Choice(min(passed, key=lambda draft: takes.drafts.index(draft.how)), None)
    scored = [draft for draft in passed if draft.nll is not None]
    best = min(scored, key=lambda draft: draft.nll or 0.0, default=None)
    if best is None or best.nll is None:
        return Choice(None, NO_DRAFT)
    return Choice(None, LIKELIER) if nll is not None and nll <= best.nll else Choice(best, None)


def _refused(drafts: Sequence[Draft]) -> str:
    """Which gates refuse them all, the commonest first."""
    first = [draft.refused[0].gate for draft in drafts if draft.refused]
    if not first:
        return NO_DRAFT
    names = sorted(dict.fromkeys(first), key=lambda name: (-first.count(name), name))
    return f"refused by {', '.join(names)}"
