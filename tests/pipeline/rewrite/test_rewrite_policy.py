"""A policy that rewrites: what it earns, how it stands against best of k; a killed one ends in the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from test_rewrite_drafting import Base, asked, writing

from uptake.config import RunConfig
from uptake.config.rewrite import PolicyTraining
from uptake.errors import UptakeError
from uptake.models.places.settings import LoadSettings
from uptake.pipeline.rewrite import drafting
from uptake.pipeline.rewrite import policy as policies
from uptake.pipeline.rewrite.policy import Looks, PolicyRun, _beats, _fitting, _reward, _why, rewritten
from uptake.pipeline.rewrite.run import rewrite_run
from uptake.pipeline.rewrite.work import Rewriter
from uptake.report.rewrite import write_rewrite_page

SHORT_RUN = {
    "rewrite": {
        "rung": "policy",
        "k": 3,
        "form": "rewrite",
        "policy": {
            "steps": 3,
            "every": 1,
            "training": {"num_generations": 2, "per_device_train_batch_size": 2, "max_completion_length": 4},
        },
    },
    "stages": [{"name": "early", "dataset": "./early.jsonl"}, {"name": "main", "dataset": "./main.jsonl"}],
    "training": {},
    "peft": {"r": 2, "target_modules": ["q_proj", "v_proj"]},
}
"""The base is untrained: nothing passes, so that best of k is not beaten."""


@pytest.fixture(scope="module")
def roomy(trainable: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The small base with positions for the prompts of a policy."""
    from transformers import AutoTokenizer

    from uptake.models.small.tiny import build_model, save

    folder = tmp_path_factory.mktemp("models") / "roomy"
    tokenizer = AutoTokenizer.from_pretrained(trainable)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 1024}
    save(build_model("llama", tokenizer, 0, **shape), tokenizer, folder)
    return str(folder)


def files(folder: Path) -> dict[str, bytes]:
    policy = folder / "work" / "policy"
    found = [*folder.glob("*.*"), policy / "looks.json", policy / "model" / "adapter_model.safetensors"]
    return {one.name: one.read_bytes() for one in sorted(found) if one.name != "lock"}


def test_training_stops_where_best_of_k_is_not_beaten_and_a_killed_one_ends_in_the_same_bytes(
    run_config: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, roomy: str
) -> None:
    given = {**SHORT_RUN, "model_name_or_path": roomy}
    for where, name, small in ((drafting, "ROOM", 4), (drafting, "TIMES", 0), (policies, "MOST", 4)):
        monkeypatch.setattr(where, name, small)  # an untrained model never comes to an end
    whole = rewrite_run(run_config(**given, output_dir=str(tmp_path / "whole")))
    policy = whole.summary()["policy"]
    assert policy["steps"] == 2 and not policy["kept"] and [one["step"] for one in policy["looks"]] == [1, 2]
    assert "stopped after 2 of 3 steps: best of k was taken" in policy["why"]
    assert policy["why"] in whole.summary()["notes"] and policy["generated"] > 0
    assert all(one["policy"] == one["best_of_k"] and one["fell_back"] == 1 for one in policy["looks"])
    assert [one["passed"] for one in policy["curve"]] == [0, 0] and policy["curve"][0]["nll"] is None
    page = write_rewrite_page(tmp_path / "whole")
    assert page is not None and "KL to the base" in page.read_text() and "The policy" in page.read_text()

    def killed(name: str, done: int, total: int | None) -> None:
        if name == "training the policy" and done == 2:
            raise KeyboardInterrupt

    config = run_config(**given, output_dir=str(tmp_path / "killed"))
    with pytest.raises(KeyboardInterrupt):
        rewrite_run(config, killed)
    again = rewrite_run(config)
    assert {k: v for k, v in files(again.folder).items() if k != "summary.json"} == {
        k: v for k, v in files(whole.folder).items() if k != "summary.json"
    }
    assert again.summary()["policy"] == policy
    assert rewrite_run(config).summary() == again.summary()  # a finished one trains nothing


def run_of(base: Base, folder: Path, n: int = 12) -> PolicyRun:
    examples = [asked() for _ in range(n)]
    rewriter = Rewriter("best_of_k", writing(base, 1), True, 3, {})
    rows = rewriter.rows(examples)
    return PolicyRun("base", LoadSettings(), "base", None, PolicyTraining(), 3, examples, rows, rewriter, folder)


CLAIMS = "The city of Stockholm, founded in 1252, is the capital of Sweden."


