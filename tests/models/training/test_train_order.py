"""A real trainer follows a schedule: which rows each optimiser step saw, by the ledger, in one process and in two."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from torch.utils.data import DataLoader
from trl import SFTConfig, SFTTrainer

import forked
from uptake.artifacts.ledger_files import Reading
from uptake.errors import UptakeError
from uptake.ledger import read_ledger, rescoring
from uptake.models.ledger.callback import LedgerCallback
from uptake.models.small.tiny import build_model, train_tokenizer
from uptake.models.training.hooked import hooked
from uptake.models.training.order import NOTED, follow, layout_of, steps_ahead
from uptake.models.training.stop import VALIDATION
from uptake.schedule import Decision, Layout, Resampling, Schedule, Stopping, arranged
from uptake.types import Example

CITIES = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi", "Bern")
EXAMPLES = [Example(f"ex-{k}", f"Person {k} was born in", f" {CITIES[k % 7]}", "s") for k in range(23)]
IDS = [example.id for example in EXAMPLES]
PAIRS = tuple((a, b) for k in range(0, 20, 4) for a, b in combinations(IDS[k : k + 4], 2))
TRIPLES = tuple((a, b) for k in range(0, 20, 4) for a, b in combinations(IDS[k : k + 3], 2))
SOURCES = {name: "old" if k < 8 else "new" for k, name in enumerate(IDS)}
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}


def tokenizer_of_examples() -> Any:
    return train_tokenizer([e.prompt + e.response for e in EXAMPLES], 320)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tokenizer_of_examples()


def sft(tokenizer: Any, folder: Path, kind: type[SFTTrainer] = SFTTrainer, **settings: Any) -> SFTTrainer:
    """TRL's own trainer on its own preparation of the rows."""
    newer = any(field.name == "activation_checkpointing" for field in dataclasses.fields(SFTConfig))
    args = SFTConfig(
        str(folder), use_cpu=True, bf16=False, report_to="none", disable_tqdm=True, dataloader_pin_memory=False,
        learning_rate=1e-2,
        **{"activation_checkpointing" if newer else "gradient_checkpointing": False},
        **{"per_device_train_batch_size": 2, "num_train_epochs": 2, "save_strategy": "no", **settings},
    )  # fmt: skip
    rows = [{"prompt": e.prompt, "completion": e.response} for e in EXAMPLES]
    model = build_model("llama", tokenizer, 0, attention_dropout=0.1, **SHAPE)
    trainer = hooked(kind)(model, args, train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer)
    trainer.add_callback(LedgerCallback(folder, ids=IDS))
    return trainer


def steps_seen(folder: Path) -> list[list[str]]:
    """The examples that each optimiser step trained, in all processes."""
    seen: dict[int, list[str]] = {}
    for row in read_ledger(folder).table.to_pylist():
        seen.setdefault(row["step"], []).append(row["id"])
    return [sorted(seen[step]) for step in sorted(seen)]


def clashes(steps: list[list[str]], pairs: tuple[tuple[str, str], ...] = PAIRS) -> int:
    known = {frozenset(pair) for pair in pairs}
    return sum(a == b or frozenset((a, b)) in known for ids in steps for a, b in combinations(ids, 2))


def planned(schedule: Schedule, layout: Layout, epochs: int = 2) -> list[list[str]]:
    """The same without a trainer, where nothing is read."""
    order = arranged(schedule, IDS, layout)
    rows = [list(order.epoch(epoch, None, lambda number: Decision())) for epoch in range(epochs)]
    return [
        sorted(IDS[row] for row in one[start : start + layout.step])
        for one in rows
        for start in range(0, len(one), layout.step)
    ]


def test_each_step_trains_what_the_schedule_says(tokenizer: Any, tmp_path: Path) -> None:
    schedule = Schedule(conflicts=PAIRS, extra={"ex-22": 2})
    trainer = sft(tokenizer, tmp_path, gradient_accumulation_steps=3)
    follow(trainer, schedule, ids=IDS)
    assert layout_of(trainer) == Layout(2, 3)
    trainer.train()
    seen = steps_seen(tmp_path)
    assert (len(seen), clashes(seen)) == (10, 0)  # 25 rows an epoch, in steps of six
    assert seen == planned(schedule, Layout(2, 3))
    assert sum(ids.count("ex-22") for ids in seen) == 6


