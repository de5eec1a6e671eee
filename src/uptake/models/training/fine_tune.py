"""Supervised fine-tuning with TRL: examples in, a model directory out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import transformers
from transformers.trainer_callback import PrinterCallback

from uptake.errors import UptakeError
from uptake.models.places.directory import new_directory, require_new
from uptake.models.places.quiet import progress_bars
from uptake.models.training.settings import arguments
from uptake.models.training.start import Start, load_start
from uptake.types import Example


def fine_tune(
    base: Path | str | Start,
    examples: Sequence[Example],
    out: Path,
    settings: Mapping[str, Any],
    callbacks: Sequence[transformers.TrainerCallback] = (),
) -> Path:
    """Fine-tune a causal language model on the responses of examples, and save it with its tokenizer.

    The loss is on the response alone, rows are neither packed nor reported to any service, and no checkpoints are
    kept, unless the settings say otherwise. The same examples, settings and machine give the same weights.

    Args:
        base: Directory or hub id of full weights; a `Start` also says with which adapter.
        examples: All text or all chat; an example without a prompt is trained on as a whole.
        out: Directory to create; it appears when training is done.
        settings: Fields of TRL's `SFTConfig`; what is left out has TRL's default.
        callbacks: Further callbacks for the trainer.

    Returns:
        `out`.

    Raises:
        UptakeError: `out` exists, there are no examples, they mix text and chat, or a setting is unknown or refused.
    """
    from trl import SFTTrainer

    require_new(out)
    rows = training_rows(examples)
    name = base.name if isinstance(base, Start) else str(base)
    tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    with new_directory(out) as directory, progress_bars(shown=not settings.get("disable_tqdm", False)):
        args = arguments(settings, directory)
        transformers.set_seed(args.seed)  # new adapters are drawn
        trainer = SFTTrainer(
            model=load_start(base, {}) if isinstance(base, Start) else name,
            args=args,
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=list(callbacks),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        trainer.save_model(str(directory))
        # the one pickle among the saved files; the settings are the caller's already
        (directory / "training_args.bin").unlink(missing_ok=True)
    return out


def training_rows(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Examples as TRL's prompt/completion rows: text as it stands, chat as lists of turns.

    Arguments of the chat template become TRL's columns `tools` (as JSON) and `chat_template_kwargs`.

    Raises:
        UptakeError: There are no examples, text is mixed with chat, or only some have a certain template argument.
    """
    if not examples:
        raise UptakeError("there are no examples to train on", expected="at least one")
    chats = [not isinstance(example.prompt, str) for example in examples]
    if any(chats) != all(chats):
        odd = examples[chats.index(not chats[0])]
        raise UptakeError(
            f"examples mix text and chat: {examples[0].id!r} and {odd.id!r} differ",
            expected="one format in a training run",
            fix="train them as two stages, or write the text examples as messages",
        )
    for example in examples:
        if example.template.keys() != examples[0].template.keys():
            raise UptakeError(
                f"{example.id!r} and {examples[0].id!r} have different chat template arguments: "
                f"{sorted(example.template)} and {sorted(examples[0].template)}",
                expected="the same ones in all examples of a training run",
            )
    return [_row(example) for example in examples]


def _row(example: Example) -> dict[str, Any]:
    if isinstance(example.prompt, str):
        return {"prompt": example.prompt, "completion": example.response}
    response = {"role": "assistant", "content": example.response, **example.response_extra}
    row: dict[str, Any] = {
        "prompt": [message.as_dict() for message in example.prompt],
        "completion": [response],
    }
    template = dict(example.template)
    if "tools" in template:
        row["tools"] = json.dumps(template.pop("tools"), ensure_ascii=False)
    if template:
        row["chat_template_kwargs"] = template
    return row
