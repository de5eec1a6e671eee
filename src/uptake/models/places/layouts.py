"""An adapter's weights under the names of the model that they are put on.

A model of text and images has its text part at `model.language_model.layers`, or at `language_model.model.layers` in
older releases, and the same text model loaded alone has it at `model.layers`. Which of these stands in an adapter's
file depends on the class that its trainer loaded, and not on what was trained. Wrappers of torch (`_orig_mod`,
`module`) and the adapter's own name (`lora_A.default.weight`) get into files in the same way.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

_PREFIX = "base_model.model."
_WRAPPERS = frozenset(
    ("model", "language_model", "text_model", "base_model", "module", "_orig_mod")
    + ("_fsdp_wrapped_module", "_checkpoint_wrapped_module")
)
"""Parts of a name that say what a layer is wrapped in, and not which one it is."""

_OTHER_SENSES = re.compile(
    r"(^|\.)(visual|vision\w*|audio\w*|speech\w*|image\w*|embed_(vision|audio)|\w*projector|aligner|connector)\."
)
"""Names of the parts of a model that read no text."""


@dataclass(frozen=True)
class FittedAdapter:
    """An adapter as the model at hand names it.

    Attributes:
        weights: The weights by their names, as peft reads them from a file.
        config: The adapter's configuration; it names the layers that the weights are for where they had other names.
        renamed: Beginnings of names as regular expressions, and what stands in their place; empty where all fitted.
        left_out: Names of weights for images or sound, which the model at hand has no part for.
    """

    weights: Mapping[str, Tensor]
    config: Any
    renamed: Mapping[str, str]
    left_out: tuple[str, ...]


def fitted(model: nn.Module, weights: Mapping[str, Tensor], config: Any, prefix: str) -> FittedAdapter:
    """Give an adapter's weights the names that the model has for the same layers.

    Args:
        model: The full model.
        weights: The adapter's weights, by the names in its file.
        config: Its configuration, which is left as it is.
        prefix: What the names of the method's own weights begin with (`lora_`).
    """
    names = {name for name, _ in model.named_modules() if name}
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        if _bare(name):
            alike[_bare(name)].append(name)
    found: dict[str, Tensor] = {}
    moved: dict[str, str] = {}
    layers: set[str] = set()
    left_out = []
    for key, weight in weights.items():
        own = key.removeprefix(_PREFIX)
        path, rest = _layer(own, names, alike)
        there = path if path in names else next(iter(alike.get(_bare(path), ())), path)
        if there not in names and _OTHER_SENSES.search(own):
            left_out.append(own)
            continue
        if there != path:
            moved[path] = there
        if rest.startswith(prefix):
            layers.add(there)
        found[f"{_PREFIX}{there}.{rest}" if there else key] = weight
    if not moved:
        return FittedAdapter(found, config, {}, tuple(left_out))
    told = all(key.startswith("base_model.") for key in weights)  # else peft renames nothing, and need not
    aimed = _aimed(config, layers | _asked_for(model, config, moved), moved)
    return FittedAdapter(found, aimed, _heads(moved) if told else {}, tuple(left_out))


def _bare(name: str) -> str:
    """A layer's name without what it is wrapped in."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _layer(key: str, names: set[str], alike: Mapping[str, list[str]]) -> tuple[str, str]:
    """A weight's name as that of its layer, and the rest, in which the adapter's own name is left out."""
    parts = key.split(".")
    for end in range(len(parts) - 1, 0, -1):
        path = ".".join(parts[:end])
        if _bare(path) and (path in names or len(alike.get(_bare(path), ())) == 1):
            rest = [part for part in parts[end:-1] if part != "default"]
            return path, ".".join([*rest, parts[-1]])
    return "", key


