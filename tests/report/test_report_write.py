"""The files of a report: what is in them with everything there, and with nothing but a diagnosis."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from evidence_made import evidence
from report_runs import finding, hostile, later_steps, write_matrix, write_run
from uptake.artifacts import file_digest, write_json
from uptake.attribute.shares import on_what
from uptake.causes import CAUSES
from uptake.errors import UptakeError
from uptake.evidence import Course, Reaction
from uptake.pipeline.why.shares import NOTHING_FLIPPED, corrected
from uptake.report import write_card, write_report
from uptake.report.markdown import END, START, with_card_section
from uptake.stats import wilson

FINDINGS = [finding(number) for number in range(60)]


class Page(HTMLParser):
    """What a browser would find: text, elements, attributes, the texts of scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.attributes, self.raw = "", [], [], {"script": [], "style": []}
        self._in: str | None = None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += " "
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._in = tag if tag in self.raw else self._in
        if self._in == tag:
            self.raw[tag].append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._in = None if tag == self._in else self._in

    def handle_data(self, data: str) -> None:
        if self._in:
            attrs, before = self.raw[self._in][-1]
            self.raw[self._in][-1] = (attrs, before + data)
        else:
            self.text += data


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_page_opens_with_what_was_not_learned_and_why(tmp_path: Path) -> None:
    page = Page(write_report(write_run(tmp_path, FINDINGS)).page)
    text = words(page.text)
    unlearned = sum(not one.learned for one in FINDINGS)
    assert f"{unlearned} of 60 training examples were not learned" in text
    assert f"What it did not learn {unlearned}" in text
    for cause in CAUSES.values():
        assert words(cause.remedy) in text
    gaps = sum(one.cause == "knowledge_gap" for one in FINDINGS)
    rate = wilson(gaps, unlearned)
    assert rate is not None
    assert f"knowledge gap {gaps} {rate.estimate:.1%} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]" in text
    forgotten = sum(bool(one.forgotten) for one in FINDINGS)
    assert f"What it forgot {forgotten}" in text


def test_what_has_not_run_yet_is_said_with_its_command(tmp_path: Path) -> None:
    text = words(Page(write_report(write_run(tmp_path, FINDINGS, ledger=False)).page).text)
    for line in (
        "There is no ledger of the training: uptake train writes one",
        "Nothing was cured yet: uptake prescribe makes a plan",
        "There is no plan yet: uptake prescribe writes it under plan/",
        "Nothing was verified yet: uptake verify",
        "Old abilities are watched with a retention set",
    ):
        assert line in text


def test_a_diagnosis_with_little_in_it(tmp_path: Path) -> None:
    little = evidence(logprob=-0.1)
    bare = [replace(one, shallow=None, forgotten=None, cause=None, causes={}, evidence=little) for one in FINDINGS[:9]]
    unknown = {"count": None, "rate": None}
    run = write_run(tmp_path, bare, ledger=False, shallow=unknown, forgotten=unknown, attribution=None, notes=[])
    report = write_report(run)
    text = words(Page(report.page).text)
    assert "8 of 9 training examples were not learned" in text
    assert "Causes were not judged: uptake diagnose with --attribution evidence tells them." in text
    assert "What was forgotten shows only against the model from before" in text
    assert "Needs the model from before: uptake diagnose with --base" in text
    assert report.summary.read_text(encoding="utf-8").startswith("## 8 of 9 training examples (88.9% ")


