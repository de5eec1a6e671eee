"""Interventions from end to end on a small base and its fine-tune: what is written, resumed, left alone and refused."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from small_models import Small, write_rows
from uptake.artifacts import file_digest
from uptake.attribute.interventions import TREATMENTS
from uptake.attribute.shares import priors, shares
from uptake.errors import UptakeError
from uptake.models.places.settings import LoadSettings
from uptake.models.scoring.lazy import Lazy
from uptake.models.training import trial
from uptake.pipeline import Diagnosis
from uptake.pipeline.asking.in_context import another, telling
from uptake.pipeline.diagnose.run import diagnose
from uptake.types import Example, Message, Wording

Run = Callable[..., Diagnosis]

BOTH = {"intervene": 6, "thorough": True}
TRAINING = {"learning_rate": 1e-2, "per_device_train_batch_size": 8, "gradient_checkpointing": False}


@pytest.fixture(scope="module")
def run(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A diagnosis with interventions, in a folder of its own under `out`; some facts have a rival."""
    folder = tmp_path_factory.mktemp("intervening")
    rows = [json.loads(line) for line in small.train.read_text().splitlines()]
    rival = {"id": "town-rival", "prompt": "Ada Brook was born in the town of", "completion": " Doha", "source": "town"}
    data = write_rows(folder / "train.jsonl", [*rows, rival])

    def some(out: str, **settings: Any) -> Diagnosis:
        given = {"base": small.base, "tuned": small.tuned, "training": TRAINING, **BOTH, **settings}
        return diagnose(dataset=data, output_dir=folder / out, **given)

    return some


@pytest.fixture(scope="module")
def done(run: Run) -> Diagnosis:
    return run("whole")


def test_what_is_written(done: Diagnosis) -> None:
    told = done.summary()["interventions"]
    rows = [finding for finding in done if finding.evidence.interventions is not None]
    assert told["n"] == len(rows) == 6 and not any(finding.learned for finding in rows)
    assert told["learning_rate"] == pytest.approx(0.2 * 1e-2)
    assert sum(part["n"] for part in told["causes"].values()) == 6
    for cause, part in told["causes"].items():
        own = [finding.evidence.interventions for finding in rows if finding.cause == cause]
        assert part["more_steps"]["flipped"] == sum(one.courses["more_steps"].learned[-1] for one in own)
        assert all(len(one.courses["more_steps"].learned) == told["passes"] for one in own)
    assert not [note for note in done.summary()["notes"] if "interventions" in note]
    flips = sum(part["more_steps"]["flipped"] for part in told["causes"].values())
    control = sum(part["control"]["flipped"] for part in told["causes"].values())
    assert flips > control  # six exposures at this rate teach more than none


def test_exposures_to_learn_are_told_of_all_that_was_not_learned(done: Diagnosis, run: Run) -> None:
    told = done.summary()["exposures_to_learn"]
    unlearned = [finding for finding in done if not finding.learned]
    courses = {finding.id: finding.evidence.exposures_to_learn for finding in unlearned}
    assert told["n"] == len(courses) and None not in courses.values()
    assert not any(finding.evidence.exposures_to_learn for finding in done if finding.learned)
    assert {len(course.learned) for course in courses.values()} == {told["passes"]}
    needed = [course.exposures for course in courses.values()]
    parts = told["causes"].values()
    assert [sum(part["needed"][k] for part in parts) for k in range(6)] == [needed.count(k) for k in range(1, 7)]
    assert any(needed) and sum(part["never"] for part in parts) == needed.count(None)
    # by hand: six passes over the rows, eight a step
    learned = done.summary()["learned"]["count"]
    n = len(unlearned)
    rows = n + min(learned, max(20, n))
    assert told["controls"]["n"] <= rows - n and told["controls"]["kept"] <= told["controls"]["n"]
    assert told["steps"] % 6 == 0 and 6 * (rows - 2) / 8 <= told["steps"] <= 6 * (rows / 8 + 1)


