"""What sbatch is told: the script, GPUs and memory as each site wants them, and the environment."""

import json
import os
import re
from pathlib import Path

import pytest
import submitit

from tests.command import vswin
from tests.launch.requests import request
from vswin.experiments.planning import plan_study
from vswin.launch.estimate import estimate_all
from vswin.launch.proposal import Request, propose
from vswin.launch.slurm.profile import Profile
from vswin.launch.slurm.sbatch import (
    SubmissionError,
    notebook_parameters,
    run_parameters,
    script,
    shape_of,
    submit_array,
)
from vswin.launch.submit import submit

GOLDEN = Path(__file__).with_name("golden_sbatch.sh")
RESOURCES = ("gpu", "gres", "mem", "tres")


def options(text):
    """The options of a script, by name; True for those without a value."""
    found = re.findall(r"^#SBATCH --([a-z-]+)(?:=(.*))?$", text, re.MULTILINE)
    assert len(dict(found)) == len(found)
    return {name: value.strip("'") or True for name, value in found}


def resources(text):
    return {k: v for k, v in options(text).items() if k.startswith(RESOURCES)}


def runs(profile, is_on_videos=True):
    shape = shape_of(profile, threads=1, is_on_videos=is_on_videos)
    return script(profile, run_parameters(profile, shape, "t", Path("/c"), None), Path("/j"), 3)


def notebook(profile):
    return script(profile, notebook_parameters(profile, "n", Path("/c"), None), Path("/j"), 1)


def test_the_scripts_text():
    # Two nodes of eight GPUs, and everything that a site may ask for.
    profile = Profile(
        partition="gpu,long", account="lab", qos="high", constraint="a100", exclude="node[07,12]",
        nodes=2, gpus_per_node=8, cpus_per_process=12, mem_gb_per_node=500.5, time="2-00:00:00",
        setup=["module load cuda", "source '/my env/bin/activate'"], srun_args=["--cpu-bind=none"],
        sbatch={"mail-user": "me@lab", "exclusive": True}, python="/my/python",
    )  # fmt: skip
    code, data = Path("/shared/my results/code/0123"), Path("/shared/data.yaml")
    shape = shape_of(profile, threads=4, is_on_videos=True)
    runs = run_parameters(profile, shape, "table1-abc", code, data)
    folder = Path("/shared/my results/jobs/table1-abc")
    text = script(profile, runs | {"array_parallelism": 3}, folder, count=16)
    notebook = notebook_parameters(profile, "notebook-def", code, data)
    text += script(profile, notebook | {"dependency": "afterany:7:8"}, folder, count=1)
    assert text == GOLDEN.read_text()
    arguments = shape.execute_arguments(profile)
    assert arguments == ("--threads", "4", "--device", "cuda", "--workers", "11")


def test_shapes_and_arguments():
    profile = Profile(nodes=2, gpus_per_node=4, micro_batch=3, checkpoint_minutes=2.5)
    digits = shape_of(profile, threads=1, is_on_videos=False)
    assert (digits.nodes, digits.gpus, digits.processes_per_node) == (1, 1, 1)
    videos = shape_of(profile, threads=1, is_on_videos=True)
    assert (videos.gpus, videos.processes_per_node, videos.cpus_per_process) == (8, 4, 8)
    words = " ".join(videos.execute_arguments(profile))
    assert "--micro-batch 3 --workers 7 --checkpoint-minutes 2.5" in words
    on_cpu = shape_of(Profile(nodes=2, processes_per_node=3), threads=2, is_on_videos=True)
    assert (on_cpu.gpus, on_cpu.processes_per_node, on_cpu.cpus_per_process) == (0, 3, 2)
    assert "--workers" not in on_cpu.execute_arguments(Profile())


