"""vLLM writes, transformers scores: a model whose answers, samples and drafts come from vLLM's offline engine.

vLLM batches what is written far better than a loop over transformers' forward pass does. Scores stay with the engine of
uptake: log-probabilities of a given prompt (`prompt_logprobs`) pass vLLM's cache of beginnings by, and take memory for
the whole vocabulary. The weights are in memory twice, as soon as both are asked for.

Written against vLLM 0.33 (`vllm.LLM`, `vllm.SamplingParams`, `vllm.lora.request.LoRARequest`) and tried with a stand-in
of these three; it has not been run on a GPU.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from uptake.artifacts import digest
from uptake.errors import UptakeError, first_line
from uptake.models import Enough, Loadable
from uptake.models.places.place import load_config
from uptake.models.scoring.lazy import Lazy
from uptake.models.scoring.rows import Scored

SHARE = 0.5
"""Of a GPU's memory, what vLLM takes for weights and keys and values: the rest is for scoring."""
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM makes room for."""
APART = 1009
"""Between the seeds of two contexts: the samples of one context have seeds that follow each other."""
NOTE = "what {name} says is written by vLLM: other batches may change a near tie, so a run is not repeated to the bit"


class Engine:
    """A `Loadable` that writes by vLLM.

    Args:
        near: The model as it is found here.

    Raises:
        UptakeError: vLLM is not installed.
    """

    def __init__(self, near: Lazy) -> None:
        self.near = near
        self.name, self.tokenizer, self.max_length = near.name, near.tokenizer, near.max_length
        self.fingerprint = digest(near.fingerprint, "vllm", _version())  # other answers than those of transformers
        self._model: EngineModel | None = None

    @property
    def folder(self) -> Path | None:
        """The folder of its own files."""
        return self.near.folder

    @property
    def notes(self) -> Sequence[str]:
        """Of the model, and of vLLM."""
        return (*self.near.notes, NOTE.format(name=self.name))

    def load(self) -> EngineModel:
        """The model; what it scores by and what it writes by are loaded when they are first asked for."""
        if self._model is None:
            self._model = EngineModel(self.near)
        return self._model

    def release(self) -> None:
        """Make room for the next model."""
        if self._model is not None:
            self._model.close()
        self._model = None
        self.near.release()

    def release_to(self, following: Loadable) -> None:
        """Make room for the model that is asked next; what scores may be made of the same weights."""
        if self._model is not None:
            self._model.close()
        self._model = None
        self.near.release_to(following.near if isinstance(following, Engine) else following)


class EngineModel:
    """A model that scores by transformers and writes by vLLM.

    Args:
        near: The model.
    """

    def __init__(self, near: Lazy) -> None:
        self.tokenizer, self._near = near.tokenizer, near
        self._llm: Any = None
        self._ends = _ends(near)

    def score(self, groups: Sequence[Sequence[Scored]]) -> list[list[Float[np.ndarray, "4 _"]]]:
        """As `uptake.models.Model` has it, by transformers."""
        return self._near.load().score(groups)

    def generate(
        self,
        contexts: Sequence[Sequence[int]],
        max_new_tokens: Sequence[int],
        *,
        samples: int = 0,
        seed: int = 0,
        enough: Enough | None = None,
    ) -> list[list[list[int]]]:
        """As `uptake.models.Model` has it; all go on to their end or their room, `enough` is not asked.

        Raises:
            UptakeError: vLLM cannot load the model, or fails.
        """
        answers: list[list[list[int]]] = [[[] for _ in range(max(1, samples))] for _ in contexts]
        wanted = [index for index, room in enumerate(max_new_tokens) if room > 0]
        if not wanted:
            return answers
        vllm, llm = _vllm(), self._loaded()
        how = [
            vllm.SamplingParams(
                n=max(1, samples),
                temperature=1.0 if samples else 0.0,
                seed=(seed + APART * index) % 2**31 if samples else None,
                max_tokens=max_new_tokens[index],
                stop_token_ids=list(self._ends),
                ignore_eos=True,  # those are all of them
                detokenize=False,
            )
            for index in wanted
        ]
        prompts = [{"prompt_token_ids": list(contexts[index])} for index in wanted]
        try:
            outputs = llm.generate(prompts, how, use_tqdm=False, lora_request=self._adapter())
        except (RuntimeError, ValueError) as error:
            raise _failed(self._near.name, error) from error
        for index, output in zip(wanted, outputs, strict=True):
            answers[index] = [self._without_end(one.token_ids) for one in output.outputs]
        return answers

    def _without_end(self, ids: Sequence[int]) -> list[int]:
        end = next((at for at, token in enumerate(ids) if token in self._ends), len(ids))
        return list(ids[:end])

    def _loaded(self) -> Any:
        if self._llm is None:
            near, settings = self._near, self._near.settings
            rank = _rank(near)
            try:
                self._llm = _vllm().LLM(
                    str(near.place.weights),
                    skip_tokenizer_init=True,
                    dtype=_dtype(near),
                    trust_remote_code=settings.trust_remote_code,
                    seed=0,
                    gpu_memory_utilization=SHARE,
                    max_model_len=near.max_length,
                    generation_config="vllm",  # no sampling settings of the checkpoint's own
                    **({} if rank is None else {"enable_lora": True, "max_lora_rank": rank}),
                )
            except (OSError, RuntimeError, ValueError) as error:
                raise _failed(near.name, error) from error
        return self._llm

    def _adapter(self) -> Any:
        if self._near.adapter_base is None:
            return None
        from vllm.lora.request import LoRARequest

        return LoRARequest("adapter", 1, str(self._near.folder))

    def close(self) -> None:
        """Give vLLM's memory back."""
        self._llm = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _vllm() -> Any:
    try:
        import vllm
    except ImportError as error:
        raise UptakeError(
            "backend: vllm is asked for, and vLLM cannot be imported",
            expected="vLLM, on a machine with a GPU that it supports",
            fix="pip install 'uptake[vllm]' into an environment of its own (it pins torch), or --backend hf",
        ) from error
    return vllm