def test_shuffling_alone_lets_conflicts_meet(tokenizer: Any, tmp_path: Path) -> None:
    sft(tokenizer, tmp_path, gradient_accumulation_steps=3).train()
    assert clashes(steps_seen(tmp_path)) > 0


def unread(*_: Any) -> Iterator[Reading]:
    raise AssertionError("nothing is to be read")
    yield


def told(values: list[dict[str, bool]]) -> Callable[..., list[Reading]]:
    """A reading a call: what is said to be recalled."""
    left = iter(values)
    return lambda model, rank, world: [Reading(name, 1.0, 1, flag) for name, flag in next(left).items()]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_source_that_falls_is_drawn_more_from_the_next_stretch_on(
    workers: int, tokenizer: Any, tmp_path: Path
) -> None:
    """Steps of two; with two workers that prefetch two batches each, the loader asks for rows five steps ahead."""
    ahead = 5 if workers else 1
    good, bad = dict.fromkeys(IDS, True), {name: SOURCES[name] == "new" for name in IDS}
    every = 12  # an epoch: 24 rows
    schedule = Schedule(sources=SOURCES, resampling=Resampling(floor=0.0, boost=8.0, ceiling=8.0), every=every)
    more = {"dataloader_num_workers": workers, "dataloader_prefetch_factor": 2} if workers else {}
    trainer = sft(tokenizer, tmp_path, num_train_epochs=4, **more)
    assert steps_ahead(trainer.args) == ahead
    follow(trainer, schedule, ids=IDS, read=told([good, bad, bad]))
    trainer.train()
    notes = [(entry["step"], entry[NOTED]) for entry in trainer.state.log_history if NOTED in entry][1:]
    assert [step for step, _ in notes] == [12 - ahead, 24 - ahead, 36 - ahead]
    assert [note["accuracy"] for _, note in notes] == [{"old": 1.0, "new": 1.0}] + [{"old": 0.0, "new": 1.0}] * 2
    assert [note["weights"]["old"] for _, note in notes] == [1.0, 8.0, 8.0]
    seen = steps_seen(tmp_path)
    counts = [sum(SOURCES[name] == "old" for ids in seen[k : k + every] for name in ids) for k in range(0, 48, every)]
    # 8 of 23 rows; with the weight 8 it is 64 of 79 of the draws, from just the step on at which the stretch begins
    assert counts[:2] == [8, 8]
    assert counts[2] in (18, 19) and counts[3] in (18, 19)


def test_conflicts_are_asked_again(tokenizer: Any, tmp_path: Path) -> None:
    """All recalled at the first reading: from then on nothing is kept apart; and lost at the second: all is again."""
    schedule = Schedule(conflicts=PAIRS, every=6)
    trainer = sft(tokenizer, tmp_path, per_device_train_batch_size=4, num_train_epochs=3)
    follow(trainer, schedule, ids=IDS, read=told([dict.fromkeys(IDS, True), dict.fromkeys(IDS, False)]))
    trainer.train()
    seen = steps_seen(tmp_path)
    assert (clashes(seen[:6]), clashes(seen[12:])) == (0, 0) and clashes(seen[6:12]) > 0
    notes = [entry[NOTED] for entry in trainer.state.log_history if NOTED in entry]
    assert [note["recalled"] for note in notes[1:]] == ["fffff0", "000000"]  # twenty rows that have conflicts


