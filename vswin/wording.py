"""Quantities in words, as progress bars, logs and status tables show them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """As 2d 03:10, 1:05:09 or 5:09."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def bracketed(low: float, high: float, digits: int = 1) -> str:
    """An interval in its brackets, with minus signs: [−0.3, 2.0]."""
    return f"[{low:.{digits}f}, {high:.{digits}f}]".replace("-", "−")


def signed(value: float, digits: int = 2) -> str:
    """As +2.60 or −0.31, with a minus sign; what would round to zero gets more digits: −0.004.

    The sign of an interval's end decides a verdict, so it is to be seen. A millionth is zero.
    """
    value = value if round(value, 6) else 0.0
    while value and not round(value, digits):
        digits += 1
    return f"{value:+.{digits}f}".replace("-", "−")
