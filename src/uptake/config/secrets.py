"""Which settings hold a key of somebody's, by their names: they are refused, or at least not shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SECRET = re.compile(
    r"(^|_)((api|access|private|secret)[_-]?keys?|tokens?|secrets?|passwords?|passwd|credentials?)$", re.IGNORECASE
)
_SENSITIVE = re.compile(
    r"(^|[_.-])(auth|authori[sz]ation|bearer|cookies?|headers?|keys?|pass|passphrase|pwd|pat|signature|tokens?|secrets?"
    r"|passwords?)($|[_.-])",
    re.IGNORECASE,
)
_OF_TEXT = re.compile(
    r"^(.*_)?tokens$|(^|_)(eos|bos|pad|unk|sep|cls|mask|image|video|audio|begin|end|start|stop)_token$", re.IGNORECASE
)


def is_secret(name: str) -> bool:
    """Whether a setting of that name holds a key of somebody's; the tokens of a tokenizer are none."""
    return _SECRET.search(name) is not None and _OF_TEXT.search(name) is None


def is_sensitive(name: str) -> bool:
    """Whether what stands under a setting of that name may be a key of somebody's, and is not to be shown."""
    told = is_secret(name) or _SENSITIVE.search(name) is not None or name.lower().endswith(("key", "token", "secret"))
    return told and _OF_TEXT.search(name) is None


def no_secret(settings: Any, within: str = "") -> Any:
    """Refuse settings that hold a key: run files are shared."""
    items = settings.items() if isinstance(settings, Mapping) else ()
    for name, value in items:
        key = f"{within}{name}"
        if isinstance(name, str) and is_secret(name) and value is not None and not isinstance(value, bool):
            raise ValueError(f"no {key}: keys do not belong in files; log in with `hf auth login`")
        for below in value if isinstance(value, list | tuple) else [value]:
            no_secret(below, f"{key}.")
    return settings
