"""A model that is no `Lazy` goes through a whole diagnosis: what the steps ask of one is what `Loadable` says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from small_models import Small, facts, write_rows
from uptake.config import RunConfig, load_run
from uptake.errors import UptakeError
from uptake.models import Enough, Loadable, Model
from uptake.models.scoring.lazy import Lazy, resolve
from uptake.models.scoring.rows import Scored
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.diagnose.run import _diagnose, _how, diagnose_run
from uptake.pipeline.why.attributing import require_ledger

NOTE = "computed by another process"


class Engine:
    """Stands for an engine in another process: token ids go in, and numbers come out."""

    def __init__(self, tokenizer: Any, folder: Path) -> None:
        self.tokenizer, self._inner = tokenizer, resolve(folder)

    def score(self, groups: Sequence[Sequence[Scored]]) -> Any:
        return self._inner.score(groups)

    def generate(
        self,
        contexts: Sequence[Sequence[int]],
        max_new_tokens: Sequence[int],
        *,
        samples: int = 0,
        seed: int = 0,
        enough: Enough | None = None,  # it cannot be asked in another process, so all go on
    ) -> list[list[list[int]]]:
        return self._inner.generate(contexts, max_new_tokens, samples=samples, seed=seed)


class Served:
    """What is known of it here; counts how often the engine is begun and ended."""

    folder = None

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.fingerprint, self.max_length = name, f"engine of {name}", 128
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.notes: tuple[str, ...] = ()
        self.began = self.ended = 0
        self._folder = folder
        self._engine: Engine | None = None

    def load(self) -> Model:
        if self._engine is None:
            self.began, self._engine, self.notes = self.began + 1, Engine(self.tokenizer, self._folder), (NOTE,)
        return self._engine

    def release(self) -> None:
        self.ended += self._engine is not None
        self._engine = None


def config_of(small: Small, folder: Path, **keys: Any) -> RunConfig:
    data = write_rows(folder / "train.jsonl", facts()[4:16])  # six of them were not trained
    stages = [{"name": "main", "dataset": str(data)}]
    given = {"model_name_or_path": str(small.base), "stages": stages, "output_dir": str(folder / "out"), **keys}
    return load_run(None, given)


def silent(step: str, done: int, total: int | None) -> None:
    pass


def test_a_model_in_another_process_is_diagnosed_as_one_in_this(small: Small, tmp_path: Path) -> None:
    config = config_of(small, tmp_path)
    here = diagnose_run(config, str(small.tuned))
    base, tuned = Served("base", small.base), Served("tuned", small.tuned)
    assert isinstance(base, Loadable) and not isinstance(base, Lazy)
    models = Models(base, tuned, None)
    there = _diagnose(_how(config, models), tmp_path / "served", models, silent, None)
    assert list(there) == list(here)
    assert any(not one.learned for one in there)
    summary = there.summary()
    assert NOTE in summary["notes"]
    assert summary["run"]["models"]["tuned"] == {"name": "tuned", "fingerprint": "engine of tuned"}
    # the tuned model is asked once, and the base again about what was not learned; nothing stays in memory
    assert (base.began, tuned.began) == (2, 1)
    assert (base.ended, tuned.ended) == (2, 1)
    again = _diagnose(_how(config, models), tmp_path / "served", models, silent, None)
    assert again.summary() == summary
    assert (base.began, tuned.began) == (2, 1)


def test_a_model_without_weights_here_is_not_trained_on(small: Small, tmp_path: Path) -> None:
    config = config_of(small, tmp_path, intervene=2)
    models = Models(Served("base", small.base), Served("tuned", small.tuned), None)
    with pytest.raises(UptakeError, match="its weights are not here"):
        _how(config, models)


def test_a_ledger_is_not_taken_for_that_of_a_model_that_nothing_is_known_of(small: Small, tmp_path: Path) -> None:
    tuned = Served("tuned", small.tuned)
    assert require_ledger(tmp_path, "main", tuned) is None
    (tmp_path / "ledger").mkdir()
    (tmp_path / "train" / "main").mkdir(parents=True)
    why = require_ledger(tmp_path, "main", tuned)
    assert why is not None and "tuned has no folder here" in why
