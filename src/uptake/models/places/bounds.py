"""Bounds on what a model's folder makes us do: a template or a pattern may ask for any time and any memory.

Chat templates are programs, and patterns of adapters are regular expressions. Sandboxes keep both from harm, but not
from `'a' * 9000000000`, loops in loops, or `(a+)+$`, and neither can be stopped from within: Python waits for the one
operation. So each is tried once in a process of its own, which may be ended, before it is used here.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from uptake.errors import UptakeError

SECONDS = 10
"""Of one processor, and twice as many by the clock."""
BYTES = 1 << 30
MOST_CHARACTERS = BYTES // 64
MOST_PARTS = 10_000
"""Layers, heads or experts of a model; the largest have some hundred."""

_PARTS = re.compile(r"^n_layers?$|^n_heads?$|(^|_)(num|n)_.*(layers?|blocks?|heads?|experts?|stages?)$|_layers$")
_KERNEL = re.compile(r"^[^/:]+/[^/:]+(@[^/:]+)?(:[^/:]+)?$")
"""What transformers takes for a kernel of the hub, whose compiled code it fetches and runs."""

_tried: set[str] = set()

CONVERSATION = (
    {"role": "system", "content": "Answer."},
    {"role": "user", "content": "Where is Oslo?"},
    {"role": "assistant", "content": "In Norway."},
)

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "find",
            "description": "Finds a place.",
            "parameters": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        },
    }
]
"""Some models have a template of its own for conversations with tools."""


def within(work: Callable[[], object], what: str, fix: str) -> None:
    """Do some work in a process of its own, to see that it ends; on Linux alone, elsewhere nothing is done.

    Args:
        work: What is tried; errors that it raises are none here.
        what: What is said of it, as the subject of a sentence.
        fix: What to do where it does not end.

    Raises:
        UptakeError: It takes more than `SECONDS`, or more memory than `BYTES`.
    """
    if sys.platform != "linux":  # a process that is forked elsewhere may not go on
        return
    read, write = os.pipe()
    with warnings.catch_warnings(), _told("TOKENIZERS_PARALLELISM", "true"):  # else tokenizers prints a warning
        warnings.simplefilter("ignore")  # of threads and of lance, none of which the work needs
        child = os.fork()
    if child == 0:
        _work(work, write)
    os.close(write)
    try:
        ready, _, _ = select.select([read], [], [], 2 * SECONDS)
        said = os.read(read, 1) if ready else b"t"
    finally:
        os.close(read)
        os.kill(child, signal.SIGKILL)  # it is ours until it is waited for
        os.waitpid(child, 0)
    if said == b".":
        return
    limit = f"{BYTES >> 30} GiB of memory" if said == b"m" else f"{SECONDS} seconds"
    raise UptakeError(f"{what} takes more than {limit}", fix=fix)


@contextmanager
def _told(name: str, value: str) -> Iterator[None]:
    """An environment variable set for a moment, where it is not set."""
    there = name in os.environ
    os.environ.setdefault(name, value)
    try:
        yield
    finally:
        if not there:
            del os.environ[name]


def _work(work: Callable[[], object], write: int) -> None:
    """In the child: report `.` for done or refused, `m` for no memory; nothing where it is ended."""
    said = b"."
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            own = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (own + BYTES, own + BYTES))
        work()
    except MemoryError:
        said = b"m"
    except BaseException:  # refusals are told when the work is done in earnest
        pass
    finally:
        os.write(write, said)
        os._exit(0)


def require_bounded_template(tokenizer: Any, name: str) -> None:
    """See that a tokenizer's chat template writes a short conversation in bounded time and memory.

    Args:
        tokenizer: The tokenizer.
        name: What errors call the model.

    Raises:
        UptakeError: It does not.
    """
    if tokenizer.chat_template is None or (text := str(tokenizer.chat_template)) in _tried:
        return

    def write() -> None:
        shorter = ((CONVERSATION, None), (CONVERSATION[1:], None), (CONVERSATION[1:2], None))
        for turns, tools in (*shorter, (CONVERSATION[1:], TOOLS)):
            for more in (False, True):
                try:
                    text = tokenizer.apply_chat_template(
                        list(turns), tools=tools, tokenize=False, add_generation_prompt=more
                    )
                except MemoryError:
                    raise
                except Exception:  # it may refuse one and not the other
                    continue
                if len(text) > MOST_CHARACTERS:
                    raise MemoryError

    within(write, f"the chat template of {name}", "give another one with `--chat_template FILE`")
    _tried.add(text)


def require_bounded_patterns(config: Any, layers: Iterable[str], name: str) -> None:
    """See that the patterns of an adapter are looked for in the names of layers in bounded time.

    Args:
        config: The adapter's configuration.
        layers: The names of the model's layers.
        name: What errors call the adapter.

    Raises:
        UptakeError: They are not.
    """
    patterns = list(dict.fromkeys(_patterns(config)))
    if not any(re.search(r"[*+{?|]", one) for one in patterns):
        return
    names = list(layers)

    def look() -> None:
        for pattern in patterns:
            with suppress(re.error):
                for find in map(partial(re.compile), (pattern, rf"(.*\.)?({pattern})$")):
                    for one in names:
                        find.match(one)
                        find.fullmatch(one)

    within(look, f"looking for the layers of {name} by the patterns of its settings", "name the layers in a list")


def _patterns(config: Any) -> Iterator[str]:
    """The settings of an adapter that are regular expressions."""
    for name in ("target_modules", "exclude_modules", "layers_pattern", "target_parameters"):
        value = getattr(config, name, None)
        yield from [value] if isinstance(value, str) else []
        if name == "layers_pattern" and isinstance(value, list | tuple):
            yield from map(str, value)
    for name in ("rank_pattern", "alpha_pattern"):
        value = getattr(config, name, None)
        yield from map(str, value) if isinstance(value, Mapping) else ()


def require_sensible_config(fields: Mapping[str, Any], where: str, *, trust: bool) -> None:
    """Refuse a configuration that asks for more parts than any model has, or for compiled code of somebody's.

    Args:
        fields: What stands in config.json.
        where: The file.
        trust: Whether code that comes with the model may run.

    Raises:
        UptakeError: It does.
    """
    for name, value in _fields(fields):
        count = isinstance(value, int | float) and not isinstance(value, bool) and _PARTS.search(name)
        if count and not value <= MOST_PARTS:
            raise UptakeError(
                f"{where}: {name} is {str(value)[:40]}",
                expected=f"no more than {MOST_PARTS:,}",
                fix="correct config.json",
            )
        named = value.values() if isinstance(value, Mapping) else [value]
        kernel = next((one for one in named if isinstance(one, str) and _KERNEL.search(one.rpartition("|")[2])), None)
        if name.endswith("_implementation") or name.endswith("_implementation_internal"):
            if kernel is not None and not trust:
                raise UptakeError(
                    f"{where}: {name} is {kernel[:100]!r}, a kernel of the hub, whose compiled code would run",
                    expected="an attention of transformers: eager, sdpa, ...",
                    fix=f"delete {name} from it; or, if you trust that code, pass --trust_remote_code true",
                )


def _fields(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """All keys with their values, those of the parts of a model too."""
    for name, value in fields.items():
        yield name, value
        if isinstance(value, Mapping):
            yield from _fields(value)
