"""A notebook is executed by the Python that executes the command, whatever else is installed."""

import json
import os
import shutil
import site
import subprocess
import sys
import venv

import pytest

from vswin.project import project_root

WRONG = ["/nonexistent/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
COMMAND = "import sys\nfrom vswin.cli.main import main\nsys.exit(main())\n"
BREAKS = "import os\nos._exit(3)\n"
"""For files that must not be read; an exception would be passed over."""


def plant_kernel(folder):
    """A kernel of the usual name that cannot start."""
    folder = folder / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": WRONG, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))


@pytest.fixture
def vswin(tmp_path):
    """Calls the command as its console script does: Python looks in that script's folder first."""
    script = tmp_path / "bin" / "vswin"
    script.parent.mkdir()
    script.write_text(COMMAND)
    here = tmp_path / "here"
    here.mkdir()

    def call(*arguments, python=sys.executable, **variables):
        environment = os.environ | {"PYTHONPATH": str(project_root()), **variables}
        return subprocess.run(
            [str(python), str(script), *map(str, arguments)],
            cwd=here, env=environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=240,
        )  # fmt: skip

    return call


@pytest.fixture
def results(smoke_results, tmp_path):
    """Table 5, complete."""
    return shutil.copytree(smoke_results, tmp_path / "results")


def execute(vswin, results, *options, **how):
    command = ("notebook", "table5", "--protocol", "smoke", "--results-dir", results, *options)
    done = vswin(*command, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((results / "reports" / "table5.smoke.ipynb").read_text())
    assert "10 of 10 printed cells reproduced" in json.dumps(content)
    assert content["metadata"]["language_info"]["version"] == sys.version.split()[0]
    assert content["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("whose", ["the user's", "of JUPYTER_PATH", "the environment's"])
def test_another_kernel_of_that_name_is_not_used(vswin, results, tmp_path, whose):
    variables = {"HOME": str(tmp_path / "home"), "JUPYTER_PREFER_ENV_PATH": "0"}
    if whose == "the user's":
        plant_kernel(tmp_path / "home" / ".local" / "share" / "jupyter")
    elif whose == "of JUPYTER_PATH":
        plant_kernel(tmp_path / "data")
        variables["JUPYTER_PATH"] = str(tmp_path / "data")
    else:  # a copy of another environment, say; it need not be the user's to mend
        plant_kernel(tmp_path / "environment" / "share" / "jupyter")
        variables["python"] = environment_in(tmp_path / "environment")
    execute(vswin, results, "--no-run-missing", **variables)


def environment_in(folder):
    """The Python of an environment of its own, with the packages of this one."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text("".join(f"{path}\n" for path in site.getsitepackages()))
    return folder / "bin" / "python"


def test_what_the_user_has_told_ipython_is_not_read(vswin, results, tmp_path):
    profile = tmp_path / "home" / ".ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    (profile / "startup" / "00-mine.py").write_text(BREAKS)
    for name in ("ipython_config.py", "ipython_kernel_config.py"):
        (profile / name).write_text(BREAKS)
    (tmp_path / "startup.py").write_text(BREAKS)
    home = {"HOME": str(tmp_path / "home"), "IPYTHONDIR": str(profile.parent)}
    execute(vswin, results, "--no-run-missing", PYTHONSTARTUP=str(tmp_path / "startup.py"), **home)
    assert sorted(path.name for path in profile.iterdir()) == [
        "ipython_config.py", "ipython_kernel_config.py", "startup",
    ]  # fmt: skip


def test_a_home_that_cannot_be_written_is_not_needed(vswin, results, tmp_path):
    (tmp_path / "file").touch()  # nobody, not even root, can make a folder in a file
    execute(vswin, results, "--no-run-missing", HOME=str(tmp_path / "file" / "home"))


def test_files_where_the_user_stands_are_no_modules(vswin, results, tmp_path):
    """Neither for the notebook nor for the runs that it trains."""
    for name in ("pandas", "torch", "click", "random", "tokenize"):
        (tmp_path / "here" / f"{name}.py").write_text(BREAKS)
    (missing,) = (results / "smoke" / "runs").glob("swin_t-t2-*")
    shutil.rmtree(missing)
    execute(vswin, results, PYTHONPATH=os.path.relpath(project_root(), tmp_path / "here"))
    assert (missing / "result.json").exists()


def test_an_output_counts_from_where_the_user_stands(vswin, results, tmp_path):
    execute(vswin, results, "--no-run-missing")
    (results / "reports" / "table5.smoke.ipynb").unlink()
    command = ("notebook", "table5", "--protocol", "smoke", "--results-dir", results)
    done = vswin(*command, "--no-run-missing", "--output", "mine.ipynb")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "here" / "mine.ipynb").read_text())["cells"]
