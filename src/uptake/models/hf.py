"""A loaded causal language model: score token sequences with it, let it answer. Memory is bounded by a token budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from transformers import GenerationConfig

from uptake.errors import UptakeError
from uptake.models.forward import Abilities, causal_model, forward_rows, require_embedded
from uptake.models.rows import Row, Scored, first_batch, longest_first, plan_row

Result = TypeVar("Result")


@dataclass
class LanguageModel:
    """A loaded model with its tokenizer and what it was found able to do.

    Attributes:
        name: The path or hub id it came from.
        model: The transformers or PEFT model, in evaluation mode.
        tokenizer: Its tokenizer.
        abilities: What the scoring engine may do with it.
        window: Largest distance that its attention spans; None when unlimited.
        batch_tokens: Padded tokens a batch; falls when memory runs out.
    """

    name: str
    model: Any
    tokenizer: Any
    abilities: Abilities
    window: int | None
    batch_tokens: int

    def score(self, groups: Sequence[Sequence[Scored]]) -> list[list[Float[np.ndarray, "2 _"]]]:
        """Score groups of token sequences; sequences of one group share what they begin with.

        Returns:
            For each group, for each of its sequences: log-probability (nats) of each scored token, and 1.0 where it is
            the arg-max.
        """
        rows, row_of = self._plan(groups)
        flat: dict[int, Float[np.ndarray, "2 _"]] = {}
        # apart, because the mask that branches need takes the place of the model's own, sliding windows and all
        for branches in (True, False):
            members = [index for index, row in enumerate(rows) if row.branches == branches]
            some = [rows[index] for index in members]
            for batch, numbers in self._in_batches([len(row) for row in some], partial(self._forward, some)):
                flat.update(zip((members[index] for index in batch), numbers, strict=True))
        results = []
        for group, (first, together) in zip(groups, row_of, strict=True):
            sizes = [len(sequence.ids) - sequence.start for sequence in group]
            if together:
                results.append(np.split(flat[first], np.cumsum(sizes[:-1]), axis=1))
            else:
                results.append([flat[first + offset] for offset in range(len(group))])
        return results

    def _plan(self, groups: Sequence[Sequence[Scored]]) -> tuple[list[Row], list[tuple[int, bool]]]:
        """Rows for the groups, and for each group the index of its first row and whether that row holds it whole."""
        rows: list[Row] = []
        row_of: list[tuple[int, bool]] = []
        for group in groups:
            fits = self.window is None or max(len(sequence.ids) for sequence in group) - 1 <= self.window
            together = len(group) == 1 or (self.abilities.shares_prefix and fits)
            row_of.append((len(rows), together))
            if together:
                rows.append(plan_row(group))
            else:
                rows.extend(plan_row([sequence]) for sequence in group)
        return rows, row_of

    def _forward(self, rows: Sequence[Row], batch: Sequence[int]) -> list[Float[np.ndarray, "2 _"]]:
        """Score one batch of the rows."""
        members = [rows[index] for index in batch]
        flat = forward_rows(self.model, members, 0, self.abilities.splits_head)
        if np.isnan(flat[0]).any():
            raise UptakeError(
                f"{self.name} gives numbers that are not numbers (NaN) in {self.model.dtype}",
                expected="weights without NaN, and a dtype that they do not overflow",
                fix="try --dtype bfloat16 or --dtype float32; if it stays, the weights are broken",
            )
        return np.split(flat, np.cumsum([len(row.target) for row in members[:-1]]), axis=1)

    def _in_batches(
        self, lengths: Sequence[int], run: Callable[[list[int]], list[Result]]
    ) -> Iterator[tuple[list[int], list[Result]]]:
        """Run all rows, longest first, in batches by the budget; when memory runs out, the budget halves.

        Args:
            lengths: Tokens that each row takes.
            run: Given a batch's indices, does the work.
        """
        waiting = longest_first(lengths)
        while waiting:
            batch = first_batch(waiting, lengths, self.batch_tokens)
            size = lengths[batch[0]] * len(batch)
            try:
                results = run(batch)
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                if len(batch) == 1:
                    raise _too_large(self.name, size) from error
                results = None
            if results is None:  # only here is what the failed batch held let go
                self.batch_tokens = size // 2
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                continue
            yield batch, results
            waiting = waiting[len(batch) :]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the numbers should know about how they were computed."""
        if not self.abilities.reasons:
            return ()
        return (f"{self.name} is scored the slow way: {'; '.join(self.abilities.reasons)}",)

    @torch.inference_mode()
    def generate(
        self, contexts: Sequence[Sequence[int]], max_new_tokens: Sequence[int], *, samples: int = 0, seed: int = 0
    ) -> list[list[list[int]]]:
        """Let the model continue each context: greedily, or `samples` times at temperature 1.

        Args:
            contexts: Token ids.
            max_new_tokens: Longest continuation of each.
            samples: 0 for the greedy answer; else the number of samples, each drawn from the untruncated distribution.
            seed: Seed of the samples.

        Returns:
            For each context, a list of continuations (token ids, without what ends them).
        """
        require_embedded(self.model, contexts)
        answers: list[list[list[int]]] = [[] for _ in contexts]
        copies = max(1, samples)
        lengths = [copies * (len(ids) + room) for ids, room in zip(contexts, max_new_tokens, strict=True)]

        def run(batch: list[int]) -> list[list[list[int]]]:
            longest = max(max_new_tokens[index] for index in batch)
            return self._continue([contexts[index] for index in batch], longest, samples)

        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            for batch, texts in self._in_batches(lengths, run):
                for index, continuations in zip(batch, texts, strict=True):
                    answers[index] = [ids[: max_new_tokens[index]] for ids in continuations]
        return answers

    def _continue(self, contexts: Sequence[Sequence[int]], longest: int, samples: int) -> list[list[list[int]]]:
        """Continue one batch, padded on the left."""
        width = max(len(context) for context in contexts)
        ids = torch.full((len(contexts), width), 0)
        mask = torch.zeros_like(ids)
        for index, context in enumerate(contexts):
            ids[index, width - len(context) :] = torch.tensor(list(context))
            mask[index, width - len(context) :] = 1
        ends = self.end_ids
        config = GenerationConfig(
            max_new_tokens=longest,
            do_sample=samples > 0,
            num_return_sequences=max(1, samples),
            temperature=1.0 if samples else None,
            top_k=0 if samples else None,
            top_p=1.0 if samples else None,
            eos_token_id=list(ends) or None,
            pad_token_id=ends[0] if ends else 0,
        )
        device = self.model.device
        causal = causal_model(self.model)
        with _without_defaults(causal):
            out = causal.generate(input_ids=ids.to(device), attention_mask=mask.to(device), generation_config=config)
        rows = [_until(row, ends) for row in out[:, width:].tolist()]
        copies = max(1, samples)
        return [rows[start : start + copies] for start in range(0, len(rows), copies)]

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Token ids that end an answer: the tokenizer's end of text and those of the model's generation config."""
        config = getattr(self.model, "generation_config", None)
        known = getattr(config, "eos_token_id", None)
        listed = known if isinstance(known, list) else [known]
        ids = [self.tokenizer.eos_token_id, *listed]
        return tuple(dict.fromkeys(i for i in ids if i is not None))


def _until(ids: list[int], ends: tuple[int, ...]) -> list[int]:
    """The ids before the first end."""
    for index, token in enumerate(ids):
        if token in ends:
            return ids[:index]
    return ids


@contextmanager
def _without_defaults(model: Any) -> Iterator[None]:
    """While active, the model has no generation defaults: transformers fills what a caller leaves open from them.

    A `repetition_penalty` or `temperature` that ships with a model would change what it is measured to say.
    """
    kept = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = kept


def _is_out_of_memory(error: BaseException) -> bool:
    """CUDA has a class for it; the allocators of the CPU and of MPS raise a plain RuntimeError."""
    told = ("can't allocate memory", "out of memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(words in str(error) for words in told)


def _too_large(name: str, tokens: int) -> UptakeError:
    return UptakeError(
        f"{name}: memory ran out on a single row of {tokens} tokens",
        fix="use a smaller --dtype, another --device, or leave long examples out with --max_length",
    )
