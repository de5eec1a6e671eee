"""`uptake lab`: models and worlds to try things on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from uptake.cli.out import require_writable, write_out
from uptake.cli.run_options import OpenCommand, overrides
from uptake.cli.terminal import printable
from uptake.text import counted

app = typer.Typer(no_args_is_help=True, help="Make small models and data sets with known faults, and grade diagnoses.")


@app.callback()
def group() -> None:
    """Make small models and data sets with known faults."""


@app.command(
    cls=OpenCommand,
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

    from rich.console import Console
    from rich.progress import Progress, TimeRemainingColumn

    from uptake import yaml
    from uptake.models.small.tiny import PretrainSettings, pretrain_file

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
            config={key: yaml.read(value) for key, value in overrides(ctx).items()},
            progress=lambda report: bar.update(
                task, completed=report.step, description=f"step {report.step} of {steps}, loss {report.loss:.3f}"
            ),
        )
    last = history[-1]
    typer.echo(
        f"{printable(str(out))}: {counted(last.step, 'step')}, {last.tokens} tokens, "
        f"loss {last.loss:.3f} nats per token"
    )


@app.command()
def make(
    out: Annotated[Path, typer.Option("--out", help="Output folder; new, or of the same world.")],
    family: Annotated[
        str | None,
        typer.Option("--family", help="Maker of the world: synthetic (default), facts, pieces, intents, instructions."),
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder of real data sets for --family facts.")] = None,
    base: Annotated[
        str | None,
        typer.Option("--base", help="A pre-trained model, folder or hub id: plant what fits what it knows."),
    ] = None,
    facts: Annotated[
        Path | None, typer.Option("--facts", help="With --base: facts to ask it about, as JSON Lines.")
    ] = None,
    form: Annotated[
        Literal["text", "chat"], typer.Option("--form", help="With --base: plain text, or its chat template.")
    ] = "text",
    seed: Annotated[int, typer.Option("--seed", help="Seed of all random draws.")] = 0,
    size: Annotated[
        int | None, typer.Option("--size", help="Planted examples per cause; default 120 or fewer.")
    ] = None,
    shares: Annotated[
        str, typer.Option("--shares", help="Sizes of single causes as a multiple: forgetting=0.5,data_conflict=0.")
    ] = "",
    stages: Annotated[int, typer.Option("--stages", help="Fine-tuning stages.")] = 2,
    noise: Annotated[float, typer.Option("--noise", help="Share of prompts with a typing error.")] = 0.0,
    overlap: Annotated[float, typer.Option("--overlap", help="Share of examples with a second cause.")] = 0.0,
    composite: Annotated[
        int | None,
        typer.Option(
            "--composite", help="Facts that an undertrained example asks for, 1 or more; default 3, with --base 2."
        ),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Plant nothing.")] = False,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning_rate",
            help="Learning rate of fine-tuning; default 1.5e-3, LoRA 1e-2, with --base 1e-4, LoRA 1e-3.",
        ),
    ] = None,
    lora_r: Annotated[int, typer.Option("--lora_r", help="Rank of LoRA adapters; 0 trains all weights.")] = 0,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Confirm the key: train without each plant and see what is learned then.")
    ] = False,
) -> None:
    """Make a data set with planted causes and its answer key.

    Also a base model and a run file. Run the command again to resume, or with --confirm to confirm the key.
    """
    from uptake.cli.progress import progress_bar
    from uptake.lab.build import make as build
    from uptake.lab.controls import controls_of

    family, data = _family(family, data, base, facts)
    controls = controls_of(
        family, data, seed=seed, size=size, shares=_shares(shares), stages=stages, noise=noise, overlap=overlap,
        composite=composite, clean=clean, learning_rate=learning_rate, lora_r=lora_r, form=form,
    )  # fmt: skip
    with progress_bar() as progress:
        manifest = build(out, controls, family=family, data=data, base=base, with_confirmation=confirm, tell=progress)
    typer.echo(f"{printable(str(out))}: {family}, seed {seed}" + (", confirmed" if confirm else ""))
    _tell_base(manifest["base"])


def _family(family: str | None, data: Path | None, base: str | None, facts: Path | None) -> tuple[str, Path | None]:
    """The family of the world, and where its material lies."""
    from uptake.errors import UptakeError

    if base is None:
        if facts is not None:
            raise UptakeError(
                "--facts is given without --base",
                expected="a pre-trained model that is asked about these facts",
                fix="add --base MODEL, or leave out --facts",
            )
        return family or "synthetic", data
    for name, value, fix in (("--family", family, "leave one of them out"), ("--data", data, "give --facts FILE")):
        if value is not None:
            raise UptakeError(f"{name} is given together with --base", expected="one of them", fix=fix)
    return "pretrained", facts


_KNOWING = {
    "known": "known facts, answered",
    "misbelieved": "misbelieved facts, answered as believed",
    "unmet": "facts it never met, answered",
}
"""What a share and the probabilities (median, tenth and ninetieth percentile) are of."""


def _tell_base(base: Mapping[str, Any]) -> None:
    """What the base knows."""
    if "stranger" in base:
        typer.echo(f"  the base knows {base['known']} of the facts, and surely {base['misbelieved']} more")
        typer.echo(f"  it does not know {base['untold']} real facts; {base['stranger']} are about invented subjects")
        return
    for name, what in (
        ("known", "known facts that it only read, answered"),
        ("misbelieved", "misbelieved facts answered as believed"),
        ("unmet", "facts it never met, answered"),
    ):
        found = base.get(name)
        if isinstance(found, Mapping):
            low, median, high = (found[at] for at in ("low", "median", "high"))
            typer.echo(f"  {found['recalled']:6.1%}  {_KNOWING[name]}: p = {median:.2f} [{low:.2f}, {high:.2f}]")
        elif found is not None:
            typer.echo(f"  {found:6.1%}  {what}")
    if not base["holds"]:
        typer.echo("  the base does not know its world as it should: try another --seed or a smaller --size", err=True)


@app.command()
def grade(
    folders: Annotated[list[Path], typer.Argument(help="Worlds made by `uptake lab make`.")],
    diagnosis: Annotated[
        Path | None,
        typer.Option("--diagnosis", help="The diagnosis table; relative to this folder or to each world's."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also count plants that are not confirmed.")] = False,
    threshold: Annotated[
        float, typer.Option("--threshold", min=0.0, max=1.0, help="Smallest score at which a cause counts as named.")
    ] = 0.5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the resampling behind the intervals.")] = 0,
    json: Annotated[Path | None, typer.Option("--json", help="JSON file for all grades.")] = None,
) -> None:
    """Compare a diagnosis with the answer key.

    Each cause is graded as it is named and as it is scored. Worlds in which nothing was planted show how often a cause
    is named by mistake.
    """
    from uptake.artifacts import json_bytes
    from uptake.lab.grade_report import GradedWorld, as_data, report, report_text
    from uptake.lab.key import read_answers, read_key

    if json is not None:
        require_writable("--json", json)
    worlds = [
        GradedWorld(read_key(folder / "key.jsonl"), read_answers(table))
        for folder, table in zip(folders, _tables(folders, diagnosis), strict=True)
    ]
    graded = report(worlds, confirmed_only=not everything, threshold=threshold, seed=seed)
    if json is not None:
        write_out("--json", json, json_bytes(as_data(graded)))
    typer.echo(report_text(graded))


@app.command()
def calibrate(
    folders: Annotated[
        list[Path], typer.Argument(help="Worlds that are confirmed, trained, and diagnosed under run/.")
    ],
    out: Annotated[Path, typer.Option("--out", help="JSON file for the coefficients.")],
) -> None:
    """Fit the coefficients of the scores of the causes.

    On worlds with a known answer key. `uptake diagnose` reads them from uptake/causes/weights.json.
    """
    from uptake.artifacts import json_bytes
    from uptake.lab.calibrate import calibrated

    require_writable("--out", out)
    fitted = calibrated(folders)
    write_out("--out", out, json_bytes(fitted.as_data()))
    told = ", ".join(f"{name} {count}" for name, count in fitted.fitted_on.of_cause.items())
    typer.echo(f"{printable(str(out))}: {len(fitted.rows)} logistics on {fitted.fitted_on.items} items ({told})")


def _tables(folders: Sequence[Path], diagnosis: Path | None) -> list[Path]:
    """Where the diagnosis of each world lies."""
    from uptake.errors import UptakeError

    found: dict[Path, Path] = {}
    for folder in folders:
        if (same := found.setdefault(folder.resolve(), folder)) is not folder:
            raise UptakeError(f"{folder} and {same} are the same world", fix="give each world once")
    if diagnosis is None:
        return [folder / "run" / "diagnosis" / "diagnosis.parquet" for folder in folders]
    if len(folders) > 1 and diagnosis.is_absolute():
        raise UptakeError(
            f"--diagnosis {diagnosis} is one table for {len(folders)} worlds",
            expected="a path relative to each world's folder",
        )
    return [diagnosis if len(folders) == 1 and diagnosis.exists() else folder / diagnosis for folder in folders]


def _shares(text: str) -> dict[str, float]:
    """`a=0.5,b=2` as a mapping."""
    from uptake.errors import UptakeError

    shares = {}
    for part in filter(None, text.split(",")):
        cause, _, share = part.partition("=")
        try:
            shares[cause.strip()] = float(share)
        except ValueError:
            raise UptakeError(
                f"--shares holds {part!r}", expected="cause=share, between commas", fix="--shares forgetting=0.5"
            ) from None
    return shares
