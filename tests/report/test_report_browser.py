"""The page in a real browser: what a reader does, and that no text of the data does anything."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from report_runs import LONG, finding, hostile, later_steps, long_finding, write_matrix, write_run
from uptake.evidence import CauseEvidence, Contradiction, Course, ScoredCandidate
from uptake.report import write_report
from uptake.text import printable

N = 300
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: make venv")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs a browser: chromium or google-chrome on the PATH")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    findings = [finding(number) for number in range(N)]
    tried = Course((False, False, True), (None, True, False))
    findings[2] = replace(findings[2], evidence=replace(findings[2].evidence, exposures_to_learn=tried))
    return write_report(write_run(folder, findings)).page


@pytest.fixture
def opened(chromium: Any) -> Iterator[Any]:
    """Opens a page that must not complain and must not ask anybody for anything."""
    wrong: list[str] = []
    contexts = []

    def open_page(path: Path, hash_: str = "", **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda asked: None if asked.url.startswith("file:") else wrong.append(f"asked: {asked.url}"))
        page.goto(path.as_uri() + hash_)
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def until(page: Any, expression: str) -> None:
    """Wait for a condition; not by `wait_for_function`, which the page's policy forbids to evaluate text."""
    deadline = time.monotonic() + 30
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.02)


def tally(page: Any) -> str:
    return page.inner_text("#tally")


def first(page: Any, column: str = "prompt") -> str:
    return page.inner_text(f"#rows tr:first-child .c-{column}").strip()


def test_search_filter_and_sort(opened: Any, report: Path) -> None:
    page = opened(report)
    assert tally(page) == f"{N} examples"
    # see `finding`: n % 5 says which cause, and n % 7 == 6 that it was learned
    gaps = sum(number % 5 == 0 and number % 7 != 6 for number in range(N))
    page.select_option("#cause", "knowledge_gap")
    assert tally(page) == f"{gaps} of {N} examples"
    assert first(page, "finding").startswith("knowledge gap")
    page.select_option("#stage", "main")
    both = sum(number % 20 == 0 and number % 7 != 6 for number in range(N))
    assert tally(page) == f"{both} of {N} examples"
    page.click("#filters [type=reset]")
    page.select_option("#state", "shallow")
    assert tally(page) == f"{sum(number % 14 == 6 for number in range(N))} of {N} examples"
    page.click("#filters [type=reset]")
    page.select_option("#forgotten", "1")
    assert tally(page) == f"{sum(number % 3 == 0 and number % 7 != 6 for number in range(N))} of {N} examples"
    page.select_option("#source", "life")
    assert tally(page) == f"{sum(number % 6 == 3 and number % 7 != 6 for number in range(N))} of {N} examples"
    page.click("#filters [type=reset]")
    page.fill("#q", "NUMBER 299")
    until(page, "document.getElementById('tally').textContent.startsWith('1 of')")
    assert first(page) == "What is number 299?"
    page.fill("#q", "")
    until(page, "document.getElementById('tally').textContent === '300 examples'")
    page.click("[data-sort=p]")
    assert page.get_attribute("th.c-p", "aria-sort") == "ascending"
    assert first(page) == "What is number 299?"  # exp(-1.25 - n / 100) is least for the largest n
    page.click("[data-sort=p]")
    assert first(page) == "What is number 0?"
    page.click("[data-sort=p]")
    assert page.get_attribute("th.c-p", "aria-sort") is None


def test_only_rows_in_sight_are_in_the_document(opened: Any, report: Path) -> None:
    page = opened(report)
    assert page.locator("#rows tr").count() < 80
    page.evaluate("document.getElementById('scroller').scrollTop = 1e9")
    page.wait_for_selector("#rows tr[data-position='299']")
    assert page.locator("#rows tr").count() < 80
    assert page.get_attribute("#rows tr[data-position='299']", "aria-rowindex") == "301"


