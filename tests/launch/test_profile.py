"""The profile of a cluster: what is read, and what is refused with which words."""

import re
import subprocess
import sys

import pytest

from vswin.launch.slurm.profile import NotebookProfile, ProfileError, load_profile
from vswin.launch.slurm.toml_lines import tomllib
from vswin.project import project_root

EXAMPLE = project_root() / "slurm" / "cluster.example.toml"


@pytest.fixture
def refusal(read, tmp_path):
    """The lines that refuse a text, with the file's name alone instead of its path."""

    def refusal(text):
        with pytest.raises(ProfileError) as caught:
            read(text)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return refusal


def test_the_example_is_valid_and_shows_every_key():
    profile = load_profile(EXAMPLE)
    assert (profile.nodes, profile.gpus, profile.processes, profile.minutes) == (1, 8, 8, 2880)
    shown = tomllib.loads(EXAMPLE.read_text())
    alternatives = {"mem_gb_per_cpu", "mem_gb_per_gpu"}  # to another key, in comments
    assert set(shown) | alternatives == set(type(profile).model_fields)
    assert set(shown["notebook"]) | {"mem_gb_per_cpu"} == set(NotebookProfile.model_fields)


def test_what_the_example_offers_instead_is_valid_in_its_place(read):
    text = EXAMPLE.read_text()
    top, _, notebook = text.partition("[notebook]")
    offered = re.findall(r"^# (mem_gb_per_\w+ = \d+)", top, re.MULTILINE)
    assert [line.split()[0] for line in offered] == ["mem_gb_per_cpu", "mem_gb_per_gpu"]
    for line in offered:
        assert read(re.sub(r"^mem_gb_per_node = 400", line, text, flags=re.MULTILINE))
    (line,) = re.findall(r"^# (mem_gb_per_\w+ = \d+)", notebook, re.MULTILINE)
    assert read(re.sub(r"^mem_gb = 8", line, text, flags=re.MULTILINE)).notebook.mem_gb_per_cpu == 4
    for option in ("gres", "gpus", "gpus-per-task", "none"):
        assert f'"{option}"' in top
        assert read(text.replace('"gpus-per-node"', f'"{option}"', 1)).gpu_option == option


def test_every_key_has_a_default_and_an_explanation(read):
    profile = read("")
    assert (profile.gpus, profile.processes, profile.minutes, profile.requeue) == (0, 1, 1440, True)
    assert (profile.signal_delay_s, profile.max_timeouts, profile.parallel) == (120, 100, 64)
    assert profile.notebook == NotebookProfile(minutes=60, mem_gb=8, cpus=2)
    for kind in (type(profile), NotebookProfile):
        for name, field in kind.model_fields.items():
            assert field.description, name


def test_processes_are_one_for_each_gpu_unless_there_is_none(read):
    assert read("nodes = 2\ngpus_per_node = 4").processes == 8
    assert read("nodes = 2").processes == 2
    assert read("nodes = 2\nprocesses_per_node = 3").processes == 6


@pytest.mark.parametrize(
    ("time", "minutes"),
    [
        ("90", 90),
        ('"90"', 90),
        ('"90:00"', 90),
        ('"90:01"', 91),
        ('"01:30:00"', 90),
        ('"1-6"', 30 * 60),
        ('"1-06:30"', 30 * 60 + 30),
        ('"2-00:00:00"', 2 * 24 * 60),
        ('"2-00:00:01"', 2 * 24 * 60 + 1),
    ],
)
def test_time_limits_are_read_in_each_of_slurms_forms(read, time, minutes):
    assert read(f"time = {time}").minutes == minutes


@pytest.mark.parametrize(
    "time", ['"UNLIMITED"', '"2 days"', "true", "1.5", '""', "-60", '"1:2:3:4"']
)
def test_other_time_limits_are_refused(refusal, time):
    (line,) = refusal(f"time = {time}")
    assert line.startswith("cluster.toml, line 1: time: ")
    assert "wanted minutes" in line


def test_a_time_limit_leaves_time_to_work(read, refusal):
    assert refusal("time = 4") == ["cluster.toml, line 1: time: 4 is 4 minutes; wanted at least 5"]
    (line,) = refusal("time = 5")
    assert line.startswith("cluster.toml, line 1: time: 5 minutes leave no time to work")
    assert "more than the 5 of signal_delay_s + 180 s" in line
    assert read("time = 5\nsignal_delay_s = 60").minutes == 5
    assert read("time = 6").minutes == 6


