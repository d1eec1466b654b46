"""What training wraps weights in, and what it keeps among them: off, reported, or refused."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import vswin
from tests.checkpoints import IMAGE, VIDEO, build, error_of, in_layout
from tests.peers import randomise_
from vswin.models.errors import WeightsError
from vswin.weights.files import read_checkpoint, save_weights


def loaded(source, model, options=VIDEO, **asked):
    """The report of loading, after a look at every weight that was loaded."""
    again = build(options)
    report = vswin.load_weights(again, source, **asked)
    wanted = model.state_dict()
    for name, value in again.state_dict().items():
        if name not in report.fresh:
            assert torch.equal(value, wanted[name]), name
    return report


@pytest.mark.parametrize(
    "wrap", [lambda m: m, nn.DataParallel, torch.compile], ids=["plain", "parallel", "compiled"]
)
def test_averaged_weights_are_loaded_alone(tmp_path, wrap):
    model = randomise_(build())
    averaged = AveragedModel(wrap(model), multi_avg_fn=get_ema_multi_avg_fn(0.9))
    state = averaged.state_dict()
    assert "n_averaged" in state
    torch.save(state, tmp_path / "averaged.pth")
    for source in (state, tmp_path / "averaged.pth"):
        assert loaded(source, model).ignored["n_averaged"] == "a counter"


def test_averaged_weights_beside_others_are_named_and_the_advice_helps():
    model, other = randomise_(build()), randomise_(build(), seed=1)
    content = {"model": model.state_dict(), "model_ema": AveragedModel(other).state_dict()}
    why = loaded(content, model).ignored["model_ema"]
    assert why == "a second set of weights, beside model; pass it alone to load it"
    loaded(content["model_ema"], other)
    loaded({"model_ema": content["model_ema"], "epoch": 3}, other)


@pytest.mark.parametrize("name", ["state_dict_ema", "model_ema", "ema_state_dict", "ema"])
def test_averaged_weights_are_taken_where_there_are_no_others(name):
    tensors, model = in_layout("mmaction2")
    state = {f"module.{key}": value for key, value in tensors.items()}
    loaded({name: state | {"steps": torch.tensor(7)}, "epoch": 3}, model)


@pytest.mark.parametrize(
    "key", ["module", "network", "net", "params", "weights", "model_state", "model_state_dict"]
)
def test_names_that_scripts_give_to_weights(key):
    tensors, model = in_layout("torchvision")
    assert "ds_version" in loaded({key: tensors, "ds_version": "0.15"}, model).ignored


PREFIXES = (
    *("module.", "model.", "_orig_mod.", "net.", "_forward_module.", "model._orig_mod."),
    *("model.module.", "module.model.net.", "_fsdp_wrapped_module.", "model._module."),
)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("layout", ["torchvision", "mmaction2", "vswin"])
def test_prefixes_come_off_where_they_stand(prefix, layout):
    """Of all names, and where half of them have none."""
    tensors, model = in_layout(layout)
    loaded({prefix + key: value for key, value in tensors.items()}, model)
    half = {prefix * (i % 2) + key: value for i, (key, value) in enumerate(tensors.items())}
    loaded(half, model)


def test_words_of_wrappers_come_off_inside_of_names():
    tensors, model = in_layout("official_video")
    for old, new in (
        ("backbone.", "backbone.module."),
        ("backbone.", "module.backbone._orig_mod."),
        (".layers.0.", ".layers.0._checkpoint_wrapped_module."),
        (".blocks.1.", ".blocks.1._fsdp_wrapped_module."),
    ):
        loaded({key.replace(old, new): value for key, value in tensors.items()}, model)


@pytest.mark.parametrize(
    ("layout", "options"),
    [("torchvision", VIDEO), ("vswin", VIDEO), ("timm_2d", IMAGE), ("official_2d", IMAGE)],
)
def test_a_model_called_backbone_is_read(layout, options):
    """As a LightningModule calls it, with the classifier inside; two layouts have the word, too."""
    tensors, model = in_layout(layout, options)
    state = {f"backbone.{key}": value for key, value in tensors.items()}
    state |= {"projector.weight": torch.ones(3), "train_acc.tp": torch.ones(5).long()}
    report = loaded({"state_dict": state}, model, options)
    assert report.layout == layout
    assert report.ignored["projector.weight"].startswith("outside of the model")
    assert report.ignored["train_acc.tp"] == "of a loss or a metric"


def test_weights_of_simmim_are_inflated():
    tensors, _ = in_layout("official_2d", IMAGE)
    state = {f"encoder.{k}": v for k, v in tensors.items() if not k.startswith("head")}
    state |= {"encoder.mask_token": torch.ones(1, 1, 8), "decoder.0.weight": torch.ones(3, 4)}
    report = vswin.load_weights(build(), {"model": state})
    assert report.layout == "official_2d"
    assert {"encoder.mask_token", "decoder.0.weight"} <= report.ignored.keys()


def test_weights_of_a_teacher_are_those_of_self_distillation():
    """As DINO and its successors write them, with a head that is no classifier."""
    tensors, model = in_layout("official_2d", IMAGE)
    state = {f"backbone.{k}": v for k, v in tensors.items() if not k.startswith("head")}
    state["head.mlp.0.weight"] = torch.ones(4, 16)
    student = {f"module.{key}": value + 1 for key, value in state.items()}
    report = loaded({"student": student, "teacher": state, "epoch": 3}, model, IMAGE, head=False)
    assert report.ignored["student"].startswith("a second set of weights, beside teacher")


class Trained(nn.Module):
    """What a LightningModule keeps beside its model."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.criterion = nn.CrossEntropyLoss(weight=torch.ones(5))
        self.loss_fn = nn.BCEWithLogitsLoss(pos_weight=torch.ones(5))
        self.val_metrics = nn.Module()
        self.val_metrics.register_buffer("confmat", torch.ones(5, 5))
        self.register_buffer("num_updates", torch.tensor(3))
        self.ema_model = AveragedModel(model)
        self.queue = nn.Parameter(torch.ones(4, 4))


