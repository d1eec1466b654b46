"""SlowFast R50 and R101 8 x 8 (Table A.8): sizes, costs, pathways, weights, and a peer."""

import importlib

import pytest
import torch

import vswin
from tests.peers import import_torchvision, randomise_
from vswin.models.errors import ModelError, WeightsError
from vswin.models.registry import family, resolve_config
from vswin.models.slowfast.model import slow_frames
from vswin.project import project_root

R50, R101 = "slowfast_r50_8x8", "slowfast_r101_8x8"
SMALL = {"depths": (1, 2, 1), "width": 16, "num_classes": 5}


def small(**options):
    torch.manual_seed(0)
    return vswin.build_model(R50, **(SMALL | options))


def with_statistics(model, seed=0):
    """Random weights, and statistics as of data that were seen."""
    generator = torch.Generator().manual_seed(seed)
    randomise_(model, seed)
    for name, value in model.named_buffers():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("running_mean"):
            value.copy_(0.1 * noise)
        elif name.endswith("running_var"):
            value.copy_(1 + 0.1 * noise.abs())
    return model


@pytest.mark.parametrize(
    ("name", "side", "macs", "params"),
    [
        (R50, 224, 50_308_583_424, 34_566_488),
        (R50, 256, 65_711_652_864, 34_566_488),
        (R101, 224, 96_396_644_352, 62_826_968),
        (R101, 256, 125_908_303_872, 62_826_968),
    ],
)
def test_costs_are_those_of_the_published_models(name, side, macs, params):
    """65.71 G and 34.57 M are listed for R50 at 256, 62.83 M for R101."""
    with torch.device("meta"):
        model = vswin.build_model(name)
    found = vswin.cost(model, (3, 32, side, side), rule="macs")
    assert (found.flops, found.params) == (macs, params)


def test_the_listed_127_g_of_r101_count_normalisation_too():
    """Which those of R50 do not."""
    with torch.device("meta"):
        model = vswin.build_model(R101)
    found = vswin.cost(model, (3, 32, 256, 256), rule="paper").by_operator
    normalised = found["batch_norm"] // 2
    products = found["convolution"] + found["linear"]
    assert f"{(products + 5 * normalised) / 1e9:.2f}" == "127.20"
    assert f"{products / 1e9:.2f}" == "125.91"


def test_the_slow_pathway_sees_every_fourth_frame():
    assert slow_frames(32) == [0, 4, 8, 13, 17, 22, 26, 31]
    for frames in range(4, 132, 4):
        assert slow_frames(frames) == torch.linspace(0, frames - 1, frames // 4).long().tolist()
    model = small().eval()
    seen = []
    model.s1.pathway0_stem.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.s1.pathway1_stem.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    clip = torch.randn(2, 3, 16, 32, 32)
    model(clip)
    assert torch.equal(seen[0], clip[:, :, [0, 5, 10, 15]])
    assert torch.equal(seen[1], clip)


def test_logits_are_the_mean_over_the_windows_of_a_larger_frame():
    """At 256 pixels the last map is 8 x 8, and the classifier's window 7 x 7."""
    model = with_statistics(small(depths=(1, 1, 1, 1), width=8))
    clip = torch.randn(1, 3, 8, 256, 256)
    with torch.no_grad():
        features = model.forward_features(clip)
        assert features.shape == (1, 2, 8, 8, 8 * 32 + 32)
        windows = [features[:, :, i : i + 7, j : j + 7] for i in (0, 1) for j in (0, 1)]
        wanted = sum(model.head(window.mean(dim=(1, 2, 3))) for window in windows) / 4
        assert torch.allclose(model(clip), wanted, atol=1e-5)


def test_a_fresh_block_is_its_shortcut():
    model = small().eval()
    block = model.s3.pathway0_res1
    x = torch.rand(1, 128, 2, 4, 4)
    assert torch.equal(block(x), x)


def test_fresh_weights_follow_from_the_seed_and_the_name():
    first, second, other = small(), small(), small()
    initialise = importlib.import_module(family("slowfast").code).initialise_
    for model, seed in ((first, 3), (second, 3), (other, 4)):
        initialise(model, seed=seed)
    name = "s2.pathway1_res0.branch2.b.weight"
    assert torch.equal(first.state_dict()[name], second.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])


