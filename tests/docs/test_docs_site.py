"""The documentation: what it says of the code is what the code says, its links hold, it loads nothing from outside."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from uptake.causes import CAUSES
from uptake.cli import app
from uptake.config import RunConfig

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LOADED = re.compile(r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?([^"'\s>]+)""")
LINKED = re.compile(r"""<link\b[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon)\b[^>]*\bhref=["']?([^"'\s>]+)""")
IN_STYLES = re.compile(r"""(?:url\(|@import\s)["']?(https?:[^"')\s]+)""")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    specification = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors: a link to a page or a heading that is not there is one."""
    pytest.importorskip("mkdocs")
    out: Path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_is_written_by_the_code_is_up_to_date(page: Path, generate: ModuleType) -> None:
    text = page.read_text(encoding="utf-8")
    assert generate.written(text) == text, "write the pages anew: python docs/generate.py"


def test_a_stale_page_is_found_and_an_unknown_part_is_refused(generate: ModuleType) -> None:
    stale = "# Causes\n\n<!-- begin causes -->\n\nold words\n\n<!-- end causes -->\n\nby hand\n"
    new = generate.written(stale)
    assert "old words" not in new and new.endswith("<!-- end causes -->\n\nby hand\n")
    assert all(f"### `{name}`" in new for name in CAUSES)
    with pytest.raises(KeyError, match="nonsense"):
        generate.written("<!-- begin nonsense -->\n<!-- end nonsense -->")


def test_the_references_name_every_verb_and_every_key() -> None:
    verbs = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    names = [command.name for command in app.registered_commands]
    assert [name for name in names if f"## `uptake {name}`" not in verbs] == []
    keys = (DOCS / "reference" / "run-file.md").read_text(encoding="utf-8")
    assert [key for key in RunConfig.model_fields if f"| `{key}` |" not in keys] == []


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = {}
    for page in sorted(site.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        loaded[page] = [*LOADED.findall(text), *LINKED.findall(text)]
    assert len(loaded) >= len(PAGES) and all(loaded.values())  # every page has its style sheet
    urls = sorted({url for found in loaded.values() for url in found})
    assert [url for url in urls if re.match(r"(?:https?:)?//", url)] == []
    styles = [style.read_text(encoding="utf-8") for style in sorted(site.rglob("*.css"))]
    assert styles and [url for style in styles for url in IN_STYLES.findall(style)] == []


def test_the_python_reference_shows_what_is_public(site: Path) -> None:
    import uptake

    page = (site / "reference" / "python" / "index.html").read_text(encoding="utf-8")
    shown = set(re.findall(r'id="uptake\.[\w.]*?(\w+)"', page))
    assert set(uptake.__all__) <= shown