def test_a_policy_that_says_what_is_likelier_beats_best_of_k(tmp_path: Path) -> None:
    run = run_of(Base("It is Oslo.", "Stockholm is the capital."), tmp_path)
    better = Base("", "The city of Stockholm is the capital of Sweden.")  # a longer one is likelier a token
    looks = Looks(run, run.tested(), tmp_path / "looks.json")
    assert len(run.tested()) == 4
    log = [{"generated": 400.0}]
    assert looks.goes_on(better, 1, log) and looks.goes_on(None, 1, log)  # type: ignore[arg-type]
    [seen] = looks.read()
    assert seen["policy"] < seen["best_of_k"] and seen["k"] > 3 and seen["fell_back"] == 0
    [row] = rewritten(run, better, [0], 0)  # type: ignore[arg-type]
    assert (row["how"], row["text"]) == ("policy", better.shown)
    assert row["generated"] > run.rows[0]["generated"] and len(row["drafts"]) == len(run.rows[0]["drafts"]) + 3


def test_a_policy_whose_drafts_are_refused_falls_back_to_the_original(tmp_path: Path) -> None:
    run = run_of(Base("It is Oslo.", "Stockholm is the capital."), tmp_path)
    [row] = rewritten(run, Base("", "The capital of Sweden is Oslo."), [0], 0)  # type: ignore[arg-type]
    assert row["how"] is None and row["text"] == "Stockholm" and row["why"] == "refused by facts"


def test_groups_earn_by_the_gates_and_the_base(tmp_path: Path) -> None:
    base = Base("It is Oslo.", "Stockholm is the capital.")
    run = run_of(base, tmp_path)
    texts = ["Stockholm is the capital.", "The city of Stockholm is the capital of Sweden.", "It is Oslo.", CLAIMS]
    earned, noted = _reward(run, [0, 1])(base, [0, 0, 0, 1], texts, [True] * 4)  # type: ignore[arg-type]
    assert earned[2] == 0 and earned[1] > earned[0] > 1
    assert earned[3] == 0
    assert noted["passed"] == 0.5 and noted["nll"] > 0


def test_what_no_policy_can_be_trained_on_is_told(tmp_path: Path, run_config: Callable[..., RunConfig]) -> None:
    with pytest.raises(UptakeError, match="too few for a policy"):
        run_of(Base("It is Oslo.", "x"), tmp_path, 3).tested()
    split = {**SHORT_RUN["rewrite"], "policy": {"training": {"num_generations": 3, "per_device_train_batch_size": 4}}}
    with pytest.raises(UptakeError, match="a group has 3|refuses the settings"):
        rewrite_run(run_config(**{**SHORT_RUN, "rewrite": split}))
    unknown = {**SHORT_RUN["rewrite"], "policy": {"training": {"num_generation": 3}}}
    run = run_of(Base("It is Oslo.", "Stockholm is the capital."), tmp_path)
    narrow = replace(run, rewriter=replace(run.rewriter, writing=replace(run.writing, limit=64)))
    with pytest.raises(UptakeError, match="more than the 64 tokens that the model takes"):
        _fitting(narrow, [0])
    with pytest.raises(UptakeError, match="unknown setting of the policy: num_generation"):
        rewrite_run(run_config(**{**SHORT_RUN, "rewrite": unknown}))


def test_groups_are_whole_in_each_of_two_processes() -> None:
    from accelerate.data_loader import BatchSamplerShard
    from torch.utils.data import BatchSampler
    from trl.trainer.utils import RepeatSampler

    drawn = RepeatSampler(range(8), mini_repeat_count=4, batch_size=4, repeat_count=1, seed=0)  # type: ignore[arg-type]
    shares = [BatchSamplerShard(BatchSampler(drawn, 8, False), 2, process) for process in (0, 1)]
    for share in shares:
        for batch in share:
            assert len(batch) == 8 and [batch[at] for at in (0, 4)] == [batch[at + 3] for at in (0, 4)]


def test_a_policy_beats_best_of_k_surely_or_not_at_all():
    look = {"policy": 1.0, "best_of_k": 2.0, "k": 9, "difference": {"estimate": -1.0, "low": -2.5, "high": 0.5, "n": 4}}
    assert not _beats(look) and not _beats({**look, "difference": None})
    assert "does not surely beat best of k" in _why([look], 3, 3)
    sure = {**look, "difference": {**look["difference"], "high": -0.1}}
    assert _beats(sure) and _why([sure], 3, 3) == "the policy beats best of k at equal generation"
    assert "best of 64, as many drafts as are ever made: the policy generated more" in _why([{**sure, "k": 64}], 3, 3)