def test_what_training_keeps_beside_the_model_is_reported():
    model = randomise_(build())
    report = loaded({"state_dict": Trained(model).state_dict(), "epoch": np.int64(3)}, model)
    reasons = {
        "criterion.weight": "of a loss or a metric",
        "loss_fn.pos_weight": "of a loss or a metric",
        "val_metrics.confmat": "of a loss or a metric",
        "num_updates": "a counter",
        "ema_model.n_averaged": "a counter",
        "ema_model.module.head.weight": "outside of the model, whose names begin otherwise",
        "queue": "outside of the model, whose names begin otherwise",
        "epoch": "beside the weights: training state or notes",
    }
    assert reasons.items() <= report.ignored.items()
    assert len(report.mapped) == len(list(model.parameters()))


@pytest.mark.parametrize("layout", ["torchvision", "mmaction2", "vswin"])
def test_tensors_of_losses_and_counters_among_the_weights_are_reported(layout):
    tensors, model = in_layout(layout)
    more = {
        "criterion.weight": torch.ones(5),
        "cls_head.loss_cls.class_weight": torch.ones(5),
        "train_acc.total": torch.ones(3),
        "metrics.f1.tp": torch.ones(5),
        "val_f1_macro.tp": torch.ones(5),
        "global_step": torch.tensor(3),
    }
    assert loaded(tensors | more, model).ignored.keys() >= more.keys()


def test_two_names_that_would_become_one_are_refused():
    tensors, _ = in_layout("torchvision")
    for twin, other in (
        ("module.", ""),
        ("model.", ""),
        ("model._orig_mod.", "model.module."),
        ("model.backbone.", "backbone."),
        ("net.", "model."),
    ):
        both = {p + key: value for p in (twin, other) for key, value in tensors.items()}
        text = error_of(both)
        assert f"has {twin}patch_embed.proj.weight and {other}patch_embed.proj.weight" in text
        assert "would both be patch_embed.proj.weight: weights of two models" in text
    text = error_of(tensors | {"module.head.bias": tensors["head.bias"]})
    assert "has head.bias and module.head.bias, which would both be head.bias" in text
    twice = {"criterion.weight": torch.ones(5), "module.criterion.weight": torch.ones(5)}
    assert vswin.load_weights(build(), tensors | twice).ignored.keys() >= twice.keys()


