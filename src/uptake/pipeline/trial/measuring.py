"""What the model of an arm is asked: the run's own examples in all wordings, judged as the diagnosis judged them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from uptake.artifacts import digest
from uptake.artifacts.tables import example_row
from uptake.data.shown import prompt_text, response_text
from uptake.detect import Calibration, Rule, Settings, judge
from uptake.detect.criteria import plain_rule
from uptake.errors import UptakeError
from uptake.models import Loadable
from uptake.models.places.settings import LoadSettings, of_adapters
from uptake.models.served import LLM
from uptake.pipeline.diagnosis import Diagnosis
from uptake.pipeline.examples.check import token_check
from uptake.pipeline.examples.datasets import DataSets, cohort_rows
from uptake.pipeline.examples.sources import Reworded
from uptake.pipeline.examples.writer import open_writer
from uptake.pipeline.progress import Progress
from uptake.probe import letter_probes, option_candidates, probes
from uptake.score import score
from uptake.types import Candidate, Example, Finding, Probe

MOST = 1000
"""Examples of the retention set, and learned ones of earlier stages and of the last, that are asked about at most."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a model recalls of one item.

    Attributes:
        id: The item's id.
        stage: Its stage.
        kind: `flagged`, or what must not get worse.
        recalled_training: In the training wording.
        recalled_heldout: Share of the held-out wordings; None without any.
    """

    id: str
    stage: str
    kind: Literal["flagged", "learned", "earlier", "retention"]
    recalled_training: bool
    recalled_heldout: float | None


@dataclass(frozen=True, slots=True)
class ItemToAsk:
    """An example that is asked about.

    Attributes:
        example: With its held-out wordings.
        kind: As in `Measured`.
        candidates: What its response is compared with; the response alone where it is to be recalled.
    """

    example: Example
    kind: Literal["flagged", "learned", "earlier", "retention"]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Examination:
    """How every arm's model is asked and judged: as the models of the diagnosis were.

    Attributes:
        base: The run's base, which every arm is trained from: a path or a hub id.
        load: How it is loaded; an arm's model is loaded so too.
        option_form: `letter` also asks for the user's options by letter.
        max_length: Tokens that the user allows; None for no limit.
        detection: How answers are judged.
        llm: Wrote wordings for the diagnosis; None where no LLM did.
        n_paraphrases: Wordings of an example that it was asked for.
    """

    base: str
    load: LoadSettings
    option_form: Literal["text", "letter"]
    max_length: int | None
    detection: Settings
    llm: LLM | None
    n_paraphrases: int

    def original(self) -> Loadable:
        """The base as it is saved, wherever and in whatever precision it is run.

        Raises:
            UptakeError: There is no such model.
        """
        from uptake.models.scoring.lazy import Lazy

        load = self.load
        as_saved = LoadSettings(
            revision=load.revision,
            trust_remote_code=load.trust_remote_code,
            chat_template=load.chat_template,
            today=load.today,
        )
        return Lazy.find(self.base, as_saved)

    def trained(self, model: Path) -> Loadable:
        """The model of an arm: full weights, or an adapter on the run's base.

        Raises:
            UptakeError: There is no such model.
        """
        from uptake.models.scoring.lazy import Lazy

        return Lazy.find(str(model), of_adapters(self.load), base=self.base)


@dataclass(frozen=True)
class ArmQuestions:
    """What every arm's model is asked.

    Attributes:
        items: Flagged examples, learned ones, and those that must not get worse.
        rule: What the diagnosis asked for.
        how: How models are asked and judged.
        base: Fingerprint of the base that every arm is trained from.
    """

    items: tuple[ItemToAsk, ...]
    rule: Rule
    how: Examination
    base: str

    @property
    def key(self) -> str:
        """Identifies what is asked, and of whose children."""
        told = [[{**example_row(one.example), "file": None, "line": None}, one.kind] for one in self.items]
        return digest(self.base, told)

    def measure(self, model: Path, progress: Progress) -> Iterator[Measured]:
        """Ask one model.

        The rule is that of the diagnosis. What must not get worse is asked for no end and no threshold: its data may
        not have been trained on, as in the diagnosis' own comparison of base and tuned model.

        Args:
            model: Full weights, or an adapter on the run's model.
            progress: Told of the examples.
        """
        child, settings = self.how.trained(model), self.how.detection
        asked = [self._probes(one) for one in self.items]
        scores = score((probe for some in asked for probe in some), child.load())
        progress("asking", 0, len(asked))
        for done, (one, some) in enumerate(zip(self.items, asked, strict=True), start=1):
            rule = plain_rule(settings) if one.kind == "retention" else self.rule
            calibration = Calibration(rule, "", "", None, None, None)
            judged = judge(one.example, [next(scores) for _ in some], None, calibration, settings)
            yield Measured(one.example.id, one.example.stage, one.kind, judged.learned, _held_out(judged))
            progress("asking", done, len(asked))
        child.release()

    def _probes(self, item: ItemToAsk) -> list[Probe]:
        made = probes(item.example, item.candidates)
        if self.how.option_form == "letter" and item.example.options:
            made += letter_probes(item.example)
        return made


def _held_out(judged: Finding) -> float | None:
    """The share of the held-out wordings that pass; None without any."""
    held_out = judged.evidence.held_out
    return None if held_out is None else held_out.passed


def questions(data: DataSets, diagnosis: Diagnosis, how: Examination) -> ArmQuestions:
    """Read what is asked: all flagged examples, and of the others as many as `MOST` says, drawn with the run's seed.

    Args:
        data: The run's data sets.
        diagnosis: What was found out about it.
        how: How models are asked and judged.

    Raises:
        UptakeError: The data are not those that were diagnosed, or the retention set has an example of a stage.
    """
    base = how.original()
    train, retention = _examples(data, diagnosis, base, how)
    if twice := next((one for one in retention if (one.id, one.stage) in train), None):
        raise UptakeError(
            f"the stage {twice.stage!r} and the retention set both have an example {twice.id!r}",
            expected="examples with different ids in each stage and the retention set",
            fix=f"give it another id in {data.retention}",
        )
    draw = Random(how.detection.seed)
    flagged: list[ItemToAsk] = []
    kept: dict[Literal["learned", "earlier"], list[ItemToAsk]] = {"learned": [], "earlier": []}
    for finding in diagnosis:
        example = train.get((finding.id, finding.stage))
        if example is None or (prompt_text(example.prompt), response_text(example)) != (
            finding.prompt,
            finding.response,
        ):
            raise UptakeError(
                f"the diagnosis has {finding.id!r} in the stage {finding.stage}, which the data do not have like that",
                expected="the data that were diagnosed",
                fix="run `uptake diagnose` again",
            )
        if not finding.learned:
            flagged.append(ItemToAsk(example, "flagged", _candidates(example, finding)))
        else:
            kind: Literal["learned", "earlier"] = "learned" if finding.stage == data.last else "earlier"
            kept[kind].append(ItemToAsk(example, kind, _candidates(example, finding)))
    others = [ItemToAsk(one, "retention", option_candidates(one)) for one in retention]
    items = [*flagged, *(one for some in (*kept.values(), others) for one in _some(some, draw))]
    rule = diagnosis.rule()
    return ArmQuestions(tuple(items), rule, how, base.fingerprint)


def _some(items: Sequence[ItemToAsk], draw: Random) -> Sequence[ItemToAsk]:
    if len(items) <= MOST:
        return items
    return [items[place] for place in sorted(draw.sample(range(len(items)), MOST))]


def _candidates(example: Example, finding: Finding) -> tuple[Candidate, ...]:
    """Those of the diagnosis, where they count."""
    if finding.evidence.criterion == "recall":
        return (Candidate(example.response, "response"),)
    return tuple(Candidate(one.text, one.origin) for one in finding.evidence.candidates)


def _examples(
    data: DataSets, diagnosis: Diagnosis, base: Loadable, how: Examination
) -> tuple[dict[tuple[str, str], Example], list[Example]]:
    """The training examples with all held-out wordings, and the retention set, without what no model can be asked."""
    limits = [limit for limit in (how.max_length, base.max_length) if limit is not None]
    check = token_check([base.tokenizer], min(limits, default=None), how.option_form)
    writer = None if how.llm is None else open_writer(how.llm, diagnosis.folder / "work")
    reworded = None if writer is None else Reworded(writer, how.n_paraphrases, check)
    train: dict[tuple[str, str], Example] = {}
    retention: dict[str, Example] = {}
    for name, rows in cohort_rows(data, reworded):
        if name == "heldout":
            continue
        for row in rows:
            if not isinstance(row, Example):
                continue  # told by the diagnosis
            if name == "train":
                train[row.id, row.stage] = row
            else:
                retention[row.id] = row
    others = [one for one in retention.values() if one.prompt]  # a text is not recalled, now or later
    return train, [one for one, fault in zip(others, check(others), strict=True) if fault is None]
