"""The report of a run, as one self-contained HTML file and in Markdown; some verbs have pages of their own."""

from uptake.report.pages import write_pages
from uptake.report.write import Report, write_card, write_report

__all__ = ["Report", "write_card", "write_pages", "write_report"]