def test_every_problem_is_named_at_once_by_file_line_and_key(refusal):
    text = """\
        partiton = "gpu"
        nodes = "two"
        # a comment
        setup = [
            "module load cuda",
            "#SBATCH --mem=4G",
        ]
        requeue = 1
        qos = ""
        share = 2
        "micro-batch" = 4
        frobnicate = 1

        [notebook]
        minutes = 1
        memgb = 4
        parallel = 3
        """
    found = refusal(text)
    known = found.pop(7)
    assert known.startswith("cluster.toml, line 12: unknown key 'frobnicate'; known: partition, ")
    assert found == [
        "cluster.toml, line 1: unknown key 'partiton'; did you mean 'partition'?",
        "cluster.toml, line 2: nodes: wanted an integer, not 'two'",
        "cluster.toml, line 4: setup.1: sbatch does not read options there; put them into [sbatch]",
        "cluster.toml, line 8: requeue: wanted a boolean, not 1",
        "cluster.toml, line 9: qos: wanted a word without spaces, not ''",
        "cluster.toml, line 10: share: wanted at most 1, not 2",
        "cluster.toml, line 11: unknown key 'micro-batch'; did you mean 'micro_batch'?",
        "cluster.toml, line 15: notebook.minutes: wanted at least 5, not 1",
        "cluster.toml, line 16: unknown key 'notebook.memgb'; did you mean 'mem_gb'?",
        "cluster.toml, line 17: unknown key 'notebook.parallel'; it belongs above the first [...], "
        "not into [notebook]",
    ]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (
            "cpus-per-task = 4",
            "sbatch.cpus-per-task: the profile's key 'cpus_per_process' sets this",
        ),
        ("no-requeue = true", "sbatch.no-requeue: the profile's key 'requeue' sets this"),
        ('gres = "gpu:a100:4"', "sbatch: gres: the profile's key 'gpus_per_node' sets GPUs"),
        (
            'tres-per-node = "gres/gpu:4"',
            "sbatch: tres-per-node: the profile's key 'gpus_per_node' sets GPUs",
        ),
        ('mem-per-cpu = "4G"', "sbatch.mem-per-cpu: the profile's key 'mem_gb_per_cpu' sets this"),
        ('mem-per-gpu = "4G"', "sbatch.mem-per-gpu: the profile's key 'mem_gb_per_gpu' sets this"),
        ('output = "log"', "sbatch.output: `vswin submit` sets this itself"),
        ("parallel = 4", "sbatch.parallel: this is a key of the profile and no option of sbatch"),
        ('mail_user = "me"', "sbatch.mail_user: wanted a long option of sbatch without its dashes"),
        ("--nice = 4", "sbatch.--nice: wanted a long option of sbatch without its dashes"),
        ("exclusive = false", "sbatch.exclusive: wanted true or a value"),
        ("nice = 1.5", "sbatch.nice: wanted one line of text, an integer or true, not 1.5"),
        ('comment = "a\\nb"', "sbatch.comment: wanted one line of text"),
    ],
)
def test_an_option_of_sbatch_that_contradicts_is_refused(refusal, option, words):
    (line,) = refusal(f"[sbatch]\n{option}")
    assert line.startswith(f"cluster.toml, line {1 if words.startswith('sbatch:') else 2}: {words}")


def test_further_options_of_sbatch_are_kept(read):
    profile = read('[sbatch]\nexclusive = true\nnice = 4\ngres = "nvme:1"\nmail-type = "ALL"')
    expected = {"exclusive": True, "nice": 4, "gres": "nvme:1", "mail-type": "ALL"}
    assert profile.sbatch == expected
    assert [type(v) for v in profile.sbatch.values()] == [type(v) for v in expected.values()]


