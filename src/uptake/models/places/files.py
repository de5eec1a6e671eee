"""The files that a model's folder must hold. Importing this does not import torch: `uptake validate` looks at them."""

from __future__ import annotations

from pathlib import Path

from uptake.errors import UptakeError


def require_folder(folder: Path, name: str) -> None:
    """Refuse what is no folder of a model.

    Args:
        folder: What was named.
        name: How.

    Raises:
        UptakeError: It is a file, or does not hold what a model or an adapter is made of.
    """
    if not folder.is_dir():
        raise UptakeError(
            f"there is no model folder {name}",
            expected="a folder with config.json and *.safetensors (or adapter_config.json), or a hub id",
            fix="check the path",
        )
    if (folder / "adapter_config.json").exists():
        require_safetensors(folder, name, "adapter_model.safetensors")
        return
    require_safetensors(folder, name, "*.safetensors")
    if not (folder / "config.json").exists():
        raise UptakeError(
            f"no config.json in {name}",
            expected="the configuration of a causal language model of transformers",
            fix="save the whole model: model.save_pretrained(FOLDER)",
        )


def require_safetensors(folder: Path, name: str, wanted: str) -> None:
    """Refuse a folder without weights that are safe to load.

    Args:
        folder: The folder.
        name: How it was named.
        wanted: Pattern of the files with the weights.

    Raises:
        UptakeError: There are none.
    """
    if not any(folder.glob(wanted)):
        found = sorted(path.name for path in folder.iterdir())[:8]
        raise UptakeError(
            f"no {wanted} in {name}: found {', '.join(found) or 'nothing'}",
            expected="weights saved as safetensors (pickled weights can run code, so they are not loaded)",
            fix="convert once: load it where you trust it, then model.save_pretrained(FOLDER)",
        )
