"""What is left out when a model is asked for: a default gives way to what was said.

One that goes with it stays, since runs are called after all sizes. What was said is never changed:
if that contradicts itself or is impossible, the configuration says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vswin.models.swin.config import VideoSwinConfig

HEAD_CHANNELS = 32
"""d, the channels of a head (section 3.3)."""


def complete(usual: VideoSwinConfig, said: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, and other values in the place of defaults that cannot go with it.

    Args:
        usual: the defaults.
        said: fields of the configuration; those that are impossible are left as they are.
    """
    found = dict(said)
    if said.get("design") == "split" and "window_size" not in said:
        found["window_size"] = (1, *usual.window_size[1:])
    if not all(_are_counts(said[name]) for name in ("depths", "num_heads") if name in said):
        return found
    if not _are_counts((said.get("embed_dim", 1),)):
        return found
    if "num_heads" in said:
        heads, depths = said["num_heads"], usual.depths
        missing = len(heads) - len(depths)
        found.setdefault("depths", depths[: len(heads)] + depths[-1:] * missing)
        if not _fit(usual.embed_dim, heads):
            found.setdefault("embed_dim", _width(heads))
    else:
        stages = len(said.get("depths", usual.depths))
        found["num_heads"] = _heads(usual, said.get("embed_dim", usual.embed_dim), stages)
    return found


def _heads(usual: VideoSwinConfig, width: int, stages: int) -> tuple[int, ...]:
    """The usual ones, twice as many in each further stage; if they do not fit, of 32 channels."""
    heads = usual.num_heads[:stages]
    heads += tuple(heads[-1] * 2**more for more in range(1, stages - len(heads) + 1))
    if _fit(width, heads):
        return heads
    wanted = max(1, width // HEAD_CHANNELS)
    first = max(count for count in range(1, wanted + 1) if width % count == 0)
    return tuple(first * 2**stage for stage in range(stages))


def _width(heads: tuple[int, ...]) -> int:
    """The fewest channels that all stages' heads share, with 32 for each head of the first."""
    needed = (count // math.gcd(count, 2**stage) for stage, count in enumerate(heads))
    return math.lcm(HEAD_CHANNELS * heads[0], *needed)


def _fit(width: int, heads: tuple[int, ...]) -> bool:
    """Whether heads divide the channels of their stages."""
    return all(width * 2**stage % count == 0 for stage, count in enumerate(heads))


def _are_counts(values: Any) -> bool:
    return (
        isinstance(values, tuple)
        and len(values) > 0
        and all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in values)
    )
