"""The date in a chat template: one for all steps of a run, on whichever days these are taken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from small_models import write_rows
from train_runs import CITIES, QUICK, one, planned, write_run
from uptake.artifacts import read_json
from uptake.config import RunConfig, load_run
from uptake.data import Turn, encode
from uptake.errors import UptakeError
from uptake.pipeline.diagnose.run import diagnose_run
from uptake.pipeline.diagnosis import read_diagnosis
from uptake.pipeline.examples import today
from uptake.pipeline.prescribe.run import planning_of
from uptake.pipeline.run_file import load_settings
from uptake.pipeline.train.run import train_run, training_run
from uptake.pipeline.trial.applying import apply
from uptake.pipeline.verify.run import prepare
from uptake.types import Cost, Example, Message, Plan

DATED = (
    "{{ strftime_now('%d %b %Y') }}{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{% endif %}"
)
CHATS = [
    {"id": f"m-{k}", "messages": [{"role": "user", "content": f"{k}?"}, {"role": "assistant", "content": city}]}
    for k, city in enumerate(CITIES)
]


def on(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    """Let it be another day, for uptake and for transformers."""
    import transformers.utils.chat_template_utils as of_transformers

    class Then(date):
        @classmethod
        def today(cls) -> Any:
            return day

    class Now(of_transformers.datetime):  # type: ignore[misc,name-defined]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls(day.year, day.month, day.day)

    monkeypatch.setattr(today, "date", Then)
    monkeypatch.setattr(of_transformers, "datetime", Now)


@pytest.fixture
def dated(trainable: Path, tmp_path: Path) -> RunConfig:
    """A run of one stage of conversations, whose template writes the date."""
    (tmp_path / "dated.jinja").write_text(DATED)
    path = write_run(tmp_path, trainable, chat_template="./dated.jinja", stages=one(), ledger="off")
    write_rows(tmp_path / "main.jsonl", CHATS)
    return load_run(path)


def rows(config: RunConfig) -> Any:
    return planned(config)[0].job.rows


def test_a_run_that_goes_on_another_day_has_the_tokens_of_its_first(
    dated: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, date(2026, 1, 5))
    first, notes = rows(dated), list[str]()
    assert not (dated.output_dir / "today.json").exists()  # nothing was trained
    (done,) = train_run(dated, note=notes.append)
    assert read_json(dated.output_dir / "today.json") == {"today": "2026-01-05"}
    assert any("it is told 2026-01-05" in note for note in notes)
    on(monkeypatch, date(2026, 8, 27))
    (plan,) = planned(dated)
    assert plan.finished and plan.job.rows.equals(first)
    assert plan.job.tokenizer.decode(plan.job.rows["input_ids"][0].as_py()).startswith("05 Jan 2026")
    told = tuple(Example(row["id"], (Message("user", "1?"),), "Lima", "s") for row in CHATS)
    plan_of_one = Plan(
        "base", dated.model_name_or_path, (), told, 4, (), (), Cost(0, 0, 0, 0, 0), {**QUICK, "max_length": 64}
    )
    cured = apply(plan_of_one, training_run(dated), dated.output_dir / "cured")
    assert read_json(cured / "manifest.json")["today"] == read_json(done.folder / "manifest.json")["today"]
    assert read_json(dated.output_dir / "cured" / "today.json") == {"today": "2026-01-05"}
    found = diagnose_run(dated, str(done.folder))
    assert not [note for note in found.summary()["notes"] if "writes the date" in note]  # it is the training's own
    (dated.output_dir / "today.json").unlink()
    with pytest.raises(UptakeError, match="today: got 2026-08-27, expected 2026-01-05"):
        planned(dated)


def test_a_plan_and_the_arms_of_an_experiment_are_told_the_date_of_the_run(
    diagnosed: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dated.jinja").write_text(DATED)
    config = diagnosed(chat_template=str(tmp_path / "dated.jinja"))
    on(monkeypatch, date(2026, 8, 27))
    (config.output_dir / "today.json").write_text('{"today": "2026-01-05"}')
    turn = Turn((Message("user", "1?"),), "Lima")
    asked = prepare(config, seeds=1).asked.how
    run, _ = planning_of(config, read_diagnosis(config.output_dir), False, 1)
    for tokenizer in (
        run.encoding.tokenizer, asked.original().tokenizer, asked.trained(Path(asked.base)).tokenizer,
    ):  # fmt: skip
        (text,) = encode([turn], tokenizer)
        assert tokenizer.decode(text.ids).startswith("05 Jan 2026")
    assert training_run(config).start.settings.today == "2026-01-05"


def test_a_template_that_asks_for_no_date_has_none(run_config: Callable[..., RunConfig]) -> None:
    config = run_config(stages=one())
    assert planned(config)[0].identity["today"] is None
    config.output_dir.mkdir()
    (config.output_dir / "today.json").write_text('{"today": "2026-01-05"}')  # of a tuned model with another template
    assert planned(config)[0].identity["today"] is None
    (config.output_dir / "today.json").write_text('{"today": 5}')
    with pytest.raises(UptakeError, match=r"today\.json is damaged: today is 5"):
        load_settings(config, None)
