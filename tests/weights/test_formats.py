"""Checkpoint files by their content, whatever they are called, and what other files are."""

import argparse
import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import vswin
from tests.checkpoints import build, error_of, in_layout
from tests.command import vswin as command
from vswin.files import require_intact_zip
from vswin.weights.files import read_checkpoint

NAMES = (
    *("epoch_30.ckpt", "pytorch_model.bin", "checkpoint.pyth", "model_best.pth.tar", "weights"),
    *("BEST.PTH", "last.pt.bak", "x.safetensors", "v1.0", ".hidden"),
)


def saved(name="torchvision", **options):
    buffer = io.BytesIO()
    torch.save({"state_dict": in_layout(name)[0]}, buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["archive", "legacy", "safetensors"])
def test_a_file_is_read_by_its_content_whatever_it_is_called(tmp_path, name, kind):
    tensors, model = in_layout("torchvision")
    content = {
        "archive": saved,
        "legacy": lambda: saved(_use_new_zipfile_serialization=False),
        "safetensors": lambda: safetensors.torch.save(tensors),
    }[kind]()
    (tmp_path / name).write_bytes(content)
    again = build()
    assert vswin.load_weights(again, tmp_path / name).layout == "torchvision"
    assert torch.equal(again.head.weight, model.head.weight)


def test_an_archive_without_checksums_is_whole(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        content = saved()
    finally:
        torch.serialization.set_crc32_options(True)
    (tmp_path / "zero.pth").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "zero.pth") as archive:
        assert not any(member.CRC for member in archive.infolist())
    vswin.load_weights(build(), tmp_path / "zero.pth")
    require_intact_zip(tmp_path / "zero.pth")
    (tmp_path / "cut.pth").write_bytes(content[:-3000])
    assert "is a cut or damaged zip archive" in error_of(tmp_path / "cut.pth")


def test_checksums_that_there_are_are_looked_at(tmp_path):
    """Also that of one storage among others, and where it was zeroed."""
    tensors, _ = in_layout("torchvision")
    content = bytearray(saved())
    at = content.index(tensors["head.weight"].numpy().tobytes())
    content[at] ^= 1
    (tmp_path / "bit.pth").write_bytes(content)
    text = error_of(tmp_path / "bit.pth")
    assert "or a damaged one" in text
    assert "Bad CRC-32" in text


def test_an_archive_that_was_packed_anew_is_read(tmp_path):
    (tmp_path / "here.pth").write_bytes(saved())
    for folder, packing in (("other/", zipfile.ZIP_STORED), ("", zipfile.ZIP_DEFLATED)):
        with (
            zipfile.ZipFile(tmp_path / "here.pth") as here,
            zipfile.ZipFile(tmp_path / "anew.pth", "w", packing) as anew,
        ):
            for name in here.namelist():
                anew.writestr(folder + name.partition("/")[2], here.read(name))
        assert read_checkpoint(tmp_path / "anew.pth").digest == (
            read_checkpoint(tmp_path / "here.pth").digest
        )


class Scaled(nn.Module):
    def forward(self, x):
        return 2 * x


def archive_of(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


def script():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def exported():
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(Scaled(), (torch.ones(2),)), buffer)
    return buffer.getvalue()


def arrays():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(3))
    return buffer.getvalue()


