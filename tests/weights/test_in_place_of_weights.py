"""Objects of classes that are not installed, beside the weights and in their place."""

import collections
import contextlib
import sys
import types

import numpy as np
import pytest
import torch

import vswin
from tests.checkpoints import build, error_of, in_layout
from tests.peers import randomise_
from vswin.models.errors import WeightsError
from vswin.weights.files import read_checkpoint


@contextlib.contextmanager
def installed(*names):
    """Classes of modules that exist as long as a file is written, each in a row of its own."""
    before = dict(sys.modules)
    made = []
    for name in names:
        module, _, of_class = name.rpartition(".")
        parts = module.split(".")
        for n in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:n]), types.ModuleType(".".join(parts[:n])))
        kind = type(of_class, (), {"__module__": module})
        setattr(sys.modules[module], of_class, kind)
        made.append(kind)
    try:
        yield made
    finally:
        for name in [name for name in sys.modules if name not in before]:
            del sys.modules[name]


def test_classes_that_are_not_installed_are_not_needed(tmp_path):
    path = tmp_path / "epoch_30.pth"
    names = (
        "mmengine_of_nobody.logging.history_buffer.HistoryBuffer",
        "yacs_of_nobody.config.CfgNode",
        "omegaconf_of_nobody.dictconfig.DictConfig",
    )
    with installed(*names) as kinds:
        hub, config, omega = (kind() for kind in kinds)
        hub.__dict__ |= {
            "_log_history": np.ones(3),
            "_statistics_methods": collections.OrderedDict(),
        }
        config.__dict__["inner"] = kinds[1]()
        omega.__dict__["_content"] = {"a": omega, "sizes": np.arange(2)}
        torch.save(
            {
                "state_dict": in_layout("mmaction2")[0],
                "message_hub": {"log_scalars": {"train/loss": hub}, "runtime_info": {}},
                "config": config,
                "hyper_parameters": {"cfg": omega, "class": kinds[2]},
            },
            path,
        )
    assert names[0].partition(".")[0] not in sys.modules
    report = vswin.load_weights(build(), path)
    assert report.ignored.keys() >= {"message_hub", "config", "hyper_parameters"}
    assert names[0].partition(".")[0] not in sys.modules


def test_objects_in_place_of_weights_are_named(tmp_path):
    with installed("net_of_nobody.models.Net") as (kind,):
        torch.save(kind(), tmp_path / "whole.pth")
        torch.save({"model": kind(), "epoch": 3}, tmp_path / "inside.pth")
        weights = in_layout("vswin")[0] | {"norm.weight": kind()}
        torch.save(weights, tmp_path / "one.pth")
    assert "holds an object of net_of_nobody.models.Net; wanted" in error_of(tmp_path / "whole.pth")
    assert "no tensors: model (net_of_nobody.models.Net), epoch;" in error_of(
        tmp_path / "inside.pth"
    )
    assert "no tensors: norm.weight (net_of_nobody" in error_of(tmp_path / "one.pth")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: {"model": m, "epoch": 3}], ids=["", "in"])
def test_the_weights_of_a_whole_module_are_read_without_its_class(tmp_path, wrap, legacy):
    """As torch.save(model) writes it."""
    model = randomise_(build())
    content = wrap(torch.nn.DataParallel(model))
    torch.save(content, tmp_path / "whole.pth", _use_new_zipfile_serialization=not legacy)
    again = build()
    report = vswin.load_weights(again, tmp_path / "whole.pth")
    assert len(report.mapped) == len(list(model.parameters()))
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_a_module_whose_parts_double_and_double_is_refused(tmp_path):
    module = torch.nn.Linear(1, 1)
    for _ in range(40):
        module = torch.nn.ModuleList([module, module])
    torch.save(module, tmp_path / "bomb.pth")
    assert "more than 100,000 weights in a module" in error_of(tmp_path / "bomb.pth")


def test_a_note_among_the_weights_is_left_out():
    tensors, _ = in_layout("torchvision")
    report = vswin.load_weights(build(), tensors | {"epoch": 3, "arch": "swin3d_t"})
    assert report.ignored["epoch"] == report.ignored["arch"] == "a note: no tensor"


@pytest.mark.parametrize("layout", ["torchvision", "mmaction2", "vswin"])
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_what_should_be_a_weight_is_no_note(layout, prefix):
    tensors = {prefix + key: value for key, value in in_layout(layout)[0].items()}
    key = next(key for key in tensors if key.endswith("blocks.1.norm1.bias") or
               key.endswith("0.1.norm1.bias"))  # fmt: skip
    text = error_of(tensors | {key: tensors[key].tolist()})
    assert f"has entries that are no tensors: {key}; wanted" in text


def test_sharded_weights_are_told(tmp_path):
    with installed("torch.distributed.tensor.nobody.DTensor") as (kind,):
        tensors, _ = in_layout("vswin")
        torch.save({key: kind() for key in tensors}, tmp_path / "shards.pt")
    assert "whole, as FSDP's full state dict has them" in error_of(tmp_path / "shards.pt")


def test_weights_of_other_kinds_of_tensor_are_named(tmp_path):
    tensors, _ = in_layout("vswin")
    for value in (torch.ones(16).to_sparse(), torch.ones(16, device="meta")):
        torch.save(tensors | {"norm.bias": value}, tmp_path / "odd.pth")
        with pytest.raises(WeightsError, match="no tensors: norm.bias"):
            read_checkpoint(tmp_path / "odd.pth")
