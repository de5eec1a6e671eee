"""The report of 1,000 and of 100,000 examples: time to write, size, first paint, search, filter, sort, scroll, drawer.

    python benchmarks/report.py RUN [--sizes 1000 100000] [--browser /usr/bin/chromium] [--axe axe.min.js]

RUN is the folder of a real run with a diagnosis and a ledger, such as runs/demo after `make demo`. Its rows are drawn
with replacement; names and numbers are changed in each, lest repetition help the compression. `--axe` takes the file of
axe-core (`npm pack axe-core`, or that of the package axe-playwright-python) and counts violations, light and dark, with
and without the drawer.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import string
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uptake.artifacts import write_json
from uptake.artifacts.tables import DIAGNOSIS
from uptake.stats import wilson

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
NAME = re.compile(r"\b[A-Z][a-z]{3,}\b")
NUMBER = re.compile(r"\d+\.\d{2,}(e-?\d+)?")


def grow(run: Path, out: Path, n: int) -> None:
    """A run of n examples shaped as those of `run`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = random.Random(n)
    real = pq.read_table(run / "diagnosis" / "diagnosis.parquet", columns=DIAGNOSIS.names).to_pylist()
    summary = json.loads((run / "diagnosis" / "summary.json").read_text())
    # as in a real diagnosis: what was not learned first
    drawn = sorted((rng.choice(real) for _ in range(n)), key=lambda row: (row["learned"], not row["shallow"]))
    rows = [_changed(row, f"ex-{number:06d}", rng, n) for number, row in enumerate(drawn)]
    (out / "diagnosis").mkdir(parents=True)
    writer = pq.ParquetWriter(out / "diagnosis" / "diagnosis.parquet", DIAGNOSIS)
    for start in range(0, n, 10_000):
        writer.write_table(pa.Table.from_pylist(rows[start : start + 10_000], schema=DIAGNOSIS))
    writer.close()
    for part in summary["attribution"]["causes"].values():
        part["telling"] = []
    learned = sum(row["learned"] for row in rows)
    interval = wilson(learned, n)
    assert interval is not None
    summary |= {"n": n, "learned": {"count": learned, "rate": asdict(interval)}}
    write_json(out / "diagnosis" / "summary.json", {**summary, "retention": None})
    _ledger(run, out, [row["id"] for row in rows], rng)


def _changed(row: dict[str, Any], new_id: str, rng: random.Random, n: int) -> dict[str, Any]:
    names: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        word = match[0]
        if word not in names:
            names[word] = "".join(rng.choice(string.ascii_lowercase) for _ in word).capitalize()
        return names[word]

    def moved(match: re.Match[str]) -> str:
        value = float(match[0]) * rng.uniform(0.9, 1.1)
        value = min(1.0, value) if float(match[0]) <= 1 else value  # a probability stays one
        return repr(value) if len(match[0]) > 8 else f"{value:.{len(match[0].split('.')[1])}f}"

    changed = {name: NAME.sub(renamed, row[name]) for name in ("prompt", "response")}
    evidence = NUMBER.sub(moved, NAME.sub(renamed, row["evidence"]))
    evidence = re.sub(r"ex-\d+", lambda _: f"ex-{rng.randrange(n):06d}", evidence)
    return {**row, **changed, "id": new_id, "evidence": evidence}


def _ledger(run: Path, out: Path, ids: list[str], rng: random.Random) -> None:
    """The readings of a real example for each new one, the losses changed."""
    import pyarrow as pa

    from uptake.artifacts import open_parts, read_json
    from uptake.artifacts.ledger_files import LEDGER, LEDGER_FILE, stage_folders
    from uptake.ledger import read_ledger

    ledger = read_ledger(run)
    table = ledger.table.to_pylist()
    by_id: dict[str, list[dict[str, Any]]] = {}
    for row in table:
        by_id.setdefault(row["id"], []).append(row)
    real = list(by_id.values())
    for number, (stage, folder) in enumerate(stage_folders(run)):
        rows = []
        for new_id in ids:
            own = [row for row in real[int(new_id[3:]) % len(real)] if row["stage"] == stage]
            rows += [
                {**row, "id": new_id, "row": None, "nll": (row["nll"] or 0) * rng.uniform(0.8, 1.2)} for row in own
            ]
        parts = open_parts(out / "ledger" / stage / "rank-00000", "", LEDGER_FILE)
        names = LEDGER.names
        for part, start in enumerate(range(0, len(rows), 200_000)):
            chunk = [{name: row[name] for name in names} for row in rows[start : start + 200_000]]
            from uptake.artifacts import write_table

            write_table(parts.path(part), pa.Table.from_pylist(chunk, schema=LEDGER))
        write_json(out / "ledger" / stage / "stage.json", {**read_json(folder / "stage.json"), "number": number})


