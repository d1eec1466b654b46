"""A project with an ablation of one's own: experiments that are no tables of a paper."""

import importlib
import shutil

import numpy as np

from vswin.data.render_digits import encode
from vswin.project import project_root

MINE = """\
table: mine
title: Windows in time
rows:
  - {id: short, preset: swin_t, model: {window_size: [4, 7, 7]}}
  - {id: long, preset: swin_t, model: {window_size: [16, 7, 7]}}
  - {id: split, preset: swin_t, model: {design: split}}
"""


def own_project(folder, text=MINE, name="mine"):
    """A project in a folder that exists: the code of this one, its experiments and one more."""
    root = project_root()
    for shared in ("vswin", "notebooks"):
        (folder / shared).symlink_to(root / shared)
    shutil.copytree(root / "experiments", folder / "experiments")
    (folder / "experiments" / f"{name}.yaml").write_text(text)
    return folder


KNOW_THE_PROJECT = (
    "vswin.project",
    "vswin.data.data_file",
    "vswin.launch.processes",
    "vswin.launch.slurm.snapshot",
    "vswin.report.audit.links",
    "vswin.report.notebooks",
)
"""Modules with a name for the function that finds it; one that is imported later would keep it."""


def use_project(monkeypatch, folder):
    """Takes a folder for the project, until the test ends."""
    for module in [importlib.import_module(name) for name in KNOW_THE_PROJECT]:
        monkeypatch.setattr(module, "project_root", lambda: folder)


COLOURS = {"blue": (40, 40, 200), "green": (40, 200, 40), "red": (200, 40, 40)}


def own_videos(folder, each):
    """Class folders of videos, so many of each: noise in the colour that the class is called."""
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            rng = np.random.default_rng(number)
            noise = rng.integers(-40, 40, (12, 36, 48, 1))
            frames = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            (folder / name / f"{name}_{number}.mp4").write_bytes(encode(frames, "kinetics"))


SMALL = {
    "embed_dim": 24,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "window_size": [2, 4, 4],
    "drop_path": 0.0,
}
"""Of Swin-T, for clips of 4 frames of 32 x 32 pixels."""
