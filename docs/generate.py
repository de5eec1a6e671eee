"""Write the parts of the documentation that say what the code says: causes, remedies, verbs, keys, measured tables.

    python docs/generate.py            # write them anew
    python docs/generate.py --check    # exit 1 and name the pages that are out of date

A page marks such a part with `<!-- begin NAME -->` and `<!-- end NAME -->`; what stands between is not written by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import typer

from uptake import cli
from uptake.causes import CAUSES, SIGNALS, Cause
from uptake.cli.run_options import RunCommand
from uptake.config import json_schema
from uptake.remedies import REMEDIES, Remedy

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
WIDTH = 120

WAYS: Mapping[str, str] = {
    "evidence": "with everything",
    "no_ledger": "without a ledger",
    "no_paraphrases": "without held-out wordings",
    "no_base": "without the base",
    "ilp": "by the published cascade",
}
"""How `benchmarks/attribution.py` diagnoses a world, in words, in the order of the tables."""

SETS: Mapping[str, str] = {
    "development": "the coefficients were fitted on these",
    "unseen": "nothing was fitted on these, or chosen by them",
    "settings": "half the size, LoRA, and causes in other shares; nothing was fitted on these",
    "more settings": "noise in the prompts, and items with two causes; nothing was fitted on these",
    "facts": "real facts in human-written wordings; nothing was fitted on real facts",
}
"""The sets of worlds of `benchmarks/attribution.py`, in words."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a pipe in a cell would end it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def causes() -> str:
    """A section for each cause, in its own words."""
    return "\n\n".join(_cause(cause) for cause in CAUSES.values())


def _cause(cause: Cause) -> str:
    judged = "; else by ".join(", ".join(f"`{name}`" for name in pattern) for pattern in cause.patterns)
    alone = " It holds only where no other cause does: its score is multiplied by the probability of that."
    needs = f" Without {', '.join(f'`{name}`' for name in cause.needs)} it cannot be told." if cause.needs else ""
    return _section(
        f"### `{cause.name}`",
        cause.finds,
        f"**Why it is bad.** {cause.bad}",
        f"**Example.** {cause.example}",
        f"**Remedy.** {cause.remedy} **How safe:** {cause.safety}",
        f"**References.** {_references(cause.references)}",
        f"**Judged by** {judged}.{alone * cause.residual}{needs}",
    )


def remedies() -> str:
    """A section for each remedy, in its own words."""
    return "\n\n".join(_remedy(remedy) for remedy in REMEDIES.values())


def _remedy(remedy: Remedy) -> str:
    return _section(
        f"## `{remedy.name}`, for `{remedy.cause}`",
        remedy.does,
        f"**Why it helps.** {remedy.helps}",
        f"**Example.** {remedy.example}",
        f"**How safe.** {remedy.safety}",
        f"**References.** {_references(remedy.references)}",
    )


def _section(head: str, *paragraphs: str) -> str:
    # a dash at a line's start would be a list, and words with hyphens are one word
    wrapped = (fill(text, WIDTH, break_long_words=False, break_on_hyphens=False) for text in paragraphs)
    return "\n\n".join([head, *wrapped])


