"""Reading results and setting them beside the printed numbers. Nothing here trains."""

from vswin.report.collect import load_costs, load_study, reports_in, studies_in
from vswin.report.page import write_report
from vswin.report.study import Study

__all__ = ["Study", "load_costs", "load_study", "reports_in", "studies_in", "write_report"]
