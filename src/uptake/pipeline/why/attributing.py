"""From what was not learned to why: ask the models a little more, put the cases together, attribute."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from uptake.artifacts import digest
from uptake.artifacts.checked import read_record
from uptake.artifacts.ledger_files import unreadable
from uptake.artifacts.schemas.training import FINISHED
from uptake.attribute import Telling, attributed
from uptake.attribute.by_spans import by_its_spans
from uptake.causes import Case, InFrame
from uptake.corpus.pulls import WrongAnswer
from uptake.detect.reading import Normalisation
from uptake.errors import UptakeError
from uptake.models import Loadable, hand_over
from uptake.pipeline.asking.answers import Answers, Respondent
from uptake.pipeline.asking.controls import ask_controls, chosen
from uptake.pipeline.asking.elicited import Elicited
from uptake.pipeline.asking.elsewhere import Alike, Elsewhere
from uptake.pipeline.asking.in_wordings import ALL_WORDINGS, WORDINGS, ask_otherwise, parts_in
from uptake.pipeline.asking.sentences import read_tells
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.state import model_digest
from uptake.pipeline.why.cases import Beyond, Known, flags, said_freely
from uptake.pipeline.why.contradictions import RIVALS_FILE, Comparers, Contradictions, find_contradictions
from uptake.pipeline.why.cut import CUT
from uptake.pipeline.why.learning import Curves, read_curves
from uptake.pipeline.why.pulls import find_pulls, wrong_answers
from uptake.probe import Embed
from uptake.text import counted
from uptake.types import Example, Finding

ASKING_VERSION = 14
"""Part of the key of what is asked elsewhere: raised when something else is asked about the same examples."""


@dataclass(frozen=True)
class Explaining:
    """How causes are told.

    Attributes:
        method: By evidence for each cause, or by the cascade of the paper.
        normalisation: How log-probabilities of candidates are compared.
        seed: Of what is drawn.
        comparers: Who compares answers that rules cannot.
        output_dir: The run's folder, in which the ledger lies.
        stages: The stages that were trained, in their order.
        no_ledger: Why the ledger is not to be used; None where it is.
        settings: By stage the trainer's, as far as they say what of a row is trained.
        corpus: Documents that may pull the other way; None without any.
        thorough: The base is asked in all held-out wordings.
    """

    method: Literal["evidence", "ilp"]
    normalisation: Normalisation
    seed: int
    comparers: Comparers
    output_dir: Path
    stages: tuple[str, ...]
    no_ledger: str | None
    settings: Mapping[str, Mapping[str, Any]]
    corpus: str | None = None
    thorough: bool = False

    def curves(self, ids: Collection[str]) -> Curves:
        """The learning curves of some examples; raises as `read_curves`."""
        if self.no_ledger is not None:
            return Curves({}, self.no_ledger, {})
        return read_curves(self.output_dir, ids, self.stages)


@dataclass(frozen=True)
class Interview:
    """The training examples, the models, and what these said.

    Attributes:
        train: The examples.
        before: The base's answers; None without a base.
        after: The tuned model's.
        base: The base; None where it is not given.
        tuned: The tuned model, which may still be loaded.
        max_length: Tokens that either may be given; None for no limit.
        encoder: What the embeddings are known by; None without an encoder.
    """

    train: Cohort
    before: Answers | None
    after: Answers
    base: Loadable | None
    tuned: Loadable
    max_length: int | None
    encoder: object


def require_ledger(output_dir: Path, last: str, tuned: Loadable) -> str | None:
    """See that the ledger can be read, before any model is asked.

    Args:
        output_dir: The run's folder.
        last: The name of the stage that was trained last.
        tuned: The model that is diagnosed.

    Returns:
        Why it is not that of the tuned model's training; None where it is, or where nothing tells.

    Raises:
        UptakeError: A part of it is damaged.
    """
    trained, ledger = output_dir / "train" / last, output_dir / "ledger"
    if not ledger.is_dir():
        return None
    if trained.parent.is_dir() and (tuned.folder is None or tuned.folder.resolve() != trained.resolve()):
        of = f"the ledger under {output_dir} is of the training of {trained}"
        if tuned.folder is None:
            return f"{of}; {tuned.name} has no folder here that would tell whether it is that model"
        manifest = trained / "manifest.json"
        if not manifest.exists() or read_record(manifest, FINISHED).model != model_digest(tuned.folder):
            return f"{of}; {tuned.name} is another model"
    try:
        wrong = unreadable(output_dir)
    except OSError as error:
        wrong = [("", f"cannot list {ledger}: {error.strerror or error}")]
    for stage, why in wrong:
        raise UptakeError(
            f"the ledger cannot be read: {why}",
            expected="the parts as they were written",
            fix=f"restore it; or diagnose without it: move {ledger / stage} away",
        )
    return None


class Attributing:
    """Attributes the findings of one diagnosis.

    Attributes:
        telling: What is told of all findings that were passed on.
        contradictions: Who contradicts whom; None until the findings were passed on.

    Args:
        how: How causes are told.
        work: Folder of what is kept between runs.
        asked: Examples, models, and what these said.
        embed: The embeddings that find questions like others.
        progress: Told after each part of the work.
    """

    def __init__(self, how: Explaining, work: Path, asked: Interview, embed: Embed, progress: Progress) -> None:
        self.telling = Telling(how.method)
        self._how = how
        self._work = work
        self._asked = asked
        self._embed = embed
        self._progress = progress
        self._notes: list[str] = []
        self._replaced = 0
        self.contradictions: Contradictions | None = None

    def __call__(self, judged: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
        """The findings with their causes.

        Args:
            judged: Gives the findings, in the examples' order; called twice, to know first what was not learned.
        """
        ids: set[str] = set()
        wrong: list[WrongAnswer] = []
        flagged = flags(_noting(judged(), ids, wrong))
        asked = self._asked
        pulls = find_pulls(wrong, asked.train, self._how.corpus)
        self._progress("rivals", 0, asked.train.n)
        found = self.contradictions = self._contradictions()
        self._progress("rivals", asked.train.n, asked.train.n)
        curves = self._how.curves(ids)
        self._notes = [*(curves.notes() if ids else []), *pulls.notes]
        tells = read_tells(asked.train)
        wordings = ALL_WORDINGS if self._how.thorough else WORDINGS
        said = (asked.before, asked.after)
        trained = (asked.tuned.tokenizer, self._how.settings)
        known = Known(asked.train, flagged, *said, found, curves, tells, self._how.normalisation, wordings, *trained)
        more = self._ask(known)
        embed = self._embed if self._how.method == "ilp" else None
        for position, (finding, case) in enumerate(zip(judged(), known.cases(more, embed), strict=True)):
            if case is not None:
                finding = attributed(self._not_lost(finding, case), case, self._how.method)
                evidence = replace(finding.evidence, pulls=pulls.of.get(position, ()))
                finding = replace(finding, evidence=evidence)
                finding = _by_its_spans(finding, case) if self._how.method == "evidence" else finding
            yield from self.telling.noting([finding])

    def _not_lost(self, finding: Finding, case: Case) -> Finding:
        """The finding, not forgotten where a later stage replaces its response on purpose."""
        if case.replaced is None:
            return finding
        self._replaced += 1
        return replace(finding, forgotten=finding.forgotten and False)

    def notes(self) -> list[str]:
        """What could not be told, and what would help; known once all findings were passed on."""
        told = [] if self.contradictions is None else self.contradictions.notes()
        if self._replaced:
            what = counted(self._replaced, "example that is", "examples that are")
            told.append(
                f"{what} not learned ask what a later stage asks too and answers otherwise: it replaces them, and that "
                "they are gone does not count as forgotten"
            )
        return [*self._notes, *told, *self.telling.notes()]

    def _contradictions(self) -> Contradictions:
        asked, path = self._asked, self._work / RIVALS_FILE
        encode = None if asked.encoder is None else self._embed
        return find_contradictions(self._how.comparers, asked.train, asked.before, encode, asked.encoder, path)

    def _ask(self, known: Known) -> Beyond:
        """Ask the tuned model first: it is still loaded from the diagnosis's own questions."""
        asked = self._asked
        alike = cache(lambda: Alike(asked.train, self._embed, seed=self._how.seed))
        how = digest(
            (ASKING_VERSION, "all wordings") if self._how.thorough else ASKING_VERSION,
            known.flags.hex(),
            known.contradictions.key,
            asked.before and asked.before.key,
            asked.encoder,
            self._how.seed,
            asked.max_length,
        )
        said = _said_by(asked.train, asked.before, lambda: alike().pool)
        worded: Answers | None = (
            None  # what the base answers in other wordings is asked for later, as it is loaded then
        )
        more = Elsewhere(
            known.wanted,
            _by_part(alike),
            lambda number, examples: known.telling(number, examples, worded),
            said,
            known.tells,
            how,
            asked.max_length,
        )
        tuned = more.ask(asked.train, "tuned", _respondent(asked.tuned), self._progress)
        if asked.base is None:
            asked.tuned.release()
            return Beyond(tuned)
        hand_over(asked.tuned, asked.base)
        respondent = _respondent(asked.base)
        worded, parts = (
            ask_otherwise(asked.train, known.unlearned, forms, respondent, how, asked.max_length, self._progress)
            for forms in (known.wordings, parts_in(known.tells.frame))
        )
        base = more.ask(asked.train, "base", respondent, self._progress)
        controls = self._controls(known, more, lambda example: alike().nearest([example], [()])[0], how)
        asked.base.release()
        return Beyond(tuned, base, worded, parts, controls)

    def _controls(
        self, known: Known, more: Elsewhere, near: Callable[[Example], list[Example]], how: str
    ) -> tuple[InFrame, ...]:
        """What the base makes of what it answers rightly; nothing where nothing is to be explained."""
        asked = self._asked
        if asked.before is None or asked.base is None or not any(known.flags):
            return ()

        def cut(example: Example, said: str) -> Elicited | None:
            return more.elicited(example, said, near(example))

        positions = chosen(asked.train, asked.before, self._how.seed, known.tells)
        base = _respondent(asked.base)
        return ask_controls(asked.train, asked.before, positions, cut, base, how, self._progress)


