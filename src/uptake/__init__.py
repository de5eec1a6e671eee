"""Find out what your fine-tune failed to learn, why, and fix it.

The names below load on first use, so that `import uptake` needs neither torch nor pyarrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uptake.data import load as load
    from uptake.errors import UptakeError as UptakeError
    from uptake.models.ledger.callback import LedgerCallback as LedgerCallback
    from uptake.pipeline.diagnose.run import diagnose as diagnose
    from uptake.pipeline.diagnosis import Diagnosis as Diagnosis
    from uptake.types import Example as Example
    from uptake.types import Finding as Finding

    __version__: str

PUBLIC = {
    "Diagnosis": "uptake.pipeline.diagnosis",
    "Example": "uptake.types",
    "Finding": "uptake.types",
    "LedgerCallback": "uptake.models.ledger.callback",
    "UptakeError": "uptake.errors",
    "diagnose": "uptake.pipeline.diagnose.run",
    "load": "uptake.data",
}
"""Every public name and the module that defines it; at most 15."""

__all__ = ["Diagnosis", "Example", "Finding", "LedgerCallback", "UptakeError", "diagnose", "load"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in PUBLIC:
        raise AttributeError(f"module 'uptake' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def _version() -> str:
    # imported here: importlib.metadata costs more than the rest of `import uptake` together
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("uptake")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
