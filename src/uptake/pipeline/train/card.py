"""The model card of a trained stage: what was trained on what and how, from the manifest and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uptake import yaml
from uptake.pipeline.train.stage_plan import StagePlan
from uptake.text import code_span


def model_card(model: str, found: StagePlan, manifest: Mapping[str, Any]) -> str:
    """A stage's README.md, with the metadata that the Hugging Face hub reads.

    TRL writes a card, too, but of a single run: it does not know the stages, the data or the ledger, and links to hub
    pages of models that lie in a folder.

    Args:
        model: Path or hub id of the run's base.
        found: The stage.
        manifest: Its manifest.
    """
    base = _shown(model)
    local = Path(model).exists()
    adapter = found.job.start.adapts
    metadata = {
        **({} if local else {"base_model": base}),  # the hub would look for a folder's name among its models
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["uptake", "sft", *(["lora"] if adapter else [])],
    }
    start = (
        code_span(base) if found.start == base else f"the stage `{found.start}`, which starts from {code_span(base)}"
    )
    what = "A LoRA adapter" if adapter else "All weights"
    lines = [
        "---",
        yaml.write(metadata).strip(),
        "---",
        "",
        f"# {found.stage}",
        "",
        f"{what} of {code_span(base)}, fine-tuned with `uptake train`: the stage `{found.stage}`, from {start}.",
        "",
        "## Data",
        "",
        f"{code_span(_shown(found.dataset))}: {manifest['examples']} examples, {manifest['tokens']} tokens, of which "
        f"{manifest['trained_tokens']} are learned. {manifest['left_out']} rows were left out.",
        "",
        *_table(("file", "BLAKE2b"), manifest["files"]),
        f"Content of the rows: `{manifest['data']['content']}`.",
        "",
        "## Training",
        "",
        f"{manifest['steps']} optimisation steps in {manifest['processes']} process(es), seed {manifest['seed']}. "
        f"{_losses(manifest)}",
        "",
        *_table(("setting", "value"), manifest["settings"]),
        *_table(("LoRA setting", "value"), manifest["peft"] or {}),
        *_table(("strategy", "settings"), {one["name"]: one["settings"] for one in manifest["strategies"]}),
        "All other settings have the defaults of the versions below.",
        "",
        *_table(("package", "version"), {name: v for name, v in manifest["versions"].items() if v is not None}),
        "## Use",
        "",
        "```python",
        *_use("THE BASE MODEL'S FOLDER" if local else base, adapter),
        "```",
        "",
    ]
    return "\n".join(lines)


def _shown(name: str) -> str:
    """A path's last name, which is all of it that says something on another machine; a hub id as it is."""
    return Path(name).name if Path(name).exists() else name


def _losses(manifest: Mapping[str, Any]) -> str:
    if manifest["loss_start"] is None or manifest["loss_end"] is None:
        return "No loss was noted."
    text = f"Loss: {manifest['loss_start']:.3f} nats a token at the start, {manifest['loss_end']:.3f} at the end."
    if manifest["recalled"] is not None:
        text += (
            f" {manifest['recalled']:.1%} of the examples are recalled after the stage (greedy decoding gives them)."
        )
        if manifest["cut"]:
            text += f" Of these, {manifest['cut']} were cut to max_length and count by what was left of them."
    return text


def _table(head: tuple[str, str], values: Mapping[str, Any]) -> list[str]:
    if not values:
        return []
    rows = [
        f"| {name if name.isidentifier() else code_span(name)} | "
        f"{code_span(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))} |"
        for name, value in values.items()
    ]
    return [f"| {head[0]} | {head[1]} |", "|---|---|", *rows, ""]


def _use(base: str, adapter: bool) -> list[str]:
    load = [
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        'tokenizer = AutoTokenizer.from_pretrained("THIS FOLDER")',
    ]
    if not adapter:
        return [*load, 'model = AutoModelForCausalLM.from_pretrained("THIS FOLDER")']
    return [
        "from peft import PeftModel",
        *load,
        f'model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({json.dumps(base)}), "THIS FOLDER")',
    ]
