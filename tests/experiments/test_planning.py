"""Which runs a study plans: by number of seeds, or exactly these."""

import pytest

from vswin.errors import UsageError
from vswin.experiments.planning import plan_study


def seeds(**options):
    plan = plan_study("table5", "smoke", results_dir="/nowhere", rows=["win8"], **options)
    return [(planned.row.id, planned.seed, planned.config.seed) for planned in plan.runs]


def test_seeds_by_number_are_counted_from_0():
    assert seeds(seeds=2) == [("win8", 0, 0), ("win8", 1, 1)]
    assert seeds() == [("win8", 0, 0)]  # protocol smoke has one


def test_exactly_these_seeds_each_once():
    assert seeds(only_seeds=[7, 3, 7]) == [("win8", 7, 7), ("win8", 3, 3)]
    one = plan_study("table5", "smoke", 4, "/nowhere", ["win8"]).runs[3]
    (same,) = plan_study("table5", "smoke", None, "/nowhere", ["win8"], only_seeds=[3]).runs
    assert same == one


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": 2, "only_seeds": [1]}, "by number and one by one"),
        ({"only_seeds": [-1]}, "seed -1: wanted an integer >= 0"),
        ({"only_seeds": [True]}, "seed True"),
        ({"seeds": 0}, "seeds=0"),
    ],
)
def test_seeds_that_cannot_be_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        seeds(**options)
