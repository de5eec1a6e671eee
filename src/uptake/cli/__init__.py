"""The command `uptake`: one file a verb, each parses, calls and prints.

A verb's file has a function `command` and imports its work inside it, so that `uptake --help` starts at once. Verbs
that read a run file are registered with `cls=RunCommand`.
"""

from __future__ import annotations

import atexit
import errno
import os
import sys
from collections.abc import Sequence

import typer

from uptake.cli import (
    config_schema,
    conflicts,
    cure,
    demo,
    diagnose,
    diff,
    env,
    exposure,
    gate,
    lab,
    prescribe,
    report,
    rewrite,
    run,
    show,
    stream,
    train,
    validate,
    verify,
)
from uptake.cli.processes import processes
from uptake.cli.run_options import EPILOG, RunCommand
from uptake.cli.terminal import complain, printable, tolerate_any_text
from uptake.errors import UptakeError
from uptake.text import without_keys

app = typer.Typer(
    help="Find out what your fine-tune failed to learn, why, and fix it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    # --output-dir is --output_dir
    context_settings={
        "token_normalize_func": lambda name: name.replace("-", "_"),
        "help_option_names": ["-h", "--help"],
    },
)

app.command("diagnose", cls=RunCommand, epilog=EPILOG)(diagnose.command)
app.command("demo")(demo.command)
app.command("report", cls=RunCommand, epilog=EPILOG)(report.command)
app.command("run", cls=RunCommand, epilog=EPILOG)(run.command)
app.command("show", cls=RunCommand, epilog=EPILOG)(show.command)
app.command("prescribe", cls=RunCommand, epilog=EPILOG)(prescribe.command)
app.command("cure", cls=RunCommand, epilog=EPILOG)(cure.command)
app.command("stream", cls=RunCommand, epilog=EPILOG)(stream.command)
app.command("train", cls=RunCommand, epilog=EPILOG)(train.command)
app.command("verify", cls=RunCommand, epilog=EPILOG)(verify.command)
app.command("exposure", cls=RunCommand, epilog=EPILOG)(exposure.command)
app.command("conflicts", cls=RunCommand, epilog=EPILOG)(conflicts.command)
app.command("rewrite", cls=RunCommand, epilog=EPILOG)(rewrite.command)
app.command("diff")(diff.command)
app.command("gate", cls=gate.GateCommand, epilog=EPILOG)(gate.command)
app.command("validate", cls=RunCommand, epilog=EPILOG)(validate.command)
app.command("config-schema")(config_schema.command)
app.command("env")(env.command)
app.add_typer(lab.app, name="lab")

EXTRAS = {
    "train": (
        *("accelerate", "datasets", "huggingface_hub", "peft", "safetensors"),
        *("tokenizers", "torch", "transformers", "trl"),
    ),
    "llm": ("openai",),
    "corpus": ("lancedb",),
    "embed": ("sentence_transformers",),
    "ray": ("ray",),
    "vllm": ("vllm",),
}
"""The packages that each of uptake's extras installs."""


@app.callback(invoke_without_command=True)
def options(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error (or set UPTAKE_DEBUG=1)."),
) -> None:
    """Find out what your fine-tune failed to learn, why, and fix it."""
    if version:
        import uptake

        typer.echo(f"uptake {uptake.__version__}")
        raise typer.Exit


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line and exits.

    Exit codes: 0 done, 1 an error of the input or a bug, 2 the command line is wrong, 130 interrupted.

    Args:
        argv: The command line after `uptake`; None takes the process's own.

    Raises:
        SystemExit: Always.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in args or os.environ.get("UPTAKE_DEBUG", "0") not in ("", "0")
    tolerate_any_text()
    try:
        # taken out here, --debug may stand anywhere
        code = _run([arg for arg in args if arg != "--debug"])
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        if debug:
            import traceback

            typer.echo(printable(traceback.format_exc()), err=True)
        complain(without_keys(_message(error)))
        code = 1
    if code == 130:
        typer.echo("interrupted", err=True)
    if processes().world > 1:
        _leave(code)
    raise SystemExit(code)


def _leave(code: int) -> None:
    """End one of several processes without taking torch apart, which may never end.

    The destructor of a gloo process group joins, holding the interpreter's lock, threads that may be waiting for it.
    """
    atexit._run_exitfuncs()  # what a tracker such as wandb still has to send
    for out in (sys.stdout, sys.stderr):
        if out is not None:
            out.flush()
    os._exit(code)


def _run(args: list[str]) -> int:
    """The exit code of the command line; a reader that went away (`| head`) is no error."""
    try:
        try:
            app(args, prog_name="uptake")
        except SystemExit as leave:
            if sys.stdout is not None:  # closed by the one who started this: `>&-`
                sys.stdout.flush()
            return leave.code if isinstance(leave.code, int) else 0
    except BrokenPipeError:
        # what is still in the buffer goes nowhere, or Python would complain about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _message(error: Exception) -> str:
    if isinstance(error, UptakeError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        for extra, packages in EXTRAS.items():
            if package in packages:
                return f"this needs {package}, which is not installed\nfix: pip install 'uptake[{extra}]'"
    if isinstance(error, UnicodeEncodeError):
        return (
            f"a name or a text cannot be written in the encoding of this system, {error.encoding}: {error.object!r}"
            "\nfix: export LC_ALL=C.UTF-8"
        )
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = str(error.filename or "")
        longest = max((len(os.fsencode(part)) for part in name.split(os.sep)), default=0)
        return (
            f"a path of {len(os.fsencode(name)):,} bytes, whose longest name has {longest:,}, is too long: "
            f"{name[:40]}...\nexpected: at most 255 bytes a name and 4,096 in all\nfix: give a shorter one"
        )
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}" + (f": {error.filename}" if error.filename else "")
    return (
        f"this is a bug in uptake: {type(error).__name__}: {error}\n"
        "please report it at the project's issue tracker, with the output of `uptake env` and the traceback, "
        "which --debug shows"
    )
