"""The report of a run: one self-contained HTML file, and a summary in Markdown; a stream has a page of its own."""

from uptake.report.stream import write_stream_page
from uptake.report.write import Report, write_card, write_report

__all__ = ["Report", "write_card", "write_report", "write_stream_page"]
