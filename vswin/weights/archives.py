"""Reading the files of `torch.save`, of today and of before 2020, without running what is in them.

A file of today is a zip archive: `data.pkl`, and every storage as a member of its own. One of
before is a row of pickles, with the storages behind them.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from vswin.files import forget_unwritten_checksums
from vswin.weights.unpickling import TensorUnpickler, text, what

LEGACY_MARK = 0x1950A86A20F9469CFC6C
"""The number that files of before 2020 begin with."""
CHUNK = 1 << 22


class DamagedArchiveError(Exception):
    """A file of torch does not hold what it should; the message says what is wrong."""


class ForeignPickleError(Exception):
    """A pickle is no file of torch; the message says what it is."""


def read_archive(path: Path) -> Any:
    """The content of a zip archive of torch; tensors are on the CPU, objects are `Inert`.

    Every storage is compared with its checksum, where the archive has checksums.

    Raises:
        HarmfulFileError: if its pickle names what only an attack needs.
        Exception: whatever a damaged file makes of it.
    """
    with zipfile.ZipFile(path) as archive:
        forget_unwritten_checksums(archive)
        names = sorted((n for n in archive.namelist() if is_pickle(n)), key=len)
        if not names:
            raise DamagedArchiveError("it has no data.pkl")
        folder = names[0].removesuffix("data.pkl")
        order = f"{folder}byteorder"
        foreign = order in archive.NameToInfo and archive.read(order) != sys.byteorder.encode()
        storages: dict[str, Tensor] = {}

        def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
            if key not in storages:
                storages[key] = _member(archive, f"{folder}data/{key}", dtype, count, foreign)
            return storages[key].view(dtype)

        with io.BufferedReader(archive.open(names[0])) as file:  # type: ignore[type-var]
            return TensorUnpickler(file, storage).load()


def is_pickle(name: str) -> bool:
    """Whether a member of a zip archive is the pickle of `torch.save`."""
    return name == "data.pkl" or name.endswith("/data.pkl")


def read_legacy(path: Path) -> Any:
    """The content of a file of before 2020; as `read_archive`.

    Raises:
        HarmfulFileError: if its pickle names what only an attack needs.
        ForeignPickleError: if it is a pickle that torch did not write.
        Exception: whatever a damaged file makes of it.
    """
    size = path.stat().st_size
    storages: dict[str, Tensor] = {}

    def storage(
        key: str, dtype: torch.dtype, count: int, view: tuple[Any, int, int] | None = None
    ) -> Tensor:
        if key not in storages:
            storages[key] = _room(dtype, count, size)
        whole = storages[key]
        return whole if view is None else whole[view[1] : view[1] + view[2]]

    with path.open("rb") as file:
        mark = TensorUnpickler(file).load()
        if mark != LEGACY_MARK:
            raise ForeignPickleError(f"a pickle of {what(mark)} that torch did not write")
        TensorUnpickler(file).load()  # the version of the format, of which there is one
        system = TensorUnpickler(file).load()
        content = TensorUnpickler(file, storage).load()
        foreign = isinstance(system, dict) and system.get("little_endian") is False
        for key in TensorUnpickler(file).load():
            count = int.from_bytes(file.read(8), "little")
            tensor = storages[text(key)]
            if count != len(tensor):
                raise DamagedArchiveError(f"storage {text(key)} has {count} numbers")
            _fill(tensor, file, foreign)
    return content


def _member(
    archive: zipfile.ZipFile, name: str, dtype: torch.dtype, count: int, foreign: bool
) -> Tensor:
    """A storage (count,) that is a member of an archive."""
    size = archive.getinfo(name).file_size
    tensor = _room(dtype, count, size)
    if tensor.nbytes != size:
        raise DamagedArchiveError(f"{name} has {size:,} bytes, wanted {tensor.nbytes:,}")
    with archive.open(name) as file:
        _fill(tensor, file, foreign)
        if file.read(1):  # the checksum is looked at where a member ends
            raise DamagedArchiveError(f"{name} is too long")
    return tensor


def _room(dtype: torch.dtype, count: int, size: int) -> Tensor:
    """A tensor (count,) to read numbers into, of which a file can hold so many bytes."""
    if not 0 <= count * dtype.itemsize <= size:
        raise DamagedArchiveError(f"{count:,} numbers of {dtype} are more than there is")
    return torch.empty(count, dtype=dtype, device="cpu")


def _fill(tensor: Tensor, file: IO[bytes], foreign: bool) -> None:
    """Reads the numbers (count,) of a storage, which may be of a machine of other byte order."""
    if not len(tensor):
        return
    room = tensor.view(torch.uint8).numpy().data
    at = 0
    while at < len(room):
        done = file.readinto(room[at : at + CHUNK])  # type: ignore[attr-defined]
        if not done:
            raise DamagedArchiveError("it ends too early")
        at += done
    if foreign:
        tensor.untyped_storage().byteswap(tensor.dtype)
