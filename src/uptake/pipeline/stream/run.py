"""`uptake stream`: train all stages, read all tests after each, and tell what became of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uptake.artifacts import locked, refuse_links, versions
from uptake.config import RunConfig
from uptake.detect import Settings
from uptake.models import Loadable
from uptake.models.places.settings import LoadSettings, of_adapters
from uptake.pipeline.asking.answers import Asking
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.examples.check import token_check
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.examples.today import kept_today, told
from uptake.pipeline.progress import Progress
from uptake.pipeline.run_file import actors_of, datasets_of, detection_of, load_settings
from uptake.pipeline.stream.asked import Examined, examined, require_tests
from uptake.pipeline.stream.costs import costs_of
from uptake.pipeline.stream.lettered import ask_lettered
from uptake.pipeline.stream.lost import lost_tests
from uptake.pipeline.stream.reading import StreamModels, ask_all
from uptake.pipeline.stream.result import StreamResult, lost_items, summarised, write_result
from uptake.pipeline.train.run import Trained, one_talks, train, training_run
from uptake.pipeline.train.training_run import TrainingRun
from uptake.processes import ALONE, Processes
from uptake.spread import Actors
from uptake.text import counted


@dataclass(frozen=True)
class StreamRun:
    """A stream: what is trained, what tests it, and how models are asked. Strategies are compared as several of them.

    Attributes:
        training: The stages, with their strategies.
        data: The data sets, tests among them.
        load: How models are loaded to be asked; the revision is the base's.
        asking: How they are asked; `max_length` is what the user allows.
        detection: How their answers are judged.
        told: What the summary says of the settings.
        actors: Hold copies of the models that are asked; None has one in this process.
    """

    training: TrainingRun
    data: DataSets
    load: LoadSettings
    asking: Asking
    detection: Settings
    told: Mapping[str, Any]
    actors: Actors | None = None

    @property
    def folder(self) -> Path:
        """Where what is found goes."""
        return self.training.folder / "stream"


def stream_run(
    config: RunConfig,
    progress: Progress = lambda step, done, total: None,
    processes: Processes = ALONE,
    *,
    note: Callable[[str], None] = lambda text: None,
) -> StreamResult | None:
    """Train and test the stages of a run file; see `stream`.

    Args:
        config: The run.
        progress: As in `stream`.
        processes: Those that train together; the first of them asks.
        note: As in `stream`.
    """
    with one_talks(processes):
        data = datasets_of(config)
        require_tests(data)
        own = {"output_dir", "gate", "judge", "knowledge_sources", "spread"}
        run = StreamRun(
            training_run(config, processes),
            data,
            load_settings(config, config.revision),
            Asking(config.n_distractors, config.option_form, seed=config.seed, max_length=config.max_length),
            detection_of(config),
            config.model_dump(mode="json", exclude=own),
        )
    with actors_of(config.spread) as actors:
        return stream(replace(run, actors=actors), progress, note=note)


def stream(
    run: StreamRun,
    progress: Progress = lambda step, done, total: None,
    *,
    note: Callable[[str], None] = lambda text: None,
) -> StreamResult | None:
    """Train the stages that are not trained yet, and ask the base and the model after each about all tests.

    The tests are read before anything is trained. A killed run goes on where it stopped: what was trained is not
    trained again, and what was asked is not asked again.

    Args:
        run: The stream.
        progress: Told of each step.
        note: Told, before anything is trained, what the reader should know about the stages.

    Returns:
        What was found; None in all processes but the first.

    Raises:
        UptakeError: Something about the input is wrong; it is told before any work is lost.
    """
    first = run.training.processes.first

    def read(tokenizers: Sequence[Any], limit: int | None) -> Examined:
        check = token_check(tokenizers, limit, run.asking.option_form)
        return examined(run.data, run.folder, check, run.asking.seed, limit, progress)

    with one_talks(run.training.processes):
        refuse_links(run.training.folder)
    with locked(run.folder) if first else nullcontext():
        if first:  # what is wrong with the tests is told before hours of training
            read(*_before_training(run))
        trained = train(run.training, progress, note=note)
        if not first:
            return None
        models, limit = _models(
            run, [one for one, spec in zip(trained, run.training.stages, strict=True) if not spec.part_of]
        )
        asked = read([model.tokenizer for model in (models.base, *models.after.values())], limit)
        models = models.over(run.actors)
        found = ask_all(models, asked.cohorts, replace(run.asking, max_length=limit), run.detection, progress)
        costs = costs_of(trained, run.training.stages)
        tests, last = [one.cohort for one in asked.tests], [*models.after.values()][-1]
        asking = replace(run.asking, max_length=limit)
        lettered = ask_lettered(last, tests, lost_items(asked, found), asking, progress)
        summary = summarised(asked, found, lettered, costs, run.asking.seed)
        summary["notes"] = [*asked.notes, *_notes(summary)]
        summary["run"] = _manifest(run, models, asked)
        lost = lost_tests(asked, found, lettered, run.data)
        return write_result(run.folder, summary, asked, found, lettered, lost)


def _before_training(run: StreamRun) -> tuple[list[Any], int | None]:
    """What tests are checked with before there is another model: the base's tokenizer, and how many tokens it takes.

    No tokenizer, where a chat template may still come with the training.
    """
    from uptake.models.scoring.lazy import Lazy

    base = Lazy.find(run.training.start.name, run.load)
    limits = [one for one in (run.asking.max_length, base.max_length) if one is not None]
    return [] if base.tokenizer.chat_template is None else [base.tokenizer], min(limits, default=None)


def _models(run: StreamRun, trained: Sequence[Trained]) -> tuple[StreamModels, int | None]:
    """The base, the model after each stage, and how many tokens all of them take; all are told the run's date."""
    from uptake.models.scoring.lazy import Lazy

    own, base = of_adapters(run.load), run.training.start.name
    both = Models.find(
        str(trained[0].folder), own, base=base, base_revision=run.load.revision, asked_length=run.asking.max_length
    )
    day = kept_today(run.training.folder) if both.tell_the_date else None
    both = both if day is None else both.on(day)
    assert both.base is not None
    after = {trained[0].stage: both.tuned}
    for one in trained[1:]:
        model = Lazy.find(str(one.folder), own, base=base)
        after[one.stage] = model if day is None else told(model, day)
    limits = [both.max_length, *(model.max_length for model in after.values())]
    return StreamModels(both.base, after), min((one for one in limits if one is not None), default=None)


