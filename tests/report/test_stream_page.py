"""The page of a stream: what it shows, that nothing runs on it, and that no text of the data is markup there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from report_runs import hostile
from uptake.cli import app
from uptake.cli.diagnose import lost_in_stream
from uptake.config import RunConfig
from uptake.pipeline.stream.lost import LostTest, read_lost, write_lost
from uptake.pipeline.stream.result import StreamResult, read_stream
from uptake.report.stream import stage_bands, stage_curves, write_stream_page


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


@pytest.fixture(scope="module")
def folder(streamed: tuple[RunConfig, StreamResult], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished stream alone, in a folder of its own."""
    run = tmp_path_factory.mktemp("page") / "run"
    shutil.copytree(streamed[1].folder, run / "stream", ignore=shutil.ignore_patterns("work"))
    return run


def test_the_page_shows_the_matrix_by_keyboard_and_without_a_script(folder: Path) -> None:
    path = write_stream_page(folder)
    assert path == folder / "stream.html"
    page = Elements(path.read_text(encoding="utf-8"))
    assert page.of("script") == [] and not [a for _, a in page.found if any(k.startswith("on") for k in a)]
    assert not [a for _, a in page.found if "style" in a]  # the policy allows the style sheet alone
    policy = next(one["content"] for one in page.of("meta") if one.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'; style-src 'sha256-") and "script" not in policy
    ids = {attrs["id"] for _, attrs in page.found if "id" in attrs}
    assert {attrs["href"] for attrs in page.of("a")} <= {f"#{one}" for one in ids}
    # each table lies in a region that the keyboard reaches and scrolls, its heads say what they are of
    regions = [attrs for attrs in page.of("div") if attrs.get("role") == "region"]
    lost = read_lost(folder / "stream")
    assert len(regions) == len(page.of("table")) == 4 + bool(lost)
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in regions)
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.of("th"))
    assert all(attrs["aria-label"] for attrs in page.of("svg")) and len(page.of("svg")) == 4
    summary = json.loads((folder / "stream" / "summary.json").read_text())
    cells = [
        attrs for attrs in page.of("td") if (attrs.get("class") or "").startswith("num h")
    ]  # those of the heat map
    assert len(cells) == 3 * 2 and sum("own" in (attrs.get("class") or "") for attrs in cells) == 2
    for row in summary["rows"]:
        assert all(f"{100 * cell['right']['estimate']:.1f}%" in page.text for cell in row["tests"])


def test_curves_are_drawn_where_the_shares_are(folder: Path) -> None:
    done = read_stream(folder)
    assert done is not None
    summary = done.summary()
    for number, curve in enumerate(stage_curves(summary)):
        shares = [row["tests"][number]["right"]["estimate"] for row in summary["rows"]]
        # from the left edge to the right one, 1 at the top and 0 at the height of the box
        assert [x for x, _ in curve.ends] == [0.0, 110.0, 220.0]
        assert [y for _, y in curve.ends] == pytest.approx([96 * (1 - share) for share in shares], abs=0.05)
        assert curve.own == (110.0, 220.0)[number] and len(curve.band.split()) == 6


def test_tests_that_went_the_same_way_lie_together() -> None:
    summary = {"stages": ["a", "b"]}
    ways = {"x": "010", "y": "011", "z": "010", "w": "010"}
    items = [
        {"kind": "test", "stage": "a", "after_number": n, "right": way[n] == "1", "elicited": name == "z" and n == 2}
        | {"replaced_in": "b" if name == "w" else None}
        for name, way in ways.items()
        for n in range(3)
    ]
    first, second = stage_bands(items, summary)
    assert second == []
    assert [(band.states[1:], band.n) for band in first] == [
        (("right", "right"), 1), (("right", "otherwise"), 1), (("right", "wrong"), 1), (("right", "replaced"), 1),
    ]  # fmt: skip
    assert [(band.y, band.height) for band in first] == [(0.0, 24.0), (24.0, 24.0), (48.0, 24.0), (72.0, 24.0)]
    assert first[0].told == "1 tests: the base: wrong; after a: right; after b: right"


def test_no_text_is_markup(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "run")
    path = tmp_path / "run" / "stream" / "summary.json"
    summary = json.loads(path.read_text())
    one = LostTest("early", "x", "main", "Who?", " me", " you", True, None, None)
    write_lost(path.parent, [replace(one, pulls=({"id": "y", "matched": "m", "excerpt": "e", "score": 1.0},))])
    plain = Elements(write_stream_page(tmp_path / "run").read_text(encoding="utf-8"))  # type: ignore[union-attr]
    texts = hostile()
    summary["notes"] = texts
    summary["run"]["base"]["name"] = texts[0]
    summary["run"]["settings"]["retention"] = texts[1]
    path.write_text(json.dumps(summary))
    pull = {"id": texts[0], "matched": "m", "excerpt": texts[1], "score": 1.0}
    one = replace(one, id=texts[0], prompt=texts[1], wanted=texts[0], said=texts[1], lost_in=texts[0], pulls=(pull,))
    write_lost(path.parent, [one])
    page = Elements(write_stream_page(tmp_path / "run").read_text(encoding="utf-8"))  # type: ignore[union-attr]
    kinds = {tag for tag, _ in plain.found} | {"ul", "li"}
    assert {tag for tag, _ in page.found} <= kinds
    assert not [a for _, a in page.found if any(k.startswith("on") for k in a)]


def test_the_verb_tells_the_matrix_again_and_the_report_its_page(
    streamed: tuple[RunConfig, StreamResult], folder: Path
) -> None:
    config, done = streamed
    before = {path: path.read_bytes() for path in done.folder.glob("*.*")}
    tests = [option for n, stage in enumerate(config.stages) for option in (f"--stages.{n}.test", str(stage.test))]
    file = config.output_dir.parent / "run.yaml"
    told = CliRunner().invoke(app, ["stream", str(file), *tests])
    assert told.exit_code == 0, told.output
    lines = told.output.splitlines()
    head = lines.index("right after each stage (rows), of each stage's tests (columns); in brackets in whatever words:")
    assert lines[head + 1].split() == ["after", "early", "main"]
    assert [line.split()[0] for line in lines[head + 2 : head + 5]] == ["(the", "early", "main"]
    assert "note: 2 of the 5 tests of early are trained in that stage" in told.output
    assert {path: path.read_bytes() for path in done.folder.glob("*.*")} == before
    shown = CliRunner().invoke(app, ["report", str(folder)])
    assert shown.exit_code == 0 and shown.output.split() == ["stream", str(folder / "stream.html")]


def test_a_diagnosis_tells_what_the_stream_lost(folder: Path, tmp_path: Path) -> None:
    told = lost_in_stream(folder)
    assert told is not None and told.splitlines()[1] == "tests of earlier stages, in the stream:"
    lost = read_lost(folder / "stream")
    lines = [line for line in told.splitlines() if ": lost in " in line]
    assert len(lines) == min(len(lost), 10) and lost_in_stream(tmp_path) is None
