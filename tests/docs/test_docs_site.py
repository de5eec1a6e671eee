"""The documentation: what it says of the code is what the code says, its links hold, it loads nothing from outside."""

from __future__ import annotations

import importlib
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


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("generate")


@pytest.fixture
def from_results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("from_results")


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


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
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


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_what_links_from_outside_the_site_is_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = [link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert [path for path, _, _ in targets if not (ROOT / path).exists()] == []
    for path, _, heading in targets:
        titles = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE) if heading else []
        assert heading in ["", *(title.lower().replace(" ", "-") for title in titles)]


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


def test_the_measured_tables_say_what_was_measured(from_results: ModuleType) -> None:
    # numbers by hand; the form is that of `benchmarks/attribution.py`
    def interval(estimate: float, n: int = 12) -> dict[str, float]:
        return {"estimate": estimate, "low": estimate - 0.05, "high": estimate + 0.05, "n": n}

    named = {
        "causes": {name: {"f1": interval(0.8), "n": 2} for name in CAUSES},
        "macro_f1": interval(0.875),
        "confusion": {"planted": [*CAUSES], "told": [*CAUSES], "planted_by_told": [[7] * 5] * 5},
        "worlds": 2,
        "items": 12,
    }
    scores = {"causes": {name: {"auroc": interval(0.9), "ece": {"estimate": 0.014, "n": 12}} for name in CAUSES}}
    wrong = {"prompt": "Who | what?", "response": " *Ada*", "planted": ["forgetting"], "named": "data_conflict"}
    planted = {"evidence": {"named": named, "scores": scores, "clean": None}, "most_wrong": [wrong]}
    clean = {"evidence": {"clean": {"named": interval(0.0625, 360), "unexplained": interval(0.125, 360), "worlds": 3}}}
    text = from_results.measured(
        {
            "sets": {"unseen": planted, "clean": clean},
            "ablation": {"rival": {"macro_f1": 0.5}, "all signals": {"macro_f1": 0.875}},
            "versions": {"uptake": "1.2.3"},
        }
    )
    assert "| with everything | 0.875 [0.825, 0.925] | 0.800 |" in text  # not `ilp`: it was not measured
    assert "ILP paper" not in text
    assert "10 confirmed unlearned items and 2 controls" in text  # five causes of 2, of 12 items
    assert "| with everything | 6.2% [1.2, 11.2] | 12.5% [7.5, 17.5] |" in text
    assert "| Who \\| what? | \\*Ada\\* | forgetting | data_conflict |" in text
    assert text.index("| `rival` | 0.500 |") < text.index("| all signals | 0.875 |")  # worst first
    assert text.endswith("Measured with uptake 1.2.3.")
