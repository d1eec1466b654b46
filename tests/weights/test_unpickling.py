"""Checkpoints with more than tensors: objects are ignored, tensors are those that torch reads."""

import argparse
import collections
import dataclasses
import datetime
import enum
import functools
import pathlib
import sys
import zipfile

import numpy as np
import pytest
import torch

import vswin
from tests.checkpoints import IMAGE, build, in_layout
from vswin.weights.archives import read_archive, read_legacy
from vswin.weights.files import read_checkpoint


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Settings:
    lr: float = 0.1

    class Inner:
        """A class inside a class, which old pickles name by getattr."""

    def __post_init__(self):
        self.inner = Settings.Inner()


def objects():
    """What training scripts keep beside the weights."""
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(3))])
    return {
        "meta": {"hook_msgs": {"best_score": np.float64(0.78), "seed": np.int64(3)}},
        "arrays": [np.arange(3), np.array([None, "a"], dtype=object), np.str_("a"), np.bool_(1)],
        "numpy_rng": [np.random.default_rng(0), np.random.RandomState(0)],
        "args": argparse.Namespace(lr=np.float32(0.1), data=pathlib.PurePosixPath("/data")),
        "settings": Settings(),
        "mappings": [collections.defaultdict(list, a=[1]), collections.Counter("aab")],
        "keys": {Colour.RED: 1, pathlib.PurePosixPath("a"): 2, np.int64(3): 3},
        "sets": [{1, Colour.RED}, frozenset([1]), collections.deque([1], 3)],
        "calls": functools.partial(torch.optim.AdamW, lr=1),
        "function": torch.nn.functional.relu,
        "loss": torch.nn.CrossEntropyLoss(weight=torch.ones(5)),
        "optimizer": optimiser.state_dict(),
        "whole_optimizer": optimiser,
        "time": datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
        "torch": [torch.device("cpu"), torch.bfloat16, torch.Size([1]), torch.__version__],
        "numbers": [2**80, 1j, b"abc", b"", bytearray(b"a"), range(3), slice(1), ...],
    }


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_objects_beside_the_weights_are_ignored(tmp_path, protocol, legacy):
    tensors, model = in_layout("official_video")
    torch.save(
        objects() | {"state_dict": tensors},
        tmp_path / "trained.pth",
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=not legacy,
    )
    again = build()
    report = vswin.load_weights(again, tmp_path / "trained.pth")
    assert report.ignored.keys() >= objects().keys()
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_numbers_of_numpy_are_ignored_under_both_names_of_its_module(tmp_path):
    """numpy 1 calls it numpy.core, numpy 2 numpy._core; the file is rewritten to the other one."""
    content = {"meta": np.float64(0.78), "state_dict": in_layout("torchvision")[0]}
    torch.save(content, tmp_path / "two.pth", _use_new_zipfile_serialization=False)
    pickled = (tmp_path / "two.pth").read_bytes()
    new, old = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
    other = pickled.replace(new, old) if new in pickled else pickled.replace(old, new)
    assert other != pickled
    (tmp_path / "one.pth").write_bytes(other)
    digests = {read_checkpoint(tmp_path / name).digest for name in ("one.pth", "two.pth")}
    assert len(digests) == 1


class Mapping(dict):
    """Stands for mmengine's ConfigDict, which pickles itself so."""

    def __reduce_ex__(self, protocol):
        return (type(self), (dict(self),))


class Plain(dict):
    """Stands for Lightning's AttributeDict or an EasyDict."""


@pytest.mark.parametrize("kind", [Mapping, Plain])
def test_weights_in_a_mapping_of_another_class_are_read(tmp_path, kind):
    tensors, _ = in_layout("official_2d", IMAGE)
    content = kind({"state_dict": kind({"model": kind(tensors)}), "config": kind(a=1)})
    torch.save(content, tmp_path / "mapping.pth")
    assert vswin.load_weights(build(IMAGE), tmp_path / "mapping.pth").layout == "official_2d"


def test_tensors_are_those_that_torch_reads(tmp_path):
    """Every kind of number, views, shared storages; torch trusts these files, and is the judge."""
    x = torch.arange(-6.0, 6.0).view(3, 4)
    content = collections.OrderedDict(
        {
            str(dtype): x.to(dtype)
            for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.int64)
        }
        | {str(d): x.abs().to(d) for d in (torch.uint8, torch.uint16, torch.bool, torch.complex64)}
        | {"float8": x.to(torch.float8_e5m2), "int16": x.short(), "int32": x.int()}
        | {"view": x[1:, 2], "transposed": x.t(), "shared": x, "again": x, "expanded": x[:1, :1]}
        | {"scalar": torch.tensor(3), "empty": torch.empty(0, 3)}
    )
    content["parameter"] = torch.nn.Parameter(x)
    content["noted"] = torch.nn.Parameter(x + 1)
    content["noted"].note = "an attribute"
    for legacy in (False, True):
        path = tmp_path / f"{legacy}.pt"
        if legacy:  # of before these numbers
            del content["float8"], content["torch.uint16"]
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        found = (read_legacy if legacy else read_archive)(path)
        wanted = torch.load(path, weights_only=False)
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            have = found[name]
            assert (have.dtype, have.shape, have.stride()) == (
                value.dtype,
                value.shape,
                value.stride(),
            )
            bits = [t.detach().contiguous().view(-1).view(torch.uint8) for t in (have, value)]
            assert torch.equal(*bits), (name, legacy)
        assert found["shared"].data_ptr() == found["again"].data_ptr()


def test_numbers_of_a_machine_of_other_byte_order(tmp_path):
    order = {"little": b"big", "big": b"little"}[sys.byteorder]
    x = torch.arange(5, dtype=torch.float32)
    torch.save({"x": x}, tmp_path / "here.pt")
    with (
        zipfile.ZipFile(tmp_path / "here.pt") as here,
        zipfile.ZipFile(tmp_path / "there.pt", "w") as there,
    ):
        for name in here.namelist():
            content = here.read(name)
            if name.endswith("/byteorder"):
                content = order
            elif "/data/" in name:
                content = x.numpy().byteswap().tobytes()
            there.writestr(name, content)
    assert torch.equal(torch.load(tmp_path / "there.pt")["x"], x)
    assert torch.equal(read_archive(tmp_path / "there.pt")["x"], x)
