"""What attribution needs is seen to before a model is asked, what is missing is told, and nothing is done twice."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from files_made import manifest_of
from sharp import tokenizer_of
from small_models import Small, facts, write_rows
from uptake.artifacts import write_json
from uptake.artifacts.ledger_files import append, open_stage
from uptake.data import Turn, encode
from uptake.errors import UptakeError
from uptake.models.embed import encoder_content
from uptake.models.scoring.lazy import Lazy
from uptake.pipeline import Diagnosis
from uptake.pipeline.asking import elsewhere
from uptake.pipeline.asking.elsewhere import ROOM, Alike, largest
from uptake.pipeline.diagnose import ask
from uptake.pipeline.diagnose.run import diagnose
from uptake.pipeline.train.state import model_digest
from uptake.probe import hashed_words
from uptake.types import Example


@pytest.fixture
def given(small: Small, tmp_path: Path) -> dict[str, Any]:
    data = write_rows(tmp_path / "train.jsonl", facts()[20:36])
    return {"base": small.base, "tuned": small.tuned, "dataset": data, "output_dir": tmp_path / "out"}


def recorded(folder: Path) -> Path:
    """A ledger in which every example was trained on once; its only part."""
    ids = [row["id"] for row in facts()]
    n = len(ids)
    columns = {"stage": ["main"] * n, "pass": ["train"] * n, "step": [1] * n, "epoch": [0] * n, "id": ids}
    rest = {"row": [-1] * n, "nll": [2.0] * n, "tokens": [2] * n, "recalled": [False] * n}
    append(open_stage(folder, "main", 0, 0, 1), {**columns, **rest})
    [part] = folder.glob("ledger/main/rank-*/part-*.parquet")
    return part


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lazy, "load", lambda self: pytest.fail("a model was loaded"))


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_damaged_ledger_is_told_before_a_model_is_asked(given: dict[str, Any], kept: float, unasked: None) -> None:
    part = recorded(given["output_dir"])
    whole = part.read_bytes()
    part.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(UptakeError, match=r"the ledger cannot be read: .*part-00000.parquet is damaged"):
        diagnose(**given)


def test_an_encoder_that_is_not_there_is_told_before_a_model_is_asked(given: dict[str, Any], unasked: None) -> None:
    pytest.importorskip("sentence_transformers")
    for name in ("no/encoder", str(given["dataset"].parent)):
        with pytest.raises(UptakeError, match=rf"cannot load the sentence encoder {name}: \w+: \w+"):
            diagnose(**given, embedding_model_name_or_path=name)


def test_an_encoder_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text("{}")
    before = encoder_content(str(tmp_path))
    assert encoder_content(str(tmp_path)) == before
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert encoder_content(str(tmp_path)) != before
    assert encoder_content("owner/not-here") == ["owner/not-here", None]


def exposures(diagnosis: Diagnosis) -> list[Any]:
    told = [one.evidence.causes["undertraining"].numbers for one in diagnosis if not one.learned]
    assert told
    return [numbers.get("exposures") for numbers in told]


def test_the_ledger_of_another_models_training_is_left_out(given: dict[str, Any], small: Small) -> None:
    recorded(given["output_dir"])
    assert set(exposures(diagnose(**given))) == {1}  # nothing says whose it is
    trained = given["output_dir"] / "train" / "main"
    trained.mkdir(parents=True)
    write_json(trained / "manifest.json", manifest_of(model_digest(small.tuned)))
    again = diagnose(**given)
    assert set(exposures(again)) == {1}
    write_json(trained / "manifest.json", manifest_of(model_digest(small.base)))
    other = diagnose(**given)
    assert set(exposures(other)) == {None}
    (trained / "manifest.json").unlink()  # that training is not finished
    assert set(exposures(diagnose(**given))) == {None}
    [note] = [note for note in other.summary()["notes"] if note.startswith("no learning curves")]
    assert f"is of the training of {trained}; {small.tuned} is another model" in note


def test_a_base_that_is_the_tuned_model_is_told(given: dict[str, Any], small: Small) -> None:
    notes = diagnose(**{**given, "base": small.tuned}).summary()["notes"]
    assert [note for note in notes if "are the same model" in note]
    assert not [note for note in diagnose(**given).summary()["notes"] if "same model" in note]


def test_a_base_of_another_vocabulary_is_asked_with_its_own(
    given: dict[str, Any], small: Small, tmp_path: Path
) -> None:
    """Its belief and what it makes of it are those of transformers, with its tokenizer."""
    from test_beliefs import logprob

    from uptake.models.small.tiny import build_model, save

    tokenizer = tokenizer_of(size=300)
    save(build_model("llama", tokenizer, 3, hidden_size=32), tokenizer, tmp_path / "other")
    found = diagnose(**{**given, "base": tmp_path / "other"})
    checked = [one for one in found if not one.learned][:3]
    for one in checked:
        before = logprob(tmp_path / "other", one.prompt, one.response)
        assert one.evidence.compared.base_logprob == pytest.approx(before, abs=2e-3)
        if (belief := one.evidence.belief) is not None:
            after = np.exp(logprob(small.tuned, one.prompt, belief.text))
            assert belief.tuned == pytest.approx(after, rel=1e-3)
    assert checked


def test_plain_texts_have_causes_too(small: Small, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "texts.jsonl", [{"text": f"{row['prompt']} nobody knows."} for row in facts()[:9]])
    found = diagnose(base=small.base, tuned=small.tuned, dataset=data, output_dir=tmp_path / "out")
    unlearned = [one for one in found if not one.learned]
    assert unlearned and all(one.cause is not None for one in unlearned)
    assert "has no prompt" in unlearned[0].evidence.causes["base_conflict"].sentence


def test_the_base_is_asked_freely_in_wordings_with_responses_of_their_own(small: Small, tmp_path: Path) -> None:
    rows = [
        {**row, "paraphrases": [{"prompt": row["paraphrases"][0], "completion": " It is" + row["completion"]}]}
        for row in facts()[20:36]
    ]
    data = write_rows(tmp_path / "train.jsonl", rows)
    found = diagnose(base=small.base, tuned=small.tuned, dataset=data, output_dir=tmp_path / "out")
    unlearned = [one.evidence.signals for one in found if not one.learned]
    # what it tells freely can be compared
    assert unlearned and all(each["belief_agreed"] is not None for each in unlearned)


def test_other_prompts_are_looked_for_once_and_questions_embedded_once_a_part(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, embedded = [], []
    nearest = Alike.nearest

    def counted(self: Alike, examples: Sequence[Example], apart: Sequence[Collection[str]]) -> list[list[Example]]:
        looked.append(len(examples))
        return nearest(self, examples, apart)

    def embed(texts: Sequence[str]) -> Any:
        embedded.append(list(texts))
        return hashed_words(texts)

    monkeypatch.setattr(Alike, "nearest", counted)
    monkeypatch.setattr(ask, "hashed_words", embed)
    rows = facts()[20:36]
    rivals = [{**row, "id": row["id"] + "-rival", "completion": " Basque", "paraphrases": []} for row in rows]
    write_rows(given["dataset"], [*rows, *rivals])
    diagnose(**given)
    assert len(looked) == 1  # for both models
    embedded.clear()
    found = diagnose(**given, attribution="ilp")
    # nothing is asked again: what is embedded is what rivals' similarities are taken of, each question once
    [told] = embedded
    assert len(told) == len(set(told)) and {one.prompt for one in found if not one.learned} <= set(told)


@pytest.mark.parametrize("k", [1, 7, 128, 400])
def test_the_largest_are_those_of_a_stable_sort(k: int) -> None:
    random = np.random.default_rng(0)
    for values in (random.normal(size=300), random.integers(0, 4, 300).astype(float), np.ones(300)):
        assert largest(values, k) == np.argsort(-values, kind="stable")[:k].tolist()


def test_long_prompts_are_fewer_and_the_first_one_is_always_asked() -> None:
    tokenizer = tokenizer_of()

    class Model:
        def __init__(self) -> None:
            self.tokenizer = tokenizer

        def score(self, groups: Any) -> Any:
            raise AssertionError

        def generate(self, contexts: Any, max_new_tokens: Any, **how: Any) -> Any:
            raise AssertionError

    own = Example("a", "Who?", " Rome", "s")

    def asked(words: int, limit: int | None = None) -> int:
        near = [Example(f"{n}", "Person " * words + str(n), f" {n}", "s") for n in range(6)]
        probes = elsewhere._elsewhere(own, near, Model(), limit)
        lengths = [len(one.ids) for one in encode([Turn(p.prompt, " Rome") for p in probes], tokenizer)]
        assert sum(lengths) <= ROOM or len(lengths) == 1
        return len(probes)

    [one] = encode([Turn("Person " * 100 + "0", " Rome")], tokenizer)
    assert asked(3) == 6
    assert asked(100) == min(6, ROOM // len(one.ids)) > 1
    assert asked(3000) == 1 and asked(3000, limit=64) == 0


def test_the_folder_that_was_trained_is_taken_as_it_is(given: dict[str, Any], small: Small) -> None:
    recorded(given["output_dir"])
    trained = given["output_dir"] / "train" / "main"
    shutil.copytree(small.tuned, trained)
    write_json(trained / "manifest.json", manifest_of(model_digest(trained)))
    assert set(exposures(diagnose(**{**given, "tuned": trained}))) == {1}