def write(out: Path) -> dict[str, float]:
    """Write the report in a process of its own: seconds and peak memory."""
    code = (
        "import json, resource, sys, time; from pathlib import Path; from uptake.report import write_report\n"
        "start = time.perf_counter(); write_report(Path(sys.argv[1]))\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "print(json.dumps({'write_s': round(time.perf_counter() - start, 1), 'peak_mib': round(peak)}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(out)], capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


MEASURE = """
async () => {
  const $ = (id) => document.getElementById(id);
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const timed = async (act) => {
    const start = performance.now();
    await act();
    const told = performance.now() - start;
    await frame();
    return told;
  };
  const change = (id, value) => timed(() => { $(id).value = value; $(id).dispatchEvent(new Event('change')); });
  const search = async (text) => {
    const seen = new Promise((done) => new MutationObserver(done).observe($('tally'), { childList: true }));
    const start = performance.now();
    $('q').value = text;
    $('q').dispatchEvent(new Event('input'));
    await seen; // 80 ms of it wait for the next key
    return performance.now() - start;
  };
  const out = {};
  out.filter_ms = await change('cause', 'knowledge_gap');
  await change('cause', '');
  out.first_search_ms = await search('where');
  out.search_ms = await search('what is');
  out.clear_ms = await timed(() => document.querySelector('#filters [type=reset]').click());
  out.sort_text_ms = await timed(() => document.querySelector('[data-sort=prompt]').click());
  out.sort_number_ms = await timed(() => document.querySelector('[data-sort=p]').click());
  document.querySelector('#filters [type=reset]').click();
  const scroller = $('scroller'), frames = [];
  await frame();
  for (let i = 0; i < 120; i++) {
    const start = performance.now();
    scroller.scrollTop = (scroller.scrollHeight * ((i * 37) % 120)) / 120;
    await frame();
    frames.push(performance.now() - start);
  }
  frames.sort((a, b) => a - b);
  out.scroll_frame_ms = frames[60]; out.scroll_frame_p95_ms = frames[114];
  out.rows_in_document = document.querySelectorAll('#rows tr').length;
  const opened = new Promise((done) => new MutationObserver(done).observe($('drawer'), { childList: true }));
  out.drawer_ms = await timed(async () => { document.querySelector('#rows tr').click(); await opened; });
  out.heap_mib = performance.memory ? performance.memory.usedJSHeapSize / 2 ** 20 : null;
  return out;
}
"""


def browse(page_file: Path, browser: str, axe: Path | None) -> dict[str, Any]:
    """Open the page, use it, and time both."""
    from playwright.sync_api import sync_playwright

    url = page_file.resolve().as_uri()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=ARGS)
        paints, ready = [], []
        for _ in range(3):
            page = chromium.new_page(viewport={"width": 1360, "height": 900})
            start = time.perf_counter()
            page.goto(url, wait_until="commit")
            page.wait_for_selector("html[data-ready]", timeout=60_000)
            ready.append(time.perf_counter() - start)
            paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000)
            page.wait_for_load_state()
            if len(paints) < 3:
                page.close()
        result = {"first_paint_s": sorted(paints)[1], "table_ready_s": sorted(ready)[1], **page.evaluate(MEASURE)}
        page.close()
        if axe is not None:
            result["axe"] = violations(chromium, url, axe)
        chromium.close()
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in result.items()}


def violations(chromium: Any, url: str, axe: Path) -> dict[str, list[str]]:
    """Rules of axe-core that the page breaks."""
    found = {}
    for scheme in ("light", "dark"):
        for width in (1360, 390):
            for state in ("", "#ex"):
                context = chromium.new_context(
                    viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
                )
                page = context.new_page()
                page.goto(url)
                page.wait_for_selector("html[data-ready]")
                if state:
                    page.locator("#rows tr").first.click()
                    page.wait_for_selector("#drawer:not([hidden])")
                page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
                page.evaluate(axe.read_text(encoding="utf-8"))
                told = page.evaluate("axe.run().then((told) => told.violations)")
                found[f"{scheme} {width} {'drawer' if state else 'page'}"] = [
                    f"{one['id']} ({len(one['nodes'])}): {one['nodes'][0]['html'][:160]}" for one in told
                ]
                context.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--axe", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "report.json")
    args = parser.parse_args()
    results = []
    for n in args.sizes:
        with tempfile.TemporaryDirectory() as work:
            out = Path(work) / "run"
            grow(args.run, out, n)
            row: dict[str, Any] = {"examples": n, **write(out)}
            row["size_mb"] = round((out / "report.html").stat().st_size / 1e6, 2)
            row |= browse(out / "report.html", args.browser, args.axe if n == min(args.sizes) else None)
        results.append(row)
        print(json.dumps(row, indent=1))
    write_json(args.out, {"results": results})


if __name__ == "__main__":
    main()
