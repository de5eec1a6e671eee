"""Pages beside the report: each of what one verb found, where it was run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from uptake.report.compared import write_compare_page
from uptake.report.conflicts import write_conflicts_page
from uptake.report.exposure import write_exposure_page
from uptake.report.rewrite import write_rewrite_page
from uptake.report.rewrite_compared import write_rewrite_compare_page
from uptake.report.stream import write_stream_page

PAGES: Mapping[str, Callable[[Path], Path | None]] = {
    "stream": write_stream_page,
    "compare": write_compare_page,
    "conflicts": write_conflicts_page,
    "exposure": write_exposure_page,
    "rewrite": write_rewrite_page,
    "rewrite_compare": write_rewrite_compare_page,
}
"""By the verb; None where it was not run."""


def write_pages(output_dir: Path) -> dict[str, Path]:
    """Write the pages of all verbs that were run, by the verb.

    Args:
        output_dir: The run's folder.

    Raises:
        UptakeError: What a verb left is damaged, or the place cannot be written.
    """
    written = {name: write(output_dir) for name, write in PAGES.items()}
    return {name: page for name, page in written.items() if page is not None}
