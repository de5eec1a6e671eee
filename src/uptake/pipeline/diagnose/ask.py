"""All cohorts asked of the base, then of the tuned model; and how their answers are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING

from uptake.artifacts import digest
from uptake.config import RunConfig
from uptake.detect import Settings
from uptake.detect.calibrate import NullKind
from uptake.pipeline.asking.answers import Answer, Answers, Asking, Source, ask_base, ask_tuned, drawing
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.examples.writer import Writer
from uptake.pipeline.progress import Progress
from uptake.probe import AnswerPool, Embed, hashed_words
from uptake.types import Example, Score

if TYPE_CHECKING:
    from uptake.models.scoring.lazy import Lazy


def ask_all(
    config: RunConfig,
    models: Models,
    cohorts: dict[str, Cohort],
    writer: Writer | None,
    drawn: tuple[Callable[[], AnswerPool], object],
    progress: Progress,
) -> tuple[dict[str, Answers], dict[str, Answers]]:
    """Ask the base about all cohorts, then the tuned model: only one of them is in memory at a time."""
    asking = Asking(
        n_distractors=config.n_distractors,
        option_form=config.option_form,
        n_samples=config.n_samples if config.criterion == "paper" and config.paper_mode == "sampled" else 0,
        seed=config.seed,
        max_length=models.max_length,
    )
    pool, encoder = drawn
    write = (lambda examples: writer.wrong_answers(examples, config.n_distractors)) if writer is not None else None
    draw = drawing(pool, asking, write)
    before: dict[str, Answers] = {}
    # where the judge's server is says nothing about what it writes
    drawn_by = (encoder, config.judge and config.judge.model)
    pool_key = digest(cohorts["train"].key, drawn_by)
    if models.base is not None:
        source = _source(models.base, pool_key)
        before = {name: ask_base(cohort, source, draw, asking, progress) for name, cohort in cohorts.items()}
        models.base.release()
    source = _source(models.tuned, pool_key)
    after = {
        # the paper's rule is about training examples: no others are sampled
        name: ask_tuned(
            cohort,
            source,
            draw,
            before.get(name),
            asking if name == "train" else replace(asking, n_samples=0),
            progress,
        )
        for name, cohort in cohorts.items()
    }
    return before, after


def encoder_of(config: RunConfig) -> tuple[Embed, object]:
    """What embeds texts, and what it is known by; loaded before any model is asked, for it may not be there.

    Raises:
        UptakeError: There is no such encoder.
    """
    name = config.embedding_model_name_or_path
    if name is None:
        return hashed_words, None
    from uptake.models.embed import encoder_content, sentence_encoder

    return sentence_encoder(name, config.device), encoder_content(name)


def _source(model: Lazy, pool_key: str) -> Source:
    return Source(digest(model.fingerprint, pool_key), model.load, lambda: model.notes)


def detection(config: RunConfig) -> Settings:
    """How a run's examples are judged."""
    return Settings(
        criterion=config.criterion,
        response_end=config.response_end,
        normalisation=config.normalisation,
        n_samples=config.n_samples,
        seed=config.seed,
    )


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
