"""From what was not learned to why: ask the models a little more, put the cases together, attribute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from uptake.artifacts import digest
from uptake.attribute import Telling, attributed
from uptake.config import RunConfig
from uptake.pipeline.answers import Answers, Source
from uptake.pipeline.cases import Known, flags
from uptake.pipeline.cohort import Cohort, Progress
from uptake.pipeline.contradictions import Contradictions, find_contradictions
from uptake.pipeline.elsewhere import Alike, Elsewhere
from uptake.pipeline.learning import read_curves
from uptake.probe import Embed
from uptake.types import Finding

if TYPE_CHECKING:
    from uptake.models.load import Lazy

ASKING_VERSION = 1
"""Part of the key of what is asked elsewhere: raised when something else is asked about the same examples."""


@dataclass(frozen=True)
class Asked:
    """The training examples, the models, and what these said.

    Attributes:
        train: The examples.
        before: The base's answers; None without a base.
        after: The tuned model's.
        base: The base; None where it is not given.
        tuned: The tuned model, which may still be loaded.
        max_length: Tokens that either may be given; None for no limit.
    """

    train: Cohort
    before: Answers | None
    after: Answers
    base: Lazy | None
    tuned: Lazy
    max_length: int | None


class Attributing:
    """Attributes the findings of one diagnosis.

    Attributes:
        telling: What is told of all findings that were passed on.
        contradictions: Who contradicts whom; None until the findings were passed on.

    Args:
        config: The run.
        work: Folder of what is kept between runs.
        asked: Examples, models, and what these said.
        embed: Gives the embeddings that find questions like others.
        progress: Told after each part of the work.
    """

    def __init__(
        self, config: RunConfig, work: Path, asked: Asked, embed: Callable[[], Embed], progress: Progress
    ) -> None:
        assert config.attribution != "off"
        self.telling = Telling(config.attribution)
        self._method = config.attribution
        self._config = config
        self._work = work
        self._asked = asked
        self._embed = cache(embed)
        self._progress = progress
        self._no_curves: str | None = None
        self.contradictions: Contradictions | None = None

    def __call__(self, judged: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
        """The findings with their causes.

        Args:
            judged: Gives the findings, in the examples' order; called twice, to know first what was not learned.
        """
        ids: set[str] = set()
        unlearned = flags(_noting(judged(), ids))
        asked = self._asked
        self._progress("rivals", 0, asked.train.n)
        found = self.contradictions = self._contradictions()
        self._progress("rivals", asked.train.n, asked.train.n)
        stages = [stage.name for stage in self._config.stages]
        curves, self._no_curves = read_curves(self._config.output_dir, ids, stages)
        known = Known(asked.train, unlearned, asked.before, asked.after, found, curves, self._no_curves)
        base_more, tuned_more = self._ask(known)
        embed = self._embed() if self._method == "ilp" else None
        for finding, case in zip(judged(), known.cases(base_more, tuned_more, embed), strict=True):
            yield from self.telling.noting([finding if case is None else attributed(finding, case, self._method)])

    def notes(self) -> list[str]:
        """What could not be told, and what would help; known once all findings were passed on."""
        without = [f"no learning curves: {self._no_curves}"] if self._no_curves and self.telling.n else []
        return [*without, *self.telling.notes()]

    def _contradictions(self) -> Contradictions:
        name = self._config.embedding_model_name_or_path
        encode = None if name is None else self._embed()
        return find_contradictions(self._asked.train, self._asked.before, encode, name, self._work / "rivals.json")

    def _ask(self, known: Known) -> tuple[Answers | None, Answers]:
        """Ask the tuned model first: it is still loaded from the diagnosis's own questions."""
        asked = self._asked

        @cache
        def alike() -> Alike:
            return Alike(asked.train, self._embed(), seed=self._config.seed)

        how = digest(
            ASKING_VERSION,
            known.unlearned.hex(),
            known.contradictions.key,
            asked.before and asked.before.key,
            self._config.embedding_model_name_or_path,
            self._config.seed,
        )
        more = Elsewhere(known.wanted, alike, how, asked.max_length)
        tuned = more.ask(asked.train, "tuned", _source(asked.tuned), self._progress)
        asked.tuned.release()
        if asked.base is None:
            return None, tuned
        base = more.ask(asked.train, "base", _source(asked.base), self._progress)
        asked.base.release()
        return base, tuned


def _noting(findings: Iterator[Finding], ids: set[str]) -> Iterator[bool]:
    for finding in findings:
        if not finding.learned:
            ids.add(finding.id)
        yield finding.learned


def _source(model: Lazy) -> Source:
    return Source(model.fingerprint, model.load, lambda: model.notes)
