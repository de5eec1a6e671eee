"""One self-contained HTML file: the template filled, the data packed behind it, a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from uptake import yaml
from uptake.causes import CAUSES
from uptake.report.charts import heat
from uptake.report.heat import KINDS
from uptake.report.overview import NO_CAUSE, title
from uptake.report.rows import BLOCK, CAUSE_CODES
from uptake.text import printable

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("data.js", "dom.js", "chart.js", "differences.js", "heat.js", "drawer.js", "table.js", "main.js")
"""In this order they become one script: no build step, and one hash in the policy."""


@cache
def script() -> str:
    """The page's script."""
    parts = [(ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return "(() => {\n'use strict';\n" + "\n".join(parts) + "})();\n"


@cache
def style() -> str:
    """The page's style sheet."""
    return (ASSETS / "style.css").read_text(encoding="utf-8")


def policy() -> str:
    """The Content Security Policy: this script and this style sheet, and no request to anywhere."""
    hashes = {name: _hash(text) for name, text in (("script", script()), ("style", style()))}
    return (
        f"default-src 'none'; script-src '{hashes['script']}'; style-src '{hashes['style']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def render(values: Mapping[str, Any]) -> str:
    """The page without its blocks of examples, which go where the comment "the examples" stands.

    Args:
        values: What the template names; all text in it is escaped.
    """
    meta = {
        "block": BLOCK,
        "causes": [_about(name) for name in CAUSE_CODES],
        "kinds": KINDS,
    }
    own = {"style": Markup(style()), "script": Markup(script()), "policy": policy(), "meta": meta}
    return _environment().get_template("page.html.j2").render({**values, **own})


def render_stream(values: Mapping[str, Any]) -> str:
    """The page of a stream; see `_still`."""
    return _still("stream.html.j2", values)


def render_conflicts(values: Mapping[str, Any]) -> str:
    """The page of conflicts; see `_still`."""
    return _still("conflicts.html.j2", values)


def render_exposure(values: Mapping[str, Any]) -> str:
    """The page of a scanned corpus; see `_still`."""
    return _still("exposure.html.j2", values)


def render_rewrite(values: Mapping[str, Any]) -> str:
    """The page of rewritten responses; see `_still`."""
    return _still("rewrite.html.j2", values)


def render_rewrite_compared(values: Mapping[str, Any]) -> str:
    """The page of compared rewrites; see `_still`."""
    return _still("rewrite_compare.html.j2", values)


def render_compared(values: Mapping[str, Any]) -> str:
    """The page of compared strategies; see `_still`."""
    return _still("compare.html.j2", values)


def _still(template: str, values: Mapping[str, Any]) -> str:
    """A page on which no script runs.

    Args:
        template: Its file.
        values: What the template names; all text in it is escaped.
    """
    policy = f"default-src 'none'; style-src '{_hash(style())}'; base-uri 'none'; form-action 'none'"
    own = {"style": Markup(style()), "policy": policy}
    return _environment().get_template(template).render({**values, **own})


def _about(name: str) -> dict[str, str]:
    cause = CAUSES.get(name)
    finds, remedy = (cause.finds, cause.remedy) if cause else NO_CAUSE
    return {
        "name": name,
        "title": title(name),
        "finds": finds,
        "bad": cause.bad if cause else "",
        "remedy": remedy,
        "safety": cause.safety if cause else "",
    }


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {
        "percent": percent,
        "interval": interval,
        "quoted": quoted,
        "title": title,
        "heat": heat,
        "short_path": short_path,
        "yaml": yaml.write,
        "data": lambda value: json.dumps(value, ensure_ascii=False),
    }
    return found


def _shown(value: object) -> object:
    """Every text that reaches the page, its control characters shown as escapes."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def short_path(name: str) -> str:
    """The last two names of an absolute path; a hub id as it is."""
    parts = re.split(r"[/\\]+", name.rstrip("/\\"))
    return name if len(parts) < 3 or name[:1] == "." else "/".join(["…", *parts[-2:]])


def percent(share: float | None, digits: int = 1) -> str:
    """A share as text; a dash where there is none."""
    return "–" if share is None else f"{100 * min(1.0, max(0.0, share)):.{digits}f}%"


def interval(rate: Mapping[str, Any] | None) -> str:
    """The 95 % interval of a share, in percent; nothing where there is none."""
    if rate is None:
        return ""
    low, high = (100 * min(1.0, max(0.0, rate[end])) for end in ("low", "high"))
    return f"[{low:.1f}, {high:.1f}]"


def quoted(sentence: str) -> Markup:
    """A cause's sentence, with what stands between stars as a quotation."""
    parts = printable(sentence).split("*")
    if len(parts) % 2 == 0:  # an answer holds a star itself
        return Markup(escape(printable(sentence)))
    return Markup("").join(
        Markup("<q>{}</q>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )
