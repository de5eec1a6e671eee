"""The report of a run: one self-contained HTML file, and a summary in Markdown."""

from uptake.report.write import Report, write_card, write_report

__all__ = ["Report", "write_card", "write_report"]