def _version() -> str:
    try:
        return version("vllm")
    except PackageNotFoundError as error:
        raise UptakeError(
            "backend: vllm is asked for, and vLLM is not installed",
            expected="vLLM, on a machine with a GPU that it supports",
            fix="pip install 'uptake[vllm]' into an environment of its own (it pins torch), or --backend hf",
        ) from error


def _failed(name: str, error: Exception) -> UptakeError:
    return UptakeError(
        f"vLLM cannot run {name}: {first_line(error)}",
        expected="a model, and an adapter if it is one, that vLLM supports, and memory for it",
        fix="--backend hf runs whatever transformers runs",
    )


def _ends(near: Lazy) -> frozenset[int]:
    """Token ids that end an answer: those by which transformers ends it."""
    from transformers import GenerationConfig

    known: Any = None
    with suppress(OSError):  # it has none
        known = GenerationConfig.from_pretrained(str(near.place.weights)).eos_token_id
    if known is None:
        known = getattr(load_config(near.place.weights, near.settings).get_text_config(), "eos_token_id", None)
    listed = known if isinstance(known, list) else [known]
    return frozenset(one for one in (near.tokenizer.eos_token_id, *listed) if one is not None)


def _dtype(near: Lazy) -> str:
    """As transformers loads it; vLLM would by itself run float32 weights in half precision."""
    if near.settings.dtype != "auto":
        return near.settings.dtype
    saved = load_config(near.place.weights, near.settings).dtype
    return "auto" if saved is None else str(saved).removeprefix("torch.")


def _rank(near: Lazy) -> int | None:
    """The rank that vLLM has to make room for; None without an adapter."""
    if near.adapter_base is None:
        return None
    own = json.loads((near.folder / "adapter_config.json").read_text(encoding="utf-8"))
    wanted = max([int(own.get("r", 8)), *map(int, (own.get("rank_pattern") or {}).values())])
    fits = next((rank for rank in RANKS if rank >= wanted), None)
    if fits is None:
        raise UptakeError(
            f"{near.name} is an adapter of rank {wanted}", expected=f"at most {RANKS[-1]} with vLLM", fix="--backend hf"
        )
    return fits
