"""Reading results and setting them beside the printed numbers. Nothing here trains."""

from vswin.report.page import write_report
from vswin.report.plots import figure
from vswin.report.study import Study, load_study

__all__ = ["Study", "figure", "load_study", "write_report"]
