"""What must not depend on how a step is split: into batches, and over processes; and what a row's weight does."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from members import ACTING, ONLY_LORA, TRAINED

import forked
from small_models import write_rows
from train_runs import CITIES, EARLY, LORA, MAIN, QUICK, weights, write_run
from uptake.config import load_run
from uptake.models.places.place import LoadSettings
from uptake.models.training.hooks import Hooks, Method, StageView
from uptake.models.training.job import Job
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.models.training.stage import train
from uptake.models.training.start import Start, tokenizer_of
from uptake.pipeline.train.run import train_run
from uptake.processes import Processes

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

SGD = QUICK | {"optim": "sgd", "learning_rate": 0.1, "save_strategy": "no", "lr_scheduler_type": "constant"}
"""Steps that are the gradient's, and no quotient of small numbers: they differ by no more than the gradient does."""

SHARES: Mapping[str, Mapping[str, Any]] = {
    "replay": {"share": 0.25},  # four rows more
    "early_stop": {"share": 1 / 3},  # four rows fewer
}
"""Where a strategy changes how many rows there are, so that steps stay full: else the last one is filled up."""


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model without dropout, which is another one in each process."""
    from uptake.models.small.tiny import CHATML, build_model, save, train_tokenizer

    tokenizer = train_tokenizer([row["prompt"] + row["completion"] for row in EARLY + MAIN], 320, chat_template=CHATML)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64}
    folder = tmp_path_factory.mktemp("models") / "steady"
    save(build_model("qwen3", tokenizer, 0, **shape), tokenizer, folder)
    return folder


def run_of(folder: Path, base: Path, name: str | None, size: int, accumulation: int = 1) -> Path:
    """Two stages of twelve rows each, in steps of four, by a strategy; plainly for None, and by `lora`."""
    settings = {} if name in (None, "lora") else {name: dict(SHARES.get(name, ACTING[name]))}
    run = write_run(
        folder, base,
        strategy=settings,
        peft=LORA if name in (*ONLY_LORA, "lora") else None,
        training=SGD | {"per_device_train_batch_size": size, "gradient_accumulation_steps": accumulation},
    )  # fmt: skip
    cities = [*CITIES, "Apia"]
    for stage, order in (("early", cities), ("main", cities[::-1])):
        rows = [{"id": f"{stage}-{k}", "prompt": "Who?", "completion": f" {city}"} for k, city in enumerate(order)]
        write_rows(folder / f"{stage}.jsonl", rows)
    return run


def furthest(some: Path, other: Path) -> float:
    """The largest difference between two models' weights."""
    one, two = weights(some), weights(other)
    assert one.keys() == two.keys()
    return max(float((one[name] - two[name]).abs().max()) for name in one)


@pytest.mark.parametrize("name", ["lwf", "olora"])
def test_an_added_term_counts_the_same_however_a_step_is_split(name: str, steady: Path, tmp_path: Path):
    found = {}
    for kind, size, accumulation in ((name, 4, 1), (name, 2, 2), ("lora" if name == "olora" else None, 4, 1)):
        run = run_of(tmp_path / f"{kind}-{size}", steady, kind, size, accumulation)
        train_run(load_run(run))
        found[kind, size] = tmp_path / f"{kind}-{size}" / "run" / "train"
    whole, split = found[name, 4], found[name, 2]
    plain = next(folder for (kind, _), folder in found.items() if kind != name)
    assert furthest(whole / "main", split / "main") < 1e-6
    if name == "lwf":
        assert furthest(whole / "main", plain / "main") > 1e-3  # the term is no trifle
    else:
        penalty = next(one for one in weights(whole / "main") if "lora_A" in one)
        new = {folder: weights(folder / "main")[penalty][2:] for folder in (whole, split)}
        old = weights(whole / "early")[penalty]
        assert float((old @ new[whole].T).square().sum()) < 1e-3  # of six steps with a strength of 5
        assert torch.allclose(new[whole], new[split], atol=1e-6)