@pytest.mark.parametrize(
    ("how", "one_node", "digits"),
    [
        ("", {"gpus-per-node": "a100:4"}, {"gpus-per-node": "a100:1"}),
        ('gpu_option = "gres"', {"gres": "gpu:a100:4"}, {"gres": "gpu:a100:1"}),
        ('gpu_option = "gpus-per-task"', {"gpus-per-task": "a100:1"}, {"gpus-per-task": "a100:1"}),
        ('gpu_option = "none"', {}, {}),
    ],
)
def test_gpus_are_asked_for_as_the_site_wants_it(read, how, one_node, digits):
    profile = read(f'nodes = 2\ngpus_per_node = "a100:4"\n{how}')
    assert resources(runs(profile)) == one_node
    assert resources(runs(profile, is_on_videos=False)) == digits
    assert resources(notebook(profile)) == {"mem": "8192MB"}
    # However they are asked for, there is one process for each.
    shape = shape_of(profile, threads=1, is_on_videos=True)
    assert (shape.gpus, shape.nodes * shape.processes_per_node) == (8, 8)
    assert options(runs(profile))["ntasks-per-node"] == "4"
    assert shape.execute_arguments(profile)[:4] == ("--threads", "1", "--device", "cuda")


def test_each_process_is_given_its_gpu_where_they_are_asked_for_by_process(read):
    """Slurm 22.05 would give none to a step that inherits the kind."""
    text = runs(read('gpus_per_node = "a100:4"\ngpu_option = "gpus-per-task"'))
    assert " --gpus-per-task=1 " in next(x for x in text.splitlines() if x.startswith("srun"))
    assert "srun" in runs(read("gpus_per_node = 4"))
    assert "--gpus-per-task" not in runs(read("gpus_per_node = 4"))


def test_gpus_without_a_kind(read):
    assert resources(runs(read('gpus_per_node = 4\ngpu_option = "gres"'))) == {"gres": "gpu:4"}
    assert resources(runs(read("gpus_per_node = 4"))) == {"gpus-per-node": "4"}
    assert resources(runs(read('gpus_per_node = 4\ngpu_option = "gpus"'))) == {"gpus": "4"}
    assert resources(runs(read('gpu_option = "gres"'))) == {}


def test_another_generic_resource_does_not_displace_the_gpus(read):
    text = 'gpus_per_node = 2\ngpu_option = "{}"\n[sbatch]\ngres = "nvme:1"'
    assert resources(runs(read(text.format("gres")))) == {"gres": "gpu:2,nvme:1"}
    both = {"gpus-per-node": "2", "gres": "nvme:1"}
    assert resources(runs(read(text.format("gpus-per-node")))) == both


@pytest.mark.parametrize(
    ("text", "of_runs", "of_notebook"),
    [
        ("", {}, {"mem": "8192MB"}),
        ("mem_gb_per_node = 400", {"mem": "409600MB"}, {"mem": "8192MB"}),
        ('mem_gb_per_node = "all"', {"mem": "0"}, {"mem": "8192MB"}),
        ('mem_gb_per_node = "none"', {}, {}),
        ("mem_gb_per_cpu = 4", {"mem-per-cpu": "4096MB"}, {"mem-per-cpu": "4096MB"}),
        ("mem_gb_per_cpu = 1.5\nnotebook.cpus = 3", {"mem-per-cpu": "1536MB"},
         {"mem-per-cpu": "2731MB"}),
        ("mem_gb_per_cpu = 4\nnotebook.mem_gb = 3", {"mem-per-cpu": "4096MB"}, {"mem": "3072MB"}),
        ('mem_gb_per_cpu = 4\nnotebook.mem_gb = "none"', {"mem-per-cpu": "4096MB"}, {}),
        ("notebook.mem_gb_per_cpu = 2", {}, {"mem-per-cpu": "2048MB"}),
        ('notebook.mem_gb = "none"', {}, {}),
        ('notebook.mem_gb = "all"', {}, {"mem": "0"}),
        ('mem_gb_per_node = "none"\nnotebook.mem_gb = 8', {}, {"mem": "8192MB"}),
        ("gpus_per_node = 1\nmem_gb_per_gpu = 50", {"gpus-per-node": "1", "mem-per-gpu": "51200MB"},
         {"mem": "8192MB"}),
    ],
)  # fmt: skip
def test_memory_is_asked_for_as_the_site_wants_it(read, text, of_runs, of_notebook):
    profile = read(text)
    assert resources(runs(profile)) == of_runs
    assert resources(notebook(profile)) == of_notebook


