"""What several steps read of the run file, each as the record that it is handed down in.

Beside the steps' own `run.py` this is the only place below `pipeline/` that reads a run file.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from uptake.config import RunConfig
from uptake.config.spread import SpreadOver
from uptake.data import LoadOptions
from uptake.detect import Settings
from uptake.errors import UptakeError
from uptake.models.places.settings import LoadSettings
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.examples.held_share import HeldShare
from uptake.pipeline.examples.today import known_today
from uptake.spread import Actors, Spread


def load_settings(config: RunConfig, revision: str | None) -> LoadSettings:
    """How a run's models are loaded.

    Args:
        config: The run.
        revision: Branch, tag or commit: `config.revision` for the base, `config.tuned_revision` for a tuned model.

    Raises:
        UptakeError: The chat template cannot be read, or the file of the run's date.
    """
    return LoadSettings(
        dtype=config.dtype,
        device=config.device,
        attn_implementation=config.attn_implementation,
        revision=revision,
        trust_remote_code=config.trust_remote_code,
        chat_template=None if config.chat_template is None else _template(config.chat_template),
        batch_tokens=config.batch_tokens,
        today=known_today(config.output_dir),
    )


def actors_of(own: SpreadOver | None) -> AbstractContextManager[Actors | None]:
    """What the section `spread` of a run asks for, started when it is needed; None does the work in this process."""
    return nullcontext() if own is None else Actors(Spread(own.address, own.actors, own.cpus, own.gpus))


def datasets_of(config: RunConfig) -> DataSets:
    """The data sets of a run, and how they are read."""
    seed = config.seed if config.test_seed is None else config.test_seed
    share = None if config.test_share is None else HeldShare(config.test_share, seed)
    return DataSets(
        stages={stage.name: stage.dataset for stage in config.stages},
        heldout=config.heldout,
        retention=config.retention,
        paraphrases=config.paraphrases,
        general=config.general,
        options=LoadOptions(
            format=config.format,
            assistant_turns=config.assistant_turns,
            alpaca_prompt=config.alpaca_prompt,
            split=config.split,
            columns=config.columns,
        ),
        on_bad_row=config.on_bad_row,
        columns={stage.name: stage.columns for stage in config.stages if stage.columns is not None},
        tests={stage.name: stage.test for stage in config.stages if stage.test is not None},
        held={stage.name: share for stage in config.stages if share is not None and stage.test is None},
    )


def detection_of(config: RunConfig) -> Settings:
    """How a run's examples are judged."""
    return Settings(
        criterion=config.criterion,
        response_end=config.response_end,
        normalisation=config.normalisation,
        n_samples=config.n_samples,
        seed=config.seed,
    )


def _template(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="a Jinja chat template as UTF-8 text") from error
