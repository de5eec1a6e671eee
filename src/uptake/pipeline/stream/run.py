"""`uptake stream`: train all stages, read all tests after each, and tell what became of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uptake.artifacts import locked, refuse_links, versions
from uptake.config import RunConfig
from uptake.models.places.settings import LoadSettings
from uptake.pipeline.asking.answers import Asking
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.examples.check import token_check
from uptake.pipeline.examples.today import kept_today, told
from uptake.pipeline.progress import Progress
from uptake.pipeline.run_file import datasets_of, detection_of, load_settings
from uptake.pipeline.stream.asked import Examined, examined, require_tests
from uptake.pipeline.stream.costs import cost_of
from uptake.pipeline.stream.markdown import stream_markdown
from uptake.pipeline.stream.reading import StreamModels, ask_all
from uptake.pipeline.stream.result import StreamResult, summarised, write_result
from uptake.pipeline.train.run import Trained, one_talks, train, training_run
from uptake.pipeline.train.training_run import TrainingRun
from uptake.processes import ALONE, Processes


def stream_run(
    config: RunConfig,
    progress: Progress = lambda step, done, total: None,
    processes: Processes = ALONE,
    *,
    note: Callable[[str], None] = lambda text: None,
) -> StreamResult | None:
    """Train the stages of a run that are not trained yet, and ask the base and the model after each about all tests.

    The tests are read before anything is trained. A killed run goes on where it stopped: what was trained is not
    trained again, and what was asked is not asked again.

    Args:
        config: The run.
        progress: Told of each step.
        processes: Those that train together; the first of them asks.
        note: Told, before anything is trained, what the reader should know about the stages.

    Returns:
        What was found; None in all processes but the first.

    Raises:
        UptakeError: Something about the input is wrong; it is told before any work is lost.
    """
    data, folder, first = datasets_of(config), config.output_dir / "stream", processes.first
    with one_talks(processes):
        refuse_links(config.output_dir)
        require_tests(data)
        run = training_run(config, processes)

    def read(tokenizers: Sequence[Any], limit: int | None) -> Examined:
        check = token_check(tokenizers, limit, config.option_form)
        return examined(data, folder, check, config.seed, limit, progress)

    if first:
        with locked(folder):  # what is wrong with the tests is told before hours of training
            read(*_before_training(config))
    trained = train(run, progress, note=note)
    if not first:
        return None
    with locked(folder):
        models, limit = _models(config, trained)
        tokenizers = [model.tokenizer for model in (models.base, *models.after.values())]
        asked = read(tokenizers, limit)
        asking = Asking(config.n_distractors, config.option_form, seed=config.seed, max_length=limit)
        found = ask_all(models, asked.cohorts, asking, detection_of(config), progress)
        costs = [cost_of(one, spec) for one, spec in zip(trained, run.stages, strict=True)]
        summary = summarised(asked, found, costs, config.seed)
        summary["notes"] = [*asked.notes, *_notes(summary)]
        summary["run"] = _manifest(config, run, models, asked)
        return write_result(folder, summary, asked, found, stream_markdown(summary))


def _before_training(config: RunConfig) -> tuple[list[Any], int | None]:
    """What tests are checked with before there is another model: the base's tokenizer, and how many tokens it takes.

    No tokenizer, where a chat template may still come with the training.
    """
    from uptake.models.scoring.lazy import Lazy

    base = Lazy.find(config.model_name_or_path, load_settings(config, config.revision))
    limits = [one for one in (config.max_length, base.max_length) if one is not None]
    return [] if base.tokenizer.chat_template is None else [base.tokenizer], min(limits, default=None)


def _models(config: RunConfig, trained: Sequence[Trained]) -> tuple[StreamModels, int | None]:
    """The base, the model after each stage, and how many tokens all of them take; all are told the run's date."""
    from uptake.models.scoring.lazy import Lazy

    load: LoadSettings = load_settings(config, None)
    base = config.model_name_or_path
    both = Models.find(
        str(trained[0].folder), load, base=base, base_revision=config.revision, asked_length=config.max_length
    )
    day = kept_today(config.output_dir) if both.tell_the_date else None
    both = both if day is None else both.on(day)
    assert both.base is not None
    after = {trained[0].stage: both.tuned}
    for one in trained[1:]:
        model = Lazy.find(str(one.folder), load, base=base)
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
        if one["then"] / one["n"] < 0.5 and number < len(stages)
    ]
    if low:
        notes.append(
            f"less than half of the tests of {', '.join(low)} is right after its own training: what was not learned "
            "cannot be lost, and BWT says little there"
        )
    if metrics["bwt"] is not None and metrics["bwt"]["estimate"] > 0:
        notes.append("BWT is above 0: see the diagonal for whether the earlier stages were learned at all by their own")
    if (untold := sum(one["untold"] for one in summary["fates"])) > 0:
        notes.append(
            f"of {untold} lost tests it is not known whether the model still knows them: their responses are too long "
            "for a free answer, and they have no held-out wording"
        )
    return notes


def _manifest(config: RunConfig, run: TrainingRun, models: StreamModels, asked: Examined) -> dict[str, Any]:
    """What the numbers were computed from and with: enough to compute them again."""
    own = {"output_dir": True, "gate": True, "judge": True, "knowledge_sources": True}
    return {
        "models": {
            "base": {"name": models.base.name, "fingerprint": models.base.fingerprint},
            **{stage: {"name": model.name, "fingerprint": model.fingerprint} for stage, model in models.after.items()},
        },
        "data": {one.name: {"n": one.n, "content": one.key, "bad_rows": one.n_bad} for one in asked.cohorts},
        "strategies": {spec.name: [one.identity() for one in spec.strategies] for spec in run.stages},
        "settings": config.model_dump(mode="json", exclude=own),
        "versions": versions(),
    }
