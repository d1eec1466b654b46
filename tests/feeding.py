"""What models are fed, by whatever program."""

import contextlib

from torch.nn.modules.module import register_module_forward_pre_hook


@contextlib.contextmanager
def fed_to(kind):
    """Yields the list of the clips that models of a class get, which grows."""
    fed = []

    def note(module, args):
        if type(module) is kind:
            fed.append(args[0].clone())

    hook = register_module_forward_pre_hook(note)
    try:
        yield fed
    finally:
        hook.remove()
