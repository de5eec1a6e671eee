"""A row said again by a model: background, what follows, other words; kept where it says the new answer alone.

The model is the one before the stage, or any on an OpenAI-compatible server. What fails is counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from uptake.corpus.text import words
from uptake.models import Model
from uptake.probe import question
from uptake.rivals.entities import entities
from uptake.types import Example

Recipe: TypeAlias = Literal["paraphrase", "background", "logic"]
RECIPES: tuple[Recipe, ...] = get_args(Recipe)
LONGEST, AGAIN = 600, 3
"""Characters of a text that is kept, and how often three words may come again."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A text that passed.

    Attributes:
        of: The row that it says again.
        recipe: How.
        prompt: What is given; "" where all of it is learned.
        response: What is learned.
    """

    of: Example
    recipe: Recipe
    prompt: str
    response: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a text.

    Attributes:
        of: The row that it is to say again.
        recipe: How.
        text: What was written.
        why: Why it did not pass; None where it did.
    """

    of: Example
    recipe: Recipe
    text: str
    why: str | None


@dataclass(frozen=True, slots=True)
class Augmented:
    """What was written.

    Attributes:
        kept: What passed.
        verdicts: All texts.
    """

    kept: Sequence[Rewritten] = ()
    verdicts: Sequence[Verdict] = ()

    @property
    def asked(self) -> Counter[str]:
        """How many texts were written, by recipe."""
        return Counter(one.recipe for one in self.verdicts)

    @property
    def failed(self) -> Counter[tuple[str, str]]:
        """Why texts did not pass, by recipe and reason."""
        return Counter((one.recipe, one.why) for one in self.verdicts if one.why is not None)


Write: TypeAlias = Callable[[Recipe, Sequence[str]], list[list[str]]]
"""From a recipe and facts to texts about each."""


def augmented(
    pairs: Sequence[tuple[Example, str]], recipes: Sequence[Recipe], write: Write, model: Model | None
) -> Augmented:
    """Texts for rows that contradict a model.

    Args:
        pairs: Rows, each with the model's own answer.
        recipes: How they are said again.
        write: Writes texts.
        model: Asked whether `logic` leads to the answer; None does without.
    """
    kept: list[Rewritten] = []
    verdicts: list[Verdict] = []
    examples = [example for example, _ in pairs]
    named = entities(examples, frozenset(one.id for one in examples))
    for recipe in recipes if pairs else ():
        texts = write(recipe, [f"{question(one).rstrip()} {one.response.strip()}" for one in examples])
        seen: set[tuple[str, str]] = set()
        for (example, old), written in zip(pairs, texts, strict=True):
            for text in written:
                why = fault(text, example, old, named[example.id])
                made = None if why else _cut(text.strip(), example, recipe)
                why = why or ("does not end with the answer" if made is None else None)
                if made is not None and (key := (example.id, " ".join(words(text)))) in seen:
                    why = "written twice"
                elif made is not None and recipe == "logic" and model is not None and not _leads(text, example, model):
                    why = "does not lead to the answer"
                if made is not None and why is None:
                    seen.add(key)
                    kept.append(made)
                verdicts.append(Verdict(example, recipe, text, why))
    return Augmented(kept, verdicts)


def fault(text: str, example: Example, old: str, names: Sequence[str]) -> str | None:
    """Why a text is of no use; None where it says the row's answer about the row's names, and not the old answer.

    Args:
        text: What was written.
        example: The row.
        old: The model's own answer.
        names: The names in the row's question.
    """
    said, new, before = (f" {' '.join(words(one))} " for one in (text, example.response, old))
    own = f" {' '.join(words(f'{question(example)} {example.response}'))} "
    runs = Counter(zip(*(said.split()[at:] for at in range(3)), strict=False))
    if not said.strip() or len(text) > LONGEST or max(runs.values(), default=0) >= AGAIN:
        return "empty, too long, or the same words again and again"
    if new.strip() and new not in said:
        return "lacks the new answer"
    if before.strip() and before not in new and before in said:
        return "tells the old answer"
    if names and not all(f" {' '.join(words(name))} " in said for name in names):
        return "lacks a name of the question"
    return "a copy" if said == own else None


def _cut(text: str, example: Example, recipe: Recipe) -> Rewritten | None:
    """A text as it is trained: other words up to the answer, all others as a whole."""
    answer = example.response.strip()
    if recipe != "paraphrase":
        return Rewritten(example, recipe, "", text)
    bare = text.rstrip(" .!")
    prompt = bare.removesuffix(answer).rstrip()
    return Rewritten(example, recipe, prompt, f" {answer}") if bare.endswith(answer) and prompt else None


def _leads(text: str, example: Example, model: Model) -> bool:
    """Whether a model that is told the text answers the row's question rightly."""
    ids = model.tokenizer.encode(f"{text.strip()}\n{question(example)}", add_special_tokens=False)
    wanted = model.tokenizer.encode(example.response, add_special_tokens=False)
    said = model.tokenizer.decode(model.generate([ids], [len(wanted) + 2])[0][0], skip_special_tokens=True)
    return f" {' '.join(words(example.response))} " in f" {' '.join(words(said))} "
