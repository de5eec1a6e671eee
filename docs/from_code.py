"""What the code says, as Markdown: causes, remedies, strategies, signals, verbs, keys of the run file, whole files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import typer

import uptake
from uptake import cli
from uptake.causes import CAUSES, SIGNALS, Cause
from uptake.cli.run_options import RunCommand
from uptake.config import json_schema
from uptake.lab.families import FAMILIES
from uptake.remedies import REMEDIES, Remedy
from uptake.strategies import STRATEGIES, Strategy

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
WIDTH = 120


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a pipe in a cell would end it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def causes() -> str:
    """A section for each cause, in its own words."""
    return "\n\n".join(_cause(cause) for cause in CAUSES.values())


def _cause(cause: Cause) -> str:
    return _section(
        f"### `{cause.name}`",
        cause.finds,
        f"**Example.** {cause.example}",
        f"**Remedy.** {cause.remedy} {cause.safety}",
    )


def causes_further() -> str:
    """For each cause why it is bad, and where it comes from."""
    rows = [[f"`{name}`", cause.bad, _references(cause.references)] for name, cause in CAUSES.items()]
    return table(["cause", "why it is bad", "references"], rows)


def judged() -> str:
    """For each cause its sets of signals, the best first, and what its score depends on besides."""
    rows = []
    for name, cause in CAUSES.items():
        sets = "; else ".join(", ".join(f"`{one}`" for one in pattern) for pattern in cause.patterns)
        alone = " The score is multiplied by the probability that no other cause holds." * cause.residual
        needs = f" Needs {', '.join(f'`{one}`' for one in cause.needs)} to be judged too." if cause.needs else ""
        rows.append([f"`{name}`", f"{sets}.{alone}{needs}"])
    return table(["cause", "judged by"], rows)


def remedies() -> str:
    """A section for each remedy, in its own words."""
    return "\n\n".join(_remedy(remedy) for remedy in REMEDIES.values())


def _remedy(remedy: Remedy) -> str:
    return _section(
        f"## `{remedy.name}`, for `{remedy.cause}`",
        remedy.does,
        f"**How safe.** {remedy.safety}",
    )


def remedies_further() -> str:
    """For each remedy why it helps, an example, and where it comes from."""
    rows = [[f"`{name}`", one.helps, one.example, _references(one.references)] for name, one in REMEDIES.items()]
    return table(["remedy", "why it helps", "example", "references"], rows)


def strategies_short() -> str:
    """A paragraph for each strategy: what it does and what it costs."""
    return "\n\n".join(
        _wrapped(f"**[`{name}`](details/strategies.md#{name})**: {one.does} *Cost:* {one.costs}")
        for name, one in STRATEGIES.items()
    )


def strategies() -> str:
    """A section for each strategy, in its own words."""
    return "\n\n".join(_strategy(strategy) for strategy in STRATEGIES.values())


def strategies_catalogue() -> str:
    """Each family with its members, and each method of the survey that a strategy stands for."""
    kinds: dict[str, list[str]] = {}
    rows = []
    for name, one in STRATEGIES.items():
        kinds.setdefault(one.hooks.__module__.split(".")[2], []).append(f"[`{name}`](#{name})")
        for text in one.references:
            if found := re.match(r"catalogue (\d+)[:,]? *(.*)", text):
                rows.append((int(found[1]), f"`{name}`", _references([found[2]])))
    families = table(["family", "members", ""], [[kind, str(len(of)), ", ".join(of)] for kind, of in kinds.items()])
    own = [f"`{name}`" for name, one in STRATEGIES.items() if any("of uptake" in text for text in one.references)]
    works = table(["row", "strategy", "method"], [[str(n), name, text] for n, name, text in sorted(rows)])
    beside = (
        f"{len(STRATEGIES)} strategies. Beside them stand what needs none: sequential training, of all weights or of "
        "one adapter that is trained on and on (`peft`), and the untouched base, which every stream reads. Of uptake "
        f"itself are {', '.join(own)}."
    )
    numbers = len({n for n, _, _ in rows})
    told = (
        f"Rows of a survey of 167 papers that a strategy stands for ({numbers} of them); what differs is said beside "
        "them. The others are in the references of each strategy."
    )
    return "\n\n".join([_wrapped(beside), families, _wrapped(told), works])


def _strategy(strategy: Strategy) -> str:
    rows = [
        [f"`{name}`", f"`{json.dumps(field.default)}`", one_line(field.description or "")]
        for name, field in strategy.settings.model_fields.items()
    ]
    text = _section(
        f"### `{strategy.name}`",
        strategy.does,
        f"**Why it helps.** {strategy.helps}",
        f"**What it costs.** {strategy.costs}",
        f"**References.** {_references(strategy.references)}",
    )
    return f"{text}\n\n```yaml\n{strategy.example}\n```\n\n{table(['setting', 'default', ''], rows)}"


def _section(head: str, *paragraphs: str) -> str:
    return "\n\n".join([head, *map(_wrapped, paragraphs)])


def _wrapped(text: str) -> str:
    # a dash at a line's start would be a list, and words with hyphens are one word
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _references(references: Sequence[str]) -> str:
    text = "; ".join(references) + "."
    text = re.sub(r"docs/(\w+)\.md", r"[\1](../\1.md)", text)
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
    parts = [f"## `{path}`", f"    {usage}", plain(verb.help)]
    pages = [DOCS / f"{word}.md" for word in path.split()[:0:-1]]
    if page := next((one for one in pages if one.is_file()), None):
        parts.append(f"See [{page.stem}](../{page.name}).")
    rows = [[_option(one), _default(one), plain(one.help or "")] for one in verb.params]
    if rows:
        parts.append(table(["argument or option", "default", ""], rows))
    if isinstance(verb, RunCommand):
        parts.append("Every [key of the run file](run-file.md) is an option too, and beats the file.")
    elif verb.epilog:
        parts.append(plain(verb.epilog))
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


def plain(text: str) -> str:
    """Plain text as Markdown that shows the same."""
    return re.sub(r"([<*])", r"\\\1", re.sub(r"[ \t]*\n[ \t]*", "\n", text.strip()))


def names() -> str:
    """Each public name, for mkdocstrings to describe."""
    places = (f"{module}.{name}" for name, module in uptake.PUBLIC.items())
    # `uptake.data.load` is a function, and the module that it comes from
    return "\n\n".join(f"::: {place}" + f".{place.rpartition('.')[2]}" * _is_module(place) for place in places)


def _is_module(place: str) -> bool:
    package, _, name = place.rpartition(".")
    folder = ROOT / "src" / package.replace(".", "/")
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()


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
        [f"`{key}`", _type(one), "required" if key in required else _json(one), plain(one_line(one["description"]))]
        for key, one in section["properties"].items()
    ]
    return "\n\n".join([f"## {name}", plain(section["description"]), table(["key", "type", "default", ""], rows)])


def one_line(text: str) -> str:
    """Text without line breaks, as a cell of a table needs it."""
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


def file(path: str, language: str) -> str:
    """A file of the repository as a code block."""
    return f"```{language}\n{(ROOT / path).read_text(encoding='utf-8').rstrip()}\n```"


def families() -> str:
    """The families of worlds, the three with modules of their own first."""
    rows = [
        (
            "`synthetic` (default)",
            "people and firms with invented names, twelve relations, answers of a few tokens",
            "0.99",
        ),
        ("`facts`", "real facts of ParaRel in human-written wordings", "0.99"),
    ]
    rows += [
        (f"`{name}`", one.does, f"{one.knows[0]:.1f} to {one.knows[1]:.1f} (median)") for name, one in FAMILIES.items()
    ]
    rows.append(("`--base MODEL`", "real facts that a given model knows, or does not", "as it does"))
    return table(("family", "made of", "p of what the base was told"), rows)
