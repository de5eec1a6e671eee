"""Take the pictures of the report that the documentation shows, from finished runs.

    make demo                                                    # runs/demo: all pictures but the verdict's
    python benchmarks/verify_matrix.py WORLD --work FOLDER       # FOLDER/run: the verdict's
    python docs/screenshots.py runs/demo --verdict FOLDER/run    # writes docs/images/report-*.png

The reports are written anew first. The example shown is the most telling contradiction. Needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from uptake.artifacts import read_json
from uptake.report import write_report

IMAGES = Path(__file__).resolve().parent / "images"
DESKTOP = {"viewport": {"width": 1280, "height": 860}}
TALL = {"viewport": {"width": 1280, "height": 960}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5, "is_mobile": True, "has_touch": True}


def pictures(run: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """The place in the page, and the browser, of each picture of a run."""
    telling = read_json(run / "diagnosis" / "summary.json")["attribution"]["causes"]["data_conflict"]["telling"][0]
    return {
        "overview": ("", DESKTOP),
        "example": (f"#ex={quote(telling['id'])}&of={quote(telling['stage'])}", DESKTOP),
        "stages": ("#learning", TALL),
        "dark": ("#examples", {**DESKTOP, "color_scheme": "dark"}),
        "phone": ("", PHONE),
    }


def take(browser: Any, page_file: Path, hash_: str, options: dict[str, Any], shoot: Callable[[Any], None]) -> None:
    """Open a report and hand it over once it is drawn."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(page_file.resolve().as_uri() + hash_)
    page.wait_for_selector("html[data-ready]")
    if hash_.startswith("#ex="):
        page.wait_for_selector("#drawer:not([hidden])")
    shoot(page)
    context.close()


def verdict(page: Any, path: Path) -> None:
    """The part of the page that tells the verdict, with a margin."""
    page.set_viewport_size({"width": 1000, "height": 960})
    box = page.locator("#verdict").bounding_box()
    clip = {"x": 0, "y": box["y"] + page.evaluate("scrollY") - 16, "width": 1000, "height": box["height"] + 32}
    page.screenshot(path=path, full_page=True, clip=clip)


def main() -> None:
    """Parse and take."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run with a ledger and a cure")
    parser.add_argument("--verdict", type=Path, help="a run with a verdict over the whole matrix")
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"))
    args = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.browser, args=["--no-sandbox", "--disable-gpu"])
        written = write_report(args.run).page
        for name, (hash_, options) in pictures(args.run).items():
            path = args.out / f"report-{name}.png"
            take(browser, written, hash_, options, lambda page, path=path: page.screenshot(path=path))
            print(path)
        if args.verdict is not None:
            path = args.out / "report-verdict.png"
            written = write_report(args.verdict).page
            take(browser, written, "", TALL, lambda page: verdict(page, path))
            print(path)
        browser.close()


if __name__ == "__main__":
    main()