@pytest.mark.parametrize("workers", [0, 1])
def test_training_that_goes_on_takes_the_rows_that_it_would_have_taken(
    workers: int, tokenizer: Any, tmp_path: Path
) -> None:
    schedule = Schedule(sources=SOURCES, resampling=Resampling(), conflicts=PAIRS, every=5)
    more = {"save_strategy": "steps", "save_steps": 4, "num_train_epochs": 3, "dataloader_num_workers": workers}

    def made(folder: str) -> SFTTrainer:
        trainer = sft(tokenizer, tmp_path / folder, **more)
        follow(trainer, schedule, ids=IDS, read=rescoring(EXAMPLES))
        return trainer

    whole = made("whole")
    whole.train()
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    again = made("cut")
    again.train(resume_from_checkpoint=str(tmp_path / "cut" / "checkpoint-16"))  # in the middle of the second epoch
    assert len(steps_seen(tmp_path / "whole")) == 36
    assert read_ledger(tmp_path / "whole").table.equals(read_ledger(tmp_path / "cut").table)
    notes = [[entry for entry in one.state.log_history if NOTED in entry] for one in (whole, again)]
    assert notes[0] == notes[1] and len(notes[0]) > 5
    weights = [one.model.state_dict() for one in (whole, again)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def losses(values: list[float]) -> Callable[..., list[Reading]]:
    """A validation loss a call."""
    left = iter(values)
    return lambda model, rank, world: [Reading("v", 2 * next(left), 2, False)]


def test_training_ends_by_the_rule_with_the_best_weights(tokenizer: Any, tmp_path: Path) -> None:
    trainer = sft(tokenizer, tmp_path, num_train_epochs=9)
    follow(trainer, Schedule(stop=Stopping("rise")), ids=IDS, validate=losses([1.0, 0.8, 0.805, 0.9, 0.1]))
    after: dict[int, Any] = {}
    real = trainer.training_step

    def noted(model: Any, *args: Any, **kwargs: Any) -> Any:
        after[trainer.state.global_step] = {name: value.clone() for name, value in model.state_dict().items()}
        return real(model, *args, **kwargs)

    trainer.training_step = noted
    trainer.train()
    found = [(entry["step"], entry[VALIDATION]) for entry in trainer.state.log_history if VALIDATION in entry]
    assert found == [(12, 1.0), (24, 0.8), (36, 0.805), (48, 0.9)]  # 0.9 is more than 0.01 above the last
    assert (trainer.state.global_step, trainer.state.best_global_step) == (48, 24)
    kept = trainer.model.state_dict()
    assert all(torch.equal(kept[name], after[24][name]) for name in kept)
    assert not all(torch.equal(kept[name], after[47][name]) for name in kept)


def test_training_that_had_ended_ends_again(tokenizer: Any, tmp_path: Path) -> None:
    schedule, more = Schedule(stop=Stopping("gl", alpha=5.0)), {"save_strategy": "epoch", "num_train_epochs": 9}
    first = sft(tokenizer, tmp_path, **more)
    follow(first, schedule, ids=IDS, validate=losses([1.0, 1.2]))
    first.train()
    again = sft(tokenizer, tmp_path, **more)
    follow(again, schedule, ids=IDS, validate=unread)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-24"))
    assert (again.state.global_step, again.state.best_global_step) == (25, 12)  # a plain trainer does one step more
    one, other = first.model.state_dict(), again.model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_cannot_be_kept_apart_is_told(tokenizer: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = sft(tokenizer, tmp_path, per_device_train_batch_size=8, max_steps=1)
    follow(trainer, Schedule(conflicts=tuple(combinations(IDS[:4], 2))), ids=IDS)  # four, and three steps
    with caplog.at_level(logging.WARNING, "uptake"):
        trainer.train()
    assert caplog.messages == ["1 pairs of conflicting rows share one of 3 optimiser steps"]


@pytest.mark.parametrize(
    ("settings", "schedule", "message"),
    [
        ({"auto_find_batch_size": True}, Schedule(), "auto_find_batch_size changes"),
        ({"packing": True}, Schedule(), "packed"),
        ({}, Schedule(resampling=Resampling(), sources=SOURCES), "no `read`"),
        ({}, Schedule(stop=Stopping()), "no `validate`"),
        ({}, Schedule(conflicts=(("ex-0", "x"),)), "not in the data: x"),
    ],
)
def test_what_does_not_fit_is_refused(
    settings: dict[str, Any], schedule: Schedule, message: str, tokenizer: Any, tmp_path: Path
) -> None:
    trainer = sft(tokenizer, tmp_path)
    for name, value in settings.items():
        setattr(trainer.args, name, value)
    with pytest.raises(UptakeError, match=message):
        follow(trainer, schedule, ids=IDS)


def test_a_trainer_with_a_loader_of_its_own_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    class Own(SFTTrainer):
        def get_train_dataloader(self) -> DataLoader[Any]:
            return DataLoader(self.train_dataset, collate_fn=self.data_collator)

    trainer = sft(tokenizer, tmp_path, Own)
    follow(trainer, Schedule(), ids=IDS)
    with pytest.raises(UptakeError, match="Own does not take its rows from a sampler"):
        trainer.train()
    with pytest.raises(UptakeError, match="there are 2 ids, and the training set has 23 rows"):
        follow(trainer, Schedule(), ids=IDS[:2])


def test_a_trainer_that_is_not_hooked_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    trainer = sft(tokenizer, tmp_path)
    trainer.__class__ = SFTTrainer
    with pytest.raises(UptakeError, match=r"SFTTrainer cannot follow a schedule\n.*\nfix: .*hooked\(SFTTrainer\)"):
        follow(trainer, Schedule(), ids=IDS)


def test_a_checkpoint_without_the_schedule_is_not_gone_on_from(tokenizer: Any, tmp_path: Path) -> None:
    sft(tokenizer, tmp_path, save_strategy="epoch", num_train_epochs=1).train()
    trainer = sft(tokenizer, tmp_path)
    follow(trainer, Schedule(), ids=IDS)
    with pytest.raises(UptakeError, match="the checkpoint was trained without a schedule"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-12"))


def two_ranks(rank: int, port: int, folder: Path) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    torch.set_num_threads(1)
    tokenizer = tokenizer_of_examples()
    more = {"gradient_accumulation_steps": 2, "ddp_backend": "gloo", "num_train_epochs": 3}
    for name, schedule, read in (
        ("scheduled", Schedule(conflicts=TRIPLES), None),
        ("resampled", Schedule(sources=SOURCES, resampling=Resampling(), every=2), rescoring(EXAMPLES)),
        ("shuffled", None, None),
    ):
        trainer = sft(tokenizer, folder / name, **more)
        if schedule is not None:
            follow(trainer, schedule, ids=IDS, read=read)
        trainer.train()
        torch.save(trainer.state.log_history, folder / f"{name}-{rank}.pt")
    torch.distributed.barrier()
    os._exit(0)  # gloo's destructor joins, holding the GIL, a thread that may be waiting for the GIL


def test_two_processes_keep_conflicts_apart(tmp_path: Path) -> None:
    """2 processes x batches of 2 x accumulation 2: eight rows a step, of 23 an epoch; the last batch is filled up.

    Of each three rows that conflict, one must be in each of the three steps.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    forked.ranks(two_ranks, port, tmp_path)
    scheduled, shuffled = steps_seen(tmp_path / "scheduled"), steps_seen(tmp_path / "shuffled")
    assert [len(ids) for ids in scheduled] == [len(ids) for ids in shuffled] == [8] * 9
    assert scheduled == planned(Schedule(conflicts=TRIPLES), Layout(4, 2, even=True), epochs=3)
    assert clashes(scheduled, TRIPLES) == 0
    assert clashes(shuffled, TRIPLES) > 0
    # both processes came to the same readings, so that their rows belong together
    notes = [torch.load(tmp_path / f"resampled-{rank}.pt", weights_only=True) for rank in (0, 1)]
    kept = [[entry for entry in one if NOTED in entry] for one in notes]
    assert kept[0] == kept[1] and len(kept[0]) == 5
    assert all(len(ids) == len(set(ids)) == 8 for ids in steps_seen(tmp_path / "resampled"))
    print(f"violations: {clashes(scheduled, TRIPLES)} scheduled, {clashes(shuffled, TRIPLES)} shuffled")
