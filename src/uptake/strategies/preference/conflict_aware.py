"""Conflict-aware fine-tuning: find what a stage contradicts, unlearn it under an anchor, say it again, and choose."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from uptake.config.schema import Float, Int, Judge, Section
from uptake.models.training.hooks import Hooks, Needs, StageView, chain
from uptake.models.training.notes import joined
from uptake.models.training.pairs import with_old_answers
from uptake.strategies.augmented import RECIPES
from uptake.strategies.distillation.lwf import kept
from uptake.strategies.preference.dpo import DPO
from uptake.strategies.preference.npo import NPO, TOLD_APART, anchored
from uptake.strategies.preference.simnpo import SIMNPO
from uptake.strategies.replaced import without_contradicted
from uptake.strategies.saying import said_again, told
from uptake.strategies.selected import selecting
from uptake.strategies.strategy import Strategy
from uptake.strategies.writing import as_rows

OBJECTIVES = {"dpo": DPO, "npo": NPO, "simnpo": SIMNPO}


class ConflictAwareSettings(Section):
    """What can be set; each part can be switched off for an ablation: `least: 0`, null, null, `select: 0`."""

    least: Annotated[Float, Field(ge=0, le=1)] = 0.1
    """Least probability of an old answer that is a conflict; with 0 every other answer is one, sure or not."""
    objective: Literal["dpo", "npo", "simnpo"] | None = "dpo"
    """How the old answer is unlearned; null does not."""
    strength: Annotated[Float, Field(ge=0)] = 0.1
    """Factor on that term."""
    anchor: Annotated[Float, Field(ge=0)] = 1.0
    """Factor on the divergence from the former model on rows that it gives already."""
    augment: Literal["all", "paraphrase", "background", "logic"] | None = "all"
    """How conflicts are said again; null does not."""
    n: Annotated[Int, Field(ge=1)] = 2
    """Texts that are written for each conflict and recipe."""
    server: Judge | None = None
    """An OpenAI-compatible server that writes them; null lets the model before the stage write."""
    select: Annotated[Float, Field(ge=0, lt=0.5)] = 0.1
    """Share of the texts that each epoch leaves out at either end of its order; 0 trains all."""


def _hooks(settings: ConflictAwareSettings) -> Hooks:
    if not settings.augment and (settings.objective is None or not settings.strength):
        return Hooks()
    parts: dict[str, Hooks] = {"detect": Hooks(Needs(former=True), data=lambda stage, memory: found(stage, settings))}
    if settings.objective is not None and settings.strength:
        own = OBJECTIVES[settings.objective]
        given = {"least": settings.least, "strength": settings.strength, "anchor": settings.anchor}
        parts["objective"] = replace(own.hooks(own.settings.model_validate(given)), data=None)
    elif settings.anchor:
        parts["anchor"] = Hooks(
            Needs(per_row=True, logits=True), loss=lambda batch, state: settings.anchor * kept(batch, note="held")
        )
    if settings.augment and settings.select:
        parts["select"] = selecting(settings.select)
    return replace(chain(parts), filters=True)


def found(stage: StageView, settings: ConflictAwareSettings) -> StageView:
    """The stage with its old answers noted, what a model writes of its conflicts, and replay without what is replaced.

    In other words the model is asked too, so that its old answer there is pushed as well.
    """
    rows = with_old_answers(stage, settings.least)
    view = replace(stage, rows=rows, pools=tuple(without_contradicted(pool, rows) for pool in stage.pools))
    if settings.augment:
        recipes = tuple(one for one in RECIPES if settings.augment in ("all", one))
        done = said_again(view, recipes, settings.n, settings.server)
        if done.kept and stage.model is not None:
            written = as_rows(done.kept, stage.model().tokenizer)
            rows = joined([rows, with_old_answers(replace(stage, rows=written), settings.least)])
        view = replace(view, told=(*view.told, *told(done)))
    return replace(view, rows=anchored(stage, rows, TOLD_APART) if settings.anchor else rows)


CONFLICT_AWARE = Strategy(
    name="conflict_aware",
    does="Before the stage, finds the rows that contradict what the former model answers. Each gets its old answer as "
    "rejected (`objective`), under an anchor on rows that the model gives already. Texts that say the new answer are "
    "written, verified and trained too (`augment`); each epoch leaves out the easiest and the hardest (`select`).",
    helps="New facts replace old ones, in other wordings as well, and what lies beside them stays. Each of the four "
    "parts can be switched off.",
    costs="As its objective; generated tokens for each conflict, recipe and text; training on the texts that pass; a "
    "pass over these in each epoch.",
    example="strategy: [{conflict_aware: {objective: dpo, augment: paraphrase, select: 0.1}}]",
    references=(
        "Rafailov et al. 2023 (arXiv 2305.18290)",
        "Zhang et al. 2024 (arXiv 2404.05868)",
        "Li et al. 2023, From Quantity to Quality (arXiv 2308.12032), for the difficulty ratio",
    ),
    settings=ConflictAwareSettings,
    hooks=_hooks,
    revision=5,
)
"""What a stage contradicts, unlearned, anchored, said again and chosen."""