def test_plan_cure_and_verdict_are_shown_where_they_are(tmp_path: Path) -> None:
    run = write_run(tmp_path, FINDINGS)
    later_steps(run)
    report = write_report(run)
    text = words(Page(report.page).text)
    assert (
        "Examples with an edit: 2; not fixed: 1. "
        "The plan trains 3,000 tokens, 1.5 times those of the fine-tune." in text
    )
    assert "replay 1 1 12 – knowledge 1 1 – –" in text
    after = wilson(5, 60)
    assert after is not None
    assert f"8.3% [{100 * after.low:.1f}, {100 * after.high:.1f}]" in text  # 5 of 60 are not learned after the cure
    assert "Replay mended 12 points." in text
    assert "Recall in held-out wordings (knowledge_gap), and in the training wording (forgetting), less" in text
    assert "forgetting replay +12 [+2, +20] n 31 knowledge gap replay +31 n 31" in text and "+99" not in text
    summary = report.summary.read_text(encoding="utf-8")
    assert f"| 8.3% [{100 * after.low:.1f}, {100 * after.high:.1f}] |" in summary
    assert "\nReplay mended 12 points.\n" in summary
    # by hand of the ledger: 45 early examples, 23 recalled at their stage's end and none at the last; 15 main ones, 7
    acc, bwt = f"ACC {(0 + 7 / 15) / 2:.1%}", f"{-100 * 23 / 45:.1f} points"
    assert acc in text and bwt in text and acc in summary and bwt in summary
    for said in ("early: 51 % right after its training, 0 % at the end.", "main: 47 % right after its training."):
        assert said in text and said in summary


def test_a_cure_and_a_verdict_of_another_diagnosis_are_marked(tmp_path: Path) -> None:
    run = write_run(tmp_path, FINDINGS)
    later_steps(run)
    digest = file_digest(run / "diagnosis" / "diagnosis.parquet")
    told = json.loads((run / "verdict" / "verdict.json").read_text())
    for about, marked in ((digest, 0), ("another", 2)):
        write_json(run / "verdict" / "verdict.json", {**told, "diagnosis": about})
        write_json(run / "cured" / "cure.json", {"plan": "one", "diagnosis": about})
        report = write_report(run)
        for text in (words(Page(report.page).text), report.summary.read_text(encoding="utf-8")):
            assert text.count("This is about another diagnosis than the one shown here") == marked
            assert "Replay mended 12 points." in text
    told_of = report.summary.read_text(encoding="utf-8").split("### ")
    assert [part.split("\n")[0] for part in told_of[1:]] == ["After the cure", "Verdict", "Notes"]
    assert all("> **This is about another" in part for part in told_of[1:3])


def test_every_remedy_on_every_cause_is_a_matrix_with_the_own_ones_framed(tmp_path: Path) -> None:
    run = write_run(tmp_path, FINDINGS)
    later_steps(run)
    write_matrix(run)
    written = write_report(run).page
    effects_of = written.read_text().partition('aria-label="Effects of the remedies"')[2]
    assert re.findall(r'<td class="num (h\d+|hx)( own)?">([+–-]\d*)', effects_of) == [
        ("h9", " own", "+90"), ("hx", "", "–"), ("h0", "", "-40"), ("h5", " own", "+50"),
    ]  # fmt: skip
    assert "cause replay knowledge forgetting +90 [+80, +100] n 9 – knowledge gap -40" in words(Page(written).text)


def test_an_example_has_its_documents_and_its_reason(tmp_path: Path) -> None:
    run = write_run(tmp_path, FINDINGS[:4], ledger=False)
    later_steps(run)
    packed = re.findall(r'id="block-0">([^<]+)<', write_report(run).page.read_text())
    rows = {row["evidence"]["line"] - 1: row for row in json.loads(gzip.decompress(base64.b64decode(packed[0])))}
    assert rows[0]["edits"] == [
        {
            "remedy": "knowledge",
            "why": "2 documents",
            "documents": [{"id": "a:1", "title": "T", "text": "TEXT", "source": "a"}, {"id": "b:2"}],
        }
    ]
    assert rows[1]["edits"] == [] and rows[1]["unmended"] == "no documents"
    assert [edit["remedy"] for edit in rows[3]["edits"]] == ["replay"]


