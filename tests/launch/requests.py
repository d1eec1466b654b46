"""What a user asks to be submitted."""

from vswin.cli.submit import _notebooks
from vswin.experiments.planning import plan_study
from vswin.launch.proposal import ABSENT, Request
from vswin.launch.slurm.profile import Profile


def request(tmp_path, table="table5", protocol="smoke", seeds=1, states=ABSENT, **profile):
    plan = plan_study(table, protocol, seeds, tmp_path / "results")
    return Request((plan,), Profile(**profile), states, notebooks=_notebooks((plan,)))
