"""The colours of an explanation: blue speaks for the word, orange against it, the stronger the fuller.

Okabe and Ito's sky blue and orange, told apart with any colour vision; black letters are readable on both.
"""

from __future__ import annotations

FOR, AGAINST = (86, 180, 233), (230, 159, 0)
TITLES = {
    "integrated_gradients": "integrated gradients",
    "masked": "masked in turn",
    "left_out": "left out in turn",
    "rollout": "attention rollout",
}


def shade(value: float, strongest: float) -> str | None:
    """The background of a token as #rrggbb, or None where its part is too small to be seen."""
    share = min(1.0, abs(value) / strongest) if strongest > 0 else 0.0
    if share < 0.04:
        return None
    full = FOR if value > 0 else AGAINST
    return "#" + "".join(f"{round(255 + (channel - 255) * share):02x}" for channel in full)
