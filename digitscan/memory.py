"""Has the C library keep the memory of one page for the next.

The arrays of a page are so large that glibc takes each from the kernel and gives it back, and the kernel clears every
4 KB of it in a fault of its own. That was a twentieth of the time of A4 pages at 300 dpi. What is
kept instead was 40 MB with two jobs, all processes together.
"""

from __future__ import annotations

import sys
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of `mallopt` in glibc's `malloc.h`."""

_KEPT = 256 << 20
"""Bytes that may lie idle: those of a page of usual size, not of a poster."""

_LARGEST = 32 << 20
"""Bytes of the largest array that is kept."""


def keep_freed_memory() -> None:
    """For processes of digitscan's own; where the C library is another than glibc, nothing changes."""
    if sys.platform != "linux":
        return
    import ctypes  # Which NumPy imports too, but not the help.

    library = ctypes.CDLL(None)
    with suppress(AttributeError):
        library.mallopt(_TRIM_THRESHOLD, _KEPT)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST)
