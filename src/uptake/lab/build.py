"""`uptake lab make`: a world, its base, its data, and its answer key, in one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uptake.artifacts import digest, file_digest, locked, versions, write_json
from uptake.artifacts.checked import read_data
from uptake.artifacts.schemas.lab import WORLD
from uptake.errors import UptakeError
from uptake.lab.base import (
    Asked,
    Base,
    Tell,
    build_base,
    copy_model,
    given_base,
    model_of,
    pretraining_of,
    recalled,
)
from uptake.lab.confirm import confirm
from uptake.lab.controls import Controls
from uptake.lab.families import FAMILIES
from uptake.lab.families.knowing import holds, knowing
from uptake.lab.files import write_data, write_key
from uptake.lab.plants import Planted, need, plant
from uptake.lab.training import epochs, peft_of, training_of
from uptake.lab.world import Fact, World, is_half_known, key_of, synthetic

WEIGHTS = "base/model.safetensors"
KNOWS_AT_LEAST, MET_AT_MOST = 0.95, 0.05
"""A base knows its world when it gives this share of what it was told, and at most this share of what it was not."""


@dataclass(frozen=True, slots=True)
class BaseCheck:
    """What a base answers to questions it was never trained to answer, by status of the fact.

    Attributes:
        known: Share of the known facts that were only stated to it and that it answers.
        misbelieved: Share of the misbelieved facts to which it gives the false belief.
        unmet: Share of the facts it never met that it answers rightly.
    """

    known: float | None
    misbelieved: float | None
    unmet: float | None

    @property
    def holds(self) -> bool:
        """Whether it knows, believes and ignores what it should."""
        told = [share for share in (self.known, self.misbelieved) if share is not None]
        return all(share >= KNOWS_AT_LEAST for share in told) and (self.unmet or 0.0) <= MET_AT_MOST


def make(
    out: Path,
    controls: Controls,
    *,
    family: str = "synthetic",
    data: Path | None = None,
    base: str | None = None,
    with_confirmation: bool = False,
    tell: Tell = lambda what, done, total: None,
) -> dict[str, Any]:
    """Make a world in a folder. The same command again goes on where it stopped, or adds the confirmation.

    Args:
        out: The folder.
        controls: What the world is made of.
        family: `synthetic`, `facts` for real ones, `pretrained` for those that a given base knows, or a name of
            `lab.families`.
        data: Folder of real data sets for `facts`, or file of facts for `pretrained`; None takes those that come
            with uptake.
        base: The pre-trained base, for `pretrained`: a folder or a hub id.
        with_confirmation: Also train the counterfactual worlds and mark the answer key.
        tell: Told of the progress.

    Returns:
        The content of `world.json`.

    Raises:
        UptakeError: Another world lies in `out`, the controls ask for too much, or something cannot be written.
    """
    start = None if base is None else given_base(base)
    world = draw(family, controls, data, start, tell)
    planted = items_of(world, controls)
    manifest: dict[str, Any] = {"world": family, "controls": asdict(controls), "content": key_of(world)}
    if start is not None:
        manifest["given_base"] = start.key
    with locked(out):
        before = _require_same(out, manifest)
        with_confirmation = with_confirmation or bool(before.get("confirmed"))  # a mark is not taken back
        write_json(out / "world.json", {**manifest, "confirmed": bool(before.get("confirmed"))})
        names = write_data(world, planted, controls, out, None if start is None else start.place)
        if not before.get("confirmed"):
            write_key(planted, None, out / "key.jsonl")
        model = start or _own_base(world, controls, out, tell)
        marks = confirm(world, planted, controls, model, tell) if with_confirmation else None
        write_key(planted, marks, out / "key.jsonl")
        if start is None:
            of_base = _checked(model, world)
        else:
            of_base = {status: len(world.of(status)) for status in ("known", "misbelieved", "untold", "stranger")}
        manifest |= {
            "base": of_base,
            "training": {
                **training_of(controls, world.recipe),
                "num_train_epochs": [epochs(stage, world.recipe) for stage in controls.stage_names],
                "peft": peft_of(controls),
            },
            "confirmed": with_confirmation,
            "files": {name: file_digest(out / name) for name in (*names, "key.jsonl", *([] if start else [WEIGHTS]))},
            "versions": versions(),
        }
        write_json(out / "world.json", manifest)
    return manifest


def _own_base(world: World, controls: Controls, out: Path, tell: Tell) -> Base:
    """The base that is pre-trained for the world, copied into its folder."""
    model = build_base(world, controls.seed, tell)
    if not (out / "base").exists():
        copy_model(model, out / "base")
    _require_same_base(model, out / "base")
    return Base(str(model), model.parent.name)


def _checked(base: Base, world: World) -> dict[str, Any]:
    """What the world's own base knows, and what it is."""
    made_of = {"model": model_of(world.recipe), "pretraining": pretraining_of(world.recipe)}
    if (family := FAMILIES.get(world.name)) is None:
        check = check_base(base.place, world.facts)
        return asdict(check) | {"holds": check.holds, **made_of}
    found = knowing(base.place, world.facts)
    said = {status: asdict(one) for status, one in found.items()}
    return {**said, "holds": holds(found, family.knows), **made_of}


