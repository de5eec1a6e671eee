"""Every key of the run file as an option of the verbs that read one: `--seed 1`, `--training.learning_rate 1e-3`."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from uptake.text import without_keys

EPILOG = (
    "Every key of the run file is an option and beats the file: --seed 1, --training.learning_rate 1e-3, "
    "--stages.0.dataset other.jsonl. In brackets: the default. Keys that only other verbs read are accepted too. "
    "`uptake config-schema` and docs/reference/run-file.md describe all keys in full."
)

_META = "uptake.overrides"


class Verbs(TyperGroup):
    """The verbs of the command line; one of them may be two words, of which the first alone is a verb too."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the verb that a command line begins with."""
        two = " ".join(args[:2])
        return super().resolve_command(ctx, [two, *args[2:]] if two in self.commands else args)


class OpenCommand(TyperCommand):
    """A verb that takes options beyond its own; `overrides` hands them over.

    They are taken out before the parser sees them: it would mistake their values for arguments.
    """

    context_class = typer.Context

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Sets the unknown options aside and parses the rest."""
        declared = [name for param in self.params for name in (*param.opts, *param.secondary_opts)]
        known = {_key(name) for name in (*declared, *ctx.help_option_names)}
        # while a shell completes the line, its last option has no value yet
        rest, ctx.meta[_META] = split(args, known, whole=not ctx.resilient_parsing)
        try:
            parsed: list[str] = super().parse_args(ctx, rest)
        except typer.BadParameter:
            raise
        except Exception as error:  # click's UsageError, which typer brings under a name of its own
            if isinstance(message := getattr(error, "message", None), str):
                error.message = without_keys(message)  # type: ignore[attr-defined]
            raise
        return parsed


class RunCommand(OpenCommand):
    """A verb that reads a run file: its options beyond its own are the file's keys."""

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Offers the verb's own options and the keys of the run file."""
        found: list[Any] = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            from uptake.cli.keys import options

            item: Any = type(super().shell_complete(ctx, "--")[0])  # --help is always among them
            known = {one.value for one in found}
            fitting = ((name, about) for name, about in options() if name.startswith(incomplete))
            found += [item(name, help=about) for name, about in fitting if name not in known]
        return found

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the verb's own options, then the keys of the run file that it reads."""
        super().format_options(ctx, formatter)
        from uptake.cli.keys import grouped

        own = {name for param in self.params for name in param.opts}
        for title, rows in grouped(ctx.info_name):
            with formatter.section(title):
                formatter.write_dl([row for row in rows if row[0].split()[0] not in own])


def overrides(ctx: typer.Context) -> dict[str, str]:
    """The options beyond the verb's own, by (dotted) key, as text for `uptake.config.load_run`."""
    return dict(ctx.meta[_META])


def as_typed(ctx: typer.Context) -> list[str]:
    """The same options as words for a shell: a command that follows needs them too, to find the same run."""
    return [word for key, value in overrides(ctx).items() for word in (f"--{key}", shlex.quote(value))]


def split(args: Sequence[str], known: Collection[str], *, whole: bool = True) -> tuple[list[str], dict[str, str]]:
    """Parts a command line into what a verb declares and the options beyond.

    Args:
        args: The command line after the verb.
        known: The verb's own options, without leading dashes, with underscores.
        whole: Whether the line is complete; an option without a value is an error only then.

    Returns:
        The verb's own arguments and options as they stood, and key and value of the others; the last of a key wins.

    Raises:
        typer.BadParameter: An option beyond the verb's own has no value.
    """
    rest: list[str] = []
    beyond: dict[str, str] = {}
    tokens = iter(args)
    for token in tokens:
        name, equals, value = token.partition("=")
        if token == "--":
            rest += [token, *tokens]
        elif not token.startswith("--") or _key(name) in known:
            rest.append(token)
        else:
            if not equals:
                value = next(tokens, "--")
                if value.startswith("--") and whole:
                    raise typer.BadParameter(
                        f"{(name := without_keys(name))} has no value: write {name} VALUE or {name}=VALUE"
                    )
            beyond[_key(name)] = value
    return rest, beyond


def _key(option: str) -> str:
    return option.lstrip("-").replace("-", "_")
