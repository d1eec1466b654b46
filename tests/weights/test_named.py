"""Published weights by name, from the list to what a video shows."""

import functools
import json
import re
import shlex

import pytest
import torch

import vswin
from tests.command import vswin as command
from tests.documents import blocks
from tests.videos import numbered, write_video
from tests.weights.small import publish
from vswin.data.data_file import MissingDataError
from vswin.data.video import read_frames
from vswin.errors import UsageError
from vswin.models.errors import ModelError, WeightsError
from vswin.project import project_root
from vswin.weights.published import find

TEXT = (project_root() / "docs" / "weights.md").read_text()
TIMM = "timm/swin_tiny_patch4_window7_224.ms_in1k"
FILE = "swin_tiny_patch244_window877_kinetics400_1k.pth"


@pytest.fixture
def models(server, tmp_path, monkeypatch):
    """Three published files on a server, with small models in them; the models by name."""
    monkeypatch.setenv("VSWIN_DATA", str(tmp_path / "data.yaml"))
    (tmp_path / "data.yaml").write_text("weights: [first, second]\n")
    return publish(server, tmp_path, monkeypatch)


def fetch(*names):
    done = command("weights", "download", *names)
    assert done.returncode == 0, done.stderr
    return done


def same(model, other):
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in model.state_dict().items())


def test_a_model_with_published_weights(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kinetics400").mkdir()  # a folder is no file of weights, the dataset's own, say
    with pytest.raises(MissingDataError) as caught:
        vswin.build_model("swin_t", weights="kinetics400")
    line = str(caught.value)
    assert line.endswith("run: vswin weights download swin_t:kinetics400")
    where = (tmp_path / "first", tmp_path / "second", tmp_path / "cache" / "vswin" / "weights")
    assert f"no {FILE} in {', '.join(map(str, where))};" in line
    done = fetch("swin_t:kinetics400")
    path = tmp_path / "first" / FILE
    assert done.stdout.startswith(f"swin_t:kinetics400: downloaded, {path}, ")
    (tmp_path / "second").mkdir()
    path = path.rename(tmp_path / "second" / FILE)
    assert f"is there already, {path}, " in fetch(FILE).stdout
    assert not (tmp_path / "first" / FILE).exists()
    for name in ("kinetics400", "swin_t:kinetics400", FILE, str(path), path):
        given = {"num_classes": 10, **vars_of(models)} if "/" in str(name) else {}
        model = vswin.build_model("swin_t", weights=name, **given)
        assert same(model, models["swin_t:kinetics400"])
        assert model.training
    with pytest.raises(WeightsError, match="head=False loads the rest and leaves the classifier"):
        vswin.build_model("swin_t", weights="kinetics400", num_classes=5)
    own = vswin.build_model("swin_t", weights="kinetics400", num_classes=5, head=False)
    assert own.head.weight.shape[0] == 5
    assert torch.equal(own.norm.weight, models["swin_t:kinetics400"].norm.weight)


def vars_of(models):
    config = models["swin_t:kinetics400"].config
    names = ("embed_dim", "depths", "num_heads", "window_size")
    return {name: getattr(config, name) for name in names}


def test_an_image_model_is_inflated(models, tmp_path):
    (tmp_path / "data.yaml").write_text("{}")
    fetch("swin_t:imagenet_1k")
    assert (tmp_path / "cache/vswin/weights/swin_tiny_patch4_window7_224.pth").is_file()
    model = vswin.build_model("swin_t", weights="imagenet_1k", num_classes=7)
    theirs = models["swin_t:imagenet_1k"]
    kernel = model.patch_embed.proj.weight
    assert kernel.shape[2] == 2
    assert torch.allclose(kernel.sum(2), theirs.patch_embed.proj.weight.sum(2), atol=1e-6)
    assert model.head.weight.shape[0] == 7


def test_what_is_wrong_is_said_before_anything_is_built(models, tmp_path):
    fetch("swin_t:kinetics400")
    for error, words, given in (
        (ModelError, "unknown preset 'swin_x'", {"name": "swin_x", "weights": "kinetics400"}),
        (ModelError, "unknown model option", {"weights": "kinetics400", "windowsize": (8, 7, 7)}),
        (UsageError, "unknown weights 'kinetics500' of swin_t", {"weights": "kinetics500"}),
        (UsageError, "head=False says what is loaded of weights", {"head": False}),
        (WeightsError, "there is no file ", {"weights": tmp_path / "none"}),
        (WeightsError, "there is no file ", {"weights": "./none"}),
        (WeightsError, "there is no file ", {"weights": "none.pth"}),
        (WeightsError, "home directory", {"weights": "~nobody of this name/none"}),
        (
            MissingDataError,
            "download swin_t:imagenet_1k_timm",
            {"weights": TIMM},
        ),
    ):
        with pytest.raises(error, match=words):
            vswin.build_model(**{"name": "swin_t"} | given)
    assert "first is a folder" in command("weights", "inspect", "first", cwd=tmp_path).stderr
    path = tmp_path / "first" / FILE
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsError, match="has changed since it was downloaded.* remove it, then"):
        vswin.build_model("swin_t", weights="kinetics400")
    assert "has changed since" in command("predict", video(tmp_path), "-w", FILE).stderr


