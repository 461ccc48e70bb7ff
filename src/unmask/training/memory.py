"""Keeping large temporaries in the allocator."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_large_blocks() -> bool:
    """Ask glibc to keep freed blocks of any size for the next step instead of giving them back to the system.

    A training step's large temporaries are otherwise mapped and faulted in again at every step (docs/log.md has the
    gain). Returns whether there was a glibc to ask.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30) and libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))
