"""Small drawings made of characters."""

from collections.abc import Iterable

BARS = "▁▂▃▄▅▆▇█"


def bars(levels: Iterable[float]) -> str:
    """Draw levels from 0 to 1 as bars: 0, 0.5, 1 are ▁▅█."""
    return "".join(BARS[round(level * (len(BARS) - 1))] for level in levels)
