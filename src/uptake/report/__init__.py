"""The report of a run, as one self-contained HTML file and in Markdown; streams and conflicts have their own pages."""

from uptake.report.conflicts import write_conflicts_page
from uptake.report.stream import write_stream_page
from uptake.report.write import Report, write_card, write_report

__all__ = ["Report", "write_card", "write_conflicts_page", "write_report", "write_stream_page"]
