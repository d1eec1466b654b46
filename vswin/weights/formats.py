"""What kind of file a checkpoint is, by its content: names of such files say nothing for certain.

Files that are something else are told by name, for a user who got a web page, or an exported
program, in place of weights.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from vswin.models.errors import WeightsError
from vswin.weights.archives import is_pickle

Format = Literal["archive", "legacy", "safetensors"]
"""A zip archive of torch, a file of torch from before 2020, a file of safetensors."""
STATE_DICT = "wanted a mapping of tensors, as torch.save(model.state_dict(), FILE) writes it"
BEGINNINGS = {
    b"version https://git-lfs": "a Git LFS pointer in place of the file; git lfs pull fetches it",
    b"\x1f\x8b": "packed with gzip; unpack it first",
    b"\xfd7zXZ\0": "packed with xz; unpack it first",
    b"BZh": "packed with bzip2; unpack it first",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, as Keras writes; wanted a file of torch or safetensors",
    b"PK\x05\x06": "an empty zip archive; fetch it again",
    b"GGUF": "a GGUF file, of a language model; wanted a file of torch or safetensors",
    b"\x93NUMPY": "an array of numpy; wanted a file of torch or safetensors",
    b"%PDF": "a PDF document; wanted a file of torch or safetensors",
}
"""How other files begin, and what to do."""
WEB_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<error", b"<!--")
LOADED_WITH = "wanted the weights of the torch model that it was exported from"


def format_of(path: Path) -> Format:
    """What a checkpoint file is.

    Raises:
        WeightsError: if it is something else; the message says what.
        OSError: if it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise WeightsError(
            f"{path} is empty (0 bytes): its download or copy failed; fetch it again"
        )
    if start.startswith(b"PK\x03\x04"):
        _require_torch_archive(path)
        return "archive"
    length = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and length < 10**8:
        if 8 + length > size:
            raise WeightsError(f"{path} is a cut safetensors file{_bytes(size)}; fetch it again")
        return "safetensors"
    if (what := _other(start)) is not None:
        raise WeightsError(f"{path} is {what}")
    if start.startswith((b"\x80", b"L119547037146038801333356L")):
        return "legacy"
    raise WeightsError(_unknown(path, start, size))


def what_folder(path: Path) -> str:
    """What to do about a folder in place of a file."""
    names = {entry.name for entry in path.iterdir()}
    if ".metadata" in names or any(name.endswith(".distcp") for name in names):
        return (
            "a sharded checkpoint of torch.distributed.checkpoint (FSDP); `python -m "
            "torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE` makes a file of it"
        )
    if "zero_to_fp32.py" in names:
        return "a sharded checkpoint of DeepSpeed; its zero_to_fp32.py makes a file of it"
    if "saved_model.pb" in names:
        return f"a TensorFlow SavedModel; {LOADED_WITH}"
    if "data.pkl" in names:
        return "an unpacked archive of torch; wanted the file as it was downloaded"
    return "a folder, wanted a file"


def _require_torch_archive(path: Path) -> None:
    """Says what a zip archive is that holds no state dict.

    Raises:
        WeightsError: if it is no archive of `torch.save`, or a cut one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        size = _bytes(path.stat().st_size)
        raise WeightsError(
            f"{path} is a cut or damaged zip archive, as torch writes{size}; fetch it again"
        ) from error
    within = {name.partition("/")[2] for name in names} | set(names)
    if any(name.endswith(".distcp") or name == ".metadata" for name in (path.name, *names)):
        what = "a part of a sharded checkpoint (FSDP); wanted one file with all weights"
    elif "constants.pkl" in within:
        what = (
            "a TorchScript archive, a program; torch.jit.load(FILE).state_dict() has its weights, "
            "which torch.save can write"
        )
    elif within & {"archive_format", "serialized_exported_program.json", "models/model.json"}:
        what = (
            "a program of torch.export (.pt2); torch.export.load(FILE).state_dict has its "
            "weights, which torch.save can write"
        )
    elif ".data/extern_modules" in within:
        what = f"a package of torch.package; {STATE_DICT}"
    elif any(map(is_pickle, names)):
        return
    elif any(name.endswith(".npy") for name in names):
        what = "arrays of numpy (.npz); wanted a file of torch or safetensors"
    elif any(name.endswith("model.weights.h5") for name in names):
        what = f"a Keras model; {LOADED_WITH}"
    else:
        what = f"a zip archive with {_first(names)}; unpack it first"
    raise WeightsError(f"{path} is {what}")


def _other(start: bytes) -> str | None:
    """What begins like that; None if it is not known, or can be a checkpoint."""
    known = (what for beginning, what in BEGINNINGS.items() if start.startswith(beginning))
    return next(known, None) or _text(start) or _tar(start) or _exported(start)


def _text(start: bytes) -> str | None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.lower().startswith(WEB_PAGES):
        title = text.decode("ascii", "replace").splitlines()[0][:40]
        return f"a web page, begins with {title!r}: the download failed; fetch it again, logged in"
    if not text.startswith(b"{"):
        return None
    if b'"weight_map"' in start or b'"total_size"' in start:
        return "the index of weights in several files; wanted one file with all of them"
    return f"JSON{_error(text)}: the download failed, or this is a file of settings"


def _tar(start: bytes) -> str | None:
    if start[257:262] != b"ustar":
        return None
    if start.startswith((b"storages", b"tensors", b"sys_info", b"pickle", b"./")):
        return (
            "a tar archive, maybe of torch before 0.2; a torch of that time can read it, and "
            "torch.save write it again"
        )
    return "a tar archive; unpack it first"


def _exported(start: bytes) -> str | None:
    """Programs in protocol buffers, whose first field is a number."""
    if start[4:8] == b"TFL3":
        return f"a TensorFlow Lite model; {LOADED_WITH}"
    if start[:1] != b"\x08":
        return None
    producer = start[4 : 4 + start[3]] if start[2:3] == b"\x12" else b""
    if start[2:3] == b"\x3a" or (producer and producer.decode("latin1").isprintable()):
        return f"an ONNX model; {LOADED_WITH}"
    return f"a TensorFlow SavedModel; {LOADED_WITH}" if start[1:3] == b"\x01\x12" else None


def _error(text: bytes) -> str:
    """What an answer of a web server in JSON says."""
    try:
        content = json.loads(text)
    except ValueError:
        return ""
    said = [value for value in content.values() if isinstance(value, str)]
    return f" ({said[0][:60]!r})" if said else ""


def _unknown(path: Path, start: bytes, size: int) -> str:
    line = start[:40].decode("ascii", "replace").split("\n")[0]
    shown = f", begins with {line!r}" if line.isprintable() and line and line.isascii() else ""
    return (
        f"{path} is no checkpoint of torch or safetensors, or a damaged one "
        f"({size:,} bytes{shown}); was the download cut short?"
    )


def _bytes(size: int) -> str:
    return f" ({size:,} bytes)"


def _first(names: Iterable[str]) -> str:
    names = sorted(names)
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
