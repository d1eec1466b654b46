"""A family that is not built in, all of it in this file: what adding one takes, and no more.

A two-layer 3D convolution with a preset, a public checkpoint layout and a size for the embedded
benchmark is built, counted, saved, loaded, trained, tested and reported. Nothing else knows of it.
"""

import dataclasses
import os

import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

import vswin
from tests.command import vswin_process
from tests.own import own_project, use_project
from vswin.errors import UsageError
from vswin.launch.pool import prepare
from vswin.models import registry
from vswin.models.errors import ModelError, WeightsError
from vswin.models.layouts import CheckpointCode, Layout
from vswin.project import experiments_dir, project_root
from vswin.report import load_study, write_report
from vswin.runs.execute import execute
from vswin.training.recipe import Recipe, build_optimizer

# The family: what the registry wants to know of it, and what needs torch.


@dataclasses.dataclass(frozen=True)
class ToyConfig:
    """Two convolutions, of `width` and twice as many channels."""

    width: int = 32
    num_classes: int = 400
    in_channels: int = 3

    def __post_init__(self):
        if self.width < 1:
            raise ModelError(f"width={self.width!r} is not possible; wanted an integer >= 1")


class ToyModel(nn.Module):
    """(B, in_channels, T, H, W) -> (B, num_classes)."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv3d(config.in_channels, config.width, 3, stride=2, padding=1)
        self.conv2 = nn.Conv3d(config.width, 2 * config.width, 3, stride=2, padding=1)
        self.fc = nn.Linear(2 * config.width, config.num_classes)

    def forward(self, clip):
        return self.fc(F.gelu(self.conv2(F.gelu(self.conv1(clip)))).mean(dim=(2, 3, 4)))


HEAD = "fc."


def build(config):
    return ToyModel(config)


def initialise_(model, linear_std, bias_std, seed):
    for module in (model.conv1, model.conv2, model.fc):
        module.reset_parameters()


def is_spared(name, groups):
    return name.endswith(".bias")


def prepare_for_counting(model):
    pass


def extra_counts(model, input_size, rule):
    return {}


@dataclasses.dataclass(frozen=True)
class FoundToy:
    """What a checkpoint's shapes say."""

    width: int
    num_classes: int
    in_channels: int
    kind: str = "video"
    base: str = "toy_conv"
    open: tuple = ()
    is_certain: bool = True

    def options(self):
        return {name: getattr(self, name) for name in ("width", "num_classes", "in_channels")}

    def size(self):
        return f"toy_conv (width {self.width})"

    def facts(self):
        return {"width": self.width}


def read(weights, entries, layout, source):
    if missing := {"conv1.weight", "fc.weight"} - weights.keys():
        raise WeightsError(f"{source} lacks {min(missing)}")
    width, channels = weights["conv1.weight"].shape[:2]
    return weights, FoundToy(width, len(weights["fc.weight"]), channels)


WEIGHTS = ("conv{i}.{p}", "fc.{p}")
LAYOUTS = {
    "vswin": Layout("vswin", None, WEIGHTS),
    "toy_hub": Layout(
        "toy_hub", "video", WEIGHTS, (("conv{i}.", "features.{2i+1}."), ("fc.", "classifier."))
    ),
}


def recognise(entries, source):
    if "conv1.weight" in entries:
        return LAYOUTS["vswin"]
    return LAYOUTS["toy_hub"] if "features.3.weight" in entries else None


CHECKPOINTS = CheckpointCode(LAYOUTS, recognise, read)


def shrink(config, temporal_divisor, options, overrides):
    return dataclasses.replace(config, **overrides)


TOY = registry.Family(
    name="toy",
    version=1,
    config_type=ToyConfig,
    presets={"toy_conv": ToyConfig()},
    code=__name__,
    slug=lambda config, frames: (f"t{frames}", f"width{config.width}"),
    sizes=lambda config, frames: {"width": str(config.width)},
    work=lambda config, frames: frames,
    shrink=shrink,
    natural_clips=lambda config: registry.NaturalClips(24),
)