def _notes(summary: Mapping[str, Any]) -> list[str]:
    """Where numbers mean less than they seem."""
    notes = []
    metrics, stages = summary["metrics"], summary["stages"]
    if len(stages) == 1:
        notes.append("there is one stage: BWT, FWT and forgetting need two")
    low = [
        stage
        for number, (stage, one) in enumerate(zip(stages, summary["fates"], strict=True), start=1)
        if 2 * one["then"] < one["n"] and number < len(stages)
    ]
    if low:
        notes.append(
            f"less than half of the tests of {', '.join(low)} is right after its own training: what was not learned "
            "cannot be lost, and BWT says little there"
        )
    if metrics["bwt"] is not None and metrics["bwt"]["estimate"] > 0:
        notes.append("BWT is above 0: see the diagonal for whether the earlier stages were learned at all by their own")
    if n := sum(one["replaced"] for one in summary["fates"]):
        new, old = (sum(one[key] for one in summary["fates"]) for key in ("updated", "outdated"))
        whole = [stage for stage, one in zip(stages, summary["fates"], strict=True) if not one["n"]]
        notes.append(
            f"{counted(n, 'test is', 'tests are')} replaced: a later stage asks the same and answers otherwise. That "
            "the old answer is gone is no loss: they are in no share of the matrix, no metric (forgetting and BWT "
            f"among them) and no list of lost tests. The last model gives the new answer to {new}, the old one to {old}"
            + (f". All tests of {', '.join(whole)} are replaced, so nothing is told of it" if whole else "")
        )
    if (untold := sum(one["untold"] for one in summary["fates"])) > 0:
        notes.append(
            f"of {untold} lost tests it is not known whether the model still knows them: their responses are too long "
            "for a free answer, and they have no held-out wording"
        )
    return notes


def _manifest(run: StreamRun, models: StreamModels, asked: Examined) -> dict[str, Any]:
    """What the numbers were computed from and with: enough to compute them again."""

    def known_by(model: Loadable) -> dict[str, str]:
        return {"name": model.name, "fingerprint": model.fingerprint}

    return {
        "base": known_by(models.base),
        "after": {stage: known_by(model) for stage, model in models.after.items()},
        "data": {one.name: {"n": one.n, "content": one.key, "bad_rows": one.n_bad} for one in asked.cohorts},
        "strategies": {
            spec.part_of or spec.name: [one.identity() for one in spec.strategies]
            for spec in reversed(run.training.stages)
        },
        "settings": run.told,
        "versions": versions(),
    }
