"""Claims and studies that are made up."""

import dataclasses

from vswin.paper.claims import Claim
from vswin.report import load_study
from vswin.report.claims import Studies, judge
from vswin.report.data import Value


def claim(kind, rows, **keys):
    """A claim of Table 5; margins of 1 point on clips and 0.5 on videos where it takes some."""
    metric = keys.setdefault("metric", "top1")
    if metric in ("flops", "params", "test_flops", "views"):
        keys.setdefault("evidence", "counted")
    elif kind != "bound":
        keys.setdefault("margins", {"clips": 1.0, "videos": 0.5})
    fixed = {"id": "made_up", "table": "table5", "says": "This is so.", "evidence": "open test"}
    return Claim.model_validate({**fixed, "kind": kind, "rows": rows, **keys})


def with_results(study, metric="top1", **by_row):
    """The study with made-up numbers in % by row, one for each seed from 0 on; None: no run."""
    values = tuple(
        Value("video_swin", study.name, row, column, seed, value, study.terms.comparable)
        for row, by_seed in by_row.items()
        for seed, measured in enumerate(by_seed)
        for column, value in ((metric, measured), ("n", 480))
        if measured is not None
    )
    return dataclasses.replace(study, values=values)


def judged(found, protocol="proxy", metric="top1", **by_row):
    """The judgement of a claim on made-up numbers by row of Table 5."""
    study = with_results(load_study("table5", protocol, results_dir="/nowhere"), metric, **by_row)
    return judge(found, Studies(protocol, "/nowhere", known=[study]))
