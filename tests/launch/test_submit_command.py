"""`vswin submit` and `vswin retry` as a user types them, with Slurm and without."""

import json
import shutil

from tests.command import vswin
from tests.launch.requests import request
from vswin.files import write_json


def test_at_the_command_line(tmp_path, slurm):
    profile = tmp_path / "c.toml"
    profile.write_text("gpus_per_node = 1\n")
    results = tmp_path / "results"
    common = ["table5", "--protocol", "smoke", "--seeds", "1", "--results-dir", results]
    dry = vswin("submit", *common, "--profile", profile, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.count("would submit swin_t-") == 7
    assert "#SBATCH --gpus-per-node=1" in dry.stdout
    assert not results.exists()
    checked = vswin("submit", *common, "--profile", profile, "--check")
    assert checked.returncode == 0, checked.stderr
    assert "Job 1 to start at" in checked.stdout
    assert slurm.queue == []
    unasked = vswin("submit", *common, "--profile", profile)
    assert (unasked.returncode, slurm.queue) == (2, [])
    assert "give --yes" in unasked.stderr
    done = vswin("submit", *common, "--profile", profile, "--yes", "--json", "--parallel", "2")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["submissions"][0]["job_ids"]) == 7
    assert "%2" in slurm.script("7")
    profile.write_text('partition = "nowhere"\n')
    common[-1] = tmp_path / "others"
    refused = vswin("submit", *common, "--profile", profile, "--check")
    assert refused.returncode == 1
    assert "invalid partition specified: nowhere" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_dry_run_says_what_is_missing_as_the_submission_does(tmp_path, slurm):
    profile, data = tmp_path / "c.toml", tmp_path / "data.yaml"
    profile.write_text("gpus_per_node = 8\n")
    data.write_text("datasets: {}\n")
    common = ["table5", "--protocol", "paper", "--row", "win4", "--data-file", data,
              "--results-dir", tmp_path / "r"]  # fmt: skip
    there = ["submit", *common, "--profile", profile]
    real = vswin(*there, "--yes")
    assert (real.returncode, slurm.queue) == (1, [])
    for words in ("kinetics400, train split: not in data.yaml", "kinetics400, test split: ",
                  "weights swin_tiny_patch4_window7_224.pth"):  # fmt: skip
        assert words in real.stderr
    for option in ("--dry-run", "--check"):
        dry = vswin(*there, option)
        assert (dry.returncode, dry.stderr) == (1, real.stderr)
        assert ("would submit " in dry.stdout) == (option == "--dry-run")
        assert ("#SBATCH --gpus-per-node=8" in dry.stdout) == (option == "--dry-run")
    found = vswin(*there, "--dry-run", "--json")
    assert (found.returncode, found.stderr) == (1, real.stderr)
    assert len(json.loads(found.stdout)["lacking"]) == 3
    here = vswin("submit", *common, "--profile", "here", "--dry-run")
    assert (here.returncode, here.stderr) == (1, real.stderr)
    assert "would run " in here.stdout
    assert not (tmp_path / "r" / "paper" / "runs").exists()


def test_a_dry_run_says_what_is_too_expensive_as_the_submission_does(tmp_path, slurm):
    (tmp_path / "c.toml").write_text("gpus_per_node = 1\n")
    there = ["submit", "table5", "--protocol", "smoke", "--profile", tmp_path / "c.toml",
             "--results-dir", tmp_path / "r", "--max-gpu-hours", "1"]  # fmt: skip
    dry, real = vswin(*there, "--dry-run"), vswin(*there, "--yes")
    assert (dry.returncode, dry.stderr) == (real.returncode, real.stderr)
    assert (dry.returncode, "--max-gpu-hours 1" in dry.stderr) == (1, True)
    assert "would submit " in dry.stdout


def test_options_that_mean_nothing_are_refused(tmp_path):
    common = ["table5", "--protocol", "smoke", "--results-dir", tmp_path]
    here = vswin("submit", *common, "--profile", "here", "--max-gpu-hours", "0")
    assert (here.returncode, "--max-gpu-hours has no meaning" in here.stderr) == (2, True)
    (tmp_path / "c.toml").write_text("")
    there = vswin("submit", *common, "--profile", tmp_path / "c.toml", "--jobs", "2")
    assert (there.returncode, "--jobs has no meaning" in there.stderr) == (2, True)


def test_the_same_commands_here(tmp_path, smoke_results):
    results = tmp_path / "results"
    shutil.copytree(smoke_results, results)
    asked = request(tmp_path)
    failed, lost = sorted(asked.configs)[:2]
    shutil.rmtree(asked.store.run(lost).path)
    folder = asked.store.run(failed)
    (folder.path / "result.json").unlink()
    write_json(folder.path / "error.json", {"type": "E", "message": "bad"})
    common = ["table5", "--protocol", "smoke", "--seeds", "1", "--results-dir", results]
    here = [*common, "--profile", "here"]
    dry = vswin("submit", *here, "--dry-run")
    assert f"would run {lost}" in dry.stdout
    assert failed not in dry.stdout
    done = vswin("submit", *here, "--jobs", "1", "--no-notebook")
    assert done.returncode == 0, done.stderr
    assert asked.store.run(lost).state() == "done"
    assert folder.state() == "failed"
    assert vswin("status", *common).returncode == 1
    again = vswin("retry", *here)
    assert again.returncode == 0, again.stderr
    assert folder.state() == "done"
    assert (results / "reports" / "table5.smoke.ipynb").exists()
    assert vswin("status", *common).returncode == 0
    assert not (results / "smoke" / "jobs").exists()
