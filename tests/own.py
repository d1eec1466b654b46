"""A project with an ablation of one's own: experiments that are no tables of a paper."""

import shutil

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