def video(folder):
    path = folder / "clip.mp4"
    return path if path.exists() else write_video(path, numbered(8))


def test_predict_and_eval_by_name(models, tmp_path):
    shot = video(tmp_path)
    missing = command("predict", shot, "--weights", "swin_t:kinetics400")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    assert "run: vswin weights download swin_t:kinetics400" in missing.stderr
    unknown = command("predict", shot, "--weights", "kinetics400")
    assert unknown.returncode == 2
    assert "no published weights are called 'kinetics400'; maybe swin_t:kinetics400, " in (
        unknown.stderr
    )
    fetch("swin_t:kinetics400")
    few = ("--frames", "4", "--views", "1x1", "--json")
    by_name = command("predict", shot, "--weights", "swin_t:kinetics400", *few)
    by_path = command("predict", shot, "--weights", tmp_path / "first" / FILE, *few)
    assert len(json.loads(by_name.stdout)) == 5
    assert by_name.stdout == by_path.stdout
    (tmp_path / "list.txt").write_text(f"{shot.name} 3\n")
    tested = command(
        *("eval", "-w", "swin_t:kinetics400", "-d", "digits_kinetics", *few),
        *("--annotations", tmp_path / "list.txt", "--videos", tmp_path),
    )
    facts = json.loads(tested.stdout)
    assert (facts["n"], facts["weights"]) == (1, str(tmp_path / "first" / FILE))


def test_list_says_what_is_here(models, tmp_path):
    fetch("swin_t:kinetics400")
    found = json.loads(command("weights", "list", "--json").stdout)
    here = {each["name"]: each["path"] for each in found if each["path"]}
    assert here == {"swin_t:kinetics400": str(tmp_path / "first" / FILE)}
    lines = command("weights", "list", env={"COLUMNS": ""}).stdout.splitlines()
    (line,) = [line for line in lines if "swin_t:kinetics400 " in line]
    assert re.search(rf"Apache-2.0 .* yes .* {re.escape(FILE)}", line)
    inspected = command("weights", "inspect", "swin_t:kinetics400").stdout
    assert re.search("^layout +official_video$", inspected, re.M)
    one = command("weights", "list", "swin_b:ssv2").stdout
    assert re.search(r"^build +vswin.build_model\('swin_b', weights='ssv2'\)$", one, re.M)
    assert re.search(r"^mib +not published$", one, re.M)
    wrong = command("weights", "download", "swin_t:kinetics400", "nothing")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no published weights are called 'nothing'" in wrong.stderr


def test_the_commands_of_the_document_work(models, server, tmp_path):
    """Each block, in order; VIDEO is a video, a mirror is this server, and there is no GPU."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.M | re.S)
    assert len(blocks) == 7
    names: dict[str, object] = {}
    for language, text in blocks:
        if language == "python":
            exec(text, names)
            continue
        for line in text.splitlines():
            words = shlex.split(line)
            env = dict(w.split("=", 1) for w in words if w.startswith("VSWIN_"))
            args = [w for w in words if not w.startswith("VSWIN_")]
            assert args.pop(0) == "vswin"
            if args[0] == "eval":  # its words are those of the test above
                continue
            if "mirror" in line.lower():  # else nothing is left to fetch
                (tmp_path / "first" / find(args[2]).file).unlink()
            env = {k: v.replace("https://proxy.example/{url}", f"{server.address}/weights/{{file}}")
                   for k, v in env.items()}  # fmt: skip
            said = {"VIDEO": str(video(tmp_path)),
                    "https://mirror.example/weights": f"{server.address}/weights"}  # fmt: skip
            done = command(*(said.get(word, word) for word in args), env=env)
            assert done.returncode == 0, f"{line}: {done.stderr}"
    assert names["model"].config.num_classes == 5


def test_the_loop_of_the_documents(models, tmp_path, monkeypatch):
    """docs/installed.md: a hand-written loop, here on small clips, has the answers of predict."""
    fetch("swin_t:kinetics400")
    monkeypatch.chdir(tmp_path)
    video(tmp_path).rename("video.mp4")
    small = {"frames": 4, "size": 32, "views": "1x3"}
    monkeypatch.setattr(vswin, "load_model", functools.partial(vswin.load_model, **small))
    one, steps = blocks("docs/installed.md", "python")
    names = {}
    exec(one, names)
    words = [word for key, value in small.items() for word in (f"--{key}", value)]
    said = command("predict", "video.mp4", "-w", "swin_t:kinetics400", *words, "--json")
    best = names["scores"].topk(5)
    assert [a["label"] for a in json.loads(said.stdout)] == best.indices.tolist()
    names["decoded"] = read_frames("video.mp4", [n % 8 for n in range(300)])
    exec(steps, names)
    assert names["clips"].shape == (3, 3, 4, 32, 32)
