"""The base model of a world: told what it shall know and believe, and asked whether it does; kept in a cache.

A small Llama with tied embeddings. Its byte-level BPE learns every word of the world as one token, the names of those
that the base never meets among them.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from uptake.artifacts import digest, locked, versions
from uptake.lab.recipe import PLAIN, Recipe
from uptake.lab.world import World, names_of, pretraining_texts
from uptake.types import TRAINING, Candidate, Probe, Prompt

Tell: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, the steps done and the steps in all."""

Asked: TypeAlias = tuple[str, Prompt, str]
"""An id, a prompt, and a response."""

MODEL: Mapping[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
}
VOCAB_SIZE = 6144
"""Room for all words; the vocabulary ends where every word is one token."""
PRETRAINING: Mapping[str, Any] = {"batch_size": 64, "learning_rate": 3e-3, "max_length": 96}
PASSES, LEAST_STEPS = 13, 1100
"""How often the base reads what it is told; in a small world, until it has learned to answer at all."""
FURTHER: Mapping[str, Any] = {"steps": 400, "batch_size": 64, "learning_rate": 1.5e-3, "max_length": 96}
"""Pre-training that goes on from a finished base."""
FURTHER_GIVEN: Mapping[str, Any] = {"batch_size": 16, "learning_rate": 1e-4, "max_length": 96}
FURTHER_PASSES = 3
"""The same for a base that was pre-trained elsewhere, which reads the texts so often."""
_SHOWN = 40
"""How often the tokenizer reads each name: more often than any part of it occurs in other words."""


def cache_folder() -> Path:
    """Where built models are kept: `UPTAKE_CACHE`, else the platform's folder for caches."""
    if given := os.environ.get("UPTAKE_CACHE"):
        return Path(given)
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "uptake"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "uptake" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "uptake"


def tokenizer_of(world: World) -> Any:
    """The world's tokenizer: of all that the base is told, and of all names."""
    from uptake.models.small.tiny import CHATML, train_tokenizer

    names = [f" {name}" for name in names_of(world)] if world.recipe.whole_names else []
    return train_tokenizer(
        [*pretraining_texts(world), *names * _SHOWN],
        world.recipe.vocab_size or VOCAB_SIZE,
        chat_template=CHATML if world.recipe.chat else None,
    )


def model_of(recipe: Recipe) -> dict[str, Any]:
    """The architecture's fields."""
    return {**MODEL, **recipe.model}


def pretraining_of(recipe: Recipe) -> dict[str, Any]:
    """The settings of the pre-training."""
    return {**PRETRAINING, **({} if recipe.max_length is None else {"max_length": recipe.max_length})}


def build_base(world: World, seed: int, tell: Tell) -> Path:
    """The folder of the world's base model, in the cache; pre-trained if it is not there.

    Raises:
        UptakeError: The cache cannot be written, or another process builds the same.
    """
    from uptake.models.small.pretrain import PretrainSettings, one_thread, pretrain
    from uptake.models.small.tiny import build_model, save

    texts = pretraining_texts(world)
    names, recipe = names_of(world), world.recipe
    pretraining = pretraining_of(recipe)
    steps = max(
        recipe.least_steps or LEAST_STEPS, round((recipe.passes or PASSES) * len(texts) / pretraining["batch_size"])
    )
    settings = PretrainSettings(**pretraining, steps=steps, seed=seed)
    # how the stages are trained changes nothing here
    before = replace(recipe, epochs=None, early_epochs=None)
    own = [asdict(before)] if before != PLAIN else []
    folder = cache_folder() / "bases" / digest(texts, names, MODEL, VOCAB_SIZE, asdict(settings), versions(), *own)
    with locked(folder):
        if not (folder / "model").exists():
            tokenizer = tokenizer_of(world)
            with one_thread():
                model = build_model("llama", tokenizer, seed, **model_of(recipe))
                pretrain(model, tokenizer, texts, settings, lambda at: tell("pre-training the base", at.step, at.steps))
            save(model, tokenizer, folder / "model")
    return folder / "model"


def further(base: Base, texts: Sequence[str], recipe: Recipe) -> dict[str, Any]:
    """How the pre-training of a base goes on with other texts."""
    if not base.given:
        return {**FURTHER, **({} if recipe.max_length is None else {"max_length": recipe.max_length})}
    batches = -(-len(texts) // FURTHER_GIVEN["batch_size"])
    return {**FURTHER_GIVEN, "steps": max(1, FURTHER_PASSES * batches)}


def tell_more(base: Base, texts: Sequence[str], out: Path, seed: int, recipe: Recipe, tell: Tell) -> Path:
    """Go on pre-training a finished base with other texts, and save it to `out`.

    Raises:
        UptakeError: `out` exists.
    """
    from uptake.models.scoring.lazy import resolve
    from uptake.models.small.pretrain import PretrainSettings, one_thread, pretrain
    from uptake.models.small.tiny import save

    loaded = resolve(base.place)
    with one_thread():
        pretrain(
            loaded.model,
            loaded.tokenizer,
            texts,
            PretrainSettings(**further(base, texts, recipe), seed=seed),
            lambda at: tell("telling the base more", at.step, at.steps),
        )
    save(loaded.model, loaded.tokenizer, out)
    return out


@dataclass(frozen=True, slots=True)
class Base:
    """The model that a world's fine-tuning starts from.

    Attributes:
        place: Its folder, or its hub id.
        key: Identifies its weights.
        given: It was pre-trained elsewhere.
    """

    place: str
    key: str
    given: bool = False


def given_base(place: str) -> Base:
    """A base that was pre-trained elsewhere.

    Raises:
        UptakeError: It is not there, or cannot be read.
    """
    from uptake.models.places.settings import LoadSettings
    from uptake.models.scoring.lazy import Lazy

    return Base(
        str(Path(place).resolve()) if Path(place).exists() else place,
        Lazy.find(place, LoadSettings()).fingerprint,
        True,
    )


def copy_model(source: Path, out: Path) -> None:
    """Copy a model's folder: it is there complete or not at all.

    Raises:
        UptakeError: `out` exists.
    """
    from uptake.models.places.directory import new_directory

    with new_directory(out) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)


def recalled(model: str | Path, asked: Iterable[Asked], *, with_end: bool = True) -> dict[str, bool]:
    """Which responses greedy decoding gives, with the end after it if asked for.

    Args:
        model: A model's folder.
        asked: Ids, each once, with prompts and responses.
        with_end: The model must also stop after the response.
    """
    from uptake.models.scoring.lazy import resolve
    from uptake.models.small.pretrain import one_thread
    from uptake.score import score

    probes = [Probe(name, TRAINING, prompt, (Candidate(response, "response"),)) for name, prompt, response in asked]
    with one_thread():
        loaded = resolve(model)
        return {
            one.example_id: one.recalled and (not with_end or one.end_recalled is not False)
            for one in score(probes, loaded)
        }