def test_an_example_whose_id_two_stages_have_has_its_own_edits(tmp_path: Path) -> None:
    same = [replace(FINDINGS[k], id="ex-003", stage=stage) for k, stage in enumerate(("early", "main"))]
    run = write_run(tmp_path, same)
    later_steps(run)
    path = run / "plan" / "plan.json"
    path.write_text(path.read_text().replace('"ex-003"', '"ex-003@main"').replace('"ex-001"', '"ex-003@early"'))
    packed = re.findall(r'id="block-0">([^<]+)<', write_report(run).page.read_text())
    early, main = sorted(json.loads(gzip.decompress(base64.b64decode(packed[0]))), key=lambda row: row["prompt"])
    assert early["edits"] == [] and early["unmended"] == "no documents"
    assert [edit["remedy"] for edit in main["edits"]] == ["replay"] and "unmended" not in main
    assert [reading[0] for reading in early["curve"]] == [1, 2, 3, 4, 7]
    assert [reading[0] for reading in main["curve"]] == [6, 7]


@pytest.mark.parametrize(
    "broken", ["[]", "{}", '{"edits": 3}', '{"edits": [3]}', "no json", '{"edits": [{"examples": 3}]}']
)
def test_files_of_another_kind_do_not_stop_the_report(tmp_path: Path, broken: str) -> None:
    run = write_run(tmp_path, FINDINGS[:5], ledger=False)
    for path in ("plan/plan.json", "cured/diagnosis/summary.json", "verdict/verdict.json"):
        (run / path).parent.mkdir(parents=True, exist_ok=True)
        (run / path).write_text(broken)
    text = words(Page(write_report(run).page).text)
    for path in ("plan/plan.json", "diagnosis/summary.json", "verdict/verdict.json"):
        assert f"{path} cannot be shown by this version of uptake" in text


