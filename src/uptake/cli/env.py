"""`uptake env`: what is installed, for reports of bugs and for scripts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from uptake.cli.terminal import printable
from uptake.errors import UptakeError

PACKAGES = (
    "numpy",
    "pyarrow",
    "pydantic",
    "typer",
    "torch",
    "transformers",
    "tokenizers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "safetensors",
    "openai",
    "sentence-transformers",
)

_ASK_TORCH = """
import json, torch
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
devices = [f"cuda:{i} ({name})" for i, name in enumerate(names)] + ["mps"] * torch.backends.mps.is_available() + ["cpu"]
print(json.dumps(devices))
"""


def command(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    devices: Annotated[bool, typer.Option("--devices", help="Ask torch for its devices (takes seconds).")] = False,
) -> None:
    """Print versions, and on request devices."""
    import json as json_module

    facts = environment()
    if devices:
        facts["devices"] = torch_devices()
    if json:
        typer.echo(json_module.dumps(facts, indent=2))
        return
    rows = {**facts, **facts.pop("packages")}
    rows.pop("packages", None)
    for name, value in rows.items():
        shown = "not installed" if value is None else ", ".join(value) if isinstance(value, list) else str(value)
        typer.echo(f"{name:22}{printable(shown)}")


def environment() -> dict[str, Any]:
    """Versions and machine, read without importing any of the packages; None is not installed."""
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import uptake

    packages: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {
        "uptake": uptake.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": packages,
    }


def torch_devices() -> list[str]:
    """The devices that torch sees.

    Asked in a process of its own: a broken driver can hang or kill the one that asks.

    Raises:
        UptakeError: torch is not installed, or does not answer.
    """
    import json
    import subprocess
    import sys
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise UptakeError("torch is not installed, so its devices are unknown", fix="pip install 'uptake[train]'")
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH], capture_output=True, text=True, timeout=120, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        told = error.stderr.strip().splitlines()[-1:] if isinstance(error.stderr, str) else []
        raise UptakeError(
            " ".join(["torch cannot list its devices:", *told, str(error) if not told else ""]).strip(),
            fix='run `python -c "import torch"` to see the error',
        ) from None
    found: list[str] = json.loads(answer.stdout)
    return found
