"""A loaded causal language model: score token sequences with it, let it answer. Memory is bounded by a token budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import isqrt
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float

from uptake.errors import UptakeError
from uptake.models import Enough
from uptake.models.places.gates import Routes
from uptake.models.scoring.abilities import Abilities
from uptake.models.scoring.answering import Continuing, by_transformers, continued
from uptake.models.scoring.beginnings import Begun, shared_beginnings
from uptake.models.scoring.forward import (
    PositionLimit,
    below_head,
    forward_rows,
    position_limit,
    require_embedded,
)
from uptake.models.scoring.past import Past, past_of
from uptake.models.scoring.routing import by_route
from uptake.models.scoring.rows import (
    LONG,
    InputRow,
    Scored,
    first_batch,
    in_order,
    longest_first,
    plan_row,
    room,
    runs,
)

Result = TypeVar("Result")

MASK_CELLS = 1 << 25
"""Most cells of a batch's 4-D mask, which grows with the square of a row's length: 128 MiB in float32."""

STATE_BYTES = {"cpu": 64 << 20, "cuda": 2 << 30}
"""Most bytes of the copies of a recurrent state in a batch: each row has its own, of up to some hundred MiB."""

ROW = 128
"""Input tokens of a row that sequences share: longer ones save more, and pass over more that a token does not see."""

WORTH = {"cpu": 256, "cuda": 4096}
"""Tokens that a beginning has to save to be computed apart: small batches keep a GPU waiting."""


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
        remarks: What was noticed in loading it.
        routes: Which expert answers a prompt, where an adapter holds several.
    """

    name: str
    model: Any
    tokenizer: Any
    abilities: Abilities
    window: int | None
    batch_tokens: int
    remarks: tuple[str, ...] = ()
    routes: Routes | None = None

    def score(self, groups: Sequence[Sequence[Scored]]) -> list[list[Float[np.ndarray, "4 _"]]]:
        """Score groups of token sequences; sequences of one group share what they begin with.

        Returns:
            For each group, for each of its sequences, of each scored token: its log-probability (nats), 1.0 where it is
            the arg-max, and the log-probability and the id of the arg-max.
        """
        sequences = [sequence for group in groups for sequence in group]

        def run(members: list[int]) -> list[Float[np.ndarray, "4 _"]]:
            return list(self._scored([sequences[number] for number in members]))

        if self.routes is None:
            found = self._scored(sequences)
        else:
            found = iter(by_route(self.model, self.routes, [ids[:start] for ids, start in sequences], run))
        return [[next(found) for _ in group] for group in groups]

    def _scored(self, sequences: Sequence[Scored], *, packs: bool = True) -> Iterator[Float[np.ndarray, "4 _"]]:
        """Score sequences, in order; with `packs` some of them may share a row."""
        packs = packs and self.abilities.shares_prefix
        # those that share rows apart, because the mask that they need takes the place of the model's own, sliding
        # windows and all; the shorter kinds first, because dynamic RoPE goes on with the longest row that it has met
        alike: dict[tuple[int, bool], list[int]] = {}
        for index, (ids, _) in enumerate(sequences):
            length = len(ids) - 1
            fits = packs and (self.window is None or length <= self.window)
            alike.setdefault((self.kind(length), not fits), []).append(index)
        self.forget_positions()
        found: dict[int, Float[np.ndarray, "4 _"]] = {}
        for (kind, alone), members in sorted(alike.items()):
            some = [sequences[index] for index in members]
            for number, numbers in self._score_alike(some, packs=not alone, kind=kind):
                found[members[number]] = numbers
        return (found[index] for index in range(len(sequences)))

    @cached_property
    def _limit(self) -> PositionLimit | None:
        return position_limit(self.model.config.get_text_config())

    def kind(self, length: int) -> int:
        """Rows of different kinds must not share a batch: how positions are encoded would depend on their company."""
        return 0 if self._limit is None else self._limit.kind(length)

    def forget_positions(self) -> None:
        """Dynamic RoPE goes back to its first encoding only when it meets a short row: let it meet one."""
        if self._limit is not None and self._limit.each_length:
            forward_rows(self.model, [plan_row([Scored([0, 0], 1)])], 0, self.abilities.splits_head)

    def _score_alike(
        self, sequences: Sequence[Scored], *, packs: bool, kind: int
    ) -> Iterator[tuple[int, Float[np.ndarray, "4 _"]]]:
        """Score sequences whose rows may share batches; what many of them begin with is computed once.

        A row of several for which there is no memory is scored as plain rows, which need no mask of its square.
        """
        sizes, largest = [1.0] * len(sequences), min(isqrt(MASK_CELLS), self.batch_tokens)
        if packs:
            for index, length, common in zip(*in_order([ids for ids, _ in sequences]), strict=True):
                sizes[index] = max(1, length - common) / max(ROW, LONG * length)
        for tokens, among in self.begun([ids[: start - 1] for ids, start in sequences], sizes, kind):
            past = self.past(sequences[among[0]].ids[:tokens])
            before = 0 if past is None else past.tokens
            together = [[index] for index in among]
            if packs:
                ids = [sequences[index].ids for index in among]
                together = [[among[k] for k in run] for run in runs(ids, ROW, largest, before)]
            rows = [plan_row([sequences[index] for index in run]).after(before) for run in together]

            def apart(number: int, rows: list[InputRow] = rows, together: list[list[int]] = together) -> Any:
                if not rows[number].branches:
                    raise _too_large(self.name, max(rows[number].positions) + 1)
                alone = self._scored([sequences[index] for index in together[number]], packs=False)
                return np.concatenate(list(alone), axis=1)

            how: dict[str, Any] = {"cells": MASK_CELLS, "apart": apart} if packs else {}
            if past is not None and past.recurrent:
                how["rows"] = max(1, STATE_BYTES.get(self.model.device.type, 512 << 20) // max(1, past.bytes_a_row))
            run = partial(self._forward, rows, past)
            for batch, numbers in self.in_batches([len(row) for row in rows], run, before=before, **how):
                for number, columns in zip(batch, numbers, strict=True):
                    ends = np.cumsum([len(sequences[i].ids) - sequences[i].start for i in together[number]])
                    yield from zip(together[number], np.split(columns, ends[:-1], axis=1), strict=True)

    def begun(self, beginnings: Sequence[Sequence[int]], sizes: Sequence[float] | None, kind: int) -> list[Begun]:
        """Which rows share a beginning that is computed once; all in one group without one, where none can.

        Args:
            beginnings: For each row the tokens that may be computed apart from it.
            sizes: How many rows each makes; None for one each.
            kind: Of their positions: rows beyond a limit of these are encoded otherwise than their beginning.
        """
        if not self.abilities.continues or kind:
            return [Begun(0, list(range(len(beginnings))))]
        return shared_beginnings(beginnings, WORTH.get(self.model.device.type, 1024), sizes)

    def past(self, ids: Sequence[int]) -> Past | None:
        """What the model keeps of a beginning; None of an empty one, and where there is no memory for it."""
        if not ids:
            return None
        try:
            return past_of(below_head(self.model, self.abilities.splits_head), ids)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
        return None

    def _forward(
        self, rows: Sequence[InputRow], past: Past | None, batch: Sequence[int]
    ) -> list[Float[np.ndarray, "4 _"]]:
        """Score one batch of the rows."""
        members = [rows[index] for index in batch]
        flat = forward_rows(self.model, members, 0, self.abilities.splits_head, past)
        if np.isnan(flat[0]).any():
            raise UptakeError(
                f"{self.name} gives numbers that are not numbers (NaN) in {self.model.dtype}",
                expected="weights without NaN, and a dtype that they do not overflow",
                fix="try --dtype bfloat16 or --dtype float32; if it stays, the weights are broken",
            )
        return np.split(flat, np.cumsum([len(row.target) for row in members[:-1]]), axis=1)

    def in_batches(
        self,
        lengths: Sequence[int],
        run: Callable[[list[int]], list[Result]],
        *,
        before: int = 0,
        cells: int | None = None,
        rows: int | None = None,
        apart: Callable[[int], Result] | None = None,
    ) -> Iterator[tuple[list[int], list[Result]]]:
        """Run all rows, longest first, in batches by the budget; when memory runs out, the budget halves.

        Args:
            lengths: Tokens that each row takes.
            run: Given a batch's indices, does the work.
            before: Tokens before every row that are computed already.
            cells: Most cells of a batch's mask.
            rows: Most rows of a batch.
            apart: Does the work of a single row that is too large for `run`, in smaller pieces.
        """
        waiting = longest_first(lengths)
        while waiting:
            batch = first_batch(waiting, lengths, self.batch_tokens, cells, before, rows)
            size = room(lengths[batch[0]], before) * len(batch)
            try:
                results = run(batch)
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                if len(batch) == 1 and apart is None:
                    raise _too_large(self.name, lengths[batch[0]] + before) from error
                results = None
            if results is None:  # only here is what the failed batch held let go
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                if len(batch) > 1 or apart is None:
                    self.batch_tokens = size // 2
                    continue
                results = [apart(batch[0])]
            yield batch, results
            waiting = waiting[len(batch) :]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the numbers should know about how they were computed."""
        if not self.abilities.reasons:
            return self.remarks
        return (*self.remarks, f"{self.name} is scored the slow way: {'; '.join(self.abilities.reasons)}")

    @torch.inference_mode()
    def generate(
        self,
        contexts: Sequence[Sequence[int]],
        max_new_tokens: Sequence[int],
        *,
        samples: int = 0,
        seed: int = 0,
        enough: Enough | None = None,
    ) -> list[list[list[int]]]:
        """Let the model continue each context: greedily, or `samples` times at temperature 1.

        Args:
            contexts: Token ids.
            max_new_tokens: Longest continuation of each.
            samples: 0 for the greedy answer; else the number of samples, each drawn from the untruncated distribution.
            seed: Seed of the samples.
            enough: Asked after each token whether a continuation may stop there; some models go on nevertheless.

        Returns:
            For each context, a list of continuations (token ids, without what ends them).
        """
        require_embedded(self.model, contexts)
        wanted = Continuing(max_new_tokens, self.end_ids, samples, enough)
        if self.routes is None:
            return self._continued(contexts, wanted, seed)

        def run(members: list[int]) -> list[list[list[int]]]:
            return self._continued([contexts[number] for number in members], wanted.of(members), seed)

        return by_route(self.model, self.routes, contexts, run)

    def _continued(self, contexts: Sequence[Sequence[int]], wanted: Continuing, seed: int) -> list[list[list[int]]]:
        answers: list[list[list[int]]] = [[] for _ in contexts]
        max_new_tokens = wanted.rooms
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            for members in self._company(contexts, max_new_tokens):
                self.forget_positions()
                rooms = [max_new_tokens[i] for i in members]
                for tokens, among in self._begun_alike([contexts[i] for i in members], max(rooms)):
                    own = [members[index] for index in among]
                    run = partial(self._continue, contexts, wanted, self.past(contexts[own[0]][:tokens]), own)
                    lengths = [max(1, wanted.samples) * (len(contexts[i]) + max_new_tokens[i]) for i in own]
                    for batch, texts in self.in_batches(lengths, run):
                        for index, continuations in zip((own[i] for i in batch), texts, strict=True):
                            answers[index] = [ids[: max_new_tokens[index]] for ids in continuations]
        return answers

    def _company(self, contexts: Sequence[Sequence[int]], rooms: Sequence[int]) -> list[list[int]]:
        """Indices of contexts that may share batches: one that may cross a limit of positions in company is alone.

        Where others in a batch would change an answer, those of one length are together, or each is alone.
        """
        ends = [len(ids) + room for ids, room in zip(contexts, rooms, strict=True)]
        last = None
        if not self.abilities.grows:  # all of a batch go on for as long as the longest answer
            ends = [len(ids) + max(rooms) for ids in contexts]
            last = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        alone = [self.kind(end) != 0 or (last is not None and end > last) for end in ends]
        together: dict[int, list[int]] = {}
        for index in (index for index, apart in enumerate(alone) if not apart):
            alike = {"any": 0, "one length": len(contexts[index]), "none": index}[self.abilities.company]
            together.setdefault(alike, []).append(index)
        return [*together.values(), *([index] for index, apart in enumerate(alone) if apart)]

    def _begun_alike(self, contexts: Sequence[Sequence[int]], room: int) -> list[Begun]:
        """Which contexts share a beginning that is computed once.

        Padding stands between it and the shorter contexts, which a sliding window would count as a distance.
        """
        longest = max(len(ids) for ids in contexts) + room
        if not self.abilities.grows or (self.window is not None and longest > self.window):
            return [Begun(0, list(range(len(contexts))))]
        return self.begun([ids[:-1] for ids in contexts], None, self.kind(longest))

    def _continue(
        self,
        contexts: Sequence[Sequence[int]],
        wanted: Continuing,
        past: Past | None,
        members: Sequence[int],
        batch: Sequence[int],
    ) -> list[list[list[int]]]:
        """Continue one batch of the contexts that are `members`."""
        indices = [members[index] for index in batch]
        some, own = [contexts[index] for index in indices], wanted.of(indices)
        if not self.abilities.grows:
            return by_transformers(self.model, some, own, copies_together=self.abilities.company != "none")
        before = 0 if past is None else past.tokens
        return continued(self.model, [ids[before:] for ids in some], own, past, self.abilities.splits_head)

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Token ids that end an answer: the tokenizer's end of text and those of the model's generation config."""
        config = getattr(self.model, "generation_config", None)
        known = getattr(config, "eos_token_id", None)
        listed = known if isinstance(known, list) else [known]
        ids = [self.tokenizer.eos_token_id, *listed]
        return tuple(dict.fromkeys(i for i in ids if i is not None))


def _is_out_of_memory(error: BaseException) -> bool:
    """CUDA has a class for it; the allocators of the CPU and of MPS raise a plain RuntimeError."""
    told = ("can't allocate memory", "out of memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(words in str(error) for words in told)


def _too_large(name: str, tokens: int) -> UptakeError:
    return UptakeError(
        f"{name}: memory ran out on a single row of {tokens} tokens",
        fix="use a smaller --dtype, another --device, or leave long examples out with --max_length",
    )
