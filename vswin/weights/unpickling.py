"""Reading pickles, as which torch saves, without importing or calling anything that they name.

A pickle is a program: it names functions and classes and says what they are called with. Here its
words for a tensor's parts and for an ordered mapping have a meaning, which this file gives them;
everything else that it can name (the settings of a training script, numbers of numpy, optimisers,
classes that are not installed, `os.system`) becomes an `Inert`, which does nothing. So nothing has
to be trusted, or installed.

torch's own `weights_only` is not asked, although it is as safe: it refuses a file for one unknown
name, knows only the words of one version of pickle, and learns names for the whole process.
"""

from __future__ import annotations

import _compat_pickle
import copyreg
import pickle
from collections.abc import Callable, Iterable
from typing import IO, Any, ClassVar

import torch
from torch import Tensor

HARMFUL = {
    *("os", "posix", "nt", "subprocess", "sys", "runpy", "importlib", "shutil", "socket", "pty"),
    *("ctypes", "webbrowser", "timeit", "torch.hub", "torch.utils.cpp_extension", "marshal", "pip"),
    *(
        "pydoc",
        "cProfile",
        "pdb",
        "bdb",
        "doctest",
        "imp",
        "pkgutil",
        "zipimport",
        "_posixsubprocess",
    ),
    *(
        "asyncio",
        "urllib.request",
        "http.client",
        "http.server",
        "ftplib",
        "smtplib",
        "cffi",
        "numpy.testing",
        "_pickle",
    ),
    *("numpy.f2py", "numpy.load", "torch.load", "torch.serialization.load", "pandas.read_pickle"),
    *(
        "pickle.load",
        "pickle.loads",
        "pickle.Unpickler",
        "pickle._load",
        "pickle._loads",
        "joblib.load",
    ),
    *("dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads", "pandas.eval"),
    *("code.interact", "code.InteractiveInterpreter", "code.InteractiveConsole", "trace.Trace"),
    *("profile.run", "profile.runctx", "profile.Profile", "types.CodeType", "types.FunctionType"),
    *(f"{io}.{name}" for io in ("io", "_io") for name in ("open", "open_code", "FileIO")),
    *(f"builtins.{name}" for name in ("exec", "eval", "execfile", "compile", "open", "__import__")),
    *(
        f"builtins.{name}"
        for name in ("file", "input", "breakpoint", "globals", "setattr", "apply")
    ),
}
"""Modules and functions that no checkpoint needs, and attacks do. They would be inert, too; a file
that names one is refused because its owner should know."""
INSIDE = {"os", "posix", "nt", "subprocess", "sys", "importlib", "__globals__", "__builtins__"}
"""Those that are harmful also as what another module has imported."""
DTYPES = {
    **{"DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16},
    **{"BFloat16Storage": torch.bfloat16, "BoolStorage": torch.bool, "ByteStorage": torch.uint8},
    **{"CharStorage": torch.int8, "ShortStorage": torch.int16, "IntStorage": torch.int32},
    **{"LongStorage": torch.int64, "UntypedStorage": torch.uint8},
    **{"ComplexFloatStorage": torch.complex64, "ComplexDoubleStorage": torch.complex128},
    **{"QUInt8Storage": torch.uint8, "QInt8Storage": torch.int8, "QInt32Storage": torch.int32},
}
"""What the storages of torch's files hold, by the names of their classes."""


MOST = 100_000
"""Weights of a module, that a small file cannot ask for any number of them."""
LONGEST = 200
"""Characters of a name."""
MOST_IN_KEY = 1000
"""Parts of a tuple that is a key. A small file can ask for a tuple of one tuple twice, and so on,
whose hash takes for ever, or for one so deep that Python ends without a word."""


class HarmfulFileError(Exception):
    """A pickle names what only an attack needs; the message is that name."""


class Inert(dict[Any, Any]):
    """Stands for an object, or for the result of a call, that a pickle asks for; does nothing.

    Only what it holds as a mapping does is kept, for it may stand for a mapping of weights. One
    that stands for a whole module holds the module's weights by name.
    """

    name = ""
    """Of the class or function, with its module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(args[0] if len(args) == 1 and isinstance(args[0], dict) else {})

    def __call__(self, *args: Any, **kwargs: Any) -> Inert:
        """What it would return is as inert."""
        return self

    def __setstate__(self, state: Any) -> None:
        """Forgets what it is given, but for the weights of a `torch.nn.Module`."""
        if isinstance(state, dict) and {"_parameters", "_buffers", "_modules"} <= state.keys():
            for own in (state["_parameters"], state["_buffers"]):
                self.update({name: value for name, value in own.items() if value is not None})
            for part, inner in state["_modules"].items():
                named = {f"{text(part)}.{text(name)}": v for name, v in (inner or {}).items()}
                self.update(named)
            if len(self) > MOST:  # a small file can name a part twice, and that one's parts, ...
                raise pickle.UnpicklingError(f"more than {MOST:,} weights in a module")

    def append(self, item: Any) -> None:
        """Forgets it."""

    extend = add = append

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)  # it may stand for a key


class _Ordered(dict[Any, Any]):
    """A `collections.OrderedDict`; what torch notes in its attributes is not needed."""

    def __setstate__(self, state: Any) -> None: ...


class _Function:
    """A function of this file as a pickle may use it: to call, and not to change."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setstate__(self, state: Any) -> None: ...


class TensorUnpickler(pickle._Unpickler):
    """Builds the tensors and plain containers of one pickle.

    It is the one that is written in Python: in the other, nothing can look at a key before it is
    hashed.

    Args:
        file: open at the pickle's start; afterwards it stands behind its end.
        storage: from a storage's key, element type, number of elements and (in old files) its
            place in a larger one, to a tensor (elements,).

    Raises:
        HarmfulFileError: by `load`, if the pickle names what only an attack needs.
        Exception: by `load`, whatever a damaged pickle makes of it.
    """

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: IO[bytes], storage: Callable[..., Tensor] | None = None) -> None:
        super().__init__(file, encoding="latin1")  # of what Python 2 wrote
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        """What a name means here; nothing is imported."""
        # Protocol 2, which torch writes, has the names of Python 2.
        module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
        module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        whole = f"{module}.{name}"
        _require_harmless(whole)
        if module in ("torch", "torch.cuda", "torch.storage") and name in DTYPES:
            return DTYPES[name]
        if module == "torch" and isinstance(found := vars(torch).get(name), torch.dtype):
            return found
        if whole == "builtins.getattr":
            return _Function(_attribute)
        function = _FUNCTIONS.get(whole)
        return inert(whole) if function is None else _Function(function)

    def get_extension(self, code: int) -> None:
        """What a registered number stands for; not what the process remembers of it."""
        if code not in copyreg._inverted_registry:  # type: ignore[attr-defined]
            raise pickle.UnpicklingError(f"unregistered extension {code}")
        self.append(self.find_class(*copyreg._inverted_registry[code]))  # type: ignore[attr-defined]

    def persistent_load(self, pid: Any) -> Any:
        """The storage that a tensor is a part of; in old files also a module's source."""
        if not isinstance(pid, tuple) or self._storage is None:
            raise pickle.UnpicklingError(f"unknown reference, {what(pid)}")
        kind, about, *rest = pid
        if isinstance(kind, str) and kind == "module":
            return about
        if not isinstance(kind, str) or kind != "storage":
            raise pickle.UnpicklingError(f"unknown reference {text(kind)}")
        if not isinstance(about, torch.dtype):
            raise pickle.UnpicklingError(f"unknown storage {getattr(about, 'name', what(about))}")
        key, _device, count, *view = rest
        if not isinstance(key, str | int) or not isinstance(count, int):
            raise pickle.UnpicklingError("a storage without a name or a size")
        return self._storage(str(key), about, count, *view)