def test_the_notebooks_job_is_the_runs_but_for_what_it_says(read):
    profile = read(
        'partition = "gpu"\naccount = "gpu-lab"\nqos = "gpu-long"\nconstraint = "a100"\n'
        'exclude = "node1"\nsetup = ["module load cuda"]\n[notebook]\npartition = "cpu"\n'
        'account = "cpu-lab"\nqos = "none"\nconstraint = "cpu"\nexclude = "node[2,3]"\n'
        'setup = ["module load python"]\nsbatch = {reservation = "us", gres = "gpu:1"}\n'
    )
    found = options(notebook(profile))
    wanted = {"partition": "cpu", "account": "cpu-lab", "constraint": "cpu",
              "exclude": "node[2,3]", "reservation": "us", "gres": "gpu:1"}  # fmt: skip
    assert found | wanted == found
    assert "qos" not in found
    assert "module load python" in notebook(profile)
    assert "module load cuda" not in notebook(profile)
    assert "qos" in options(runs(profile))
    taken = options(notebook(read('partition = "gpu"\nqos = "q"\nnotebook.partition = "none"')))
    assert "partition" not in taken
    assert taken["qos"] == "q"


def test_srun_passes_on_what_is_set_where_the_site_wants_nothing_exported(read):
    assert "\nunset SLURM_EXPORT_ENV\n" in runs(read('[sbatch]\nexport = "NONE"'))
    assert "SLURM_EXPORT_ENV" not in runs(read(""))


def see_environment(executor, path):
    return ["sh", "-c", f"env > {Path(executor.folder).parents[2]}/seen; exit 1"]


@pytest.mark.parametrize(
    ("hidden", "seen", "profile"),
    [
        (("SLURM_JOB_ID", "SLURM_CPUS_PER_TASK"), "SLURM_CONF", {}),  # of a job it is itself in
        # What would outweigh the script; the profile leaves the account open.
        (("SBATCH_TIMELIMIT", "SBATCH_PARTITION"), "SBATCH_ACCOUNT", {"partition": "gpu"}),
    ],
    ids=["its job", "its options"],
)
def test_what_is_the_submitters_own_does_not_reach_its_jobs(
    tmp_path, slurm, monkeypatch, hidden, seen, profile
):
    for name in (*hidden, seen):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setattr(submitit.SlurmExecutor, "_make_submission_command", see_environment)
    with pytest.raises(SubmissionError):
        submit(request(tmp_path, **profile))
    environment = (tmp_path / "results" / "seen").read_text()
    assert f"{seen}=mine" in environment
    for name in hidden:
        assert name not in environment
        assert os.environ[name] == "mine"


def test_an_option_of_the_profile_outweighs_the_users_variable(read, tmp_path, slurm, monkeypatch):
    """sbatch would take the variable, whatever the script says."""
    (slurm.folder / "sbatch").write_text(
        f'#!/bin/sh\nenv > {tmp_path}/seen\necho "Submitted batch job 7"\n'
    )
    monkeypatch.setenv("SBATCH_RESERVATION", "mine")
    for profile, is_seen in ((read('[sbatch]\nreservation = "lab"'), False), (read(""), True)):
        shape = shape_of(profile, threads=1, is_on_videos=False)
        parameters = run_parameters(profile, shape, "t", tmp_path, None)
        submit_array(profile, parameters, tmp_path / "jobs", [str])
        assert ("SBATCH_RESERVATION=mine" in (tmp_path / "seen").read_text()) == is_seen


def test_gpu_hours_do_not_depend_on_how_gpus_are_asked_for(read, tmp_path):
    plan = plan_study("table1", "paper", 1, tmp_path, ["swin_t"])
    hours = {}
    for gpus in ("8", '"a100:8"', '"a100:8"\ngpu_option = "gres"', "0"):
        asked = Request((plan,), read(f"gpus_per_node = {gpus}"))
        hours[gpus] = estimate_all(propose(asked).configs, asked.store, asked.profile).gpu_hours
    assert hours.pop("0") == 0
    assert len(set(hours.values())) == 1
    assert min(hours.values()) > 10


def test_submit_counts_gpus_of_a_kind(tmp_path, slurm):
    (tmp_path / "c.toml").write_text('gpus_per_node = "a100:4"\ngpu_option = "gres"\n')
    done = vswin("submit", "table5", "--protocol", "smoke", "--seeds", "1", "--yes", "--json",
                 "--profile", tmp_path / "c.toml", "--results-dir", tmp_path / "r")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [s["gpus"] for s in json.loads(done.stdout)["submissions"]] == [1, 0]
    assert resources(slurm.script("7")) == {"gres": "gpu:a100:1"}
    assert resources(slurm.script("8")) == {"mem": "8192MB"}
