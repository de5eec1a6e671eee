"""Conflict-aware fine-tuning: find what a stage contradicts, unlearn it under an anchor, say it again, and choose."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from uptake.config.schema import Float, Int, Judge, Section
from uptake.models.served import from_judge
from uptake.models.training.hooks import Hooks, Needs, StageView, chain
from uptake.models.training.memory import Memory
from uptake.models.training.notes import joined
from uptake.models.training.pairs import with_old_answers
from uptake.strategies.augmented import RECIPES, augmented
from uptake.strategies.preference.dpo import DPO
from uptake.strategies.preference.npo import NPO
from uptake.strategies.preference.simnpo import SIMNPO
from uptake.strategies.selected import selecting
from uptake.strategies.strategy import Strategy
from uptake.strategies.writing import as_rows, by_itself, by_server

OBJECTIVES = {"dpo": DPO, "npo": NPO, "simnpo": SIMNPO}


class ConflictAwareSettings(Section):
    """What can be set; each part can be switched off for an ablation: `least: 0`, null, null, `select: 0`."""

    least: Annotated[Float, Field(ge=0, le=1)] = 0.5
    """Least probability of an old answer that is a conflict; with 0 every other answer is one, sure or not."""
    objective: Literal["dpo", "npo", "simnpo"] | None = "dpo"
    """How the old answer is unlearned; null does not."""
    strength: Annotated[Float, Field(ge=0)] = 0.3
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
    parts: dict[str, Hooks] = {}
    if settings.objective is not None and settings.strength:
        own = OBJECTIVES[settings.objective]
        given = {"least": settings.least, "strength": settings.strength, "anchor": settings.anchor}
        parts["objective"] = own.hooks(own.settings.model_validate(given))
    if settings.augment:

        def data(stage: StageView, memory: Memory) -> StageView:
            rows = stage.rows if "old_ids" in stage.rows.schema.names else with_old_answers(stage, settings.least)
            return replace(stage, rows=said_again(replace(stage, rows=rows), settings))

        parts["augment"] = Hooks(Needs(former=True), data=data)
        if settings.select:
            parts["select"] = selecting(settings.select)
    return chain(parts) if parts else Hooks()


def said_again(stage: StageView, settings: ConflictAwareSettings) -> pa.Table:
    """The stage's rows, with those that a model wrote of its conflicts behind them."""
    examples = {example.id: example for example in stage.examples()}
    if stage.model is None or not examples:
        return stage.rows
    model = stage.model()
    pairs = [
        (examples[name], str(model.tokenizer.decode(old, skip_special_tokens=True)))
        for name, old in zip(stage.rows["id"].to_pylist(), stage.rows["old_ids"].to_pylist(), strict=True)
        if old is not None and name in examples
    ]
    server = settings.server
    write = by_itself(model, settings.n, stage.seed) if server is None else by_server(from_judge(server), settings.n)
    recipes = tuple(one for one in RECIPES if settings.augment in ("all", one))
    done = augmented(pairs, recipes, write, model)
    return joined([stage.rows, as_rows(done.kept, model.tokenizer)]) if done.kept else stage.rows


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
)
"""What a stage contradicts, unlearned, anchored, said again and chosen."""