def test_it_learns():
    model = small(head_dropout=0.0)
    clips, labels = torch.randn(4, 3, 8, 16, 16), torch.tensor([0, 1, 2, 3])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for _ in range(10):
        loss = torch.nn.functional.cross_entropy(model(clips), labels)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 12}, "width=12 is not possible; wanted a multiple of 8"),
        ({"depths": ()}, "depths=\\(\\) is not possible"),
        ({"fusion_kernel": 4}, "fusion_kernel=4 is not possible; wanted an odd integer"),
        ({"head_dropout": 1.0}, "head_dropout=1.0 is not possible"),
        ({"window_size": (8, 7, 7)}, "unknown model option 'window_size'"),
    ],
)
def test_what_cannot_be_built_is_named(options, said):
    with pytest.raises(ModelError, match=said):
        vswin.build_model(R50, **options)


@pytest.mark.parametrize("shape", [(1, 3, 6, 32, 32), (1, 1, 8, 32, 32), (3, 8, 32, 32)])
def test_clips_that_do_not_fit_are_refused(shape):
    with pytest.raises(ModelError, match="wanted \\(B, 3, T, H, W\\) with T a multiple of 4"):
        small()(torch.zeros(shape))
    with pytest.raises(ModelError, match="6 frames are no multiple of 4"):
        family("slowfast").require_whole(resolve_config(R50), 6, 32)


@pytest.mark.parametrize("layout", ["vswin", "slowfast", "pytorchvideo"])
def test_weights_and_statistics_are_saved_and_loaded(layout, tmp_path):
    model = with_statistics(small(depths=(1, 2, 1, 1)))
    again = small(depths=(1, 2, 1, 1)).eval()
    vswin.save_weights(model, tmp_path / "weights.pth", layout)
    report = vswin.load_weights(again, tmp_path / "weights.pth")
    assert report.layout == layout
    found = vswin.build_model(report.found.base, **report.found.options())
    assert {name: v.shape for name, v in found.state_dict().items()} == {
        name: v.shape for name, v in model.state_dict().items()
    }
    clip = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        assert torch.equal(again(clip), model(clip))


def test_checkpoints_of_other_models_are_refused(tmp_path):
    state = small().state_dict()
    with pytest.raises(WeightsError, match=r"lacks s3\.pathway1_res1\.branch2\.b_bn\.running_var"):
        del state["s3.pathway1_res1.branch2.b_bn.running_var"]
        vswin.load_weights(small(), state)
    of_4x16 = small(depths=(3, 4, 6, 3), width=8, fusion_kernel=5)
    vswin.save_weights(of_4x16, tmp_path / "4x16.pth", "slowfast")
    with pytest.raises(WeightsError, match="over 5 frames, as SlowFast 4×16 has"):
        vswin.load_weights(of_4x16, tmp_path / "4x16.pth")
    with pytest.raises(WeightsError, match="family slowfast .* the model is of family mvit"):
        vswin.load_weights(vswin.build_model("mvit_b_16x4", depths=(1,), embed_dim=8), state)


@pytest.mark.parametrize(("name", "depth", "kernel"), [(R50, 50, 7), (R101, 101, 5)])
def test_it_is_pytorchvideos_model(name, depth, kernel):
    """Where that is installed, which nothing here asks for: its last release is of January 2022."""
    import_torchvision()
    peer = pytest.importorskip("pytorchvideo.models.slowfast")
    theirs = peer.create_slowfast(
        model_depth=depth, slowfast_fusion_conv_kernel_size=(kernel, 1, 1)
    )
    with_statistics(theirs, seed=depth)
    ours = vswin.build_model(name).eval()
    report = vswin.load_weights(ours, theirs.state_dict())
    assert (report.layout, report.found.base) == ("pytorchvideo", name)
    clip = torch.randn(1, 3, 32, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = theirs.eval()([clip[:, :, slow_frames(32)], clip])
        found = ours(clip)
    difference = ((found - wanted).abs().max() / wanted.abs().max()).item()
    print(f"{name}: largest difference of logits {difference:.1e}, relative to the largest")
    assert difference < 1e-5


def test_the_documents_say_what_is_counted():
    models = (project_root() / "docs" / "models.md").read_text()
    row = next(line for line in models.splitlines() if R50 in line)
    counted = []
    for name in (R50, R101):
        with torch.device("meta"):
            found = vswin.cost(vswin.build_model(name), (3, 32, 256, 256), rule="macs")
        counted.append((f"{found.mparams:.1f}", f"{found.gflops:.1f}"))
    params, flops = zip(*counted, strict=True)
    assert [cell.strip() for cell in row.split("|")[3:5]] == [", ".join(params), ", ".join(flops)]
