"""`uptake lab`: models and worlds to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uptake.cli.run_options import RunCommand, overrides
from uptake.cli.terminal import printable

app = typer.Typer(no_args_is_help=True, help="Models and worlds to try things on.")


@app.callback()
def group() -> None:
    """Models and worlds to try things on."""


@app.command(
    cls=RunCommand,
    epilog="Any other option is a field of the architecture's config: --hidden_size 256, --num_hidden_layers 4.",
)
def pretrain(
    ctx: typer.Context,
    text: Annotated[Path, typer.Option("--text", help="UTF-8 text, one document a line.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the model; must not exist.")],
    model_type: Annotated[str, typer.Option("--model_type", help="A causal architecture of transformers.")] = "llama",
    vocab_size: Annotated[int, typer.Option("--vocab_size", help="Size of the byte-level BPE vocabulary.")] = 4096,
    steps: Annotated[int, typer.Option("--steps", help="Optimiser steps.")] = 1000,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Rows per step.")] = 64,
    learning_rate: Annotated[float, typer.Option("--learning_rate", help="Peak learning rate (AdamW).")] = 3e-3,
    max_length: Annotated[int, typer.Option("--max_length", help="Tokens per row.")] = 256,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the weights and of the rows' order.")] = 0,
) -> None:
    """Make a small model from a text file.

    Trains a tokenizer, builds the architecture with random weights, and pre-trains it.
    """
    import sys

    import yaml
    from rich.console import Console
    from rich.progress import Progress, TimeRemainingColumn

    from uptake.models.tiny import PretrainSettings, pretrain_file

    settings = PretrainSettings(
        steps=steps, batch_size=batch_size, learning_rate=learning_rate, max_length=max_length, seed=seed
    )
    columns = ("[progress.description]{task.description}", TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("reading", total=steps)
        history = pretrain_file(
            text,
            out,
            model_type=model_type,
            vocab_size=vocab_size,
            settings=settings,
            config={key: yaml.safe_load(value) for key, value in overrides(ctx).items()},
            progress=lambda report: bar.update(
                task, completed=report.step, description=f"step {report.step} of {steps}, loss {report.loss:.3f}"
            ),
        )
    last = history[-1]
    typer.echo(f"{printable(str(out))}: {last.step} steps, {last.tokens} tokens, loss {last.loss:.3f} nats per token")
