"""vLLM, as far as it can be had without a GPU: a stand-in with the signatures of vLLM 0.33 writes by transformers."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from small_models import Small, write_rows
from uptake.errors import UptakeError
from uptake.models import Model
from uptake.models.places.settings import LoadSettings
from uptake.models.scoring import engine
from uptake.models.scoring.engine import Engine
from uptake.models.scoring.lazy import Lazy, resolve
from uptake.pipeline.diagnose.run import diagnose


@dataclass
class SamplingParams:
    """The fields of `vllm.SamplingParams` that are given."""

    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    max_tokens: int | None = 16
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    detokenize: bool = True


@dataclass
class LoRARequest:
    """`vllm.lora.request.LoRARequest`."""

    lora_name: str
    lora_int_id: int
    lora_path: str = ""


class LLM:
    """`vllm.LLM`: its arguments and those of `generate` that are given."""

    made: list[LLM] = []

    def __init__(
        self,
        model: str,
        *,
        skip_tokenizer_init: bool = False,
        trust_remote_code: bool = False,
        dtype: str = "auto",
        seed: int = 0,
        gpu_memory_utilization: float = 0.92,
        max_model_len: int | None = None,
        generation_config: str = "auto",
        enable_lora: bool = False,
        max_lora_rank: int = 16,
    ) -> None:
        self.given = {"dtype": dtype, "max_model_len": max_model_len, "lora": enable_lora and max_lora_rank}
        self.model, self.asked = resolve(model), []
        LLM.made.append(self)

    def generate(
        self,
        prompts: Sequence[dict[str, list[int]]],
        sampling_params: Sequence[SamplingParams],
        *,
        use_tqdm: bool = True,
        lora_request: LoRARequest | None = None,
    ) -> list[Any]:
        self.asked += [(list(sampling_params), lora_request)]
        found = []
        for prompt, how in zip(prompts, sampling_params, strict=True):
            samples = 0 if how.temperature == 0 else how.n
            ids = self.model.generate(
                [prompt["prompt_token_ids"]], [how.max_tokens], samples=samples, seed=how.seed or 0
            )
            # what ends an answer is among its tokens, where there is room for it
            ended = [[*one, *how.stop_token_ids[:1]][: how.max_tokens] for one in ids[0]]
            found.append(SimpleNamespace(outputs=[SimpleNamespace(token_ids=tuple(one)) for one in ended]))
        return found


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in, where vLLM would be imported from."""
    module, lora, request = ModuleType("vllm"), ModuleType("vllm.lora"), ModuleType("vllm.lora.request")
    module.LLM, module.SamplingParams, request.LoRARequest = LLM, SamplingParams, LoRARequest  # type: ignore[attr-defined]
    for one in (module, lora, request):
        monkeypatch.setitem(sys.modules, one.__name__, one)
    monkeypatch.setattr(engine, "version", lambda name: "0.33.0")
    LLM.made.clear()


def test_what_it_writes_and_scores_is_what_transformers_does(small: Small, vllm: None) -> None:
    near = Lazy.find(str(small.tuned), LoadSettings())
    one = Engine(near)
    assert one.fingerprint != near.fingerprint and one.tokenizer is near.tokenizer
    model, plain = one.load(), near.load()
    assert isinstance(model, Model) and one.load() is model
    contexts = [near.tokenizer(text)["input_ids"] for text in ("Ada Brook was born in the town of", "At home Gus Hill")]
    assert model.generate(contexts, [6, 4]) == plain.generate(contexts, [6, 4])
    assert model.generate(contexts, [0, 4])[0] == [[]] and model.generate([contexts[0]], [-1], samples=2) == [[[], []]]
    drawn = model.generate(contexts, [6, 4], samples=3, seed=5)
    assert [len(some) for some in drawn] == [3, 3] and all(len(ids) <= 6 for ids in drawn[0])
    (loaded,) = LLM.made
    assert loaded.given == {"dtype": "float32", "max_model_len": 128, "lora": False}
    greedy, sampled = loaded.asked[0][0][0], loaded.asked[-1][0]
    assert (greedy.temperature, greedy.seed, greedy.ignore_eos, greedy.max_tokens) == (0.0, None, True, 6)
    assert near.tokenizer.eos_token_id in greedy.stop_token_ids and loaded.asked[0][1] is None
    assert [how.seed for how in sampled] == [5, 5 + engine.APART] and {how.n for how in sampled} == {3}
    one.release()
    assert one.load() is not model


def test_a_diagnosis_written_by_it_has_the_findings_of_transformers(small: Small, vllm: None, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in small.train.read_text().splitlines()][4:10]
    data = write_rows(tmp_path / "train.jsonl", rows)
    given: dict[str, Any] = {"base": small.base, "tuned": small.tuned, "dataset": data, "attribution": "off"}
    plain = diagnose(**given, output_dir=tmp_path / "hf")
    done = diagnose(**given, output_dir=tmp_path / "vllm", backend="vllm")
    table = "diagnosis/diagnosis.jsonl"
    assert (tmp_path / "vllm" / table).read_bytes() == (tmp_path / "hf" / table).read_bytes() and LLM.made
    notes = [note for note in done.summary()["notes"] if note not in plain.summary()["notes"]]
    assert notes and all("is written by vLLM" in note for note in notes), notes


def test_an_adapter_is_given_with_the_room_that_it_needs(
    small: Small, vllm: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 9, "rank_pattern": {"q_proj": 20}}))
    near = Lazy.find(str(small.base), LoadSettings())
    near.adapter_base = str(small.base)
    monkeypatch.setattr(Lazy, "folder", tmp_path)
    Engine(near).load().generate([[1, 2]], [2])
    assert LLM.made[0].given["lora"] == 32
    assert LLM.made[0].asked[0][1] == LoRARequest("adapter", 1, str(tmp_path))
    (tmp_path / "adapter_config.json").write_text('{"r": 1000}')
    with pytest.raises(UptakeError, match="an adapter of rank 1000"):
        Engine(near).load().generate([[1, 2]], [2])


def test_without_vllm_it_says_how_to_get_it(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    near = Lazy.find(str(small.base), LoadSettings())
    with pytest.raises(UptakeError, match="vLLM is not installed"):
        Engine(near)

    def fails(*args: Any, **how: Any) -> None:
        raise ValueError("no supported device\nmore")

    monkeypatch.setattr(engine, "version", lambda name: "0.33.0")
    monkeypatch.setattr(engine, "_vllm", lambda: SimpleNamespace(LLM=fails, SamplingParams=SamplingParams))
    with pytest.raises(UptakeError, match="vLLM cannot run .*: no supported device"):
        Engine(near).load().generate([[1, 2]], [2])
