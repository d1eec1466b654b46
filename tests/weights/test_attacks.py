"""Checkpoints that would run a program or read beyond themselves: nothing they name is called."""

import copyreg
import pathlib
import pickle
import struct
import zipfile

import pytest
import torch

from tests.checkpoints import error_of, in_layout


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
