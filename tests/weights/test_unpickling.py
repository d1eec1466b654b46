"""Checkpoints with more than tensors: objects are ignored, and nothing that a file names runs."""

import argparse
import collections
import contextlib
import copyreg
import dataclasses
import datetime
import enum
import functools
import pathlib
import pickle
import struct
import sys
import types
import zipfile

import numpy as np
import pytest
import torch

import vswin
from tests.checkpoints import IMAGE, build, error_of, in_layout
from tests.peers import randomise_
from vswin.models.errors import WeightsError
from vswin.weights.archives import read_archive, read_legacy
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


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def called(function, argument):
    return function + text(argument) + b"\x85R"


STORAGE = b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu")
REBUILD = named("torch._utils", "_rebuild_tensor_v2")


def attacks(trace):
    """Pickles, word by word, that would leave a file `trace` if what they say were done."""
    shell, code = f"touch {trace}", f"open({str(trace)!r}, 'w')"
    system = named("posix", "system")
    inner = b"(N" + text(shell) + b"\x85Nt"
    return {
        "a call": called(named("os", "system"), shell),
        "a call by a short name": b"\x80\x04" + text("posix") + text("system") + b"\x93"
        + text(shell) + b"\x85R",
        "a name with dots": b"\x80\x04" + text("torch") + text("serialization.os.system") + b"\x93"
        + text(shell) + b"\x85R",
        "an old call": b"(" + text(shell) + b"iposix\nsystem\n",
        "an object of a call": b"(" + system + text(shell) + b"o",
        "a new object": named("subprocess", "Popen") + text(shell) + b"\x85\x81",
        "a new object with words": named("subprocess", "Popen") + text(shell) + b"\x85}\x92",
        "eval": called(named("builtins", "eval"), code),
        "exec of Python 2": called(named("__builtin__", "exec"), code),
        "an attribute": called(
            named("builtins", "getattr") + named("torch", "os") + text("system") + b"\x86R", shell
        ),
        "attributes of attributes": called(
            called(named("operator", "attrgetter"), "os.system") + named("torch", "serialization")
            + b"\x85R",
            shell,
        ),
        "a part of a function": named("functools", "partial") + system + text(shell) + b"\x86R)R",
        "code of numpy's tests": called(
            named("numpy.testing._private.utils", "runstring"), code
        ),
        "another file": called(named("torch", "load"), str(trace.with_name("inner.pkl"))),
        "a pickle": called(named("_pickle", "loads"), str(trace)),
        "a function in place of a tensor's": named("torch._tensor", "_rebuild_from_type_v2")
        + b"(" + system + inner[1:] + b"R",
        "a function's state": REBUILD + b"N}" + text("_call") + system + b"s\x86b0"
        + REBUILD + text(shell) + b"\x85R",
        "a setter": REBUILD + b"(" + STORAGE + b"K\x02tQ" + b"K\x00K\x02\x85K\x01\x85\x89NtR"
        + b"}" + text("__class__") + system + b"sb",
        "an object's own setter": named("copyreg", "_reconstructor") + named("os", "system")
        + named("builtins", "object") + b"N\x87R" + text(shell) + b"b",
        "a source": b"(" + text("module") + system + text(shell) + text(code) + b"tQ",
        "a registered number": b"\x82\x01" + text(shell) + b"\x85R",
    }  # fmt: skip


ATTACKS = tuple(attacks(pathlib.Path("trace")))


class Call:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        import os

        return (os.system, (self.command,))


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_a_file_names_is_called(tmp_path, name):
    trace = tmp_path / "it ran"
    (tmp_path / "inner.pkl").write_bytes(pickle.dumps(Call(f"touch {trace}")))
    with zipfile.ZipFile(tmp_path / "evil.pth", "w") as archive:
        archive.writestr("evil/data.pkl", b"\x80\x02" + attacks(trace)[name] + b".")
        archive.writestr("evil/data/0", bytes(8))
    rebuild, setter = torch._utils._rebuild_tensor_v2, torch.Tensor.__setstate__
    text = error_of(tmp_path / "evil.pth")
    assert text.startswith(f"{tmp_path}/evil.pth ")
    assert not trace.exists()
    assert (torch._utils._rebuild_tensor_v2, torch.Tensor.__setstate__) == (rebuild, setter)


def test_an_extension_that_a_program_registered_is_not_called_either(tmp_path):
    trace = tmp_path / "it ran"
    copyreg.add_extension("posix", "system", 0xF1)
    try:
        with zipfile.ZipFile(tmp_path / "evil.pth", "w") as archive:
            call = b"\x82\xf1" + text(f"touch {trace}") + b"\x85R."
            archive.writestr("evil/data.pkl", b"\x80\x02" + call)
        assert "it names posix.system" in error_of(tmp_path / "evil.pth")
    finally:
        copyreg.remove_extension("posix", "system", 0xF1)
    assert not trace.exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_a_harmful_name_is_said_also_beside_good_weights(tmp_path, legacy):
    trace = tmp_path / "it ran"
    torch.save(
        {"state_dict": in_layout("vswin")[0], "config": Call(f"touch {trace}")},
        tmp_path / "evil.pth",
        _use_new_zipfile_serialization=not legacy,
    )
    assert "holds more than tensors: it names posix.system" in error_of(tmp_path / "evil.pth")
    assert not trace.exists()


@pytest.mark.parametrize(
    "tensor",
    [
        b"(" + STORAGE + b"K\x02tQ" + b"K\x00M\xff\xff\x85K\x01\x85\x89NtR",  # too long
        b"(" + STORAGE + b"K\x02tQ" + b"J\xff\xff\xff\xffK\x02\x85K\x01\x85\x89NtR",  # before it
        b"(" + STORAGE + b"\x8a\x06\x00\x00\x00\x00\x00\x10tQ" + b"K\x00K\x02\x85K\x01\x85\x89NtR",
        b"(" + STORAGE.replace(text("0"), text("../../data.pkl")) + b"K\x02tQK\x00))\x89NtR",
    ],
    ids=["long", "before", "huge", "elsewhere"],
)
def test_tensors_outside_of_their_storage_are_refused(tmp_path, tensor):
    with zipfile.ZipFile(tmp_path / "odd.pth", "w") as archive:
        archive.writestr("odd/data.pkl", b"\x80\x02}" + text("a") + REBUILD + tensor + b"s.")
        archive.writestr("odd/data/0", bytes(8))
    assert "or a damaged one" in error_of(tmp_path / "odd.pth")


def test_objects_in_place_of_weights_are_named(tmp_path):
    with installed("net_of_nobody.models.Net") as (kind,):
        torch.save(kind(), tmp_path / "whole.pth")
        torch.save({"model": kind(), "epoch": 3}, tmp_path / "inside.pth")
        torch.save({"norm.weight": kind()} | in_layout("vswin")[0], tmp_path / "one.pth")
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