def test_nothing_but_the_page_s_own_script_may_run(tmp_path: Path) -> None:
    page = Page(write_report(write_run(tmp_path, FINDINGS)).page)
    policy = next(value for tag, name, value in page.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    run = [text for attrs, text in page.raw["script"] if not attrs.get("type")]
    assert len(run) == 1
    for kind, text in (("script-src", run[0]), ("style-src", page.raw["style"][0][1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    links = [value for _, name, value in page.attributes if name in ("href", "src", "action", "srcset", "data")]
    assert links and all(link.startswith("#") for link in links)


def test_hostile_text_makes_no_element_and_no_attribute(tmp_path: Path) -> None:
    texts = hostile()
    plain = Page(write_report(write_run(tmp_path / "plain", FINDINGS)).page)
    bad = [
        replace(one, id=texts[i], prompt=texts[i + 60], response=texts[i + 120], source=texts[i % 2])
        for i, one in enumerate(FINDINGS)
    ]
    found = Page(write_report(write_run(tmp_path / "bad", bad, ledger=False, notes=texts)).page)
    assert set(found.tags) <= set(plain.tags) | {"ul", "li"}
    assert {(tag, name) for tag, name, _ in found.attributes} <= {(tag, name) for tag, name, _ in plain.attributes} | {
        ("li", "dir")
    }
    shown = found.text
    assert not re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u202e\u2066]", shown)
    assert "<script>window.pwned=1</script>" in shown and "{{ 7*7 }}" in shown


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = write_run(tmp_path, FINDINGS)
    first = write_report(run)
    page, summary = first.page.read_bytes(), first.summary.read_bytes()
    write_report(run)
    assert first.page.read_bytes() == page and first.summary.read_bytes() == summary


def test_no_diagnosis_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UptakeError, match=r"no finished diagnosis.*\n.*\n.*uptake diagnose"):
        write_report(tmp_path)


def test_the_summary_for_a_pull_request(tmp_path: Path) -> None:
    text = write_report(write_run(tmp_path, FINDINGS)).summary.read_text(encoding="utf-8")
    unlearned = sum(not one.learned for one in FINDINGS)
    rate = wilson(unlearned, 60)
    assert rate is not None
    share = f"{rate.estimate:.1%} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"
    assert text.startswith(f"## {unlearned} of 60 training examples ({share}) were not learned\n")
    assert f"| knowledge gap | {sum(one.cause == 'knowledge_gap' for one in FINDINGS)} |" in text
    assert "| `work` | 30 |" in text


def test_corrected_shares_stand_beside_the_named_ones(tmp_path: Path) -> None:
    """Every second unlearned example was intervened on; each spoke for what it is named."""
    named = [one.cause for one in FINDINGS]
    spoken = {"data_conflict": ("data_conflict",), "forgetting": ("forgetting",)}
    flipped = {"control": Course((False,), (None,)), "more_steps": Course((True,), (None,))}
    reactions = {
        position: Reaction(spoken.get(cause, ()), "", None, None, None, flipped)
        for position, cause in enumerate(named)
        if cause is not None and position % 2
    }
    told = {"untold": 0}
    attribution = {"method": "evidence", "n": 52, "causes": dict.fromkeys(CAUSES, told)}
    shares = corrected(named, reactions, attribution, seed=0)
    report = write_report(write_run(tmp_path, FINDINGS, interventions={"n": len(reactions), "shares": shares}))
    page, summary = words(Page(report.page).text), report.summary.read_text(encoding="utf-8")
    rest = on_what(52, len(reactions))
    assert shares["n"] == 52 and rest in page and rest in summary
    for cause, rate in shares["causes"].items():
        cell = f"{rate['estimate']:.1%} [{100 * rate['low']:.1f}, {100 * rate['high']:.1f}]"
        assert cell in page
        assert re.search(
            rf"\| {cause.replace('_', ' ')} \| {named.count(cause)} \| .* \| {re.escape(cell)} \|", summary
        )


def test_shares_that_are_not_corrected_are_not_shown(tmp_path: Path) -> None:
    shares = {"n": 52, "sampled": 10, "causes": {}, "weighed": False, "reason": NOTHING_FLIPPED}
    report = write_report(write_run(tmp_path, FINDINGS, interventions={"n": 10, "shares": shares}))
    assert "corrected" not in (Page(report.page).text + report.summary.read_text(encoding="utf-8")).lower()


def test_of_one_the_singular_is_used(tmp_path: Path) -> None:
    # see `finding`: 0 was right before and is not learned, 6 is learned by heart
    report = write_report(write_run(tmp_path, [FINDINGS[0], FINDINGS[6]], ledger=False))
    text, summary = words(Page(report.page).text), report.summary.read_text(encoding="utf-8")
    assert "1 of 2 training examples was not learned" in text
    assert re.search(r"1 of 2 training examples \(.*\) was not learned", summary)
    for told in (text, summary):
        assert "1 was right before the fine-tune and is wrong now." in told
        assert "1 of the learned ones is learned in the training wording only." in told


def test_where_all_is_learned_it_says_so(tmp_path: Path) -> None:
    report = write_report(write_run(tmp_path, [one for one in FINDINGS if one.learned], ledger=False))
    assert report.summary.read_text(encoding="utf-8").startswith("## All 8 training examples were learned\n")
    assert "All 8 training examples were learned" in Page(report.page).text


def test_no_text_of_the_data_is_markdown(tmp_path: Path) -> None:
    texts = [text for text in hostile() if text.strip()]
    bad = [replace(one, prompt=texts[i], response=texts[i], source=texts[i % 9]) for i, one in enumerate(FINDINGS)]
    text = write_report(write_run(tmp_path, bad, notes=texts)).summary.read_text(encoding="utf-8")
    outside = re.sub(r"(?s)(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", text)
    assert not re.findall(r"<|(?<!\\)\[", re.sub(r"\[\d+\.\d, \d+\.\d\]", "", outside))
    columns = {line.count("|") - line.count("\\|") for line in text.splitlines() if line.startswith("|")}
    assert columns == {6}


def card_run(folder: Path) -> Path:
    run = write_run(folder, FINDINGS)
    path = run / "diagnosis" / "summary.json"
    summary: dict[str, Any] = json.loads(path.read_text())
    (run / "train" / "main").mkdir(parents=True)
    summary["run"]["models"]["tuned"]["name"] = str(run / "train" / "main")
    write_json(path, summary)
    return run


def test_the_model_card_gets_one_section(tmp_path: Path) -> None:
    run = card_run(tmp_path)
    card = run / "train" / "main" / "README.md"
    card.write_text("---\ntags: [x]\n---\n\n# main\n\n## Use\n\ncode\n", encoding="utf-8")
    assert write_card(run) == card
    once = card.read_text(encoding="utf-8")
    assert (
        once.index("# main") < once.index(START) < once.index("## Diagnosis") < once.index(END) < once.index("## Use")
    )
    assert "training examples" in once and once.endswith("## Use\n\ncode\n")
    write_card(run)
    assert card.read_text(encoding="utf-8") == once


def test_a_card_without_the_usual_sections_gets_it_at_its_end() -> None:
    assert with_card_section("# mine\n", f"{START}\nx\n{END}\n") == f"# mine\n\n{START}\nx\n{END}\n"


def test_a_model_from_elsewhere_has_no_card_here(tmp_path: Path) -> None:
    with pytest.raises(UptakeError, match="has no model card from this run"):
        write_card(write_run(tmp_path, FINDINGS))


@pytest.mark.parametrize(
    "name", ["../../../theirs", "..", "a/b", "/theirs", "", "bad_rows.jsonl", "x" * 101, None, 3, ".main.work"]
)
def test_the_names_of_stages_in_a_summary_are_held_to_what_a_run_file_may_name(name: object, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "README.md").write_text("# theirs\n")
    run = card_run(tmp_path / "run" / "one")
    path = run / "diagnosis" / "summary.json"
    summary = json.loads(path.read_text())
    summary["run"]["settings"]["stages"] = [{"name": name}]
    summary["run"]["models"]["tuned"]["name"] = str(theirs)
    write_json(path, summary)
    for write in (write_card, write_report):
        with pytest.raises(UptakeError, match=r"summary\.json is damaged: "):
            write(run)
    assert (theirs / "README.md").read_text() == "# theirs\n" and not (theirs / "manifest.json").exists()


def test_a_card_is_not_written_through_a_link(tmp_path: Path) -> None:
    run = card_run(tmp_path / "run")
    theirs = tmp_path / "theirs"
    (run / "train" / "main").rename(theirs)
    (theirs / "README.md").write_text("# theirs\n")
    (run / "train" / "main").symlink_to(theirs)
    with pytest.raises(UptakeError, match="is a symbolic link"):
        write_card(run)
    assert [path.name for path in theirs.iterdir()] == ["README.md"]
    assert (theirs / "README.md").read_text() == "# theirs\n"


@pytest.mark.parametrize(("key", "said"), [("criteria", "criteria is missing"), ("run", "run is missing")])
def test_a_summary_that_lacks_something_is_damaged_and_no_bug(tmp_path: Path, key: str, said: str) -> None:
    run = write_run(tmp_path, FINDINGS)
    path = run / "diagnosis" / "summary.json"
    told = json.loads(path.read_text())
    del told[key]
    write_json(path, told)
    with pytest.raises(UptakeError, match=said):
        write_report(run)
    assert not (run / "report.html").exists()


WRONG = [
    (("n",), None, "n is null: it should be a valid integer"),
    (("n",), True, "n is true: it should be a valid integer"),
    (("by_source", "work", "n"), "9", r"by_source\.work\.n is '9'"),
    (("by_stage", "early", "learned", "rate", "low"), None, r"by_stage\.early\.learned\.rate\.low is null"),
    (("learned", "count"), "8", r"learned\.count is '8'"),
    (("shallow",), None, "shallow is null: it should be an object"),
    (("by_stage",), [], r"by_stage is \[\]"),
]


@pytest.mark.parametrize(("keys", "value", "said"), WRONG)
def test_a_count_of_the_summary_that_is_none_is_damaged_and_no_bug(
    tmp_path: Path, keys: tuple[str, ...], value: object, said: str
) -> None:
    run = write_run(tmp_path, FINDINGS, ledger=False)
    path = run / "diagnosis" / "summary.json"
    summary = part = json.loads(path.read_text())
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    write_json(path, summary)
    with pytest.raises(UptakeError, match=said) as told:
        write_report(run)
    assert str(path) in told.value.problem and told.value.fix is not None and "uptake diagnose" in told.value.fix