def _by_its_spans(finding: Finding, case: Case) -> Finding:
    """The finding with the causes of its wrong spans; of what training may never have seen they have none."""
    if case.missing.get("ledger") != CUT:
        return by_its_spans(finding, case)
    spans = finding.spans
    return finding if spans is None else replace(finding, spans=tuple(replace(one, cause=None) for one in spans))


def _by_part(
    alike: Callable[[], Alike],
) -> Callable[[int, Sequence[Example], Sequence[Collection[str]]], list[list[Example]]]:
    """What gives the examples like those of a part; they are looked for once, as both models are asked after them."""
    found: dict[int, list[list[Example]]] = {}

    def near(number: int, examples: Sequence[Example], apart: Sequence[Collection[str]]) -> list[list[Example]]:
        if number not in found:
            found[number] = alike().nearest(examples, apart)
        return found[number]

    return near


def _said_by(
    train: Cohort, before: Answers | None, pool: Callable[[], Sequence[Example]]
) -> Callable[[Example], str | None]:
    """What the base answers the examples of a pool, which is gathered when it is first asked for.

    Args:
        train: The cohort that the pool is of.
        before: The base's answers to all of it; None without a base.
        pool: Gives the examples that others are put after.
    """

    @cache
    def all_said() -> dict[tuple[str, str], str]:
        if before is None:
            return {}
        wanted = {(example.id, example.stage) for example in pool()}
        names = ((example.id, example.stage) for example in train)
        pairs = ((name, said_freely(answer)) for name, answer in zip(names, before, strict=True) if name in wanted)
        return {name: said for name, said in pairs if said is not None}

    return lambda example: all_said().get((example.id, example.stage))


def _noting(findings: Iterator[Finding], ids: set[str], wrong: list[WrongAnswer]) -> Iterator[Finding]:
    for position, finding in enumerate(findings):
        if not finding.learned:
            ids.add(finding.id)
            wrong += wrong_answers(position, finding)
        yield finding


def _respondent(model: Loadable) -> Respondent:
    return Respondent(model, model.fingerprint)
