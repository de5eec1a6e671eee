"""Confusion matrices as SVG; no library is needed."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

WIDE, HIGH = 620, 560
"""Of a matrix with its title, in pixels."""
IN_A_ROW = 3


def matrix(name: str, named: Mapping[str, Any]) -> str:
    """One matrix, 620 by 560: a row what was planted, a column what was named; darker: more of the row.

    Args:
        name: Its title.
        named: `named` of a grade in JSON.
    """
    confusion = named["confusion"]
    side, left, top = 68, 130, 130
    macro = named["macro_f1"]
    title = f"{name}: macro-F1 {macro['estimate']:.3f} [{macro['low']:.3f}, {macro['high']:.3f}]"
    body = [f'<text x="10" y="24" font-size="16">{escape(title)}</text>']
    for x, column in enumerate(confusion["told"]):
        body.append(
            f'<text transform="translate({left + side * (x + 0.5)},{top - 8}) rotate(-35)">{escape(column)}</text>'
        )
    for y, planted in enumerate(confusion["planted"]):
        body.append(f'<text x="{left - 8}" y="{top + side * y + side / 2}" text-anchor="end">{escape(planted)}</text>')
        counts = confusion["planted_by_told"][y]
        for x, n in enumerate(counts):
            share = n / max(1, sum(counts))
            body.append(
                f'<rect x="{left + side * x}" y="{top + side * y}" width="{side - 2}" height="{side - 2}" '
                f'fill="#1b3a57" fill-opacity="{0.04 + 0.96 * share:.3f}"/>'
                f'<text x="{left + side * (x + 0.5) - 1}" y="{top + side * (y + 0.5) + 5}" '
                f'text-anchor="middle" fill="{"white" if share > 0.5 else "#1b3a57"}">{n}</text>'
            )
    return "".join(body)


def pictured(matrices: Mapping[str, Mapping[str, Any]]) -> str:
    """Several matrices as one file, by their titles; see `matrix`."""
    panels = [
        f'<g transform="translate({WIDE * (n % IN_A_ROW)},{HIGH * (n // IN_A_ROW)})">{matrix(name, one)}</g>'
        for n, (name, one) in enumerate(matrices.items())
    ]
    wide, high = WIDE * min(IN_A_ROW, len(panels)), HIGH * -(-len(panels) // IN_A_ROW)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
    return "\n".join([f'{head} font-family="sans-serif" font-size="13" style="background:#fff">', *panels, "</svg>\n"])