def _references(references: Sequence[str]) -> str:
    text = "; ".join(references) + "."
    text = re.sub(r"docs/(\w+)\.md", r"[\1](\1.md)", text)
    return re.sub(r"arXiv (\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)


def signals() -> str:
    """What each signal means."""
    return table(["signal", "meaning"], [[f"`{name}`", one.meaning] for name, one in SIGNALS.items()])


def verbs() -> str:
    """Each verb of the command line with its arguments and options."""
    return "\n\n".join(_verb(path, verb) for path, verb in _commands("uptake", typer.main.get_command(cli.app)))


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    below: Mapping[str, Any] = getattr(command, "commands", {})
    if not below:
        yield path, command
    for name, verb in below.items():
        yield from _commands(f"{path} {name}", verb)


def _verb(path: str, verb: Any) -> str:
    arguments = [one for one in verb.params if not one.opts[0].startswith("-")]
    usage = " ".join([path, *(one.metavar or _metavar(one) for one in arguments), "[OPTIONS]"])
    parts = [f"## `{path}`", f"    {usage}", _text(verb.help)]
    page = DOCS / f"{path.split()[1]}.md"
    if page.is_file():
        parts.append(f"See [{page.stem}](../{page.name}).")
    rows = [[_option(one), _default(one), _text(one.help or "")] for one in verb.params]
    if rows:
        parts.append(table(["argument or option", "default", ""], rows))
    if isinstance(verb, RunCommand):
        parts.append("Every [key of the run file](run-file.md) is an option too, and beats the file.")
    elif verb.epilog:
        parts.append(_text(verb.epilog))
    return "\n\n".join(parts)


def _metavar(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    return names if option.opts[0].startswith("-") else f"`{option.metavar or _metavar(option)}`"


def _default(option: Any) -> str:
    if option.required:
        return "required"
    flag = getattr(option, "is_flag", False)
    return "" if option.default in (None, "", [], ()) or (flag and option.default is False) else f"`{option.default}`"


def _text(text: str) -> str:
    """Plain text as Markdown that shows the same."""
    return re.sub(r"([<*])", r"\\\1", re.sub(r"[ \t]*\n[ \t]*", "\n", text.strip()))


def keys() -> str:
    """Each key of the run file, and below those of its sections."""
    schema = json_schema()
    parts = [_keys("The file", schema)]
    waiting, seen = _named(schema["properties"]), list[str]()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.append(name)
        section = schema["$defs"][name]
        parts.append(_keys(name, section))
        waiting += _named(section["properties"])
    return "\n\n".join(parts)


def _named(properties: Mapping[str, Any]) -> list[str]:
    """The sections that properties refer to, in their order."""
    return re.findall(r'"#/\$defs/(\w+)"', json.dumps([_without_mapping(one) for one in properties.values()]))


def _without_mapping(one: Any) -> Any:
    if isinstance(one, dict):
        return {name: _without_mapping(below) for name, below in one.items() if name != "discriminator"}
    return [_without_mapping(below) for below in one] if isinstance(one, list) else one


def _keys(name: str, section: Mapping[str, Any]) -> str:
    required = section.get("required", ())
    rows = [
        [f"`{key}`", _type(one), "required" if key in required else _json(one), _text(_line(one["description"]))]
        for key, one in section["properties"].items()
    ]
    return "\n\n".join([f"## {name}", _text(section["description"]), table(["key", "type", "default", ""], rows)])


def _line(text: str) -> str:
    return " ".join(text.split())


def _json(one: Mapping[str, Any]) -> str:
    """A default; a section's own defaults stand in its table."""
    value = one.get("default")
    return "" if isinstance(value, dict) or "default" not in one else f"`{json.dumps(value)}`"


BOUNDS: Mapping[str, str] = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _type(one: Mapping[str, Any]) -> str:
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in one or "oneOf" in one:
        return " or ".join(_type(each) for each in one.get("anyOf") or one["oneOf"])
    if "const" in one:
        return f"`{one['const']}`"
    if "enum" in one:
        return ", ".join(f"`{value}`" for value in one["enum"])
    if one["type"] == "array":
        return f"list of {_type(one['items'])}"
    if one["type"] == "object":
        below = one.get("additionalProperties")
        return f"object of {_type(below)}" if isinstance(below, dict) else "object"
    bounds = [f"{sign} {one[bound]}" for bound, sign in BOUNDS.items() if bound in one]
    return " ".join([{"string": "text", "null": "null"}.get(one["type"], one["type"]), ", ".join(bounds)]).strip()


def attribution() -> str:
    """The measured tables of `benchmarks/results/attribution.json`."""
    results = json.loads((ROOT / "benchmarks" / "results" / "attribution.json").read_text(encoding="utf-8"))
    sets = results.get("sets") or {"unseen": results["together"]}
    parts = [part for name, one in sets.items() for part in _set(name, one)]
    parts += ["## Without one signal", "All coefficients fitted anew with the signal left out.", _ablation(results)]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return "\n\n".join([*parts, f"Measured with {versions}."])


def _set(name: str, one: Mapping[str, Any]) -> Iterator[str]:
    evidence = one["evidence"]["named"]
    planted = sum(cause["n"] for cause in evidence["causes"].values())
    yield f"## Worlds: {name}"
    yield f"{evidence['worlds']} worlds: {SETS[name]}."
    controls = evidence["items"] - planted
    yield f"{planted:,} confirmed unlearned items and {controls:,} controls. F1 of the cause that is named:"
    rows = [[words, *_grades(one[way]["named"])] for way, words in WAYS.items() if way in one]
    yield table(["diagnosed", "macro-F1 [95 %]", *(f"`{cause}`" for cause in CAUSES)], rows)
    confusion = evidence["confusion"]
    counts = zip(confusion["planted"], confusion["planted_by_told"], strict=True)
    yield "With everything, a row what was planted, a column what was named:"
    yield table(["", *confusion["told"]], [[planted, *map(str, row)] for planted, row in counts])
    scores = one["evidence"]["scores"]["causes"]
    rows = [[f"`{cause}`", *(_estimate(scores[cause][name]) for name in ("auroc", "ece"))] for cause in CAUSES]
    yield "Its scores, taken for probabilities: how well they rank, and how far they are off on average (ten bins)."
    yield table(["score", "AUROC", "expected calibration error"], rows)


def _grades(named: Mapping[str, Any]) -> list[str]:
    macro = named["macro_f1"]
    whole = f"{macro['estimate']:.3f} [{macro['low']:.3f}, {macro['high']:.3f}]"
    return [whole, *(_estimate(named["causes"][cause]["f1"]) for cause in CAUSES)]


def _estimate(one: Mapping[str, float] | float | None) -> str:
    value = one["estimate"] if isinstance(one, Mapping) else one
    return "-" if value is None else f"{value:.3f}"


def _ablation(results: Mapping[str, Any]) -> str:
    found = {name: _estimate(one["macro_f1"]) for name, one in results["ablation"].items()}
    rows = [[f"`{name}`" if name in SIGNALS else name, value] for name, value in found.items()]
    return table(["left out", "macro-F1"], sorted(rows, key=lambda row: row[1]))


def _file(path: str, language: str) -> Callable[[], str]:
    """A file of the repository as a code block."""
    return lambda: f"```{language}\n{(ROOT / path).read_text(encoding='utf-8').rstrip()}\n```"


BLOCKS: Mapping[str, Callable[[], str]] = {
    "causes": causes,
    "signals": signals,
    "remedies": remedies,
    "verbs": verbs,
    "keys": keys,
    "attribution": attribution,
    "ci-job": _file("examples/ci/uptake.yml", "yaml"),
    "ci-run": _file("examples/ci/run.yaml", "yaml"),
}
"""What can stand between a page's markers."""

MARKED = re.compile(r"<!-- begin ([\w-]+) -->\n.*?<!-- end \1 -->", re.DOTALL)


def written(text: str) -> str:
    """A page with its marked parts written anew.

    Raises:
        KeyError: A marker names no block.
    """
    return MARKED.sub(
        lambda found: f"<!-- begin {found[1]} -->\n\n{BLOCKS[found[1]]()}\n\n<!-- end {found[1]} -->", text
    )


def main(arguments: Sequence[str]) -> int:
    """Write all pages, or with `--check` only look at them; returns the exit code."""
    stale, check = [], "--check" in arguments
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = written(text)
        if new != text:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(new, encoding="utf-8")
    for page in stale:
        print(
            f"{page}: {'out of date; write it anew: python docs/generate.py' if '--check' in arguments else 'written'}"
        )
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
