"""A results folder in which one claim holds, one is contradicted and one depends on the speed."""

import pytest

from tests.results import complete, of_top1
from vswin.experiments.planning import plan_study
from vswin.report.overview.collect import load_overview

TOP1 = {
    "proxy": {"joint": 80.0, "split": 75.0, "factorized": 82.0},
    "proxy_speed2": {"joint": 80.0, "split": 85.0, "factorized": 82.0},
}
"""By protocol and row; the first seed is a little below, the last a little above."""
SPREAD = (-0.2, 0.0, 0.1, 0.2)


def train(results, protocol):
    """Runs of Table 4 as if they had been trained."""
    plan = plan_study("table4", protocol, len(SPREAD), results, rows=list(TOP1[protocol]))
    for planned in plan.runs:
        folder = plan.folder(planned)
        folder.create(planned.config)
        own = 0.1 * ("joint", "split", "factorized").index(planned.row.id) * (planned.seed % 2)
        top1 = TOP1[protocol][planned.row.id] + SPREAD[planned.seed] + own
        complete(folder, of_top1(top1, n=5760))


@pytest.fixture(scope="package")
def overview(tmp_path_factory):
    """The overview of such a folder. Read only, please."""
    results = tmp_path_factory.mktemp("overview") / "results"
    for protocol in TOP1:
        train(results, protocol)
    return load_overview("proxy", results)
