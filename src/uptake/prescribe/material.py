"""What a plan is made of, and what it may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from uptake.corpus.support import About
from uptake.remedies import Options
from uptake.types import Document, Example

Count: TypeAlias = Callable[[Sequence[str]], list[int]]
"""The tokens of each text, with what training puts after it."""


@dataclass(frozen=True)
class Material:
    """What is trained in a run, and what there is to mend it with.

    Attributes:
        examples: All training examples, in the order of the stages; no two have one id.
        lengths: For each of them its tokens as it is trained.
        passes: How often each stage trains its examples, in the order of the stages.
        general: General texts: what the base's own knowledge is kept with.
        count: Counts the tokens of documents.
        limit: Tokens that a row may have; longer documents are read in pieces. None for no limit.
        documents: By the id of an example, what was found about what it asks.
        missing: By the id of an example, why nothing was found.
        about: By the id of an example, what it asks about; of others it is told from the words of the question.
        advice: Where else documents could be looked for.
        untrained: By the id of an example, why nothing of it can be learned; it has no place in a plan's order.
        notes: What the reader of the plan should know about it.
    """

    examples: Sequence[Example]
    lengths: Sequence[int]
    passes: Mapping[str, float]
    general: Sequence[Document]
    count: Count
    limit: int | None = None
    documents: Mapping[str, Sequence[Document]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, About] = field(default_factory=dict)
    advice: str = "a corpus with documents about what they ask"
    untrained: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Dose:
    """What the plan for all flagged examples gives to each that it treats, as the most that a plan for some gives.

    Attributes:
        tokens: Tokens of documents; None where it reads nothing.
        sentences: Sentence by sentence, and not in whole documents.
        copies: Further exposures, by remedy and stage; 0 where the budget has no room for any. A stage that is not
            named gets no more than the remedy's most.
        times: How many times as often it trains all other rows.
    """

    tokens: float | None
    sentences: bool
    copies: Mapping[tuple[str, str], int]
    times: float = 1.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What a plan may cost.

    Attributes:
        times: So many times the tokens of the run's own fine-tuning.
        tokens: So many tokens; beats `times`.
        fill: General text is read until the budget is spent, so that plans can be compared at equal cost.
        spend: What remedies leave of it is spent as plain fine-tuning would: see `uptake.prescribe.plan.FULL`.
        dose: What each example gets at most, in a plan for some of those that were not learned; flagged examples that
            get no remedy are trained as the run did. None for no limit but the budget's.
    """

    times: float = 3.0
    tokens: int | None = None
    fill: bool = False
    spend: bool = False
    dose: Dose | None = None

    def most_copies(self, remedy: str, stage: str) -> int | None:
        """Further exposures that a remedy may give each example of a stage; None for no limit."""
        copies = {} if self.dose is None else self.dose.copies
        of = {other: n for (name, other), n in copies.items() if name == remedy}
        return of.get(stage, max(of.values(), default=None))


@dataclass(frozen=True, slots=True)
class Terms:
    """How a plan is drawn up.

    Attributes:
        start: `base`: everything is trained again. `tuned`: the tuned model is repaired with the flagged examples and
            some others that protect what it knows.
        model: The model that it starts from.
        step: Rows of an optimisation step: per device, times accumulation, times processes.
        reading: When texts are read: `before` fine-tuning (ILP), or `within` it, spread among its rows.
        augmented: Share of documents among the texts that are read, by tokens; the rest is general text (ILP: 0.2).
            Where the budget is small, documents may be half of them.
        readings: How often a passage that states a response is read at most.
        protection: Examples that protect, for each one that is repaired; for `tuned`.
        options: The remedies' own.
        training: Settings of the trainer.
        peft: LoRA settings.
        seed: Of every draw.
    """

    start: Literal["base", "tuned"] = "base"
    model: str = ""
    step: int = 8
    reading: Literal["before", "within"] = "within"
    augmented: float = 0.2
    readings: int = 6
    protection: float = 3.0
    options: Options = Options()
    training: Mapping[str, Any] = field(default_factory=dict)
    peft: Mapping[str, Any] | None = None
    seed: int = 0
