"""`uptake diff`: two diagnoses side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from uptake.cli.out import write_out
from uptake.cli.terminal import printable
from uptake.text import counted

SHOWN = 10
"""Examples of a list that are printed; all of them are in the file."""
ROWS = 8
"""Stages or sources of a table that are printed, those that changed for the worse first."""
WIDTH = 100

TITLES = {
    "learned": "learned",
    "not_shallow": "learned, and in most other wordings too",
    "not_forgotten": "not forgotten",
}


def command(
    before: Annotated[Path, typer.Argument(help="Folder of the earlier diagnosis, or of its run.", metavar="BEFORE")],
    after: Annotated[Path, typer.Argument(help="Folder of the later diagnosis, or of its run.", metavar="AFTER")],
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for the full comparison.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the resampling behind the intervals.")] = 0,
) -> None:
    """Compare two diagnoses.

    What is newly learned, newly lost, or has another cause, and whether that is more than chance.
    """
    from uptake.artifacts import json_bytes
    from uptake.cli.compared import opened
    from uptake.compare import difference, left_out, match, unlike

    earlier, old = opened(before)
    later, new = opened(after)
    pairs = match(earlier, later)
    found = difference(pairs, seed=seed) | {"notes": [*unlike(old, new), *left_out(pairs)]}
    if out is not None:
        write_out("--out", out, json_bytes(found))
    typer.echo(printable(show(found, out)))


def show(found: Mapping[str, Any], out: Path | None = None) -> str:
    """A comparison as text for a terminal.

    Args:
        found: The comparison.
        out: The file that has all of it; None where there is none.
    """
    rest = f"in {out}" if out is not None else "in the file that --out FILE writes"
    lines = [f"{counted(found['n'], 'example is', 'examples are')} in both."]
    for measure, title in TITLES.items():
        lines += ["", *_table(title, found[measure], rest)] if found[measure] else []
    lines += ["", *_causes(found["causes"])] if found["causes"] else []
    for key, title in (("newly_lost", "lost"), ("newly_learned", "learned"), ("changed_cause", "with another cause")):
        lines += _listed(title, found[key] or [], rest)
    lines += [""] if found["notes"] else []
    for note in found["notes"]:
        lines += textwrap.wrap(f"note: {note}", WIDTH, subsequent_indent="      ")
    return "\n".join(lines)


def _table(title: str, part: Mapping[str, Any], rest: str) -> list[str]:
    """One measure in all, by stage and by source; those that changed most come first."""
    from uptake.cli.train import table

    head = (title, "n", "before", "after", "lost", "gained", "change, 95% interval", "p", "Holm")
    rows, beyond = [_row("all", part)], dict[str, int]()
    for group in ("stage", "source"):
        named = sorted(part[f"by_{group}"].items(), key=lambda item: (item[1]["change"]["estimate"], item[0]))
        if len(named) > 1:
            rows += [_row(f"{group} {name}", one) for name, one in named[:ROWS]]
            if (more := len(named) - ROWS) > 0:
                beyond[f"{group}s" if more > 1 else group] = more
    lines = table(head, rows)
    lines += [f"and {n:,} more {what}, {rest}" for what, n in beyond.items()]
    adjusted = part["lost"]["rate_adjusted"]
    if adjusted is not None:
        guessed = part["lost"]["count"] - adjusted["estimate"] * part["n"]
        lines.append(f"(of the {part['lost']['count']} lost about {max(0.0, guessed):.0f} were lucky guesses before)")
    return lines


def _row(name: str, part: Mapping[str, Any]) -> tuple[str, ...]:
    change = part["change"]
    low, high = (f"{100 * change[end]:+.1f}" for end in ("low", "high"))
    return (
        " ".join(name.split())[:40], str(part["n"]),
        f"{part['before']['estimate']:.1%}", f"{part['after']['estimate']:.1%}",
        str(part["lost"]["count"]), str(part["gained"]["count"]), f"{100 * change['estimate']:+.1f}% [{low}, {high}]",
        f"{part['p']:.2g}", f"{part['p_holm']:.2g}" if "p_holm" in part else "",
    )  # fmt: skip


def _causes(moves: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where the examples of each cause went: rows before, columns after."""
    from uptake.cli.train import table

    names = sorted({str(move[end]) for move in moves for end in ("before", "after")})
    counts = {(move["before"], move["after"]): move["n"] for move in moves}
    rows = [(name, *(str(counts.get((name, other), 0) or "") for other in names)) for name in names]
    return table(("before / after", *names), rows)


def _listed(title: str, rows: Sequence[Mapping[str, str]], rest: str) -> list[str]:
    if not rows:
        return []
    more = f", {len(rows)}"
    lines = ["", f"Newly {title}{more}:" if title != "with another cause" else f"Still not learned, {title}{more}:"]
    for row in rows[:SHOWN]:
        where = " ".join(f"{row['id'][:60]} ({row['stage']}, {row['source'][:40]})".split())
        lines.append(f"  {where}: {row['before']} -> {row['after']}")
    return [*lines, f"  and {len(rows) - SHOWN:,} more, {rest}"] if len(rows) > SHOWN else lines