@pytest.fixture
def toy():
    """The family, known for the time of a test."""
    registry.register(TOY)
    yield TOY
    del registry._known()["toy"]


def small(**options):
    torch.manual_seed(0)
    return vswin.build_model("toy_conv", **({"width": 4, "num_classes": 5} | options))


# What it gets for that.


def test_it_is_built_from_its_preset(toy):
    model = small()
    assert model(torch.randn(2, 3, 4, 24, 24)).shape == (2, 5)
    assert "toy_conv" in registry.presets()
    with pytest.raises(ModelError, match="unknown model option 'widht'.*did you mean 'width'"):
        vswin.build_model("toy_conv", widht=3)
    with pytest.raises(ModelError, match="width=0 is not possible"):
        vswin.build_model("toy_conv", width=0)


def test_it_is_counted(toy):
    with torch.device("meta"):
        model = vswin.build_model("toy_conv")
    found = vswin.cost(model, (3, 8, 32, 32), rule="macs")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, 3, 8, 32, 32, device="meta"))
    assert found.flops == counter.get_total_flops() / 2
    assert found.params == sum(p.numel() for p in model.parameters())
    by_paper = vswin.cost(model, (3, 8, 32, 32)).by_operator
    assert by_paper["pooling"] == 64 * 2 * 8 * 8


def test_its_weights_are_decayed_as_it_says(toy):
    model = small()
    groups = build_optimizer(model, Recipe(steps_per_epoch=1, weight_decay=0.1)).param_groups
    named = {id(p): name for name, p in model.named_parameters()}
    found = [{named[id(p)] for p in group["params"]} for group in groups]
    assert found == [
        {"conv1.weight", "conv2.weight"},
        {"conv1.bias", "conv2.bias"},
        {"fc.weight", "fc.bias"},
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_it_is_saved_and_loaded_in_its_layouts(toy, layout, suffix, tmp_path):
    model, again = small(), vswin.build_model("toy_conv", width=4, num_classes=5)
    vswin.save_weights(model, tmp_path / f"toy{suffix}", layout)
    report = vswin.load_weights(again, tmp_path / f"toy{suffix}")
    assert (report.layout, report.found.options()["width"]) == (layout, 4)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in model.state_dict().items())
    other = vswin.load_weights(small(num_classes=7), tmp_path / f"toy{suffix}", head=False)
    assert other.fresh == ("fc.weight", "fc.bias")


def test_its_mistakes_are_named(toy, tmp_path):
    def refused(act):
        with pytest.raises(WeightsError) as caught:
            act()
        return str(caught.value)

    model, state = small(), small().state_dict()
    swin = vswin.build_model("swin_t", embed_dim=8, depths=(1, 1), num_heads=(1, 2))
    assert "family toy (vswin), but the model is of family swin" in refused(
        lambda: vswin.load_weights(swin, state)
    )
    assert "is a checkpoint of family swin" in refused(
        lambda: vswin.load_weights(model, swin.state_dict())
    )
    assert "toy has no inflation 'bias'; known: none" in refused(
        lambda: vswin.load_weights(model, state, bias="center")
    )
    assert "conv1.bias is (4,), wanted (8,)" in refused(
        lambda: vswin.load_weights(small(width=8), state)
    )
    del state["conv2.bias"]
    assert "lacks conv2.bias" in refused(lambda: vswin.load_weights(model, state))
    assert "no place for conv3.gamma" in refused(
        lambda: vswin.load_weights(model, state | {"conv3.gamma": torch.ones(1)})
    )
    assert "unknown layout 'torchvision'; known: vswin, toy_hub" in refused(
        lambda: vswin.save_weights(model, tmp_path / "toy.pth", "torchvision")
    )


TABLE = """
table: toy_width
title: Width of the toy
num_classes: 400
rows:
  - {id: narrow, preset: toy_conv, frames: 16, model: {width: 16}}
  - {id: wide, preset: toy_conv, frames: 16, model: {width: 32}}
"""


def with_toy(project):
    """The project of this name, with a table about the toy, and how protocol smoke shrinks it."""
    project.mkdir()
    own_project(project, TABLE, "toy_width")
    protocol = project / "experiments" / "protocols" / "smoke.yaml"
    content = yaml.safe_load(protocol.read_text())
    content["models"]["toy_conv"] = {"in_channels": 1}
    protocol.write_text(yaml.safe_dump(content))
    return project


