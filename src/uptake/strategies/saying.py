"""A stage's conflicts said again, and what is told of it."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.config.schema import Judge
from uptake.models.served import from_judge
from uptake.models.training.hooks import StageView
from uptake.strategies.augmented import Augmented, Recipe, augmented
from uptake.strategies.writing import by_itself, by_server
from uptake.text import counted


def said_again(stage: StageView, recipes: Sequence[Recipe], n: int, server: Judge | None) -> Augmented:
    """What a model writes of the stage's conflicts, and what became of it.

    Args:
        stage: The stage, its old answers noted.
        recipes: How they are said again.
        n: Texts of each, and recipe.
        server: Who writes; None lets the model before the stage.
    """
    examples = {example.id: example for example in stage.examples()}
    if stage.model is None or not examples:
        return Augmented()
    model = stage.model()
    pairs = [
        (examples[name], str(model.tokenizer.decode(old, skip_special_tokens=True)))
        for name, old in zip(stage.rows["id"].to_pylist(), stage.rows["old_ids"].to_pylist(), strict=True)
        if old is not None and name in examples
    ]
    write = by_itself(model, n, stage.seed) if server is None else by_server(from_judge(server), n)
    return augmented(pairs, recipes, write, model)


def told(done: Augmented) -> list[str]:
    """What was written, and why some of it is not trained, in sentences; one a recipe."""
    lines = []
    for recipe, n in done.asked.items():
        why = [f"{count} {reason}" for (of, reason), count in done.failed.most_common() if of == recipe]
        kept = sum(one.recipe == recipe for one in done.kept)
        lines.append(f"{recipe}: {kept} of {counted(n, 'text')} pass" + (f"; {', '.join(why)}" if why else ""))
    return lines
