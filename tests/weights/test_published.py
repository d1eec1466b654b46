"""The list of published weights, compared with what others say of the same files."""

import re

import pytest
import torch
import yaml

from tests.peers import import_timm, import_torchvision
from vswin.data.datasets import DATASETS
from vswin.errors import UsageError
from vswin.models.registry import build, family_of, resolve_config
from vswin.project import experiments_dir, project_root
from vswin.weights.published import find, of_preset, published, require

TORCHVISION = {
    "swin_t:kinetics400_torchvision": "Swin3D_T_Weights.KINETICS400_V1",
    "swin_s:kinetics400_torchvision": "Swin3D_S_Weights.KINETICS400_V1",
    "swin_b:kinetics400_1k_torchvision": "Swin3D_B_Weights.KINETICS400_V1",
    "swin_b:kinetics400_22k_torchvision": "Swin3D_B_Weights.KINETICS400_IMAGENET22K_V1",
    "mvit_b_16x4:kinetics400_torchvision": "MViT_V1_B_Weights.KINETICS400_V1",
}


def by_publisher(publisher):
    return [each for each in published() if each.entry.publisher == publisher]


def test_no_name_means_two_files():
    names = [name for each in published() for name in each.names]
    assert len(names) == len(set(names))
    assert all(find(name).file == each.file for each in published() for name in each.names)


@pytest.mark.parametrize("found", published(), ids=lambda each: each.name)
def test_what_an_entry_says_can_be_built_and_fetched(found):
    entry = found.entry
    assert found.url.startswith("https://")
    assert (entry.preset is None) == (entry.tag is None)
    assert entry.tag is None or entry.tag.startswith(entry.trained_on)
    if entry.preset:
        config = resolve_config(entry.preset, **entry.model)
        dataset = DATASETS.get(entry.trained_on)
        assert dataset is None or config.num_classes == dataset.num_classes
        is_image = entry.about.startswith("an image model")
        assert is_image == entry.trained_on.startswith("imagenet")
        assert is_image or not family_of(config).is_image_model(config)
    if entry.digest:
        assert re.fullmatch("[0-9a-f]{8,64}", entry.digest)
        assert found.stem.endswith(f"-{entry.digest}")


def test_torchvision_says_the_same_of_its_files():
    video = import_torchvision().models.video
    assert {each.name for each in by_publisher("torchvision")} == set(TORCHVISION)
    for name, where in TORCHVISION.items():
        found, (group, member) = require(name), where.split(".")
        theirs = getattr(getattr(video, group), member)
        assert (found.url, found.entry.mib) == (theirs.url, theirs.meta["_file_size"])
        config = resolve_config(found.entry.preset, **found.entry.model)
        assert len(theirs.meta["categories"]) == config.num_classes
        with torch.device("meta"):
            ours = build(config).parameters()
        assert sum(each.numel() for each in ours) == theirs.meta["num_params"]


def test_timm_says_the_same_of_the_image_models():
    """Its own on the hub, and those of Swin Transformer, which it was converted from."""
    timm, seen = import_timm(), set()
    hub = {each.stem: each for each in by_publisher("timm")}
    for stem, found in hub.items():
        theirs = timm.get_pretrained_cfg(stem)
        said = (found.repository, found.publisher.licence.lower())
        assert (theirs.hf_hub_id, theirs.license) == said
        seen.add(theirs.url)
        size = 7 if theirs.input_size == (3, 224, 224) else 12
        config = resolve_config(found.entry.preset, **found.entry.model)
        assert config.window_size == (8, size, size)
        assert (theirs.num_classes == 1000) == (found.entry.trained_on == "imagenet_1k")
    urls = {each.url for each in by_publisher("swin")}
    assert urls <= seen


def test_every_checkpoint_that_an_experiment_names_is_known():
    named = set()
    for path in experiments_dir().rglob("*.yaml"):
        named |= set(re.findall(r"\b[\w-]+\.pth\b", path.read_text()))
    assert len(named) >= 7
    models = (project_root() / "docs" / "models.md").read_text()
    named |= set(re.findall(r"`(swin_\w+\.pth)`", models))
    assert len(named) >= 11
    assert {name for name in named if find(name) is None} == set()
    protocol = yaml.safe_load((experiments_dir() / "protocols" / "paper.yaml").read_text())
    for trained_on, files in protocol["weights"].items():
        for preset, file in files.items():
            entry = find(file).entry
            assert (entry.preset, entry.trained_on) == (preset, trained_on)


@pytest.mark.parametrize(
    ("preset", "words", "file"),
    [
        ("swin_t", "kinetics400", "swin_tiny_patch244_window877_kinetics400_1k.pth"),
        ("swin_t", "swin_t:kinetics400", "swin_tiny_patch244_window877_kinetics400_1k.pth"),
        ("swin_t", "swin3d_t-7615ae03", "swin3d_t-7615ae03.pth"),
        ("swin_b", "kinetics400_22k", "swin_base_patch244_window877_kinetics400_22k.pth"),
        ("mvit_b_32x3", "kinetics400", "MVIT_B_32x3_f294077834.pyth"),  # the only one there is
    ],
)
def test_tags_and_names(preset, words, file):
    assert of_preset(preset, words).file == file


@pytest.mark.parametrize(
    ("preset", "words", "said"),
    [
        ("swin_b", "kinetics400", "several published weights of swin_b are trained on kinetics400; "
         "wanted one of kinetics400_1k, kinetics400_22k, kinetics400_window16"),
        ("swin_t", "kinetics40", "unknown weights 'kinetics40' of swin_t; known: kinetics400, "),
        ("swin_t", "swin_b:ssv2", "swin_b:ssv2 is of swin_b, not of swin_t"),
        ("vit_b_8x8", "kinetics400", "no published weights of vit_b_8x8 are known"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_with_what_is(preset, words, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        of_preset(preset, words)