@pytest.fixture
def toy_experiments(toy, tmp_path, monkeypatch):
    """Such a project, for the time of a test."""
    use_project(monkeypatch, with_toy(tmp_path / "project"))


def test_what_its_rows_say_is_carried_over_or_refused(toy_experiments):
    """Where the protocol makes its models smaller, the protocol's rules hold for it, too."""
    folder = experiments_dir() / "protocols"
    for by_ratio, small in ([], 8), (["width"], 8), (["width"], 3):
        content = yaml.safe_load((folder / "smoke.yaml").read_text())
        content["models"]["toy_conv"]["width"] = small  # in the place of 32
        content["geometry"]["by_ratio"] = by_ratio
        (folder / "mine.yaml").write_text(yaml.safe_dump(content | {"protocol": "mine"}))
        said = "toy_width.yaml, row narrow, cannot be run under protocol mine: model.width 16"
        if by_ratio and small == 8:
            plan = vswin.plan_study("toy_width", "mine")
            assert [p.config.model.width for p in plan.runs] == [4, 8]
        else:
            with pytest.raises(UsageError, match=said):
                vswin.plan_study("toy_width", "mine")


def test_its_rows_share_no_run_by_mistake(toy_experiments, monkeypatch):
    """A family whose `shrink` drops what rows say: planning sees it."""
    dropping = dataclasses.replace(
        TOY, shrink=lambda config, *rest: dataclasses.replace(shrink(config, *rest), width=5)
    )
    monkeypatch.setitem(registry._known(), "toy", dropping)
    said = "rows narrow and wide, .* smoke: model.width is 16 in the one and 32 in the other"
    with pytest.raises(UsageError, match=said):
        vswin.plan_study("toy_width", "smoke")


def test_it_is_trained_tested_and_reported(toy_experiments, tmp_path):
    plan = vswin.plan_study("toy_width", "smoke", results_dir=tmp_path / "results")
    assert [p.config.model.width for p in plan.runs] == [16, 32]
    folders = prepare([p.config for p in plan.runs], plan.store)
    for folder in folders:
        assert "toy_conv-t8-width" in folder.run_id
        result = execute(folder)
        assert result.n == 48
        assert result.cost.flops > 0
        assert folder.result() == result
        assert folder.config().model.num_classes == 12
    study = load_study("toy_width", "smoke", results_dir=tmp_path / "results")
    table = study.table()
    assert list(table["row"]) == ["narrow", "wide"]
    assert table["top1"].between(0, 100).all()
    files = write_report(study)
    for path in (files.csv, files.html, files.markdown, *files.pictures.values()):
        assert path.stat().st_size > 0


def installed(folder, value):
    """The environment of a process that finds a package with this entry point, `toy`, installed."""
    info = folder / "toy_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\ntoy = {value}\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(project_root())])}


def test_of_an_installed_package_it_is_known_in_the_processes_of_runs(tmp_path):
    env = installed(tmp_path / "packages", "tests.test_new_family:TOY")
    project = with_toy(tmp_path / "project")
    ran = vswin_process(
        "run", "toy_width", "--protocol", "smoke", "--jobs", 2, env=env, cwd=project
    )
    assert ran.returncode == 0, ran.stderr
    results = [*(project / "results" / "smoke" / "runs").glob("toy_conv-*/result.json")]
    assert len(results) == 2


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("tests.test_new_families:TOY", "cannot be used: No module named"),
        ("tests.test_new_family:TABLE", "cannot be used: it is no vswin.models.registry.Family"),
        ("vswin.models.swin.family:FAMILY", "there is a model family 'swin' already"),
    ],
)
def test_a_package_whose_family_cannot_be_used_is_named(tmp_path, value, said):
    found = vswin_process("cost", "swin_t", env=installed(tmp_path, value))
    assert (found.returncode, found.stdout) == (2, "")
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"error: toy-package has the model family {value}")
    assert said in line
