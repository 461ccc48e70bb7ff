"""What encoders ask of their sizes, in the words that a user reads."""

from __future__ import annotations

from typing import Any

from unmask.config import require


def check_sizes(settings: Any, *names: str) -> None:
    """SettingError where one of these fields of an architecture's settings is less than 1."""
    for name in names:
        require(getattr(settings, name) > 0, f"architecture.{name}={getattr(settings, name)}: at least 1 is needed")


def check_heads(heads: int, width: int, rotary: bool = False, prefix: str = "architecture.") -> None:
    """SettingError where heads do not part the width evenly; rotary positions turn pairs of channels, so those of a
    head must be even. prefix: how the two settings begin."""
    ending = " into an even number" if rotary else ""
    parts = 2 * heads if rotary else heads
    require(width % parts == 0, f"{prefix}heads={heads}: must divide {prefix}width={width}{ending}")