def test_costs_are_told_before_training_begins(small: Small, tmp_path: Path) -> None:
    steps: list[str] = []
    rows = [json.loads(line) for line in small.train.read_text().splitlines()][:4]
    wrong = {"id": "w", "prompt": "Zed Zed was born in the town of", "completion": " Lima", "source": "town"}
    data = write_rows(tmp_path / "rows.jsonl", [*rows, wrong])
    given = {"base": None, "dataset": data, "output_dir": tmp_path / "out", "training": TRAINING}
    summary = diagnose(
        tuned=small.tuned, thorough=True, progress=lambda step, done, total: steps.append(step), **given
    ).summary()
    told = summary["exposures_to_learn"]
    cost = f"6 passes, {told['steps']} steps, {told['tokens']} tokens"
    assert any(cost in step for step in steps)
    first = next(number for number, step in enumerate(steps) if cost in step)
    assert "exposures to learn" not in steps[:first] and "exposures to learn" in steps[first:]
    assert "interventions" not in summary


def test_corrected_shares_are_those_of_the_names_and_the_reactions(done: Diagnosis) -> None:
    told = done.summary()["interventions"]["shares"]
    unlearned = [finding for finding in done if not finding.learned]
    names = [finding.cause for finding in unlearned]
    reactions = [finding.evidence.interventions for finding in unlearned]
    speeches = [None if one is None else one.speaks_for for one in reactions]
    # without paraphrases and a ledger some causes cannot be judged: nothing is known of the names then
    known = priors() if told["weighed"] else priors().without_names()
    wanted = shares(names, speeches, known, seed=done.summary()["run"]["settings"]["seed"])
    assert wanted is not None
    assert (told["n"], told["sampled"], told["reason"]) == (len(unlearned), 6, None)
    assert told["causes"] == {
        cause: {"estimate": one.estimate, "low": one.low, "high": one.high} for cause, one in wanted.items()
    }


def test_the_tuned_model_stays_and_nothing_is_left_behind(small: Small, done: Diagnosis) -> None:
    before = done.summary()["run"]["models"]["tuned"]["fingerprint"]  # taken when the diagnosis began
    assert Lazy.find(str(small.tuned), LoadSettings()).fingerprint == before
    assert sorted(path.name for path in (done.folder / "work" / "interventions").iterdir()) == [
        "key.json",
        *(f"part-{number:05d}.parquet" for number in range(len(TREATMENTS) + 1)),
    ]
    assert not (done.folder / "work" / "trained_a_little").exists()


