"""What torch is asked to compute, recorded operator by operator; the meta device needs no GPU."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Operators(TorchDispatchMode):
    """Records operators, and which of them a GPU would have to be waited for."""

    def __init__(self):
        super().__init__()
        self.names, self.waits = [], []
        self.cast = []
        """Elements of what is copied to another precision."""

    @property
    def kernels(self):
        """Operators that are no views: each is at least one kernel of a GPU's."""
        return [name for name, is_view in self.names if not is_view]

    def count(self, name):
        return sum(found == name for found, _ in self.names)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        self.names.append((name, func.is_view))
        if name == "_to_copy":
            self.cast.append(out.numel())
        devices = {x.device.type for x in tree_leaves((args, out)) if isinstance(x, torch.Tensor)}
        copies = len(devices) > 1 and name in ("_to_copy", "copy_")
        if copies or name in ("_local_scalar_dense", "nonzero"):
            self.waits.append(name)
        return out
