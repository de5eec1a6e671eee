"""A loaded causal language model: score token sequences with it, let it answer. Memory is bounded by a token budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from transformers import GenerationConfig

from uptake.errors import UptakeError
from uptake.models.forward import Abilities, forward_rows
from uptake.models.rows import Row, Scored, batches, plan_row


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
        for batch in batches(rows, self.batch_tokens):
            flat.update(self._score_batch(rows, batch))
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

    def _score_batch(self, rows: Sequence[Row], batch: Sequence[int]) -> dict[int, Float[np.ndarray, "2 _"]]:
        """Score one batch; when memory runs out, halve it, and the budget of the batches to come."""
        members = [rows[index] for index in batch]
        try:
            flat = forward_rows(self.model, members, 0, self.abilities.splits_head)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise _too_large(self.name, len(members[0])) from error
        else:
            ends = np.cumsum([len(row.target) for row in members[:-1]])
            return dict(zip(batch, np.split(flat, ends, axis=1), strict=True))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.batch_tokens = max(1, min(self.batch_tokens, len(members[0]) * len(members)) // 2)
        half = len(batch) // 2
        return {**self._score_batch(rows, batch[:half]), **self._score_batch(rows, batch[half:])}

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
        answers: list[list[list[int]]] = [[] for _ in contexts]
        lengths = [len(context) + longest for context, longest in zip(contexts, max_new_tokens, strict=True)]
        order = sorted(range(len(contexts)), key=lambda index: (-lengths[index], index))
        copies = max(1, samples)
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            for batch in _by_budget(order, lengths, self.batch_tokens // copies):
                longest = max(max_new_tokens[index] for index in batch)
                texts = self._continue([contexts[index] for index in batch], longest, samples)
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
        out = self.model.generate(input_ids=ids.to(device), attention_mask=mask.to(device), generation_config=config)
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


def _by_budget(order: Sequence[int], lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in order:
        if batch and lengths[batch[0]] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _is_out_of_memory(error: BaseException) -> bool:
    """CUDA has a class for it; the CPU allocator raises a plain RuntimeError."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def _too_large(name: str, tokens: int) -> UptakeError:
    return UptakeError(
        f"{name}: memory ran out on a single row of {tokens} tokens",
        fix="use a smaller --dtype, another --device, or leave long examples out with --max_length",
    )