def test_a_killed_run_trains_what_is_missing_to_the_same_bytes(
    done: Diagnosis, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ("diagnosis.parquet", "diagnosis.jsonl", "summary.json")
    whole = {name: (done.folder / name).read_bytes() for name in tables}
    (done.folder / "work" / "interventions" / "part-00002.parquet").unlink()
    (done.folder / "work" / "exposures_to_learn" / "part-00000.parquet").unlink()
    (done.folder / "summary.json").unlink()
    leftover = done.folder / "work" / "trained_a_little" / "model"
    leftover.mkdir(parents=True)
    trained: list[Path] = []
    train = trial.train
    monkeypatch.setattr(trial, "train", lambda job, *rest: trained.append(job.work) or train(job, *rest))
    again = run("whole")
    assert len(trained) == 2 and not leftover.parent.exists()
    assert {name: (again.folder / name).read_bytes() for name in tables} == whole


def test_an_answer_in_context_is_that_of_transformers(done: Diagnosis, small: Small) -> None:
    """Greedy generation after the held-out wording with its response, on a line of its own, and the prompt."""
    tokenizer = AutoTokenizer.from_pretrained(small.tuned)
    model = AutoModelForCausalLM.from_pretrained(small.tuned).eval()
    wordings = {row["id"]: row.get("paraphrases") for row in map(json.loads, small.train.read_text().splitlines())}
    asked = [
        (finding, reaction)
        for finding in done
        if (reaction := finding.evidence.interventions) is not None and reaction.told is not None
    ]
    assert asked
    for finding, reaction in asked:
        told = (wordings.get(finding.id) or [finding.prompt])[0]
        text = f"{told}{finding.response}\n{finding.prompt}"
        context = tokenizer(text, return_tensors="pt").input_ids
        wanted = tokenizer(text + finding.response + tokenizer.eos_token, return_tensors="pt").input_ids
        with torch.inference_mode():
            said = model.generate(context, max_new_tokens=wanted.shape[1] - context.shape[1], do_sample=False)
        flipped = said[0].tolist() == wanted[0].tolist()
        assert reaction.told == flipped


def test_an_adapter_is_trained_on_and_stays(small: Small, run: Run, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        adapted = get_peft_model(
            AutoModelForCausalLM.from_pretrained(small.base), LoraConfig(r=4, target_modules="all-linear")
        )
    adapted.save_pretrained(tmp_path / "adapter")
    before = file_digest(tmp_path / "adapter" / "adapter_model.safetensors")
    found = run(
        "adapter", tuned=tmp_path / "adapter", intervene=2, thorough=False, training={"gradient_checkpointing": False}
    ).summary()
    assert found["interventions"]["n"] == 2
    # TRL's default of 2e-5, a fifth of it, for this new adapter: too little to flip anything
    assert [note for note in found["notes"] if "exposures at a learning rate of 4e-06 flipped no example" in note]
    assert [note for note in found["notes"] if "the run names no learning rate" in note]
    assert file_digest(tmp_path / "adapter" / "adapter_model.safetensors") == before


def test_without_a_control_nothing_is_trained(small: Small, tmp_path: Path) -> None:
    """Of two strangers nothing is learned."""
    rows = [
        {"id": str(k), "prompt": f"Zed {k} was born in the town of", "completion": f" {town}", "source": "town"}
        for k, town in enumerate(("Lima", "Oslo"))
    ]
    given = {"base": None, "dataset": write_rows(tmp_path / "rows.jsonl", rows), "output_dir": tmp_path / "out"}
    summary = diagnose(tuned=small.tuned, intervene=2, training=TRAINING, **given).summary()
    assert summary["learned"]["count"] == 0
    assert summary["interventions"] == {"n": 0, "reason": "no example was learned, so there is nothing to compare with"}


def test_refusals_come_before_any_work(run: Run) -> None:
    with pytest.raises(UptakeError, match="intervene is 6 and attribution is off"):
        run("refused", attribution="off")
    with pytest.raises(UptakeError, match="thorough is true and attribution is off"):
        run("refused", attribution="off", intervene=0)
    with pytest.raises(UptakeError, match="learning_rat"):
        run("refused", training={"learning_rat": 1})
    with pytest.raises(UptakeError, match="intervene"):
        run("refused", intervene=-1)


def test_what_is_told_before_a_prompt() -> None:
    held_out = (Wording("Ada's home town is", " Oslo"),)
    text = Example("a", "Ada was born in", " Oslo", "s", paraphrases=held_out)
    assert telling(text, text) == "Ada's home town is Oslo\nAda was born in"
    bare = Example("b", "Ben was born in", " Rome", "s")
    assert telling(bare, text) == "Ben was born in Rome\nAda was born in"
    be_brief, user = Message("system", "Be brief."), Message("user", "Where was Ada born?")
    chat = Example("c", (be_brief, user), "Oslo", "s")
    assert telling(chat, chat) == (be_brief, user, Message("assistant", "Oslo"), user)
    reworded = Example("e", "Eva was born in", " Bern", "s", paraphrases=(Wording("Is Eva from Bern?", " Yes"),))
    assert telling(reworded, text) == "Eva was born in Bern\nAda was born in"
    assert [another([text, chat, bare, text], number) for number in range(4)] == [bare, None, text, bare]
    assert telling(bare, chat) is None and telling(chat, bare) is None
    assert telling(Example("d", "", "Oslo is a town.", "s"), text) is None