def _checked(
    load: Callable[..., None], keys: Callable[[Any], Iterable[Any]]
) -> Callable[..., None]:
    """A step of unpickling that first looks at what it will hash."""

    def step(unpickler: Any) -> None:
        for key in keys(unpickler.stack):
            _require_hashable(key)
        load(unpickler)

    return step


for _word, _keys in (
    (pickle.SETITEM, lambda stack: stack[-2:-1]),
    (pickle.SETITEMS, lambda stack: stack[::2]),
    (pickle.DICT, lambda stack: stack[::2]),
    (pickle.ADDITEMS, list),
    (pickle.FROZENSET, list),
):
    TensorUnpickler.dispatch[_word[0]] = _checked(TensorUnpickler.dispatch[_word[0]], _keys)


def _require_hashable(key: Any) -> None:
    if not isinstance(key, tuple):
        return
    parts, count = [key], 0
    while parts:
        part = parts.pop()
        count += len(part)
        if count > MOST_IN_KEY:
            raise pickle.UnpicklingError(f"a key of more than {MOST_IN_KEY:,} parts")
        parts.extend(inner for inner in part if isinstance(inner, tuple))


def _require_harmless(name: str) -> None:
    """Refuses the name of a module's part that only attacks use."""
    parts = name.split(".")
    begins = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
    if HARMFUL & begins or INSIDE.intersection(parts[1:]):
        raise HarmfulFileError(printable(name))


def _attribute(owner: Any, name: Any, *_: Any) -> Any:
    """What `getattr` stands for: a class inside a class."""
    whole = f"{getattr(owner, 'name', '')}.{text(name)}"
    _require_harmless(whole)
    return inert(whole)


def what(value: Any) -> str:
    """What kind of value it is, for errors."""
    return f"an object of {value.name}" if isinstance(value, Inert) else f"a {type(value).__name__}"


def inert(name: str) -> type[Inert]:
    """The class that stands for the one of that name."""
    return type("Inert", (Inert,), {"name": printable(name)})


def text(key: Any) -> str:
    """A key out of a file as text; of what is no name only what it is, for it may be huge."""
    if isinstance(key, str):
        return key if len(key) <= LONGEST and key.isprintable() else repr(key[:LONGEST])
    return str(key) if isinstance(key, bool | float) or _is_short(key) else what(key)


def printable(name: str) -> str:
    """A name out of a file, fit for a line of text."""
    return "".join(filter(str.isprintable, name[:1000]))[:100]


def _is_short(key: Any) -> bool:
    return key is None or (isinstance(key, int) and key.bit_length() < 100)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Any:
    """`torch._utils._rebuild_tensor` and `_v2`."""
    return storage.as_strided(size, stride, storage.storage_offset() + offset)


def _tensor_of_type(
    storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, *_: Any
) -> Any:
    """`torch._utils._rebuild_tensor_v3`, whose storages are of bytes."""
    return _tensor(storage.view(dtype), offset, size, stride)


def _tensor_of_class(build: Any, kind: Any, args: Any, *_: Any) -> Any:
    """`torch._tensor._rebuild_from_type_v2`: with attributes, or of a class of its own."""
    built = build(*args)
    return built if isinstance(built, Tensor) else kind()


def _ordered(items: Any = ()) -> _Ordered:
    if not isinstance(items, dict):
        items = [(key, value) for key, value in items]
        for key, _ in items:
            _require_hashable(key)
    return _Ordered(items)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_type,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
    "torch._tensor._rebuild_from_type_v2": _tensor_of_class,
}
"""What rebuilds dense tensors; those of other layouts become inert."""