def test_the_drawer_tells_the_case(opened: Any, report: Path) -> None:
    page = opened(report)
    page.fill("#q", "ex-002")  # 2 % 5: a contradiction, with the rivals ex-001 and ex-003
    until(page, "document.getElementById('tally').textContent.startsWith('1 of')")
    page.click("#rows tr")
    page.wait_for_selector("#drawer:not([hidden])")
    text = page.inner_text("#drawer")
    assert "ex-002" in text and "answer2" in text and "belief2" in text
    assert "0.28" in text  # exp(-1.25 - 0.02), of the tuned model
    assert "0.04" in text  # exp(-3.12), of the base
    assert page.locator("#drawer .rivals").count() == 2
    assert page.locator("#drawer .rivals mark").first.inner_text() == "2"
    assert page.locator("#drawer .curve svg circle.recalled, #drawer .curve svg circle.missed").count() >= 1
    assert "Remove the example that is judged wrong" in text
    assert "3 exposures more teach it, of 3 exposures that were tried." in text
    assert page.url.endswith("#ex=ex-002&of=early&q=ex-002")
    page.click("#drawer >> text=Close")
    assert page.is_hidden("#drawer")
    page.go_back()
    page.wait_for_selector("#drawer:not([hidden])")


def test_a_link_opens_an_example(opened: Any, report: Path) -> None:
    page = opened(report, "#ex=ex-217")
    page.wait_for_selector("#drawer:not([hidden])")
    assert page.inner_text("#case") == "ex-217"
    assert page.locator("#rows tr.active").inner_text().find("What is number 217?") >= 0
    page.evaluate("location.hash = '#ex=nobody'")
    until(page, "document.getElementById('tally').textContent === 'There is no example nobody.'")
    page.evaluate("location.hash = '#cause=forgetting&source=life'")
    until(page, "document.getElementById('cause').value === 'forgetting'")
    assert page.input_value("#source") == "life"
    # see `finding`: causes in turn, sources in turn
    lost = sum(number % 10 == 3 and number % 7 != 6 for number in range(N))
    assert tally(page) == f"{lost} of {N} examples"
    assert page.is_hidden("#drawer")


