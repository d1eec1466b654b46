"""What sbatch is told on sites that want GPUs and memory asked for in their own way."""

import json
import re
from pathlib import Path

import pytest

from tests.command import vswin
from tests.launch.fake_slurm import FakeSlurm
from vswin.experiments.planning import plan_study
from vswin.launch.estimate import estimate_all
from vswin.launch.proposal import Request, propose
from vswin.launch.slurm.sbatch import (
    notebook_parameters,
    run_parameters,
    script,
    shape_of,
    submit_array,
)

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


def test_an_option_of_the_profile_outweighs_the_users_variable(read, tmp_path, monkeypatch):
    """sbatch would take the variable, whatever the script says."""
    fake = FakeSlurm(tmp_path / "bin")
    (fake.folder / "sbatch").write_text(
        f'#!/bin/sh\nenv > {tmp_path}/seen\necho "Submitted batch job 7"\n'
    )
    monkeypatch.setenv("PATH", fake.path)
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


def test_submit_counts_gpus_of_a_kind(tmp_path, monkeypatch):
    fake = FakeSlurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", fake.path)
    (tmp_path / "c.toml").write_text('gpus_per_node = "a100:4"\ngpu_option = "gres"\n')
    done = vswin("submit", "table5", "--protocol", "smoke", "--seeds", "1", "--yes", "--json",
                 "--profile", tmp_path / "c.toml", "--results-dir", tmp_path / "r")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [s["gpus"] for s in json.loads(done.stdout)["submissions"]] == [1, 0]
    assert resources(fake.script("7")) == {"gres": "gpu:a100:1"}
    assert resources(fake.script("8")) == {"mem": "8192MB"}
