"""Reading results and setting them beside the printed numbers. Nothing here trains.

`figure` is loaded on first use: only it needs matplotlib.
"""

from typing import Any

from vswin.report.collect import load_study, studies_in
from vswin.report.page import write_report
from vswin.report.study import Study

__all__ = ["Study", "figure", "load_study", "studies_in", "write_report"]


def __getattr__(name: str) -> Any:
    if name != "figure":
        raise AttributeError(f"module 'vswin.report' has no attribute {name!r}")
    from vswin.report.plots import figure

    return figure
