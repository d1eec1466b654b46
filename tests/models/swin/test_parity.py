"""The same weights give the same logits as independent implementations."""

import copy

import pytest
import torch

import vswin
from tests.peers import import_timm, import_torchvision, randomise_
from vswin.models.swin.layouts import LAYOUTS
from vswin.models.swin.windows import relative_position_index
from vswin.weights.files import read_checkpoint, to_layout

TOLERANCE = 1e-5  # on logits of size 3, float32


@pytest.fixture(autouse=True)
def _two_threads(_one_thread):
    torch.set_num_threads(2)


def largest_difference(ours, theirs, clip, as_theirs=lambda clip: clip):
    with torch.inference_mode():
        mine, yours = ours(clip), theirs(as_theirs(clip))
    assert mine.shape == yours.shape
    assert yours.abs().max() > 1  # not merely both near zero
    return (mine - yours).abs().max().item()


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        # A batch at T = 16; sizes that need padding everywhere; one clip in time shorter than the
        # window. At sizes where the last stage has fewer than 7 x 7 tokens the two differ, on
        # purpose: see `vswin.models.swin.windows.relative_position_index`.
        ("t", [(2, 3, 16, 224, 224), (1, 3, 19, 250, 230), (1, 3, 7, 224, 224)]),
        pytest.param("s", [(1, 3, 16, 224, 224)], marks=pytest.mark.heavy),
        pytest.param("b", [(1, 3, 16, 224, 224)], marks=pytest.mark.heavy),
    ],
)
def test_torchvision_swin3d(name, shapes):
    models = import_torchvision().models.video
    theirs = randomise_(getattr(models, f"swin3d_{name}")(weights=None))
    ours = vswin.build_model(f"swin_{name}").eval()
    report = vswin.load_weights(ours, theirs.state_dict())
    assert (report.layout, report.found.kind, report.found.preset) == (
        "torchvision",
        "video",
        f"swin_{name}",
    )
    assert len(report.mapped) == len(list(ours.parameters()))
    for shape in shapes:
        clip = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        assert largest_difference(ours, theirs, clip) < TOLERANCE, shape
    # And back: torchvision takes ours, bit for bit, lookup tables included.
    back = to_layout(read_checkpoint(ours.state_dict()), LAYOUTS["torchvision"])
    wanted = copy.deepcopy(theirs.state_dict())
    randomise_(theirs, seed=1)
    theirs.load_state_dict(back, strict=True)
    assert all(torch.equal(value, wanted[key]) for key, value in theirs.state_dict().items())


def test_the_one_intended_difference_is_where_windows_are_clipped_in_space():
    """With the bias index that torchvision slices put right, it agrees there, too."""
    models = import_torchvision().models.video
    theirs = randomise_(models.swin3d_t(weights=None))
    ours = vswin.build_model("swin_t").eval()
    vswin.load_weights(ours, theirs.state_dict())
    clip = torch.randn(1, 3, 16, 160, 160, generator=torch.Generator().manual_seed(1))
    assert largest_difference(ours, theirs, clip) > 1e-3
    clipped = relative_position_index((8, 5, 5), (8, 7, 7))  # the last stage has 5 x 5 tokens
    for block in theirs.features[6]:
        index = block.attn.relative_position_index
        index[: len(clipped), : len(clipped)] = clipped
    assert largest_difference(ours, theirs, clip) < TOLERANCE


@pytest.mark.parametrize(
    ("peer", "preset", "window", "size"),
    [
        ("swin_tiny_patch4_window7_224", "swin_t", 7, 224),
        pytest.param("swin_base_patch4_window12_384", "swin_b", 12, 384, marks=pytest.mark.heavy),
    ],
)
def test_timm_2d_swin_is_the_case_of_one_frame(peer, preset, window, size):
    theirs = randomise_(import_timm().create_model(peer, pretrained=False))
    ours = vswin.build_model(
        preset, patch_size=(1, 4, 4), window_size=(1, window, window), num_classes=1000
    ).eval()
    report = vswin.load_weights(ours, theirs.state_dict())
    assert (report.layout, report.found.kind, report.found.preset) == ("timm_2d", "2d", preset)
    assert not report.inflated
    assert not report.fresh
    image = torch.randn(2, 3, 1, size, size, generator=torch.Generator().manual_seed(1))
    assert largest_difference(ours, theirs, image, lambda clip: clip[:, :, 0]) < TOLERANCE
    back = to_layout(read_checkpoint(ours.state_dict()), LAYOUTS["timm_2d"])
    theirs.load_state_dict(back, strict=True)


def test_timm_weights_make_a_video_model():
    """The real thing end to end: ImageNet's layout in, the video model of section 3.4 out."""
    theirs = randomise_(
        import_timm().create_model("swin_tiny_patch4_window7_224", pretrained=False)
    )
    ours = vswin.build_model("swin_t").eval()
    report = vswin.load_weights(ours, theirs.state_dict())
    assert len(report.inflated) == 13  # the embedding and 12 tables
    assert set(report.fresh) == {"head.weight", "head.bias"}
    frame = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = theirs.forward_features(frame)  # (1, 7, 7, 768) after the final LN
        found = ours.forward_features(frame[:, :, None].expand(-1, -1, 32, -1, -1))
    assert (found - wanted[:, None]).abs().max() < 1e-4