def items_of(world: World, controls: Controls) -> Planted:
    """The items of a world, as its family plants them."""
    family = FAMILIES.get(world.name)
    return plant(world, controls) if family is None else family.plant(world, controls)


def draw(
    family: str,
    controls: Controls,
    data: Path | None = None,
    base: Base | None = None,
    tell: Tell = lambda what, done, total: None,
) -> World:
    """Draw the world of a family that the controls need.

    Raises:
        UptakeError: There is no such family, or too few facts.
    """
    if (family == "pretrained") != (base is not None):
        raise UptakeError(
            f"the family is {family} and the base is {base and base.place}",
            expected="a base for the family `pretrained`, and none for the others",
            fix="leave out --family, or --base",
        )
    if base is not None:
        from uptake.lab.pretrained import pretrained_world

        return pretrained_world(need(controls), controls.seed, base, controls.form, data, tell)
    if controls.form == "chat":
        raise UptakeError(
            "a base that is pre-trained here has no chat template", fix="leave out --form, or give --base"
        )
    if family == "facts":
        from uptake.lab.real import real_world

        return real_world(need(controls), controls.seed, data)
    if family != "synthetic" and family not in FAMILIES:
        raise UptakeError(
            f"unknown family {family!r}", expected=f"synthetic, facts, {', '.join(FAMILIES)}, or a --base"
        )
    if data is not None:
        raise UptakeError(f"the family {family} needs no data", fix="leave out --data, or give --family facts")
    return synthetic(need(controls), controls.seed) if family == "synthetic" else FAMILIES[family].draw(controls)


def check_base(model: str, facts: Sequence[Fact]) -> BaseCheck:
    """Ask a base about every fact, in two wordings.

    Facts that it was told in questions too are left out of `known`: what is asked for is whether it answers questions
    about what it only read. So are those that it half knows.
    """
    asked: list[Asked] = []
    groups: dict[str, list[str]] = {"known": [], "misbelieved": [], "unmet": []}
    for number, fact in enumerate(facts):
        group = fact.status if fact.status in ("known", "misbelieved") else "unmet"
        if group != "known" or not (fact.quizzed or is_half_known(fact)):
            for n, ask in enumerate(fact.asks[:2]):
                asked.append((f"{number}/{n}", fact.posed(ask), fact.response(fact.belief or fact.answer)))
                groups[group].append(asked[-1][0])
    answers = recalled(model, asked, with_end=False)
    shares = {
        name: sum(answers[one] for one in members) / len(members) if members else None
        for name, members in groups.items()
    }
    return BaseCheck(**shares)


def _require_same(out: Path, manifest: dict[str, Any]) -> Mapping[str, Any]:
    """What `world.json` said; empty for a new folder."""
    place = out / "world.json"
    if place.exists():
        there: dict[str, Any] = read_data(place, WORLD, f"delete {out}, or choose another folder with --out")
        if any(digest(there.get(key)) != digest(value) for key, value in manifest.items()):
            raise UptakeError(
                f"{out} holds another world", expected="a new folder", fix="choose another one with --out"
            )
        return there
    if any(path.name != ".lock" for path in out.iterdir()):
        raise UptakeError(f"{out} is not empty", expected="a new folder", fix="choose another one with --out")
    return {}


def _require_same_base(model: Path, copy: Path) -> None:
    """Refuse a base that is not the one that is checked and that the key is confirmed with."""
    name = Path(WEIGHTS).name
    if not (copy / name).exists() or file_digest(copy / name) != file_digest(model / name):
        raise UptakeError(
            f"{copy} is not the base of this world: it was made by other versions, or was changed",
            fix=f"delete {copy}; it will be made again",
        )