def test_a_modified_model_is_still_refused():
    """What belongs to the model is no note, no metric and not outside of it."""
    tensors, _ = in_layout("vswin")
    for prefix in ("", "model.", "module."):
        named = {prefix + key: value for key, value in tensors.items()}
        for key in ("absolute_pos_embed", "layers.0.loss.weight", "aux.weight"):
            text = error_of(named | {prefix + key: torch.ones(1, 2)})
            assert f"vswin, but that has no place for {key}" in text


HEADS = {
    "head.1.weight": (5, 16),
    "fc_cls.weight": (5, 16),
    "fc.bias": (5,),
    "classifier.1.weight": (5, 16),
    "cls_head.fc_cls.weight": (5, 16),
    "head.mlp.fc1.weight": (32, 16),
}


@pytest.mark.parametrize("key", HEADS)
@pytest.mark.parametrize("layout", ["torchvision", "vswin", "official_2d"])
def test_a_classifier_of_another_name_can_be_left_out(layout, key, tmp_path):
    options = IMAGE if layout == "official_2d" else VIDEO
    tensors, model = in_layout(layout, options)
    tensors = {name: v for name, v in tensors.items() if not name.startswith("head.")}
    tensors[key] = torch.ones(HEADS[key])
    report = loaded(tensors, model, options, head=False)
    assert report.ignored[key] == "the classifier is trained anew"
    assert report.fresh == ("head.weight", "head.bias")
    text = error_of(tensors, build(options))
    assert f"{key} has no place in {layout}; head=False loads the rest" in text
    if layout == "official_2d":  # inflated, the classifier is left out anyway
        assert key in vswin.load_weights(build(), tensors).ignored
    with pytest.raises(WeightsError, match="has no place for"):  # it would be lost
        save_weights(read_checkpoint(tensors), tmp_path / "out.pth", layout)


@pytest.mark.parametrize("layout", ["official_video", "mmaction2"])
def test_a_classifier_of_several_layers_in_a_recogniser_can_be_left_out(layout):
    tensors, model = in_layout(layout)
    for name in ("weight", "bias"):
        tensors[f"cls_head.fc_cls.1.{name}"] = tensors.pop(f"cls_head.fc_cls.{name}")
    report = loaded(tensors, model, head=False)
    assert report.layout == layout
    assert "cls_head.fc_cls.1.bias" in report.ignored
    assert "cls_head.fc_cls.1.weight has no place" in error_of(tensors)


def test_a_classifier_of_another_shape_can_be_left_out():
    tensors, model = in_layout("torchvision")
    for shape in ((5, 16, 1, 1, 1), (), (2, 5, 16)):
        odd = tensors | {"head.weight": torch.ones(shape)}
        report = loaded(odd, model, head=False)
        assert report.ignored["head.weight"] == "the classifier is trained anew"
        assert f"head.weight has shape {shape}, wanted 2 dimensions; head=False" in error_of(odd)


@pytest.mark.parametrize(
    "first",
    [
        {"model": {"type": "Swin"}, "weights": None},
        {"state_dict": {"epoch": 3}, "model": None},
        {"network": {"a": 1}, "params": None},
        {"state_dict": {"step": torch.tensor(3.0)}, "model": None},
        {"state_dict": {"model": {"depth": 3}}, "net": {"state_dict": None}},
        {"model": {"conv1.weight": torch.ones(2, 2)}, "model_ema": None},
    ],
    ids="-".join,
)
def test_wrappers_without_weights_are_passed_over(first):
    tensors, model = in_layout("torchvision")
    first = {k: tensors if v is None else v for k, v in first.items()}
    if "net" in first:
        first["net"] = {"state_dict": tensors}
    report = loaded(first, model)
    assert next(iter(first)) in report.ignored


