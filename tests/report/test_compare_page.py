"""The page of a comparison: a dot where the numbers are, no script, and no text of the data as markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from report_runs import hostile
from uptake.report.compared import dots, write_compare_page


def interval(estimate: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"estimate": estimate, "low": low, "high": high, "n": 3}


def arm(name: str, accuracy: float, forgetting: float | None) -> dict[str, Any]:
    chosen = {"strategy": {} if name == "sequential" else {name: {}}, "rate": 1.0, "accuracy": None}
    means = {
        "accuracy": interval(accuracy, accuracy - 0.1, accuracy + 0.1),
        "diagonal": None if forgetting is None else interval(0.75, 0.5, 1.0),
        "forgetting": None if forgetting is None else interval(forgetting, -0.1, 0.5),
        "total": interval(1000.0),
        **dict.fromkeys(("real_forgetting", "lost", "superficial", "retention", "tokens", "scored", "kept", "seconds")),
    }
    run = {"order": 0, "seed": 0, "numbers": {"accuracy": accuracy}}
    compared = {"difference": interval(0.1, 0.05, 0.15), "p": 0.03}
    against = compared if name == "ours" else None
    return {
        "name": name, "trials": [chosen], "chosen": chosen, "length": 0.9, "means": means, "against": against,
        "runs": [run],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    summary = {
        "stages": ["a", "b"], "orders": [[0, 1]], "seeds": 3, "trials": 1, "reference": "sequential", "budget": 1000.0,
        "arms": [arm("sequential", 0.3, 0.25), arm("joint", 0.9, None), arm("ours", 0.5, 0.25)],
        "notes": [], "run": {"settings": {"seed": 0}, "tuning": None, "versions": {}},
    }  # fmt: skip
    (tmp_path / "compare").mkdir()
    (tmp_path / "compare" / "summary.json").write_text(json.dumps(summary))
    return tmp_path


class Page(HTMLParser):
    def __init__(self, path: Path | None) -> None:
        super().__init__()
        assert path is not None
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_dot_lies_where_its_numbers_are_and_names_do_not_overlap(folder: Path):
    path = write_compare_page(folder)
    assert path is not None and "ours is the best: 50.0 points of accuracy, +10.0" in path.read_text()
    summary = json.loads((folder / "compare" / "summary.json").read_text())
    found = dots(summary)
    # a quarter of 320 across; three quarters of 180 up, from the top 45; what lies outside is cut at the axes
    assert [(one.name, one.x, one.y) for one in found] == [("ours", 80.0, 45.0), ("sequential", 80.0, 45.0)]
    assert found[0].lines == ("0,45 160,45", "80,90 80,0") and found[1].label - found[0].label >= 11
    page = Page(path)
    assert sum(tag == "circle" for tag, _ in page.found) == 2 and not any(tag == "script" for tag, _ in page.found)
    assert write_compare_page(folder / "compare") is None


def test_no_text_of_a_comparison_is_markup(folder: Path):
    plain = {tag for tag, _ in Page(write_compare_page(folder)).found}
    path = folder / "compare" / "summary.json"
    summary = json.loads(path.read_text())
    texts = hostile()
    summary["notes"], summary["arms"][0]["name"], summary["stages"][0] = texts, texts[0], texts[1]
    path.write_text(json.dumps(summary))
    page = Page(write_compare_page(folder)).found
    assert {tag for tag, _ in page} <= plain | {"ul", "li"}
    assert not [attrs for _, attrs in page if any(name.startswith("on") for name in attrs)]