def two_ranks(rank: int, port: int, runs: Mapping[str, str], told: Path) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    torch.set_num_threads(1)
    for run in runs.values():
        train_run(load_run(Path(run)), processes=Processes(rank, rank, 2))
    torch.distributed.barrier()
    (told / str(rank)).write_text("done")
    os._exit(0)  # gloo's destructor joins, holding the GIL, a thread that may be waiting for the GIL


NOISE = 4
"""Two processes add in another order than one. Plain training shows how far that moves the weights (of the order of
1e-7 with these settings); with a strategy they may be so many times as far apart, and 1e-7 beside."""


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(steady: Path, tmp_path: Path):
    """The same rows a step: four in one process, two in each of two."""
    names = [None, "lora", *TRAINED]
    alone = {str(name): run_of(tmp_path / f"one-{name}", steady, name, 4) for name in names}
    both = {str(name): str(run_of(tmp_path / f"two-{name}", steady, name, 2)) for name in names}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    forked.ranks(two_ranks, port, both, tmp_path)
    assert [(tmp_path / rank).read_text() for rank in ("0", "1")] == ["done", "done"]
    apart = {}
    for name, run in alone.items():
        train_run(load_run(run))
        folders = [tmp_path / f"{kind}-{name}" / "run" / "train" / "main" for kind in ("one", "two")]
        apart[name] = furthest(*folders)
    print({name: f"{value:.1e}" for name, value in apart.items()})
    for name, value in apart.items():
        assert value <= NOISE * apart["lora" if name in ONLY_LORA else "None"] + 1e-7, (name, apart)


ROWS = table(Row(f"r-{k}", [5, 6, 7 + k, 20 + k, 30 + k], [NOT_TRAINED] * 3 + [20 + k, 30 + k]) for k in range(4))


def moved(base: Path, work: Path, *, rows: Any = ROWS, weight: list[float | None] | None = None) -> dict[str, Any]:
    """How one step of all rows moves the weights, with dropout."""
    start = Start(str(base), LoadSettings(device="cpu"))
    tokenizer = tokenizer_of(start.place(), start.settings)
    method = None
    if weight is not None:
        rows = noted(rows, weight=weight)
        method = Method(Hooks(), StageView(0, "s", 0, rows), Memory())
    settings = SGD | {"max_steps": 1, "use_cpu": True, "max_length": 64, "train_sampling_strategy": "sequential"}
    train(Job(start, tokenizer, rows, settings | {"max_grad_norm": 0.0}, work, method))
    before, after = weights(base), weights(work / "model")
    return {name: after[name] - before[name] for name in after}


def largest(values: Mapping[str, Any]) -> float:
    return max(float(value.abs().max()) for value in values.values())


def test_rows_of_weight_one_and_none_are_plain_training(trainable: Path, tmp_path: Path):
    plain, weighted = moved(trainable, tmp_path / "a"), moved(trainable, tmp_path / "b", weight=[1.0, None, 1.0, None])
    assert all(torch.equal(plain[name], weighted[name]) for name in plain)


def test_a_row_of_weight_nothing_does_not_move_the_model(trainable: Path, tmp_path: Path):
    """Alone it moves nothing, though dropout draws anew for each pass; beside others, which count as in the whole step,
    the step is theirs: of half the tokens, so half as long as without it."""
    plain = moved(trainable, tmp_path / "plain")
    none = moved(trainable, tmp_path / "none", weight=[0.0] * 4)
    assert largest(none) < 1e-5 * largest(plain)


def test_the_others_move_it_as_they_would_alone(steady: Path, tmp_path: Path):
    some = moved(steady, tmp_path / "some", weight=[1.0, 0.0, 1.0, 0.0])
    alone = moved(steady, tmp_path / "alone", rows=ROWS.take([0, 2]))
    for name in alone:
        assert torch.allclose(2 * some[name], alone[name], atol=1e-6), name
    twice = moved(steady, tmp_path / "twice", weight=[2.0] * 4)
    plain = moved(steady, tmp_path / "plain")
    for name in plain:
        assert torch.allclose(twice[name], 2 * plain[name], atol=1e-6), name
