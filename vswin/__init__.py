"""Video Swin Transformer (arXiv 2106.13230), reproduced table by table.

Models:
    build_model(preset, **options)      a model, as `build_model("swin_t", num_classes=400)`; with
                                        `weights="kinetics400"` the published one
    load_model(file)                    a trained model and its clips, as `vswin predict` has them
    load_weights(model, source)         a checkpoint of any public layout into it
    save_weights(model, path, layout)   and out of it
    cost(model, input_size, rule)       multiply-accumulates and parameters, counted
    attention_distance(model, clips)    how far away what each head attends to is
    read_clips(video, model)            a video as `vswin predict` feeds it to that model
    transforms_for(model)               the same in steps: which frames, cropping, normalising

Studies, which are all runs of a table or of an own ablation under one protocol:
    plan_study(table, protocol, seeds)  which runs there are; `vswin list` has tables, protocols
    run_study(plan, jobs)               trains and tests what is missing
    load_study(table, protocol)         what came out: `.table()`, a DataFrame, and `.plot()`
    write_report(study)                 CSV, HTML, Markdown and PNG
    load_overview(protocol)             every claim and every table
    write_overview(overview)            the same on one page: HTML, Markdown and PNG
    progress(), check_parameters(...)   for notebooks: what runs are doing; wrong parameters

`help(vswin.build_model)` and so on say more.
"""

# The public names are loaded on first use, so that `vswin --help` need not wait for torch.

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vswin.costs.counting import cost  # bound here: the function, not the module, is `vswin.cost`
from vswin.version import VERSION

if TYPE_CHECKING:  # editors complete these, and type checkers know what they are
    from vswin.evaluation.reading import read_clips, transforms_for
    from vswin.experiments.planning import plan_study
    from vswin.launch.progress import progress
    from vswin.launch.study import run_study
    from vswin.models.attention_distance import attention_distance
    from vswin.report import load_study, write_report
    from vswin.report.notebooks import check_parameters
    from vswin.report.overview.collect import load_overview
    from vswin.report.overview.page import write_overview
    from vswin.runs.trained import load_model
    from vswin.weights.files import load_weights, save_weights
    from vswin.weights.named import build_model

__version__ = VERSION

HOME = {
    "cost": "vswin.costs.counting",
    "build_model": "vswin.weights.named",
    "attention_distance": "vswin.models.attention_distance",
    "read_clips": "vswin.evaluation.reading",
    "transforms_for": "vswin.evaluation.reading",
    "load_model": "vswin.runs.trained",
    "load_weights": "vswin.weights.files",
    "save_weights": "vswin.weights.files",
    "load_study": "vswin.report",
    "write_report": "vswin.report",
    "load_overview": "vswin.report.overview.collect",
    "write_overview": "vswin.report.overview.page",
    "plan_study": "vswin.experiments.planning",
    "run_study": "vswin.launch.study",
    "progress": "vswin.launch.progress",
    "check_parameters": "vswin.report.notebooks",
}
__all__ = [
    "attention_distance",
    "build_model",
    "check_parameters",
    "cost",
    "load_model",
    "load_overview",
    "load_study",
    "load_weights",
    "plan_study",
    "progress",
    "read_clips",
    "run_study",
    "save_weights",
    "transforms_for",
    "write_overview",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module 'vswin' has no attribute {name!r}")
    return getattr(importlib.import_module(HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