def test_the_keyboard_does_it_all(opened: Any, report: Path) -> None:
    page = opened(report)
    page.keyboard.press("/")
    page.keyboard.type("number 29")
    until(page, "document.getElementById('tally').textContent.startsWith('13 of')")  # 29, 129, 229 and 290 to 299
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    chosen = page.locator("#rows tr.active .c-prompt a").inner_text()
    assert page.evaluate("document.activeElement.textContent") == chosen
    assert page.get_attribute("#rows tr.active", "data-position") == "1"
    page.keyboard.press("Enter")
    page.wait_for_selector("#drawer:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "case"
    assert chosen in page.inner_text("#drawer")
    page.keyboard.press("ArrowRight")
    until(page, f"!document.getElementById('drawer').innerText.includes({json.dumps(chosen)})")
    page.keyboard.press("Escape")
    assert page.is_hidden("#drawer")
    assert page.evaluate("document.activeElement.closest('tr') !== null")
    page.keyboard.press("End")
    assert page.get_attribute("#rows tr.active", "data-position") == "12"


def test_light_dark_and_the_button(opened: Any, report: Path) -> None:
    page = opened(report, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(22, 24, 28)"
    page.click("#theme")
    assert page.evaluate(paper) == "rgb(251, 251, 249)"
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(paper) == "rgb(251, 251, 249)"


def test_an_example_is_copied_as_jsonl(opened: Any, report: Path) -> None:
    page = opened(report, "#ex=ex-004", permissions=["clipboard-read", "clipboard-write"])
    page.wait_for_selector("#drawer:not([hidden])")
    page.click("#drawer >> text=Copy JSONL")
    until(page, "document.getElementById('said').textContent === 'Copied.'")
    row = json.loads(page.evaluate("navigator.clipboard.readText()"))
    expected = finding(4)
    assert (row["id"], row["prompt"], row["response"], row["cause"]) == (
        "ex-004",
        expected.prompt,
        expected.response,
        "undertraining",
    )
    assert row["p_response"] == pytest.approx(expected.p_response, rel=1e-5)
    assert row["evidence"]["candidates"][1]["text"] == " belief4"
    page.keyboard.press("Escape")
    page.select_option("#state", "shallow")
    page.click("#copy-all")
    until(page, "document.getElementById('said').textContent.endsWith('examples copied.')")
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert len(lines) == sum(number % 14 == 6 for number in range(N))
    assert all(json.loads(line)["shallow"] for line in lines)


def test_a_phone_scrolls_in_one_direction_only(opened: Any, report: Path) -> None:
    page = opened(report, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    inner = "document.getElementById('scroller')"
    assert page.evaluate(f"{inner}.scrollWidth - {inner}.clientWidth") == 0
    page.locator("#rows tr").nth(2).tap()
    page.wait_for_selector("#drawer:not([hidden])")
    assert page.evaluate("document.getElementById('drawer').getBoundingClientRect().width") == 390
    assert page.evaluate("document.getElementById('drawer').scrollWidth") <= 390


def test_paper_shows_the_rows(opened: Any, report: Path) -> None:
    page = opened(report)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#rows tr").count() == 200
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#rows tr").count() < 80
    page.emulate_media(media="print")
    assert page.is_hidden(".filters")


def test_paper_has_whole_prompts_in_any_theme(opened: Any, tmp_path: Path) -> None:
    long = "a question that is longer than its column on a sheet of paper is wide, and ends in number"
    rows = [replace(finding(number), prompt=f"{long} {number}") for number in range(N)]
    report = write_report(write_run(tmp_path, rows, ledger=False)).page
    page = opened(report, viewport={"width": 720, "height": 1000}, color_scheme="dark")  # A4, less its margins
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    cells = "[...document.querySelectorAll('#rows td.c-prompt')]"
    assert page.evaluate(f"{cells}.length") == 200
    assert page.evaluate(f"{cells}.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
    assert page.evaluate(f"{cells}[0].clientWidth") > 100
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 251, 249)"


@pytest.fixture
def heat(opened: Any, tmp_path: Path) -> Any:
    page = opened(write_report(write_run(tmp_path, [long_finding(0), finding(1)], ledger=False)).page, "#ex=ex-000")
    page.wait_for_selector("#drawer:not([hidden])")
    return page


def test_a_long_response_is_a_heat_map(heat: Any) -> None:
    spans = long_finding(0).spans or ()
    assert heat.inner_text(".heat").strip() == LONG.strip()  # as it is, in its parts
    shown = heat.locator(".heat .sp")
    assert shown.all_inner_texts() == [LONG[one.start : one.end] for one in spans]
    wrong = [k for k, one in enumerate(spans) if one.wrong]
    assert heat.locator(".heat .sp.wrong").count() == len(wrong)
    # exp(-6) is below 0.01; what does not count is not shaded
    assert [k for k in range(len(spans)) if "low4" in shown.nth(k).get_attribute("class")] == wrong
    shown.nth(wrong[1]).hover()
    told = heat.inner_text("#heat-tip")
    assert "not learned" in told and "base conflict" in told and "tells 2.5 nats" in told
    assert "tuned 0.0025, says Oslo (0.75)" in told and "base 0.05, says Oslo (0.50)" in told
    assert heat.locator("table.parts tbody tr").count() == 12
    assert f"and {len(wrong) - 12} more" in heat.inner_text("#drawer")


def test_a_heat_map_by_keyboard(heat: Any) -> None:
    spans = long_finding(0).spans or ()
    box = heat.locator(".heat")
    assert "folded" in box.get_attribute("class")
    heat.focus("input[value=tuned]")
    heat.keyboard.press("ArrowRight")  # another view, and no other example
    heat.keyboard.press("ArrowRight")
    assert heat.is_checked("input[value=difference]") and heat.inner_text("#case") == "ex-000"
    counting = [one for one in spans if one.informative and one.learned]  # -0.01 against the base's -3
    assert heat.locator(".heat .up3").count() == len(counting)
    heat.keyboard.press("Tab")
    active = "document.activeElement.textContent"
    assert heat.evaluate(active) == LONG[spans[0].start : spans[0].end]
    assert "folded" not in box.get_attribute("class")  # what has the focus is in sight
    heat.keyboard.press("ArrowRight")
    assert heat.evaluate(active) == LONG[spans[1].start : spans[1].end]
    second = [one for one in spans if one.wrong][1]
    heat.keyboard.press("ArrowDown")
    assert heat.evaluate(active) == LONG[second.start : second.end]
    assert "not learned" in heat.inner_text("#heat-tip") and heat.inner_text("#case") == "ex-000"
    heat.keyboard.press("Tab")
    heat.keyboard.press("Enter")
    assert "folded" in box.get_attribute("class")
    heat.keyboard.press("ArrowLeft")  # from elsewhere they go to another example: the worse one comes first
    until(heat, "document.getElementById('case').textContent === 'ex-001'")


def test_hostile_text_stays_text(opened: Any, tmp_path: Path) -> None:
    texts = hostile()
    assert len(set(texts)) == 200
    findings = []
    for number, text in enumerate(texts):
        spans = long_finding(0, text, f"{text} is not in Rome.").spans
        plain = finding(5 * (number // 5) + 2 if number % 3 else number)
        candidate = ScoredCandidate(text, "base", -1.0)
        said = {"tuned_answer": text, "base_answer": text, "base_answer_kind": text, "file": text}
        evidence = replace(plain.evidence, candidates=(candidate,), **said)
        if evidence.causes:
            known = Contradiction((texts[number - 1],), 1, why=text)
            told = CauseEvidence(0.5, f"*{text}* {text}", {text: [text]}, {text: text}, contradiction=known)
            causes = {**evidence.causes, "data_conflict": told}
            evidence = replace(evidence, causes=causes, signals={**evidence.signals, text: 1.0})
        findings.append(replace(plain, id=text, source=text[:40], prompt=text, response=text, evidence=evidence))
        if number % 2:
            findings[-1] = replace(findings[-1], response=f"{text} is not in Rome.", spans=spans)
    run = write_run(tmp_path, findings, ledger=False, notes=texts[:20])
    page = opened(write_report(run).page)
    assert tally(page) == "200 examples"
    shown = page.evaluate(
        """async () => {
            const drawer = document.getElementById('drawer'), found = [];
            const changed = () => new Promise((done, fail) => {
                setTimeout(() => fail(new Error(`nothing is shown after ${found.length} examples`)), 20000);
                new MutationObserver((_, seen) => { seen.disconnect(); done(); }).observe(drawer, { childList: true });
            });
            for (let position = 0; position < 200; position++) {
                const waiting = changed();
                const key = new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true });
                if (position) document.dispatchEvent(key);
                else document.querySelector('#rows tr').click();
                await waiting;
                found.push([drawer.querySelector('#case').textContent, drawer.textContent]);
            }
            return found;
        }"""
    )
    assert sorted(title for title, _ in shown) == sorted(printable(text) for text in texts)
    assert not [text for _, text in shown if set(text) & set("\x00\x07\x08\x1b\x7f\x9b\u202e\u2066\u2028\u200b")]
    assert page.evaluate("window.pwned") is None
    elements = "main img, main iframe, main script, #drawer img, #drawer iframe, #drawer script"
    assert page.locator(elements).count() == 0
    assert page.title() == f"{tmp_path.name}: what it did not learn"


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 390)])
def test_axe_finds_no_violation(chromium: Any, tmp_path: Path, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-core: make venv")
    text = Path(axe.__path__[0], "axe.min.js").read_text(encoding="utf-8")
    run = write_run(tmp_path, [*(finding(number) for number in range(60)), long_finding(60)])
    later_steps(run)
    write_matrix(run)
    report = write_report(run).page
    # the page's policy lets no other script run, axe-core neither
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    for hash_ in ("", "#ex=ex-002", "#ex=ex-060"):
        page.goto("about:blank")
        page.goto(report.as_uri() + hash_)
        page.wait_for_selector("html[data-ready]")
        if hash_:
            page.wait_for_selector("#drawer:not([hidden])")
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        page.evaluate(text)
        # axe takes a link to a rival, below the drawer's edge, for a skip link without a target
        told = page.evaluate("(on) => axe.run({ rules: { 'skip-link': { enabled: on } } })", not hash_)
        assert len(told["passes"]) > 20  # it looked
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in told["violations"]] == []
    context.close()


def test_a_thousand_examples_are_small_and_soon_there(opened: Any, tmp_path: Path) -> None:
    path = write_report(write_run(tmp_path, [finding(number) for number in range(1000)])).page
    assert path.stat().st_size <= 8e6
    page = opened(path)
    assert tally(page) == "1,000 examples"
    assert page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") <= 1500


def test_a_megabyte_in_one_response(opened: Any, tmp_path: Path) -> None:
    long = "word " * 200_000
    findings = [finding(0), replace(finding(1), response=long, prompt=long)]
    page = opened(write_report(write_run(tmp_path, findings, ledger=False)).page, "#ex=ex-001")
    page.wait_for_selector("#drawer:not([hidden])")
    assert "990,000 more characters are in diagnosis/diagnosis.jsonl." in page.inner_text("#drawer")
