"""What a continual-learning method may do to the training of a stage: a frozen record of functions over explicit state.

A hook that a method does not need is None. `chain` puts several methods together. Who runs the hooks, saves their state
and gives the random numbers is `uptake.models.training.harness`; a method does none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial, reduce
from operator import or_
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import torch
from torch import Tensor

from uptake.errors import UptakeError
from uptake.models.scoring.hf import LanguageModel
from uptake.models.training.memory import Memory
from uptake.models.training.pools import Pool
from uptake.schedule import EpochRows, Schedule
from uptake.types import Example

if TYPE_CHECKING:
    from uptake.models.training.batch import Batch

State: TypeAlias = dict[str, Tensor]
"""What a method remembers from step to step: flat and named. Its tensors are changed in place, and are the same in each
process. The harness alone saves and restores them."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What the hooks of a method read; a training that cannot give it is refused before data are read.

    Attributes:
        per_row: Which rows a batch has, and their notes.
        logits: The logits of a batch.
        gradients: The whole gradient, in each process.
        weights: All trained weights, in each process.
        former: The model that the stage starts from, to score or to generate with.
        adapter: A LoRA adapter is what is trained.
        whole: All weights are trained, and no adapter.
        memory: What the same method kept in an earlier stage of the run.
        order: Which rows an optimiser step has is the method's choice.
        lasting: The trained weights are those of the stage before, so that what was kept of each is still of use.
        general: General text.
        readings: The model in training is scored on other rows than it trains just then.
        every: Each stage since the first one with it: what another one trained would be undone.
    """

    per_row: bool = False
    logits: bool = False
    gradients: bool = False
    weights: bool = False
    former: bool = False
    adapter: bool = False
    whole: bool = False
    memory: bool = False
    order: bool = False
    lasting: bool = False
    general: bool = False
    readings: bool = False
    every: bool = False

    def __or__(self, other: Needs) -> Needs:
        """What either of two needs."""
        return Needs(*(getattr(self, one.name) or getattr(other, one.name) for one in fields(self)))


@dataclass(frozen=True)
class StageView:
    """What a method sees of a stage.

    Attributes:
        number: The place of the stage in its run, from 0.
        name: Its name.
        seed: The run's seed.
        rows: What is trained in each epoch: a table of `uptake.models.training.rows.ROWS`, with notes where there are
            some. When all is arranged, with the rows of the pools behind them.
        former: The name of the stage before; None in the first.
        schedule: How the rows come and when the stage ends; None takes them as the settings say.
        validation: Rows that are not trained, by which `schedule.stop` judges; None for none.
        examples: Reads the stage's own examples again.
        model: Loads the model that the stage starts from, once; it is released before the stage is trained.
        peft: Fields of `LoraConfig` of the run; None trains all weights.
        general: Gives rows of the run's general text, at most so many, the same ones in each stage; for `data` and
            `begin`.
        pools: Rows of which each epoch trains some; a method adds its own: `(*stage.pools, Pool(rows, draw))`.
        drawn: When all is arranged, which rows each epoch trains; None for all of them.
        told: What the reader should know of how it was arranged, in sentences.
        spent: Tokens that arranging it took, one number for each of `uptake.models.training.tally.KINDS`.
    """

    number: int
    name: str
    seed: int
    rows: pa.Table
    former: str | None = None
    schedule: Schedule | None = None
    validation: pa.Table | None = None
    examples: Callable[[], Iterator[Example]] = field(default=lambda: iter(()), repr=False)
    model: Callable[[], LanguageModel] | None = field(default=None, repr=False)
    peft: Mapping[str, Any] | None = None
    general: Callable[[int], pa.Table] | None = field(default=None, repr=False)
    pools: tuple[Pool, ...] = ()
    drawn: EpochRows | None = None
    told: tuple[str, ...] = ()
    spent: tuple[int, ...] = (0, 0, 0, 0)


Data: TypeAlias = Callable[[StageView, Memory], StageView]
"""Arranges what a stage trains: the view with other `rows`, `pools`, `schedule` or `validation`."""


_FLAGS = ("needs", "moves", "replaces", "stops", "filters")
"""Fields of `Hooks` that are no hooks."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a method does to a stage; None where it does nothing.

    Attributes:
        needs: What the hooks read.
        data: Arranges rows, pools, schedule and validation set, before the stage is planned. It is called once: what it
            gives is kept in files, which a killed stage reads when it is resumed.
        adapt: Gives the model that is trained, from the one that the stage starts from.
        begin: Makes the state, before the first step; not called when a killed stage is resumed.
        weigh: What a batch's rows, or tokens, count in the base loss: factors of the shape (rows, 1) or (rows, length -
            1), through which no gradient flows. Those of all methods, and the weights of rows, are multiplied.
        loss: A term that is added to the loss of each batch: a scalar that stands for the batch, so that the mean over
            the batches of a step, in all processes, is the step's term (`Batch.average` makes such a one from sums).
        gradient: Changes the gradients (`Batch.trainable`), once a step, before they are clipped.
        after_step: Called after each optimiser step, with its number.
        after_stage: Called before the model is saved; what it keeps in the memory outlives the stage.
        moves: Whether `after_stage` changes what the model says; what was read of it before then says nothing of it.
        replaces: Whether it does so whatever the weights are just then: one of a stage at most, first of those that do.
        stops: Whether `data` sets rows aside by whose loss the stage ends; such methods arrange before all others.
        filters: Whether `data` takes rows out of what others gave; such methods arrange after all others.
    """

    needs: Needs = Needs()
    data: Data | None = None
    adapt: Callable[[Any, StageView, Memory], Any] | None = None
    begin: Callable[[Any, StageView, Memory], State] | None = None
    weigh: Callable[[Batch, State], Tensor] | None = None
    loss: Callable[[Batch, State], Tensor] | None = None
    gradient: Callable[[Batch, State], None] | None = None
    after_step: Callable[[Any, int, State], None] | None = None
    after_stage: Callable[[Any, StageView, State, Memory], None] | None = None
    moves: bool = False
    replaces: bool = False
    stops: bool = False
    filters: bool = False

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return all(getattr(self, one.name) is None for one in fields(self) if one.name not in _FLAGS)


@dataclass(frozen=True)
class Method:
    """What trains a stage beside the trainer: one method, or several chained ones.

    Attributes:
        hooks: What it does.
        stage: The stage, with the rows that are trained.
        memory: What earlier stages left.
        identity: Of the stage's training: a state that was saved in another one is refused.
    """

    hooks: Hooks
    stage: StageView
    memory: Memory
    identity: str = ""

    @property
    def weighted(self) -> bool:
        """Whether rows or tokens count otherwise than in the base loss."""
        return self.hooks.weigh is not None or "weight" in self.stage.rows.schema.names

    @property
    def numbered(self) -> bool:
        """Whether a batch must tell which rows it has."""
        return self.hooks.needs.per_row or self.weighted


def chain(hooks: Mapping[str, Hooks]) -> Hooks:
    """Several methods as one, each with a part of the state and of the memory that bears its name.

    Args:
        hooks: The methods, in the order in which their hooks are called. Those that set rows aside arrange first, those
            that filter what others gave last. At the stage's end those that change what the model says come first: the
            others read the weights that are saved. Those that gave the model another shape come last, the last one
            first: the others find the weights that were trained.
    """
    needs, having = reduce(or_, (one.needs for one in hooks.values()), Needs()), partial(_having, hooks)
    arranging, adapting, beginning = _arranging(hooks), having("adapt"), having("begin")
    weighing, losing, projecting, stepping = (having(name) for name in ("weigh", "loss", "gradient", "after_step"))

    def data(stage: StageView, memory: Memory) -> StageView:
        for key, hook in arranging.items():
            stage = hook(stage, memory.of(key))
        return stage

    def adapt(model: Any, stage: StageView, memory: Memory) -> Any:
        for key, hook in adapting.items():
            model = hook(model, stage, memory.of(key))
        return model

    def begin(model: Any, stage: StageView, memory: Memory) -> State:
        made = {key: hook(model, stage, memory.of(key)) for key, hook in beginning.items()}
        return {f"{key}.{name}": tensor for key, state in made.items() for name, tensor in state.items()}

    def weigh(batch: Batch, state: State) -> Tensor:
        factor = torch.ones(1, 1, device=batch.model.device)
        for key, hook in weighing.items():
            batch.member = key
            with _part(state, key) as part:
                factor = factor * hook(batch, part)
        return factor

    def loss(batch: Batch, state: State) -> Tensor:
        terms = []
        for key, hook in losing.items():
            batch.member = key
            with _part(state, key) as part:
                terms.append(hook(batch, part))
        total: Tensor = sum(terms[1:], terms[0])
        return total

    def gradient(batch: Batch, state: State) -> None:
        for key, hook in projecting.items():
            batch.member = key
            with _part(state, key) as part:
                hook(batch, part)

    def after_step(model: Any, step: int, state: State) -> None:
        for key, hook in stepping.items():
            with _part(state, key) as part:
                hook(model, step, part)

    def after_stage(model: Any, stage: StageView, state: State, memory: Memory) -> None:
        for key, hook in _ending(hooks).items():
            with _part(state, key) as part:
                hook(model, stage, part, memory.of(key))

    flags = {name: any(getattr(one, name) for one in hooks.values()) for name in _FLAGS[1:]}
    whole = Hooks(needs, data, adapt, begin, weigh, loss, gradient, after_step, after_stage, **flags)
    names = [one.name for one in fields(whole) if one.name not in _FLAGS]
    absent: dict[str, Any] = {name: None for name in names if not having(name)}
    return replace(whole, **absent)


def _having(hooks: Mapping[str, Hooks], name: str) -> dict[str, Any]:
    return {key: hook for key, one in hooks.items() if (hook := getattr(one, name)) is not None}


def _arranging(hooks: Mapping[str, Hooks]) -> dict[str, Any]:
    """Who arranges, in its order: first who sets rows aside, last who filters."""
    return dict(sorted(_having(hooks, "data").items(), key=lambda one: hooks[one[0]].filters - hooks[one[0]].stops))


def _ending(hooks: Mapping[str, Hooks]) -> dict[str, Any]:
    """Who ends a stage, in its order: first who replaces the weights or moves them, last who gave another shape."""
    ending = _having(hooks, "after_stage")
    last = [key for key in reversed(ending) if hooks[key].adapt is not None]
    first = sorted((key for key in ending if key not in last), key=lambda key: -hooks[key].moves - hooks[key].replaces)
    return {key: ending[key] for key in (*first, *last)}


@contextmanager
def _part(state: State, key: str) -> Iterator[State]:
    """The part of one method: the same tensors under their own names.

    Raises:
        UptakeError: Afterwards it has other tensors, which would be lost: the next hook sees those of `state`.
    """
    prefix = f"{key}."
    own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    part = dict(own)
    yield part
    other = sorted(name for name in own.keys() | part.keys() if own.get(name) is not part.get(name))
    if other:
        raise UptakeError(
            f"the method {key} put other tensors into its state: {', '.join(other)}",
            expected="the tensors that its `begin` made, changed in place",
            fix="state[name].copy_(value); what comes later has its place from `begin` on",
        )
