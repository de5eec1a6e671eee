"""What a gate found, for machines and for a pull request: JUnit XML and Markdown.

Names of sources are the users' text: control characters are dropped, and nothing in them is markup any more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from xml.etree import ElementTree

from uptake.compare.gate import Check
from uptake.stats import Interval
from uptake.text import counted

_CONTROLLING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

BAD = {"learned": "no longer learned", "not_shallow": "newly shallow", "not_forgotten": "newly forgotten"}


def plain(text: str) -> str:
    """One line without control characters, invisible ones, and what XML cannot hold (XML 1.0, section 2.2)."""
    kept = (" " if char.isspace() else char for char in text)
    return " ".join("".join(char for char in kept if unicodedata.category(char) not in _CONTROLLING).split())


def percent(interval: Interval | None, *, sign: bool = False) -> str:
    """A share with its interval, in per cent; `-` where there is none."""
    if interval is None:
        return "-"
    shape = "+.1f" if sign else ".1f"
    low, high = (format(100 * end, shape) for end in (interval.low, interval.high))
    return f"{format(100 * interval.estimate, shape)}% [{low}, {high}]"


def where(check: Check) -> str:
    """What a check is about."""
    return "all examples" if check.source is None else f"source {check.source}"


def outcome(check: Check) -> str:
    """What came of a check, in words of our own."""
    if check.told is not None:
        return f"{check.name}: {check.told}"
    if check.counts is not None:
        worse, better = check.counts
        n = check.observed.n if check.observed else 0
        return (
            f"{worse} of {n} {BAD[check.name]}, {better} the other way; net {percent(check.observed, sign=True)}, "
            f"p = {check.p:.2g} after Holm; fails from {check.limit:.1%} on, if significant"
        )
    if check.observed is None:
        return f"{check.name} {check.limit:.1%}: not measured: {check.missing}"
    n_said = f" of {check.observed.n}" if check.name.startswith("max_") else ""
    above = check.name.startswith("max_") and check.passed and check.observed.estimate > check.limit
    why = ": above the limit, but not surely (fail_when: sure)" if above else ""
    return f"{check.name} {check.limit:.1%}: measured {percent(check.observed)}{n_said}{why}"


def junit(checks: Sequence[Check]) -> bytes:
    """JUnit XML: a test case for each check, a failure with its numbers for each that is not kept."""
    failed = sum(not check.passed for check in checks)
    root = ElementTree.Element("testsuites", name="uptake gate", tests=str(len(checks)), failures=str(failed))
    counts = {"tests": str(len(checks)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suite = ElementTree.SubElement(root, "testsuite", {"name": "uptake gate", **counts})
    for check in checks:
        kind = "limits" if check.counts is None else "regressions"
        name = plain(f"{check.name}: {where(check)}")
        case = ElementTree.SubElement(suite, "testcase", classname=f"uptake.gate.{kind}", name=name, time="0")
        if check.passed:
            ElementTree.SubElement(case, "system-out").text = outcome(check)
        else:
            ElementTree.SubElement(case, "failure", type=kind, message=outcome(check))
    ElementTree.indent(root)
    found: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return found + b"\n"


def markdown(checks: Sequence[Check], notes: Sequence[str] = ()) -> str:
    """A summary for a pull request: what failed, then a table of all checks."""
    failed = [check for check in checks if not check.passed]
    n = counted(len(checks), "check")
    head = f"failed {len(failed)} of {n}" if failed else f"passed {'all of ' * (len(checks) > 1)}{n}"
    lines = [f"### uptake gate: {head}", ""]
    lines += [f"- {_source(check)}: {outcome(check)}" for check in failed] + ([""] if failed else [])
    lines += ["| | check | source | limit | measured | n | p |", "|---|---|---|---:|---:|---:|---:|"]
    for check in checks:
        compared = check.counts is not None
        cells = (
            "pass" if check.passed else "**fail**", BAD[check.name] if compared else check.name, _source(check),
            f"{check.limit:.1%}", percent(check.observed, sign=compared),
            str(check.observed.n) if check.observed else "-", "-" if check.p is None else f"{check.p:.2g}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, *(f"\nnote: {_escaped(note)}" for note in notes)]) + "\n"


def _source(check: Check) -> str:
    # as code: elsewhere GitHub makes links of @name and #1
    return "all" if check.source is None else f"<code>{_escaped(check.source)}</code>"


def _escaped(text: str) -> str:
    """Text that is text in Markdown: signs are character references, which CommonMark never takes for markup."""
    line = plain(text)
    return "".join(char if char.isalnum() or char == " " or not char.isascii() else f"&#{ord(char)};" for char in line)
