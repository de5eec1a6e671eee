"""A row said again by a model: background, what follows, other words; kept where it says the new answer alone.

The model is the one before the stage, or any on an OpenAI-compatible server. What fails is counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from uptake.corpus.text import words
from uptake.models import Model
from uptake.probe import question
from uptake.rivals.entities import entities
from uptake.types import Example

Recipe: TypeAlias = Literal["paraphrase", "background", "logic"]
RECIPES: tuple[Recipe, ...] = get_args(Recipe)
ASKED: Mapping[Recipe, tuple[str, ...]] = {
    "paraphrase": (
        "Say this in other words, in one sentence. Keep the names, and end with the same words:",
        "Rewrite this sentence so that it begins otherwise and ends with the same words:",
        "Begin with the name, and state this fact with another verb. Stop after the last words of it:",
    ),
    "background": (
        "Write two sentences of an encyclopaedia that say this, and what goes with it:",
        "Explain to a friend, in two sentences, that this is so:",
        "Write a short news item that reports this:",
    ),
    "logic": (
        "Write one sentence that follows from this, and that names what it is about and its last words:",
        "Complete: if somebody asks about this, the right reply is, in a whole sentence, that",
        "Write a question about this, and answer it in a whole sentence:",
    ),
}
"""What a model is asked, in several ways; the fact follows."""
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
class TextVerdict:
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
    verdicts: Sequence[TextVerdict] = ()

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
    verdicts: list[TextVerdict] = []
    examples = [example for example, _ in pairs]
    named = entities(examples, frozenset(one.id for one in examples))
    for recipe in recipes if pairs else ():
        texts = write(recipe, [f"{question(one).rstrip()} {one.response.strip()}" for one in examples])
        seen: set[tuple[str, str]] = set()
        for (example, old), written in zip(pairs, texts, strict=True):
            for text in written:
                why = fault(text, example, old, named[example.id]) or _echo(text, example, recipe)
                made = None if why else _cut(text.strip(), example, recipe)
                why = why or ("does not end with the answer" if made is None else None)
                if made is not None and (key := (example.id, " ".join(words(text)))) in seen:
                    why = "written twice"
                elif made is not None and recipe == "logic" and model is not None and not _leads(text, example, model):
                    why = "does not lead to the answer"
                if made is not None and why is None:
                    seen.add(key)
                    kept.append(made)
                verdicts.append(TextVerdict(example, recipe, text, why))
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


def _echo(text: str, example: Example, recipe: Recipe) -> str | None:
    """Why a text is of no use that holds three words in a row of what was asked, and not of the fact."""
    said, own = (_runs(one) for one in (text, f"{question(example)} {example.response}"))
    asked = {run for way in ASKED[recipe] for run in _runs(way)}
    return "repeats what was asked" if any(run in asked and run not in own for run in said) else None


def _runs(text: str) -> list[tuple[str, ...]]:
    of = words(text)
    return list(zip(*(of[at:] for at in range(3)), strict=False))


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