def _asked_for(model: nn.Module, config: Any, moved: Mapping[str, str]) -> set[str]:
    """The layers that the configuration asks for by the names that they had; those for images and sound are not meant.

    Without them, an adapter of which a part is lost would be taken for whole.
    """
    from peft.tuners.tuners_utils import check_target_module_exists

    if not getattr(config, "target_modules", None):
        return set()
    back = {(new.removesuffix(same), old.removesuffix(same)) for old, new in moved.items() if (same := _end(old, new))}
    asked = set()
    for name, module in model.named_modules():
        if next(module.children(), None) is not None or _OTHER_SENSES.search(f"{name}."):
            continue
        former = [old + name.removeprefix(new) for new, old in sorted(back) if name.startswith(new)]
        if any(check_target_module_exists(config, one) for one in (name, *former)):
            asked.add(name)
    return asked


def _end(old: str, new: str) -> str:
    """The parts that two names have in common at their end."""
    before, after = old.split("."), new.split(".")
    same = 0
    while same < min(len(before), len(after)) and before[-1 - same] == after[-1 - same]:
        same += 1
    return ".".join(before[len(before) - same :])


def _aimed(config: Any, layers: set[str], moved: Mapping[str, str]) -> Any:
    """The configuration with the very layers as its targets: by patterns or short names it could mean others here."""
    aimed = copy.deepcopy(config)
    of_parameters = tuple(one.rpartition(".")[0] for one in getattr(config, "target_parameters", None) or ())
    targets = {one for one in layers if not any(one == own or one.endswith(f".{own}") for own in of_parameters)}
    if targets and hasattr(aimed, "target_modules"):
        aimed.target_modules = targets
        for name in ("exclude_modules", "layers_to_transform", "layers_pattern"):
            if hasattr(aimed, name):
                setattr(aimed, name, None)
    for name in ("rank_pattern", "alpha_pattern"):
        if patterns := getattr(aimed, name, None):
            setattr(aimed, name, {moved.get(key, key): value for key, value in patterns.items()})
    return aimed


def _heads(moved: Mapping[str, str]) -> dict[str, str]:
    """From what differs at the beginning of the names, and the first part that does not, to what stands there here."""
    heads = {}
    for old, new in moved.items():
        same = _end(old, new)
        first = same.partition(".")[0]
        head = old.removesuffix(same) + first
        heads[rf"^{re.escape(head)}(?=\.|$)"] = new.removesuffix(same) + first
    return heads


def wrapped_in(missing: Collection[str], unexpected: Collection[str]) -> str | None:
    """What all weights in a file begin with because the model was saved in its wrapper; None where that is not so.

    Args:
        missing: The model's weights that are not in the file.
        unexpected: Weights in the file that the model has no place for.
    """
    for part in ("_orig_mod.", "module.", "_fsdp_wrapped_module.", "base_model.model."):
        if missing and {f"{part}{name}" for name in missing} <= set(unexpected):
            return part
    return None


def rows_of_embeddings(model: nn.Module, weights: Mapping[str, Tensor]) -> int | None:
    """How many tokens the embeddings have that an adapter brings, or is made for; None where it brings none.

    Args:
        model: The full model.
        weights: The adapter's weights, by the names that the model has.
    """
    embeddings = (model.get_input_embeddings(), model.get_output_embeddings())  # type: ignore[operator]
    names = [name for name, module in model.named_modules() if any(module is one for one in embeddings)]
    for name in names:
        for rest, axis in _ROWS.items():
            weight = weights.get(f"{_PREFIX}{name}.{rest}")
            if weight is not None:
                return int(weight.shape[axis])
    return None


_ROWS = {
    "weight": 0,
    "modules_to_save.weight": 0,
    "base_layer.weight": 0,
    "lora_embedding_A": 1,
    "lora_B.weight": 0,
}
"""The weights of a vocabulary's size that an adapter's file may hold, and the axis of its tokens."""


def copies(unused: Iterable[str], weights: Mapping[str, Tensor]) -> set[str]:
    """Those of the unused weights that are copies of one that is used: tied weights are in a file twice.

    Args:
        unused: Names of weights that the model has no place for.
        weights: All weights of the adapter.
    """
    left = set(unused)
    used = [weight for name, weight in weights.items() if name not in left]
    return {
        name
        for name in left
        if name in weights and any(one.shape == weights[name].shape and one.equal(weights[name]) for one in used)
    }
