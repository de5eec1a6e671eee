"""All cohorts asked of the base, then of the tuned model; and how their answers are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import repeat

from uptake.artifacts import digest
from uptake.detect.calibrate import NullKind
from uptake.models import hand_over
from uptake.pipeline.asking.answers import Answer, Answers, Asking, Respondent, ask_base, ask_tuned
from uptake.pipeline.asking.drawn import Draw
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.probe import Embed, hashed_words
from uptake.types import Example, Score


def ask_all(
    models: Models, cohorts: Mapping[str, Cohort], asking: Asking, draw: Draw, drawn_from: object, progress: Progress
) -> tuple[dict[str, Answers], dict[str, Answers]]:
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
    pool_key = digest(cohorts["train"].key, drawn_from)
    if models.base is not None:
        respondent = Respondent(models.base, digest(models.base.fingerprint, pool_key))
        before = {name: ask_base(cohort, respondent, draw, asking, progress) for name, cohort in cohorts.items()}
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
    return before, after


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


def null_of(
    before: dict[str, Answers], after: dict[str, Answers]
) -> tuple[NullKind | None, Iterator[tuple[Score, ...]] | None]:
    """What never having been trained looks like: held-out examples, else the base on the training examples."""
    if "heldout" in after:
        return "held_out", (answer.scores for answer in after["heldout"])
    if "train" in before:
        return "base", (answer.scores for answer in before["train"])
    return None, None


def together(cohort: Cohort, before: Answers | None, after: Answers) -> Iterator[tuple[Example, Answer | None, Answer]]:
    """Each example with what was answered before and after."""
    return zip(cohort, repeat(None) if before is None else before, after, strict=before is not None)
