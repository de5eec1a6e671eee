"""All cohorts asked of the base, then of the tuned model; and how their answers are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import repeat

from uptake.artifacts import digest
from uptake.detect.calibrate import NullKind
from uptake.models import hand_over
from uptake.pipeline.asking.answers import Answer, Answers, Asking, Respondent, Role, ask_base, ask_tuned
from uptake.pipeline.asking.drawn import Draw
from uptake.pipeline.asking.null_words import ask_null_words
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.probe import Embed, hashed_words
from uptake.types import Example, Score


@dataclass(frozen=True)
class Null:
    """What never having been trained looks like: the held-out examples, else the base on the training examples.

    Attributes:
        kind: Which of these.
        cohort: The examples.
        answers: The answers to them.
        earlier: What the base answered to them before; None without one, or where the answers are the base's.
        own_words: What was asked of long responses besides; None where no response is long.
    """

    kind: NullKind
    cohort: Cohort
    answers: Answers
    earlier: Answers | None
    own_words: Answers | None

    def scores(self) -> Iterator[tuple[Score, ...]]:
        """Of each example in order."""
        return (answer.scores for answer in self.answers)


@dataclass(frozen=True)
class AllAnswers:
    """What both models answered, by the cohort's name.

    Attributes:
        before: The base; empty without one.
        after: The tuned model.
        null: Those that say what never having been trained looks like; None where nothing does.
    """

    before: dict[str, Answers]
    after: dict[str, Answers]
    null: Null | None


def ask_all(
    models: Models, cohorts: Mapping[str, Cohort], asking: Asking, draw: Draw, drawn_from: object, progress: Progress
) -> AllAnswers:
    """Ask the base about all cohorts, then the tuned model: only one of them is in memory at a time.

    Args:
        models: The models.
        cohorts: The examples by the cohort's name, `train` among them.
        asking: How.
        draw: Draws candidates from the training examples' answers, and from what an LLM writes.
        drawn_from: What tells whatever embeds these examples, and that LLM, from others.
        progress: Told after each part.
    """
    before: dict[str, Answers] = {}
    null: Null | None = None

    def null_of(kind: NullKind, model: Respondent, answers: Answers, earlier: Answers | None) -> Null:
        """It goes on in its own words as training examples do, if these are read by their spans."""
        cohort, words = cohorts["heldout" if kind == "held_out" else "train"], None
        role = Role("tuned" if kind == "held_out" else "base", "null")
        if answers.has_long() and (kind == "base" or after["train"].has_long()):
            words = ask_null_words(cohort, role, model, answers, earlier, asking.max_length, progress)
        return Null(kind, cohort, answers, earlier, words)

    pool_key = digest(cohorts["train"].key, drawn_from)
    if models.base is not None:
        respondent = Respondent(models.base, digest(models.base.fingerprint, pool_key))
        before = {name: ask_base(cohort, respondent, draw, asking, progress) for name, cohort in cohorts.items()}
        if "heldout" not in cohorts:
            null = null_of("base", respondent, before["train"], None)
        hand_over(models.base, models.tuned)
    respondent = Respondent(models.tuned, digest(models.tuned.fingerprint, pool_key))
    after = {
        # the paper's rule is about training examples: no others are sampled
        name: ask_tuned(
            cohort,
            respondent,
            draw,
            before.get(name),
            asking if name == "train" else replace(asking, n_samples=0),
            progress,
        )
        for name, cohort in cohorts.items()
    }
    if "heldout" in cohorts:
        null = null_of("held_out", respondent, after["heldout"], before.get("heldout"))
    return AllAnswers(before, after, null)


def encoder_of(name: str | None, device: str) -> tuple[Embed, object]:
    """What embeds texts, and what it is known by; loaded before any model is asked, for it may not be there.

    Args:
        name: Folder or hub id of a model of sentence-transformers; None compares words, and is known by None.
        device: Where that model runs.

    Raises:
        UptakeError: There is no such encoder.
    """
    if name is None:
        return hashed_words, None
    from uptake.models.embed import encoder_content, sentence_encoder

    return sentence_encoder(name, device), encoder_content(name)


def together(cohort: Cohort, before: Answers | None, after: Answers) -> Iterator[tuple[Example, Answer | None, Answer]]:
    """Each example with what was answered before and after."""
    return zip(cohort, repeat(None) if before is None else before, after, strict=before is not None)
