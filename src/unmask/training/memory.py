"""Memory: keeping large temporaries in the allocator, and how much was needed."""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

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


def peak_memory(device: torch.device) -> int | None:
    """The most bytes held at once since this process began: of the GPU on one, else of this process; None where the
    system does not say."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most  # bytes there, kilobytes elsewhere
