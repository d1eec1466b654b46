"""Small files that would keep a reader busy for ever, fill its memory, or run a program."""

import builtins
import code
import cProfile
import io
import os
import pickle
import pydoc
import runpy
import subprocess
import urllib.request
import zipfile

import pytest
import torch

import vswin
from tests.checkpoints import build, error_of, in_layout
from tests.command import vswin as command
from vswin.weights.unwrapping import WRAPPERS


class Call:
    """Pickles itself as a call."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


CALLS = {
    "os.system": lambda trace: Call(os.system, f"touch {trace}"),
    "Popen": lambda trace: Call(subprocess.Popen, ["touch", str(trace)]),
    "getoutput": lambda trace: Call(subprocess.getoutput, f"touch {trace}"),
    "check_output": lambda trace: Call(subprocess.check_output, ["touch", str(trace)]),
    "exec": lambda trace: Call(exec, f"open({str(trace)!r}, 'w')"),
    "eval": lambda trace: Call(eval, f"open({str(trace)!r}, 'w')"),
    "compile": lambda trace: Call(compile, "1", str(trace), "exec"),
    "import": lambda trace: Call(builtins.__import__, "antigravity"),
    "open": lambda trace: Call(open, str(trace), "w"),
    "FileIO": lambda trace: Call(io.FileIO, str(trace), "w"),
    "pager": lambda trace: Call(pydoc.pipepager, "text", f"tee {trace}"),
    "profile": lambda trace: Call(cProfile.run, f"open({str(trace)!r}, 'w')"),
    "loads": lambda trace: Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {trace}"))),
    "torch.load": lambda trace: Call(torch.load, str(trace)),
    "run_path": lambda trace: Call(runpy.run_path, str(trace)),
    "urlopen": lambda trace: Call(urllib.request.urlopen, f"file://{trace}"),
    "interact": lambda trace: Call(code.interact, str(trace)),
    "attribute": lambda trace: Call(getattr, Call(dict), "os"),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_means_harm_is_said_whatever_names_python_gives_it(
    tmp_path, name, protocol, legacy
):
    """Under protocol 2, which torch writes, functions have the names of Python 2."""
    trace, path = tmp_path / "it ran", tmp_path / "evil.pth"
    content = {"state_dict": in_layout("vswin")[0], "config": CALLS[name](trace)}
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    assert "holds more than tensors: it names " in error_of(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [("commands", "getoutput"), ("cPickle", "loads"), ("__builtin__", "execfile"), ("torch", "os")],
)
def test_names_of_python_2_are_understood(tmp_path, module, name):
    trace = tmp_path / "it ran"
    argument = f"touch {trace}".encode()
    call = f"c{module}\n{name}\n".encode() + b"X" + len(argument).to_bytes(4, "little")
    path = written(tmp_path, call + argument + b"\x85R")
    assert "it names " in error_of(path)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["Namespace", "partial", "BytesIO", "Random"])
def test_objects_without_harm_stay_as_they_were(tmp_path, name):
    import argparse
    import functools
    import random

    kinds = {
        "Namespace": argparse.Namespace(os="linux", sys=1),
        "partial": functools.partial(torch.optim.AdamW, lr=1),
        "BytesIO": io.BytesIO(b"a"),
        "Random": random.Random(0),
    }
    torch.save({"state_dict": in_layout("vswin")[0], "it": kinds[name]}, tmp_path / "good.pth")
    assert "it" in vswin.load_weights(build(), tmp_path / "good.pth").ignored


def cycles():
    one, all_keys, first = {}, {}, {}
    one["model"] = one
    all_keys.update(dict.fromkeys(WRAPPERS, all_keys))
    first["net"] = {"state_dict": {"model": first, "epoch": 3}}
    deep = {}
    for _ in range(100):
        deep = {"model": deep, "net": deep}
    return {"one": one, "all": all_keys, "three": first, "deep": deep}


@pytest.mark.parametrize("name", ["one", "all", "three", "deep"])
def test_a_mapping_that_holds_itself_ends(tmp_path, name):
    torch.save(cycles()[name], tmp_path / "x.pth")
    for source in (cycles()[name], tmp_path / "x.pth"):
        assert "holds no tensors: " in error_of(source)
    done = command("weights", "inspect", tmp_path / "x.pth")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "holds no tensors" in done.stderr


def test_weights_in_a_mapping_that_holds_itself_are_read():
    content = {"model": in_layout("vswin")[0]}
    content["self"] = content
    content["ema"] = content
    assert "self" in vswin.load_weights(build(), content).ignored


def written(folder, pickled):
    with zipfile.ZipFile(folder / "odd.pth", "w") as archive:
        archive.writestr("odd/data.pkl", b"\x80\x02" + pickled + b".")
    return folder / "odd.pth"


def repeated(of, times):
    """A pickle of (x, x) where x is (y, y), and so on."""
    return of + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(times))


KEYS = {
    "doubled": b"}" + repeated(b")", 60) + b"Ns",
    "many": b"}(" + repeated(b")", 60) + b"Nu",
    "old mapping": b"(" + repeated(b")", 60) + b"Nd",
    "set": b"\x8f(" + repeated(b")", 60) + b"\x90",
    "frozen set": b"(" + repeated(b")", 60) + b"\x91",
    "ordered": b"ccollections\nOrderedDict\n]" + repeated(b")", 60) + b"N\x86a\x85R",
    "deep": b"})" + 10**6 * b"\x85" + b"Ns",
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_whose_hash_would_never_end_are_refused(tmp_path, name):
    assert "a key of more than 1,000 parts" in error_of(written(tmp_path, KEYS[name]))


def test_names_that_would_never_be_written_out_are_refused(tmp_path):
    lists = b"]" + b"".join(b"q" + bytes([n]) + b"]h" + bytes([n]) + b"ah" + bytes([n]) + b"a"
                            for n in range(60))  # fmt: skip
    for pickled in (
        lists + b"Q",
        b"(X\x07\0\0\0storagectorch\nFloatStorage\n" + lists + b"NK\x01tQ",
        b"(" + lists + b"NNNtQ",
        b"c__builtin__\ngetattr\nccollections\nCounter\n" + lists + b"\x86R",
    ):
        assert written(tmp_path, pickled).name in error_of(tmp_path / "odd.pth")


def test_deep_lists_are_left_alone(tmp_path):
    deep = b"}X\x01\0\0\0a" + 10**5 * b"]" + 10**5 * b"a"
    assert "holds no tensors: a" in error_of(written(tmp_path, deep[:-1] + b"s"))


@pytest.mark.parametrize("shape", [(10**8, 10**8), (10**9,)], ids=str)
@pytest.mark.parametrize(
    "name",
    ["head.weight", "norm.bias", "criterion.weight", "features.0.0.attn.relative_position_index"],
)
def test_a_view_far_larger_than_its_storage_is_refused_by_name(tmp_path, name, shape):
    tensors, _ = in_layout("torchvision")
    content = {**tensors, name: torch.zeros(1).expand(shape)}
    torch.save(content, tmp_path / "x.pth")
    for source in (content, tmp_path / "x.pth"):
        assert f"{name} has shape {shape}, but the checkpoint holds only" in error_of(source)
    done = command("weights", "inspect", tmp_path / "x.pth")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert name in done.stderr


def test_many_views_of_one_storage_are_refused(tmp_path):
    tensors, _ = in_layout("vswin")
    shared = torch.zeros(1 << 14)
    many = {f"layers.{i}.blocks.0.norm1.weight": shared for i in range(9, 20_000)}
    assert "has shape (16384,), but the checkpoint holds" in error_of(tensors | many)


def test_weights_that_are_expanded_views_are_read(tmp_path):
    tensors, _ = in_layout("torchvision")
    tensors |= {"norm.weight": torch.ones(1).expand(16), "head.bias": torch.zeros(()).expand(5)}
    torch.save(tensors, tmp_path / "x.pth")
    again = build()
    vswin.load_weights(again, tmp_path / "x.pth")
    assert torch.equal(again.norm.weight, torch.ones(16))


def test_odd_names_make_one_short_line(tmp_path):
    tensors, _ = in_layout("torchvision")
    for key in ("head.weight\n", "a\x1b[31m.b", 10**5 * "a", (1, 2)):
        text = error_of(tensors | {key: torch.ones(2)})
        assert len(text) < 500
        assert text.isprintable()