def test_weights_beside_a_mapping_with_the_name_of_a_wrapper_are_read():
    tensors, model = in_layout("vswin")
    assert loaded({**tensors, "net": {"a": 1}}, model).ignored["net"] == "a note: no tensor"
    why = loaded({**tensors, "ema": in_layout("torchvision")[0]}, model).ignored["ema"]
    assert why.startswith("a second set of weights, beside those of the model")
    both = {"state_dict": {"model": tensors}, "ema": {"state_dict": tensors.copy()}}
    assert loaded(both, model).ignored["ema"].startswith("a second set of weights")


def test_settings_alone_are_no_weights():
    text = error_of({"model": {"type": "Swin"}, "epoch": 3})
    assert "holds no tensors: model, epoch; wanted weights" in text


@pytest.mark.parametrize("where", ["mapping", "file"])
def test_arrays_of_numpy_are_named_with_the_way_out(tmp_path, where):
    tensors, model = in_layout("torchvision")
    arrays = {key: value.numpy() for key, value in tensors.items()}
    for content, words in (
        ({"model": arrays}, "holds no tensors: patch_embed.proj.weight (an array of numpy), "),
        (tensors | {"norm.bias": arrays["norm.bias"]}, "no tensors: norm.bias (an array of numpy)"),
    ):
        source = content
        if where == "file":
            source = tmp_path / "arrays.pth"
            torch.save(content, source)
        text = error_of(source)
        assert words in text
        assert text.endswith("; arrays of numpy become tensors by torch.from_numpy")
    loaded({key: torch.from_numpy(value) for key, value in arrays.items()}, model)


OTHERS = ("swin.", "video_model.", "ema_model.module.", "trainer.parts.video.", "swin.model.")


@pytest.mark.parametrize("prefix", OTHERS)
@pytest.mark.parametrize("layout", ["torchvision", "official_video", "mmaction2", "vswin"])
def test_a_name_of_ones_own_for_the_model_comes_off(prefix, layout):
    tensors, model = in_layout(layout)
    state = {prefix + key: value for key, value in tensors.items()}
    report = loaded({"state_dict": state | {"queue": torch.ones(2)}}, model)
    assert report.layout == layout
    assert report.ignored["queue"].startswith("outside of the model")
    listed = state | {next(k for k in state if k.endswith("norm1.bias")): [1.0]}
    assert "has entries that are no tensors: " in error_of(listed)
    assert "has no place for gamma" in error_of(state | {f"{prefix}gamma": torch.ones(2)})


def test_two_models_under_names_of_their_own_are_told_apart():
    tensors, model = in_layout("torchvision")
    names = ("video_model.", "ema_model.module.")
    text = error_of({name + key: v for key, v in tensors.items() for name in names})
    assert "the weights of 2 models, whose names begin with video_model. and ema_model.;" in text
    # Beside the usual name the other one is outside.
    loaded({name + key: v for key, v in tensors.items() for name in ("model.", "ema.")}, model)


@pytest.mark.parametrize("prefix", ["", "model.", "module.", "swin."])
def test_numbers_of_training_are_reported_whatever_the_model_is_called(prefix):
    tensors, model = in_layout("torchvision")
    more = {
        "class_weights": torch.ones(5),
        "mean_top1.value": torch.ones(()),
        "val_top5.weight": torch.ones(()),
        "step": torch.tensor(3.0),
        "best_acc": torch.tensor(0.7),
    }
    state = {prefix + key: value for key, value in tensors.items()} | more
    ignored = loaded(state, model).ignored
    for key in more:
        assert ignored[key] in ("of a loss or a metric", "training state"), key


def test_other_entries_beside_a_model_without_prefix_are_named_with_the_way_out():
    tensors, _ = in_layout("torchvision")
    text = error_of(tensors | {"temperature": torch.tensor(3.0), "queue": torch.ones(2, 2)})
    assert "has no place for temperature, queue: the checkpoint of another model" in text
    assert "what is no weight of a model, leave out of the file" in text