def tar_of(name, content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 115\n"
OTHERS = {
    "TorchScript": (script, "is a TorchScript archive, a program; torch.jit.load(FILE)"),
    "torch.export": (exported, "is a program of torch.export (.pt2); torch.export.load(FILE)"),
    "torch.package": (
        lambda: archive_of(a___dot_data__extern_modules=b"", a__b_dot_pkl=b"x"),
        "is a package of torch.package",
    ),
    "ONNX": (lambda: b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x91\x01\n", "is an ONNX model"),
    "nameless ONNX": (lambda: b"\x08\x07:\x91\x01\n", "is an ONNX model"),
    "SavedModel": (lambda: b"\x08\x01\x12\xb3\x1e\nb\n\x0f", "is a TensorFlow SavedModel"),
    "TFLite": (lambda: b"\x1c\0\0\0TFL3\x14\0", "is a TensorFlow Lite model"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n\0\0", "is an HDF5 file, as Keras writes"),
    "Keras": (lambda: archive_of(model_dot_weights_dot_h5=b"", a=b""), "is a Keras model"),
    "web page": (
        lambda: b"\n<!DOCTYPE html>\n<html>",
        "is a web page, begins with '<!DOCTYPE html>'",
    ),
    "web page of a drive": (lambda: b"<html><head><title>Google Drive - Virus scan", "a web page"),
    "error of a bucket": (lambda: b'<?xml version="1.0"?>\n<Error>', "the download failed"),
    "answer in JSON": (lambda: b'{"message": "Not Found"}', "is JSON ('Not Found'): the download"),
    "index of shards": (
        lambda: json.dumps({"metadata": {}, "weight_map": {"a": "b"}}).encode(),
        "is the index of weights in several files",
    ),
    "LFS": (lambda: LFS, "is a Git LFS pointer in place of the file; git lfs pull"),
    "gzip": (lambda: gzip.compress(saved()), "is packed with gzip; unpack it first"),
    "xz": (lambda: lzma.compress(saved()), "is packed with xz"),
    "bzip2": (lambda: bz2.compress(saved()), "is packed with bzip2"),
    "zstd": (lambda: b"\x28\xb5\x2f\xfd\x04\0", "is packed with zstd"),
    "7z": (lambda: b"7z\xbc\xaf\x27\x1c\0\x04", "is a 7z archive"),
    "tar": (lambda: tar_of("weights.pth", saved()), "is a tar archive; unpack it first"),
    "tar of torch 0.1": (lambda: tar_of("storages", b"\x80\x02K\0."), "torch before 0.2"),
    "zip of a file": (lambda: archive_of(weights_dot_pth=saved()), "zip archive with weights.pth;"),
    "empty zip": (archive_of, "is an empty zip archive"),
    "npz": (arrays, "is arrays of numpy (.npz)"),
    "npy": (lambda: b"\x93NUMPY\x01\0", "is an array of numpy"),
    "GGUF": (lambda: b"GGUF\x03\0\0\0", "is a GGUF file"),
    "cut archive": (
        lambda: saved()[:9000],
        "is a cut or damaged zip archive, as torch writes (9,000",
    ),
    "cut legacy": (
        lambda: saved(_use_new_zipfile_serialization=False)[:-100],
        "or a damaged one",
    ),
    "cut in the pickle": (
        lambda: saved(_use_new_zipfile_serialization=False)[:900],
        "or a damaged one (900 bytes",
    ),
    "cut safetensors": (
        lambda: safetensors.torch.save({"a": torch.ones(99)})[:-10],
        "or a damaged one",
    ),
    "cut in the names": (
        lambda: safetensors.torch.save({"a": torch.ones(99)})[:20],
        "is a cut safetensors file (20 bytes)",
    ),
    "empty": (lambda: b"", "is empty (0 bytes)"),
    "pickle": (lambda: pickle.dumps({"a": np.ones(3)}), "is a pickle of a dict that torch did not"),
    "pickle of an object": (lambda: pickle.dumps(np.ones(3)), "is a pickle of an object of numpy"),
    "list": (lambda: saved_of([torch.ones(1)]), "holds a list; wanted a mapping of tensors"),
    "tensor": (lambda: saved_of(torch.ones(1)), "holds a Tensor; wanted a mapping"),
    "noise": (lambda: b"\xfe\xdc\xba" * 9, "is no checkpoint of torch or safetensors"),
    "text": (lambda: b"404: Not Found", "(14 bytes, begins with '404: Not Found')"),
}


def saved_of(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_files_are_told_by_what_they_are(tmp_path, what, suffix):
    make, words = OTHERS[what]
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(make())
    text = error_of(path)
    assert text.startswith(f"{path} ")
    assert words in text, text


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ((".metadata", "__0_0.distcp"), "is a sharded checkpoint of torch.distributed.checkpoint"),
        (("zero_to_fp32.py", "latest"), "is a sharded checkpoint of DeepSpeed; its zero_to_fp32"),
        (("saved_model.pb", "variables"), "is a TensorFlow SavedModel"),
        (("data.pkl", "version"), "is an unpacked archive of torch"),
        (("config.json", "model.safetensors"), "is a folder, wanted a file"),
    ],
)
def test_folders_are_told_by_what_they_are(tmp_path, inside, words):
    for name in inside:
        (tmp_path / name).touch()
    assert words in error_of(tmp_path)


def test_a_part_of_a_sharded_checkpoint_is_told(tmp_path):
    (tmp_path / "__0_0.distcp").write_bytes(saved())
    assert "is a part of a sharded checkpoint (FSDP)" in error_of(tmp_path / "__0_0.distcp")


def test_commands_read_by_content_too(tmp_path):
    tensors, _ = in_layout("official_video")
    content = {"args": argparse.Namespace(lr=np.float64(1)), "state_dict": tensors}
    torch.save(content, tmp_path / "BEST.PTH.TAR")
    (tmp_path / "script.ckpt").write_bytes(script())
    done = command("weights", "inspect", "BEST.PTH.TAR", cwd=tmp_path)
    assert "official_video" in done.stdout, done.stderr
    done = command("weights", "convert", "BEST.PTH.TAR", "out.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_checkpoint(tmp_path / "out.safetensors").digest == read_checkpoint(content).digest
    for args in (["weights", "inspect", "script.ckpt"], ["predict", "v.mp4", "-w", "script.ckpt"]):
        done = command(*args, cwd=tmp_path)
        assert done.returncode != 0
        assert done.stderr.count("\n") == 1
    assert (
        "error: script.ckpt is a TorchScript archive"
        in command("weights", "inspect", "script.ckpt", cwd=tmp_path).stderr
    )


def test_a_classifier_that_is_not_known_is_named_by_inspect(tmp_path):
    tensors, _ = in_layout("torchvision")
    tensors["head.1.weight"] = tensors.pop("head.weight")
    del tensors["head.bias"]
    torch.save(tensors, tmp_path / "odd.bin")
    said = command("weights", "inspect", "odd.bin", cwd=tmp_path).stdout
    assert "another classifier (head.1.weight); head=False leaves it out" in said