@pytest.mark.parametrize(
    ("value", "count", "kind"),
    [
        ("0", 0, None),
        ("4", 4, None),
        ('"a100:4"', 4, "a100"),
        ('"a100_3g.20gb:1"', 1, "a100_3g.20gb"),
        ('"nvidia_a100-sxm4-80gb:8"', 8, "nvidia_a100-sxm4-80gb"),
        ('"1g.5gb:2"', 2, "1g.5gb"),
    ],
)
def test_gpus_of_any_kind_are_counted(read, value, count, kind):
    profile = read(f"nodes = 2\ngpus_per_node = {value}")
    assert (profile.gpus, profile.processes) == (2 * count, 2 * max(1, count))
    assert (profile.gpus_per_node.count, profile.gpus_per_node.kind) == (count, kind)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpus_per_node = -1", "gpus_per_node: wanted at least 0, not -1"),
        ("gpus_per_node = 1.5", "gpus_per_node: wanted a number, or a kind and a number such as "),
        ("gpus_per_node = true", "gpus_per_node: wanted a number, or a kind and a number such as "),
        ('gpus_per_node = "a100"', "gpus_per_node: wanted a number, or a kind and a number such "),
        ('gpus_per_node = "a100:0"', "gpus_per_node: wanted a number, or a kind and a number "),
        ('gpus_per_node = "a100:four"', "gpus_per_node: wanted a number, or a kind and a number "),
        ('gpus_per_node = "a100 :4"', "gpus_per_node: wanted a number, or a kind and a number "),
        ('gpus_per_node = "gpu:a100:4"', "gpus_per_node: leave 'gpu:' out of 'gpu:a100:4'"),
        ('gpus_per_node = "gpu:4"', "gpus_per_node: leave 'gpu:' out of 'gpu:4'"),
        ('gpus_per_node = "v100:2,k80:2"', "gpus_per_node: a run has GPUs of one kind, such as "),
        ('gpu_option = "--gres"', "gpu_option: wanted 'gpus-per-node', 'gres', 'gpus', "),
        ('nodes = 2\ngpu_option = "gpus"', "gpu_option: Slurm may spread these unevenly"),
        ('mem_gb_per_node = "400G"', "mem_gb_per_node: wanted a number of GB, 'all' or 'none', "),
        ("mem_gb_per_node = 4\nmem_gb_per_cpu = 1", "mem_gb_per_cpu: mem_gb_per_node is given, "),
        ("mem_gb_per_gpu = 4", "mem_gb_per_gpu: there is no GPU: gpus_per_node is 0"),
        ('gpus_per_node = "a100:4"\nprocesses_per_node = 2', "processes_per_node: 2 processes "),
        ("[notebook]\nmem_gb = 4\nmem_gb_per_cpu = 2", "notebook: give one of mem_gb and mem_gb_"),
        ("[notebook]\nmem_gb = 0", "notebook.mem_gb: wanted more than 0, not 0"),
        ("cpus_per_task = 4", "unknown key 'cpus_per_task'; did you mean 'cpus_per_process'?"),
        ('gres = "gpu:4"', "unknown key 'gres'; did you mean 'gpu_option'?"),
        ("gpus-per-node = 4", "unknown key 'gpus-per-node'; did you mean 'gpus_per_node'?"),
        ('[notebook]\ntime = "1:00:00"', "unknown key 'notebook.time'; did you mean 'minutes'?"),
        ('[notebook]\nmem = "8G"', "unknown key 'notebook.mem'; did you mean 'mem_gb'?"),
        (
            "[notebook.sbatch]\ncpus-per-task = 4",
            "notebook.sbatch.cpus-per-task: [notebook]'s key 'cpus' sets this",
        ),
        (
            "[notebook.sbatch]\nntasks = 4",
            "notebook.sbatch.ntasks: `vswin submit` sets this itself",
        ),
        (
            "[notebook.sbatch]\nmem_gb = 4",
            "notebook.sbatch.mem_gb: this is a key of [notebook] and no option of sbatch",
        ),
    ],
)
def test_what_a_site_cannot_mean_is_one_line(refusal, text, words):
    (line,) = refusal(text)
    number = 1 if words.startswith("notebook: ") else len(text.splitlines())
    assert line.startswith(f"cluster.toml, line {number}: {words}")


def test_where_further_options_go_is_said(refusal):
    assert refusal('reservation = "us"')[0].endswith("options of sbatch go into [sbatch]")
    (line,) = refusal('[notebook]\nreservation = "us"')
    assert line.endswith("options of sbatch go into [notebook.sbatch]")


def test_processes_that_would_share_gpus_are_refused(refusal):
    (line,) = refusal("gpus_per_node = 4\n\nprocesses_per_node = 2")
    assert line.startswith(
        "cluster.toml, line 3: processes_per_node: 2 processes cannot share 4 GPUs"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nodes = 1\ngpus_per_node =", "line 2: not valid TOML: Invalid value"),
        ("nodes = 1\n\nnodes = 2", "line 3: not valid TOML: a key or table is given twice"),
        ("[sbatch]\n[sbatch]", "line 2: not valid TOML: a key or table is given twice"),
        ("notebook = 3", "line 1: notebook: wanted a table, not 3"),
        ("\nsbatch = 4", "line 2: sbatch: wanted a table, not 4"),
        ('setup = "module load cuda"', "line 1: setup: wanted a list, not 'module load cuda'"),
        ('nodes = "4"', "line 1: nodes: wanted an integer, not '4'"),
        ("nodes = true", "line 1: nodes: wanted an integer, not True"),
        ("mem_gb_per_node = 0", "line 1: mem_gb_per_node: wanted more than 0, not 0"),
        ("checkpoint_minutes = inf", "line 1: checkpoint_minutes: wanted a finite number, not inf"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused_with_its_line(refusal, text, words):
    assert refusal(text) == [f"cluster.toml, {words}"]


def test_files_that_cannot_be_read_are_one_line(tmp_path):
    with pytest.raises(
        ProfileError, match=r"^there is no profile .*none\.toml; copy slurm/cluster"
    ):
        load_profile(tmp_path / "none.toml")
    with pytest.raises(ProfileError, match=r"^\S+ cannot be read as UTF-8 text: .*directory"):
        load_profile(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'partition = "\xe9"')
    with pytest.raises(ProfileError, match=r"cannot be read as UTF-8 text: "):
        load_profile(tmp_path / "latin.toml")


def test_a_profile_is_read_without_torch():
    """`vswin submit` and `vswin status` must be quick on a login node."""
    code = "import sys, vswin.launch.slurm.profile; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
